//! Which folder of a server becomes which mailbox.
//!
//! ```text
//! INBOX                          INBOX
//! with a special use (RFC 6154)  our mailbox of this use: \Sent, \Drafts, \Trash, \Junk, \Archive
//! named as such a folder is      the same, unless another folder says that it is the one
//! below one of these             below ours
//! INBOX.Work, where all are so   Work
//! any other                      its own name, "/" between levels
//! ```
//!
//! Views of mail that stands elsewhere too (\All, \Flagged) are passed over; of Gmail \All is the
//! one that is read, since it holds each message once.

use crate::store::mailbox;
use crate::wire::imap::heard::{Listed, Name};
use std::collections::BTreeMap;

/// A folder and its mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub name: Name,
    /// For people.
    pub text: String,
    /// The mailbox; it is made where there is none.
    pub mailbox: String,
    /// What that is made for: "\\Sent", or empty.
    pub special_use: &'static str,
    /// Are there messages to fetch from it? Else the mailbox is made and left empty.
    pub has_mail: bool,
    /// Of Gmail: the folder of all messages, which come with their labels.
    pub is_all: bool,
}

/// A folder that has no mailbox: its name, and why.
pub(crate) type Left = (String, String);

/// Attributes of LIST, and those of XLIST that are other words for the same.
const ATTRIBUTES: [(&str, &str); 7] = [
    ("\\Sent", "\\Sent"),
    ("\\Drafts", "\\Drafts"),
    ("\\Trash", "\\Trash"),
    ("\\Junk", "\\Junk"),
    ("\\Spam", "\\Junk"),
    ("\\Archive", "\\Archive"),
    ("\\Archived", "\\Archive"),
];

/// Names that mail programs and providers give to such folders, in lower case.
const NAMES: [(&str, &[&str]); 5] = [
    (
        "\\Sent",
        &[
            "sent",
            "sent items",
            "sent messages",
            "sent mail",
            "gesendet",
            "gesendete objekte",
            "gesendete elemente",
            "отправленные",
            "envoyés",
            "éléments envoyés",
            "messages envoyés",
            "enviados",
            "elementos enviados",
            "itens enviados",
            "inviata",
            "posta inviata",
            "verzonden",
            "verzonden items",
            "wysłane",
            "elementy wysłane",
            "надіслані",
            "odeslané",
            "skickat",
            "sendt",
            "lähetetyt",
        ],
    ),
    (
        "\\Drafts",
        &[
            "drafts",
            "draft",
            "entwürfe",
            "черновики",
            "brouillons",
            "borradores",
            "rascunhos",
            "bozze",
            "concepten",
            "robocze",
            "wersje robocze",
            "чернетки",
            "koncepty",
            "utkast",
            "kladder",
            "luonnokset",
        ],
    ),
    (
        "\\Trash",
        &[
            "trash",
            "deleted items",
            "deleted messages",
            "bin",
            "papierkorb",
            "gelöschte objekte",
            "gelöschte elemente",
            "удаленные",
            "удалённые",
            "корзина",
            "corbeille",
            "éléments supprimés",
            "papelera",
            "elementos eliminados",
            "lixeira",
            "cestino",
            "posta eliminata",
            "prullenbak",
            "verwijderde items",
            "kosz",
            "elementy usunięte",
            "кошик",
            "koš",
            "papperskorg",
            "papirkurv",
            "roskakori",
        ],
    ),
    (
        "\\Junk",
        &[
            "junk",
            "spam",
            "junk e-mail",
            "junk email",
            "bulk mail",
            "spamverdacht",
            "спам",
            "courrier indésirable",
            "indésirables",
            "pourriel",
            "correo no deseado",
            "lixo eletrônico",
            "posta indesiderata",
            "ongewenste e-mail",
            "wiadomości-śmieci",
            "nevyžádaná pošta",
            "skräppost",
            "roskaposti",
        ],
    ),
    (
        "\\Archive",
        &["archive", "archives", "archiv", "архив", "archivo", "arquivo", "archivio", "archief"],
    ),
];

/// The special use that a folder says it has.
fn said(folder: &Listed) -> Option<&'static str> {
    let known = ATTRIBUTES.iter().find(|(attribute, _)| folder.has(attribute));
    known.map(|(_, special_use)| *special_use)
}

/// The one that folders of this name have.
fn named(level: &str) -> Option<&'static str> {
    let name = level.to_lowercase();
    let known = NAMES.iter().find(|(_, names)| names.contains(&name.as_str()));
    known.map(|(special_use, _)| *special_use)
}

fn is_all(folder: &Listed) -> bool {
    folder.has("\\All") || folder.has("\\AllMail")
}

/// Is it a view of what stands in other folders?
fn is_view(folder: &Listed) -> bool {
    ["\\All", "\\AllMail", "\\Flagged", "\\Starred", "\\Important"].iter().any(|it| folder.has(it))
}

fn is_inbox(folder: &Listed) -> bool {
    folder.name.is_inbox() || folder.has("\\Inbox")
}

