//! Every page in one table: method, path, who may, which handler. The guard in front of the
//! handlers is driven by the table, so that no handler can forget it.
//!
//! ```text
//! request -> what strangers get? -> in clear? only `welcome` -> near? else nothing
//!         -> called by our name? -> for programs? `api`
//!         -> the row -> the session may? else the way to log in
//!         -> a form's token? -> handler
//! ```

use super::form::Form;
use super::house::House;
use super::http::{Method, Reply, Request, secure};
use super::page::{Page, nav};
use super::trouble::Trouble;
use super::upload::Upload;
use super::who::{self, Key, Session, Who};
use super::words::Words;
use super::{
    addresses, api, assets, audit, backup, clients, enter, lan, log, moving, my, outside, people,
    queue, reset, restore, security, setup, storage, strangers, tokens, trace, update, welcome,
};
use crate::act::failure::Failure;
use crate::act::{self, Request as Act};
use crate::net::splice::{Allowed, Wish};
use crate::store::{StoreError, account, owner};
use crate::{limits, public};

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    /// Whoever is on the LAN.
    Anybody,
    /// Whoever gave the setup code, while there is no owner; then the owner.
    Setup,
    Owner,
    /// A person who has mail here, for themselves.
    Person,
}

/// What a page is made of.
pub(crate) type Answer = Result<Reply, Trouble>;
type Handler = fn(&mut Visit<'_>) -> Answer;

/// One row of the table.
pub(crate) struct Route {
    pub method: Method,
    /// `{}` stands for one part of the path; the handler asks for it with `part`.
    pub path: &'static str,
    pub may: May,
    handler: Handler,
}

const fn get(path: &'static str, may: May, handler: Handler) -> Route {
    Route { method: Method::Get, path, may, handler }
}

const fn post(path: &'static str, may: May, handler: Handler) -> Route {
    Route { method: Method::Post, path, may, handler }
}

/// Where files are sent to: the bodies that are larger than a form.
pub(super) const UPLOADS: [&str; 2] = [BACKUP, UPDATE];
const BACKUP: &str = "/setup/begin/restore";
const UPDATE: &str = "/update/file";

/// Forms that change nothing in the store, which may keep still at the moment.
const WRITES_NOTHING: [&str; 3] = ["/login", "/logout", "/my/login"];

/// Every page.
pub(crate) const ROUTES: &[Route] = &[
    get("/", May::Anybody, enter::start),
    get("/code", May::Anybody, enter::code_page),
    post("/code", May::Anybody, enter::code),
    get("/login", May::Anybody, enter::login_page),
    post("/login", May::Anybody, enter::login),
    post("/logout", May::Anybody, enter::logout),
    get("/setup/owner", May::Setup, enter::claim_page),
    post("/setup/owner", May::Setup, enter::claim),
    get("/setup", May::Setup, setup::go_on),
    get("/setup/begin", May::Setup, setup::begin::page),
    post("/setup/begin", May::Setup, setup::begin::new),
    post(BACKUP, May::Setup, setup::begin::restore),
    post("/setup/begin/look", May::Setup, setup::begin::look),
    post("/setup/begin/stick", May::Setup, setup::begin::from_stick),
    post("/setup/begin/disk", May::Setup, setup::begin::from_disk),
    get("/setup/time", May::Setup, setup::time::page),
    post("/setup/time", May::Setup, setup::time::save),
    get("/setup/network", May::Owner, setup::network::page),
    post("/setup/network", May::Owner, setup::network::save),
    get("/network/{}", May::Anybody, setup::network::keep_page),
    post("/network/{}", May::Anybody, setup::network::keep),
    get("/setup/way", May::Owner, setup::way::page),
    post("/setup/way", May::Owner, setup::way::save),
    post("/setup/way/look", May::Owner, setup::way::look),
    get("/setup/domain", May::Owner, setup::domain::page),
    post("/setup/domain", May::Owner, setup::domain::add),
    post("/setup/domain/look", May::Owner, setup::domain::look),
    post("/setup/domain/next", May::Owner, setup::domain::next),
    get("/setup/domain/zone", May::Owner, setup::domain::zone),
    get("/setup/certificate", May::Owner, setup::certificate::page),
    post("/setup/certificate", May::Owner, setup::certificate::save),
    post("/setup/certificate/again", May::Owner, setup::certificate::again),
    post("/setup/certificate/next", May::Owner, setup::certificate::next),
    get("/setup/certificate/ca", May::Owner, setup::certificate::authority),
    get("/setup/people", May::Owner, setup::people::page),
    post("/setup/people", May::Owner, setup::people::next),
    get("/setup/bring", May::Owner, setup::bring::page),
    post("/setup/bring", May::Owner, setup::bring::next),
    get("/setup/clients", May::Owner, setup::clients::page),
    post("/setup/clients", May::Owner, setup::clients::next),
    get("/setup/letter", May::Owner, setup::letter::page),
    post("/setup/letter", May::Owner, setup::letter::next),
    post("/setup/letter/send", May::Owner, setup::letter::send),
    post("/setup/letter/wait", May::Owner, setup::letter::wait),
    get("/setup/done", May::Owner, setup::finish::page),
    post("/setup/done", May::Owner, setup::finish::done),
    get("/people", May::Owner, people::page),
    post("/people", May::Owner, people::add),
    post("/people/list", May::Owner, people::paste),
    get("/people/{}", May::Owner, people::one),
    post("/people/{}/suspend", May::Owner, people::suspend),
    post("/people/{}/quota", May::Owner, people::quota),
    post("/people/{}/password", May::Owner, people::password),
    post("/people/{}/app", May::Owner, people::app_password),
    post("/people/{}/app/remove", May::Owner, people::remove_app),
    post("/people/{}/delete", May::Owner, people::delete),
    post("/people/{}/reopen", May::Owner, people::reopen),
    post("/people/{}/sessions", May::Owner, people::end),
    get("/addresses", May::Owner, addresses::page),
    post("/addresses", May::Owner, addresses::save),
    get("/addresses/edit", May::Owner, addresses::edit),
    post("/addresses/remove", May::Owner, addresses::remove),
    post("/addresses/catch-all", May::Owner, addresses::catch_all),
    get("/trace", May::Owner, trace::page),
    get("/trace/{}", May::Owner, trace::one),
    get("/queue", May::Owner, queue::page),
    post("/queue/{}/hold", May::Owner, queue::hold),
    post("/queue/{}/now", May::Owner, queue::now),
    post("/queue/{}/drop", May::Owner, queue::drop_it),
    get("/security", May::Owner, security::page),
    post("/security/password", May::Owner, security::password),
    post("/security/sessions", May::Owner, security::end),
    get("/security/totp", May::Owner, security::totp_page),
    post("/security/totp", May::Owner, security::totp_begin),
    post("/security/totp/confirm", May::Owner, security::totp_confirm),
    post("/security/totp/off", May::Owner, security::totp_off),
    get("/acts", May::Owner, audit::page),
    get("/tokens", May::Owner, tokens::page),
    post("/tokens", May::Owner, tokens::add),
    post("/tokens/remove", May::Owner, tokens::remove),
    get("/reset", May::Owner, reset::page),
    post("/reset/restart", May::Owner, reset::restart),
    post("/reset/off", May::Owner, reset::off),
    post("/reset/everything", May::Owner, reset::everything),
    get("/backup", May::Owner, backup::page),
    post("/backup", May::Owner, backup::make),
    post("/backup/nightly", May::Owner, backup::nightly),
    post("/backup/nightly/off", May::Owner, backup::nightly_off),
    post("/backup/look", May::Owner, backup::look),
    post("/backup/open", May::Owner, backup::open),
    post("/backup/close", May::Owner, backup::close),
    post("/backup/find", May::Owner, backup::find),
    post("/backup/bring", May::Owner, backup::bring),
    post("/backup/restore", May::Owner, backup::restore),
    post("/backup/format", May::Owner, backup::format),
    get("/storage", May::Owner, storage::page),
    post("/storage/move", May::Owner, storage::move_to),
    post("/storage/forget", May::Owner, storage::forget),
    post("/storage/measure", May::Owner, storage::measure),
    get("/move", May::Owner, moving::page),
    post("/move", May::Owner, moving::begin),
    post("/move/{}/look", May::Owner, moving::look),
    post("/move/{}/run", May::Owner, moving::run),
    post("/move/{}/skip", May::Owner, moving::skip),
    post("/move/{}/back", May::Owner, moving::back),
    post("/move/{}/end", May::Owner, moving::end),
    get("/log", May::Owner, log::page),
    post("/log/support", May::Owner, log::support),
    get("/update", May::Owner, update::page),
    post(UPDATE, May::Owner, update::send),
    post("/update/consent", May::Owner, update::consent),
    post("/update/now", May::Owner, update::restart),
    post("/update/back", May::Owner, update::back),
    post("/update/when", May::Owner, update::when),
    get("/people/{}/clients", May::Owner, clients::of_anybody),
    get("/people/{}/apple", May::Owner, clients::apple_of_anybody),
    get("/people/{}/outside", May::Owner, outside::page),
    post("/people/{}/outside/find", May::Owner, outside::find),
    get("/people/{}/outside/add", May::Owner, outside::add_page),
    post("/people/{}/outside/add", May::Owner, outside::add),
    get("/people/{}/outside/{}", May::Owner, outside::one),
    post("/people/{}/outside/{}/change", May::Owner, outside::change),
    post("/people/{}/outside/{}/password", May::Owner, outside::password),
    post("/people/{}/outside/{}/pause", May::Owner, outside::pause),
    post("/people/{}/outside/{}/look", May::Owner, outside::look),
    get("/people/{}/outside/{}/sign-in", May::Owner, outside::sign_in_page),
    post("/people/{}/outside/{}/sign-in", May::Owner, outside::sign_in),
    post("/people/{}/outside/{}/import", May::Owner, outside::import),
    post("/people/{}/outside/{}/remove", May::Owner, outside::remove),
    get("/my/login", May::Anybody, my::login_page),
    post("/my/login", May::Anybody, my::login),
    get("/my", May::Person, my::page),
    post("/my/password", May::Person, my::password),
    post("/my/app", May::Person, my::app_password),
    post("/my/app/remove", May::Person, my::remove_app),
    post("/my/sessions", May::Person, my::end),
    get("/my/outside", May::Person, outside::page),
    post("/my/outside/find", May::Person, outside::find),
    get("/my/outside/add", May::Person, outside::add_page),
    post("/my/outside/add", May::Person, outside::add),
    get("/my/outside/{}", May::Person, outside::one),
    post("/my/outside/{}/change", May::Person, outside::change),
    post("/my/outside/{}/password", May::Person, outside::password),
    post("/my/outside/{}/pause", May::Person, outside::pause),
    post("/my/outside/{}/look", May::Person, outside::look),
    get("/my/outside/{}/sign-in", May::Person, outside::sign_in_page),
    post("/my/outside/{}/sign-in", May::Person, outside::sign_in),
    post("/my/outside/{}/import", May::Person, outside::import),
    post("/my/outside/{}/remove", May::Person, outside::remove),
    get("/my/clients", May::Person, clients::own),
    get("/my/apple", May::Person, clients::own_apple),
    get("/style.css", May::Anybody, assets::style),
    get("/script.js", May::Anybody, assets::script),
    get("/icon.svg", May::Anybody, assets::icon),
];

/// The way around, in order: for whom, where to, and the key of its name.
pub(super) const NAV: &[(May, &str, &str)] = &[
    (May::Owner, "/", "nav.home"),
    (May::Owner, "/people", "nav.people"),
    (May::Owner, "/addresses", "nav.addresses"),
    (May::Owner, "/trace", "nav.trace"),
    (May::Owner, "/queue", "nav.queue"),
    (May::Owner, "/setup/domain", "nav.domain"),
    (May::Owner, "/move", "nav.move"),
    (May::Owner, "/backup", "nav.backup"),
    (May::Owner, "/storage", "nav.storage"),
    (May::Owner, "/security", "nav.security"),
    (May::Owner, "/update", "nav.update"),
    (May::Owner, "/log", "nav.log"),
    (May::Person, "/my", "nav.my"),
    (May::Person, "/my/outside", "outside.title"),
    (May::Person, "/my/clients", "clients.title"),
];

impl Route {
    /// Is it the row of this path?
    pub(super) fn fits(&self, path: &str) -> bool {
        matches(self.path, &path.split('/').map(str::to_string).collect::<Vec<_>>()).is_some()
    }
}

/// One request that may be answered.
pub(crate) struct Visit<'a> {
    pub house: &'a House,
    pub request: &'a Request,
    pub words: &'static Words,
    pub form: Form,
    pub session: Option<(Key, Session)>,
    /// Given to the browser with the reply.
    pub cookie: Option<String>,
    /// The file of the form.
    pub upload: Option<Upload<'a>>,
    parts: Vec<String>,
}

