//! Faults planted into what a session says, each one that a server could have; those inside of it
//! are `crate::imap::planted`.

use super::response::fetched;
use crate::imap::planted::Planted;

pub(super) const INSIDE: [Planted; 6] = [
    Planted::ExpungeInAnyCommand,
    Planted::ExpungesFromTheFront,
    Planted::FlagsOfOthersLost,
    Planted::ArrivalsLost,
    Planted::SearchSeesTheUntold,
    Planted::OldModSeq,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// EXPUNGE while FETCH by numbers is answered.
    ExpungeInFetch,
    /// A FETCH response with the number of its neighbour.
    SeqOffByOne,
    /// An EXPUNGE that is never told.
    ExpungeLost,
    /// A change of flags by another session that is never told.
    FlagsLost,
    /// EXISTS counts one too few.
    ExistsShort,
    /// A flag left out.
    FlagMissing,
    /// A change that does not raise the modseq.
    ModSeqStale,
    /// SEARCH leaves out the last message found.
    SearchMisses,
    /// VANISHED names a message that is there.
    VanishedTooMany,
    /// COPYUID with a wrong uid.
    CopyUidWrong,
    /// STATUS counts one too many.
    StatusWrong,
}

impl Fault {
    pub(super) const ALL: [Fault; 11] = [
        Fault::ExpungeInFetch,
        Fault::SeqOffByOne,
        Fault::ExpungeLost,
        Fault::FlagsLost,
        Fault::ExistsShort,
        Fault::FlagMissing,
        Fault::ModSeqStale,
        Fault::SearchMisses,
        Fault::VanishedTooMany,
        Fault::CopyUidWrong,
        Fault::StatusWrong,
    ];

    /// The octets with the fault in them; `None` where it has no place.
    pub(super) fn plant(self, command: &str, octets: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8(octets.to_vec()).ok()?;
        let mut lines: Vec<String> = text.split_inclusive("\r\n").map(str::to_owned).collect();
        let untagged =
            |what: &str| lines.iter().position(|l| l.starts_with("* ") && l.contains(what));
        match self {
            Fault::ExpungeInFetch => {
                let here = command.starts_with("FETCH") && untagged(" FETCH (").is_some();
                here.then(|| lines.insert(0, "* 1 EXPUNGE\r\n".to_owned()))?;
            }
            Fault::SeqOffByOne => {
                let at = untagged(" FETCH (")?;
                let told = fetched(&lines[at])?;
                told.uid?;
                let wrong = format!("* {} FETCH", told.seq + 1);
                lines[at] = lines[at].replacen(&format!("* {} FETCH", told.seq), &wrong, 1);
            }
            Fault::ExpungeLost => {
                let at = untagged(" EXPUNGE\r")?;
                lines.remove(at);
            }
            Fault::FlagsLost => {
                let unasked = command.starts_with("NOOP") || command.starts_with("DONE");
                let at = untagged(" FETCH (UID ").filter(|_| unasked)?;
                lines.remove(at);
            }
            Fault::ExistsShort => {
                let at = untagged(" EXISTS").filter(|_| !command.starts_with("SELECT"))?;
                let count: u32 = lines[at].split(' ').nth(1)?.parse().ok()?;
                lines[at] = format!("* {} EXISTS\r\n", count - 1);
            }
            Fault::FlagMissing => {
                let at = untagged("\\Seen").filter(|at| lines[*at].contains(" FETCH ("))?;
                lines[at] = lines[at].replacen("\\Seen", "", 1);
            }
            Fault::ModSeqStale => {
                let at = untagged("MODSEQ (").filter(|_| command.contains("STORE"))?;
                let told = fetched(&lines[at])?.modseq?;
                let wrong = format!("MODSEQ ({})", told.saturating_sub(40).max(1));
                lines[at] = lines[at].replacen(&format!("MODSEQ ({told})"), &wrong, 1);
            }
            Fault::SearchMisses => {
                let at = untagged(" SEARCH ")?;
                let (left, _) = lines[at].trim_end().rsplit_once(' ')?;
                lines[at] = format!("{left}\r\n");
            }
            Fault::VanishedTooMany => {
                let at = untagged(" VANISHED ").filter(|at| !lines[*at].contains("EARLIER"))?;
                lines[at] = format!("{},1:900\r\n", lines[at].trim_end());
            }
            Fault::CopyUidWrong => {
                let at = lines.iter().position(|l| l.contains("[COPYUID "))?;
                lines[at] = lines[at].replacen(']', "9]", 1);
            }
            Fault::StatusWrong => {
                let at = untagged(" STATUS ")?;
                lines[at] = lines[at].replacen("MESSAGES ", "MESSAGES 1", 1);
            }
        }
        Some(lines.concat().into_bytes())
    }
}
