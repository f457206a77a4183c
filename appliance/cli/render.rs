//! Replies in words and tables, for people.

use crate::act::check::{Finding, State};
use crate::act::collect;
use crate::act::dns;
use crate::act::outbox::{OutgoingView, RecipientView};
use crate::act::people::{AccountView, AddressView, DomainView, FoundView, PasswordSet};
use crate::act::records;
use crate::act::tls;
use crate::act::token;
use crate::act::update;
use crate::act::words::{date_time, octets, plain, table};
use crate::act::{Reply, Step, Story, Verified};

pub(crate) fn text(reply: &Reply) -> String {
    match reply {
        Reply::Done(what) => format!("{what}\n"),
        Reply::Certificate(view) => crate::act::certificate::printed(view),
        Reply::Accounts(accounts) => accounts_table(accounts),
        Reply::Account(account) => account_sheet(account),
        Reply::Password(set) => password(set),
        Reply::Passwords(all) => all.iter().map(password).collect(),
        Reply::Domains(all) => domains(all),
        Reply::Addresses(addresses) => {
            let kind = |primary: bool| if primary { "log-in" } else { "alias" };
            let row = |a: &AddressView| {
                let all = [a.logins.as_slice(), a.targets.as_slice()].concat();
                vec![a.address.clone(), kind(a.primary).into(), all.join(", ")]
            };
            let rows: Vec<_> = addresses.iter().map(row).collect();
            table(&["address", "kind", "goes to"], &rows)
        }
        Reply::Found(found) => self::found(found),
        Reply::Outbox(messages) => outbox(messages),
        Reply::Outgoing(message) => outgoing(message),
        Reply::TlsDays(days) => tls::printed_days(days),
        Reply::StsPolicies(policies) => tls::printed_policies(policies),
        Reply::Stories(stories) => self::stories(stories),
        Reply::Log(lines) => lines.iter().map(|line| format!("{}\n", plain(line))).collect(),
        Reply::Space { file, used, .. } => {
            format!("the store takes {}, of which {} are in use\n", octets(*file), octets(*used))
        }
        Reply::Verified(verified) => self::verified(verified),
        Reply::LastCheck(last) => {
            let words = |last: &crate::act::LastCheck| {
                format!("checked {} UTC, {} faults\n", date_time(last.at), last.faults)
            };
            last.as_ref().map_or_else(|| "not checked yet\n".to_string(), words)
        }
        Reply::Copied(copied) => crate::act::backup::printed(copied),
        Reply::Compacted { before, after } => {
            format!("the store takes {} now, {} before\n", octets(*after), octets(*before))
        }
        Reply::Imported(imported) => format!("{imported}\n"),
        Reply::Moves(all) => crate::act::moving::printed(all),
        Reply::ImportedMany(all) => crate::act::transfer::many::printed(all),
        Reply::Exported(exported) => format!("{exported}\n"),
        Reply::Salvaged(back) => super::salvaged::text(back),
        Reply::Checked(findings) => checked(findings),
        Reply::Records(all) => records::printed(all),
        Reply::Pairs(pairs) => dns::printed_pairs(pairs),
        Reply::Tokens(tokens) => token::printed(tokens),
        Reply::Outsides(all) => collect::said::printed(all),
        Reply::SignIn(view) => collect::sign_in::printed(view),
        Reply::SignInWaits(_) => "nobody has typed in the code yet\n".to_string(),
        Reply::Providers(all) => collect::said::printed_providers(all),
        Reply::Known(known) => collect::said::printed_known(known),
        Reply::Outside(one) => collect::said::printed_one(one),
        Reply::Token(made) => token::printed_new(made),
        Reply::Update(view) => update::printed(view),
    }
}

