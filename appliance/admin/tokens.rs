//! The programs that act for the owner over the API, each by its token.

use super::form::Form;
use super::http::Reply;
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::zone;
use crate::act::token::{TokenAct, TokenMade, TokenView};
use crate::act::{Reply as Done, Request as Act};
use crate::limits;
use crate::store::owner;
use askama::Template;

#[derive(Template)]
#[template(path = "tokens.html")]
struct Tokens<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    tokens: Vec<Row>,
    /// One that was just made, shown this once.
    made: Option<TokenMade>,
}

struct Row {
    name: String,
    made: String,
}

pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_all(visit, &Form::default(), None)
}

fn show_all(visit: &Visit<'_>, form: &Form, made: Option<TokenMade>) -> Answer {
    let page = visit.page(visit.words.t("tokens.title"));
    let tokens = match visit.ask(Act::Token(TokenAct::List))? {
        Done::Tokens(tokens) => tokens,
        _ => Vec::new(),
    };
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let row = |view: TokenView| Row { name: view.name, made: zone::show(&zone, view.created) };
    let tokens = tokens.into_iter().map(row).collect();
    show(&Tokens { page: &page, form, tokens, made })
}

pub(super) fn add(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let name = form.line(visit.words, "name", 1, limits::LABEL_BYTES / 4);
    if !form.is_fine() {
        return Ok(show_all(visit, &form, None)?.status(422));
    }
    match visit.act("token/add", &name, Act::Token(TokenAct::Add { name: name.clone() })) {
        Ok(Done::Token(made)) => show_all(visit, &Form::default(), Some(made)),
        Ok(_) => Ok(Reply::see("/tokens")),
        Err(failure) => {
            let read = visit.house.store.snapshot()?;
            let taken = owner::tokens(&read)?.iter().any(|it| it.name == name);
            let why = if taken { visit.words.t("tokens.taken") } else { &failure.why };
            form.wrong("name", why);
            Ok(show_all(visit, &form, None)?.status(422))
        }
    }
}

pub(super) fn remove(visit: &mut Visit<'_>) -> Answer {
    let name = visit.form.raw("name").to_string();
    visit.act("token/remove", &name, Act::Token(TokenAct::Remove { name: name.clone() }))?;
    visit.say(&visit.words.fill("tokens.gone", &[&name]));
    Ok(Reply::see("/tokens"))
}
