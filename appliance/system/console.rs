//! The console: how the box is, on its screen (tty1) and line by line on the serial port.

use super::init::Booted;
use super::init::reset::UNFINISHED;
use super::syscall::{Program, Source, System};
use crate::limits;
use crate::request::{ClockState, Code, DeviceId, From, Health, Mail, Message, StoreState};
use crate::update::slot::{Slot, Standing};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use std::collections::VecDeque;
use std::fmt::Write;
use std::net::IpAddr;
use time::OffsetDateTime;

const SCREEN: &str = "/dev/tty1";
const SERIAL: &str = "/dev/console";

/// All that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub name: String,
    /// Of the system; the program's own until it is read.
    pub version: String,
    pub slot: Option<Slot>,
    pub on_trial: bool,
    pub clock: ClockState,
    /// Seconds since 1970.
    pub now: i64,
    pub link: Option<bool>,
    pub hardware: Option<[u8; 6]>,
    pub addresses: Vec<(IpAddr, u8, From)>,
    /// What netd said last.
    pub network: String,
    pub health: Option<Health>,
    pub code: Option<Code>,
    /// What a reset of everything has to name.
    pub device: Option<DeviceId>,
    /// The menu of the screen, while it is open.
    pub menu: Vec<String>,
    /// The words of the key of the box's certificate.
    pub key: Option<String>,
    pub preset_wrong: Option<String>,
    pub repair: Option<String>,
    /// What an update does.
    pub update: Option<String>,
    pub troubles: VecDeque<String>,
}

impl View {
    pub(crate) fn new(booted: &Booted) -> View {
        View {
            name: limits::HOST_NAME.to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            slot: booted.slot,
            on_trial: booted.standing == Standing::OnTrial,
            clock: booted.clock,
            now: 0,
            link: None,
            hardware: None,
            addresses: Vec::new(),
            network: String::new(),
            health: None,
            code: booted.code,
            device: booted.device,
            menu: Vec::new(),
            key: None,
            preset_wrong: None,
            repair: booted.repair.clone(),
            update: None,
            troubles: booted
                .faults
                .iter()
                .rev()
                .take(limits::CONSOLE_TROUBLES)
                .rev()
                .cloned()
                .collect(),
        }
    }

    pub(crate) fn store(&self) -> Option<StoreState> {
        self.health.map(|health| health.store)
    }

    pub(crate) fn trouble(&mut self, what: &str) {
        if self.troubles.len() >= limits::CONSOLE_TROUBLES {
            self.troubles.pop_front();
        }
        self.troubles.push_back(what.to_string());
    }

    pub(crate) fn ended(&mut self, program: &Program, ends: usize) {
        if ends > 1 {
            self.trouble(&format!("{} ended {ends} times in the last hour", program.name()));
        }
    }

    /// What netd says.
    pub(crate) fn network(&mut self, message: Message) {
        match message {
            Message::Link { up, hardware } => {
                self.link = Some(up);
                self.hardware = Some(hardware);
            }
            Message::Address { address, prefix, from } => {
                self.addresses.retain(|(known, ..)| *known != address);
                self.addresses.push((address, prefix, from));
                self.addresses.truncate(limits::CONSOLE_ADDRESSES);
                // The one that a person types stands first.
                self.addresses.sort_by_key(|(address, _, from)| (address.is_ipv6(), *from as u8));
            }
            Message::AddressGone(gone) => self.addresses.retain(|(known, ..)| *known != gone),
            Message::Told(words) => self.network = words.text().to_string(),
            _ => (),
        }
    }

    /// What netd said of the link and the addresses, for a server that starts later.
    pub(crate) fn told(&self) -> Vec<Message> {
        let link = self.link.zip(self.hardware);
        let link = link.map(|(up, hardware)| Message::Link { up, hardware });
        let address = |(address, prefix, from): &(IpAddr, u8, From)| Message::Address {
            address: *address,
            prefix: *prefix,
            from: *from,
        };
        link.into_iter().chain(self.addresses.iter().map(address)).collect()
    }

    /// The address of the box's page; by number, since not every phone knows mDNS.
    fn page(&self) -> Option<String> {
        let (address, ..) = self.addresses.iter().find(|(address, ..)| address.is_ipv4())?;
        Some(format!("http://{address}/"))
    }

    fn clock_line(&self) -> String {
        let at = OffsetDateTime::from_unix_timestamp(self.now).ok();
        let at = at.map_or_else(String::new, |at| {
            format!(
                "{:04}-{:02}-{:02} {:02}:{:02} UTC",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute()
            )
        });
        let state = match self.clock {
            ClockState::Floor => "not set yet, at least this late",
            ClockState::Plausible => "plausible",
            ClockState::Synced => "synced",
        };
        format!("{at} ({state})")
    }

    fn network_line(&self) -> String {
        match (self.link, self.addresses.as_slice()) {
            (None, _) => "no network adapter".to_string(),
            (Some(false), _) => "no cable".to_string(),
            (Some(true), []) => "looking for an address".to_string(),
            (Some(true), addresses) => {
                let list: Vec<String> = addresses
                    .iter()
                    .map(|(address, _, from)| format!("{address} ({})", word(*from)))
                    .collect();
                list.join(", ")
            }
        }
    }

