//! Mailboxes that people have elsewhere: the owner's pages of each person's, and each person's own.
//! The same handlers serve both; whose they are is never taken from the form.

mod add;
mod import;
mod one;
mod sign_in;
pub(crate) mod trials;

pub(super) use add::{add, add_page, find};
pub(super) use import::import;
pub(super) use one::{change, look, one, password, pause, remove};
pub(super) use sign_in::{begin_it as sign_in, page as sign_in_page};

use super::audit;
use super::form::Form;
use super::http::encoded;
use super::page::{Page, show};
use super::refusal;
use super::routes::{Answer, Visit};
use super::setup;
use super::trouble::Trouble;
use super::who::Who;
use super::words::Words;
use super::zone;
use crate::act::collect::{CollectAct, OutsideView};
use crate::act::failure::Failure;
use crate::act::{self, Reply as Done, Request as Act};
use crate::collect::providers;
use crate::event::{Event, emit};
use crate::store::{AccountId, account, owner};
use askama::Template;
use trials::{Key, Kind, Stage};

/// Of whom a page is.
#[derive(Clone)]
pub(super) struct Whose {
    pub id: AccountId,
    pub login: String,
    pub name: String,
    /// Where these pages begin.
    pub base: String,
    /// The person looks at their own.
    pub own: bool,
}

impl Whose {
    fn of(visit: &Visit<'_>) -> Result<Whose, Trouble> {
        let (login, own) = match visit.who() {
            Who::Person { login, .. } => (login.as_str(), true),
            _ => (visit.part(0), false),
        };
        Whose::read(visit, login, own)
    }

    /// Of this person, for the owner.
    pub(super) fn called_so(visit: &Visit<'_>, login: &str) -> Result<Whose, Trouble> {
        Whose::read(visit, login, false)
    }

    fn read(visit: &Visit<'_>, login: &str, own: bool) -> Result<Whose, Trouble> {
        let found = account::by_login(&visit.house.store.snapshot()?, login)?;
        let (id, account) = found.ok_or(Trouble::Missing)?;
        let base = match own {
            true => "/my/outside".to_string(),
            false => format!("/people/{}/outside", encoded(&account.login)),
        };
        Ok(Whose { id, login: account.login, name: account.name, base, own })
    }

    /// As people call them.
    pub(super) fn called(&self) -> &str {
        if self.name.is_empty() { &self.login } else { &self.name }
    }

    /// The owner's page of the person.
    fn person(&self) -> String {
        format!("/people/{}", encoded(&self.login))
    }

    /// Where the page of one of them is.
    fn path(&self, address: &str) -> String {
        format!("{}/{}", self.base, encoded(address))
    }

    /// What the list of acts says it is about.
    fn about(&self, address: &str) -> String {
        if self.own { address.to_string() } else { format!("{} {address}", self.login) }
    }

    fn key(&self, kind: Kind, address: &str) -> Key {
        Key::new(kind, &self.login, address)
    }
}

/// The mailbox that the path names, and of whom.
fn named(visit: &Visit<'_>) -> Result<(Whose, OutsideView), Trouble> {
    let whose = Whose::of(visit)?;
    let address = visit.part(usize::from(!whose.own)).to_string();
    let login = whose.login.clone();
    match visit.ask(Act::Collect(CollectAct::Show { login, address }))? {
        Done::Outside(view) => Ok((whose, *view)),
        _ => Err(Trouble::Missing),
    }
}

// ---- in words ----

/// Why it was not done, and what to do about it where that is not for the command line.
struct Told {
    why: String,
    mend: String,
}

impl Told {
    fn of(words: &Words, failure: &Failure) -> Told {
        let of_commands = failure.remedy.contains("--") || failure.remedy.contains('`');
        let mend = if of_commands { "" } else { failure.remedy.as_str() };
        let mut rest = mend.chars();
        let first = rest.next().map(|first| first.to_uppercase().to_string());
        let mend = first.unwrap_or_default() + rest.as_str();
        Told { why: refusal::words(words, failure), mend }
    }
}

/// One of them in a list, and on its own page.
pub(super) struct Row {
    pub view: OutsideView,
    /// The class of its mark, and the key of its word.
    pub state: (&'static str, &'static str),
    /// As people call the provider; else its server.
    pub provider: String,
    /// When a letter was taken over last; empty: never.
    pub last: String,
    pub looked: String,
    pub path: String,
}

