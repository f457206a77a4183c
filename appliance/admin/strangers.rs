//! What strangers get too, before anybody is asked who they are: `public`, on its own names alone.

use super::house::House;
use super::http::{Method, Reply, Request};
use crate::public::{self, Asked, Known};
use crate::store::address;

/// `None`: it is nothing of that.
pub(super) fn answer(house: &House, request: &Request) -> Option<Reply> {
    let host = request.header("host").filter(|_| public::may_be(&request.path))?;
    let settings = house.settings();
    let domains = house.store.snapshot().and_then(|read| address::domains(&read)).ok()?;
    let domains: Vec<String> = domains.into_iter().map(|domain| domain.name).collect();
    let challenge = |token: &str| house.tls.challenges().page(token);
    let known = Known { settings: &settings, domains: &domains, challenge: &challenge };
    let asked = Asked {
        secure: request.is_secure(),
        post: request.method == Method::Post,
        host,
        path: &request.path,
        query: &request.query,
        body: &request.body,
        now: request.now,
    };
    let given = public::answer(&asked, &known);
    if given.status == 404 {
        return None;
    }
    let reply = Reply {
        status: given.status,
        kind: given.kind,
        body: given.body.into_bytes(),
        headers: Vec::new(),
    };
    Some(match given.location {
        Some(there) => reply.with("Location", &there),
        None => reply,
    })
}
