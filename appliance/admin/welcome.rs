//! The page in clear (port 80): it has no inputs, and prepares for the browser's warning.

use super::fingerprint;
use super::house::House;
use super::http::Reply;
use super::page::Page;
use super::words::Words;
use askama::Template;

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome<'a> {
    page: &'a Page<'a>,
    /// Six words of the key of the certificate.
    words: Vec<&'static str>,
    /// The page under TLS.
    secure: String,
    /// Browsers know who signed the certificate: there will be no warning.
    proven: bool,
    is_box: bool,
}

pub(super) fn page(house: &House, words: &'static Words, name: &str, port: Option<u16>) -> Reply {
    let secure = secure_address(house, name, port);
    if house.is_proven() {
        return Reply { status: 307, ..Reply::plain(307, "") }.with("Location", &secure);
    }
    let page = Page {
        words,
        title: words.t("welcome.title").to_string(),
        csrf: "",
        notice: None,
        nav: Vec::new(),
        who: None,
        host: house.settings().host.clone(),
        goes_on: false,
    };
    let six = fingerprint::of(&house.data.join("tls")).unwrap_or_default();
    let is_box = house.is_box;
    let welcome =
        Welcome { page: &page, words: six, secure: secure.clone(), proven: false, is_box };
    welcome.render().map(Reply::html).unwrap_or_else(|_| Reply::plain(200, &secure))
}

/// Where the same browser finds the page under TLS. Behind a forwarded port (an emulator) the ports
/// are as far apart as our own are.
fn secure_address(house: &House, name: &str, port: Option<u16>) -> String {
    let ports = house.settings().ports;
    let apart = ports.https.saturating_sub(ports.http);
    let port = match port {
        Some(port) if port != ports.http => port.saturating_add(apart),
        _ => ports.https,
    };
    let name = if name.contains(':') { format!("[{name}]") } else { name.to_string() };
    match port {
        443 => format!("https://{name}/"),
        port => format!("https://{name}:{port}/"),
    }
}
