//! The command line, as an owner and a script use it. Most stories are told twice: to a running
//! server over its control socket, and to a store that no server has open.

mod archives;
mod backup;
mod backup_cut;
mod collect;
mod control;
mod dns;
mod many;
mod records;
mod revive;
mod salvage;
mod tls;
mod token;
mod transfer;
mod update;
mod world;

use crate::act::update::Updates;
use crate::act::{self, check, words};
use crate::admin::finding;
use crate::cli::print::Screen;
use crate::cli::{args, run_on};
use crate::serve::control::{Control, start};
use crate::store::format::{Trace, TraceStep};
use crate::store::writer::Options;
use crate::store::{MailId, Store, trace};
use crate::words::Words;
use clap::CommandFactory;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// A data folder for one test, gone with it.
struct Data(PathBuf);

impl Data {
    /// With a store in it.
    fn new() -> Data {
        let data = Data::empty();
        data.store().close();
        data
    }

    fn empty() -> Data {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("mailroom-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Data(path)
    }

    fn store(&self) -> Store {
        Store::open(&self.0.join("store"), Options::default()).unwrap()
    }

    fn serve(&self) -> Server {
        self.serve_with(Updates::new(&self.0, None))
    }

    fn serve_with(&self, updates: Updates) -> Server {
        let (store, answer) = (self.store(), act::answering(&Arc::new(updates)));
        let control = start(&self.0.join("control.sock"), store.clone(), answer).unwrap();
        Server { control: Some(control), store }
    }

    fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// Runs a command line, words parted by spaces, with this on standard input.
    fn run_with(&self, line: &str, input: &str) -> Ran {
        let data = self.0.display().to_string();
        let words = ["mailroom", "--data", &data].into_iter().chain(line.split_whitespace());
        let (out, err) = (Pen::default(), Pen::default());
        let mut screen = Screen::to(Box::new(out.clone()), Box::new(err.clone()));
        let code = run_on(words.map(OsString::from), &mut input.as_bytes(), &mut screen);
        Ran { code, out: out.text(), err: err.text() }
    }

    /// Runs a command line that must succeed, and returns what it says.
    fn good(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{line}: {}{}", ran.out, ran.err);
        assert_eq!(ran.err, "", "{line}");
        ran.out
    }

    fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.good(&format!("{line} --json"))).unwrap()
    }

    /// Runs a command line that must fail, and returns why.
    fn bad(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{line}: {}", ran.err);
        ran.err
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Server {
    control: Option<Control>,
    store: Store,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.control.take());
        self.store.close();
    }
}

struct Ran {
    code: u8,
    out: String,
    err: String,
}

/// A screen's end that a test can read.
#[derive(Clone, Default)]
struct Pen(Arc<Mutex<Vec<u8>>>);

