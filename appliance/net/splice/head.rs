//! The heads of requests and replies, parsed strictly and printed anew: nothing that two readers
//! could take differently gets through.

use crate::limits::{WEB_HEADERS, WEB_TARGET_BYTES};
use std::io;

/// A request that is not handed on, and what its sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit {
    status: &'static str,
    words: &'static str,
}

impl Unfit {
    pub(super) const BAD: Unfit =
        Unfit { status: "400 Bad Request", words: "This is not a request that can be read.\n" };
    pub(super) const SLOW: Unfit =
        Unfit { status: "408 Request Timeout", words: "The request took too long.\n" };
    pub(super) const LENGTH: Unfit =
        Unfit { status: "411 Length Required", words: "The request must say its length.\n" };
    pub(super) const TARGET: Unfit =
        Unfit { status: "414 URI Too Long", words: "The address is too long.\n" };
    pub(super) const LONG: Unfit = Unfit {
        status: "431 Request Header Fields Too Large",
        words: "The head of the request is too long.\n",
    };
    pub(super) const FAILED: Unfit =
        Unfit { status: "502 Bad Gateway", words: "The page cannot be made. Try again.\n" };

    pub(super) fn large(words: &'static str) -> Unfit {
        Unfit { status: "413 Content Too Large", words }
    }

    pub(super) fn print(self) -> Vec<u8> {
        let Unfit { status, words } = self;
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{words}",
            words.len()
        )
        .into_bytes()
    }
}

/// The head of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub method: String,
    pub target: String,
    headers: Vec<(String, Vec<u8>)>,
    /// Octets of the body.
    pub length: u64,
    /// The client waits to be told that it may send the body.
    pub expects: bool,
    /// Another request may follow on the connection.
    pub goes_on: bool,
}

/// Between two hops only, or answered here.
const OF_THIS_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-length",
];

impl Head {
    /// The head at the front and how many octets it has; `None` while it is not whole.
    pub(super) fn parse(octets: &[u8]) -> Result<Option<(Head, usize)>, Unfit> {
        let mut places = [httparse::EMPTY_HEADER; WEB_HEADERS];
        let mut request = httparse::Request::new(&mut places);
        let used = match request.parse(octets) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Unfit::LONG),
            Err(_) => return Err(Unfit::BAD),
        };
        let (Some(method), Some(target), Some(version)) =
            (request.method, request.path, request.version)
        else {
            return Err(Unfit::BAD);
        };
        if target.len() > WEB_TARGET_BYTES {
            return Err(Unfit::TARGET);
        }
        // RFC 9112 3.2.1: the origin form; no other is for us
        if !target.starts_with('/') || !target.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(Unfit::BAD);
        }
        let mut head = Head {
            method: method.to_string(),
            target: target.to_string(),
            headers: Vec::new(),
            length: 0,
            expects: false,
            goes_on: version == 1,
        };
        head.headers(request.headers)?;
        Ok(Some((head, used)))
    }

    fn headers(&mut self, headers: &[httparse::Header<'_>]) -> Result<(), Unfit> {
        let mut length = None;
        for header in headers {
            let name = header.name.to_ascii_lowercase();
            let says = |word: &[u8]| {
                let mut words = header.value.split(|octet| *octet == b',');
                words.any(|it| it.trim_ascii().eq_ignore_ascii_case(word))
            };
            match name.as_str() {
                // RFC 9112 6.1: a body in pieces: no browser sends it, two readers differ on it
                "transfer-encoding" => return Err(Unfit::LENGTH),
                "content-length" if length.is_some() => return Err(Unfit::BAD),
                "content-length" => length = Some(number(header.value)?),
                "connection" if says(b"close") => self.goes_on = false,
                "expect" if says(b"100-continue") => self.expects = true,
                _ => (),
            }
            // What is not ASCII belongs in no header that the pages read.
            let plain = header.value.iter().all(|octet| matches!(octet, b' '..=b'~'));
            if plain && !OF_THIS_HOP.contains(&name.as_str()) {
                self.headers.push((name, header.value.to_vec()));
            }
        }
        self.length = length.unwrap_or(0);
        Ok(())
    }

    /// Header names are given in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        std::str::from_utf8(value).ok()
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn print(&self) -> Vec<u8> {
        let mut octets = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            octets.extend(name.as_bytes());
            octets.extend(b": ");
            octets.extend(value);
            octets.extend(b"\r\n");
        }
        let length = self.length;
        octets.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").bytes());
        octets
    }
}

/// RFC 9110 8.6: digits and nothing else
fn number(value: &[u8]) -> Result<u64, Unfit> {
    let digits = std::str::from_utf8(value).map_err(|_| Unfit::BAD)?;
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Unfit::BAD);
    }
    digits.parse().map_err(|_| Unfit::large("The request is too large.\n"))
}

/// The head of a reply of our own pages.
#[derive(Debug)]
pub(super) struct ReplyHead {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub length: u64,
}

impl ReplyHead {
    pub(super) fn parse(octets: &[u8]) -> io::Result<Option<(ReplyHead, usize)>> {
        let mut places = [httparse::EMPTY_HEADER; WEB_HEADERS];
        let mut response = httparse::Response::new(&mut places);
        let parsed = response.parse(octets).map_err(io::Error::other)?;
        let httparse::Status::Complete(used) = parsed else { return Ok(None) };
        let status = response.code.unwrap_or(500);
        let mut reply = ReplyHead { status, headers: Vec::new(), length: 0 };
        for header in response.headers {
            let name = header.name.to_ascii_lowercase();
            match name.as_str() {
                "content-length" => {
                    reply.length = number(header.value).map_err(|_| io::ErrorKind::InvalidData)?;
                }
                // What the library says of itself concerns nobody.
                "connection" | "server" => (),
                _ => reply.headers.push((header.name.to_string(), header.value.to_vec())),
            }
        }
        Ok(Some((reply, used)))
    }

    pub(super) fn print(&self, goes_on: bool) -> Vec<u8> {
        let mut octets = format!("HTTP/1.1 {} \r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            octets.extend(name.as_bytes());
            octets.extend(b": ");
            octets.extend(value);
            octets.extend(b"\r\n");
        }
        let end = if goes_on { "keep-alive" } else { "close" };
        let length = self.length;
        octets.extend(format!("Content-Length: {length}\r\nConnection: {end}\r\n\r\n").bytes());
        octets
    }
}