/// How large the body of a request may be. `net::splice` holds it.
pub(crate) fn allowance(house: &House, wish: &Wish<'_>) -> Allowed {
    let octets = match wish.method {
        "POST" if wish.path == BACKUP => return restore::allowance(house, wish.cookie),
        "POST" if wish.path == UPDATE => return update::allowance(house, wish.cookie),
        "POST" if [api::RESTORE, api::UPDATE].contains(&wish.path) => {
            return api::allowance(house, wish);
        }
        "POST" if public::may_be(wish.path) => limits::PUBLIC_BODY_BYTES,
        "POST" => limits::WEB_BODY_BYTES,
        // Also what comes by a wrong method is told that it is wrong.
        _ if api::is_of(wish.path) => limits::WEB_BODY_BYTES,
        _ => 0,
    };
    Allowed { octets, words: "The request is too large.\n" }
}

/// The reply to a request.
pub(crate) fn answer(house: &House, request: &Request) -> Reply {
    answer_with(house, request, None)
}

/// The same of a form with a file in it.
pub(crate) fn answer_with<'a>(
    house: &'a House,
    request: &'a Request,
    mut upload: Option<Upload<'a>>,
) -> Reply {
    if let Some(reply) = strangers::answer(house, request) {
        return secure(reply, false);
    }
    let reply = match guard(house, request, &mut upload) {
        Ok((mut visit, handler)) => {
            visit.upload = upload;
            let reply = handler(&mut visit).unwrap_or_else(|trouble| visit.tell(&trouble));
            visit.forget_notice(&reply);
            visit.with_cookie(reply)
        }
        Err(reply) => *reply,
    };
    secure(reply, house.is_proven() && request.is_secure())
}