impl Pen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Pen {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Tells a story to a store without a server, and to one with.
fn twice(story: impl Fn(&Data)) {
    let alone = Data::new();
    story(&alone);
    let served = Data::new();
    let server = served.serve();
    story(&served);
    drop(server);
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn an_owner_makes_changes_and_deletes_people() {
    twice(|data| {
        says(&data.good("domain add Office.TEST"), &["home to office.test"]);
        let made = data.good("account add bob@office.test --quota 2G");
        says(&made, &["bob@office.test: password: ", "only this once"]);
        let password = made.split(' ').nth(2).unwrap().split('\n').next().unwrap();
        assert_eq!(password.len(), 19, "{password}");
        says(&data.good("account list"), &["bob@office.test", "2.1 GB", "active", "0 octets"]);

        says(&data.good("account suspend bob@office.test"), &["may not log in now"]);
        says(&data.good("account show BOB@office.test"), &["suspended", "app passwords  none"]);
        data.good("account resume bob@office.test");
        data.good("account quota bob@office.test none");
        says(&data.good("account show bob@office.test"), &["active", "no limit"]);

        says(&data.good("account app-password bob@office.test phone"), &["phone: "]);
        assert_eq!(
            data.json("account show bob@office.test")["account"]["app_passwords"][0],
            "phone"
        );
        data.good("account app-password bob@office.test phone --remove");
        let why = data.bad("account app-password bob@office.test phone --remove");
        says(&why, &["cannot change bob@office.test", "no such app password"]);

        says(&data.good("account close bob@office.test"), &["is closed", "in 30 days", "reopen"]);
        says(&data.good("account list"), &["closed, 30 days left"]);
        says(&data.good("account show bob@office.test"), &["its mail is removed in 30 days"]);
        says(&data.bad("account close bob@office.test"), &["closed already"]);
        says(&data.bad("account resume bob@office.test"), &["reopen it first"]);
        says(&data.good("address find bob@office.test"), &["is refused"]);
        says(&data.good("account reopen bob@office.test"), &["open again, with all its mail"]);
        says(&data.bad("account reopen bob@office.test"), &["not closed"]);
        says(&data.good("account list"), &["active"]);

        let why = data.bad("account delete bob@office.test");
        says(&why, &["0 messages", "what to do: say --yes"]);
        says(&data.good("account delete bob@office.test --yes"), &["deleted"]);
        says(&data.bad("account show bob@office.test"), &["there is no account", "account list"]);
        assert_eq!(data.json("account list")["accounts"].as_array().unwrap().len(), 0);
    });
}

#[test]
fn addresses_lead_to_people() {
    twice(|data| {
        data.good("domain add office.test");
        data.good("account add alice@office.test");
        data.good("account add bob@office.test");
        let said = data.good("address add Sales@office.test alice@office.test bob@office.test");
        says(&said, &["goes to alice@office.test, bob@office.test"]);
        says(&data.good("address list"), &["Sales@office.test", "alias", "log-in"]);
        says(&data.good("address find sales@office.test"), &["alice@office.test, bob@office.test"]);
        says(&data.good("address find bob+shop@office.test"), &["(by bob@office.test)"]);
        says(&data.good("address find nobody@office.test"), &["is refused"]);
        says(&data.good("address find bob@elsewhere.test"), &["at home elsewhere"]);
        data.good("domain catch-all office.test bob@office.test");
        says(&data.good("address find nobody@office.test"), &["catch-all of office.test"]);
        assert_eq!(data.json("domain list")["domains"][0]["catch_all"], "bob@office.test");
        data.good("domain catch-all office.test --none");
        let found = data.json("address find nobody@office.test");
        assert_eq!(found["found"]["leads"], "unknown");

        says(&data.bad("domain remove office.test"), &["cannot remove the domain office.test"]);
        says(&data.bad("address remove bob@office.test"), &["cannot remove the address"]);
        data.good("address remove sales@office.test");
        data.good("account delete alice@office.test --yes");
        data.good("account delete bob@office.test --yes");
        data.good("domain remove office.test");
        assert_eq!(data.good("domain list").lines().count(), 1);
    });
}

#[test]
fn addresses_lead_on_to_others_and_outside() {
    twice(|data| {
        data.good("domain add office.test");
        data.good("account add alice@office.test");
        data.good("account add bob@office.test");
        data.good("address add sales@office.test bob@office.test partner@far.example");
        let said = data.good("address add all@office.test alice@office.test sales@office.test");
        says(&said, &["mail to all@office.test goes to alice@office.test, sales@office.test"]);
        let found = data.json("address find all@office.test");
        assert_eq!(found["found"]["logins"].as_array().unwrap().len(), 2);
        assert_eq!(found["found"]["outside"][0], "partner@far.example");
        let why = data.bad("address add sales@office.test all@office.test");
        says(&why, &["cannot add the address sales@office.test", "in a circle"]);
        let why = data.bad("address add new@office.test gone@office.test");
        says(&why, &["there is no gone@office.test here", "address list"]);
        let why = data.bad("address add bob@office.test bob@far.example");
        says(&why, &["log-in address", "address add bob@office.test bob@office.test ..."]);
        data.good("address add bob@office.test bob@office.test bob@far.example alice@office.test");
        says(&data.good("address find bob@office.test"), &["bob@office.test, alice@office.test"]);
        says(&data.good("address list"), &["bob@office.test, bob@far.example, alice@office.test"]);
        data.good("address add bob@office.test bob@office.test");
        says(&data.bad("address remove sales@office.test"), &["another address leads to this one"]);

        assert_eq!(data.json("domain list")["domains"][0]["postmaster"], "alice@office.test");
        data.good("domain postmaster office.test bob@office.test");
        says(&data.good("domain list"), &["postmaster", "bob@office.test"]);
        says(&data.good("address find abuse@office.test"), &["goes to bob@office.test"]);
        says(&data.good("domain postmaster office.test --none"), &["its oldest account"]);
        says(&data.bad("domain postmaster office.test eve@far.example"), &["there is no account"]);
    });
}

#[test]
fn a_given_password_is_read_from_standard_input_and_never_shown() {
    twice(|data| {
        data.good("domain add office.test");
        let line = "account add bob@office.test --password-stdin";
        let ran = data.run_with(line, "correct horse\nnot this\n");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        assert!(!ran.out.contains("horse"), "{}", ran.out);
        says(&ran.out, &["set as given"]);
        let store_has = |store: &Store, password: &str| {
            let read = store.snapshot().unwrap();
            let list = crate::store::account::list(&read).unwrap();
            let credential = &list[0].1.credentials[0];
            let parsed = argon2::PasswordHash::new(&credential.argon2).unwrap();
            let argon2 = argon2::Argon2::default();
            argon2::PasswordVerifier::verify_password(&argon2, password.as_bytes(), &parsed).is_ok()
        };
        if !data.0.join("control.sock").exists() {
            let store = data.store();
            assert!(store_has(&store, "correct horse") && !store_has(&store, "not this"));
            store.close();
        }
        for (input, why) in [("", "the password is empty"), (&"x".repeat(513), "longer than 512")] {
            let ran = data.run_with("account password bob@office.test --password-stdin", input);
            assert_eq!(ran.code, 1);
            says(&ran.err, &["cannot set the password of bob@office.test", why]);
        }
    });
}

#[test]
fn a_password_stays_one_of_many() {
    let data = Data::new();
    data.good("domain add office.test");
    data.good("account add bob@office.test");
    let line = "account app-password bob@office.test";
    let most = crate::limits::CREDENTIALS_PER_ACCOUNT;
    for i in 1..most {
        data.run_with(&format!("{line} app{i} --password-stdin"), "secret words\n");
    }
    // One of the same name takes its place, another is one too many.
    data.good(&format!("{line} app1"));
    says(&data.bad(&format!("{line} another")), &["limit reached: passwords of one account"]);
    says(&data.bad(&format!("{line} password")), &["mailroom account password"]);
    says(&data.bad(&format!("{line} {}", "x".repeat(101))), &["empty or too long"]);
    let shown = data.json("account show bob@office.test");
    assert_eq!(shown["account"]["app_passwords"].as_array().unwrap().len(), most - 1);
}

#[test]
fn wrong_input_says_what_and_why_and_what_to_do() {
    let table = [
        ("account add bob@office.test", "office.test is not a domain of this box"),
        ("account add bob@office.test", "what to do: add the domain first"),
        ("account add bob", "the address has no @ and domain"),
        ("account add @office.test", "write it as name@domain"),
        ("account show bob@office.test", "there is no account bob@office.test"),
        ("account password bob@office.test", "there is no account"),
        ("account suspend bob@office.test", "there is no account"),
        ("account delete bob@office.test --yes", "there is no account"),
        ("domain add -.test", "the domain is not well formed"),
        ("domain add a..test", "the domain is not well formed"),
        ("domain remove office.test", "cannot remove the domain office.test: no such domain"),
        ("domain catch-all office.test --none", "no such domain"),
        ("address add sales@office.test bob@office.test", "no such domain of ours"),
        ("address remove sales@office.test", "cannot remove the address sales@office.test"),
        ("address find sales", "the address has no @"),
        ("trace --since yesterday", "say --since as 30m, 12h, 7d or 2026-11-01"),
    ];
    twice(|data| {
        for (line, why) in table {
            says(
                &data.bad(line.replace("add -.", "add -- -.").as_str()),
                &["mailroom: cannot ", why],
            );
        }
        data.good("domain add office.test");
        says(&data.bad("domain add office.test"), &["exists already"]);
        data.good("account add bob@office.test");
        says(&data.bad("account add bob@office.test"), &["exists already"]);
        let failure = data.run("account add bob@office.test --json");
        let value: serde_json::Value = serde_json::from_str(&failure.out).unwrap();
        assert_eq!(value["failure"]["what"], "cannot add the account bob@office.test");
        assert_eq!(failure.code, 1);
    });
}

#[test]
fn wrong_usage_is_told_apart() {
    let data = Data::new();
    let lines = [
        "",
        "frobnicate",
        "account",
        "account add",
        "account add bob@office.test --quota much",
        "account add bob@office.test --quota 0",
        "account add bob@office.test --quota 99999999999999999999",
        "account add bob@office.test --password secret",
        "domain catch-all office.test",
        "domain catch-all office.test bob@office.test --none",
        "serve --port-base 70000",
        "trace --limit -1",
        "backup",
    ];
    for line in lines {
        let ran = data.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line}: {}", ran.err);
        assert!(!ran.err.is_empty(), "{line}");
    }
    says(&data.run("account ad").err, &["tip", "add"]);
}

#[test]
fn every_command_has_help() {
    fn walk(command: &clap::Command, path: &str, data: &Data, seen: &mut usize) {
        for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
            let path = format!("{path} {}", below.get_name());
            says(&data.good(&format!("{path} --help")), &["Usage:", "--json", "--data"]);
            assert!(below.get_about().is_some(), "{path} says what it does");
            *seen += 1;
            walk(below, &path, data, seen);
        }
    }
    let data = Data::new();
    let mut seen = 0;
    walk(&args::Line::command(), "", &data, &mut seen);
    assert!(seen >= 28, "{seen}");
    args::Line::command().debug_assert();
    says(&data.good("--version"), &["mailroom 0."]);
}

