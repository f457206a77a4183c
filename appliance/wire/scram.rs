//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), server side, without I/O.
//!
//! ```text
//! client-first = gs2-cbind-flag "," [ "a=" saslname ] "," bare      RFC 5802 7
//! gs2-cbind-flag = "p=" cb-name / "n" / "y"
//! bare         = "n=" saslname ",r=" c-nonce ["," extensions]
//! server-first = "r=" c-nonce s-nonce ",s=" base64 ",i=" iterations
//! client-final = "c=" base64 ",r=" nonce ["," extensions] ",p=" base64
//! server-final = "v=" base64
//!
//! First -> Ask(Scram) -> server-first -> Final -> Ask(Proved) -> server-final -> empty -> Done
//! ```

use super::sasl::{Binding, Login, LoginAnswer, LoginAsk, Next, ScramSecrets};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2, rand};
use std::num::NonZeroU32;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Which of the two mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Bare,
    Plus,
}

/// StoredKey and ServerKey of a password. RFC 5802 3.
pub(crate) fn keys(password: &str, salt: &[u8], iterations: u32) -> ([u8; 32], [u8; 32]) {
    let mut salted = [0; 32];
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut salted);
    let keys = (sha256(&mac(&salted, b"Client Key")), mac(&salted, b"Server Key"));
    zeroize::Zeroize::zeroize(&mut salted);
    keys
}

#[cfg(test)]
thread_local! {
    /// The nonce that the examples of the RFCs have.
    pub(crate) static NONCE: std::cell::Cell<Option<&'static str>> =
        const { std::cell::Cell::new(None) };
}

/// A fresh server nonce: 18 random octets in base64, so no comma. `None` without randomness.
pub(crate) fn nonce() -> Option<String> {
    #[cfg(test)]
    if let Some(nonce) = NONCE.get() {
        return Some(nonce.to_owned());
    }
    let octets: [u8; 18] = rand::generate(&rand::SystemRandom::new()).ok()?.expose();
    Some(STANDARD.encode(octets))
}

pub(crate) struct Scram {
    variant: Variant,
    binding: Binding,
    nonce: String,
    state: State,
}

enum State {
    First,
    /// The machine is asked for the keys.
    Asked(First),
    Final {
        first: First,
        server_first: String,
        secrets: ScramSecrets,
    },
    /// The machine is told whether the proof was right.
    Proved {
        server_final: String,
        credential: u64,
    },
    /// Waits for the empty response to server-final.
    Last(Login),
    Over,
}

/// client-first, read.
struct First {
    bare: String,
    name: String,
    /// The client's and the server's.
    nonce: String,
    /// What `c=` must hold.
    bound: Vec<u8>,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scram({:?})", self.variant)
    }
}

impl Scram {
    pub(crate) fn new(variant: Variant, binding: Binding, nonce: &str) -> Self {
        Self { variant, binding, nonce: nonce.to_string(), state: State::First }
    }

    pub(crate) fn respond(&mut self, response: &[u8]) -> Next {
        let Ok(text) = std::str::from_utf8(response) else {
            return Next::Malformed("the message is not UTF-8");
        };
        match std::mem::replace(&mut self.state, State::Over) {
            State::First => self.first(text),
            State::Final { first, server_first, secrets } => {
                self.finish(text, &first, &server_first, &secrets)
            }
            State::Last(login) if text.is_empty() => Next::Done(login),
            State::Last(_) => Next::Malformed("the last response must be empty"),
            _ => Next::Malformed("the exchange expects no response"),
        }
    }

    pub(crate) fn answer(&mut self, answer: LoginAnswer) -> Next {
        match (std::mem::replace(&mut self.state, State::Over), answer) {
            (State::Asked(first), LoginAnswer::Scram(secrets)) => {
                let salt = STANDARD.encode(&secrets.salt);
                let server_first = format!("r={},s={salt},i={}", first.nonce, secrets.iterations);
                let challenge = server_first.clone().into_bytes();
                self.state = State::Final { first, server_first, secrets };
                Next::Challenge(challenge)
            }
            (State::Proved { server_final, credential }, LoginAnswer::Granted(login)) => {
                self.state = State::Last(Login { credential, ..login });
                Next::Challenge(server_final.into_bytes())
            }
            (_, LoginAnswer::Denied { wait }) => Next::Denied { wait },
            (_, LoginAnswer::Crowded) => Next::Crowded,
            _ => Next::Unavailable,
        }
    }

    fn first(&mut self, text: &str) -> Next {
        // RFC 5802 6: a client that thinks we have no channel binding, although we offered one,
        // was shown another list of mechanisms than ours.
        let downgraded = self.variant == Variant::Bare && self.binding.tls;
        if downgraded && text.starts_with("y,") {
            return Next::Denied { wait: Duration::ZERO };
        }
        match self.read_first(text) {
            Ok(first) => {
                let ask = LoginAsk::Scram { name: first.name.clone() };
                self.state = State::Asked(first);
                Next::Ask(ask)
            }
            Err(why) => Next::Malformed(why),
        }
    }

