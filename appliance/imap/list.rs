//! LIST with all it has learnt (RFC 9051 6.3.9, RFC 5258, RFC 5819, RFC 6154) and LSUB.
//!
//! ```text
//! store: mailboxes, subscriptions -> Node by name, levels above made up -> selection -> pattern
//! ```

use super::mailbox::tell_status;
use super::pattern::Pattern;
use super::reply::Reply;
use super::selected::line;
use super::{Core, Event, Task, Turn, misrouted};
use crate::limits;
use crate::store::mailbox::Mailbox;
use crate::store::{Result, Snapshot, mailbox};
use crate::wire::imap::print::Printer;
use crate::wire::imap::{Command, List};
use std::collections::BTreeMap;

/// One name of the tree.
#[derive(Default)]
struct Node {
    /// Absent: only a level above others, or only subscribed.
    mailbox: Option<Mailbox>,
    subscribed: bool,
    /// A mailbox is below.
    children: bool,
    /// Something below meets the selection.
    below: bool,
}

/// Names by their levels; INBOX first.
type Tree = BTreeMap<Vec<String>, Node>;

fn levels(name: &str) -> Vec<String> {
    let mut levels: Vec<String> = name.split('/').map(str::to_owned).collect();
    if let Some(first) = levels.first_mut().filter(|l| *l == "INBOX") {
        // Sorts before every other name; names hold no control character.
        *first = "\0INBOX".to_owned();
    }
    levels
}

fn name_of(levels: &[String]) -> String {
    levels.join("/").trim_start_matches('\0').to_owned()
}

/// The mailboxes, the subscribed names, and the levels above both.
fn tree(core: &Core, snapshot: &Snapshot) -> Result<Tree> {
    let mut tree = Tree::new();
    for found in mailbox::list(snapshot, core.account())? {
        let levels = levels(&found.name.name);
        for depth in 1..levels.len() {
            if let Some(above) = levels.get(..depth) {
                tree.entry(above.to_vec()).or_default().children = true;
            }
        }
        tree.entry(levels).or_default().mailbox = Some(found);
    }
    for name in mailbox::subscriptions(snapshot, core.account())? {
        tree.entry(levels(&name)).or_default().subscribed = true;
    }
    Ok(tree)
}

pub(super) fn list(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::List(list) = command else { return misrouted(command) };
    let selects = list.select_subscribed || list.select_special_use || list.select_remote;
    // RFC 5258 3: RECURSIVEMATCH only beside what it looks for
    if list.select_recursive && !(list.select_subscribed || list.select_special_use) {
        return Turn::Reply(Reply::bad("RECURSIVEMATCH needs another selection").code("CLIENTBUG"));
    }
    // RFC 9051 6.3.9: an empty pattern asks for the separator
    if !list.extended && !selects && list.patterns.iter().all(String::is_empty) {
        line(out, format_args!("* LIST (\\Noselect) \"/\" \"\""));
        return Turn::Reply(Reply::ok("LIST completed"));
    }
    if list
        .return_status
        .iter()
        .flatten()
        .any(|i| *i == crate::wire::imap::StatusItem::HighestModSeq)
    {
        core.enable_condstore(out);
    }
    let patterns: Option<Vec<Pattern>> =
        list.patterns.iter().map(|p| Pattern::new(&list.reference, p)).collect();
    let Some(patterns) = patterns.filter(|p| p.len() <= limits::IMAP_DEPTH) else {
        return Turn::Reply(Reply::no("The patterns are too many or too long").code("LIMIT"));
    };
    let shown =
        core.store.snapshot().and_then(|s| tree(core, &s)).map(|t| select(&list, &patterns, t));
    match shown {
        Ok(shown) => Turn::Task(Box::new(Listing { list, shown: shown.into_iter() })),
        Err(error) => Turn::Reply(error.into()),
    }
}

/// Does the name meet the selection options?
fn meets(list: &List, node: &Node) -> bool {
    (!list.select_subscribed || node.subscribed)
        && (!list.select_special_use
            || node.mailbox.as_ref().is_some_and(|m| !m.name.special_use.is_empty()))
}

/// What the selection and the patterns leave, in order.
fn select(list: &List, patterns: &[Pattern], mut tree: Tree) -> Vec<(String, Node)> {
    let meets = |node: &Node| meets(list, node);
    if list.select_recursive {
        let is_listed = |name: &str| patterns.iter().any(|p| p.matches(name));
        mark_above(&mut tree, &meets, &is_listed);
    }
    let mut shown = Vec::new();
    for (levels, node) in tree {
        let name = name_of(&levels);
        let there = node.mailbox.is_some();
        let chosen = meets(&node) || node.below;
        // RFC 5258 5: a level that is no mailbox is told for "%" only, or when it is selected
        let told =
            |p: &&Pattern| there || node.below || list.select_subscribed || p.ends_with_level();
        let bare = !there && !node.children && !list.select_subscribed && !node.below;
        if chosen && !bare && patterns.iter().filter(told).any(|p| p.matches(&name)) {
            shown.push((name, node));
        }
    }
    shown
}

/// RFC 5258 3.5: the levels above what meets the selection. RFC 9051 6.3.9.3: one that does not
/// meet it itself only for the sake of what is not in the list already.
fn mark_above(tree: &mut Tree, meets: &dyn Fn(&Node) -> bool, is_listed: &dyn Fn(&str) -> bool) {
    // Is all that is below in the list?
    let mut above: BTreeMap<Vec<String>, bool> = BTreeMap::new();
    for (levels, _) in tree.iter().filter(|(_, node)| meets(node)) {
        let listed = is_listed(&name_of(levels));
        for level in (1..levels.len()).filter_map(|depth| levels.get(..depth)) {
            *above.entry(level.to_vec()).or_insert(true) &= listed;
        }
    }
    for (levels, all_listed) in above {
        let node = tree.entry(levels).or_default();
        node.below = meets(node) || !all_listed;
    }
}

