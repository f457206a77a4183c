//! The certificate: how it stands, how it is got, another try.

use super::{Call, Outcome, Refused, json, reply};
use crate::act::certificate::{self, CertificateView};
use crate::act::failure::Failure;
use crate::act::{Reply as Done, certificate::WHAT_NEW};
use crate::admin::http::Reply;
use crate::admin::setup::certificate as form;
use crate::net::acme::files::Files;
use crate::net::acme::plan::Asked;
use crate::net::tls;
use crate::settings::{Algorithm, Certificate, Method, Update};
use serde::{Deserialize, Serialize};

pub(super) fn show(call: &Call<'_>) -> Outcome {
    reply(&Done::Certificate(view(call)?))
}

fn view(call: &Call<'_>) -> Result<CertificateView, Failure> {
    let (house, settings) = (call.house, call.house.settings());
    certificate::view(&house.data, &settings, call.request.now)
}

/// How it is got. The secret goes in and never out.
#[derive(Serialize)]
struct WayView<'a> {
    method: &'static str,
    /// The authority's.
    directory: &'a str,
    contact: Option<&'a str>,
    update: Option<UpdateView<'a>>,
}

#[derive(Serialize)]
struct UpdateView<'a> {
    server: String,
    zone: Option<&'a str>,
    key: &'a str,
    algorithm: Algorithm,
}

pub(super) fn way(call: &Call<'_>) -> Outcome {
    show_way(&call.house.settings().certificate)
}

fn show_way(certificate: &Certificate) -> Outcome {
    let Certificate { method, directory, contact } = certificate;
    let update = match method {
        Method::Dns01(update) => Some(UpdateView {
            server: update.server.to_string(),
            zone: update.zone.as_deref(),
            key: &update.key,
            algorithm: update.algorithm,
        }),
        _ => None,
    };
    let contact = contact.as_deref();
    let view = WayView { method: method.word(), directory, contact, update };
    reply(&serde_json::json!({ "way": view }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWay {
    method: Word,
    directory: Option<String>,
    contact: Option<String>,
    update: Option<NewUpdate>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Own,
    #[serde(rename = "http-01")]
    Http01,
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    #[serde(rename = "dns-01")]
    Dns01,
    ByHand,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUpdate {
    server: String,
    zone: Option<String>,
    key: String,
    /// Base64; without it the one that is there stays.
    secret: Option<String>,
    algorithm: Option<Algorithm>,
}

impl NewWay {
    fn certificate(self, before: &Certificate) -> Result<Certificate, Refused> {
        let NewWay { method, directory, contact, update } = self;
        let wrong = |why: &str| Refused::wrong(why.to_string(), "");
        let directory = directory.unwrap_or_else(|| Certificate::default().directory);
        if !form::is_directory(&directory) {
            return Err(wrong("directory is no address such as https://acme.example/directory"));
        }
        if contact.as_deref().is_some_and(|contact| !form::is_contact(contact)) {
            return Err(wrong("contact is no address such as me@example.org"));
        }
        let method = match (method, update) {
            (Word::Dns01, Some(update)) => Method::Dns01(update.update(before)?),
            (Word::Dns01, None) => return Err(wrong("update says which server takes records")),
            (_, Some(_)) => return Err(wrong("update is for dns-01 and no other")),
            (Word::Own, None) => Method::Own,
            (Word::Http01, None) => Method::Http01,
            (Word::TlsAlpn01, None) => Method::TlsAlpn01,
            (Word::ByHand, None) => Method::ByHand,
        };
        Ok(Certificate { method, directory, contact })
    }
}

impl NewUpdate {
    fn update(self, before: &Certificate) -> Result<Update, Refused> {
        let NewUpdate { server, zone, key, secret, algorithm } = self;
        let wrong = |why: &str| Refused::wrong(why.to_string(), "");
        let server = form::server(&server).ok_or_else(|| wrong("server is no IP address"))?;
        let key = form::name(&key).ok_or_else(|| wrong("key is no name, such as mailroom"))?;
        let name = |text: String| form::name(&text).ok_or_else(|| wrong("zone is no domain"));
        let zone = zone.map(name).transpose()?;
        let secret = match secret {
            Some(text) => form::secret(&text),
            None => form::kept_secret(before, &key),
        };
        let secret = secret.ok_or_else(|| wrong("secret is no base64 of 16 to 512 octets"))?;
        let algorithm = algorithm.unwrap_or(Algorithm::HmacSha256);
        Ok(Update { server, zone, key, secret, algorithm })
    }
}

/// Another way; of an authority the first certificate is asked for at once.
pub(super) fn set_way(call: &Call<'_>) -> Outcome {
    let new: NewWay = call.body()?;
    let before = call.house.settings().certificate.clone();
    let wanted = new.certificate(&before)?;
    if wanted != before {
        let new = wanted.clone();
        let changed = call.house.change_settings(|settings| settings.certificate = new);
        call.note("settings/certificate", wanted.method.word(), changed.as_ref().err());
        changed?;
        if wanted.method != Method::Own {
            ask(call)?;
        }
    }
    show_way(&wanted)
}

/// Another try now; what comes of it is asked for later.
pub(super) fn again(call: &Call<'_>) -> Outcome {
    if call.house.settings().certificate.method == Method::Own {
        let why = "the settings say that the box itself signs its certificate";
        return Err(Failure::new(WHAT_NEW, why, "choose another way first").into());
    }
    ask(call)?;
    call.note("certificate/ask", "", None);
    json(202, &Done::Certificate(view(call)?))
}

fn ask(call: &Call<'_>) -> Result<(), Failure> {
    let asked = Files::of(&call.house.data).ask(Asked::Issue);
    asked.map_err(|fault| Failure::new(WHAT_NEW, fault, ""))
}

/// The certificate of the box's own authority, for devices to trust.
pub(super) fn authority(call: &Call<'_>) -> Outcome {
    let der = tls::own_authority(&call.house.data.join("tls"));
    let what = "cannot give the certificate of the box's own authority";
    let der = der.map_err(|fault| Failure::new(what, fault, ""))?;
    Ok(Reply::file("application/x-x509-ca-cert", "mailroom-ca.crt", der))
}
