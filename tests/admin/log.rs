//! The page of the log, and the file for support: all that helps, and no secret.

use super::api::Program;
use super::stage::{PASSWORD, World, ip};
use crate::admin::http::Method;
use crate::event::{Event, emit};
use crate::limits;
use crate::settings::{
    self, Algorithm, Method as Proof, Outgoing, Relay, RelayTls, Settings, Update,
};
use crate::store::format::Owner;
use crate::tests::update::sent::Pid1;
use crate::tests::update::state::full;
use serde_json::json;

fn says(what: &str) {
    emit(Event::BoxTrouble { what: what.to_string() });
}

/// The rows of the page.
fn rows(text: &str) -> Vec<String> {
    let body = text.split("<tbody>").nth(1).unwrap_or_default();
    let body = body.split("</tbody>").next().unwrap_or_default();
    body.split("<tr>").skip(1).map(str::to_string).collect()
}

#[test]
fn the_owner_reads_what_was_said_and_finds_it_by_words_part_and_weight() {
    let world = World::office();
    let mut owner = world.owner();
    for number in 0..3 {
        says(&format!("Planted <b> number {number}"));
    }
    emit(Event::AccountRemoved { login: "planted@number.test".to_string() });
    let text = owner.get("/log?text=PLANTED&unit=&level=").text();
    let found = rows(&text);
    assert_eq!(found.len(), 4, "{text}");
    assert!(
        found[0].contains("planted@number.test") && found[1].contains("number 2"),
        "newest first"
    );
    assert!(found[1].contains("Planted &#60;b&#62;") && found[1].contains("Warns"), "{}", found[1]);
    assert!(!found[0].contains("Warns"), "{}", found[0]);
    assert!(text.contains("data-live=\"/log?text=PLANTED&#38;\" data-idle"), "{text}");
    let count = |owner: &mut super::stage::Browser<'_>, query: &str| {
        rows(&owner.get(&format!("/log?{query}")).text()).len()
    };
    assert_eq!(count(&mut owner, "text=number&unit=store"), 1);
    assert_eq!(count(&mut owner, "text=planted&unit=box"), 3);
    assert_eq!(count(&mut owner, "text=planted&level=warn"), 3);
    assert_eq!(count(&mut owner, "text=planted+nobody+said+this"), 0);
    let reply = owner.get(&format!("/log?text={}", "x".repeat(limits::TRACE_TEXT_LETTERS + 1)));
    assert_eq!(reply.status, 422);
    assert!(!reply.text().contains("data-live"));
    world.person("ann", "blue tractor field");
    let mut ann = world.logged_in("ann", "blue tractor field");
    assert_eq!(ann.get("/log").status, 303, "it is the owner's");
}

#[test]
fn a_long_log_is_read_page_by_page_and_no_page_is_too_large() {
    let world = World::office();
    let mut owner = world.owner();
    let all = limits::LOG_ROWS * 2 + 1;
    for number in 0..all {
        says(&format!("leafed {number:04}. {}", "<&\"'ß>".repeat(100)));
    }
    let (mut seen, mut at) = (Vec::new(), "/log?text=leafed".to_string());
    loop {
        // The stage holds that no page is too large.
        let text = owner.get(&at).text();
        for row in rows(&text) {
            let number = row.split("leafed ").nth(1).and_then(|it| it.split('.').next());
            seen.push(number.expect("a number").parse::<usize>().expect("a number"));
        }
        assert_eq!(text.contains("data-live"), !at.contains("before"), "only the newest goes on");
        let Some(more) = text.split("href=\"/log?text=leafed&#38;before=").nth(1) else { break };
        at = format!("/log?text=leafed&before={}", more.split('"').next().expect("a number"));
    }
    assert_eq!(seen, (0..all).rev().collect::<Vec<_>>(), "each once");
}

#[test]
fn a_page_that_follows_the_log_keeps_nobody_logged_in() {
    let world = World::office();
    let owner = world.owner();
    let used = |header: &str, millis: u64| {
        let mut request = owner.request(Method::Get, "/log", Vec::new());
        request.headers.push(("x-part".to_string(), header.to_string()));
        let mut sessions = world.house.place.sessions();
        let (key, _) = sessions.find(&request, millis).expect("a session");
        let listed = sessions.list(millis);
        listed.iter().find(|(it, _)| *it == key).expect("it").1.used
    };
    assert_eq!(used("idle", 1_000), 0);
    assert_eq!(used("yes", 2_000), 2_000);
    assert_eq!(used("idle", 3_000), 2_000);
}

const RELAY: &str = "relay-secret \"quoted\"";
const RELAY_FOR: &str = "another relay secret";
const OUTSIDE: &str = "planted for a mailbox elsewhere";
const TYPED: &str = "typed into the place of the name";
const TSIG: &[u8] = b"a key of thirty-two octets, TSIG";
/// As the settings write it.
const TSIG_TEXT: &str = "YSBrZXkgb2YgdGhpcnR5LXR3byBvY3RldHMsIFRTSUc=";