/// Everything that must be so before a handler runs; the error is what is said instead.
fn guard<'a>(
    house: &'a House,
    request: &'a Request,
    upload: &mut Option<Upload<'a>>,
) -> Result<(Visit<'a>, Handler), Box<Reply>> {
    let refuse = |status: u16, words: &str| Box::new(Reply::plain(status, words));
    let words = Words::choose(request.header("accept-language"));
    let local = request.peer.local.ip();
    if !house.lan().holds(request.peer.remote.ip()) {
        // Nothing tells a stranger what this is.
        return Err(refuse(404, "not found"));
    }
    let named = request.header("host").and_then(lan::host);
    let settings = house.settings();
    let ours = |name: &str| lan::is_ours(name, &settings, local, &lan::machine());
    let Some((name, port)) = named.filter(|(name, _)| ours(name)) else {
        return Err(refuse(421, words.t("guard.name")));
    };
    if api::is_of(&request.path) {
        return Err(Box::new(api::answer(house, request, upload.take())));
    }
    if !request.is_secure() {
        let asset = assets::find(&request.path);
        let welcome = || welcome::page(house, words, &name, port);
        return Err(Box::new(asset.unwrap_or_else(welcome)));
    }
    let Some((route, parts)) = find(request) else {
        let known = ROUTES.iter().filter(|route| matches(route.path, &request.parts).is_some());
        let methods: Vec<&str> = known.map(|route| route.method.word()).collect();
        if methods.is_empty() {
            return Err(refuse(404, words.t("guard.missing")));
        }
        // RFC 9110 15.5.6: which there are
        let reply = Reply::plain(405, words.t("guard.method"));
        return Err(Box::new(reply.with("Allow", &methods.join(", "))));
    };
    let now = house.place.millis();
    let session = house.place.sessions().find(request, now);
    let visit = Visit {
        house,
        request,
        words,
        form: Form::default(),
        session,
        cookie: None,
        upload: None,
        parts,
    };
    admit(visit, route)
}