#[test]
fn a_wrong_folder_makes_no_store() {
    let data = Data::empty();
    says(&data.bad("account list"), &["cannot open the store in", "there is none", "--data"]);
    assert!(!data.0.join("store").exists());
}

#[test]
fn a_story_is_told_in_plain_words() {
    let data = Data::new();
    let server = data.serve();
    let second = 1_795_000_000;
    let step = |at: i64, what: &str, text: &str, reply: &str| TraceStep {
        at,
        what: what.to_string(),
        text: text.to_string(),
        recipient: String::new(),
        reply: reply.to_string(),
    };
    let story = |from: &str, subject: &str, steps: Vec<TraceStep>| Trace {
        from: from.to_string(),
        to: vec!["bob@office.test".to_string()],
        subject: subject.to_string(),
        message_id: "x@y.test".to_string(),
        size: 1_500,
        steps,
    };
    let stories = [
        story("old@y.test", "Long ago", vec![step(second - 864_000, "delivered", "in INBOX", "")]),
        story("carl@y.test", "Invoice \u{1b}[31m", vec![step(second, "delivered", "in INBOX", "")]),
        story("", "", vec![step(second + 1, "refused", "no such address", "550 5.1.1 No")]),
    ];
    for (i, story) in stories.into_iter().enumerate() {
        let id = MailId(0xa0 + i as u64);
        server.store.write_blocking(move |batch| trace::put(batch, id, &story)).unwrap();
    }
    let all = data.good("trace");
    says(&all, &["Message a2: (no subject)", "from nobody (a delivery report)"]);
    says(&all, &["2026-11-18 11:06:40 UTC  in INBOX", "the reply was: 550 5.1.1 No"]);
    says(&all, &["Message a1: Invoice ?[31m", "to   bob@office.test", "size 1.5 kB"]);
    assert!(all.find("a2").unwrap() < all.find("a1").unwrap(), "the newest first");
    let one = data.json("trace CARL@");
    assert_eq!(one["stories"].as_array().unwrap().len(), 1);
    assert_eq!(one["stories"][0]["steps"][0]["what"], "delivered");
    assert_eq!(data.json("trace --limit 2")["stories"].as_array().unwrap().len(), 2);
    assert_eq!(data.json("trace --since 2026-11-18")["stories"].as_array().unwrap().len(), 2);
    says(&data.good("trace unheard-of"), &["no message is known"]);
}

