//! Another version of the system: how the box stands, a file that is sent here, the restart, the
//! way back. A page that is loaded anew shows how far everything is.

use super::audit;
use super::form::Form;
use super::house::House;
use super::http::Reply;
use super::page::{Page, show};
use super::refusal;
use super::restore;
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use super::upload::{BadUpload, Upload};
use super::who::Who;
use super::words::Words;
use super::zone;
use crate::act::Request as Act;
use crate::act::failure::Failure;
use crate::act::update::{Hindrance, UpdateOrder, UpdateView, Wish};
use crate::act::words::octets;
use crate::limits;
use crate::net::splice::Allowed;
use crate::settings::Restart;
use crate::store::owner;
use crate::update::bundle::BUNDLE_BYTES;
use crate::update::slot::Standing;
use crate::update::state::{Outcome, Past, Step, Told, Way, Work};
use askama::Template;

#[derive(Template)]
#[template(path = "update.html")]
struct UpdatePage<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    /// Why nothing can be told of a box.
    why: String,
    shown: Option<Shown>,
}

struct Shown {
    told: Told,
    built: String,
    /// The class of its mark, and the key of its word.
    standing: (&'static str, &'static str),
    /// What is under way, and how far it is.
    under_way: Option<UnderWay>,
    broken_off: bool,
    /// The version that waits for the restart, and when that is.
    waits: Option<(String, String)>,
    /// The page follows what happens.
    goes_on: bool,
    /// Nothing is in the way of another file.
    is_free: bool,
    /// The older system that the box can go back to.
    behind: Option<String>,
    hours: Vec<String>,
    past: Vec<Row>,
}

struct UnderWay {
    words: String,
    /// So much of so much, and both in words.
    bar: Option<(u64, u64, String)>,
}

/// One update of the past.
struct Row {
    at: String,
    version: String,
    from: String,
    way: &'static str,
    result: (&'static str, &'static str),
    why: String,
}

pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_update(visit, Form::default())
}

fn show_update(visit: &Visit<'_>, form: Form) -> Answer {
    let (words, now) = (visit.words, visit.request.now);
    let restart = visit.house.settings().restart;
    let zone = owner::setup(&visit.house.store.snapshot()?)?.zone;
    let (why, shown) = match visit.house.updates.view(now) {
        Ok(view) => (String::new(), Some(Shown::of(words, &zone, restart, view))),
        Err(Hindrance::NoBox) => (words.t("update.no-box").to_string(), None),
        Err(hindrance) => (refusal::words(words, &hindrance.into()), None),
    };
    let mut page = visit.page(words.t("update.title"));
    page.goes_on = shown.as_ref().is_some_and(|shown| shown.goes_on);
    let form = if form.has("when") { form } else { with(form, "when", &restart.to_string()) };
    show(&UpdatePage { page: &page, form: &form, why, shown })
}

/// The form with one more field filled in.
fn with(form: Form, name: &str, value: &str) -> Form {
    let mut values: Vec<(&str, &str)> =
        form.values().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    values.push((name, value));
    let mut filled = Form::with(&values);
    for fault in form.faults() {
        filled.wrong(fault.field, &fault.words);
    }
    filled
}

impl Shown {
    fn of(words: &Words, zone: &str, restart: Restart, view: UpdateView) -> Shown {
        let UpdateView { system: told, coming, broken_off, asked } = view;
        let installed = told.work.as_ref().filter(|work| work.step == Step::Installed);
        let waits = installed.map(|work| {
            let when = match restart {
                Restart::AtOnce => words.t("update.at-once").to_string(),
                Restart::Hour(_) => words.fill("update.in-hour", &[&restart]),
            };
            (called(work), when)
        });
        let wish = asked.map(|asked| asked.what);
        let under_way = match (coming, wish, &told.work) {
            (_, Some(Wish::Now | Wish::Back), _) => Some(plain(words, "update.restarts")),
            (Some(coming), ..) => Some(UnderWay {
                words: words.t("update.coming").to_string(),
                bar: Some((
                    coming.octets,
                    coming.of,
                    format!("{} / {}", octets(coming.octets), octets(coming.of)),
                )),
            }),
            (_, _, Some(work)) if work.step != Step::Installed => Some(working(words, work)),
            (_, Some(Wish::Take | Wish::Consent), _) => Some(plain(words, "update.begins")),
            _ => None,
        };
        let on_trial = told.standing == Standing::OnTrial;
        let soon = waits.is_some() && restart == Restart::AtOnce;
        let at_rest = under_way.is_none() && waits.is_none() && !on_trial;
        let row = |past: &Past| Row::of(past, zone);
        Shown {
            built: zone::show(zone, told.built),
            standing: standing(told.standing),
            goes_on: under_way.is_some() || soon || on_trial,
            is_free: at_rest,
            behind: told.other.as_ref().filter(|_| at_rest).map(|it| it.version.to_string()),
            hours: (0..24).map(|hour| Restart::Hour(hour).to_string()).collect(),
            past: told.history.iter().map(row).collect(),
            under_way,
            broken_off,
            waits,
            told,
        }
    }
}