impl Row {
    fn of(whose: &Whose, zone: &str, view: OutsideView) -> Row {
        let when = |at: i64| if at == 0 { String::new() } else { zone::show(zone, at) };
        let server = view.source.as_ref().or(view.relay.as_ref());
        let provider = match providers::by_id(&view.provider) {
            Some(provider) => provider.name.clone(),
            None => server.map(|server| server.host.clone()).unwrap_or_default(),
        };
        let state = state(&view);
        let (last, looked) = (when(view.letter), when(view.looked));
        Row { state, provider, last, looked, path: whose.path(&view.address), view }
    }

    fn by_imap(&self) -> bool {
        self.view.kind == "imap"
    }

    /// It is looked at for the first time, or anew.
    fn is_awaited(&self) -> bool {
        self.state.1 == "outside.awaited"
    }
}

fn state(view: &OutsideView) -> (&'static str, &'static str) {
    match view {
        OutsideView { source: None, .. } => ("", "outside.out-only"),
        OutsideView { paused: true, .. } => ("warn", "outside.paused"),
        OutsideView { error, .. } if !error.is_empty() => ("bad", "outside.wrong"),
        OutsideView { looked: 0, .. } => ("", "outside.awaited"),
        _ => ("good", "outside.good"),
    }
}

pub(super) fn rows(visit: &Visit<'_>, whose: &Whose) -> Result<Vec<Row>, Trouble> {
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let login = Some(whose.login.clone());
    match visit.ask(Act::Collect(CollectAct::List { login }))? {
        Done::Outsides(all) => {
            Ok(all.into_iter().map(|view| Row::of(whose, &zone, view)).collect())
        }
        _ => Ok(Vec::new()),
    }
}

// ---- the list ----

#[derive(Template)]
#[template(path = "outside/list.html")]
struct List<'a> {
    page: &'a Page<'a>,
    whose: &'a Whose,
    form: &'a Form,
    rows: Vec<Row>,
    awaited: bool,
    /// The way back into the setting up, while that goes on.
    setting_up: bool,
}

pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let whose = Whose::of(visit)?;
    show_list(visit, &whose, &Form::default())
}

fn show_list(visit: &Visit<'_>, whose: &Whose, form: &Form) -> Answer {
    let rows = rows(visit, whose)?;
    let awaited = rows.iter().any(Row::is_awaited);
    let setting_up = !whose.own && !setup::is_done(visit)?;
    let mut page = visit.page(visit.words.t("outside.title"));
    page.goes_on = awaited;
    show(&List { page: &page, whose, form, rows, awaited, setting_up })
}

// ---- what takes a while ----

/// Does an act in the background, and writes it down as `Visit::act` does. False: too much is
/// under way.
fn begin(
    visit: &Visit<'_>,
    key: Key,
    (what, about): (&str, &str),
    form: Form,
    work: impl FnOnce(&dyn Fn(Stage) -> bool) -> Result<(), Failure> + Send + 'static,
) -> bool {
    let (store, row) = (visit.house.store.clone(), audit::row(visit, what, about, ""));
    let now = visit.house.place.millis();
    visit.house.place.trials.begin(key, now, move |told| {
        let done = work(told);
        let failed = done.as_ref().err().map(|failure| failure.why.clone());
        let row = crate::store::format::Audit { failed: failed.unwrap_or_default(), ..row };
        if let Err(error) = store.write_blocking(move |batch| owner::note(batch, &row)) {
            emit(Event::StoreTrouble { doing: "writing down an act", why: error.to_string() });
        }
        match done {
            Ok(()) => Stage::Done,
            Err(failure) => Stage::failed(failure, form),
        }
    })
}

/// The same of an act whose reply says nothing more.
fn begin_act(
    visit: &Visit<'_>,
    key: Key,
    said: (&str, &str),
    form: Form,
    asked: CollectAct,
) -> bool {
    let (store, now) = (visit.house.store.clone(), visit.request.now);
    begin(visit, key, said, form, move |_| {
        act::act(&store, Act::Collect(asked), now, &mut |_| ()).map(drop)
    })
}
