//! How the library that speaks ACME reaches an authority: by our names, our TLS and our bounds.

use crate::limits;
use crate::net::dial::Trust;
use crate::net::https::{self, Wanted};
use crate::net::resolver::Resolver;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Uri};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Client {
    pub resolver: Arc<Resolver>,
    pub trust: Trust,
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move { client.ask(request).await.map_err(|why| Error::Other(why.into())) })
    }
}

impl Client {
    async fn ask(&self, mut request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, String> {
        let uri = request.uri().clone();
        // RFC 8555 6.1: always HTTPS, also where the authority's own answers lead
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(|| format!("{uri} is no https address"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>().map_err(|error| error.to_string())?;
        let wanted = Wanted {
            host: host.trim_start_matches('[').trim_end_matches(']'),
            port: uri.port_u16().unwrap_or(443),
            path,
            most_octets: limits::ACME_ANSWER_BYTES,
            within: limits::ACME_ANSWER,
        };
        let answer = https::ask(&self.resolver, &self.trust, &wanted, request).await;
        let answer = answer.map_err(|fault| format!("{host}: {fault}"))?;
        Ok(BytesResponse::from(answer.map(Full::new)))
    }
}