/// What comes from outside moves no cursor and turns no text, in whichever form it is printed.
#[test]
fn a_terminal_obeys_nothing_that_is_shown() {
    let data = Data::new();
    let evil = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b";
    let folder = data.0.join("old/md");
    std::fs::create_dir_all(folder.join("cur")).unwrap();
    std::fs::create_dir_all(folder.join("new")).unwrap();
    std::fs::write(folder.join(format!("cur/{evil}")), "").unwrap();
    data.good("domain add office.test");
    data.good("account add bob@office.test");
    let import = format!("import bob@office.test {}", folder.display());
    let harmless = |text: &str| {
        let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(bad), "{text:?}");
        text.to_string()
    };
    says(&harmless(&data.good(&import)), &["1 skipped\nskipped: ", "a?]0;x??2J?b"]);
    let json = data.run(&format!("--json {import}"));
    says(&harmless(&json.out), &["a\\u001b]0;x\\u0007\\u009b2J\\u202eb"]);
    let told: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(told.to_string().contains('\u{202e}'), "the same for who reads JSON: {told}");
    let missing = data.run(&format!("import bob@office.test {}/{evil}", data.0.display()));
    assert_ne!(missing.code, 0);
    harmless(&missing.err);
}

#[test]
fn the_log_is_in_the_servers_memory() {
    let data = Data::new();
    says(&data.bad("log"), &["cannot tell the log", "none runs", "mailroom serve"]);
    let server = data.serve();
    let why = "a fault that this test made up".to_string();
    crate::event::emit(crate::event::Event::UnitFailed { unit: "cli", why: why.clone() });
    says(&data.good("log"), &["cli: failed: a fault that this test made up"]);
    assert!(
        data.json("log")["log"].as_array().unwrap().iter().any(|l| l.to_string().contains(&why))
    );
    drop(server);
}

