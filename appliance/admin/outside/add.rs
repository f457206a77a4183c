//! A mailbox elsewhere is added: its address, what is known of its servers, then all the rest. It
//! is tried before it is saved.

use super::{Told, Whose, begin, show_list};
use crate::act::Reply as Done;
use crate::act::Request as Act;
use crate::act::collect::{After, Client, CollectAct, KnownView, ProviderView, Server, Tls, Wish};
use crate::act::failure::Failure;
use crate::act::people::Password;
use crate::admin::form::Form;
use crate::admin::http::{Reply, encoded};
use crate::admin::outside::trials::{Kind, Stage};
use crate::admin::page::{Page, show};
use crate::admin::routes::{Answer, Visit};
use crate::admin::setup::way::is_host;
use crate::admin::trouble::Trouble;
use crate::admin::words::Words;
use crate::limits::{OUTSIDE_DAYS_AT_MOST, OUTSIDE_FOLDERS, OUTSIDE_SECRET_BYTES};
use crate::store::outside;
use crate::wire::address::Address;
use askama::Template;

// ---- the address ----

/// Looks for the servers of an address, in the background.
pub(in crate::admin) fn find(visit: &mut Visit<'_>) -> Answer {
    let whose = Whose::of(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let typed = form.line(visit.words, "address", 1, 254);
    let address = match Address::parse(&typed) {
        Ok(address) => address.to_string(),
        Err(error) => {
            if form.is_fine() {
                form.wrong("address", &visit.words.fill("people.bad", &[&error]));
            }
            return Ok(show_list(visit, &whose, &form)?.status(422));
        }
    };
    let there = super::rows(visit, &whose)?;
    if there.iter().any(|row| row.view.address.eq_ignore_ascii_case(&address)) {
        form.wrong("address", &visit.words.fill("people.there", &[&address]));
        return Ok(show_list(visit, &whose, &form)?.status(422));
    }
    let trials = &visit.house.place.trials;
    trials.forget(&whose.key(Kind::Add, &address));
    let (store, now, asked) = (visit.house.store.clone(), visit.request.now, address.clone());
    let key = whose.key(Kind::Find, &address);
    let work = move |_: &dyn Fn(Stage) -> bool| super::trials::find(&store, asked, now);
    let begun = trials.begin(key, visit.house.place.millis(), work);
    if !begun {
        form.wrong("address", visit.words.t("outside.busy"));
        return Ok(show_list(visit, &whose, &form)?.status(503));
    }
    Ok(Reply::see(&format!("{}/add?address={}", whose.base, encoded(&address))))
}

// ---- all the rest ----

#[derive(Template)]
#[template(path = "outside/add.html")]
struct Add<'a> {
    page: &'a Page<'a>,
    whose: &'a Whose,
    form: &'a Form,
    address: String,
    /// Where this page is.
    path: String,
    /// It is under way: the key of what is said.
    running: Option<&'static str>,
    failure: Option<Told>,
    known: Option<KnownView>,
    /// A password does for programs there.
    by_password: bool,
    /// Signing in with a code can be chosen.
    by_code: bool,
}

impl Add<'_> {
    fn provider(&self) -> Option<&ProviderView> {
        self.known.as_ref().and_then(|known| known.provider.as_ref())
    }

    fn password_name<'p>(&self, page: &'p Page<'p>) -> &'p str {
        match self.provider() {
            Some(provider) if provider.app_password => page.t("outside.app-password"),
            _ => page.t("outside.password"),
        }
    }

    fn servers(&self) -> Vec<(&'static str, &Server)> {
        let Some(known) = &self.known else { return Vec::new() };
        let all = [
            ("outside.by-imap", &known.imap),
            ("outside.by-pop3", &known.pop3),
            ("outside.by-smtp", &known.smtp),
        ];
        all.into_iter().filter_map(|(key, server)| Some((key, server.as_ref()?))).collect()
    }

    /// Nothing is known of the servers, or what is known did not do.
    fn by_hand(&self) -> bool {
        self.failure.is_some() || self.servers().is_empty()
    }
}

