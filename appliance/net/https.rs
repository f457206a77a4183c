//! One small text over HTTPS: the only user of hyper.
//!
//! The certificate must be proven and for the name; redirects are not followed; time and octets are
//! bounded.

use super::dial::{self, Trust};
use super::resolver::Resolver;
use crate::limits;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
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
    let request = Request::get(wanted.path).body(Empty::<Bytes>::new()).map_err(other)?;
    let response = exchange(resolver, trust, wanted, request, is_plain_text).await?;
    Ok(response.into_body().to_vec())
}

/// Fetches what is there, of whatever type.
pub(crate) async fn get(
    resolver: &Resolver,
    trust: &Trust,
    wanted: &Wanted<'_>,
) -> Result<Vec<u8>, FetchFault> {
    let request = Request::get(wanted.path).body(Empty::<Bytes>::new()).map_err(other)?;
    let response = ask(resolver, trust, wanted, request).await?;
    match response.status() {
        StatusCode::OK => Ok(response.into_body().to_vec()),
        status => Err(other(format!("the server answered {status}"))),
    }
}

/// A request of another's making, and its whole answer, whatever the status.
pub(super) async fn ask<B>(
    resolver: &Resolver,
    trust: &Trust,
    wanted: &Wanted<'_>,
    request: Request<B>,
) -> Result<Response<Bytes>, FetchFault>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let asked = exchange(resolver, trust, wanted, request, |_| Ok(()));
    let asked = tokio::time::timeout(wanted.within, asked).await;
    asked.unwrap_or_else(|_| Err(other("it took too long")))
}

/// `fits` looks at the answer before its body is read.
async fn exchange<B>(
    resolver: &Resolver,
    trust: &Trust,
    wanted: &Wanted<'_>,
    mut request: Request<B>,
    fits: impl Fn(&Response<Incoming>) -> Result<(), FetchFault>,
) -> Result<Response<Bytes>, FetchFault>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let call = connect(resolver, trust, wanted).await?;
    let port = if wanted.port == 443 { String::new() } else { format!(":{}", wanted.port) };
    let host = format!("{}{port}", wanted.host).parse().map_err(other)?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("Mailroom"));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits::HTTP_HEADER_BYTES);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(call.into_stream())).await.map_err(other)?;
    // Ends with the sender, or when this future is dropped.
    let exchange = async {
        let response = sender.send_request(request).await.map_err(other)?;
        fits(&response)?;
        read(response, wanted.most_octets).await
    };
    tokio::pin!(connection, exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            // The answer may be whole already.
            Ok(()) => exchange.await,
            Err(error) => Err(other(error)),
        },
    }
}

/// TLS with the first address that takes a connection.
async fn connect(
    resolver: &Resolver,
    trust: &Trust,
    wanted: &Wanted<'_>,
) -> Result<dial::Call, FetchFault> {
    let addresses = match wanted.host.parse() {
        Ok(address) => vec![address],
        Err(_) => resolver
            .addresses(wanted.host, true)
            .await
            .map_err(|none| other(format!("{} : {none}", wanted.host)))?,
    };
    let mut last = other("it has no address");
    for address in addresses.into_iter().take(limits::SMTP_OUT_HOSTS) {
        let at = SocketAddr::new(address, wanted.port);
        let call = match dial::dial(at, wanted.within).await {
            Ok(call) => call,
            Err(error) => {
                last = other(format!("no connection to {at}: {error}"));
                continue;
            }
        };
        let secured = call.secure(&trust.strictly(), wanted.host, wanted.within).await;
        let (call, _) = secured.map_err(|unproven| match unproven.certificate {
            Some(fault) => FetchFault::Certificate(fault.to_string()),
            None => other(format!("TLS failed: {}", unproven.why)),
        })?;
        return Ok(call);
    }
    Err(last)
}

fn is_plain_text(response: &Response<Incoming>) -> Result<(), FetchFault> {
    // RFC 8461 3.3: redirects are not followed; whatever is not 200 is a failure
    if response.status() != StatusCode::OK {
        return Err(other(format!("the server answered {}", response.status())));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("text/plain") {
        return Err(other(format!("it is of type {kind:?} and not text/plain")));
    }
    Ok(())
}

async fn read(response: Response<Incoming>, most: usize) -> Result<Response<Bytes>, FetchFault> {
    let (parts, body) = response.into_parts();
    let whole = Limited::new(body, most).collect().await;
    let whole = whole.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(broken) => other(broken),
        Err(_) => other(format!("it has more than {most} octets")),
    })?;
    Ok(Response::from_parts(parts, whole.to_bytes()))
}

fn other(why: impl fmt::Display) -> FetchFault {
    FetchFault::Other(why.to_string())
}