/// The part of the guard that knows the row and the session.
fn admit<'a>(mut visit: Visit<'a>, route: &Route) -> Result<(Visit<'a>, Handler), Box<Reply>> {
    if route.method == Method::Post {
        let form = Form::read(visit.request);
        visit.form = form.map_err(|bad| Box::new(Reply::plain(400, bad.words())))?;
        let site = visit.request.header("sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin") {
            let words = visit.words.t("guard.elsewhere");
            return Err(Box::new(Reply::plain(403, words)));
        }
    }
    match visit.allows(route.may) {
        Ok(true) => (),
        Ok(false) => {
            // A form that waits for the log-in has the token of a new session.
            let reply = visit.way_in(route);
            return Err(Box::new(visit.with_cookie(reply)));
        }
        Err(trouble) => return Err(Box::new(visit.tell(&trouble))),
    }
    if route.method == Method::Post {
        let token = visit.form.raw("csrf").to_string();
        let right = visit.session.as_ref().is_some_and(|(_, session)| session.is_csrf(&token));
        if !right {
            let reply = enter::stale(&mut visit);
            return Err(Box::new(visit.with_cookie(reply)));
        }
        if visit.house.store.is_still() && !WRITES_NOTHING.contains(&route.path) {
            return Err(Box::new(visit.tell(&Trouble::Store(StoreError::Moving))));
        }
    }
    Ok((visit, route.handler))
}