    fn mail_line(&self) -> &'static str {
        match (&self.repair, self.health) {
            (Some(_), _) => "stopped for repair",
            (None, None) => "starting",
            (None, Some(health)) => match (health.mail, health.store) {
                (_, StoreState::Failing) => "the store fails",
                (Mail::Closed, _) => "closed until there is a domain",
                (Mail::Open, StoreState::Full) => "new mail is put off: the disk is full",
                (Mail::Open, StoreState::Good) => "good",
            },
        }
    }

    fn slot_line(&self) -> String {
        let slot = self.slot.map_or("?", Slot::name);
        let trial = if self.on_trial { ", on trial" } else { "" };
        format!("{} slot {slot}{trial}", self.version)
    }

    /// The lines, in their order on both consoles.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("Mailroom {}", self.slot_line()),
            format!("name      {}.local", self.name),
            format!("network   {}", self.network_line()),
        ];
        if !self.network.is_empty() {
            lines.push(format!("          {}", self.network));
        }
        lines.push(format!("clock     {}", self.clock_line()));
        lines.push(format!("mail      {}", self.mail_line()));
        if let Some(health) = self.health {
            let Health { accounts, waiting, .. } = health;
            let of = |count: u32, one: &str, some: &str| match count {
                1 => format!("1 {one}"),
                _ => format!("{count} {some}"),
            };
            let accounts = of(accounts, "account", "accounts");
            let waiting = of(waiting, "message waits", "messages wait");
            lines.push(format!("          {accounts}, {waiting} to leave"));
        }
        if let Some(device) = self.device {
            lines.push(format!("device    {device}"));
        }
        if let Some(code) = self.code {
            lines.push(format!("setup code {code}"));
        }
        if let Some(key) = &self.key {
            lines.push(format!("key       {key}"));
        }
        if let Some(wrong) = &self.preset_wrong {
            lines.push(format!("mailroom.toml was not taken: {wrong}"));
        }
        if let Some(update) = &self.update {
            lines.push(format!("update    {update}"));
        }
        if let Some(why) = &self.repair {
            lines.push(format!("REPAIR    {why}"));
            if !why.starts_with(UNFINISHED) {
                let rest = "No mail is lost. The data partition is left as it is.";
                lines.push(format!("          {rest}"));
            }
        }
        lines.extend(self.troubles.iter().map(|trouble| format!("!         {trouble}")));
        lines
    }

    /// The page of the screen, with the code of the box's address for phones, or the menu.
    pub(crate) fn page_text(&self) -> String {
        let mut text = String::new();
        for line in self.lines() {
            let _ = writeln!(text, "{line}");
        }
        if !self.menu.is_empty() {
            text.push('\n');
            for line in &self.menu {
                let _ = writeln!(text, "{line}");
            }
        } else if let Some(page) = self.page() {
            let code = QrCode::with_error_correction_level(page.as_bytes(), EcLevel::L);
            let _ = write!(text, "\n{page}\n");
            if let Ok(code) = code {
                // What the library calls dark is ink, and on a screen ink is light: what is light
                // on paper has to be lit, or many phones do not read it.
                let drawn = code
                    .render::<Dense1x2>()
                    .dark_color(Dense1x2::Light)
                    .light_color(Dense1x2::Dark)
                    .build();
                let _ = writeln!(text, "{drawn}");
            }
        }
        text
    }
}

fn word(from: From) -> &'static str {
    match from {
        From::Dhcp => "DHCP",
        From::LinkLocal => "link-local",
        From::Static => "static",
        From::Router => "from the router",
    }
}

/// What was shown last.
#[derive(Debug, Default)]
pub(crate) struct Console {
    screen: String,
    serial: Vec<String>,
}

impl Console {
    /// What the menu says at one terminal: on the screen until it says something else.
    pub(crate) fn menu(
        &mut self,
        system: &mut dyn System,
        view: &mut View,
        source: Source,
        lines: Vec<String>,
    ) {
        match source {
            Source::Screen => {
                // What was typed stands somewhere on it.
                self.screen.clear();
                view.menu = lines;
            }
            Source::Serial => {
                let text: String =
                    lines.into_iter().map(|line| format!("box: menu      {line}\r\n")).collect();
                // As every other line.
                let _ = system.put(SERIAL, text.as_bytes());
            }
        }
    }

    /// All is shown anew.
    pub(crate) fn again(&mut self) {
        self.screen.clear();
        self.serial.clear();
    }

    /// The screen is drawn anew when something changed, the serial port gets the changed lines.
    pub(crate) fn show(&mut self, system: &mut dyn System, view: &View) {
        let text = view.page_text();
        if text != self.screen {
            // Back to the corner, and what was there is cleared behind each line: no flicker.
            let mut drawn = String::from("\x1b[H");
            for line in text.lines() {
                let _ = write!(drawn, "{line}\x1b[K\r\n");
            }
            drawn.push_str("\x1b[J");
            // Boards without a screen have no tty1 that takes it.
            let _ = system.put(SCREEN, drawn.as_bytes());
            self.screen = text;
        }
        // The minute changes all the time, and a serial port is often a log.
        let mut lines = view.lines();
        lines.retain(|line| !line.starts_with("clock "));
        lines.push(format!(
            "clock     {}",
            match view.clock {
                ClockState::Floor => "not set yet",
                ClockState::Plausible => "plausible",
                ClockState::Synced => "synced",
            }
        ));
        let changed: Vec<&String> =
            lines.iter().filter(|line| !self.serial.contains(line)).collect();
        if !changed.is_empty() {
            let text: String = changed.into_iter().map(|line| format!("box: {line}\r\n")).collect();
            let _ = system.put(SERIAL, text.as_bytes());
        }
        self.serial = lines;
    }
}
