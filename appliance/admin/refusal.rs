//! Why an act was not done, in words of the page: acts speak to whoever uses the command line.

use super::words::Words;
use crate::act::failure::Failure;

/// How the acts' own words begin or end, and the key of the page's.
const KNOWN: &[(&str, &str)] = &[
    ("the disk is full", "refusal.full"),
    ("domain exists already", "refusal.domain-there"),
    ("an address of this box passes mail on", "refusal.domain-target"),
    ("mail to it would go in a circle", "refusal.circle"),
    ("limit reached: how far", "refusal.far"),
    ("it is a log-in address", "refusal.login"),
    ("another address leads to this one", "refusal.led-to"),
    ("limit reached: passwords", "refusal.passwords"),
    ("it names the account's own password", "refusal.label"),
    ("the password is longer", "password.long"),
    ("the password holds", "password.odd"),
    ("the store is stopping", "refusal.stopping"),
    ("damaged", "refusal.damaged"),
    ("it was sent, given up", "refusal.sent"),
    ("this is not the passphrase of the backup", "backup.wrong"),
    ("the backup is locked", "backup.locked"),
    ("something else is being done with backups", "backup.busy"),
    ("the account is closed", "refusal.closed"),
    ("the mail is being moved", "refusal.moving"),
    ("something else is being done with the disks", "storage.busy"),
    ("no disk is named", "storage.unnamed"),
    ("no disk that is in is called so", "storage.other-name"),
    ("there is none", "storage.no-old"),
    ("this is not the password of the owner of this mail", "storage.denied"),
    ("a newer Mailroom wrote the mail on this disk", "storage.newer"),
    ("there is no mail on this disk", "storage.no-mail"),
    ("this server is not a box", "update.no-box"),
    ("the box does not tell", "update.untold"),
    ("another update file is being sent", "update.busy"),
    ("an update is being installed", "update.working"),
    ("an update is installed and waits", "update.first-restart"),
    ("the version that runs is still on trial", "update.trial"),
    ("this is not an update file", "update.foreign"),
    ("it is larger than any update file", "update.large"),
    ("the disk has no room for it", "update.full"),
    ("PID 1 does not listen", "update.unheard"),
    ("no file of version", "update.gone"),
    ("no update waits", "update.gone"),
    ("there is no older system", "update.gone"),
];

/// In the language of the page; what is not known is told as it is.
pub(super) fn words(words: &Words, failure: &Failure) -> String {
    let why = failure.why.as_str();
    if let Some(target) = why.strip_prefix("there is no ").and_then(|it| it.strip_suffix(" here")) {
        return words.fill("refusal.no-target", &[&target]);
    }
    let known = KNOWN.iter().find(|(begin, _)| why.starts_with(begin));
    match known {
        Some((_, key)) => words.t(key).to_string(),
        None => words.fill("refusal.other", &[&why.trim_end_matches('.')]),
    }
}
