//! The page of a box under repair: in clear, without inputs, without files beside it.

use super::words::Words;
use askama::Template;

#[derive(Template)]
#[template(path = "repair.html")]
struct Repair<'a> {
    words: &'static Words,
    why: &'a str,
}

/// The whole reply. // RFC 9110 15.6.4: 503
pub(crate) fn page(why: &str) -> String {
    let words = Words::choose(None);
    let body = Repair { words, why }.render().unwrap_or_else(|_| why.to_string());
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\nCache-Control: no-store\r\nRetry-After: 60\r\n\
         Content-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