/// The responses, piece by piece.
struct Listing {
    list: List,
    shown: std::vec::IntoIter<(String, Node)>,
}

impl Task for Listing {
    fn go(&mut self, core: &mut Core, _: Event, out: &mut Vec<u8>) -> Turn {
        match self.piece(core, out) {
            Ok(true) => Turn::Reply(Reply::ok("LIST completed")),
            Ok(false) => Turn::Again,
            Err(error) => Turn::Reply(error.into()),
        }
    }
}

impl Listing {
    /// Is it all told?
    fn piece(&mut self, core: &Core, out: &mut Vec<u8>) -> Result<bool> {
        let snapshot = core.store.snapshot()?;
        while out.len() < limits::OUTPUT_PIECE_BYTES {
            let Some((name, node)) = self.shown.next() else { return Ok(true) };
            self.tell(core, &name, &node, out);
            // RFC 9051 6.3.9.8: example 11, not of what is told for its children only
            let items = self.list.return_status.as_ref().filter(|_| meets(&self.list, &node));
            if let (Some(items), Some(mailbox)) = (items, &node.mailbox) {
                // RFC 5819 2: behind the LIST response of its mailbox
                tell_status(&snapshot, core.account(), mailbox, &name, items, core.modes, out)?;
            }
        }
        Ok(false)
    }

    fn tell(&self, core: &Core, name: &str, node: &Node, out: &mut Vec<u8>) {
        let list = &self.list;
        let extended = list.extended || core.modes.rev2;
        let mut attributes: Vec<&str> = Vec::new();
        match &node.mailbox {
            None if extended => attributes.push("\\NonExistent"),
            None => attributes.push("\\Noselect"),
            Some(mailbox) if !mailbox.name.special_use.is_empty() => {
                attributes.push(&mailbox.name.special_use);
            }
            Some(_) => {}
        }
        attributes.push(if node.children { "\\HasChildren" } else { "\\HasNoChildren" });
        if node.subscribed && (list.select_subscribed || list.return_subscribed) {
            attributes.push("\\Subscribed");
        }
        tell_name(b"LIST", &attributes, name, core.modes.utf8, out);
        if node.below {
            // RFC 5258 3.5: CHILDINFO says which selection it meets
            let what = if list.select_subscribed { "SUBSCRIBED" } else { "SPECIAL-USE" };
            line(out, format_args!(" (\"CHILDINFO\" (\"{what}\"))"));
        } else {
            line(out, format_args!(""));
        }
    }
}

/// An empty attribute is none.
fn tell_name(what: &[u8], attributes: &[&str], name: &str, utf8: bool, out: &mut Vec<u8>) {
    let attributes: Vec<&str> = attributes.iter().copied().filter(|a| !a.is_empty()).collect();
    out.extend_from_slice(b"* ");
    out.extend_from_slice(what);
    out.extend_from_slice(format!(" ({}) \"/\" ", attributes.join(" ")).as_bytes());
    Printer::new(out, utf8).mailbox(name);
}

/// The LIST response of SELECT in IMAP4rev2; `given`: what the client called the mailbox.
pub(super) fn tell_selected(mailbox: &Mailbox, given: &str, utf8: bool, out: &mut Vec<u8>) {
    let (name, attribute) = (mailbox.name.name.as_str(), mailbox.name.special_use.as_str());
    match name == given {
        true => {
            tell_name(b"LIST", &[attribute], name, utf8, out);
            line(out, format_args!(""));
        }
        false => tell_old_name(attribute, name, given, utf8, out),
    }
}

/// RFC 9051 6.3.9.7: LIST with the OLDNAME that the client gave.
pub(super) fn tell_old_name(
    attribute: &str,
    name: &str,
    given: &str,
    utf8: bool,
    out: &mut Vec<u8>,
) {
    tell_name(b"LIST", &[attribute], name, utf8, out);
    out.extend_from_slice(b" (\"OLDNAME\" (");
    Printer::new(out, utf8).string(given.as_bytes());
    line(out, format_args!("))"));
}

/// RFC 3501 6.3.9: subscribed names; with "%" also the levels above them, as \Noselect.
pub(super) fn lsub(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Lsub { reference, pattern } = command else { return misrouted(command) };
    let Some(pattern) = Pattern::new(&reference, &pattern) else {
        return Turn::Reply(Reply::no("The pattern is too long").code("LIMIT"));
    };
    let tree = match core.store.snapshot().and_then(|s| tree(core, &s)) {
        Ok(tree) => tree,
        Err(error) => return Turn::Reply(error.into()),
    };
    let mut told: BTreeMap<Vec<String>, bool> = BTreeMap::new();
    for (levels, _) in tree.iter().filter(|(_, node)| node.subscribed) {
        if pattern.matches(&name_of(levels)) {
            told.insert(levels.clone(), true);
        }
        for above in (1..levels.len()).filter_map(|depth| levels.get(..depth)) {
            if pattern.ends_with_level() && pattern.matches(&name_of(above)) {
                told.entry(above.to_vec()).or_insert(false);
            }
        }
    }
    for (levels, subscribed) in told {
        let there = tree.get(&levels).is_some_and(|node| node.mailbox.is_some());
        let attributes: &[&str] = if subscribed && there { &[] } else { &["\\Noselect"] };
        tell_name(b"LSUB", attributes, &name_of(&levels), core.modes.utf8, out);
        line(out, format_args!(""));
    }
    Turn::Reply(Reply::ok("LSUB completed"))
}
