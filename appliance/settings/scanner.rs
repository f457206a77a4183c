//! Devices that send mail and know no more than plain SMTP: `[scanner]`, off without it.
//!
//! ```text
//! [scanner]            listen: addresses of this machine on the LAN; port; tls
//! [[scanner.device]]   name, address or account, from, outside, per_day
//! ```

use super::checks::Network;
use super::{Fault, address, fault};
use crate::limits;
use crate::wire::address::Address;
use serde::Deserialize;
use std::fmt::Write;
use std::net::IpAddr;
use toml::Spanned;

/// The door for devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanner {
    /// At least one, and none that stands for every address.
    pub listen: Vec<IpAddr>,
    pub port: u16,
    pub tls: ScannerTls,
    /// At least one.
    pub devices: Vec<Device>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ScannerTls {
    /// Plain; a device that knows STARTTLS may use it.
    Plain,
    /// From the first octet, as on port 465.
    Implicit,
}

/// What one device, or several alike, may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    /// For lists and limits.
    pub name: String,
    pub who: Who,
    /// The senders it may use, in the envelope and in From. At least one.
    pub from: Vec<Address>,
    /// May it write to others than people of this box?
    pub outside: bool,
    /// Recipients in a day.
    pub per_day: u32,
}

/// By what a device is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Network(Network),
    /// It logs in as this account.
    Account(String),
}

/// The section with words for the owner.
pub(super) fn print(scanner: Option<&Scanner>) -> String {
    let mut text = "\n# For scanners and printers that know only plain SMTP: a section [scanner] \
                    with listen\n\
                    # (addresses of this machine on the LAN), port, tls (\"plain\", \"implicit\"), \
                    and for each\n\
                    # device [[scanner.device]] with name, address (or account), from, outside, \
                    per_day.\n"
        .to_string();
    let Some(Scanner { listen, port, tls, devices }) = scanner else { return text };
    let list = |items: Vec<String>| {
        items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ")
    };
    let listen = list(listen.iter().map(IpAddr::to_string).collect());
    let tls = match tls {
        ScannerTls::Plain => "plain",
        ScannerTls::Implicit => "implicit",
    };
    let _ = write!(text, "[scanner]\nlisten = [{listen}]\nport = {port}\ntls = {tls:?}\n");
    for Device { name, who, from, outside, per_day } in devices {
        let who = match who {
            Who::Network(network) => format!("address = \"{network}\""),
            Who::Account(login) => format!("account = {login:?}"),
        };
        let from = list(from.iter().map(Address::to_string).collect());
        let _ = write!(
            text,
            "[[scanner.device]]\nname = {name:?}\n{who}\nfrom = [{from}]\noutside = {outside}\n\
             per_day = {per_day}\n"
        );
    }
    text
}

// ---- the section as it is written ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScanner {
    listen: Spanned<Vec<Spanned<String>>>,
    port: Option<Spanned<u16>>,
    tls: Option<ScannerTls>,
    #[serde(default)]
    device: Vec<Spanned<WrittenDevice>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDevice {
    name: Spanned<String>,
    address: Option<Spanned<String>>,
    account: Option<Spanned<String>>,
    from: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    outside: bool,
    per_day: Option<Spanned<u32>>,
}

pub(super) fn scanner(written: &Spanned<WrittenScanner>) -> Result<Scanner, Fault> {
    let WrittenScanner { listen, port, tls, device } = written.get_ref();
    let addresses = listen.get_ref().iter().map(address).collect::<Result<Vec<_>, _>>()?;
    if addresses.is_empty() || addresses.iter().any(IpAddr::is_unspecified) {
        let why = "listen must name the addresses of this machine on the LAN, and not every one: \
                   this door is not for the internet";
        return Err(fault(listen, why));
    }
    let port = match port {
        None => limits::SCANNER_PORT,
        Some(port) if *port.get_ref() > 0 => *port.get_ref(),
        Some(port) => return Err(fault(port, "leave out the whole section to switch it off")),
    };
    if device.is_empty() {
        return Err(fault(written, "nobody may use it: add a [[scanner.device]]"));
    }
    let mut devices: Vec<Device> = Vec::new();
    for written in device {
        let device = one(written)?;
        if devices.iter().any(|other| other.name == device.name) {
            return Err(fault(&written.get_ref().name, "two devices have this name"));
        }
        devices.push(device);
    }
    Ok(Scanner { listen: addresses, port, tls: tls.unwrap_or(ScannerTls::Plain), devices })
}

fn one(written: &Spanned<WrittenDevice>) -> Result<Device, Fault> {
    let WrittenDevice { name, address, account, from, outside, per_day } = written.get_ref();
    if name.get_ref().trim().is_empty() || name.get_ref().len() > limits::LABEL_BYTES {
        return Err(fault(name, "name the device, as \"copier on the second floor\""));
    }
    let who = match (address, account) {
        (Some(address), None) => {
            let why = "must be an address or a prefix, as \"192.168.1.50\" or \"192.168.1.0/28\"";
            let network = Network::parse(address.get_ref()).ok_or_else(|| fault(address, why))?;
            Who::Network(network)
        }
        (None, Some(account)) => Who::Account(mailbox(account)?.to_string().to_lowercase()),
        _ => {
            let why = "a device is known by its address or by the account it logs in as: give one";
            return Err(fault(written, why));
        }
    };
    let senders = from.get_ref().iter().map(mailbox).collect::<Result<Vec<_>, _>>()?;
    if senders.is_empty() {
        return Err(fault(from, "name the senders that the device may use"));
    }
    let most = limits::SENT_PER_DAY_AT_MOST;
    let per_day = match per_day {
        None => limits::SCANNER_PER_DAY,
        Some(count) if (1..=most).contains(count.get_ref()) => *count.get_ref(),
        Some(count) => return Err(fault(count, format!("must be from 1 to {most}"))),
    };
    Ok(Device { name: name.get_ref().clone(), who, from: senders, outside: *outside, per_day })
}

fn mailbox(written: &Spanned<String>) -> Result<Address, Fault> {
    let text = written.get_ref();
    Address::parse(text).map_err(|why| fault(written, format!("{text:?}: {why}")))
}