/// Settings with every secret that settings can hold.
fn with_secrets(settings: &Settings) -> Settings {
    let relay = |password: &str| Relay {
        host: "relay.example".to_string(),
        port: 465,
        tls: RelayTls::Implicit,
        login: Some(("us@relay.example".to_string(), password.to_string())),
        token: false,
        authority: None,
    };
    let update = Update {
        server: "192.0.2.53:53".parse().expect("an address"),
        zone: None,
        key: "mailroom.key".to_string(),
        secret: TSIG.to_vec(),
        algorithm: Algorithm::HmacSha256,
    };
    let mut settings = settings.clone();
    settings.outgoing = Outgoing {
        relay: Some(relay(RELAY)),
        relay_for: vec![("other.test".to_string(), relay(RELAY_FOR))],
        ..settings.outgoing
    };
    settings.certificate.method = Proof::Dns01(update);
    settings
}

/// Plants secrets wherever some can be; returns all of them.
fn planted(world: &World, program: &Program<'_>) -> Vec<String> {
    world.house.settle(&with_secrets(&world.house.settings()));
    world.person("ann", "blue tractor field");
    let outside = json!({ "address": "ann@gmail.com", "password": OUTSIDE, "untested": true });
    program.good(Method::Post, "/api/v1/accounts/ann@office.test/outside", &outside);
    let app = json!({ "password": "words of an app" });
    program.good(Method::Put, "/api/v1/accounts/ann@office.test/app-passwords/phone", &app);
    let totp = "totp secret, 20 oct.";
    let edit = move |row: &mut Owner| row.totp = totp.as_bytes().to_vec();
    world.house.change_owner(edit).expect("changed");
    let code = world.house.place.codes.lock().expect("codes").code().to_string();
    let token = program.token.clone().expect("a token");
    let key = std::fs::read_to_string(world.house.data.join("tls/ca.key")).expect("a key");
    // What the server knows itself it finds wherever somebody else said it.
    for secret in [RELAY, RELAY_FOR, OUTSIDE, TSIG_TEXT, &code, &token, &key] {
        says(&format!("the other side said: {secret}!"));
    }
    for login in [TYPED, "ann@office.test"] {
        let login = login.to_string();
        emit(Event::LoginDenied { unit: "imap", remote: ip("192.0.2.7"), login });
    }
    let line_of_key = key.lines().nth(1).expect("a line").to_string();
    let typed = ["blue tractor field", "words of an app", PASSWORD, totp];
    let mut secrets = vec![code, token, line_of_key];
    secrets.extend(
        typed.into_iter().chain([RELAY, RELAY_FOR, OUTSIDE, TSIG_TEXT, TYPED]).map(String::from),
    );
    secrets
}

#[test]
fn the_support_file_says_what_helps_and_no_secret() {
    let mut world = World::office();
    let (updates, init) = Pid1::of(&world.house.data);
    world.become_updated(updates);
    init.tells(&full());
    let program = Program::of(&world);
    let secrets = planted(&world, &program);
    says("planted for support");
    let reply = program.send(&program.request(Method::Get, "/api/v1/support-file", b""));
    assert_eq!(reply.status, 200);
    let disposition = reply.header("Content-Disposition").expect("a file");
    assert!(disposition.contains("mailroom-support-20") && disposition.contains(".txt"));
    let text = reply.text();
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{secret:?} is in {text}");
    }
    for part in [
        env!("CARGO_PKG_VERSION"),
        "board        qemu-virt",
        "password = \"(kept back)\"",
        "host = \"relay.example\"",
        "hmac-sha256",
        "clock: it is",
        "mailroom_accounts 1",
        "not checked yet",
        "planted for support",
        "wrong name or password for \"ann@office.test\" from 192.0.2.7",
        "wrong name or password for \"(a name that nobody has)\" from 192.0.2.7",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let left_out = text.matches("(a line with a secret was left out)").count();
    assert!(left_out >= 7, "{left_out} in {text}");
}

#[test]
fn the_owner_takes_the_support_file_away_and_that_is_written_down() {
    let world = World::office();
    let mut owner = world.owner();
    let text = owner.get("/log").text();
    assert!(text.contains("It names people, their addresses"), "{text}");
    let reply = owner.post("/log/support", &[]);
    assert_eq!((reply.status, reply.kind), (200, "text/plain; charset=utf-8"));
    assert!(reply.text().contains("no box") && !reply.text().contains("==== System"));
    assert!(owner.get("/acts").text().contains("Took away the support file"));
}

/// What is printed for others is still a file that can be read.
#[test]
fn settings_without_secrets_are_settings() {
    let whole = with_secrets(&Settings::first("mail.office.test", settings::Ports::WELL_KNOWN));
    assert_eq!(whole.secrets(), [RELAY, RELAY_FOR, TSIG_TEXT]);
    let text = whole.print_without_secrets();
    assert!(whole.secrets().iter().all(|secret| !text.contains(secret.as_str())), "{text}");
    let printed = settings::print(&whole);
    assert!([RELAY_FOR, TSIG_TEXT].iter().all(|secret| printed.contains(secret)), "they are there");
}
