//! Access tokens of providers (RFC 6749, RFC 8628): asked for with the code that a person types in
//! elsewhere, and renewed.
//!
//! ```text
//! begin   POST device_url  client_id, scope               -> a code to type in, and where
//! poll    POST token_url   grant device_code               -> pending, slow down, tokens, no
//! renew   POST token_url   grant refresh_token             -> tokens, or revoked
//! ```

use super::dial::Trust;
use super::https::{self, Wanted};
use super::resolver::Resolver;
use crate::limits::{OAUTH_ANSWER, OAUTH_ANSWER_BYTES, OAUTH_CODE_SECONDS, OAUTH_TEXT_BYTES};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Request, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::fmt;

/// Who asks whom: the client that the owner registered, and the provider's addresses.
pub(crate) struct Client<'a> {
    pub resolver: &'a Resolver,
    pub trust: &'a Trust,
    pub id: &'a str,
    /// Empty: it has none.
    pub secret: &'a str,
    pub device_url: &'a str,
    pub token_url: &'a str,
    pub scope: &'a str,
}

/// What a person must do, and by which code we ask whether it was done.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub user_code: String,
    pub url: String,
    pub device_code: String,
    /// Seconds.
    pub interval: u64,
    pub expires_in: u64,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Begun({})", self.url)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub access: String,
    /// Empty: the one before stays good.
    pub refresh: String,
    /// Seconds.
    pub expires_in: i64,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Polled {
    Pending,
    SlowDown,
    Tokens(Tokens),
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoToken {
    /// The provider says no: the person must log in anew.
    Refused(String),
    /// It may come right by itself.
    Passing(String),
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Passing(why) => f.write_str(why),
        }
    }
}

/// RFC 8628 3.2; and RFC 6749 5.1, 5.2.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    /// As some providers call it.
    verification_url: String,
    interval: u64,
    expires_in: i64,
    access_token: String,
    refresh_token: String,
    error: String,
    error_description: String,
}

impl Client<'_> {
    pub(crate) async fn begin(&self) -> Result<Begun, NoToken> {
        let answer = self.post(self.device_url, &[("scope", self.scope)]).await?;
        let url = match answer.verification_uri.is_empty() {
            true => answer.verification_url,
            false => answer.verification_uri,
        };
        if answer.device_code.is_empty() || answer.user_code.is_empty() || url.is_empty() {
            return Err(answer_lacks("a code"));
        }
        Ok(Begun {
            user_code: answer.user_code,
            url,
            device_code: answer.device_code,
            // RFC 8628 3.2: five seconds where it says nothing
            interval: if answer.interval == 0 { 5 } else { answer.interval },
            expires_in: u64::try_from(answer.expires_in).unwrap_or(0).min(OAUTH_CODE_SECONDS),
        })
    }

    pub(crate) async fn poll(&self, device_code: &str) -> Result<Polled, NoToken> {
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let form = [("grant_type", grant), ("device_code", device_code)];
        match self.post(self.token_url, &form).await {
            Ok(answer) => tokens(answer).map(Polled::Tokens),
            // RFC 8628 3.5
            Err(NoToken::Refused(why)) if why.starts_with("authorization_pending") => {
                Ok(Polled::Pending)
            }
            Err(NoToken::Refused(why)) if why.starts_with("slow_down") => Ok(Polled::SlowDown),
            Err(no) => Err(no),
        }
    }

    pub(crate) async fn renew(&self, refresh: &str) -> Result<Tokens, NoToken> {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", self.scope)];
        tokens(self.post(self.token_url, &form).await?)
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<Answer, NoToken> {
        let uri: Uri = url.parse().map_err(|_| wrong(url))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(|| wrong(url))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut fields = vec![("client_id", self.id)];
        fields.extend((!self.secret.is_empty()).then_some(("client_secret", self.secret)));
        fields.extend(form);
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body.join("&"))))
            .map_err(|_| wrong(url))?;
        let wanted = Wanted {
            host,
            port: uri.port_u16().unwrap_or(443),
            path,
            most_octets: OAUTH_ANSWER_BYTES,
            within: OAUTH_ANSWER,
        };
        let answer = https::ask(self.resolver, self.trust, &wanted, request).await;
        let answer = answer.map_err(|fault| NoToken::Passing(format!("{host}: {fault}")))?;
        read(answer.status(), answer.body(), host)
    }
}

fn read(status: StatusCode, body: &[u8], host: &str) -> Result<Answer, NoToken> {
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    let answer = match answer {
        Ok(answer) => answer,
        Err(_) => {
            let why = format!("{host} answered {status} with what makes no sense");
            return Err(NoToken::Passing(why));
        }
    };
    if status == StatusCode::OK && answer.error.is_empty() {
        return Ok(answer);
    }
    let said = format!("{} {}", answer.error, answer.error_description);
    let safe = |c: char| if c.is_control() { ' ' } else { c };
    let said: String = said.trim().chars().map(safe).take(OAUTH_TEXT_BYTES).collect();
    // RFC 6749 5.2: 400 or 401 is about what was asked, the rest about the server
    match status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        true => Err(NoToken::Refused(said)),
        false => Err(NoToken::Passing(format!("{host} answered {status} {said}"))),
    }
}

fn tokens(answer: Answer) -> Result<Tokens, NoToken> {
    if answer.access_token.is_empty() {
        return Err(answer_lacks("a token"));
    }
    // RFC 6749 5.1: where it does not say how long, not for long
    let expires_in = if answer.expires_in > 0 { answer.expires_in } else { 300 };
    Ok(Tokens { access: answer.access_token, refresh: answer.refresh_token, expires_in })
}

fn answer_lacks(what: &str) -> NoToken {
    NoToken::Passing(format!("the provider answered without {what}"))
}

fn wrong(url: &str) -> NoToken {
    NoToken::Refused(format!("{url:?} is no https address"))
}
