//! Mail on its way out: why each waits, and the owner's hand on it.

use super::http::Reply;
use super::meaning;
use super::page::{Page, short, show};
use super::refusal;
use super::routes::{Answer, Visit};
use super::zone;
use crate::act::Request as Act;
use crate::act::outbox::{OutboxAct, OutgoingView, RecipientView, view};
use crate::act::words::octets;
use crate::limits;
use crate::store::outbox::{self, Place};
use crate::store::{MailId, owner, trace};
use askama::Template;

#[derive(Template)]
#[template(path = "queue.html")]
struct Queue<'a> {
    page: &'a Page<'a>,
    messages: Vec<Message>,
    /// Where the list goes on.
    more: Option<String>,
}

struct Message {
    id: String,
    from: String,
    subject: String,
    size: String,
    since: String,
    /// Those that it has not reached, the first of them.
    people: Vec<Person>,
    /// How many more.
    others: usize,
    /// Can anybody of it be held, or let go?
    waits: bool,
    held: bool,
}

struct Person {
    it: RecipientView,
    state: &'static str,
    next: String,
    meaning: Option<&'static str>,
}

/// Recipients of one message that are shown.
const SHOWN: usize = 3;

/// `/queue?from=DUE-ID`
pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    let from = place(visit.request.query("from"));
    let read = visit.house.store.snapshot()?;
    let zone = owner::setup(&read)?.zone;
    let mut rows = outbox::list(&read, from, limits::QUEUE_ROWS + 1)?;
    let more = rows.get(limits::QUEUE_ROWS).map(|(place, _)| format!("{}-{}", place.due, place.id));
    rows.truncate(limits::QUEUE_ROWS);
    let mut messages = Vec::with_capacity(rows.len());
    for (place, row) in &rows {
        let subject = trace::get(&read, place.id)?.map(|story| story.subject).unwrap_or_default();
        messages.push(message(view(place.id, row), subject, &zone));
    }
    drop(read);
    let page = visit.page(visit.words.t("queue.title"));
    show(&Queue { page: &page, messages, more })
}

/// "DUE-ID"; anything else is the beginning.
fn place(text: &str) -> Place {
    let parts = text.split_once('-').and_then(|(due, id)| {
        Some(Place { due: due.parse().ok()?, id: MailId(u64::from_str_radix(id, 16).ok()?) })
    });
    parts.unwrap_or(Place { due: 0, id: MailId(0) })
}

fn message(view: OutgoingView, subject: String, zone: &str) -> Message {
    let open = |it: &RecipientView| it.state == "waiting" || it.state == "held";
    let (waits, held) = (
        view.recipients.iter().any(|it| it.state == "waiting"),
        view.recipients.iter().any(|it| it.state == "held"),
    );
    let mut people: Vec<RecipientView> = view.recipients.into_iter().filter(open).collect();
    let others = people.len().saturating_sub(SHOWN);
    people.truncate(SHOWN);
    let brief = |it: RecipientView| RecipientView {
        why: short(&it.why, limits::QUEUE_LETTERS),
        reply: short(&it.reply, limits::QUEUE_LETTERS),
        ..it
    };
    let person = |it: RecipientView| Person {
        state: if it.state == "held" { "queue.held" } else { "queue.waits" },
        next: it.next.map(|at| zone::show(zone, at)).unwrap_or_default(),
        meaning: if it.tries > 0 { meaning::of_try(&it.reply) } else { None },
        it,
    };
    Message {
        id: view.id,
        from: view.from,
        subject: short(&subject, limits::LIST_LETTERS),
        size: octets(view.size),
        since: zone::show(zone, view.created),
        people: people.into_iter().map(brief).map(person).collect(),
        others,
        waits,
        held,
    }
}

pub(super) fn hold(visit: &mut Visit<'_>) -> Answer {
    let id = visit.part(0).to_string();
    done(visit, "outbox/hold", OutboxAct::Hold { id }, "queue.is-held")
}

pub(super) fn now(visit: &mut Visit<'_>) -> Answer {
    let id = visit.part(0).to_string();
    done(visit, "outbox/now", OutboxAct::Now { id }, "queue.is-tried")
}

pub(super) fn drop_it(visit: &mut Visit<'_>) -> Answer {
    let id = visit.part(0).to_string();
    done(visit, "outbox/drop", OutboxAct::Drop { id, yes: true }, "queue.is-dropped")
}

/// Does it and says so; another browser, or the other server, may have been there first.
fn done(visit: &mut Visit<'_>, what: &str, act: OutboxAct, said: &'static str) -> Answer {
    let id = visit.part(0).to_string();
    match visit.act(what, &id, Act::Outbox(act)) {
        Ok(_) => visit.say(visit.words.t(said)),
        Err(failure) => visit.say(&refusal::words(visit.words, &failure)),
    }
    Ok(Reply::see("/queue"))
}
