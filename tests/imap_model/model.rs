//! The rules: what is there, what each client was told, and what it may be told next.

use super::response::{Fetched, Response, fetched, set};
use std::collections::{BTreeMap, BTreeSet};

/// A message that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    pub subject: u32,
    pub flags: BTreeSet<String>,
    /// Grows with each change of this message.
    pub version: u64,
}

/// The mailbox as it is.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub mails: BTreeMap<u32, Mail>,
    pub uidnext: u32,
    pub uidvalidity: u32,
    /// Grows with each change of the mailbox.
    pub version: u64,
    /// Modseqs told, by the version of the message they stand for.
    pub modseqs: BTreeMap<u64, u64>,
}

impl Truth {
    pub(super) fn change(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// New messages, one change each.
    pub(super) fn add(&mut self, subject: u32, flags: BTreeSet<String>) -> u32 {
        let (uid, version) = (self.uidnext, self.change());
        self.uidnext += 1;
        self.mails.insert(uid, Mail { subject, flags, version });
        uid
    }

    /// RFC 7162 3.1: one modseq for one version, and a later version has a higher one.
    fn modseq(&mut self, uid: u32, told: u64) -> Result<(), String> {
        let version = self.mails.get(&uid).map_or(0, |m| m.version);
        if let Some(known) = self.modseqs.insert(version, told)
            && known != told
        {
            return Err(format!("uid {uid} has modseq {told}, was {known} without a change"));
        }
        let before = self.modseqs.range(..version).next_back().map_or(0, |(_, m)| *m);
        let after = self.modseqs.range(version + 1..).next().map_or(u64::MAX, |(_, m)| *m);
        // A batch of one command may share a modseq.
        match before <= told && told <= after {
            true => Ok(()),
            false => Err(format!("modseq {told} of uid {uid} is not between {before} and {after}")),
        }
    }

    pub(super) fn known_modseq(&self, uid: u32) -> Option<u64> {
        self.modseqs.get(&self.mails.get(&uid)?.version).copied()
    }

    /// A version has one modseq, later ones a higher: used when one command changes many.
    pub(super) fn touch(&mut self, uids: &[u32], mut change: impl FnMut(&mut Mail)) {
        let version = self.version + 1;
        for uid in uids {
            if let Some(mail) = self.mails.get_mut(uid) {
                let before = mail.flags.clone();
                change(mail);
                if mail.flags != before {
                    mail.version = version;
                    self.version = version;
                }
            }
        }
    }
}

/// What one client knows.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub selected: bool,
    pub condstore: bool,
    pub qresync: bool,
    /// Uids in the order of their numbers.
    pub uids: Vec<u32>,
    pub flags: BTreeMap<u32, BTreeSet<String>>,
    /// The highest modseq told, for QRESYNC.
    pub highest: u64,
}

/// What a command allows its responses to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    /// RFC 9051 7.5.1
    pub expunge: bool,
    /// RFC 7162 3.2.5 and 3.2.6
    pub earlier: bool,
    pub select: bool,
}

/// What the untagged responses of one command were.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub fetched: Vec<(u32, Fetched)>,
    pub search: Option<String>,
    pub status: Option<String>,
    pub copy_uid: Option<String>,
    pub vanished_earlier: Vec<u32>,
    pub modseq: Option<u64>,
    pub tagged: String,
}

impl Told {
    /// Takes in the responses of a command; an error is a broken rule.
    pub(super) fn hear(
        &mut self,
        truth: &mut Truth,
        responses: &[Response],
        allowed: &Allowed,
    ) -> Result<Heard, String> {
        let mut heard = Heard::default();
        for response in responses {
            self.one(truth, response, allowed, &mut heard)
                .map_err(|why| format!("{why}: {}", response.text))?;
        }
        Ok(heard)
    }

