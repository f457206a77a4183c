//! SMTP TLS reporting (RFC 8460 3): the record that says where reports on TLS with a domain go.
//!
//! ```text
//! _smtp._tls.b.test TXT "v=TLSRPTv1; rua=mailto:tls@b.test,https://b.test/tls"
//! ```
//!
//! Only mailto is used.

use super::address::Address;
use crate::limits::TLS_REPORT_ADDRESSES;

/// The addresses in the TXT records of `_smtp._tls`; none: the domain wants no reports, or not by
/// mail. Each record is the strings of one, joined.
pub(crate) fn addresses<R: AsRef<[u8]>>(records: &[R]) -> Vec<Address> {
    let ours = |record: &&R| record.as_ref().starts_with(b"v=TLSRPTv1");
    let mut found = records.iter().filter(ours);
    // RFC 8460 3: several records are as good as none
    let (Some(record), None) = (found.next(), found.next()) else { return Vec::new() };
    let Ok(text) = std::str::from_utf8(record.as_ref()) else { return Vec::new() };
    let mut fields = text.split(';').map(|field| field.trim_matches([' ', '\t']));
    if fields.next() != Some("v=TLSRPTv1") {
        return Vec::new();
    }
    let rua = fields.find_map(|field| field.strip_prefix("rua="));
    let address = |uri: &str| {
        let (kind, rest) = uri.trim().split_once(':')?;
        // RFC 6068 2: what follows ? are fields that the receiver would like; they are left out
        let address = rest.split('?').next().filter(|_| kind.eq_ignore_ascii_case("mailto"))?;
        Address::parse(&decoded(address)?).ok()
    };
    let found = rua.unwrap_or_default().split(',').filter_map(address);
    found.take(TLS_REPORT_ADDRESSES).collect()
}

/// RFC 3986 2.1
fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut out = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2)?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        out.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(out).ok()
}