fn plain(words: &Words, key: &str) -> UnderWay {
    UnderWay { words: words.t(key).to_string(), bar: None }
}

/// The version, or the file while nobody knows which that is.
fn called(work: &Work) -> String {
    work.version.as_ref().map_or_else(|| work.file.clone(), ToString::to_string)
}

fn working(words: &Words, work: &Work) -> UnderWay {
    let key = match work.step {
        Step::Checking => "update.checking",
        Step::Writing => "update.writing",
        Step::ReadingBack | Step::Installed => "update.reading-back",
    };
    let of = format!("{} / {}", work.done, work.of);
    let bar = (work.of > 0).then(|| (work.done.into(), work.of.into(), of));
    UnderWay { words: words.fill(key, &[&called(work)]), bar }
}

fn standing(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::Confirmed => ("good", "update.confirmed"),
        Standing::Pending => ("good", "update.pending"),
        Standing::OnTrial => ("warn", "update.on-trial"),
        Standing::RolledBack => ("warn", "update.rolled-back"),
        Standing::Substitute => ("bad", "update.substitute"),
    }
}

impl Row {
    fn of(past: &Past, zone: &str) -> Row {
        Row {
            at: zone::show(zone, past.at),
            version: past.version.as_ref().map_or("-".to_string(), ToString::to_string),
            from: past.from.to_string(),
            way: match past.way {
                Way::Stick => "update.by-stick",
                Way::Upload => "update.by-upload",
                Way::Hand => "update.by-hand",
            },
            result: match past.result {
                Outcome::Kept => ("good", "update.kept"),
                Outcome::Back => ("bad", "update.back"),
                Outcome::Refused => ("warn", "update.refused"),
            },
            why: past.why.clone(),
        }
    }
}

// ---- a file ----

/// Why a file was not taken.
pub(super) enum NotTaken {
    Upload(BadUpload),
    Hindrance(Hindrance),
}

impl From<Hindrance> for NotTaken {
    fn from(hindrance: Hindrance) -> NotTaken {
        NotTaken::Hindrance(hindrance)
    }
}

/// Takes in a file that comes with so many octets, and gives it to PID 1.
pub(super) fn bring(house: &House, upload: &mut Upload<'_>, of: u64) -> Result<(), NotTaken> {
    let mut arrival = house.updates.begin(of, house.seconds())?;
    loop {
        match upload.piece() {
            Ok(Some(piece)) => arrival.take(&piece)?,
            Ok(None) => return Ok(arrival.end(house.seconds())?),
            Err(bad) => {
                arrival.break_off();
                return Err(NotTaken::Upload(bad));
            }
        }
    }
}

/// `POST /update/file`, a form with a file.
pub(super) fn send(visit: &mut Visit<'_>) -> Answer {
    let words = visit.words;
    let length = visit.request.header("content-length").and_then(|length| length.parse().ok());
    let brought = match visit.upload.take() {
        Some(mut upload) => bring(visit.house, &mut upload, length.unwrap_or(0)),
        None => Err(Hindrance::Nothing.into()),
    };
    let why = match brought {
        Ok(()) => {
            audit::note(visit, "update/send", "", "");
            return Ok(Reply::see("/update"));
        }
        Err(NotTaken::Hindrance(Hindrance::Nothing)) => words.t("update.choose").to_string(),
        Err(NotTaken::Hindrance(hindrance)) => refusal::words(words, &hindrance.into()),
        Err(NotTaken::Upload(BadUpload::CutOff)) => words.t("update.not-whole").to_string(),
        Err(NotTaken::Upload(bad)) => bad.words().to_string(),
    };
    audit::note(visit, "update/send", "", &why);
    let mut form = Form::default();
    form.wrong("file", &why);
    Ok(show_update(visit, form)?.status(422))
}

