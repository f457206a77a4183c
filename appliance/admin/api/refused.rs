//! Why a call is not answered with what it asks for: a status, and the words that the command line
//! has for it.

use crate::act::failure::{Failure, Kind};
use crate::admin::http::Reply;
use crate::store::StoreError;

pub(super) struct Refused {
    status: u16,
    failure: Box<Failure>,
    header: Option<(&'static str, String)>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        let status = match failure.kind {
            Kind::Wrong => 422,
            Kind::Missing => 404,
            Kind::Exists => 409,
            // RFC 4918 11.5
            Kind::Full => 507,
            Kind::Trouble => 500,
        };
        Refused { status, failure: Box::new(failure), header: None }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        Failure::store("cannot answer", &error).into()
    }
}

impl Refused {
    pub(super) fn failure(&self) -> &Failure {
        &self.failure
    }

    pub(super) fn reply(self) -> Reply {
        let body = serde_json::json!({ "failure": self.failure }).to_string().into_bytes();
        let (status, kind) = (self.status, "application/json");
        let reply = Reply { status, kind, body, headers: Vec::new() };
        match self.header {
            Some((name, value)) => reply.with(name, &value),
            None => reply,
        }
    }

    fn new(status: u16, why: impl ToString, remedy: &str) -> Refused {
        let failure = Failure::new("the call was not answered", why, remedy);
        Refused { status, failure: Box::new(failure), header: None }
    }

    fn saying(self, name: &'static str, value: &str) -> Refused {
        Refused { header: Some((name, value.to_string())), ..self }
    }

    /// Something about the call is not as it must be.
    pub(super) fn wrong(why: String, remedy: &str) -> Refused {
        Refused::new(422, why, remedy)
    }

    pub(super) fn in_clear() -> Refused {
        let remedy = "call by https; if a token was sent, remove it and make another";
        Refused::new(403, "it came in clear, where everybody on the way can read a token", remedy)
    }

    pub(super) fn no_owner() -> Refused {
        Refused::new(403, "the box has no owner yet", "set it up in a browser first")
    }

    /// RFC 6750 3: no error is named where no token was given
    pub(super) fn without_token() -> Refused {
        let remedy = "send Authorization: Bearer and a token; the owner makes it at /tokens, or \
                      with `mailroom token add`";
        Refused::new(401, "it came without a token", remedy).saying("WWW-Authenticate", "Bearer")
    }

    pub(super) fn wrong_token() -> Refused {
        let error = "Bearer error=\"invalid_token\"";
        let remedy = "ask the owner for a new one";
        Refused::new(401, "nobody has this token", remedy).saying("WWW-Authenticate", error)
    }

    pub(super) fn no_such_call() -> Refused {
        Refused::new(404, "there is no such call", "see /api/v1/openapi.json")
    }

    pub(super) fn method(others: &[&str]) -> Refused {
        let others = others.join(", ");
        Refused::new(405, format!("it is made by {others}"), "").saying("Allow", &others)
    }

    pub(super) fn kind(kind: &str) -> Refused {
        let why = format!("its body is {kind:?} and not application/json");
        Refused::new(415, why, "say Content-Type: application/json")
    }

    pub(super) fn no_octets(kind: &str) -> Refused {
        let why = format!("its body is {kind:?} and not application/octet-stream");
        Refused::new(415, why, "say Content-Type: application/octet-stream")
    }

    /// The body cannot be read, or is not what the call wants.
    pub(super) fn body(error: &serde_json::Error) -> Refused {
        let status = if error.is_data() { 422 } else { 400 };
        Refused::new(status, error, "see /api/v1/openapi.json")
    }
}
