//! Random commands: said, their effect on the truth, and what must come back.

use super::fault::Fault;
use super::model::{Allowed, Heard, Told, Truth};
use super::response::{responses, set};
use crate::store::{mail, mailbox};
use crate::tests::imap::runner::{Client, World};
use std::collections::{BTreeMap, BTreeSet};

const CLIENTS: usize = 3;
/// More would not find more, only slower.
const MAILS: usize = 50;
const FLAGS: [&str; 7] =
    ["\\Answered", "\\Deleted", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen", "$Work"];

pub(super) struct Play {
    world: World,
    clients: Vec<Client>,
    told: Vec<Told>,
    idle: Vec<bool>,
    truth: Truth,
    dice: u64,
    subjects: u32,
    fault: Option<Fault>,
    planted: bool,
    story: Vec<String>,
}

/// Messages that a command names.
struct Target {
    text: String,
    by_uid: bool,
    /// Those that the client knows, in order.
    uids: Vec<u32>,
}

impl Play {
    pub(super) fn new(seed: u64, fault: Option<Fault>) -> Play {
        let world = World::new();
        let clients = (0..CLIENTS).map(|_| Client::logged_in(&world)).collect();
        let mut play = Play {
            world,
            clients,
            told: (0..CLIENTS).map(|_| Told::default()).collect(),
            idle: vec![false; CLIENTS],
            truth: Truth { uidnext: 1, ..Truth::default() },
            dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            subjects: 0,
            fault,
            planted: false,
            story: Vec::new(),
        };
        for name in ["box", "other"] {
            play.clients[0].ask(&play.world, &format!("a CREATE {name}"));
        }
        let status = play.clients[0].ask(&play.world, "a STATUS box (UIDVALIDITY)");
        let validity = status.split("UIDVALIDITY ").nth(1).and_then(|r| r.split(')').next());
        play.truth.uidvalidity = validity.and_then(|n| n.parse().ok()).unwrap_or(0);
        play
    }

    pub(super) fn planted(&self) -> bool {
        self.planted
    }

    pub(super) fn story(&self) -> String {
        let from = self.story.len().saturating_sub(60);
        self.story[from..].join("\n")
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides.max(1)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.roll(one_in) == 0
    }

    /// One command of one client.
    pub(super) fn step(&mut self) -> Result<(), String> {
        let who = self.roll(CLIENTS as u64) as usize;
        if self.idle[who] {
            return self.wake(who);
        }
        if !self.told[who].selected {
            return self.select(who);
        }
        match self.roll(20) {
            0..=3 => self.fetch(who),
            4..=7 => self.store(who),
            8 | 9 => self.append(who),
            10 => self.copy(who, false),
            11 => self.copy(who, true),
            12 | 13 => self.expunge(who),
            14 => self.simple(who, "NOOP"),
            15 => self.start_idle(who),
            16 | 17 => self.search(who),
            18 => self.status(who),
            _ => self.close(who),
        }
    }

    /// All clients come to know all, and that is what the store holds.
    pub(super) fn converge(&mut self) -> Result<(), String> {
        for who in 0..CLIENTS {
            if self.idle[who] {
                self.say(who, "DONE", &Allowed { expunge: true, ..Allowed::default() })?;
                self.idle[who] = false;
            }
            if !self.told[who].selected {
                self.select(who)?;
            }
            self.simple(who, "NOOP")?;
        }
        let snapshot = self.world.store.snapshot().map_err(|e| e.to_string())?;
        let found = mailbox::by_name(&snapshot, self.world.alice, "box");
        let found = found.map_err(|e| e.to_string())?.ok_or("the mailbox is gone")?;
        let mut there = Vec::new();
        mail::rows(&snapshot, self.world.alice, found.id, 1, u32::MAX, &mut |uid, row| {
            there.push((uid, row.flags & mail::Flags::SEEN.0 != 0, row.keywords.len()));
            Ok(true)
        })
        .map_err(|e| e.to_string())?;
        let is: Vec<(u32, bool, usize)> = (self.truth.mails.iter())
            .map(|(uid, m)| {
                let keywords = m.flags.iter().filter(|f| f.starts_with('$')).count();
                (*uid, m.flags.contains("\\Seen"), keywords)
            })
            .collect();
        match there == is {
            true => Ok(()),
            false => Err(format!("the store holds {there:?}, should hold {is:?}")),
        }
    }

    // ---- saying and hearing ----

    fn say(&mut self, who: usize, command: &str, allowed: &Allowed) -> Result<Heard, String> {
        let tagged = if command == "DONE" { command.to_owned() } else { format!("t {command}") };
        self.clients[who].say(&self.world, format!("{tagged}\r\n").as_bytes());
        let heard = self.hear(who, command, allowed)?;
        if command != "IDLE" && !heard.tagged.starts_with("t ") {
            return Err(format!("no tagged reply to {command}"));
        }
        Ok(heard)
    }

    fn hear(&mut self, who: usize, command: &str, allowed: &Allowed) -> Result<Heard, String> {
        let mut octets = self.clients[who].octets();
        if let Some(fault) = self.fault.filter(|_| !self.planted && who == 0)
            && let Some(wrong) = fault.plant(command, &octets)
        {
            octets = wrong;
            self.planted = true;
            self.story.push(format!("{who}: {fault:?} is planted here"));
        }
        let text = String::from_utf8_lossy(&octets).into_owned();
        self.story.push(format!("{who} {command}\n{text}"));
        let all = responses(&octets)?;
        let heard = self.told[who].hear(&mut self.truth, &all, allowed)?;
        if self.told[who].selected && !allowed.select {
            match allowed.expunge {
                true => self.told[who].is_current(&self.truth),
                false => self.told[who].flags_are_current(&self.truth),
            }
            .map_err(|why| format!("after {command}: {why}"))?;
        }
        Ok(heard)
    }

    fn simple(&mut self, who: usize, command: &str) -> Result<(), String> {
        let heard = self.say(who, command, &Allowed { expunge: true, ..Allowed::default() })?;
        expect(&heard.tagged, "t OK")
    }

    // ---- what is named ----

    /// `None` where there is nothing to name.
    fn target(&mut self, who: usize) -> Option<Target> {
        let by_uid = self.chance(2);
        let count = self.told[who].uids.len() as u64;
        if count == 0 {
            return None;
        }
        let (a, b) = (self.roll(count) as usize, self.roll(count) as usize);
        let (from, to) = (a.min(b), a.max(b));
        let near = if self.chance(2) { from } else { to };
        let known = &self.told[who].uids;
        let uids = known[from..=near].to_vec();
        let text = match by_uid {
            false if near + 1 == known.len() && from > 0 => format!("{}:*", from + 1),
            false => format!("{}:{}", from + 1, near + 1),
            true => format!("{},{}:{}", known[from], known[from], known[near]),
        };
        Some(Target { text, by_uid, uids })
    }

    /// Those of a target that are there.
    fn there(&self, target: &Target) -> Vec<u32> {
        target.uids.iter().copied().filter(|u| self.truth.mails.contains_key(u)).collect()
    }

    fn flags(&mut self) -> BTreeSet<String> {
        let count = 1 + self.roll(2);
        (0..count).map(|_| FLAGS[self.roll(FLAGS.len() as u64) as usize].to_owned()).collect()
    }

    // ---- commands ----

    fn fetch(&mut self, who: usize) -> Result<(), String> {
        let Some(target) = self.target(who) else { return Ok(()) };
        let seen = self.chance(3);
        let modseq = self.told[who].condstore && self.chance(2);
        let since = (modseq && self.chance(2)).then(|| self.some_modseq()).flatten();
        let what = match (seen, modseq) {
            (true, _) => "(BODY[HEADER.FIELDS (SUBJECT)])",
            (false, true) => "(FLAGS MODSEQ)",
            (false, false) => "(FLAGS BODY.PEEK[])",
        };
        let there = self.there(&target);
        let wanted: Vec<u32> = match since {
            None => there.clone(),
            Some(since) => there
                .iter()
                .copied()
                .filter(|u| self.truth.known_modseq(*u).is_some_and(|m| m > since))
                .collect(),
        };
        if seen && since.is_none() {
            self.truth.touch(&there, |mail| {
                mail.flags.insert("\\Seen".to_owned());
            });
        } else if seen {
            return Ok(());
        }
        let uid = if target.by_uid { "UID " } else { "" };
        let modifier = since.map(|n| format!(" (CHANGEDSINCE {n})")).unwrap_or_default();
        let command = format!("{uid}FETCH {} {what}{modifier}", target.text);
        let heard = self.say(who, &command, &expunges(target.by_uid))?;
        for uid in &wanted {
            let told = heard.fetched.iter().filter(|(u, _)| u == uid);
            let complete = told.clone().any(|(_, f)| {
                (seen || f.flags.is_some()) && (!modseq || seen || f.modseq.is_some())
            });
            if !complete {
                return Err(format!("uid {uid} was not told by {command}"));
            }
        }
        let missing = !target.by_uid && since.is_none() && there.len() < target.uids.len();
        expect(&heard.tagged, if missing { "t NO [EXPUNGEISSUED]" } else { "t OK" })
    }

    /// A modseq that was told.
    fn some_modseq(&mut self) -> Option<u64> {
        let uids: Vec<u32> = self.truth.mails.keys().copied().collect();
        let pick = self.roll(uids.len() as u64) as usize;
        self.truth.known_modseq(*uids.get(pick)?)
    }

    fn store(&mut self, who: usize) -> Result<(), String> {
        let Some(target) = self.target(who) else { return Ok(()) };
        let (flags, sign, silent) = (self.flags(), self.roll(3), self.chance(2));
        let there = self.there(&target);
        let known = there.iter().all(|u| self.truth.known_modseq(*u).is_some());
        let since = match self.told[who].condstore && known && self.chance(2) {
            true => self.some_modseq(),
            false => None,
        };
        let fails = |uid: &u32| since.is_some_and(|s| self.truth.known_modseq(*uid) > Some(s));
        let (modified, done): (Vec<u32>, Vec<u32>) = there.iter().partition(|u| fails(u));
        let change = |is: &mut BTreeSet<String>| match sign {
            0 => *is = flags.clone(),
            1 => is.extend(flags.iter().cloned()),
            _ => is.retain(|f| !flags.contains(f)),
        };
        self.truth.touch(&done, |mail| change(&mut mail.flags));
        if silent {
            // What the client asked for is what it takes to be so.
            for uid in &done {
                if let Some(is) = self.told[who].flags.get_mut(uid) {
                    change(is);
                }
            }
        }
        let list = flags.iter().cloned().collect::<Vec<_>>().join(" ");
        let command = format!(
            "{}STORE {}{} {}FLAGS{} ({list})",
            if target.by_uid { "UID " } else { "" },
            target.text,
            since.map(|n| format!(" (UNCHANGEDSINCE {n})")).unwrap_or_default(),
            ["", "+", "-"][sign as usize],
            if silent { ".SILENT" } else { "" },
        );
        let numbers: BTreeSet<u32> =
            modified.iter().map(|u| self.number(who, *u, target.by_uid)).collect();
        let heard = self.say(who, &command, &expunges(target.by_uid))?;
        let told: BTreeSet<u32> = match heard.tagged.split_once("[MODIFIED ") {
            Some((_, rest)) => {
                set(rest.split(']').next().unwrap_or_default())?.into_iter().collect()
            }
            None => BTreeSet::new(),
        };
        if told != numbers {
            return Err(format!("MODIFIED should be {numbers:?}: {}", heard.tagged));
        }
        for uid in done.iter().filter(|_| !silent) {
            if !heard.fetched.iter().any(|(u, f)| u == uid && f.flags.is_some()) {
                return Err(format!("the new flags of uid {uid} were not told by {command}"));
            }
        }
        let missing = !target.by_uid && there.len() < target.uids.len();
        expect(&heard.tagged, if missing { "t NO " } else { "t OK" })
    }

    fn number(&self, who: usize, uid: u32, by_uid: bool) -> u32 {
        let at = self.told[who].uids.iter().position(|u| *u == uid).unwrap_or(0);
        if by_uid { uid } else { at as u32 + 1 }
    }

    fn append(&mut self, who: usize) -> Result<(), String> {
        if self.truth.mails.len() >= MAILS {
            return Ok(());
        }
        let count = if self.chance(3) { 2 } else { 1 };
        let mut command = "APPEND box".to_owned();
        let mut uids = Vec::new();
        for _ in 0..count {
            self.subjects += 1;
            let raw = format!("Subject: {}\r\n\r\nbody\r\n", self.subjects);
            let flags = self.flags();
            let list = flags.iter().cloned().collect::<Vec<_>>().join(" ");
            command.push_str(&format!(" ({list}) {{{}+}}\r\n{raw}", raw.len()));
            uids.push(self.truth.add(self.subjects, flags).to_string());
        }
        let heard = self.say(who, &command, &expunges(true))?;
        let span = if count == 1 { uids[0].clone() } else { uids.join(":") };
        expect(&heard.tagged, &format!("t OK [APPENDUID {} {span}]", self.truth.uidvalidity))
    }

    fn copy(&mut self, who: usize, remove: bool) -> Result<(), String> {
        let Some(target) = self.target(who) else { return Ok(()) };
        let here = !remove && self.chance(2) && self.truth.mails.len() + target.uids.len() < MAILS;
        let there = self.there(&target);
        let mut new = Vec::new();
        for uid in &there {
            let mail = self.truth.mails[uid].clone();
            if here {
                new.push(self.truth.add(mail.subject, mail.flags));
            }
            if remove {
                self.truth.mails.remove(uid);
            }
        }
        if remove && !there.is_empty() {
            self.truth.change();
        }
        let verb = if remove { "MOVE" } else { "COPY" };
        let uid = if target.by_uid { "UID " } else { "" };
        let to = if here { "box" } else { "other" };
        let heard = self.say(who, &format!("{uid}{verb} {} {to}", target.text), &expunges(true))?;
        if there.is_empty() {
            return expect(&heard.tagged, if target.by_uid { "t OK" } else { "t NO" });
        }
        expect(&heard.tagged, "t OK")?;
        let code = heard.copy_uid.ok_or("no COPYUID")?;
        let mut words = code.split(' ').skip(1);
        let (old, copies) =
            (set(words.next().unwrap_or_default())?, set(words.next().unwrap_or_default())?);
        match old == there && copies.len() == old.len() && (!here || copies == new) {
            true => Ok(()),
            false => Err(format!("COPYUID {code} is not {there:?} {new:?}")),
        }
    }

    fn expunge(&mut self, who: usize) -> Result<(), String> {
        let named = match self.chance(3) {
            true => self.target(who).filter(|t| t.by_uid),
            false => None,
        };
        let doomed = |uid: &u32| named.as_ref().is_none_or(|t| t.uids.contains(uid));
        self.remove_deleted(doomed);
        match &named {
            Some(target) => self.simple(who, &format!("UID EXPUNGE {}", target.text)),
            None => self.simple(who, "EXPUNGE"),
        }
    }

    fn remove_deleted(&mut self, doomed: impl Fn(&u32) -> bool) {
        let before = self.truth.mails.len();
        self.truth.mails.retain(|uid, m| !(m.flags.contains("\\Deleted") && doomed(uid)));
        if self.truth.mails.len() < before {
            self.truth.change();
        }
    }

    fn start_idle(&mut self, who: usize) -> Result<(), String> {
        self.say(who, "IDLE", &expunges(true))?;
        self.idle[who] = true;
        Ok(())
    }

    fn wake(&mut self, who: usize) -> Result<(), String> {
        self.clients[who].wake(&self.world);
        self.hear(who, "(woken)", &expunges(true))?;
        if self.chance(2) {
            self.idle[who] = false;
            let heard = self.say(who, "DONE", &expunges(true))?;
            return expect(&heard.tagged, "t OK");
        }
        Ok(())
    }

    fn search(&mut self, who: usize) -> Result<(), String> {
        let (by_uid, extended, not) = (self.chance(2), self.chance(2), self.chance(2));
        let pick = self.roll(4) as usize;
        let key = ["SEEN", "DELETED", "FLAGGED", "KEYWORD $Work"][pick];
        let flag = ["\\Seen", "\\Deleted", "\\Flagged", "$Work"][pick];
        let found: Vec<u32> = (self.told[who].uids.iter().copied())
            .filter(|u| self.truth.mails.get(u).is_some_and(|m| m.flags.contains(flag) != not))
            .map(|uid| self.number(who, uid, by_uid))
            .collect();
        let command = format!(
            "{}SEARCH {}{}{key}",
            if by_uid { "UID " } else { "" },
            if extended { "RETURN (MIN MAX COUNT ALL) " } else { "" },
            if not { "NOT " } else { "" },
        );
        let heard = self.say(who, &command, &expunges(by_uid))?;
        expect(&heard.tagged, "t OK")?;
        let told = heard.search.ok_or("no SEARCH response")?;
        let is = match extended {
            false => {
                set(&told.split(' ').skip(1).collect::<Vec<_>>().join(",")).unwrap_or_default()
            }
            true => match told.split_once(" ALL ") {
                Some((_, rest)) => set(rest.split(' ').next().unwrap_or_default())?,
                None => Vec::new(),
            },
        };
        let says = |what: String| !extended || told.contains(&what);
        let ends = match (found.first(), found.last()) {
            (Some(min), Some(max)) => says(format!("MIN {min} ")) && says(format!("MAX {max} ")),
            _ => true,
        };
        match is == found && ends && says(format!(" COUNT {}", found.len())) {
            true => Ok(()),
            false => Err(format!("{command} should find {found:?}: {told}")),
        }
    }

    fn status(&mut self, who: usize) -> Result<(), String> {
        let command = "STATUS box (MESSAGES UIDNEXT UNSEEN DELETED)";
        let heard = self.say(who, command, &expunges(true))?;
        let count = |flag: &str, has: bool| {
            self.truth.mails.values().filter(|m| m.flags.contains(flag) == has).count()
        };
        let wanted = format!(
            "STATUS box (MESSAGES {} UIDNEXT {} UNSEEN {} DELETED {})",
            self.truth.mails.len(),
            self.truth.uidnext,
            count("\\Seen", false),
            count("\\Deleted", true),
        );
        match heard.status.as_deref() == Some(wanted.as_str()) {
            true => Ok(()),
            false => Err(format!("{:?} should be {wanted}", heard.status)),
        }
    }

    fn close(&mut self, who: usize) -> Result<(), String> {
        let command = if self.chance(2) { "CLOSE" } else { "UNSELECT" };
        if command == "CLOSE" {
            self.remove_deleted(|_| true);
        }
        self.told[who].selected = false;
        // The client keeps what it knows for QRESYNC; no response may come.
        let heard = self.say(who, command, &Allowed::default())?;
        expect(&heard.tagged, "t OK")
    }

    fn select(&mut self, who: usize) -> Result<(), String> {
        if self.told[who].highest == 0 {
            match self.roll(3) {
                0 => {
                    self.say(who, "ENABLE QRESYNC", &Allowed::default())?;
                    (self.told[who].qresync, self.told[who].condstore) = (true, true);
                }
                1 => {
                    self.say(who, "ENABLE CONDSTORE", &Allowed::default())?;
                    self.told[who].condstore = true;
                }
                _ => {}
            }
        }
        let select = Allowed { select: true, ..Allowed::default() };
        let (known, highest) = (self.told[who].uids.clone(), self.told[who].highest);
        if !self.told[who].qresync || highest == 0 {
            self.told[who].flags = BTreeMap::new();
            let heard = self.say(who, "SELECT box", &select)?;
            self.told[who].selected = true;
            return expect(&heard.tagged, "t OK [READ-WRITE]");
        }
        let validity = self.truth.uidvalidity;
        let command = format!("SELECT box (QRESYNC ({validity} {highest}))");
        let heard = self.say(who, &command, &Allowed { earlier: true, ..select })?;
        self.told[who].selected = true;
        let gone = &heard.vanished_earlier;
        if let Some(uid) = gone.iter().find(|u| self.truth.mails.contains_key(u)) {
            return Err(format!("uid {uid} has not vanished"));
        }
        let mut now: BTreeSet<u32> = known.into_iter().filter(|u| !gone.contains(u)).collect();
        now.extend(heard.fetched.iter().map(|(uid, _)| *uid));
        self.told[who].flags.retain(|uid, _| !gone.contains(uid));
        if !now.iter().eq(self.truth.mails.keys()) {
            let there: Vec<&u32> = self.truth.mails.keys().collect();
            return Err(format!("after QRESYNC the client knows {now:?}, there is {there:?}"));
        }
        self.told[who].flags_are_current(&self.truth)?;
        expect(&heard.tagged, "t OK [READ-WRITE]")
    }
}

/// RFC 9051 7.5.1: only what works by numbers forbids EXPUNGE.
fn expunges(allowed: bool) -> Allowed {
    Allowed { expunge: allowed, ..Allowed::default() }
}

fn expect(tagged: &str, wanted: &str) -> Result<(), String> {
    match tagged.starts_with(wanted) {
        true => Ok(()),
        false => Err(format!("{wanted} was expected: {tagged}")),
    }
}
