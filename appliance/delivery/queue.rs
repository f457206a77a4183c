//! What waits to be carried and what is: in turn for each place, no more at once than its pace
//! allows. Known in memory only.
//!
//! ```text
//! take --> line of its way: piece piece piece --next--> carried --done--> gone
//!                                    \-- the place is shut: put off ---> gone
//! ```

use super::pace::{Era, Felt, Pace};
use super::remote::Outcome;
use crate::limits::{OUTBOX_READY, OUTBOX_RECIPIENTS};
use crate::store::MailId;
use crate::store::format::Outgoing;
use crate::store::outbox::{Place, State};
use crate::wire::address::Address;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// One message for the recipients of one domain.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub place: Place,
    pub domain: String,
    /// Where it goes: the domain, or a relay. What goes the same way waits in one line.
    pub way: String,
    /// Their numbers in the row.
    pub recipients: Vec<usize>,
    pub size: u64,
    era: Era,
}

/// What waits and what runs.
#[derive(Default)]
pub(crate) struct Queue {
    lines: HashMap<String, Line>,
    /// Ways on which a piece waits and may go, the next first.
    turn: VecDeque<String>,
    /// Messages that are here, with their pieces.
    open: HashMap<MailId, usize>,
    /// Was there more than may wait here?
    full: bool,
}

struct Line {
    waiting: VecDeque<Piece>,
    running: usize,
    pace: Pace,
    in_turn: bool,
}

impl Line {
    fn may_go(&self) -> bool {
        !self.waiting.is_empty() && self.running < self.pace.most()
    }
}

/// Pieces that are put off without a try, and why.
#[derive(Debug)]
pub(crate) struct PutOff {
    pub pieces: Vec<Piece>,
    pub outcome: Outcome,
}

impl Queue {
    /// How many messages may be taken in.
    pub(crate) fn room(&mut self) -> usize {
        let room = OUTBOX_READY.saturating_sub(self.open.len());
        self.full = room == 0;
        room
    }

    pub(crate) fn has(&self, id: MailId) -> bool {
        self.open.contains_key(&id)
    }

    /// It stays where it is, and is not looked at again until the next start.
    pub(crate) fn leave(&mut self, id: MailId) {
        self.open.insert(id, usize::MAX);
    }

    /// Takes in what of this row is due. `way`: by sender and domain, where it goes.
    pub(crate) fn take(
        &mut self,
        place: Place,
        row: &Outgoing,
        now: u64,
        way: impl Fn(&str, &str) -> String,
    ) {
        let mut domains: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, recipient) in row.recipients.iter().enumerate() {
            let due = recipient.state() == State::Waiting
                && u64::try_from(recipient.next).unwrap_or(0) <= now;
            if due {
                domains.entry(domain_of(&recipient.address)).or_default().push(index);
            }
        }
        for (domain, recipients) in domains {
            let way = way(&row.sender, &domain);
            for recipients in recipients.chunks(OUTBOX_RECIPIENTS) {
                *self.open.entry(place.id).or_default() += 1;
                self.wait(Piece {
                    place,
                    domain: domain.clone(),
                    way: way.clone(),
                    recipients: recipients.to_vec(),
                    size: row.size,
                    era: Era::default(),
                });
            }
        }
    }

    fn wait(&mut self, piece: Piece) {
        let way = piece.way.clone();
        let line = self.lines.entry(way.clone()).or_insert_with(|| Line {
            waiting: VecDeque::new(),
            running: 0,
            pace: Pace::new(),
            in_turn: false,
        });
        line.waiting.push_back(piece);
        self.line_up(&way);
    }

    fn line_up(&mut self, way: &str) {
        let Some(line) = self.lines.get_mut(way) else { return };
        if line.may_go() && !std::mem::replace(&mut line.in_turn, true) {
            self.turn.push_back(way.to_string());
        }
    }

    /// The next piece to be carried.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        while let Some(way) = self.turn.pop_front() {
            let Some(line) = self.lines.get_mut(&way) else { continue };
            line.in_turn = false;
            if !line.may_go() {
                // Its pace has slowed down meanwhile.
                continue;
            }
            let Some(mut piece) = line.waiting.pop_front() else { continue };
            line.running += 1;
            piece.era = line.pace.era();
            self.line_up(&way);
            return Some(piece);
        }
        None
    }

    /// A piece was carried. What is put off with it?
    pub(crate) fn done(&mut self, piece: &Piece, felt: &Felt) -> Option<PutOff> {
        self.close(piece);
        let line = self.lines.get_mut(&piece.way)?;
        line.running = line.running.saturating_sub(1);
        line.pace.after(piece.era, felt);
        let put_off = match felt {
            Felt::Refused(outcome) if line.pace.is_shut() && !line.waiting.is_empty() => {
                let pieces = line.waiting.drain(..).collect();
                Some(PutOff { pieces, outcome: outcome.clone() })
            }
            _ => None,
        };
        if line.waiting.is_empty() && line.running == 0 {
            self.lines.remove(&piece.way);
        } else {
            self.line_up(&piece.way);
        }
        put_off
    }

    /// A piece is here no more.
    pub(crate) fn close(&mut self, piece: &Piece) {
        if let Some(pieces) = self.open.get_mut(&piece.place.id) {
            *pieces = pieces.saturating_sub(1);
            if *pieces == 0 {
                self.open.remove(&piece.place.id);
            }
        }
    }

    /// Is there room again for what did not find any?
    pub(crate) fn has_room_again(&self) -> bool {
        self.full && self.open.len() < OUTBOX_READY / 2
    }
}

/// Of an address as it stands in a row.
fn domain_of(address: &str) -> String {
    Address::parse(address).map(|address| address.domain().to_string()).unwrap_or_default()
}
