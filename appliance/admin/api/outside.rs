//! Mailboxes that people have elsewhere. No secret comes out.

use super::{Call, Outcome, Refused, json, reply};
use crate::act::collect::{After, Client, CollectAct, Server, Shared, Wish};
use crate::act::people::Password;
use crate::act::{Reply as Done, Request as Act};
use crate::admin::form::Form;
use crate::admin::outside::trials::{self, Key, Kind as Trial, Stage};
use crate::limits::{FIND_WAIT, OUTSIDE_DAYS_AT_MOST};
use crate::store::{account, outside};
use serde::Deserialize;
use serde_json::{Value, json as value};

/// What is asked for; what is not named is as the provider has it, or as it was.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    address: Option<String>,
    provider: Option<String>,
    kind: Option<Protocol>,
    /// `null`: nothing is collected.
    #[serde(deserialize_with = "given")]
    source: Option<Option<Server>>,
    user: Option<String>,
    password: Option<String>,
    after: Option<After>,
    folders: Option<Vec<String>>,
    /// `null`: mail of the address leaves as other mail does.
    #[serde(deserialize_with = "given")]
    relay: Option<Option<Server>>,
    relay_user: Option<String>,
    senders: Option<Vec<String>>,
    #[serde(deserialize_with = "given")]
    multidrop: Option<Option<Shared>>,
    oauth: Option<Client>,
    paused: Option<bool>,
    untested: bool,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Imap,
    Pop3,
}

/// A field that is `null` is another thing than one that is not there.
fn given<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

impl Asked {
    fn wish(self) -> Result<Wish, Refused> {
        if let Some(After::Delete(days)) = self.after
            && days > OUTSIDE_DAYS_AT_MOST
        {
            let why = format!("at most {OUTSIDE_DAYS_AT_MOST} days");
            return Err(Refused::wrong(why, ""));
        }
        let password = |text| Password { text, made_up: false };
        Ok(Wish {
            provider: self.provider,
            pop3: self.kind.map(|kind| kind == Protocol::Pop3),
            no_source: self.source == Some(None),
            source: self.source.flatten(),
            user: self.user,
            secret: self.password.map(password),
            after: self.after,
            folders: self.folders,
            no_relay: self.relay == Some(None),
            relay: self.relay.flatten(),
            senders: self.senders,
            relay_user: self.relay_user,
            multidrop: self.multidrop,
            oauth: self.oauth,
            paused: self.paused,
            untested: self.untested,
            // A token is the owner's.
            owner: true,
        })
    }
}

fn named(call: &Call<'_>) -> (String, String, String) {
    let (login, address) = (call.part(0), call.part(1));
    let about = format!("{login} {address}");
    (login, address, about)
}

pub(super) fn providers(call: &Call<'_>) -> Outcome {
    call.ask(Act::Collect(CollectAct::Providers))
}

/// What is known of the servers of an address. They are looked for in the background: an answer
/// that does not come soon is asked for again.
pub(super) fn find(call: &Call<'_>) -> Outcome {
    let address = call.request.query("address").to_string();
    let key = Key::new(Trial::Find, "", &address);
    let trials = &call.house.place.trials;
    if trials.stage(&key).is_none() {
        let (store, now) = (call.house.store.clone(), call.request.now);
        let work = move |_: &dyn Fn(Stage) -> bool| trials::find(&store, address, now);
        if !trials.begin(key.clone(), call.house.place.millis(), work) {
            return Err(busy());
        }
    }
    match trials.stage_within(&key, FIND_WAIT) {
        Some(Stage::Known(known)) => {
            trials.forget(&key);
            reply(&Done::Known(known))
        }
        Some(Stage::Failed(failed)) => {
            trials.forget(&key);
            Err(failed.0.into())
        }
        _ => json(202, &value!({ "known": null })),
    }
}

fn busy() -> Refused {
    Refused::wrong("too much is tried at once".to_string(), "try again in a minute")
}

pub(super) fn all(call: &Call<'_>) -> Outcome {
    call.ask(Act::Collect(CollectAct::List { login: None }))
}

pub(super) fn of_person(call: &Call<'_>) -> Outcome {
    call.ask(Act::Collect(CollectAct::List { login: Some(call.part(0)) }))
}

pub(super) fn show(call: &Call<'_>) -> Outcome {
    let (login, address, _) = named(call);
    call.ask(Act::Collect(CollectAct::Show { login, address }))
}

pub(super) fn add(call: &Call<'_>) -> Outcome {
    let (login, mut asked) = (call.part(0), call.body::<Asked>()?);
    let address = asked.address.take();
    let address = address.ok_or_else(|| Refused::wrong("it names no address".to_string(), ""))?;
    let (about, wish) = (format!("{login} {address}"), Box::new(asked.wish()?));
    call.act("outside/add", &about, Act::Collect(CollectAct::Add { login, address, wish }))
}

