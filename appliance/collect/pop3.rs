//! One look at a POP3 maildrop.
//!
//! ```text
//! reach -> log-in -> UIDL, LIST -> of each letter, in their order:
//!     known            -> old enough to go there? DELE
//!     too large        -> noted, told, left there
//!     new              -> RETR -> Post::collect, one commit with its unique-id -> [DELE]
//! QUIT: what was deleted goes
//! ```
//!
//! The connection may break anywhere: what is here is known by its unique-id, and what was to be
//! deleted is deleted at the next look.

use super::plan::{BUSY, CERTIFICATE, OTHER, UNREACHED};
use super::reach::{self, Place, Security};
use super::{Desk, Fault, Looked, letter};
use crate::delivery::collected::{Collected, Remember};
use crate::limits::{COLLECT_LETTERS, MESSAGE_BYTES, POP3_OUT_REPLY};
use crate::net::dial::{self, Call, News};
use crate::pop3::client::{Client, Input, Kind, Listed, Listing, Login, Step, Trouble};
use crate::store::format::Outside;
use crate::store::mail::FlagSet;
use crate::store::outside::{self, Done, Mark, OutsideId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const DAY_SECONDS: i64 = 24 * 3600;

/// Looks once. What was taken over before it failed is taken over.
pub(crate) async fn look(
    desk: &Desk,
    id: OutsideId,
    row: &Outside,
    login: Login,
) -> Result<Looked, Fault> {
    let mut visit = Visit::begin(desk, id, row, login).await?;
    let listing = visit.list().await?;
    let letters = visit.named(&listing)?;
    let there: HashSet<Mark> = letters.iter().map(|(mark, _)| *mark).collect();
    for (mark, letter) in &letters {
        if visit.looked.taken + visit.looked.skipped >= COLLECT_LETTERS {
            visit.looked.more = true;
            break;
        }
        visit.letter(*mark, letter, listing.nameless).await?;
    }
    visit.looked.more |= listing.more;
    let looked = visit.end().await?;
    if !looked.more && !listing.nameless {
        let now = (desk.moment)().now();
        let forgot =
            desk.store().write(move |batch| outside::forget_fetched(batch, id, &there, now)).await;
        forgot.map_err(|error| Fault::store(&error))?;
    }
    Ok(looked)
}

/// Logs in and says goodbye.
pub(crate) async fn try_out(
    place: Place,
    resolver: &crate::net::resolver::Resolver,
    login: Login,
) -> Result<(), Fault> {
    let mut talk = Talk::begin(place, resolver, login).await?;
    let mut out = Vec::new();
    let step = talk.client.quit(&mut out);
    talk.go(step, out).await.map(drop)
}

/// Where the maildrop is.
pub(crate) fn place(row: &Outside, desk: &Desk) -> Result<Place, Fault> {
    let source = row.source.as_ref();
    let source = source.ok_or_else(|| Fault::new(OTHER, "No server is named.", "Name one."))?;
    Ok(Place {
        host: source.host.clone(),
        port: u16::try_from(source.port).unwrap_or_default(),
        tls: if source.tls == outside::IMPLICIT { Security::Implicit } else { Security::StartTls },
        authority: desk.authority.clone(),
    })
}

struct Visit<'d> {
    desk: &'d Desk,
    id: OutsideId,
    row: &'d Outside,
    talk: Talk,
    known: HashMap<Mark, Done>,
    looked: Looked,
}

impl<'d> Visit<'d> {
    async fn begin(
        desk: &'d Desk,
        id: OutsideId,
        row: &'d Outside,
        login: Login,
    ) -> Result<Self, Fault> {
        let talk = Talk::begin(place(row, desk)?, &desk.resolver, login).await?;
        let known = desk.store().snapshot().and_then(|read| outside::fetched(&read, id));
        let known = known.map_err(|error| Fault::store(&error))?;
        Ok(Self { desk, id, row, talk, known, looked: Looked::default() })
    }

    async fn list(&mut self) -> Result<Listing, Fault> {
        let mut out = Vec::new();
        let step = self.talk.client.list(&mut out);
        match self.talk.go(step, out).await? {
            Step::Listed(listing) => Ok(listing),
            _ => Err(nonsense()),
        }
    }