/// `.../outside/add?address=`
pub(in crate::admin) fn add_page(visit: &mut Visit<'_>) -> Answer {
    let whose = Whose::of(visit)?;
    let address = visit.request.query("address").to_string();
    if Address::parse(&address).is_err() {
        return Ok(Reply::see(&whose.base));
    }
    let key = whose.key(Kind::Add, &address);
    match visit.house.place.trials.stage(&key) {
        Some(Stage::Done) => added(visit, &whose, &address),
        Some(Stage::Failed(failed)) => {
            let told = Told::of(visit.words, &failed.0);
            show_add(visit, &whose, &address, (&failed.1, Some(told)))
        }
        Some(_) => show_running(visit, &whose, &address, "outside.trying"),
        None => show_add(visit, &whose, &address, (&first(visit, &whose, &address), None)),
    }
}

/// It is there: the page of it, or the one where the person signs in.
fn added(visit: &Visit<'_>, whose: &Whose, address: &str) -> Answer {
    visit.house.place.trials.forget(&whose.key(Kind::Add, address));
    let (login, own) = (whose.login.clone(), address.to_string());
    let shown = visit.ask(Act::Collect(CollectAct::Show { login, address: own }))?;
    let path = whose.path(address);
    match shown {
        Done::Outside(view) if view.way == "xoauth2" => Ok(Reply::see(&format!("{path}/sign-in"))),
        _ => {
            visit.say(&visit.words.fill("outside.added", &[&address]));
            Ok(Reply::see(&path))
        }
    }
}

/// The form as it comes.
fn first(visit: &Visit<'_>, whose: &Whose, address: &str) -> Form {
    let known = known(visit, whose, address).ok().flatten();
    let provider = known.as_ref().and_then(|known| known.provider.as_ref());
    let way = match provider {
        Some(provider) if provider.only_tokens => "code",
        _ => "password",
    };
    let client = provider.and_then(|it| client_of(visit, &it.id).ok().flatten());
    Form::with(&[
        ("way", way),
        ("client-id", client.as_deref().unwrap_or_default()),
        ("what", "both"),
        ("kind", "imap"),
        ("tls", "implicit"),
        ("smtp-tls", "implicit"),
        ("after", "keep"),
        ("days", "14"),
        ("out", "yes"),
    ])
}

/// The client that somebody here uses at this provider already.
fn client_of(visit: &Visit<'_>, provider: &str) -> Result<Option<String>, Trouble> {
    let all = outside::all(&visit.house.store.snapshot()?)?;
    let mut of_provider = all.into_iter().filter(|(_, row)| row.provider == provider);
    Ok(of_provider.find_map(|(_, row)| row.oauth.map(|oauth| oauth.client_id)))
}

/// It is still looked for.
struct Looking;

fn known(visit: &Visit<'_>, whose: &Whose, address: &str) -> Result<Option<KnownView>, Looking> {
    match visit.house.place.trials.stage(&whose.key(Kind::Find, address)) {
        Some(Stage::Known(known)) => Ok(Some(*known)),
        Some(running) if running.goes_on() => Err(Looking),
        _ => Ok(None),
    }
}

fn show_running(visit: &Visit<'_>, whose: &Whose, address: &str, running: &'static str) -> Answer {
    show_any(visit, whose, address, (&Form::default(), None, None), Some(running))
}

fn show_add(
    visit: &Visit<'_>,
    whose: &Whose,
    address: &str,
    (form, failure): (&Form, Option<Told>),
) -> Answer {
    match known(visit, whose, address) {
        Ok(known) => show_any(visit, whose, address, (form, failure, known), None),
        Err(Looking) => show_running(visit, whose, address, "outside.finding"),
    }
}

fn show_any(
    visit: &Visit<'_>,
    whose: &Whose,
    address: &str,
    (form, failure, known): (&Form, Option<Told>, Option<KnownView>),
    running: Option<&'static str>,
) -> Answer {
    let provider = known.as_ref().and_then(|known| known.provider.as_ref());
    let by_password = provider.is_none_or(|provider| !provider.only_tokens);
    let by_code = provider.is_none_or(|provider| provider.sign_in);
    let mut page = visit.page(&visit.words.fill("outside.add-title", &[&address]));
    page.goes_on = running.is_some();
    let path = format!("{}/add?address={}", whose.base, encoded(address));
    let address = address.to_string();
    let page = &page;
    show(&Add { page, whose, form, address, path, running, failure, known, by_password, by_code })
}

