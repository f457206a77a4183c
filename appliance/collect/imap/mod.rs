//! Mail of an IMAP server that is not ours.
//!
//! ```text
//! line      a connection, and the client that speaks over it
//! folders   which folder becomes which mailbox: pure
//! labels    Gmail: one message, many folders
//! bring     messages on their way into the store, several to a commit, each once
//! folder    one folder, from its first message to its last
//! import    everything, resumed when it is cut
//! watch     letters collected as they come
//! ```

mod bring;
mod folder;
pub(crate) mod folders;
pub(crate) mod import;
mod labels;
pub(crate) mod line;
pub(crate) mod watch;

/// UIDs as a set, of which no part is longer than a command may be; each with its own UIDs.
pub(crate) fn sets(uids: &[u32], most: usize, most_bytes: usize) -> Vec<(String, Vec<u32>)> {
    let mut sets: Vec<(String, Vec<u32>)> = Vec::new();
    let mut rest = uids;
    while let Some((&first, _)) = rest.split_first() {
        let run = rest.windows(2).take_while(|pair| matches!(pair, [a, b] if a + 1 == *b));
        let full = |set: &(String, Vec<u32>)| set.1.len() >= most || set.0.len() >= most_bytes;
        if sets.last().is_none_or(full) {
            sets.push((String::new(), Vec::new()));
        }
        let Some((text, members)) = sets.last_mut() else { break };
        let count = (run.count() + 1).min(most - members.len());
        let (some, others) = rest.split_at(count);
        rest = others;
        if !text.is_empty() {
            text.push(',');
        }
        match some.last() {
            Some(last) if *last != first => text.push_str(&format!("{first}:{last}")),
            _ => text.push_str(&first.to_string()),
        }
        members.extend_from_slice(some);
    }
    sets
}