pub(super) fn change(call: &Call<'_>) -> Outcome {
    let (login, address, about) = named(call);
    let asked = call.body::<Asked>()?;
    if asked.address.is_some() || asked.provider.is_some() {
        let why = "neither the address nor the provider can be changed";
        return Err(Refused::wrong(why.to_string(), "remove it and add another"));
    }
    let what = match (asked.password.is_some(), asked.paused) {
        (true, _) => "outside/password",
        (false, Some(true)) => "outside/pause",
        (false, Some(false)) => "outside/resume",
        _ => "outside/change",
    };
    let wish = Box::new(asked.wish()?);
    call.act(what, &about, Act::Collect(CollectAct::Change { login, address, wish }))
}

pub(super) fn remove(call: &Call<'_>) -> Outcome {
    let (login, address, about) = named(call);
    call.act("outside/remove", &about, Act::Collect(CollectAct::Remove { login, address }))
}

/// Looks for new letters now.
pub(super) fn look(call: &Call<'_>) -> Outcome {
    let (login, address, about) = named(call);
    call.act("outside/look", &about, Act::Collect(CollectAct::Look { login, address }))
}

/// Logs in at its servers.
pub(super) fn test(call: &Call<'_>) -> Outcome {
    let (login, address, _) = named(call);
    call.ask(Act::Collect(CollectAct::Test { login, address }))
}

/// Asks the provider for a code; how that goes on is told by the next.
pub(super) fn sign_in(call: &Call<'_>) -> Outcome {
    let (login, address, about) = named(call);
    let act = CollectAct::Show { login: login.clone(), address: address.clone() };
    let Done::Outside(view) = call.done(Act::Collect(act))? else {
        return Err(Refused::wrong("it is no mailbox elsewhere".to_string(), ""));
    };
    if view.way != "xoauth2" {
        let why = "it logs in with a password";
        return Err(Refused::wrong(why.to_string(), "change it: name a client under oauth"));
    }
    let (store, now) = (call.house.store.clone(), call.request.now);
    let key = Key::new(Trial::SignIn, &view.login, &view.address);
    let begun = call.house.place.trials.begin(key.clone(), call.house.place.millis(), {
        move |told| match trials::sign_in(&store, (&login, &address), now, told) {
            Ok(()) => Stage::Done,
            Err(failure) => Stage::failed(failure, Form::default()),
        }
    });
    if !begun {
        return Err(busy());
    }
    call.note("outside/sign-in", &about, None);
    json(202, &value!({ "sign-in": signing_in(call, &key) }))
}

pub(super) fn sign_in_goes(call: &Call<'_>) -> Outcome {
    let (login, address, _) = named(call);
    let act = CollectAct::Show { login: login.clone(), address: address.clone() };
    call.done(Act::Collect(act))?;
    let key = Key::new(Trial::SignIn, &login, &address);
    reply(&value!({ "sign-in": signing_in(call, &key) }))
}

fn signing_in(call: &Call<'_>, key: &Key) -> Value {
    match call.house.place.trials.stage(key) {
        None => value!({ "stage": "nothing" }),
        Some(Stage::Code(view)) => {
            value!({ "stage": "waits", "url": view.url, "code": view.code })
        }
        Some(Stage::Failed(failed)) => value!({ "stage": "failed", "failure": failed.0 }),
        Some(Stage::Done | Stage::Known(_)) => value!({ "stage": "done" }),
        Some(Stage::Running) => value!({ "stage": "asking" }),
    }
}

// ---- all it holds ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paused {
    paused: bool,
}

/// Begins to bring over all it holds, pauses it, goes on with it.
pub(super) fn import(call: &Call<'_>) -> Outcome {
    let ((login, address, about), Paused { paused }) = (named(call), call.body()?);
    let (what, act) = match paused {
        true => ("outside/import-pause", CollectAct::PauseImport { login, address }),
        false => ("outside/import", CollectAct::Import { login, address }),
    };
    let done = call.act(what, &about, Act::Collect(act))?;
    call.house.place.imports.changed.notify_one();
    Ok(done)
}

/// How far it is.
pub(super) fn import_goes(call: &Call<'_>) -> Outcome {
    let (login, address, _) = named(call);
    let act = CollectAct::Show { login: login.clone(), address: address.clone() };
    let Done::Outside(view) = call.done(Act::Collect(act))? else {
        return reply(&value!({ "import": null, "now": null }));
    };
    let none = value!({ "import": null, "now": null });
    let Some(import) = view.import else { return reply(&none) };
    let read = call.house.store.snapshot()?;
    let id = account::by_login(&read, &view.login)?.map(|(id, _)| id);
    let of_person = id.map(|id| outside::of(&read, id)).transpose()?.unwrap_or_default();
    let mut of_person = of_person.into_iter();
    let id = of_person.find(|(_, row)| row.address == view.address).map(|(id, _)| id);
    drop(read);
    let now = call.house.place.millis();
    let live = id.and_then(|id| call.house.place.imports.of(id));
    let live = live.map(|live| {
        value!({
            "messages": live.done.messages, "of": live.done.of, "octets": live.done.octets,
            "folder": live.done.folder, "a_minute": live.pace(now), "seconds_left": live.left(now),
        })
    });
    reply(&value!({ "import": import, "now": live }))
}
