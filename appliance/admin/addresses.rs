//! Addresses beside those that people log in with: aliases, groups, mail that is passed on, and
//! who gets what no address takes.

use super::form::Form;
use super::http::{Reply, encoded};
use super::page::{Page, show};
use super::people::everybody;
use super::refusal;
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use crate::act::people::{AddressAct, AddressView, DomainAct, DomainView};
use crate::act::{Reply as Done, Request as Act};
use crate::limits;
use crate::wire::address::Address;
use askama::Template;

#[derive(Template)]
#[template(path = "addresses.html")]
struct Addresses<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    aliases: Vec<Alias>,
    domains: Vec<DomainView>,
    people: Vec<String>,
}

/// An address and where its mail goes.
struct Alias {
    address: String,
    targets: Vec<String>,
    /// How it was when the page was made.
    seen: String,
}

impl Alias {
    fn of(view: AddressView) -> Alias {
        let targets: Vec<String> = view.logins.into_iter().chain(view.targets).collect();
        let seen = mark(&targets);
        Alias { address: view.address, targets, seen }
    }

    fn encoded(&self) -> String {
        encoded(&self.address)
    }
}

fn mark(targets: &[String]) -> String {
    format!("{:08x}", crc32fast::hash(targets.join("\n").as_bytes()))
}

fn aliases(visit: &Visit<'_>) -> Result<Vec<Alias>, Trouble> {
    let Done::Addresses(views) = visit.ask(Act::Address(AddressAct::List))? else {
        return Ok(Vec::new());
    };
    // A log-in address that leads to its own account alone is on the page of people.
    let own = |view: &AddressView| view.primary && view.logins.len() + view.targets.len() < 2;
    Ok(views.into_iter().filter(|view| !own(view)).map(Alias::of).collect())
}

pub(super) fn page(visit: &mut Visit<'_>) -> Answer {
    show_all(visit, &Form::default())
}

fn show_all(visit: &Visit<'_>, form: &Form) -> Answer {
    let page = visit.page(visit.words.t("addresses.title"));
    let domains = match visit.ask(Act::Domain(DomainAct::List))? {
        Done::Domains(domains) => domains,
        _ => Vec::new(),
    };
    let people = everybody(visit)?.into_iter().map(|row| row.view.login).collect();
    show(&Addresses { page: &page, form, aliases: aliases(visit)?, domains, people })
}

/// `/addresses/edit?address=...`: the form with what the address is now.
pub(super) fn edit(visit: &mut Visit<'_>) -> Answer {
    let wanted = visit.request.query("address").to_string();
    let found = aliases(visit)?.into_iter().find(|alias| alias.address == wanted);
    let alias = found.ok_or(Trouble::Missing)?;
    let targets = alias.targets.join("\n");
    let values = [("address", wanted.as_str()), ("targets", &targets), ("seen", &alias.seen)];
    show_all(visit, &Form::with(&values))
}

pub(super) fn save(visit: &mut Visit<'_>) -> Answer {
    let mut form = std::mem::take(&mut visit.form);
    let address = form.line(visit.words, "address", 3, 254);
    if let (false, Err(error)) = (address.is_empty(), Address::parse(&address)) {
        form.wrong("address", &visit.words.fill("people.bad", &[&error]));
    }
    let split = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let targets: Vec<String> = form
        .raw("targets")
        .split(split)
        .filter(|target| !target.is_empty())
        .map(str::to_string)
        .collect();
    if targets.is_empty() {
        form.wrong("targets", visit.words.t("addresses.no-target"));
    } else if targets.len() > limits::ALIAS_TARGETS {
        let most = limits::ALIAS_TARGETS;
        form.wrong("targets", &visit.words.fill("addresses.many", &[&most, &targets.len()]));
    }
    let now = aliases(visit)?.into_iter().find(|it| it.address.eq_ignore_ascii_case(&address));
    let seen = form.raw("seen");
    match now {
        // Somebody made, changed or removed it while this form was filled in.
        Some(now) if !seen.is_empty() && now.seen != seen => return Err(Trouble::Changed),
        None if !seen.is_empty() => return Err(Trouble::Changed),
        Some(_) if seen.is_empty() => form.wrong("address", visit.words.t("addresses.there")),
        _ => (),
    }
    if !form.is_fine() {
        return Ok(show_all(visit, &form)?.status(422));
    }
    let act = AddressAct::Add { address: address.clone(), targets };
    match visit.act("addresses/set", &address, Act::Address(act)) {
        Ok(_) => {
            visit.say(&visit.words.fill("addresses.saved", &[&address]));
            Ok(Reply::see("/addresses"))
        }
        Err(failure) => {
            form.wrong("targets", &refusal::words(visit.words, &failure));
            Ok(show_all(visit, &form)?.status(422))
        }
    }
}

pub(super) fn remove(visit: &mut Visit<'_>) -> Answer {
    let address = visit.form.raw("address").to_string();
    let now = aliases(visit)?.into_iter().find(|alias| alias.address == address);
    if now.is_none_or(|alias| alias.seen != visit.form.raw("seen")) {
        return Err(Trouble::Changed);
    }
    let act = AddressAct::Remove { address: address.clone() };
    visit.act("addresses/remove", &address, Act::Address(act))?;
    visit.say(&visit.words.fill("addresses.removed", &[&address]));
    Ok(Reply::see("/addresses"))
}

/// Who gets what no address of a domain takes.
pub(super) fn catch_all(visit: &mut Visit<'_>) -> Answer {
    let domain = visit.form.raw("domain").to_string();
    let login = Some(visit.form.raw("login").to_string()).filter(|login| !login.is_empty());
    let about = format!("{domain} {}", login.as_deref().unwrap_or("-"));
    visit.act("addresses/catch-all", &about, Act::Domain(DomainAct::CatchAll { domain, login }))?;
    visit.say(visit.words.t("addresses.catch-all-saved"));
    Ok(Reply::see("/addresses"))
}
