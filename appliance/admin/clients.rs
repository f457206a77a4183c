//! How a person's devices and programs are set up: for the owner of anybody, for a person of
//! themselves.

use super::house::House;
use super::http::Reply;
use super::page::{Page, show};
use super::routes::{Answer, Visit};
use super::trouble::Trouble;
use super::who::Who;
use crate::act::people::{AccountAct, AccountView};
use crate::act::{Reply as Done, Request as Act};
use crate::clients::apple::{self, Person};
use crate::clients::typed::{self, Program, Value};
use crate::clients::{Offer, qr};
use crate::net::tls;
use askama::Template;

#[derive(Template)]
#[template(path = "clients.html")]
struct Clients<'a> {
    page: &'a Page<'a>,
    name: String,
    address: String,
    /// The picture of the address that a phone opens, and that address.
    code: Option<String>,
    there: String,
    profile: Option<String>,
    programs: Vec<Program>,
}

/// `/people/{}/clients`
pub(super) fn of_anybody(visit: &mut Visit<'_>) -> Answer {
    let login = visit.part(0).to_string();
    show_for(visit, &login, &format!("/people/{login}/apple"))
}

/// `/my/clients`
pub(super) fn own(visit: &mut Visit<'_>) -> Answer {
    let login = own_login(visit)?;
    show_for(visit, &login, "/my/apple")
}

/// `/people/{}/apple`
pub(super) fn apple_of_anybody(visit: &mut Visit<'_>) -> Answer {
    let login = visit.part(0).to_string();
    profile(visit, &login)
}

/// `/my/apple`
pub(super) fn own_apple(visit: &mut Visit<'_>) -> Answer {
    let login = own_login(visit)?;
    profile(visit, &login)
}

fn own_login(visit: &Visit<'_>) -> Result<String, Trouble> {
    match visit.who() {
        Who::Person { login, .. } => Ok(login.clone()),
        _ => Err(Trouble::Missing),
    }
}

fn account(visit: &Visit<'_>, login: &str) -> Result<AccountView, Trouble> {
    let act = AccountAct::Show { login: login.to_string() };
    match visit.ask(Act::Account(act)) {
        Ok(Done::Account(view)) => Ok(view),
        _ => Err(Trouble::Missing),
    }
}

/// Where each person finds their own page.
pub(super) fn own_address(visit: &Visit<'_>) -> String {
    let settings = visit.house.settings();
    let port = match settings.ports.https {
        443 => String::new(),
        port => format!(":{port}"),
    };
    format!("https://{}{port}/my/clients", settings.host)
}

fn show_for(visit: &mut Visit<'_>, login: &str, profile: &str) -> Answer {
    let account = account(visit, login)?;
    let settings = visit.house.settings();
    let offer = Offer::of(&settings);
    let there = own_address(visit);
    let code = qr::svg(&there, visit.words.t("clients.code"));
    let programs = typed::programs(&offer, &account.name, &account.login);
    let profile = (!programs.is_empty()).then(|| profile.to_string());
    let page = visit.page(visit.words.t("clients.title"));
    let (name, address) = (account.name, account.login);
    show(&Clients { page: &page, name, address, code, there, profile, programs })
}

/// A file for Apple's devices, with the box's own authority where that signs the certificate.
fn profile(visit: &mut Visit<'_>, login: &str) -> Answer {
    let account = account(visit, login)?;
    apple_file(visit.house, &account).ok_or(Trouble::Missing)
}

/// `None`: there is nothing for them to connect to.
pub(super) fn apple_file(house: &House, account: &AccountView) -> Option<Reply> {
    let settings = house.settings();
    let person = Person { address: &account.login, name: &account.name };
    let authority = match house.is_proven() {
        true => None,
        false => tls::own_authority(&house.data.join("tls")).ok(),
    };
    let text = apple::profile(&Offer::of(&settings), person, authority.as_deref())?;
    let name = format!("{}.mobileconfig", account.login.replace('@', "-"));
    Some(Reply::file("application/x-apple-aspen-config", &name, text.into_bytes()))
}
