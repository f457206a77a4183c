//! The list of people, and how somebody comes into it.

use super::{Row, back, domains, everybody, hand, made_up};
use crate::act::people::{AccountAct, Newcomer, Password};
use crate::act::{Reply as Done, Request as Act};
use crate::admin::form::Form;
use crate::admin::http::Reply;
use crate::admin::page::{Page, show};
use crate::admin::refusal;
use crate::admin::routes::{Answer, Visit};
use crate::admin::setup;
use crate::limits;
use crate::wire::address::Address;
use askama::Template;

#[derive(Template)]
#[template(path = "people.html")]
struct People<'a> {
    page: &'a Page<'a>,
    form: &'a Form,
    people: Vec<Row>,
    domains: Vec<String>,
    /// What is wrong with the list that was pasted.
    wrong: &'a [Wrong],
    from: &'static str,
}

/// What is wrong with a line of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub line: usize,
    pub why: String,
}

pub(in crate::admin) fn page(visit: &mut Visit<'_>) -> Answer {
    show_list(visit, &Form::default(), &[])
}

fn show_list(visit: &Visit<'_>, form: &Form, wrong: &[Wrong]) -> Answer {
    if form.raw("from") == "setup" {
        return setup::people::show_step(visit, form, wrong);
    }
    let page = visit.page(visit.words.t("people.title"));
    let (people, domains) = (everybody(visit)?, domains(visit)?);
    show(&People { page: &page, form, people, domains, wrong, from: "" })
}

/// Names that every domain has by itself, for mail to whoever keeps it.
const RESERVED: [&str; 3] = ["postmaster", "abuse", "mailer-daemon"];

pub(in crate::admin) fn add(visit: &mut Visit<'_>) -> Answer {
    let back = back(visit);
    let mut form = std::mem::take(&mut visit.form);
    let name = form.line(visit.words, "name", 1, limits::PERSON_NAME_LETTERS);
    let typed = form.line(visit.words, "address", 1, 254);
    let domains = domains(visit)?;
    let whole = whole(&typed, form.value("domain"), &domains);
    let known = everybody(visit)?;
    let is_there = |it: &str| known.iter().any(|row| row.view.login.eq_ignore_ascii_case(it));
    let fault = check(visit, &whole, &domains, &is_there);
    if let (false, Err(why)) = (typed.is_empty(), &fault) {
        form.wrong("address", why);
    }
    if !form.is_fine() {
        return Ok(show_list(visit, &form, &[])?.status(422));
    }
    let (quota, password) = (limits::QUOTA_BYTES, made_up()?);
    let act = AccountAct::Add { address: whole.clone(), name, quota, password };
    match visit.act("people/add", &whole, Act::Account(act)) {
        Ok(Done::Password(set)) => hand(visit, &[set], back),
        Ok(_) => Ok(Reply::see(back)),
        Err(failure) => {
            form.wrong("address", &refusal::words(visit.words, &failure));
            Ok(show_list(visit, &form, &[])?.status(422))
        }
    }
}

/// An address without a domain is of the one that was chosen.
fn whole(typed: &str, domain: &str, domains: &[String]) -> String {
    if typed.contains('@') {
        return typed.to_string();
    }
    let chosen = domains.iter().find(|it| *it == domain).or(domains.first());
    format!("{typed}@{}", chosen.map_or("", String::as_str))
}

/// Can somebody have this address?
fn check(
    visit: &Visit<'_>,
    address: &str,
    domains: &[String],
    is_there: &dyn Fn(&str) -> bool,
) -> Result<Address, String> {
    let words = visit.words;
    let parsed = Address::parse(address).map_err(|error| words.fill("people.bad", &[&error]))?;
    if !domains.iter().any(|it| it == parsed.domain()) {
        return Err(words.fill("people.foreign", &[&parsed.domain()]));
    }
    if RESERVED.contains(&parsed.local_folded().as_str()) {
        return Err(words.fill("people.reserved", &[&parsed.local()]));
    }
    if is_there(&parsed.to_string()) {
        return Err(words.fill("people.there", &[&parsed]));
    }
    Ok(parsed)
}

