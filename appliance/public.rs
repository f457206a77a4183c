//! What strangers get of this box by HTTP: four things, each under its public names, and of all
//! else a bare 404. From a value to a value: no socket, no store.
//!
//! ```text
//! ACME challenge   http   any name of the box   /.well-known/acme-challenge/TOKEN   RFC 8555 8.3
//! MTA-STS policy   https  mta-sts.DOMAIN        /.well-known/mta-sts.txt            RFC 8461 3.2
//! autoconfig       both   autoconfig.DOMAIN     /mail/config-v1.1.xml
//!                         also DOMAIN           /.well-known/autoconfig/mail/config-v1.1.xml
//! Autodiscover     https  autodiscover.DOMAIN   POST /autodiscover/autodiscover.xml
//!                         also DOMAIN, the host      /autodiscover/autodiscover.json
//!                  http   GET of it leads to https
//! ```
//!
//! Nothing here depends on which people there are: who asks with an address of nobody gets what
//! everybody gets.

use crate::clients::{Offer, outlook, thunderbird};
use crate::settings::Settings;
use crate::wire::address::Address;
use crate::wire::sts;

/// What a stranger asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// It came by TLS.
    pub secure: bool,
    /// POST, else GET.
    pub post: bool,
    /// As it stands in Host, perhaps with a port.
    pub host: &'a str,
    /// Decoded, without the query.
    pub path: &'a str,
    pub query: &'a [(String, String)],
    pub body: &'a [u8],
    /// Seconds since 1970.
    pub now: i64,
}

/// What he gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: u16,
    /// Content-Type; "" with an empty body.
    pub kind: &'static str,
    /// Where to ask instead.
    pub location: Option<String>,
    pub body: String,
}

/// What the answers are made of.
pub(crate) struct Known<'a> {
    pub settings: &'a Settings,
    /// The domains of this box, in lower case.
    pub domains: &'a [String],
    /// The page for a token of an authority that is looking just now.
    pub challenge: &'a dyn Fn(&str) -> Option<String>,
}

