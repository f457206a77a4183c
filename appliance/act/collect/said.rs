//! Outside accounts in the words of the command line.

use super::{After, ImportView, KnownView, OutsideView, ProviderView, Server, Tls};
use crate::act::words::{date_time, octets, plain, table};

pub(crate) fn printed_providers(all: &[ProviderView]) -> String {
    let one = |it: &ProviderView| {
        let mut text = format!("{}: {}\n  {}\n", it.id, it.name, it.switch_on);
        if !it.limits.is_empty() {
            text.push_str(&format!("  Its limits: {}\n", it.limits));
        }
        text
    };
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}

pub(crate) fn printed_known(known: &KnownView) -> String {
    let mut text: String = known.told.iter().map(|told| format!("{}\n", plain(told))).collect();
    let servers = [("imap", &known.imap), ("pop3", &known.pop3), ("smtp", &known.smtp)];
    for (name, server) in servers.into_iter().filter(|(_, server)| server.is_some()) {
        text.push_str(&format!("{name:14} {}\n", host(server.as_ref())));
    }
    if let Some(provider) = &known.provider {
        text.push_str(&format!("{}\n", provider.switch_on));
    }
    text
}

fn host(server: Option<&Server>) -> String {
    match server {
        Some(Server { host, port, tls }) => {
            let tls = if *tls == Tls::Implicit { "TLS" } else { "STARTTLS" };
            format!("{}, port {port}, {tls}", plain(host))
        }
        None => "none".to_string(),
    }
}

pub(crate) fn printed(all: &[OutsideView]) -> String {
    if all.is_empty() {
        return "nobody has an outside account\n".into();
    }
    let row = |it: &OutsideView| {
        let from = it.source.as_ref().map(|server| format!("{} by {}", server.host, it.kind));
        let by = it.relay.as_ref().map(|server| server.host.clone());
        let none = || "-".to_string();
        vec![
            it.login.clone(),
            plain(&it.address),
            from.unwrap_or_else(none),
            by.unwrap_or_else(none),
            it.letters.to_string(),
            if it.letter == 0 { none() } else { date_time(it.letter) },
            standing(it),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let head =
        ["account", "outside", "collected from", "leaves by", "letters", "last (UTC)", "state"];
    table(&head, &rows)
}

fn standing(it: &OutsideView) -> String {
    match it {
        OutsideView { paused: true, .. } => "paused".to_string(),
        OutsideView { error, .. } if !error.is_empty() => plain(error),
        OutsideView { looked: 0, source: Some(_), .. } => "not looked at yet".to_string(),
        _ => "good".to_string(),
    }
}

pub(crate) fn printed_one(it: &OutsideView) -> String {
    let server = |server: &Option<Server>| host(server.as_ref());
    let after = match &it.after {
        After::Keep => "stays there".to_string(),
        After::Delete(0) => "is deleted there at once".to_string(),
        After::Delete(days) => format!("is deleted there after {days} days"),
        After::Move(to) => format!("is moved there to {}", plain(to)),
    };
    let folders: Vec<String> = it.folders.iter().map(|folder| plain(folder)).collect();
    let when = |at: i64| if at == 0 { "never".into() } else { format!("{} UTC", date_time(at)) };
    let mut rows = vec![
        ("account", it.login.clone()),
        ("outside", plain(&it.address)),
        ("collected by", format!("{}: {}", it.kind, server(&it.source))),
        ("log-in", format!("{} by {}", plain(&it.user), it.way)),
        ("its mail", after),
        ("leaves by", server(&it.relay)),
        ("sent as", it.senders.join(", ")),
        ("letters", format!("{}, the last {}", it.letters, when(it.letter))),
        ("looked at", when(it.looked)),
        ("state", standing(it)),
    ];
    if !folders.is_empty() {
        rows.push(("folders", folders.join(", ")));
    }
    if let Some(shared) = &it.multidrop {
        let by = if shared.field.is_empty() { "the usual fields" } else { &shared.field };
        rows.push(("shared out", format!("mail of {} by {by}", shared.domain)));
    }
    let mut text: String =
        rows.iter().map(|(name, value)| format!("{name:14} {value}\n")).collect();
    for (sender, why) in it.waiting.iter().filter(|_| it.relay.is_some()) {
        text.push_str(&format!("not by it yet  {}: {}\n", plain(sender), plain(why)));
    }
    if let Some(import) = &it.import {
        text.push_str(&imported(import));
    }
    for it in &it.skipped {
        let size = octets(it.size);
        let (from, subject) = (plain(&it.from), plain(&it.subject));
        text.push_str(&format!("not taken      {} UTC, {size}, ", date_time(it.at)));
        text.push_str(&format!("from {from}, {subject:?}: {}\n", plain(&it.why)));
    }
    text
}

fn imported(it: &ImportView) -> String {
    let mut text = match it.stage.as_str() {
        "done" => format!(
            "import         done {} UTC: {} letters ({}) came, {} were here already, {} left out\n",
            date_time(it.ended),
            it.messages,
            octets(it.octets),
            it.already,
            it.skipped_count
        ),
        stage => format!("import         {stage} since {} UTC\n", date_time(it.began)),
    };
    if !it.error.is_empty() {
        text.push_str(&format!("import         {}\n", plain(&it.error)));
    }
    for why in &it.skipped {
        text.push_str(&format!("left out       {}\n", plain(why)));
    }
    text
}