    fn one(
        &mut self,
        truth: &mut Truth,
        response: &Response,
        allowed: &Allowed,
        heard: &mut Heard,
    ) -> Result<(), String> {
        let text = response.text.as_str();
        if text.starts_with("+ ") {
            return Ok(());
        }
        let Some(untagged) = text.strip_prefix("* ") else {
            heard.tagged = text.to_owned();
            heard.copy_uid = heard.copy_uid.take().or_else(|| code(text, "COPYUID"));
            heard.modseq = code(text, "HIGHESTMODSEQ").and_then(|n| n.parse().ok());
            return Ok(());
        };
        if let Some(fetch) = fetched(text) {
            return self.fetch(truth, fetch, response, heard);
        }
        let mut words = untagged.split(' ');
        match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
            (number, "EXPUNGE") => self.expunge(truth, number, allowed),
            (number, "EXISTS") => self.exists(truth, number, allowed),
            ("VANISHED", "(EARLIER)") if allowed.earlier => {
                heard.vanished_earlier.extend(set(words.next().unwrap_or_default())?);
                Ok(())
            }
            ("VANISHED", uids) if self.qresync => self.vanished(truth, uids, allowed),
            ("VANISHED", _) => Err("VANISHED has no place here".to_owned()),
            ("SEARCH", _) | ("ESEARCH", _) => {
                heard.search = Some(untagged.to_owned());
                Ok(())
            }
            ("STATUS", _) => {
                heard.status = Some(untagged.to_owned());
                Ok(())
            }
            ("OK", _) => {
                heard.copy_uid = heard.copy_uid.take().or_else(|| code(text, "COPYUID"));
                if let Some(modseq) = code(text, "HIGHESTMODSEQ").filter(|_| allowed.select) {
                    self.highest = modseq.parse().map_err(|_| "not a modseq")?;
                }
                Ok(())
            }
            ("FLAGS", _) | ("ENABLED", _) => Ok(()),
            (_, "RECENT") if untagged == "0 RECENT" => Ok(()),
            _ => Err("a response of no known kind".to_owned()),
        }
    }

    fn fetch(
        &mut self,
        truth: &mut Truth,
        fetch: Fetched,
        response: &Response,
        heard: &mut Heard,
    ) -> Result<(), String> {
        let uid = fetch.seq.checked_sub(1).and_then(|i| self.uids.get(i as usize)).copied();
        let uid = uid.ok_or("FETCH of a number that the client does not know")?;
        if fetch.uid.is_some_and(|told| told != uid) {
            return Err(format!("number {} is uid {uid}", fetch.seq));
        }
        let mail = truth.mails.get(&uid).ok_or(format!("uid {uid} is not there"))?;
        if let Some(flags) = &fetch.flags {
            let is: Vec<String> = mail.flags.iter().cloned().collect();
            if *flags != is {
                return Err(format!("flags of uid {uid} are {is:?}"));
            }
            self.flags.insert(uid, mail.flags.clone());
        }
        let subject = format!("Subject: {}\r\n", mail.subject);
        for literal in &response.literals {
            if !literal.windows(subject.len()).any(|w| w == subject.as_bytes()) {
                return Err(format!("uid {uid} is not \"{subject}\""));
            }
        }
        if let Some(modseq) = fetch.modseq {
            truth.modseq(uid, modseq)?;
        }
        heard.fetched.push((uid, fetch));
        Ok(())
    }

    fn expunge(&mut self, truth: &Truth, number: &str, allowed: &Allowed) -> Result<(), String> {
        if !allowed.expunge {
            return Err("EXPUNGE has no place here".to_owned());
        }
        if self.qresync {
            return Err("EXPUNGE where VANISHED was enabled".to_owned());
        }
        let index = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let index = index.filter(|i| *i < self.uids.len()).ok_or("no such number")?;
        self.forget(truth, self.uids[index])
    }

    fn vanished(&mut self, truth: &Truth, uids: &str, allowed: &Allowed) -> Result<(), String> {
        if !allowed.expunge {
            return Err("VANISHED has no place here".to_owned());
        }
        for uid in set(uids)? {
            if !self.uids.contains(&uid) {
                return Err(format!("the client does not know uid {uid}"));
            }
            self.forget(truth, uid)?;
        }
        Ok(())
    }

    fn forget(&mut self, truth: &Truth, uid: u32) -> Result<(), String> {
        if truth.mails.contains_key(&uid) {
            return Err(format!("uid {uid} is still there"));
        }
        self.uids.retain(|known| *known != uid);
        self.flags.remove(&uid);
        Ok(())
    }

    fn exists(&mut self, truth: &Truth, number: &str, allowed: &Allowed) -> Result<(), String> {
        if allowed.select {
            self.uids = truth.mails.keys().copied().collect();
        } else {
            let last = self.uids.last().copied().unwrap_or(0);
            self.uids.extend(truth.mails.range(last + 1..).map(|(uid, _)| *uid));
        }
        match number.parse() == Ok(self.uids.len()) {
            true => Ok(()),
            false => Err(format!("{} messages are there for this client", self.uids.len())),
        }
    }

    /// After a command that tells all: nothing is left to be told.
    pub(super) fn is_current(&self, truth: &Truth) -> Result<(), String> {
        let there: Vec<u32> = truth.mails.keys().copied().collect();
        if self.uids != there {
            return Err(format!("the client knows {:?}, there is {there:?}", self.uids));
        }
        self.flags_are_current(truth)
    }

    /// After any command: flags of messages that are there are as the client knows them.
    pub(super) fn flags_are_current(&self, truth: &Truth) -> Result<(), String> {
        for (uid, known) in &self.flags {
            if let Some(mail) = truth.mails.get(uid)
                && mail.flags != *known
            {
                return Err(format!("uid {uid}: the client knows {known:?}, is {:?}", mail.flags));
            }
        }
        Ok(())
    }
}

/// What stands behind a response code: "[COPYUID 1 2 3]".
fn code(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("[{name} "))?;
    Some(rest.split(']').next()?.to_owned())
}