/// Who is asked: what a public name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role<'a> {
    /// The box's own name.
    Host,
    Domain(&'a str),
    Autoconfig(&'a str),
    Autodiscover(&'a str),
    MtaSts(&'a str),
}

/// Can there be an answer to this path? Of most it is known without asking further.
pub(crate) fn may_be(path: &str) -> bool {
    let begins = |with: &str| path.get(..with.len()).is_some_and(|p| p.eq_ignore_ascii_case(with));
    ["/.well-known/", "/mail/", "/autodiscover/"].into_iter().any(begins)
}

pub(crate) fn answer(asked: &Asked<'_>, known: &Known<'_>) -> Answer {
    let host = bare(asked.host);
    let Some(role) = role(&host, known.settings, known.domains) else { return nothing() };
    let lower = asked.path.to_ascii_lowercase();
    let given = match (asked.post, asked.path) {
        (false, path) if path.starts_with(CHALLENGE) => challenge(asked, path, known.challenge),
        (false, "/.well-known/mta-sts.txt") => policy(asked, role, known.settings),
        (false, "/mail/config-v1.1.xml" | WELL_KNOWN_CONFIG) => autoconfig(asked, role, known),
        _ if lower.starts_with("/autodiscover/autodiscover.") => {
            autodiscover(asked, &host, role, known, &lower)
        }
        _ => None,
    };
    given.unwrap_or_else(nothing)
}

const CHALLENGE: &str = "/.well-known/acme-challenge/";
const WELL_KNOWN_CONFIG: &str = "/.well-known/autoconfig/mail/config-v1.1.xml";

fn nothing() -> Answer {
    Answer { status: 404, kind: "", location: None, body: String::new() }
}

fn text(kind: &'static str, body: String) -> Option<Answer> {
    Some(Answer { status: 200, kind, location: None, body })
}

/// In lower case, without port and last dot.
fn bare(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn role<'a>(host: &'a str, settings: &Settings, domains: &[String]) -> Option<Role<'a>> {
    let ours = |name: &str| domains.iter().any(|domain| domain == name);
    if host.eq_ignore_ascii_case(&settings.host) {
        return Some(Role::Host);
    }
    if ours(host) {
        return Some(Role::Domain(host));
    }
    let (first, domain) = host.split_once('.')?;
    match first {
        _ if !ours(domain) => None,
        "autoconfig" => Some(Role::Autoconfig(domain)),
        "autodiscover" => Some(Role::Autodiscover(domain)),
        "mta-sts" => Some(Role::MtaSts(domain)),
        _ => None,
    }
}

/// RFC 8555 8.3: on port 80. The token is looked up and never put into the answer.
fn challenge(
    asked: &Asked<'_>,
    path: &str,
    page: &dyn Fn(&str) -> Option<String>,
) -> Option<Answer> {
    let token = path.strip_prefix(CHALLENGE)?;
    match asked.secure {
        true => None,
        false => text("application/octet-stream", page(token)?),
    }
}

fn policy(asked: &Asked<'_>, role: Role<'_>, settings: &Settings) -> Option<Answer> {
    match role {
        // RFC 8461 3.3: only by HTTPS
        Role::MtaSts(_) if asked.secure => {
            text("text/plain", sts::printed(&settings.host, settings.mta_sts))
        }
        _ => None,
    }
}

fn autoconfig(asked: &Asked<'_>, role: Role<'_>, known: &Known<'_>) -> Option<Answer> {
    let domain = match role {
        Role::Autoconfig(domain) | Role::Domain(domain) => domain.to_string(),
        // The box's own name says not which domain; the address does, and may be left out where
        // there is one alone.
        Role::Host => match parameter(asked, "emailaddress") {
            Some(address) => Address::parse(address).ok()?.domain().to_string(),
            None => match known.domains {
                [one] => one.clone(),
                _ => return None,
            },
        },
        Role::Autodiscover(_) | Role::MtaSts(_) => return None,
    };
    known.domains.contains(&domain).then_some(())?;
    text("text/xml; charset=utf-8", thunderbird::config(&Offer::of(known.settings), &domain))
}

/// `path` is in lower case: Outlook writes it in several ways.
fn autodiscover(
    asked: &Asked<'_>,
    host: &str,
    role: Role<'_>,
    known: &Known<'_>,
    path: &str,
) -> Option<Answer> {
    if matches!(role, Role::Autoconfig(_) | Role::MtaSts(_)) {
        return None;
    }
    const XML: &str = "/autodiscover/autodiscover.xml";
    let there = format!("https://{host}{XML}");
    match (asked.post, path, asked.secure) {
        (true, XML, true) => {
            let given = outlook::address_of(asked.body).and_then(|text| Address::parse(&text).ok());
            let given = given.filter(|address| known.domains.iter().any(|d| d == address.domain()));
            text(
                "text/xml; charset=utf-8",
                match given {
                    Some(address) => {
                        let login = address.to_string();
                        outlook::settings(&Offer::of(known.settings), &login)
                    }
                    None => outlook::invalid(&time_of_day(asked.now)),
                },
            )
        }
        // Without TLS only the way to TLS is told.
        (false, XML, false) => {
            Some(Answer { status: 302, kind: "", location: Some(there), body: String::new() })
        }
        (false, path, true) if path.starts_with("/autodiscover/autodiscover.json") => {
            parameter(asked, "protocol")
                .filter(|wanted| wanted.eq_ignore_ascii_case("AutodiscoverV1"))?;
            let body = serde_json::json!({ "Protocol": "AutodiscoverV1", "Url": there });
            text("application/json", body.to_string())
        }
        _ => None,
    }
}

fn time_of_day(now: i64) -> String {
    let second = now.rem_euclid(24 * 3600);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The value of a parameter, whatever the case of its name.
fn parameter<'a>(asked: &Asked<'a>, name: &str) -> Option<&'a str> {
    let mut pairs = asked.query.iter();
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
