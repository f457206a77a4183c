//! The messages between PID 1 and its children.

use crate::request::{
    ClockState, Code, DeviceId, From, Health, Holds, InstallStep, Mail, Message, Plan, RefusedFor,
    Role, SIZE, Static, StickState, StoreState, UpdateAct, Words,
};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// One of each kind.
fn all() -> Vec<Message> {
    let mut all = of_the_box();
    all.extend(of_disks());
    all
}

fn of_the_box() -> Vec<Message> {
    let health =
        Health { mail: Mail::Open, store: StoreState::Full, owned: true, accounts: 7, waiting: 9 };
    let code = Code::new([1, 2, 3, 4, 5, 6, 7, 255]);
    let fixed = Static {
        address: Ipv4Addr::new(10, 0, 0, 9),
        prefix: 24,
        gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
        resolvers: [Some(Ipv4Addr::new(10, 0, 0, 1)), None, None],
        on_trial: true,
    };
    let six: IpAddr = "2001:db8::1".parse().expect("an address");
    vec![
        Message::Start { preset: true, trial: false, code },
        Message::Start { preset: false, trial: true, code },
        Message::ResetOwner(u64::MAX - 1),
        Message::Device(DeviceId(0x1A2B_3C4D)),
        Message::Repair(Words::new("the disk")),
        Message::Health(health),
        Message::PresetTaken,
        Message::PresetWrong { line: 12, why: Words::new(&"é".repeat(200)) },
        Message::SetupCode(code),
        Message::Key(Words::new("one two three four five six")),
        Message::End { off: true },
        Message::ResetDone(7),
        Message::Reset(DeviceId(0xFFFF_0000)),
        Message::Network(Plan::Dhcp),
        Message::Network(Plan::Static(fixed)),
        Message::NetworkKept,
        Message::Name(Words::new("office")),
        Message::Link { up: true, hardware: [1, 2, 3, 4, 5, 6] },
        Message::Address { address: six, prefix: 64, from: From::Router },
        Message::AddressGone(Ipv4Addr::new(10, 0, 0, 9).into()),
        Message::Clock { state: ClockState::Synced, seconds: 1_800_000_000 },
        Message::Told(Words::new("no time server answers\u{7}")),
        Message::Proved,
        Message::Unproved(Words::new("smtp: nobody answers")),
        Message::Update(UpdateAct::Take),
        Message::Update(UpdateAct::Back),
        Message::Install { consent: true, epoch: 7, running: Words::new("qemu-virt 1.2.3") },
        Message::Go,
        Message::Found { id: [9; 16], epoch: 7, version: Words::new("1.3.0") },
        Message::Progress { step: InstallStep::ReadingBack, done: 127, of: 128 },
        Message::Written,
        Message::Refused { kind: RefusedFor::Older, why: Words::new("it is older") },
    ]
}

fn of_disks() -> Vec<Message> {
    vec![
        Message::Lend { write: true },
        Message::Lent(Words::new("SanDisk Ultra")),
        Message::NotLent(Words::new("there is no stick")),
        Message::Returned,
        Message::TakenBack,
        Message::Format(Words::new("SanDisk Ultra")),
        Message::Stick {
            state: StickState::Unusable,
            octets: 1 << 36,
            name: Words::new("SanDisk Ultra"),
        },
        Message::Prepare(Words::new("Samsung T7")),
        Message::Switch,
        Message::Adopt,
        Message::Forget,
        Message::Prepared(Words::new("Samsung T7")),
        Message::NotPrepared(Words::new("it is too small")),
        Message::Holder {
            holds: Holds::SystemAndOld,
            octets: 1 << 40,
            worn: 11,
            errors: 3,
            name: Words::new("Samsung T7"),
        },
    ]
}