    /// Each letter with what it is remembered by. RFC 1939 7: a server may give the same unique-id
    /// twice only to equal letters; those that are not must not hide each other.
    fn named(&self, listing: &Listing) -> Result<Vec<(Mark, Listed)>, Fault> {
        let goes_at_once = self.row.after == outside::DELETE && self.row.days == 0;
        if listing.nameless && !goes_at_once {
            let why = "The server gives its letters no names that last (UIDL), so that what was \
                       collected could not be told from what is new.";
            let remedy = "Collect by IMAP, or let letters be deleted there at once.";
            return Err(Fault::new(OTHER, why, remedy));
        }
        let mut times: HashMap<&[u8], u32> = HashMap::new();
        let mut named = Vec::with_capacity(listing.letters.len());
        for letter in &listing.letters {
            let time = times.entry(&letter.unique_id).or_default();
            let mark = match *time {
                0 => outside::mark(&letter.unique_id),
                time => outside::mark(
                    &[&letter.unique_id, b" ".as_slice(), &time.to_be_bytes()].concat(),
                ),
            };
            *time += 1;
            named.push((mark, letter.clone()));
        }
        Ok(named)
    }

    async fn letter(&mut self, mark: Mark, letter: &Listed, nameless: bool) -> Result<(), Fault> {
        if let Some(done) = self.known.get(&mark).copied().filter(|_| !nameless) {
            return match self.may_go(done) {
                true => self.delete(letter.number).await,
                false => Ok(()),
            };
        }
        if letter.size > MESSAGE_BYTES as u64 {
            return self.skip(mark, letter).await;
        }
        let mut out = Vec::new();
        let step = self.talk.client.fetch(letter.number, &mut out);
        let message = match self.talk.go(step, out).await? {
            Step::Letter(Some(message)) => message,
            // It is larger than the server said.
            Step::Letter(None) => return self.skip(mark, letter).await,
            // Another program took it meanwhile; if not, it is met again at the next look.
            Step::NoLetter(_) => return Ok(()),
            _ => return Err(nonsense()),
        };
        let mark = if nameless { outside::mark(&message) } else { mark };
        self.take(mark, message).await?;
        match self.may_go(Done { at: (self.desk.moment)().now(), skipped: false }) {
            true => self.delete(letter.number).await,
            false => Ok(()),
        }
    }

    /// It is here. May it go there?
    fn may_go(&self, done: Done) -> bool {
        let age = (self.desk.moment)().now().saturating_sub(done.at);
        self.row.after == outside::DELETE
            && !done.skipped
            && age >= i64::from(self.row.days).saturating_mul(DAY_SECONDS)
    }

    async fn take(&mut self, mark: Mark, message: Vec<u8>) -> Result<(), Fault> {
        let (id, moment) = (self.id, (self.desk.moment)());
        let now = moment.now();
        let remember: Remember = Arc::new(move |batch| {
            if outside::is_fetched(batch, id, mark)? {
                return Ok(false);
            }
            outside::note_fetched(batch, id, mark, Done { at: now, skipped: false })?;
            outside::note(batch, id, &mut |state| {
                state.letter = now;
                state.letters = state.letters.saturating_add(1);
            })
        });
        let to = letter::to(id, self.row, &message, None);
        let letter = Collected {
            source: format!("{}, from {} by POP3", self.row.address, self.talk.place.host),
            host: self.talk.place.host.clone(),
            protocol: "POP3",
            message,
            to,
            vouchers: self.row.vouchers.clone(),
            flags: FlagSet::default(),
            date: None,
        };
        letter::take(self.desk, letter, remember, moment, &mut self.looked).await
    }

