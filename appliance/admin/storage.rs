//! Storage: the disks of the box, how full and how fast they are, and all of the mail moved to
//! another.

pub(crate) mod adopt;
pub(crate) mod desk;
pub(crate) mod work;

use super::audit;
use super::form::Form;
use super::http::Reply;
use super::page::{Page, show};
use super::refusal;
use super::routes::{Answer, Visit};
use super::security::confirmed;
use super::sticks::{Holder, Seen};
use super::words::Words;
use super::zone;
use crate::act::failure::Failure;
use crate::act::storage::Step;
use crate::act::storage::record::{Moved, Record};
use crate::act::storage::speed::{Class, Speed};
use crate::act::words::octets;
use crate::request::{Holds, StickState};
use crate::store::owner;
use askama::Template;
use desk::{Doing, Task, Ticket};
use work::Work;

const HERE: &str = "/storage";
/// Octets in a second of a disk that nobody has measured: a usual card.
const USUAL: u64 = 10_000_000;

#[derive(Template)]
#[template(path = "storage.html")]
struct StoragePage<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    is_box: bool,
    folder: String,
    disks: Vec<Disk>,
    used: String,
    free: String,
    speed: Option<Measured>,
    /// What is in beside the disks of the box: how it is called, its size, and what it is.
    there: Option<(String, String, &'static str)>,
    /// The words for that there is none.
    none_in: &'static str,
    /// The disks that the mail can go to, with what is erased there, and how long it takes.
    targets: Vec<(String, &'static str)>,
    takes: String,
    /// The disk with an old copy.
    old: Option<String>,
    doing: Option<String>,
    failed: Option<String>,
    ended: Option<&'static str>,
    moved: Option<String>,
}

/// A disk of the box.
struct Disk {
    name: String,
    size: String,
    /// The key of the words for what it holds.
    holds: &'static str,
    /// How much of its life is over, where it says so: the class, and the words.
    worn: Option<(&'static str, String)>,
    /// What its file system counted.
    errors: Option<String>,
}

struct Measured {
    at: String,
    /// The class, and the keys of its name and of why.
    class: (&'static str, &'static str, &'static str),
    words: String,
}

/// `/storage`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_storage(visit, &Form::default())
}

fn show_storage(visit: &Visit<'_>, form: &Form) -> Answer {
    let (house, words) = (visit.house, visit.words);
    let zone = owner::setup(&house.store.snapshot()?)?.zone;
    let known = house.place.storage.known();
    let record = Record::load(&house.data);
    let space = house.store.space()?;
    let (seen, holders, trouble) = match &house.sticks {
        Some(sticks) => (sticks.seen(), sticks.holders(), sticks.trouble()),
        None => Default::default(),
    };
    let mut page = visit.page(words.t("storage.title"));
    page.goes_on = known.doing.is_some();
    let failed = known.failed.as_ref().map(|(_, failure)| refusal::words(words, failure));
    let failed = failed.or_else(|| trouble.map(|why| words.fill("refusal.other", &[&why])));
    let moved = record.last.as_ref().map(|it| moved(words, &zone, it));
    let back = back(&holders);
    show(&StoragePage {
        page: &page,
        form,
        is_box: house.sticks.is_some(),
        folder: house.data.display().to_string(),
        disks: holders.iter().map(|it| disk(words, it)).collect(),
        used: octets(space.file),
        free: octets(space.disk),
        speed: record.speed.as_ref().map(|it| measured(words, &zone, it)),
        there: there(&seen),
        none_in: if back.is_some() { "storage.none-but-back" } else { "storage.none-in" },
        takes: takes(words, space.file, record.speed.as_ref()),
        targets: targets(&seen, back),
        old: holders.iter().find(|it| it.is_old()).map(|it| it.name.clone()),
        doing: known.doing.map(|it| doing(words, &it)),
        failed,
        ended: known.ended.map(ended),
        moved,
    })
}

fn disk(words: &Words, it: &Holder) -> Disk {
    let worn = match it.worn {
        0 => None,
        // JEDEC: 0x0a is 90 to 100 %, 0x0b is more than it was made for
        11.. => Some(("bad", words.t("storage.worn-out").to_string())),
        tenths => {
            let class = if tenths >= 9 { "warn" } else { "good" };
            Some((class, words.fill("storage.worn", &[&(u32::from(tenths) * 10)])))
        }
    };
    Disk {
        name: it.name.clone(),
        size: octets(it.octets),
        holds: match it.holds {
            Holds::All => "storage.holds-all",
            Holds::System => "storage.holds-system",
            Holds::SystemAndOld => "storage.holds-system-and-old",
            Holds::Mail => "storage.holds-mail",
            Holds::Old => "storage.holds-old",
        },
        worn,
        errors: (it.errors > 0).then(|| words.fill("storage.errors", &[&it.errors])),
    }
}

fn measured(words: &Words, zone: &str, it: &Speed) -> Measured {
    let class = match it.class {
        Class::Good => ("good", "storage.good", "storage.good-why"),
        Class::Slow => ("warn", "storage.slow", "storage.slow-why"),
        Class::TooSlow => ("bad", "storage.too-slow", "storage.too-slow-why"),
    };
    let millis = |micros: u64| format!("{}.{}", micros / 1000, micros / 100 % 10);
    let (write, read) = (octets(it.write), octets(it.read));
    let (commit, worst) = (millis(it.commit), millis(it.worst));
    let said = words.fill("storage.speed", &[&write, &read, &commit, &worst]);
    Measured { at: zone::show(zone, it.at), class, words: said }
}

fn moved(words: &Words, zone: &str, it: &Moved) -> String {
    let (at, size, minutes) = (zone::show(zone, it.at), octets(it.octets), it.seconds.div_ceil(60));
    words.fill("storage.moved", &[&it.name, &at, &size, &minutes])
}

fn there(seen: &Seen) -> Option<(String, String, &'static str)> {
    let what = match seen.state {
        StickState::None => return None,
        StickState::Ready => "storage.is-ready",
        StickState::Unusable => "storage.is-unusable",
        StickState::Mail => "storage.is-mail",
    };
    Some((seen.name.clone(), octets(seen.octets), what))
}

/// The disk of the system once the mail is elsewhere: the mail can come back to it.
fn back(holders: &[Holder]) -> Option<&str> {
    let disk = holders.iter().find(|it| it.is_system() && !it.holds_mail())?;
    Some(disk.name.trim()).filter(|name| !name.is_empty())
}

/// What is in, and the way back.
fn targets(seen: &Seen, back: Option<&str>) -> Vec<(String, &'static str)> {
    let name = seen.name.trim();
    let in_now = (seen.state != StickState::None && !name.is_empty()).then_some(name);
    let in_now = in_now.map(|name| (name.to_string(), "storage.erased"));
    in_now.into_iter().chain(back.map(|name| (name.to_string(), "storage.erased-old"))).collect()
}

/// It is written once and read twice, and looked through.
fn takes(words: &Words, size: u64, speed: Option<&Speed>) -> String {
    let pace = speed.map_or(USUAL, |it| it.write.min(it.read)).clamp(1, USUAL * 10);
    let minutes = size.saturating_mul(4).div_euclid(pace) / 60 + 2;
    words.fill("storage.takes", &[&octets(size), &minutes])
}

fn doing(words: &Words, it: &Doing) -> String {
    let key = match (it.task, it.step) {
        (Task::Measure, _) => "storage.measuring",
        (Task::Forget, _) => "storage.forgetting",
        (Task::Adopt, _) => "storage.adopting",
        (Task::Move, Some(Step::Waiting)) => "storage.waiting",
        (Task::Move, Some(Step::Copying)) => "storage.copying",
        (Task::Move, Some(Step::Comparing)) => "storage.comparing",
        (Task::Move, Some(Step::Checking)) => "storage.checking",
        (Task::Move, Some(Step::Switching)) => "storage.switching",
        (Task::Move, _) => "storage.preparing",
    };
    let said = words.fill(key, &[&it.disk]);
    match it.of {
        0 => said,
        _ => format!("{said} {}", words.fill("backup.percent", &[&it.percent()])),
    }
}

fn ended(task: Task) -> &'static str {
    match task {
        Task::Measure => "storage.measured",
        Task::Forget => "storage.forgotten",
        Task::Move | Task::Adopt => "storage.switching",
    }
}

/// As programs read it.
pub(super) fn holds(holds: Holds) -> &'static str {
    match holds {
        Holds::All => "all",
        Holds::System => "system",
        Holds::SystemAndOld => "system-and-old",
        Holds::Mail => "mail",
        Holds::Old => "old",
    }
}