/// `ours`: the special uses of our mailboxes and their names. `above`: the mailbox that all are to
/// stand below, each with the name it has there. `gmail`: messages come with their labels.
pub(crate) fn plan(
    listed: &[Listed],
    ours: &[(String, String)],
    above: Option<&str>,
    gmail: bool,
) -> (Vec<Folder>, Vec<Left>) {
    let plan = Plan { prefix: prefix(listed), ours, above };
    let uses = if above.is_some() { BTreeMap::new() } else { plan.uses(listed, gmail) };
    let (mut folders, mut left) = (Vec::new(), Vec::new());
    for folder in listed {
        let text = folder.name.text();
        let all = gmail && is_all(folder);
        let closed = folder.has("\\Noselect") || folder.has("\\NonExistent");
        if closed || (is_view(folder) && !all) {
            continue;
        }
        let special_use = uses.get(&folder.name).copied().unwrap_or_default();
        let mailbox = plan.mailbox(folder, &uses);
        match mailbox::check_name(&mailbox) {
            Ok(mailbox) => folders.push(Folder {
                name: folder.name.clone(),
                text,
                mailbox,
                special_use,
                has_mail: !gmail || all || matches!(special_use, "\\Junk" | "\\Trash"),
                is_all: all,
            }),
            Err(why) => left.push((text, why.to_string())),
        }
    }
    // INBOX first, then as they are read by people.
    folders.sort_by_key(|folder| (folder.mailbox != "INBOX", folder.mailbox.clone()));
    (folders, left)
}

struct Plan<'a> {
    /// What stands before every name but INBOX itself.
    prefix: Option<String>,
    ours: &'a [(String, String)],
    above: Option<&'a str>,
}

impl Plan<'_> {
    /// Which folder has which special use: each at most once, and those that say so first.
    fn uses(&self, listed: &[Listed], gmail: bool) -> BTreeMap<Name, &'static str> {
        let mut uses: BTreeMap<Name, &'static str> = BTreeMap::new();
        let open: Vec<&Listed> = listed.iter().filter(|folder| !is_inbox(folder)).collect();
        for folder in &open {
            let said = match gmail && is_all(folder) {
                true => Some("\\Archive"),
                false => said(folder),
            };
            if let Some(special_use) = said
                && !uses.values().any(|it| *it == special_use)
            {
                uses.insert(folder.name.clone(), special_use);
            }
        }
        for folder in &open {
            let levels = self.levels(folder);
            let [level] = levels.as_slice() else { continue };
            let special_use = named(level).filter(|_| said(folder).is_none());
            if let Some(special_use) = special_use
                && !uses.values().any(|it| *it == special_use)
            {
                uses.insert(folder.name.clone(), special_use);
            }
        }
        uses
    }

    /// What it is called here.
    fn mailbox(&self, folder: &Listed, uses: &BTreeMap<Name, &'static str>) -> String {
        if let Some(above) = self.above {
            let own = levels_of(&folder.name.text(), folder.delimiter);
            return [vec![above.to_string()], own].concat().join("/");
        }
        if is_inbox(folder) {
            return "INBOX".to_string();
        }
        let own = self.levels(folder).join("/");
        let of = |special_use: &str| {
            let ours = self.ours.iter().find(|(it, _)| it.eq_ignore_ascii_case(special_use));
            ours.map(|(_, name)| name.clone())
        };
        if let Some(special_use) = uses.get(&folder.name) {
            return of(special_use).unwrap_or(own);
        }
        let Some(delimiter) = folder.delimiter else { return own };
        let below = uses.iter().find_map(|(name, special_use)| {
            let prefix = format!("{}{delimiter}", name.text());
            let rest = folder.name.text().strip_prefix(&prefix)?.to_string();
            Some((of(special_use)?, levels_of(&rest, folder.delimiter).join("/")))
        });
        match below {
            Some((ours, rest)) => format!("{ours}/{rest}"),
            None => own,
        }
    }

    /// Without what stands before all of them.
    fn levels(&self, folder: &Listed) -> Vec<String> {
        let text = folder.name.text();
        let bare = self.prefix.as_deref().and_then(|prefix| {
            let head = text.get(..prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..))?
        });
        levels_of(bare.filter(|rest| !rest.is_empty()).unwrap_or(&text), folder.delimiter)
    }
}

/// "INBOX." where every folder but INBOX stands below it, as some servers have it.
pub(super) fn prefix(listed: &[Listed]) -> Option<String> {
    let others: Vec<&Listed> = listed.iter().filter(|folder| !is_inbox(folder)).collect();
    let delimiter = others.first()?.delimiter?;
    let prefix = format!("INBOX{delimiter}");
    let is_below = |folder: &&Listed| {
        let text = folder.name.text();
        text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(&prefix))
    };
    others.iter().all(is_below).then_some(prefix)
}

/// The levels of a name. What a level of ours cannot have is "_" in it.
fn levels_of(text: &str, delimiter: Option<char>) -> Vec<String> {
    let fits = |c: char| if c == '/' || c.is_control() { '_' } else { c };
    let level = |level: &str| level.chars().map(fits).collect::<String>();
    let levels: Vec<String> = match delimiter {
        Some(delimiter) => text.split(delimiter).filter(|it| !it.is_empty()).map(level).collect(),
        None => vec![level(text)],
    };
    levels
}
