//! What a salvage brought, in words.

use crate::act::words::{octets, plain};
use crate::store::salvage::Salvaged;
use crate::store::salvage::report::Share;

pub(crate) fn text(back: &Salvaged) -> String {
    if !back.has_anything() {
        return format!(
            "nothing came back: in {} there is no row that is whole\n",
            octets(back.octets)
        );
    }
    let mut text = format!(
        "{} of the messages came back whole: {}\n",
        percent(&back.messages),
        share(&back.messages)
    );
    for account in &back.accounts {
        let lost = if account.placeholder { ", whose own row is lost: set a password" } else { "" };
        let messages = share(&account.messages);
        text.push_str(&format!("{}{lost}: {messages}\n", plain(&account.login)));
        for mailbox in &account.mailboxes {
            let about = if mailbox.counted { "" } else { " (its number of messages is lost)" };
            let messages = share(&mailbox.messages);
            text.push_str(&format!("    {}: {messages}{about}\n", plain(&mailbox.name)));
        }
    }
    let out = &back.outgoing;
    text.push_str(&format!(
        "{} domains, {} addresses, {} stories, {} messages of the outbox",
        back.domains, back.addresses, back.stories, out.messages
    ));
    if out.held > 0 {
        text.push_str(&format!(", {} of them held since they may have been sent", out.held));
    }
    if out.lost > 0 {
        text.push_str(&format!(", {} lost", out.lost));
    }
    text.push('\n');
    file(back, &mut text);
    text
}

/// What was wrong with the file, and what that means.
fn file(back: &Salvaged, text: &mut String) {
    if back.unreadable_pages > 0 {
        let size = octets(back.unreadable_pages.saturating_mul(back.page_octets));
        text.push_str(&format!("the disk could not read {size} of the file\n"));
    }
    if back.lost_index_pages > 0 {
        let lost = back.lost_index_pages;
        text.push_str(&format!("{lost} pages of the index of rows are damaged or missing\n"));
    }
    if !back.tells_old_from_new {
        text.push_str(
            "what tells old from new is damaged: deleted mail may be among it, and rows may be \
             older than the last\n",
        );
    }
    if back.perhaps_old_rows > 0 {
        let rows = back.perhaps_old_rows;
        text.push_str(&format!(
            "{rows} rows of people, addresses and mailboxes may be older than those that are lost: \
             look at passwords and aliases\n"
        ));
    }
    if back.unknown_rows > 0 {
        let rows = back.unknown_rows;
        text.push_str(&format!("{rows} rows are of a later version and were left out\n"));
    }
}

fn share(messages: &Share) -> String {
    let Share { expected, whole, incomplete, lost, perhaps_old } = messages;
    let mut text = format!("{whole} of {expected} whole");
    for (count, words) in
        [(incomplete, "in pieces"), (lost, "lost"), (perhaps_old, "perhaps deleted before")]
    {
        if *count > 0 {
            text.push_str(&format!(", {count} {words}"));
        }
    }
    text
}

fn percent(messages: &Share) -> String {
    match messages.permille() {
        Some(permille) => format!("{}.{} %", permille / 10, permille % 10),
        None => "none".to_string(),
    }
}
