//! One small text over HTTPS: the only user of hyper.
//!
//! The certificate must be proven and for the name; redirects are not followed; time and octets are
//! bounded.

use super::dial::{self, Trust};
use super::resolver::Resolver;
use crate::limits;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub host: &'a str,
    pub port: u16,
    pub path: &'a str,
    pub most_octets: usize,
    pub within: Duration,
}

/// Why it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchFault {
    /// The server could not prove who it is.
    Certificate(String),
    Other(String),
}

impl fmt::Display for FetchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

/// Fetches a plain text.
pub(crate) async fn fetch(
    resolver: &Resolver,
    trust: &Trust,
    wanted: &Wanted<'_>,
) -> Result<Vec<u8>, FetchFault> {
    let fetched = tokio::time::timeout(wanted.within, attempt(resolver, trust, wanted)).await;
    fetched.unwrap_or_else(|_| Err(other("it took too long")))
}

async fn attempt(
    resolver: &Resolver,
    trust: &Trust,
    wanted: &Wanted<'_>,
) -> Result<Vec<u8>, FetchFault> {
    let addresses = resolver.addresses(wanted.host, true).await;
    let addresses = addresses.map_err(|none| other(format!("{} : {none}", wanted.host)))?;
    let mut last = other("it has no address");
    for address in addresses.into_iter().take(limits::SMTP_OUT_HOSTS) {
        let at = SocketAddr::new(address, wanted.port);
        match dial::dial(at, wanted.within).await {
            Ok(call) => return ask(call, trust, wanted).await,
            Err(error) => last = other(format!("no connection to {at}: {error}")),
        }
    }
    Err(last)
}

async fn ask(call: dial::Call, trust: &Trust, wanted: &Wanted<'_>) -> Result<Vec<u8>, FetchFault> {
    let secured = call.secure(&trust.strictly(), wanted.host, wanted.within).await;
    let (call, _) = secured.map_err(|unproven| match unproven.certificate {
        Some(fault) => FetchFault::Certificate(fault.to_string()),
        None => other(format!("TLS failed: {}", unproven.why)),
    })?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits::HTTP_HEADER_BYTES);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(call.into_stream())).await.map_err(other)?;
    // Ends with the sender, or when this future is dropped.
    let exchange = async {
        let request = Request::get(wanted.path)
            .header(HOST, wanted.host)
            .header(USER_AGENT, "Mailroom")
            .body(Empty::<Bytes>::new())
            .map_err(other)?;
        let response = sender.send_request(request).await.map_err(other)?;
        read(response, wanted.most_octets).await
    };
    tokio::pin!(connection, exchange);
    tokio::select! {
        text = &mut exchange => text,
        ended = &mut connection => match ended {
            // The answer may be whole already.
            Ok(()) => exchange.await,
            Err(error) => Err(other(error)),
        },
    }
}

async fn read(response: Response<Incoming>, most: usize) -> Result<Vec<u8>, FetchFault> {
    // RFC 8461 3.3: redirects are not followed; whatever is not 200 is a failure
    if response.status() != StatusCode::OK {
        return Err(other(format!("the server answered {}", response.status())));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("text/plain") {
        return Err(other(format!("it is of type {kind:?} and not text/plain")));
    }
    let whole = Limited::new(response.into_body(), most).collect().await;
    whole.map(|whole| whole.to_bytes().to_vec()).map_err(|error| {
        match error.downcast::<hyper::Error>() {
            Ok(broken) => other(broken),
            Err(_) => other(format!("it has more than {most} octets")),
        }
    })
}

fn other(why: impl fmt::Display) -> FetchFault {
    FetchFault::Other(why.to_string())
}
