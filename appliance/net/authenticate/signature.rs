//! DKIM signatures (RFC 6376, RFC 8463) and ARC chains (RFC 8617).
//!
//! The mathematics is mail-auth's. What is around it is ours: which signatures are looked at, the
//! keys (fetched by our resolver, in bounded time), and the clock.
//!
//! ```text
//! header -> names of the keys wanted -> answers -> the whole message checked against them
//! ```

use crate::clock;
use crate::limits::{ARC_LINKS, DKIM_CHECKED};
use crate::message::headers;
use crate::net::resolver::{NoAnswer, Resolver};
use crate::policy::{Arc, Dkim, Finding, results};
use crate::wire::party::is_below;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::headers::Header;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::resolver::ToFqdn;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{
    AuthenticatedMessage, DkimResult, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

/// What the name server said of each key.
pub(super) type Keys = HashMap<String, Result<Vec<Vec<u8>>, NoAnswer>>;

#[derive(Debug, Default)]
pub(super) struct Signed {
    pub dkim: Vec<Dkim>,
    pub more: usize,
    pub arc: Arc,
}

/// What is known beside the message.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// The domain of From: its signatures are looked at first.
    pub author: Option<String>,
    pub now: i64,
    pub clock: clock::State,
}

/// The names of the keys that a check of this message needs; `header` alone is enough.
pub(super) fn wanted(header: &[u8], given: &Given) -> Vec<String> {
    let Some(mut message) = AuthenticatedMessage::parse(header) else { return Vec::new() };
    choose(&mut message, given);
    let dkim = message.dkim_headers.iter().map(|header| header.header.domain_key());
    let mut names: Vec<String> = dkim.collect();
    if has_checkable_chain(&message) {
        names.extend(message.ams_headers.last().map(|header| header.header.domain_key()));
        names.extend(message.as_headers.iter().map(|header| header.header.domain_key()));
    }
    names.sort();
    names.dedup();
    names
}

/// Checks the message. Asks nobody: all answers are in `keys`.
pub(super) async fn check(resolver: &Resolver, raw: &[u8], keys: &Keys, given: &Given) -> Signed {
    let Some(mut message) = AuthenticatedMessage::parse(raw) else { return Signed::default() };
    let library = MessageAuthenticator(resolver.inner());
    let known = Known(keys.iter().map(|(name, answer)| entry(name, answer)).collect());
    let more = choose(&mut message, given);
    let mut dkim = unreadable(&message);
    let mut to_verify = Vec::new();
    let seen = seen(raw);
    for header in std::mem::take(&mut message.dkim_headers) {
        match before(&header, &seen, keys, given) {
            Some(done) => dkim.push(done),
            None => to_verify.push(prepared(header)),
        }
    }
    message.dkim_headers = to_verify;
    // Faults were told above; here they would only stand in the way.
    let faults = std::mem::take(&mut message.errors);
    let outputs = library.verify_dkim(Parameters::new(&message).with_txt_cache(&known)).await;
    for (output, header) in outputs.iter().zip(&message.dkim_headers) {
        dkim.push(told(&header.header, output.result()));
    }
    drop(outputs);
    message.errors = faults;
    let arc = chain(&library, &mut message, &known, given).await;
    Signed { dkim, more, arc }
}

/// Keeps the signatures that are looked at, those of the author's domain first; returns how many
/// are left out.
fn choose(message: &mut AuthenticatedMessage<'_>, given: &Given) -> usize {
    let foreign = |header: &Header<'_, Signature>| match &given.author {
        Some(author) => !(is_below(author, &header.header.d) || is_below(&header.header.d, author)),
        None => false,
    };
    message.dkim_headers.sort_by_key(foreign);
    let more = message.dkim_headers.len().saturating_sub(DKIM_CHECKED);
    message.dkim_headers.truncate(DKIM_CHECKED);
    more
}

/// Signatures that could not even be read. RFC 8601 2.7.1: neutral; "policy" where only we say no.
fn unreadable(message: &AuthenticatedMessage<'_>) -> Vec<Dkim> {
    let faults = message.errors.iter();
    let faults = faults.filter(|fault| fault.name.eq_ignore_ascii_case(b"DKIM-Signature"));
    let told = |fault: &Header<'_, Error>| Dkim {
        finding: match &fault.header {
            Error::Dkim(DkimError::SignatureLength) => Finding::Policy,
            _ => Finding::Neutral,
        },
        why: match &fault.header {
            // RFC 6376 8.2: what stands behind the signed part may be anybody's
            Error::Dkim(DkimError::SignatureLength) => "only a part is signed (l=)".to_string(),
            fault => plain(fault),
        },
        ..Dkim::default()
    };
    faults.take(DKIM_CHECKED).map(told).collect()
}