pub(super) fn state(state: StickState) -> &'static str {
    match state {
        StickState::None => "none",
        StickState::Ready => "ready",
        StickState::Unusable => "unusable",
        StickState::Mail => "mail",
    }
}

// ---- what is asked for ----

/// Begins it; the page shows how far it is.
fn begin(
    visit: &Visit<'_>,
    (task, disk): (Task, &str),
    what: &str,
    job: impl FnOnce(&Work, &Ticket) -> Result<(), Failure> + Send + 'static,
) -> Answer {
    let act = audit::row(visit, what, disk, "");
    let begun = visit.house.storage_work().begin((task, disk), Some(act), job);
    if let Err(failure) = begun {
        visit.say(&refusal::words(visit.words, &failure));
    }
    Ok(Reply::see(HERE))
}

/// All of the mail goes to another disk: only after its name was typed, and with the password.
pub(super) fn move_to(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let disk = form.value("disk").to_string();
    if let Err(failure) = visit.house.storage_work().may_move(&disk) {
        form.wrong("disk", &refusal::words(visit.words, &failure));
    }
    if !form.is_fine() || !confirmed(visit, &mut form, "password")? {
        return Ok(show_storage(visit, &form)?.status(422));
    }
    begin(visit, (Task::Move, &disk.clone()), "storage/move", move |work, ticket| {
        work.move_to(ticket, &disk)
    })
}

pub(super) fn forget(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    if let Err(failure) = visit.house.storage_work().may_forget() {
        visit.say(&refusal::words(visit.words, &failure));
        return Ok(Reply::see(HERE));
    }
    if !confirmed(visit, &mut form, "password-old")? {
        return Ok(show_storage(visit, &form)?.status(422));
    }
    begin(visit, (Task::Forget, ""), "storage/forget", |work, ticket| work.forget(ticket))
}

pub(super) fn measure(visit: &mut Visit<'_>) -> Answer {
    begin(visit, (Task::Measure, ""), "storage/measure", |work, ticket| work.measure(ticket))
}