    /// Notes a letter that is too large, and tells the person, in one commit.
    async fn skip(&mut self, mark: Mark, letter: &Listed) -> Result<(), Fault> {
        let mut out = Vec::new();
        let step = self.talk.client.fetch_header(letter.number, &mut out);
        let header = match self.talk.go(step, out).await? {
            Step::Letter(header) => header.unwrap_or_default(),
            Step::NoLetter(_) => Vec::new(),
            _ => return Err(nonsense()),
        };
        let (id, moment) = (self.id, (self.desk.moment)());
        let skipped = letter::too_large(&header, letter.size, moment.now());
        let (host, address) = (self.desk.post.host().to_string(), self.row.address.clone());
        let written = self.desk.store().write(move |batch| {
            outside::note_fetched(batch, id, mark, Done { at: moment.now(), skipped: true })?;
            outside::note(batch, id, &mut |state| state.skipped.push(skipped.clone()))?;
            letter::tell(batch, (&host, moment), (id, &address), &skipped)
        });
        written.await.map_err(|error| Fault::store(&error))?;
        self.looked.skipped += 1;
        Ok(())
    }

    async fn delete(&mut self, number: u32) -> Result<(), Fault> {
        let mut out = Vec::new();
        let step = self.talk.client.delete(number, &mut out);
        match self.talk.go(step, out).await? {
            Step::Ready => self.looked.deleted += 1,
            _ => return Err(nonsense()),
        }
        Ok(())
    }

    async fn end(mut self) -> Result<Looked, Fault> {
        let mut out = Vec::new();
        let step = self.talk.client.quit(&mut out);
        self.talk.go(step, out).await?;
        Ok(self.looked)
    }
}

/// A client with its connection.
struct Talk {
    /// `None` only while TLS is begun.
    call: Option<Call>,
    client: Client,
    place: Place,
}

impl Talk {
    /// As far as the log-in.
    async fn begin(
        place: Place,
        resolver: &crate::net::resolver::Resolver,
        login: Login,
    ) -> Result<Self, Fault> {
        let call = reach::reach(&place, resolver).await?;
        let client = Client::new(login, place.tls == Security::StartTls);
        let secured = place.tls == Security::Implicit;
        let mut talk = Self { call: Some(call), client, place };
        let mut out = Vec::new();
        let step = talk.client.step(Input::Opened { secured }, &mut out);
        match talk.go(step, out).await? {
            Step::Ready => Ok(talk),
            _ => Err(nonsense()),
        }
    }

    /// Goes on until the client comes to something else than reading and writing.
    async fn go(&mut self, mut step: Step, mut out: Vec<u8>) -> Result<Step, Fault> {
        loop {
            let mut call = self.call.take().ok_or_else(nonsense)?;
            // What could not be written is found out at the next read.
            let _ = call.write(&mut out, POP3_OUT_REPLY).await;
            out.clear();
            step = match step {
                Step::Read(within) => {
                    let news = call.read(dial::now() + within).await;
                    let input = match news {
                        News::Bytes => Input::Bytes(&mut call.input),
                        News::Ended(why) => Input::Ended(why),
                        News::TimedOut => Input::TimedOut,
                    };
                    let step = self.client.step(input, &mut out);
                    self.call = Some(call);
                    step
                }
                Step::Secure => {
                    self.call = Some(reach::secure(call, &self.place).await?);
                    self.client.step(Input::Secured, &mut out)
                }
                Step::Over(trouble) => return Err(fault(trouble)),
                Step::Done => {
                    call.close().await;
                    return Ok(Step::Done);
                }
                other => {
                    self.call = Some(call);
                    return Ok(other);
                }
            };
        }
    }
}

fn fault(trouble: Trouble) -> Fault {
    let Trouble { kind, why, reply } = trouble;
    let plain = |trouble, remedy: &str| Fault {
        reply: reply.clone(),
        ..Fault::new(trouble, why.clone(), remedy)
    };
    match kind {
        Kind::Refused => Fault::refused(&reply),
        Kind::NoTls => plain(CERTIFICATE, "Look whether port and encryption are right."),
        Kind::Busy => plain(BUSY, "Nothing: it is tried again later."),
        Kind::Lost => plain(UNREACHED, "Nothing: it is tried again soon."),
        Kind::Broken => plain(OTHER, "Look whether the server's name and port are right."),
    }
}

fn nonsense() -> Fault {
    let why = "The server said nothing that makes sense here.";
    Fault::new(OTHER, why, "Look whether the server's name and port are right.")
}
