//! LIST, LSUB, STATUS, CREATE: the commands about mailboxes that are not just a name.
//!
//! ```text
//! list        = "LIST" [SP "(" [select-opt *(SP select-opt)] ")"] SP mailbox SP mbox-or-pat
//!               [SP "RETURN" SP "(" [return-opt *(SP return-opt)] ")"]
//! mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")"
//! select-opt  = "SUBSCRIBED" / "REMOTE" / "RECURSIVEMATCH" / "SPECIAL-USE"
//! return-opt  = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / "STATUS" SP status-items
//! lsub        = "LSUB" SP mailbox SP list-mailbox
//! status      = "STATUS" SP mailbox SP status-items
//! status-items = "(" status-att *(SP status-att) ")"
//! create      = "CREATE" SP mailbox [SP "(" "USE" SP "(" use-attr *(SP use-attr) ")" ")"]
//! ```

use super::super::{Command, List, StatusItem};
use super::lexer::Lexer;
use super::{Fault, Parsed};

pub(super) fn list(lexer: &mut Lexer) -> Parsed<Command> {
    let mut list = List::default();
    lexer.space()?;
    if lexer.peek() == Some(b'(') {
        list.extended = true;
        lexer.list(|lexer| select_option(lexer, &mut list))?;
        // RFC 5258 3.1: RECURSIVEMATCH needs an option that selects, REMOTE is none
        if list.select_recursive && !(list.select_subscribed || list.select_special_use) {
            return Err(Fault::bad("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE beside it"));
        }
        lexer.space()?;
    }
    let reference = lexer.astring("a reference name")?;
    list.reference = lexer.mailbox_text(reference)?;
    lexer.space()?;
    list.patterns = match lexer.peek() {
        Some(b'(') => {
            list.extended = true;
            lexer.full_list("a mailbox pattern", Lexer::list_mailbox)?
        }
        _ => vec![lexer.list_mailbox()?],
    };
    if lexer.eat(b' ') {
        if lexer.word("RETURN")? != "RETURN" {
            return Err(Fault::bad("expected RETURN behind the mailbox pattern"));
        }
        list.extended = true;
        lexer.space()?;
        lexer.list(|lexer| return_option(lexer, &mut list))?;
    }
    Ok(Command::List(list))
}

fn select_option(lexer: &mut Lexer, list: &mut List) -> Parsed<()> {
    let name = lexer.word("a LIST selection option")?;
    match name.as_str() {
        "SUBSCRIBED" => list.select_subscribed = true,
        "REMOTE" => list.select_remote = true,
        "RECURSIVEMATCH" => list.select_recursive = true,
        "SPECIAL-USE" => list.select_special_use = true,
        _ => return Err(lexer.unknown("LIST selection option", &name)),
    }
    Ok(())
}

fn return_option(lexer: &mut Lexer, list: &mut List) -> Parsed<()> {
    let name = lexer.word("a LIST return option")?;
    match name.as_str() {
        "SUBSCRIBED" => list.return_subscribed = true,
        "CHILDREN" => list.return_children = true,
        "SPECIAL-USE" => list.return_special_use = true,
        "STATUS" => {
            lexer.space()?;
            list.return_status = Some(status_items(lexer)?);
        }
        _ => return Err(lexer.unknown("LIST return option", &name)),
    }
    Ok(())
}

pub(super) fn lsub(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    let reference = lexer.astring("a reference name")?;
    let reference = lexer.mailbox_text(reference)?;
    lexer.space()?;
    Ok(Command::Lsub { reference, pattern: lexer.list_mailbox()? })
}

pub(super) fn status(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    let mailbox = lexer.mailbox()?;
    lexer.space()?;
    Ok(Command::Status { mailbox, items: status_items(lexer)? })
}

fn status_items(lexer: &mut Lexer) -> Parsed<Vec<StatusItem>> {
    lexer.full_list("a STATUS item", |lexer| {
        let name = lexer.word("a STATUS item")?;
        StatusItem::named(&name).ok_or_else(|| lexer.unknown("STATUS item", &name))
    })
}

/// RFC 6154 3 has the USE parameter. Attributes keep the client's spelling, "\" in front.
pub(super) fn create(lexer: &mut Lexer) -> Parsed<Command> {
    lexer.space()?;
    let mailbox = lexer.new_mailbox()?;
    let mut special_use = Vec::new();
    if lexer.eat(b' ') {
        lexer.full_list("USE", |lexer| {
            let name = lexer.word("USE")?;
            if name != "USE" {
                return Err(lexer.unknown("CREATE parameter", &name));
            }
            lexer.space()?;
            special_use = lexer.list(|lexer| {
                lexer.need(b'\\')?;
                Ok(format!("\\{}", lexer.atom("a special-use attribute")?))
            })?;
            Ok(())
        })?;
    }
    Ok(Command::Create { mailbox, special_use })
}