fn find(request: &Request) -> Option<(&'static Route, Vec<String>)> {
    let fits = |route: &'static Route| {
        let parts = matches(route.path, &request.parts)?;
        (route.method == request.method).then_some((route, parts))
    };
    ROUTES.iter().find_map(fits)
}

/// What stands in the places of `{}`.
pub(super) fn matches(pattern: &str, path: &[String]) -> Option<Vec<String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.iter());
    let mut parts = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some("{}"), Some(part)) if !part.is_empty() => parts.push(part.to_string()),
            (Some(wanted), Some(given)) if wanted == given => (),
            _ => return None,
        }
    }
}

impl<'a> Visit<'a> {
    /// The part of the path in the place of the `number`th `{}`.
    pub(crate) fn part(&self, number: usize) -> &str {
        self.parts.get(number).map_or("", String::as_str)
    }

    pub(crate) fn who(&self) -> &Who {
        self.session.as_ref().map_or(&Who::Visitor, |(_, session)| &session.who)
    }

    /// May whoever this is do it? An owner whose password was changed elsewhere may no longer.
    pub(super) fn allows(&self, may: May) -> Result<bool, Trouble> {
        if may == May::Anybody {
            return Ok(true);
        }
        let read = self.house.store.snapshot()?;
        let row = owner::get(&read)?;
        Ok(match (may, self.who()) {
            (May::Setup, Who::Code) => row.is_none(),
            (May::Setup | May::Owner, Who::Owner { changes }) => {
                row.is_some_and(|row| row.changes == *changes)
            }
            (May::Person, Who::Person { account, credential, .. }) => {
                account::is_open(&read, crate::store::AccountId(*account), *credential)?
            }
            _ => false,
        })
    }