/// Tries it and saves it, in the background.
pub(in crate::admin) fn add(visit: &mut Visit<'_>) -> Answer {
    let whose = Whose::of(visit)?;
    let mut form = std::mem::take(&mut visit.form);
    let address = form.value("address").to_string();
    if Address::parse(&address).is_err() {
        return Ok(Reply::see(&whose.base));
    }
    let known = known(visit, &whose, &address).ok().flatten();
    let provider = known.as_ref().and_then(|known| known.provider.as_ref());
    let wish = wish(visit.words, &mut form, provider.map(|it| it.id.clone()));
    let wish = Wish { owner: !whose.own, ..wish };
    if !form.is_fine() {
        return Ok(show_add(visit, &whose, &address, (&form, None))?.status(422));
    }
    let key = whose.key(Kind::Add, &address);
    let trials = &visit.house.place.trials;
    if trials.stage(&key).is_some_and(|stage| !stage.goes_on()) {
        trials.forget(&key);
    }
    let kept = form.without(&["csrf", "password", "client-secret"]);
    let about = whose.about(&address);
    let work = saving(visit, (whose.login.clone(), address.clone()), wish, form.raw("what"));
    if !begin(visit, key, ("outside/add", &about), kept, work) {
        form.wrong("password", visit.words.t("outside.busy"));
        return Ok(show_add(visit, &whose, &address, (&form, None))?.status(503));
    }
    Ok(Reply::see(&format!("{}/add?address={}", whose.base, encoded(&address))))
}

/// Saves it once it let us in, and begins to bring over what it holds where that is wanted.
fn saving(
    visit: &Visit<'_>,
    (login, address): (String, String),
    wish: Wish,
    what: &str,
) -> impl FnOnce(&dyn Fn(Stage) -> bool) -> Result<(), Failure> + Send + 'static {
    let (store, now) = (visit.house.store.clone(), visit.request.now);
    let (place, imports) = (visit.house.place.clone(), what != "collect");
    move |_| {
        let ask = |asked: CollectAct| {
            crate::act::act(&store, Act::Collect(asked), now, &mut |_| ()).map(drop)
        };
        let wish = Box::new(wish);
        ask(CollectAct::Add { login: login.clone(), address: address.clone(), wish })?;
        if imports {
            ask(CollectAct::Import { login, address })?;
            place.imports.changed.notify_one();
        }
        Ok(())
    }
}

/// What the form asks for, or its faults.
fn wish(words: &Words, form: &mut Form, provider: Option<String>) -> Wish {
    let is_known = provider.is_some();
    let mut wish = Wish { provider, after: after(words, form), ..Wish::default() };
    wish.pop3 = Some(form.raw("kind") == "pop3");
    if wish.pop3 == Some(true) && matches!(wish.after, Some(After::Move(_))) {
        form.wrong("after", words.t("outside.no-folders"));
    }
    match form.raw("what") {
        "both" | "import" if wish.pop3 == Some(true) => {
            form.wrong("what", words.t("outside.no-import"));
        }
        "both" | "collect" => (),
        "import" => wish.paused = Some(true),
        _ => form.wrong("what", words.t("outside.bring-choose")),
    }
    wish.source = server(words, form, &SOURCE);
    wish.relay = server(words, form, &RELAY);
    wish.no_relay = form.raw("out") != "yes";
    if wish.no_relay {
        wish.relay = None;
    }
    let user = form.line(words, "user", 0, 254);
    wish.user = (!user.is_empty()).then_some(user);
    match form.raw("way") {
        "code" => wish.oauth = client(words, form, is_known),
        _ => wish.secret = secret(words, form),
    }
    wish
}

