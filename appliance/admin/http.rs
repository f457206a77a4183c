//! Requests and replies as values: what comes in is checked here, what goes out is secured here.

use crate::limits;
use crate::session::Peer;
use std::io::{self, Read, Write};

/// A request, whole and within its limits.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: Method,
    /// Without the query.
    pub path: String,
    /// What stands between its slashes.
    pub parts: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub peer: Peer,
    /// Seconds since 1970.
    pub now: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    /// This and the next are for programs alone: no form has them.
    Put,
    Delete,
    /// Nothing is asked for so.
    Other,
}

impl Method {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Other => "-",
        }
    }
}

impl Request {
    /// Header names are given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.peer.tls.is_some()
    }
}

/// RFC 6265 4.2.1: the cookie of this name in a Cookie header
pub(super) fn cookie<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(it, _)| *it == name).map(|(_, value)| value)
}

/// What goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub status: u16,
    pub kind: &'static str,
    pub body: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(crate) fn html(body: String) -> Reply {
        Reply { status: 200, kind: "text/html; charset=utf-8", body: body.into(), headers: vec![] }
    }

    pub(crate) fn plain(status: u16, words: &str) -> Reply {
        let body = format!("{words}\n").into_bytes();
        Reply { status, kind: "text/plain; charset=utf-8", body, headers: Vec::new() }
    }

    /// After a form was taken: the browser asks for another page, and Back sends nothing twice.
    pub(crate) fn see(path: &str) -> Reply {
        let reply = Reply { status: 303, ..Reply::plain(303, "") };
        reply.with("Location", path)
    }

    /// A file to keep.
    pub(crate) fn file(kind: &'static str, name: &str, body: Vec<u8>) -> Reply {
        let reply = Reply { status: 200, kind, body, headers: Vec::new() };
        let safe = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let name: String = name.chars().filter(|c| safe(*c)).collect();
        reply.with("Content-Disposition", &format!("attachment; filename=\"{name}\""))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn status(self, status: u16) -> Reply {
        Reply { status, ..self }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let is_it = |it: &str| it.eq_ignore_ascii_case(name);
        self.headers.iter().find(|(it, _)| is_it(it)).map(|(_, value)| value.as_str())
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Nothing of elsewhere, nothing inline, in no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' \
                      data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What every reply says to the browser. `proven`: the certificate is of an authority that
/// browsers know, so that insisting on TLS locks nobody out.
pub(super) fn secure(mut reply: Reply, proven: bool) -> Reply {
    let mut says = |name: &'static str, value: &str| {
        if reply.header(name).is_none() {
            reply.headers.push((name, value.to_string()));
        }
    };
    says("Content-Security-Policy", POLICY);
    says("X-Content-Type-Options", "nosniff");
    says("X-Frame-Options", "DENY");
    says("Referrer-Policy", "no-referrer");
    says("Cross-Origin-Opener-Policy", "same-origin");
    says("Cross-Origin-Resource-Policy", "same-origin");
    says("Permissions-Policy", "camera=(), geolocation=(), microphone=()");
    says("Cache-Control", "no-store");
    if proven {
        says("Strict-Transport-Security", "max-age=31536000");
    }
    reply
}

/// Takes over what tiny_http parsed, without the body; the error is the reply to it.
pub(super) fn head(request: &tiny_http::Request, peer: Peer, now: i64) -> Result<Request, Reply> {
    let method = match request.method() {
        tiny_http::Method::Get | tiny_http::Method::Head => Method::Get,
        tiny_http::Method::Post => Method::Post,
        tiny_http::Method::Put => Method::Put,
        tiny_http::Method::Delete => Method::Delete,
        _ => Method::Other,
    };
    let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let bad = |why: &str| Reply::plain(400, why);
    let part = |part: &str| decoded(part, false).ok_or_else(|| bad("the address is not UTF-8"));
    let parts = path.split('/').map(part).collect::<Result<Vec<String>, Reply>>()?;
    let path = parts.join("/");
    let query = pairs(query.as_bytes()).map_err(|why| bad(why.words()))?;
    let text = |header: &tiny_http::Header| {
        (header.field.as_str().as_str().to_ascii_lowercase(), header.value.as_str().to_string())
    };
    let headers = request.headers().iter().map(text).collect();
    Ok(Request { method, path, parts, query, headers, body: Vec::new(), peer, now })
}

/// The body of a form; the error is the reply to it.
pub(super) fn body(from: &mut dyn Read) -> Result<Vec<u8>, Reply> {
    let (mut body, most) = (Vec::new(), limits::WEB_BODY_BYTES);
    let taken = from.take(most + 1).read_to_end(&mut body);
    taken.map_err(|_| Reply::plain(400, "the request is not whole"))?;
    match body.len() as u64 > most {
        true => Err(Reply::plain(413, "the request is too large")),
        false => Ok(body),
    }
}

/// `now`: seconds since 1970.
pub(super) fn respond(mut request: tiny_http::Request, reply: Reply, now: i64) -> io::Result<()> {
    // tiny_http would make room in memory for all that was not read.
    let _ = io::copy(request.as_reader(), &mut io::sink());
    let status = tiny_http::StatusCode(reply.status);
    let mut octets = format!("HTTP/1.1 {} {}\r\n", reply.status, status.default_reason_phrase());
    let length = reply.body.len().to_string();
    let date = date(now);
    let own = [("Date", &*date), ("Content-Type", reply.kind), ("Content-Length", &*length)];
    let all = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).chain(own);
    // RFC 9110 5.5: no value goes on in another line
    for (name, value) in all.filter(|(_, value)| !value.contains(['\r', '\n', '\0'])) {
        octets.push_str(&format!("{name}: {value}\r\n"));
    }
    octets.push_str("\r\n");
    let mut octets = octets.into_bytes();
    if *request.method() != tiny_http::Method::Head {
        octets.extend(reply.body);
    }
    // In one piece: of two, the second would wait some 40 ms until the first is acknowledged
    // (RFC 9293 3.7.4), since tiny_http does not switch that off.
    let mut writer = request.into_writer();
    writer.write_all(&octets)?;
    writer.flush()
}

/// RFC 9110 5.6.7
fn date(now: i64) -> String {
    let form = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let at = time::OffsetDateTime::from_unix_timestamp(now).ok();
    at.and_then(|at| at.format(form).ok()).unwrap_or_default()
}

/// Why fields cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadFields {
    NotUtf8,
    TooMany,
}

impl BadFields {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NotUtf8 => "what was sent is not UTF-8 text",
            Self::TooMany => "the form has too many fields",
        }
    }
}

/// `application/x-www-form-urlencoded`, in order.
pub(crate) fn pairs(octets: &[u8]) -> Result<Vec<(String, String)>, BadFields> {
    let text = std::str::from_utf8(octets).map_err(|_| BadFields::NotUtf8)?;
    let mut pairs = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() >= limits::FORM_FIELDS {
            return Err(BadFields::TooMany);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name, true).ok_or(BadFields::NotUtf8)?;
        let value = decoded(value, true).ok_or(BadFields::NotUtf8)?;
        // Browsers end the lines of a text field with CRLF.
        pairs.push((name, value.replace("\r\n", "\n")));
    }
    Ok(pairs)
}

/// The same back.
pub(super) fn printed(pairs: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Percent-encoding undone; in forms a plus is a space.
fn decoded(text: &str, of_form: bool) -> Option<String> {
    let text = if of_form { text.replace('+', " ") } else { text.to_string() };
    let octets = percent_encoding::percent_decode_str(&text);
    octets.decode_utf8().ok().map(|text| text.into_owned())
}

/// As part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