/// What people see of a message, or that decides it; RFC 5322 3.6, RFC 2045 3: once in a message.
const SHOWN: [&str; 5] =
    ["From", "Subject", "Reply-To", "Content-Type", "Content-Transfer-Encoding"];

/// How often each of them stands in a message.
fn seen(message: &[u8]) -> [usize; SHOWN.len()] {
    let mut seen = [0; SHOWN.len()];
    for field in headers::fields(message) {
        for (name, times) in SHOWN.iter().zip(&mut seen) {
            *times += usize::from(field.is(name));
        }
    }
    seen
}

/// RFC 6376 8.15: a field that is signed, and of which somebody put another on top.
fn is_doubled(signature: &Signature, seen: &[usize]) -> Option<&'static str> {
    let signed = |name: &str| signature.h.iter().filter(|h| h.eq_ignore_ascii_case(name)).count();
    let doubled = |(name, times): &(&&str, &usize)| (1..**times).contains(&signed(name));
    SHOWN.iter().zip(seen).find(doubled).map(|(name, _)| *name)
}

/// What can be said before any mathematics. `seen`: how often fields stand in the message.
fn before(
    header: &Header<'_, Signature>,
    seen: &[usize],
    keys: &Keys,
    given: &Given,
) -> Option<Dkim> {
    let signature = &header.header;
    let said = |finding, why: &str| Some(Dkim { finding, why: why.to_string(), ..of(signature) });
    // RFC 6376 6.1.1
    if signature.v != 1 {
        return said(Finding::Neutral, "it has no version");
    }
    if !signature.h.iter().any(|name| name.eq_ignore_ascii_case("from")) {
        return said(Finding::PermError, "the author is not signed");
    }
    // RFC 8301 3.1
    if signature.a == Algorithm::RsaSha1 {
        return said(Finding::PermError, "SHA-1 is too weak to count");
    }
    if let Some(name) = is_doubled(signature, seen) {
        return said(Finding::Policy, &format!("it signs one {name}, and there are more"));
    }
    if is_expired(signature, given) {
        return said(Finding::Fail, "it is too old");
    }
    match keys.get(&signature.domain_key()) {
        None => said(Finding::TempError, "its key was not fetched"),
        // RFC 6376 6.1.2
        Some(Err(NoAnswer::NoName | NoAnswer::NoRecord)) => {
            said(Finding::PermError, "its key is not published")
        }
        Some(Err(unknown)) => said(Finding::TempError, &unknown.to_string()),
        Some(Ok(texts)) => {
            let unfit = texts.first().and_then(|text| unfit(text));
            unfit.and_then(|why| said(Finding::PermError, why))
        }
    }
}

/// RFC 6376 3.5 x=. A clock at its floor knows nothing of it.
fn is_expired(signature: &Signature, given: &Given) -> bool {
    let now = u64::try_from(given.now).unwrap_or_default();
    let late = given.clock != clock::State::Floor && now > signature.x;
    signature.x != 0 && (signature.x < signature.t || late)
}

/// RFC 6376 3.6.1: a key may be for other hashes or other services than these.
fn unfit(text: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text);
    for tag in text.split(';') {
        let Some((name, value)) = tag.split_once('=') else { continue };
        let mut listed = value.split(':').map(str::trim);
        match name.trim() {
            "h" if !listed.any(|hash| hash.eq_ignore_ascii_case("sha256")) => {
                return Some("its key is for another hash");
            }
            "s" if !listed.any(|s| s == "*" || s.eq_ignore_ascii_case("email")) => {
                return Some("its key is not for mail");
            }
            _ => {}
        }
    }
    None
}