/// A pasted list: "name, address" or "name, address, password" on each line. All of it or nothing.
pub(in crate::admin) fn paste(visit: &mut Visit<'_>) -> Answer {
    let back = back(visit);
    let mut form = std::mem::take(&mut visit.form);
    let (newcomers, mut wrong) = read(visit, form.raw("list"))?;
    if newcomers.is_empty() && wrong.is_empty() {
        form.wrong("list", visit.words.t("form.empty"));
    }
    if !wrong.is_empty() {
        wrong.truncate(limits::PAGE_ROWS);
        form.wrong("list", visit.words.t("people.list-wrong"));
    }
    if !form.is_fine() {
        return Ok(show_list(visit, &form, &wrong)?.status(422));
    }
    let about = newcomers.len().to_string();
    match visit.act("people/add-list", &about, Act::Account(AccountAct::AddAll { newcomers })) {
        Ok(Done::Passwords(set)) => hand(visit, &set, back),
        Ok(_) => Ok(Reply::see(back)),
        Err(failure) => {
            form.wrong("list", &refusal::words(visit.words, &failure));
            Ok(show_list(visit, &form, &[])?.status(422))
        }
    }
}

/// The people of a list, and what is wrong with its lines.
fn read(
    visit: &Visit<'_>,
    text: &str,
) -> Result<(Vec<Newcomer>, Vec<Wrong>), crate::admin::trouble::Trouble> {
    let (domains, known) = (domains(visit)?, everybody(visit)?);
    let (mut newcomers, mut wrong): (Vec<Newcomer>, Vec<Wrong>) = (Vec::new(), Vec::new());
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let cells = cells(line);
        if line.trim().is_empty() || is_heading(number, &cells) {
            continue;
        }
        let mut fault = |why: String| wrong.push(Wrong { line: number + 1, why });
        let (name, address, password) = match cells.as_slice() {
            [name, address] => (name, address, ""),
            [name, address, password] => (name, address, password.as_str()),
            _ => {
                fault(visit.words.fill("people.cells", &[&cells.len()]));
                continue;
            }
        };
        if name.is_empty() || name.chars().count() > limits::PERSON_NAME_LETTERS {
            fault(visit.words.t("people.no-name").to_string());
            continue;
        }
        let there = |it: &str| {
            let same = |other: &str| other.eq_ignore_ascii_case(it);
            known.iter().any(|row| same(&row.view.login))
                || newcomers.iter().any(|newcomer| same(&newcomer.address))
        };
        match check(visit, &whole(address, "", &domains), &domains, &there) {
            Err(why) => fault(why),
            Ok(_) if newcomers.len() >= limits::PEOPLE_AT_ONCE => {
                fault(visit.words.fill("people.many", &[&limits::PEOPLE_AT_ONCE]));
                break;
            }
            Ok(address) => newcomers.push(Newcomer {
                address: address.to_string(),
                name: name.clone(),
                quota: limits::QUOTA_BYTES,
                password: match password {
                    "" => made_up()?,
                    text => Password { text: text.to_string(), made_up: false },
                },
            }),
        }
    }
    Ok((newcomers, wrong))
}

/// The first line may say what the columns are.
fn is_heading(number: usize, cells: &[String]) -> bool {
    let first = cells.first().map(|cell| cell.to_lowercase());
    number == 0 && matches!(first.as_deref(), Some("name" | "person" | "full name"))
}

/// RFC 4180 2: cells may be in quotes; tables from elsewhere have semicolons or tabs
fn cells(line: &str) -> Vec<String> {
    let mark = [';', '\t'].into_iter().find(|mark| line.contains(*mark)).unwrap_or(',');
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c == mark && !quoted => cells.push(String::new()),
            c => cells.last_mut().into_iter().for_each(|cell| cell.push(c)),
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_string()).collect()
}