/// How large a file may be that this browser sends now.
pub(super) fn allowance(house: &House, cookie: &str) -> Allowed {
    let now = house.place.millis();
    let session = house.place.sessions().of_cookie(cookie, now);
    match session.map(|(_, session)| session.who) {
        Some(Who::Owner { .. }) => room(house),
        // A form without a large file is told on a page.
        _ => restore::refused(
            "Your session has ended, and nothing of the file was taken. Log in again, and choose \
             it once more.\n",
        ),
    }
}

/// How large a file may be that somebody sends who may.
pub(super) fn room(house: &House) -> Allowed {
    match house.updates.begin(1, house.seconds()) {
        Ok(_) => Allowed {
            octets: BUNDLE_BYTES + limits::WEB_BODY_BYTES,
            words: "The file is larger than any update file of Mailroom.\n",
        },
        Err(_) => restore::refused(
            "This server takes no update file now. See why on its page Update, and wait.\n",
        ),
    }
}

// ---- what the owner wants ----

/// Installs the file that was refused, all the same.
pub(super) fn consent(visit: &mut Visit<'_>) -> Answer {
    if visit.form.raw("consent") != "yes" {
        let mut form = std::mem::take(&mut visit.form);
        form.wrong("consent", visit.words.t("update.consent-tick"));
        return Ok(show_update(visit, form)?.status(422));
    }
    let version = visit.form.value("version").to_string();
    done(visit, "update/consent", &version.clone(), UpdateOrder::Consent { version })
}

pub(super) fn restart(visit: &mut Visit<'_>) -> Answer {
    done(visit, "update/now", "", UpdateOrder::Now)
}

/// The owner types which version shall run again.
pub(super) fn back(visit: &mut Visit<'_>) -> Answer {
    let other = visit.house.updates.told().ok().and_then(|told| told.other);
    let version = other.map(|other| other.version.to_string()).unwrap_or_default();
    if visit.form.value("version") != version {
        let mut form = std::mem::take(&mut visit.form);
        form.wrong("version", &visit.words.fill("update.back-wrong", &[&version]));
        return Ok(show_update(visit, form)?.status(422));
    }
    done(visit, "update/back", &version, UpdateOrder::Back)
}

/// Says it to PID 1; the page shows what comes of it.
fn done(visit: &mut Visit<'_>, what: &str, about: &str, order: UpdateOrder) -> Answer {
    if let Err(failure) = visit.act(what, about, Act::Update(order)) {
        visit.say(&refusal::words(visit.words, &failure));
    }
    Ok(Reply::see("/update"))
}

/// When the box restarts into an update.
pub(super) fn when(visit: &mut Visit<'_>) -> Answer {
    let text = visit.form.value("when").to_string();
    let Some(restart) = Restart::parse(&text) else { return Err(Trouble::Missing) };
    keep_when(visit.house, restart, &mut |failure| {
        let failed = failure.map_or(String::new(), |failure| failure.why.clone());
        audit::note(visit, "update/when", &text, &failed);
    })?;
    visit.say(visit.words.t("update.when-kept"));
    Ok(Reply::see("/update"))
}

/// Changes the settings, where they are others; `note` writes it down.
pub(super) fn keep_when(
    house: &House,
    restart: Restart,
    note: &mut dyn FnMut(Option<&Failure>),
) -> Result<(), Failure> {
    if !house.updates.is_of_box() {
        return Err(Hindrance::NoBox.into());
    }
    if house.settings().restart == restart {
        return Ok(());
    }
    let changed = house.change_settings(|settings| settings.restart = restart);
    note(changed.as_ref().err());
    changed?;
    // Who looks next sees it, though the units take a moment to start anew.
    let mut now = (*house.settings()).clone();
    now.restart = restart;
    house.settle(&now);
    Ok(())
}
