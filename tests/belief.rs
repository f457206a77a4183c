//! Whom mail is believed to be from: SPF, DKIM, ARC, DMARC and blocklists against a name server of
//! the test's own, the verdict, and what becomes of the message.

mod arrivals;
mod blocklists;
mod dmarc;
mod names;
mod policy;
mod settings;
mod signed;
mod spf;

use crate::net::authenticate::{Arrival, Examiner};
use crate::policy::Evidence;
use crate::wire::address::Address;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::{DkimSigner, Done};
use mail_auth::{
    AuthenticatedMessage, AuthenticationResults, MessageAuthenticator, Parameters, ResolverCache,
    Txt,
};
use names::Names;
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Later than this program.
const AUTUMN: i64 = 1_795_000_000;

/// Of joe@far.test, from 192.0.2.7 that calls itself mx.far.test.
fn arrival(message: &str) -> Arrival {
    Arrival {
        peer: "192.0.2.7".parse().expect("an address"),
        helo: "mx.far.test".to_string(),
        tls: true,
        sender: Address::parse("joe@far.test").ok(),
        message: Arc::new(message.as_bytes().to_vec()),
        now: AUTUMN,
    }
}

/// What is found of a message with this name server.
async fn evidence(zone: &str, message: &str) -> Evidence {
    let names = Names::start(zone).await;
    examiner(&names, zone).examine(&arrival(message)).await
}

/// Does not wait long for who never answers; there is nothing else to wait for then.
fn examiner(names: &Names, zone: &str) -> Examiner {
    let examiner = Examiner::new(names.resolver(), Vec::new());
    let mute = ["SILENT", "GARBAGE", "LIE"].iter().any(|how| zone.contains(how));
    if mute { examiner.with_patience(Duration::from_secs(2)) } else { examiner }
}

/// The public half of the key that signs, as its record has it. RFC 8463 A.2
const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

/// RFC 8463 A.1
fn seed() -> Vec<u8> {
    decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
}

fn key() -> Ed25519Key {
    let public = decode("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    Ed25519Key::from_seed_and_public_key(&seed(), &public).expect("a pair")
}

fn signer(domain: &str, selector: &str) -> DkimSigner<Ed25519Key, Done> {
    DkimSigner::from_key(key()).domain(domain).selector(selector).headers(["From", "Subject"])
}

fn sign(domain: &str, selector: &str, message: &str) -> String {
    let signature = signer(domain, selector).sign(message.as_bytes()).expect("a signature");
    signature.to_header() + message
}

/// With one more link of a chain on top.
async fn seal(domain: &str, selector: &str, message: &str) -> String {
    seal_saying(domain, selector, message, domain).await
}

/// The same with these results of its own.
async fn seal_saying(domain: &str, selector: &str, message: &str, says: &str) -> String {
    let parsed = AuthenticatedMessage::parse(message.as_bytes()).expect("a message");
    let library = MessageAuthenticator::new_quad9().expect("a resolver that is not asked");
    let results = AuthenticationResults::new(says);
    let sealer = ArcSealer::from_key(key()).domain(domain).selector(selector);
    let sealer = sealer.headers(["From", "Subject", "DKIM-Signature"]);
    let arc = library.verify_arc(Parameters::new(&parsed).with_txt_cache(&OneKey)).await;
    let set = sealer.seal(&parsed, &results, &arc).expect("a seal");
    set.to_header() + message
}

/// Of a day with tags as they are given, which no program signs with.
fn sign_by_hand(tags: &str) -> String {
    use base64::Engine;
    use ring::digest::{SHA256, digest};
    let base64 = base64::engine::general_purpose::STANDARD;
    let bh = base64.encode(digest(&SHA256, b"text\r\n"));
    let fixed = "v=1; a=ed25519-sha256; c=relaxed/relaxed; h=From:Subject";
    let tags = format!("{fixed}; d=far.test; s=s; {tags}bh={bh}; b=");
    let signed = format!("from:joe@far.test\r\nsubject:hello\r\ndkim-signature:{tags}");
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&seed()).expect("a pair");
    let b = base64.encode(pair.sign(digest(&SHA256, signed.as_bytes()).as_ref()));
    format!("DKIM-Signature: {tags}{b}\r\nFrom: joe@far.test\r\nSubject: hello\r\n\r\ntext\r\n")
}

/// Says the same key for every name.
struct OneKey;

impl ResolverCache<Box<str>, Txt> for OneKey {
    fn get<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        DomainKey::parse(KEY.as_bytes()).ok().map(|key| Txt::DomainKey(Arc::new(key)))
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
