//! What every page has: its title, the way around, the words of its language.

use super::http::Reply;
use super::trouble::Trouble;
use super::words::Words;
use super::{assets, routes};
use askama::Template;

/// The frame of a page; a template has it as `page`.
#[derive(Clone)]
pub(crate) struct Page<'a> {
    pub words: &'static Words,
    pub title: String,
    /// The token of the session's forms.
    pub csrf: &'a str,
    /// Said once on top, such as that something was saved.
    pub notice: Option<&'a str>,
    /// The pages the person may go to, in order.
    pub nav: Vec<Link<'a>>,
    /// Who is logged in, to be shown beside "log out".
    pub who: Option<&'a str>,
    /// The name of the box.
    pub host: String,
    /// The page shows something that goes on: where no script follows it, a link looks again.
    pub goes_on: bool,
}

/// A place in the navigation.
#[derive(Debug, Clone)]
pub(crate) struct Link<'a> {
    pub path: &'static str,
    pub words: &'a str,
    pub here: bool,
}

impl<'a> Page<'a> {
    pub(crate) fn t(&self, key: &'a str) -> &'a str {
        self.words.t(key)
    }

    /// The same page with another title.
    pub(crate) fn called(&self, title: &str) -> Page<'a> {
        Page { title: title.to_string(), ..self.clone() }
    }

    pub(crate) fn style(&self) -> &'static str {
        assets::STYLE.address()
    }

    pub(crate) fn script(&self) -> &'static str {
        assets::SCRIPT.address()
    }

    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// Prints a page.
pub(crate) fn show(template: &impl Template) -> Result<Reply, Trouble> {
    let text = template.render().map_err(|error| Trouble::Internal(error.to_string()))?;
    Ok(Reply::html(text))
}

/// So many letters of a text at most, as a list shows it.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_string(),
    }
}

/// The pages that somebody who may do this can go to.
pub(super) fn nav<'a>(words: &'static Words, may: routes::May, path: &str) -> Vec<Link<'a>> {
    let fits = |to: &str| to == path || (to != "/" && path.starts_with(&format!("{to}/")));
    // Of two that fit, such as /my and /my/clients, the longer one.
    let own = routes::NAV.iter().filter(|(own, to, _)| *own == may && fits(to));
    let nearest = own.map(|(_, to, _)| to.len()).max();
    let of = |(own, to, key): &(routes::May, &'static str, &'static str)| {
        let here = fits(to) && nearest == Some(to.len());
        (*own == may).then(|| Link { path: to, words: words.t(key), here })
    };
    routes::NAV.iter().filter_map(of).collect()
}
