//! Why a page was not made, and the page that says so.

use super::http::Reply;
use super::page::{Page, show};
use super::refusal;
use super::words::Words;
use crate::act::failure::{Failure, Kind};
use crate::store::StoreError;
use askama::Template;

/// What a handler returns instead of a page.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There is no such page, or what it is about is gone.
    Missing,
    /// Somebody else changed it meanwhile.
    Changed,
    Store(StoreError),
    Failure(Failure),
    /// A template that cannot be printed, and the like.
    Internal(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        match error {
            StoreError::NotFound(_) => Trouble::Missing,
            error => Trouble::Store(error),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        match failure.kind {
            Kind::Missing => Trouble::Missing,
            _ => Trouble::Failure(failure),
        }
    }
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct Told<'a> {
    page: &'a Page<'a>,
    why: String,
}

impl Trouble {
    pub(super) fn reply(&self, page: &Page<'_>, words: &Words) -> Reply {
        let (status, title, why) = match self {
            Self::Missing => (404, words.t("trouble.missing-title"), words.t("trouble.missing")),
            Self::Changed => (409, words.t("trouble.changed-title"), words.t("trouble.changed")),
            Self::Store(StoreError::Moving) => {
                // RFC 9110 15.6.4: for a while
                (503, words.t("trouble.moving-title"), words.t("trouble.moving"))
            }
            _ => (500, words.t("trouble.failed-title"), ""),
        };
        let why = match self {
            Self::Store(error) if *error != StoreError::Moving => {
                words.fill("trouble.store", &[error])
            }
            Self::Failure(failure) => refusal::words(words, failure),
            Self::Internal(words) => words.clone(),
            _ => why.to_string(),
        };
        let page = page.called(title);
        let told = Told { page: &page, why: why.clone() };
        show(&told).unwrap_or_else(|_| Reply::plain(status, &why)).status(status)
    }
}
