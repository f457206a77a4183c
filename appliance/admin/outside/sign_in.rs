//! Signing in at a provider that wants tokens: a code to type in there, and whether that was done.

use super::trials::{self, Kind, Stage};
use super::{Told, begin, named};
use crate::act::collect::sign_in::SignInView;
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::routes::{Answer, Visit};
use askama::Template;

#[derive(Template)]
#[template(path = "outside/sign_in.html")]
struct SignIn<'a> {
    page: &'a Page<'a>,
    address: String,
    path: String,
    running: bool,
    code: Option<SignInView>,
    failure: Option<Told>,
}

/// `.../outside/{}/sign-in`
pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = named(visit)?;
    let path = whose.path(&view.address);
    if view.way != "xoauth2" {
        return Ok(Reply::see(&path));
    }
    let key = whose.key(Kind::SignIn, &view.address);
    let (mut running, mut code, mut failure) = (false, None, None);
    match visit.house.place.trials.stage(&key) {
        Some(Stage::Done) => {
            visit.house.place.trials.forget(&key);
            visit.say(&visit.words.fill("outside.signed-in", &[&view.address]));
            return Ok(Reply::see(&path));
        }
        Some(Stage::Failed(failed)) => failure = Some(Told::of(visit.words, &failed.0)),
        Some(Stage::Code(view)) => (running, code) = (true, Some(view)),
        Some(_) => running = true,
        None => (),
    }
    let mut page = visit.page(visit.words.t("outside.sign-in"));
    page.goes_on = running;
    let address = view.address;
    show(&SignIn { page: &page, address, path, running, code, failure })
}

/// Asks the provider for a code.
pub(in crate::admin) fn begin_it(visit: &mut Visit<'_>) -> Answer {
    let (whose, view) = named(visit)?;
    let key = whose.key(Kind::SignIn, &view.address);
    let (store, now) = (visit.house.store.clone(), visit.request.now);
    let (login, address) = (whose.login.clone(), view.address.clone());
    let about = whose.about(&view.address);
    let said = ("outside/sign-in", about.as_str());
    let begun = begin(visit, key, said, Form::default(), move |told| {
        trials::sign_in(&store, (&login, &address), now, told)
    });
    if !begun {
        visit.say(visit.words.t("outside.busy"));
    }
    Ok(Reply::see(&format!("{}/sign-in", whose.path(&view.address))))
}