#[test]
fn times_and_sizes_are_read_and_said() {
    let now = 1_795_000_000;
    for (text, at) in [("30m", now - 1_800), ("2h", now - 7_200), ("7d", now - 604_800)] {
        assert_eq!(args::since(text, now), Ok(at));
    }
    assert_eq!(args::since("2026-11-18", now), Ok(1_794_960_000));
    for text in ["", "d", "-1d", "7 d", "1w", "2026-13-01", "99999999999999999999d", "7\u{e9}"] {
        assert!(args::since(text, now).is_err(), "{text}");
    }
    let sizes = [(0, "0 octets"), (999, "999 octets"), (1_000, "1.0 kB"), (999_999, "999.9 kB")];
    for (octets, text) in sizes {
        assert_eq!(words::octets(octets), text);
    }
    assert_eq!(words::octets(1_000_000), "1.0 MB");
    assert_eq!(words::octets(2_147_483_648), "2.1 GB");
    assert_eq!(words::octets(u64::MAX), "18446744.0 TB");
    assert_eq!(words::date_time(i64::MAX), format!("{} s", i64::MAX));
}

/// In words and times of its own.
fn is_told_on_a_page(finding: &check::Finding) {
    let told = finding::told(Words::english(), "Europe/Berlin", finding);
    assert_eq!(finding.state == check::State::Ok, told.mend.is_empty(), "{finding:?}");
    assert!(!told.meaning.contains("UTC") && !told.mend.contains("mailroom.toml"), "{finding:?}");
    assert_ne!(told.what, finding.what, "{finding:?}");
}