/// What the library would ask or judge by its own clock is taken out: it changes nothing of what
/// is signed.
fn prepared(mut header: Header<'_, Signature>) -> Header<'_, Signature> {
    header.header.x = 0;
    header.header.r = false;
    header.header.atps = None;
    header
}

fn of(signature: &Signature) -> Dkim {
    use base64::Engine;
    let written = base64::engine::general_purpose::STANDARD.encode(&signature.b);
    Dkim {
        domain: signature.d.clone(),
        selector: signature.s.clone(),
        algorithm: match signature.a {
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::RsaSha1 => "rsa-sha1",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        },
        begins: written.chars().take(8).collect(),
        finding: Finding::None,
        why: String::new(),
    }
}

fn told(signature: &Signature, result: &DkimResult) -> Dkim {
    let (finding, why) = match result {
        DkimResult::Pass => (Finding::Pass, String::new()),
        // The library calls a body that does not fit neutral; RFC 8601 2.7.1 calls it fail.
        DkimResult::Neutral(why @ Error::Dkim(DkimError::FailedBodyHashMatch)) => {
            (Finding::Fail, plain(why))
        }
        DkimResult::Neutral(why) => (Finding::Neutral, plain(why)),
        DkimResult::Fail(why) => (Finding::Fail, plain(why)),
        DkimResult::PermError(why) => (Finding::PermError, plain(why)),
        DkimResult::TempError(why) => (Finding::TempError, plain(why)),
        DkimResult::None => (Finding::None, String::new()),
    };
    Dkim { finding, why, ..of(signature) }
}

/// Is there a chain, and one of a length that is looked at?
fn has_checkable_chain(message: &AuthenticatedMessage<'_>) -> bool {
    !message.has_arc_errors && (1..=ARC_LINKS).contains(&message.as_headers.len())
}

async fn chain(
    library: &MessageAuthenticator,
    message: &mut AuthenticatedMessage<'_>,
    known: &Known,
    given: &Given,
) -> Arc {
    let sealers = message.as_headers.iter().map(|seal| seal.header.d.clone()).collect();
    if message.as_headers.len() > ARC_LINKS {
        let why = format!("more than {ARC_LINKS} links");
        return Arc { finding: Finding::Policy, why, ..Arc::default() };
    }
    // RFC 8301 3.1: what SHA-1 holds together is not held together
    let weak = message.as_headers.iter().any(|seal| seal.header.a == Algorithm::RsaSha1)
        || message.ams_headers.iter().any(|link| link.header.a == Algorithm::RsaSha1);
    if weak {
        let why = "SHA-1 is too weak".to_string();
        return Arc { finding: Finding::Fail, sealers, why, proven: None };
    }
    if given.clock == clock::State::Floor {
        message.ams_headers.iter_mut().for_each(|link| link.header.x = 0);
    }
    let output = library.verify_arc(Parameters::new(&*message).with_txt_cache(known)).await;
    let (finding, why) = match output.result() {
        DkimResult::None => return Arc::default(),
        DkimResult::Pass => (Finding::Pass, String::new()),
        DkimResult::TempError(why) => (Finding::TempError, plain(why)),
        // RFC 8617 4.4: whatever else is wrong, the chain has failed
        DkimResult::Fail(why) | DkimResult::Neutral(why) | DkimResult::PermError(why) => {
            (Finding::Fail, plain(why))
        }
    };
    let last = message.aar_headers.last().filter(|_| finding == Finding::Pass);
    let proven = last.and_then(|last| results::proven_author(last.value));
    Arc { finding, sealers, proven, why }
}

/// The answers as the library takes them.
struct Known(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Known {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Whoever is not in it was not to be asked.
        let unknown = || Error::Dns(mail_auth::DnsError::Resolver("not asked".to_string()));
        Some(self.0.get(name).cloned().unwrap_or_else(|| Txt::Error(unknown())))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

fn entry(name: &str, answer: &Result<Vec<Vec<u8>>, NoAnswer>) -> (Box<str>, Txt) {
    use mail_auth::DnsError;
    use mail_auth::hickory_resolver::proto::op::ResponseCode;
    let key = match answer {
        // RFC 6376 3.6.2.2: there should be one; of several the first that can be read
        Ok(texts) => {
            let mut read = texts.iter().map(|text| DomainKey::parse(text));
            let first = read.next().unwrap_or(Err(Error::Dns(DnsError::InvalidRecordType)));
            first.or_else(|fault| read.find_map(Result::ok).ok_or(fault))
        }
        Err(NoAnswer::NoName | NoAnswer::NoRecord) => {
            Err(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain)))
        }
        Err(unknown) => Err(Error::Dns(DnsError::Resolver(unknown.to_string()))),
    };
    let key = match key {
        Ok(key) => Txt::DomainKey(std::sync::Arc::new(key)),
        Err(fault) => Txt::Error(fault),
    };
    (name.to_fqdn().into(), key)
}

/// The library's words for a person.
fn plain(fault: &Error) -> String {
    use mail_auth::DnsError;
    use mail_auth::common::crypto::CryptoError;
    match fault {
        Error::Dkim(DkimError::FailedBodyHashMatch) => "the text was changed".to_string(),
        Error::Dkim(DkimError::FailedAuidMatch) => "it speaks for another domain".to_string(),
        Error::Dkim(DkimError::RevokedPublicKey) => "its key was taken back".to_string(),
        Error::Crypto(CryptoError::FailedVerification) => "it is not right".to_string(),
        Error::Dns(DnsError::InvalidRecordType) => "its key record is no key".to_string(),
        Error::ParseError | Error::MissingParameters | Error::Base64 => {
            "it cannot be read".to_string()
        }
        fault => fault.to_string(),
    }
}