/// A password of the form, which is no browser's to remember.
pub(super) fn secret(words: &Words, form: &mut Form) -> Option<Password> {
    // App passwords are shown in groups of letters with space between them.
    let text = form.value("password").to_string();
    if text.is_empty() {
        form.wrong("password", words.t("form.empty"));
        return None;
    }
    if text.len() > OUTSIDE_SECRET_BYTES {
        form.wrong("password", words.t("password.long"));
        return None;
    }
    Some(Password { text, made_up: false })
}

/// The client that the owner registered with the provider.
fn client(words: &Words, form: &mut Form, is_known: bool) -> Option<Client> {
    let id = form.line(words, "client-id", 1, 254);
    let secret = form.line(words, "client-secret", 0, 254);
    let mut url = |field: &'static str| {
        let url = form.line(words, field, 0, 500);
        if !url.is_empty() && !url.starts_with("https://") {
            form.wrong(field, words.t("outside.url-wrong"));
        }
        url
    };
    let (device_url, token_url) = (url("device-url"), url("token-url"));
    if !is_known && form.is_fine() {
        for (field, url) in [("device-url", &device_url), ("token-url", &token_url)] {
            if url.is_empty() {
                form.wrong(field, words.t("form.empty"));
            }
        }
    }
    let scope = form.line(words, "scope", 0, 500);
    Some(Client { id, secret, device_url, token_url, scope })
}

/// What becomes of a letter there.
pub(super) fn after(words: &Words, form: &mut Form) -> Option<After> {
    match form.raw("after") {
        "keep" => Some(After::Keep),
        "delete" => {
            let days = form.value("days").parse().ok().filter(|days| *days <= OUTSIDE_DAYS_AT_MOST);
            if days.is_none() {
                form.wrong("days", &words.fill("outside.days-wrong", &[&OUTSIDE_DAYS_AT_MOST]));
            }
            days.map(After::Delete)
        }
        "move" => {
            let to = form.line(words, "move-to", 1, 200);
            Some(After::Move(to))
        }
        _ => {
            form.wrong("after", words.t("outside.after-choose"));
            None
        }
    }
}

/// Lines of a field, without those that are empty.
pub(super) fn folders(words: &Words, form: &mut Form) -> Vec<String> {
    let lines = form.raw("folders").lines().map(str::trim).filter(|line| !line.is_empty());
    let folders: Vec<String> = lines.map(str::to_string).collect();
    if folders.len() > OUTSIDE_FOLDERS {
        form.wrong("folders", &words.fill("outside.many-folders", &[&OUTSIDE_FOLDERS]));
    }
    folders
}

/// The fields of a server.
struct Fields {
    host: &'static str,
    port: &'static str,
    tls: &'static str,
}

const SOURCE: Fields = Fields { host: "host", port: "port", tls: "tls" };
const RELAY: Fields = Fields { host: "smtp-host", port: "smtp-port", tls: "smtp-tls" };

/// A server that was named by hand; nothing: none was.
fn server(words: &Words, form: &mut Form, fields: &Fields) -> Option<Server> {
    let host = form.line(words, fields.host, 0, 253);
    if host.is_empty() {
        return None;
    }
    if !is_host(host.trim_end_matches('.')) {
        form.wrong(fields.host, words.t("way.host-wrong"));
    }
    let tls = if form.raw(fields.tls) == "starttls" { Tls::Starttls } else { Tls::Implicit };
    let usual = match (fields.host, form.raw("kind"), tls) {
        ("smtp-host", _, Tls::Implicit) => 465,
        ("smtp-host", _, Tls::Starttls) => 587,
        (_, "pop3", Tls::Implicit) => 995,
        (_, "pop3", Tls::Starttls) => 110,
        (.., Tls::Implicit) => 993,
        (.., Tls::Starttls) => 143,
    };
    let port = match form.value(fields.port) {
        "" => Some(usual),
        text => text.parse().ok().filter(|port| *port > 0),
    };
    if port.is_none() {
        form.wrong(fields.port, words.t("way.port-wrong"));
    }
    Some(Server { host, port: port.unwrap_or(usual), tls })
}