#[test]
fn the_machine_is_looked_at() {
    use check::State;
    let state = |finding: check::Finding| {
        assert_eq!(finding.state == State::Ok, finding.remedy.is_empty(), "{finding:?}");
        is_told_on_a_page(&finding);
        finding.state
    };
    let now = crate::clock::now();
    assert_eq!(state(check::clock(0)), State::Wrong);
    assert_eq!(state(check::clock(i64::MAX)), State::Wrong);
    assert_eq!(state(check::clock(1_795_000_000)), State::Ok);
    assert_eq!(state(check::space_left(1 << 20, 1 << 40)), State::Wrong);
    assert_eq!(state(check::space_left(50 << 30, 1 << 40)), State::Warn);
    assert_eq!(state(check::space_left(200 << 30, 1 << 40)), State::Ok);
    assert_eq!(state(check::store_file(1 << 30, 1 << 29)), State::Warn);
    assert_eq!(state(check::store_file(1 << 30, 1 << 28)), State::Ok);
    assert_eq!(state(check::store_file(1 << 20, 1 << 20)), State::Ok);
    let checked = |ago: i64, faults: u64| act::LastCheck {
        at: now - ago * 86_400,
        faults,
        told: vec!["message 3 of mailbox 1: lost".to_string(); faults.min(1) as usize],
        unjudged: 0,
    };
    assert_eq!(state(check::checked(None, now)), State::Ok);
    assert_eq!(state(check::checked(Some(&checked(1, 0)), now)), State::Ok);
    assert_eq!(state(check::checked(Some(&checked(9, 0)), now)), State::Warn);
    assert_eq!(state(check::checked(Some(&checked(1, 7)), now)), State::Wrong);
    assert_eq!(state(check::certificate(now, now)), State::Wrong);
    assert_eq!(state(check::certificate(now + 86_400, now)), State::Warn);
    assert_eq!(state(check::certificate(now + 90 * 86_400, now)), State::Ok);
    use crate::net::acme::plan::Health;
    let (why, again) = (|| "the port is closed".to_string(), now + 60);
    let stands = |health: &Health| state(check::certificate_stands(health, now));
    assert_eq!(stands(&Health::Good { ends: now + 9, renews: now }), State::Ok);
    assert_eq!(stands(&Health::Own { ends: now + 86_400 }), State::Warn);
    assert_eq!(stands(&Health::Failed { why: why(), again, ends: None }), State::Warn);
    assert_eq!(stands(&Health::Urgent { why: why(), again, ends: now + 60 }), State::Warn);
    assert_eq!(stands(&Health::Urgent { why: why(), again, ends: now }), State::Wrong);
    assert_eq!(stands(&Health::NoClock), State::Warn);
    let by_hand = Health::ByHand { records: Vec::new(), since: now, ends: None };
    assert_eq!(stands(&by_hand), State::Warn);
    let waits = |state: &str, age: i64| act::outbox::OutgoingView {
        id: "1".to_string(),
        from: "bob@office.test".to_string(),
        size: 9,
        created: now - age,
        recipients: vec![act::outbox::RecipientView {
            address: "x@far.test".to_string(),
            state: state.to_string(),
            tries: 1,
            next: Some(now),
            why: String::new(),
            reply: String::new(),
            server: String::new(),
            secured: String::new(),
        }],
    };
    let old = crate::limits::OUTBOX_OLD_SECONDS + 1;
    assert_eq!(state(check::waiting_mail(&[], now)), State::Ok);
    assert_eq!(state(check::waiting_mail(&[waits("waiting", 60)], now)), State::Ok);
    assert_eq!(state(check::waiting_mail(&[waits("waiting", old)], now)), State::Warn);
    let held = check::waiting_mail(&[waits("held", old)], now);
    assert!(held.meaning.contains("1 of them held by you"), "{held:?}");
    assert_eq!(state(held), State::Ok);
}

#[test]
fn check_tells_what_is_wrong_and_exits_1() {
    let data = Data::empty();
    let ran = data.run("check");
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    says(&ran.out, &["clock: it is 2", "WRONG  settings", "WRONG  server: it was never started"]);
    std::fs::write(data.0.join("mailroom.toml"), "host = 5\n").unwrap();
    says(&data.run("check").out, &["mailroom.toml", "the server will not start"]);
    drop(data.store());
    let told = data.run("check").out;
    says(&told, &["OK     store: it takes", "OK     last check of the store: not yet"]);
    data.good("verify");
    let told = data.run("check").out;
    says(&told, &["OK     last check of the store: 2", " UTC: all is good"]);
    let json = data.run("check --json");
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let findings = value["checked"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["what"] == "server" && f["state"] == "wrong"));
}

fn is_socket_of_owner(path: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let facts = std::fs::metadata(path).unwrap();
    facts.file_type().is_socket() && facts.permissions().mode() & 0o777 == 0o600
}