    /// Where somebody who may not do this is sent; a form is kept for after the log-in.
    fn way_in(&mut self, route: &Route) -> Reply {
        if route.method == Method::Post {
            return enter::stale(self);
        }
        let owned = self.house.is_owned().unwrap_or(true);
        match route.may {
            May::Setup if !owned => Reply::see("/code"),
            May::Person => Reply::see("/my/login"),
            _ if !owned => Reply::see("/"),
            _ => Reply::see("/login"),
        }
    }

    /// The frame of a page with this title.
    pub(crate) fn page(&self, title: &str) -> Page<'_> {
        let session = self.session.as_ref().map(|(_, session)| session);
        let may = match self.who() {
            Who::Owner { .. } => May::Owner,
            Who::Person { .. } => May::Person,
            _ => May::Anybody,
        };
        Page {
            words: self.words,
            title: title.to_string(),
            csrf: session.map_or("", |session| session.csrf.as_str()),
            notice: session.and_then(|session| session.notice.as_deref()),
            nav: nav(self.words, may, &self.request.path),
            who: match self.who() {
                Who::Owner { .. } => Some(self.words.t("nav.owner")),
                Who::Person { login, .. } => Some(login),
                _ => None,
            },
            host: self.house.settings().host.clone(),
            goes_on: false,
        }
    }

    /// Every form needs a session for its token: begins one where there is none.
    pub(crate) fn need_session(&mut self) {
        if self.session.is_none() {
            self.become_who(Who::Visitor);
        }
    }

    /// The browser stands for this one from now on, with a new cookie.
    pub(crate) fn become_who(&mut self, who: Who) {
        let now = self.house.place.millis();
        let mut sessions = self.house.place.sessions();
        if let Some((old, _)) = self.session.take() {
            sessions.end(&old);
        }
        let (id, session) = sessions.begin(who, self.request, now);
        drop(sessions);
        self.cookie = Some(who::cookie(&id));
        self.session = Some((who::key(&id), session));
    }

    /// A session that was begun goes to the browser with whatever is said.
    fn with_cookie(&self, reply: Reply) -> Reply {
        match &self.cookie {
            Some(cookie) => reply.with("Set-Cookie", cookie),
            None => reply,
        }
    }

    /// Said on top of the next page.
    pub(crate) fn say(&self, words: &str) {
        if let Some((key, _)) = &self.session {
            let words = Some(words.to_string());
            self.house.place.sessions().edit(key, |session| session.notice = words);
        }
    }

    /// Script follows a part of the page; what is told once is for the page.
    pub(super) fn is_part(&self) -> bool {
        self.request.header("x-part").is_some()
    }

    /// Does an act of the owner, and writes it down: a short word for what, and whom it is about.
    pub(crate) fn act(&self, what: &str, about: &str, act: Act) -> Result<act::Reply, Failure> {
        let done = self.ask(act);
        let failed = done.as_ref().err().map(|failure| failure.why.clone());
        audit::note(self, what, about, &failed.unwrap_or_default());
        done
    }

    /// An act that changes nothing, and is not written down.
    pub(crate) fn ask(&self, act: Act) -> Result<act::Reply, Failure> {
        self.house.act(act, self.request.now)
    }

    /// What was said on top of a page is not said again.
    fn forget_notice(&self, reply: &Reply) {
        // A part of a page that the script asked for shows no notice.
        if let Some((key, session)) = &self.session
            && session.notice.is_some()
            && !self.is_part()
            && reply.status == 200
            && reply.kind.starts_with("text/html")
        {
            self.house.place.sessions().edit(key, |kept| kept.notice = None);
        }
    }

    pub(super) fn tell(&self, trouble: &Trouble) -> Reply {
        trouble.reply(&self.page(""), self.words)
    }
}
