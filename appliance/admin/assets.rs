//! The style sheet, the script and the icon: compiled in, kept by browsers under an address that
//! changes with them.

use super::http::Reply;
use super::routes::{Answer, Visit};
use std::sync::LazyLock;

pub(super) struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
    address: LazyLock<String>,
}

macro_rules! asset {
    ($name:ident, $path:literal, $kind:literal, $file:literal) => {
        pub(super) static $name: Asset = Asset {
            path: $path,
            kind: $kind,
            text: include_str!($file),
            address: LazyLock::new(|| $name.versioned()),
        };
    };
}

asset!(STYLE, "/style.css", "text/css; charset=utf-8", "pages/style.css");
asset!(SCRIPT, "/script.js", "text/javascript; charset=utf-8", "pages/script.js");
asset!(ICON, "/icon.svg", "image/svg+xml", "pages/icon.svg");

impl Asset {
    /// With a mark of its content.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    fn versioned(&self) -> String {
        format!("{}?{:08x}", self.path, crc32fast::hash(self.text.as_bytes()))
    }

    fn reply(&self) -> Reply {
        let body = self.text.as_bytes().to_vec();
        let reply = Reply { status: 200, kind: self.kind, body, headers: Vec::new() };
        reply.with("Cache-Control", "public, max-age=31536000, immutable")
    }
}

/// What stands at this path, also in clear: there is no secret in it.
pub(super) fn find(path: &str) -> Option<Reply> {
    let all: [&Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    all.into_iter().find(|asset| asset.path == path).map(Asset::reply)
}

pub(super) fn style(_: &mut Visit<'_>) -> Answer {
    Ok(STYLE.reply())
}

pub(super) fn script(_: &mut Visit<'_>) -> Answer {
    Ok(SCRIPT.reply())
}

pub(super) fn icon(_: &mut Visit<'_>) -> Answer {
    Ok(ICON.reply())
}