#[test]
fn what_is_said_is_heard() {
    for message in all() {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}

/// Each message has one sender but those that PID 1 passes on.
#[test]
fn every_message_fits_its_sender_alone() {
    for message in all() {
        let senders: Vec<Role> = [Role::Init, Role::Server, Role::Netd, Role::Installer]
            .into_iter()
            .filter(|r| message.fits(*r))
            .collect();
        let passed_on = matches!(
            message,
            Message::Network(_)
                | Message::NetworkKept
                | Message::Name(_)
                | Message::Clock { .. }
                | Message::Link { .. }
                | Message::Address { .. }
                | Message::AddressGone(_)
        );
        let want = if passed_on { 2 } else { 1 };
        assert_eq!(senders.len(), want, "{message:?}");
        assert!(!senders.contains(&Role::Netd) || !senders.contains(&Role::Server), "{message:?}");
    }
}

#[test]
fn what_is_out_of_range_is_no_message() {
    let octets = |kind: u8, fields: &[u8]| {
        let mut octets = [0; SIZE];
        octets[..3].copy_from_slice(b"MR\x01");
        octets[3] = kind;
        octets[4..4 + fields.len()].copy_from_slice(fields);
        octets
    };
    assert!(Message::decode(&octets(3, &[])).is_ok());
    let bad: Vec<(u8, Vec<u8>)> = vec![
        (0, vec![]),
        (99, vec![]),
        (3, vec![1]),
        (1, [&[0, 2][..], b"ABCD-2345"].concat()),
        (17, vec![4]),
        (18, vec![1]),
        (19, vec![3, b'i', b'm']),
        (6, vec![2]),
        (2, vec![2, 0, 0]),
        (2, vec![0, 3, 0]),
        (5, b"ABCD-234I".to_vec()),
        (5, b"abcd-2345".to_vec()),
        (7, vec![1, 0, 31, 10, 0, 0, 9]),
        (7, vec![1, 0, 0, 10, 0, 0, 9]),
        (7, vec![1, 0, 24, 0, 0, 0, 0]),
        (9, vec![200]),
        (9, vec![1, 0xFF]),
        (9, vec![1, 7]),
        (12, [&[4][..], &[10, 0, 0, 9, 1]].concat()),
        (11, [&[4][..], &[10; 4], &[0; 12], &[33, 0]].concat()),
        (11, [&[4][..], &[10; 4], &[0; 12], &[24, 4]].concat()),
        (17, vec![4]),
        (20, vec![2]),
        (23, vec![3]),
        (25, vec![3]),
        (42, vec![1, 2, 3, 4, 5]),
        (40, vec![0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (13, vec![3]),
        (30, vec![2]),
        (33, vec![1]),
        (35, vec![4]),
        (51, vec![1]),
        (56, vec![5]),
        (13, [&[2][..], &i64::MIN.to_le_bytes()].concat()),
        (13, [&[2][..], &(1_i64 << 33).to_le_bytes()].concat()),
    ];
    for (kind, fields) in bad {
        assert!(Message::decode(&octets(kind, &fields)).is_err(), "{kind} {fields:?}");
    }
    for length in [0, 1, SIZE - 1, SIZE + 1] {
        assert!(Message::decode(&vec![0; length]).is_err());
    }
}

#[test]
fn setup_codes_are_typed_as_people_type() {
    let code = Code::new([0, 31, 32, 63, 5, 6, 7, 8]);
    assert_eq!(code.to_string(), "A9A9-FGHJ");
    for typed in ["a9a9-fghj", " A9A9FGHJ\n", "A9A9-FGHJ"] {
        assert_eq!(Code::parse(typed), Some(code));
    }
    for wrong in ["", "A9A9-FGH", "A9A9-FGHJK", "A9A9-FGH0", "A9A9-FGHI"] {
        assert_eq!(Code::parse(wrong), None, "{wrong}");
    }
    assert_eq!(format!("{code:?}"), "Code", "no log shows it");
}

#[test]
fn the_id_of_a_device_is_typed_as_people_type() {
    let device = DeviceId(0x0A2B_3C4D);
    assert_eq!(device.to_string(), "0A2B-3C4D");
    for typed in ["0A2B-3C4D", "0a2b3c4d", "0a2B-3c4D"] {
        assert_eq!(DeviceId::parse(typed), Some(device), "{typed}");
    }
    let wrong = ["", "0A2B", "0A2B-3C4", "0A2B-3C4D5", "A2B-3C4D0", "0A2B3-C4D", "+A2B-3C4D"];
    for wrong in wrong.into_iter().chain(["0A2B--3C4D", "0A2B-3C4G", "0x0A2B3C", "é2B-3C4D"]) {
        assert_eq!(DeviceId::parse(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_a_message_in_one_way_or_none(
        octets in prop::collection::vec(any::<u8>(), 250),
    ) {
        let mut message = [0; SIZE];
        message[..3].copy_from_slice(b"MR\x01");
        message[3..253].copy_from_slice(&octets);
        message[3] %= 48;
        if let Ok(read) = Message::decode(&message) {
            prop_assert_eq!(read.encode(), message);
        }
    }
}