    fn read_first(&self, text: &str) -> Result<First, &'static str> {
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("the first message is not flag, authorization and name");
        };
        let binding_octets = self.binding_octets(flag)?;
        let mut attributes = bare.split(',');
        // RFC 5802 5.1: "m=" is an extension that must be understood, and we know none.
        let name = attribute(attributes.next(), "n=").ok_or("the name (n=) is missing")?;
        let name = saslname(name)?;
        let nonce = attribute(attributes.next(), "r=").ok_or("the nonce (r=) is missing")?;
        if nonce.is_empty() || !nonce.bytes().all(|b| matches!(b, 0x21..=0x7e)) {
            return Err("the nonce must be printable ASCII");
        }
        if !authzid.is_empty() {
            let other = attribute(Some(authzid), "a=").ok_or("the authorization is not a=")?;
            if !saslname(other)?.eq_ignore_ascii_case(&name) {
                return Err("nobody may log in for another");
            }
        }
        let gs2_header = format!("{flag},{authzid},");
        let bound = [gs2_header.as_bytes(), &binding_octets].concat();
        let nonce = format!("{nonce}{}", self.nonce);
        Ok(First { bare: bare.to_string(), name, nonce, bound })
    }

    /// What the flag binds the exchange to.
    fn binding_octets(&self, flag: &str) -> Result<Vec<u8>, &'static str> {
        match (self.variant, flag.strip_prefix("p=")) {
            (Variant::Bare, None) if flag == "n" || flag == "y" => Ok(Vec::new()),
            (Variant::Bare, None) => Err("the channel binding flag is not n, y or p="),
            // RFC 5802 6: p= is only for -PLUS, and -PLUS is only with p=.
            (Variant::Bare, Some(_)) => Err("channel binding needs SCRAM-SHA-256-PLUS"),
            (Variant::Plus, None) => Err("SCRAM-SHA-256-PLUS needs channel binding (p=)"),
            (Variant::Plus, Some("tls-exporter")) => match self.binding.exporter {
                Some(exporter) => Ok(exporter.to_vec()),
                None => Err("tls-exporter needs TLS 1.3"),
            },
            (Variant::Plus, Some("tls-server-end-point")) => Ok(self.binding.endpoint.clone()),
            (Variant::Plus, Some(_)) => Err("unsupported channel binding type"),
        }
    }

    fn finish(
        &mut self,
        text: &str,
        first: &First,
        server_first: &str,
        secrets: &ScramSecrets,
    ) -> Next {
        let Some((without_proof, proof)) = text.rsplit_once(",p=") else {
            return Next::Malformed("the proof (p=) is missing");
        };
        let mut attributes = without_proof.split(',');
        let bound = attribute(attributes.next(), "c=").and_then(|c| STANDARD.decode(c).ok());
        let (Some(bound), Some(nonce)) = (bound, attribute(attributes.next(), "r=")) else {
            return Next::Malformed("the channel binding (c=) or the nonce (r=) is missing");
        };
        let Ok(proof) = STANDARD.decode(proof) else {
            return Next::Malformed("the proof is not base64");
        };
        let said = format!("{},{server_first},{without_proof}", first.bare);
        let proven = proven_key(&secrets.keys, &said, &proof);
        let server_key = proven.map(|(_, server_key)| server_key);
        // RFC 5802 6: another binding than ours means somebody sits between.
        let same = bool::from(bound.ct_eq(&first.bound)) & (nonce == first.nonce);
        let right = same && server_key.is_some();
        let signature = mac(&server_key.unwrap_or_default(), said.as_bytes());
        let server_final = format!("v={}", STANDARD.encode(signature));
        let credential = proven.map_or(0, |(stored_key, _)| mark(&stored_key));
        self.state = State::Proved { server_final, credential };
        Next::Ask(LoginAsk::Proved { name: first.name.clone(), right })
    }
}

/// Tells the passwords of one account apart, by what is kept of them.
pub(crate) fn mark(stored_key: &[u8]) -> u64 {
    stored_key.iter().take(8).fold(0, |mark, octet| mark << 8 | u64::from(*octet))
}

/// The keys of the credential that the proof belongs to. Each is tried, so that the time does
/// not tell which.
fn proven_key(
    keys: &[([u8; 32], [u8; 32])],
    said: &str,
    proof: &[u8],
) -> Option<([u8; 32], [u8; 32])> {
    let proof: [u8; 32] = proof.try_into().ok()?;
    let mut found = None;
    for (stored_key, server_key) in keys {
        let signature = mac(stored_key, said.as_bytes());
        let mut client_key = [0; 32];
        for (octet, (a, b)) in client_key.iter_mut().zip(proof.iter().zip(signature)) {
            *octet = a ^ b;
        }
        if bool::from(sha256(&client_key).ct_eq(stored_key)) {
            found = Some((*stored_key, *server_key));
        }
    }
    found
}

fn attribute<'a>(part: Option<&'a str>, name: &str) -> Option<&'a str> {
    part?.strip_prefix(name)
}

/// RFC 5802 5.1: "=2C" is a comma, "=3D" an equals sign, and no other "=" may stand there.
fn saslname(text: &str) -> Result<String, &'static str> {
    let mut name = String::with_capacity(text.len());
    let mut pieces = text.split('=');
    name.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (c, rest) = if let Some(rest) = piece.strip_prefix("2C") {
            (',', rest)
        } else if let Some(rest) = piece.strip_prefix("3D") {
            ('=', rest)
        } else {
            return Err("an equals sign in the name must be =3D, a comma =2C");
        };
        name.push(c);
        name.push_str(rest);
    }
    if name.is_empty() {
        return Err("the name is empty");
    }
    Ok(name)
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    fixed(tag.as_ref())
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, octets).as_ref())
}

fn fixed(octets: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    array
}