fn domains(all: &[DomainView]) -> String {
    let row = |it: &DomainView| {
        let catch_all = it.catch_all.clone().unwrap_or_else(|| "-".into());
        let postmaster = it.postmaster.clone().unwrap_or_else(|| "-".into());
        vec![it.domain.clone(), it.addresses.to_string(), catch_all, postmaster]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table(&["domain", "addresses", "catch-all", "postmaster"], &rows)
}

fn accounts_table(accounts: &[AccountView]) -> String {
    let row = |a: &AccountView| {
        let state = match a.days_left {
            Some(days) => format!("closed, {days} days left"),
            None if a.suspended => "suspended".to_string(),
            None => "active".to_string(),
        };
        let room = if a.quota == 0 { "no limit".into() } else { octets(a.quota) };
        vec![a.login.clone(), plain(&a.name), a.messages.to_string(), octets(a.used), room, state]
    };
    let rows: Vec<_> = accounts.iter().map(row).collect();
    table(&["account", "name", "messages", "used", "room", "state"], &rows)
}

fn account_sheet(account: &AccountView) -> String {
    let room = if account.quota == 0 { "no limit".into() } else { octets(account.quota) };
    let apps = account.app_passwords.iter().map(|label| plain(label)).collect::<Vec<_>>();
    let state = match account.days_left {
        Some(days) => format!("closed: its mail is removed in {days} days"),
        None if account.suspended => "suspended: may not log in".to_string(),
        None => "active".to_string(),
    };
    let used = format!("{} in {} messages", octets(account.used), account.messages);
    let or_none = |text: String| if text.is_empty() { "none".to_string() } else { text };
    let rows = [
        ("account", account.login.clone()),
        ("name", or_none(plain(&account.name))),
        ("state", state),
        ("used", used),
        ("room", room),
        ("addresses", account.addresses.join(", ")),
        ("app passwords", or_none(apps.join(", "))),
        ("since", format!("{} UTC", date_time(account.created))),
    ];
    rows.iter().map(|(name, value)| format!("{name:14} {value}\n")).collect()
}

fn password(set: &PasswordSet) -> String {
    match &set.password {
        Some(password) => format!(
            "{}: {}: {password}\nIt is shown only this once.\n",
            set.login,
            plain(&set.label)
        ),
        None => format!("{}: {}: set as given\n", set.login, plain(&set.label)),
    }
}

fn found(found: &FoundView) -> String {
    let address = &found.address;
    match found.leads.as_str() {
        "accounts" if found.via.starts_with('@') => format!(
            "mail to {address} goes to {}, the catch-all of {}\n",
            found.logins.join(", "),
            &found.via[1..]
        ),
        "accounts" => {
            let all = [found.logins.as_slice(), found.outside.as_slice()].concat();
            format!("mail to {address} goes to {} (by {})\n", all.join(", "), found.via)
        }
        "unknown" => format!("mail to {address} is refused: no such address here\n"),
        _ => format!("{address} is at home elsewhere\n"),
    }
}

fn outbox(messages: &[OutgoingView]) -> String {
    if messages.is_empty() {
        return "the outbox is empty\n".into();
    }
    let row = |message: &OutgoingView| {
        let open = |r: &&RecipientView| matches!(r.state.as_str(), "waiting" | "held");
        let left: Vec<&RecipientView> = message.recipients.iter().filter(open).collect();
        let to = match left.as_slice() {
            [] => String::new(),
            [one] => one.address.clone(),
            [first, more @ ..] => format!("{} and {} more", first.address, more.len()),
        };
        let next = left.iter().filter_map(|recipient| recipient.next).min();
        let why = left.iter().map(|recipient| &recipient.why).find(|why| !why.is_empty());
        vec![
            message.id.clone(),
            sender(&message.from),
            plain(&to),
            next.map_or_else(|| "held".to_string(), date_time),
            why.map_or_else(|| "not tried yet".to_string(), |why| plain(why)),
        ]
    };
    let rows: Vec<_> = messages.iter().map(row).collect();
    table(&["message", "from", "to", "next try (UTC)", "why it waits"], &rows)
}

fn outgoing(message: &OutgoingView) -> String {
    let mut text = format!("Message {} from {}\n", message.id, sender(&message.from));
    text.push_str(&format!("  size  {}\n", octets(message.size)));
    text.push_str(&format!("  since {} UTC\n", date_time(message.created)));
    for recipient in &message.recipients {
        let address = plain(&recipient.address);
        let tries = recipient.tries;
        text.push_str(&format!("  {address}: {} after {tries} tries\n", recipient.state));
        if let Some(next) = recipient.next {
            text.push_str(&format!("    the next try is at {} UTC\n", date_time(next)));
        }
        if !recipient.why.is_empty() {
            text.push_str(&format!("    {}\n", plain(&recipient.why)));
        }
        if !recipient.secured.is_empty() {
            text.push_str(&format!("    the connection was {}\n", plain(&recipient.secured)));
        }
        if !recipient.reply.is_empty() {
            let server = plain(&recipient.server);
            text.push_str(&format!("    {server} said: {}\n", plain(&recipient.reply)));
        }
    }
    text
}

fn sender(from: &str) -> String {
    if from.is_empty() { "nobody (a report)".to_string() } else { plain(from) }
}

fn stories(stories: &[Story]) -> String {
    if stories.is_empty() {
        return "no message is known of which this is true; stories are kept 90 days\n".into();
    }
    stories.iter().map(story).collect::<Vec<_>>().join("\n")
}

fn story(story: &Story) -> String {
    let subject = if story.subject.is_empty() { "(no subject)" } else { &story.subject };
    let from = if story.from.is_empty() { "nobody (a delivery report)" } else { &story.from };
    let mut text = format!("Message {}: {}\n", story.id, plain(subject));
    text.push_str(&format!("  from {}\n", plain(from)));
    if !story.to.is_empty() {
        text.push_str(&format!("  to   {}\n", plain(&story.to.join(", "))));
    }
    if story.size > 0 {
        text.push_str(&format!("  size {}\n", octets(story.size)));
    }
    for step in &story.steps {
        text.push_str(&self::step(step));
    }
    text
}

fn step(step: &Step) -> String {
    let mut text = format!("  {} UTC  ", date_time(step.at));
    if !step.recipient.is_empty() {
        text.push_str(&format!("{}: ", plain(&step.recipient)));
    }
    let said = if step.text.is_empty() { &step.what } else { &step.text };
    text.push_str(&format!("{}\n", plain(said)));
    if !step.reply.is_empty() {
        text.push_str(&format!("{:27}the reply was: {}\n", "", plain(step.reply.trim_end())));
    }
    text
}

fn verified(verified: &Verified) -> String {
    let Verified { accounts, messages, bodies, octets: size, later, faults } = verified;
    let size = octets(*size);
    let later = match later {
        0 => String::new(),
        later => format!(", {later} rows of a later version"),
    };
    let seen = format!("{accounts} accounts, {messages} messages, {bodies} bodies ({size}){later}");
    if faults.is_empty() {
        return format!("{seen}: nothing is damaged\n");
    }
    let list: String = faults.iter().map(|fault| format!("  {}\n", plain(fault))).collect();
    format!("{seen}: {} faults\n{list}", faults.len())
}

fn checked(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let state = match finding.state {
            State::Ok => "OK   ",
            State::Warn => "warn ",
            State::Wrong => "WRONG",
        };
        text.push_str(&format!("{state}  {}: {}\n", finding.what, plain(&finding.meaning)));
        if !finding.remedy.is_empty() {
            text.push_str(&format!("       what to do: {}\n", finding.remedy));
        }
    }
    text
}
