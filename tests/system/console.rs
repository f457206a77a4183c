//! What the screen shows.

use crate::request::{ClockState, Code, DeviceId, From, Health, Mail, Message, StoreState};
use crate::system::console::View;
use crate::update::slot::Slot;
use std::collections::VecDeque;

fn view() -> View {
    View {
        name: "mailroom".to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        slot: Some(Slot::A),
        on_trial: false,
        clock: ClockState::Synced,
        now: 1_800_000_000,
        link: Some(true),
        hardware: Some([2, 0, 0, 0, 0, 1]),
        addresses: Vec::new(),
        network: String::new(),
        health: Some(Health {
            mail: Mail::Open,
            store: StoreState::Good,
            owned: true,
            accounts: 3,
            waiting: 1,
        }),
        code: None,
        device: None,
        menu: Vec::new(),
        key: None,
        preset_wrong: None,
        repair: None,
        update: None,
        troubles: VecDeque::new(),
    }
}

#[test]
fn the_page_tells_how_the_box_is() {
    let mut view = view();
    view.network(Message::Address {
        address: "fe80::1".parse().expect("an address"),
        prefix: 64,
        from: From::LinkLocal,
    });
    view.network(Message::Address {
        address: "192.168.1.7".parse().expect("an address"),
        prefix: 24,
        from: From::Dhcp,
    });
    let text = view.page_text();
    let page = format!(
        "Mailroom {} slot a\n\
         name      mailroom.local\n\
         network   192.168.1.7 (DHCP), fe80::1 (link-local)\n\
         clock     2027-01-15 08:00 UTC (synced)\n\
         mail      good\n          3 accounts, 1 message waits to leave\n\
         \nhttp://192.168.1.7/\n",
        env!("CARGO_PKG_VERSION"),
    );
    assert!(text.starts_with(&page), "{text}");
    // The code for phones: a square of half blocks, two rows of it in each line.
    let code: Vec<&str> = text.strip_prefix(&page).expect("the page").lines().collect();
    let width = code[0].chars().count();
    assert_eq!((code.len(), width), (17, 33), "{text}");
    assert!(code.iter().all(|line| line.chars().all(|c| " ▀▄█".contains(c))), "{text}");
    assert!(code[0].chars().all(|c| c == '█'), "what is light on paper is lit: {text}");
    assert!(text.lines().count() <= 30, "it fits a screen of 30 lines");
}

#[test]
fn before_it_is_owned_it_shows_the_code_and_in_repair_the_reason() {
    let mut view = view();
    view.code = Code::parse("abcd2345");
    view.device = Some(DeviceId(0x1A2B_3C4D));
    assert!(view.page_text().contains("device    1A2B-3C4D\nsetup code ABCD-2345\n"));
    view.repair = Some("the data file system is damaged".to_string());
    let text = view.page_text();
    assert!(text.contains("mail      stopped for repair\n"), "{text}");
    assert!(text.contains("REPAIR    the data file system is damaged\n"), "{text}");
}
