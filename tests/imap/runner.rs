//! Transcripts: what clients say and must hear, played against sessions and a real store.
//!
//! ```text
//! C: a1 SELECT INBOX          client 1 says it      (C2: client 2 ...)
//! S: * 3 EXISTS               client 1 must hear this line next
//! S: a1 OK [READ-WRITE] …     "…" stands for any text within the line
//! S: ...                      any lines up to the next one that fits
//! C: a2 APPEND x {#}          the number of octets of the L lines that follow
//! L: Subject: a line of a literal, with its CRLF
//! C:                          the rest of the command behind the literal
//! P: a3 NOOP                  client 1 says it together with its next command
//! U: * LIST () "/" INBOX      one of the next lines; a group of these comes in any order
//! wake 2 / time 2             client 2 is told that its mailbox changed / that time is over
//! stop 1 / closed 1           the server stops / the connection is over
//! ```
//!
//! What else a dialogue of the RFCs may need is in `rfcs`.

use crate::imap::{Answer, Ask, Imap};
use crate::limits;
use crate::message::headers;
use crate::serve::imap::write_to;
use crate::session::{Input, Peer, Session, Step, TlsFacts};
use crate::store::account::NewAccount;
use crate::store::format::Credential;
use crate::store::mail::{FlagSet, Flags, NewMail, Prepared};
use crate::store::writer::Options;
use crate::store::{AccountId, Store, account, address, mail, mailbox};
use crate::tests::dialogues::fits;
use crate::wire::address::Address;
use crate::wire::budget::Budget;
use crate::wire::sasl::{Login, LoginAnswer, LoginAsk, ScramSecrets};
use crate::wire::scram;
use base64::Engine;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// 2026-02-01 00:00:00 UTC.
pub(crate) const NOW: i64 = 1_769_904_000;

fn now() -> i64 {
    NOW
}

/// A store with alice@office.test, in a folder of its own.
pub(crate) struct World {
    pub store: Store,
    pub alice: AccountId,
    pub capabilities_off: Vec<String>,
    /// Log-ins cannot be checked now.
    pub login_broken: bool,
    /// Memory for messages that clients append.
    pub budget: Arc<Budget>,
    runtime: tokio::runtime::Runtime,
    dir: PathBuf,
}

impl World {
    pub(crate) fn new() -> World {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("mailroom-imap-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a temporary folder");
        let options = Options { map_bytes: 64 << 20, disk_reserve_bytes: 0, ..Options::default() };
        let store = Store::open(&dir, options).expect("a new store");
        let alice = store
            .write_blocking(|batch| {
                address::add_domain(batch, "office.test", NOW)?;
                let login = Address::parse("alice@office.test").expect("an address");
                let new = NewAccount {
                    login,
                    name: "Alice".to_owned(),
                    quota: 0,
                    credentials: vec![Credential {
                        stored_key: pencil().keys[0].0.to_vec(),
                        ..Credential::default()
                    }],
                    scram_salt: Vec::new(),
                    scram_iterations: 4096,
                };
                account::create(batch, new, NOW)
            })
            .expect("an account");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let budget = Budget::new(limits::RECEIVING_BYTES);
        let capabilities_off = Vec::new();
        World { store, alice, capabilities_off, login_broken: false, budget, runtime, dir }
    }

    /// Puts a message in; returns its uid. Flags as IMAP names them.
    pub(crate) fn add(&self, name: &str, raw: &[u8], flags: &[&str], date: i64) -> u32 {
        let mut set = FlagSet::default();
        for flag in flags {
            match Flags::NAMES.iter().find(|(_, known)| known == flag) {
                Some((bit, _)) => set.flags.0 |= bit.0,
                None => set.keywords.push((*flag).to_owned()),
            }
        }
        let new = NewMail {
            body: Arc::new(Prepared::new(raw)),
            prefix: Vec::new(),
            flags: set,
            internal_date: date,
            internal_zone_minutes: 0,
            save_date: date,
        };
        let (alice, name) = (self.alice, name.to_owned());
        let uid = self.store.write_blocking(move |batch| {
            let to = match mailbox::by_name(batch, alice, &name)? {
                Some(found) => found,
                None => mailbox::create(batch, alice, &name, "", NOW)?,
            };
            let id = mail::next_id(batch, 1)?;
            Ok(mail::append(batch, alice, to.id, &new, id)?.uid)
        });
        uid.expect("a message is put in")
    }

    /// `count` small messages "Subject: n".
    pub(crate) fn fill(&self, name: &str, count: u32) {
        for n in 1..=count {
            let raw = format!("From: bob@office.test\r\nSubject: {n}\r\n\r\nbody of {n}\r\n");
            self.add(name, raw.as_bytes(), &[], NOW);
        }
    }

    pub(crate) fn quota(&self, octets: u64) {
        let alice = self.alice;
        let set = self.store.write_blocking(move |batch| {
            account::update(batch, alice, &mut |account| {
                account.quota = octets;
                Ok(())
            })
        });
        set.expect("the quota is set");
    }

    pub(crate) fn suspend(&self) {
        let alice = self.alice;
        let set = self.store.write_blocking(move |batch| {
            account::update(batch, alice, &mut |account| {
                account.suspended = true;
                Ok(())
            })
        });
        set.expect("suspended");
    }

    fn answer(&self, ask: Ask) -> Answer {
        match ask {
            Ask::Login(ask) => Answer::Login(self.login(ask)),
            Ask::Write { account, write } => {
                let wrote = write_to(&self.store, account, write, NOW, 1);
                Answer::Wrote(self.runtime.block_on(wrote))
            }
        }
    }

    /// Everybody is alice.
    fn login(&self, ask: LoginAsk) -> LoginAnswer {
        let granted = |name: String| {
            LoginAnswer::Granted(Login {
                account: self.alice.0,
                name,
                capabilities_off: self.capabilities_off.clone(),
                credential: crate::tests::store::password(&self.store, self.alice),
            })
        };
        match ask {
            LoginAsk::Password { name, .. } if self.login_broken || name == "ill@office.test" => {
                LoginAnswer::Unavailable
            }
            LoginAsk::Password { name, .. } if name == "everywhere@office.test" => {
                LoginAnswer::Crowded
            }
            LoginAsk::Password { name, password } if is_right(&name, &password.0) => granted(name),
            LoginAsk::Scram { name } if name == "user" => LoginAnswer::Scram(pencil()),
            LoginAsk::Proved { name, right: true } => granted(name),
            _ => LoginAnswer::Denied { wait: Duration::from_millis(1) },
        }
    }
}

/// The people of the RFCs, and alice.
fn is_right(name: &str, password: &[u8]) -> bool {
    let right = match name {
        "alice@office.test" => "wonderland",
        "SMITH" => "SESAME",
        "fred" => "blurdybloop",
        "FRED FOOBAR" => "fat man",
        "joe" => "password",
        "mrc" => "secret",
        "test" => "test",
        _ => return false,
    };
    right.as_bytes() == password
}

/// What the box knows of the person of RFC 7677 3.
fn pencil() -> ScramSecrets {
    let salt = base64::engine::general_purpose::STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==");
    let salt = salt.expect("base64");
    let keys = vec![scram::keys("pencil", &salt, 4096)];
    ScramSecrets { salt, iterations: 4096, keys }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// One connection, driven as `net::drive` does it.
pub(crate) struct Client {
    session: Imap,
    input: Vec<u8>,
    heard: Vec<u8>,
    pub closed: bool,
    /// The session waits, and whether a change ends that.
    pub wake: bool,
    pub within: Duration,
    /// The longest output made in one step.
    pub longest: usize,
    /// How often the session let others have their turn.
    pub turns: usize,
}

impl Client {
    pub(crate) fn new(world: &World, tls: bool, same_host: bool) -> Client {
        let remote = if same_host { "127.0.0.1:4000" } else { "127.0.0.2:4000" };
        let peer = Peer {
            remote: remote.parse().expect("an address"),
            local: "127.0.0.1:143".parse().expect("an address"),
            tls: tls.then(facts),
        };
        let mut client = Client {
            session: Imap::new(world.store.clone(), peer, now, &world.budget),
            input: Vec::new(),
            heard: Vec::new(),
            closed: false,
            wake: false,
            within: Duration::ZERO,
            longest: 0,
            turns: 0,
        };
        client.run(world, Input::Opened);
        client
    }

    /// Logged in, greeting and reply forgotten.
    pub(crate) fn logged_in(world: &World) -> Client {
        let mut client = Client::new(world, true, false);
        client.say(world, b"a0 LOGIN alice@office.test wonderland\r\n");
        let heard = client.hear();
        assert!(heard.contains("a0 OK"), "{heard}");
        client
    }

    pub(crate) fn say(&mut self, world: &World, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        self.feed(world);
    }

    /// A command, and all that comes back.
    pub(crate) fn ask(&mut self, world: &World, command: &str) -> String {
        self.say(world, format!("{command}\r\n").as_bytes());
        self.hear()
    }

    pub(crate) fn hear(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned()
    }

    pub(crate) fn octets(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.heard)
    }

    pub(crate) fn wake(&mut self, world: &World) {
        if self.wake && !self.closed {
            self.run(world, Input::Woken);
        }
    }

    pub(crate) fn time_over(&mut self, world: &World) {
        self.run(world, Input::TimedOut);
    }

    pub(crate) fn stop(&mut self, world: &World) {
        self.run(world, Input::Stopping);
    }

    fn feed(&mut self, world: &World) {
        while !self.closed && !self.input.is_empty() {
            let before = self.input.len();
            let mut input = std::mem::take(&mut self.input);
            let mut out = Vec::new();
            let step = self.session.step(Input::Bytes(&mut input), &mut out);
            self.input = input;
            let used = before != self.input.len();
            let said = !out.is_empty();
            self.follow(world, step, out);
            if !used && !said {
                break;
            }
        }
    }

    fn run(&mut self, world: &World, input: Input<'_, Answer>) {
        let mut out = Vec::new();
        let step = self.session.step(input, &mut out);
        self.follow(world, step, out);
        self.feed(world);
    }

    fn follow(&mut self, world: &World, mut step: Step<Ask>, mut out: Vec<u8>) {
        loop {
            self.longest = self.longest.max(out.len());
            self.heard.append(&mut out);
            step = match step {
                Step::Read { within, wake } => {
                    self.within = within;
                    self.wake = wake;
                    return;
                }
                Step::Again | Step::Pause(_) => {
                    self.turns += 1;
                    self.session.step(Input::Continue, &mut out)
                }
                Step::Ask(ask) => {
                    let answer = world.answer(ask);
                    self.session.step(Input::Answer(answer), &mut out)
                }
                Step::Secure => {
                    self.input.clear();
                    self.session.step(Input::Secured(facts()), &mut out)
                }
                Step::Close => {
                    self.closed = true;
                    return;
                }
            }
        }
    }
}

fn facts() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3",
        cipher: "TLS13_AES_128_GCM_SHA256".to_owned(),
        exporter: None,
        endpoint: Vec::new(),
    }
}

/// Plays a transcript; clients are made when they first speak, logged in.
pub(crate) fn play(world: &World, what: &str, transcript: &str) {
    let mut clients: Vec<Option<Client>> = (0..4).map(|_| None).collect();
    play_with(world, &mut clients, what, transcript);
}

/// The same with clients that exist.
pub(crate) fn play_with(
    world: &World,
    clients: &mut [Option<Client>],
    what: &str,
    transcript: &str,
) {
    let lines: Vec<&str> =
        transcript.lines().map(str::trim_start).filter(|l| !l.is_empty()).collect();
    let mut stage = Stage::new(world, clients, what);
    for (number, line) in lines.iter().enumerate() {
        let rest = lines.get(number + 1..).unwrap_or_default();
        stage.line(line, rest);
    }
    stage.end();
}

/// Clients, and what they heard.
pub(super) struct Stage<'a> {
    world: &'a World,
    pub(super) clients: &'a mut [Option<Client>],
    what: &'a str,
    /// Lines heard and not matched yet.
    heard: Vec<Vec<String>>,
    /// Said and not sent yet.
    held: Vec<String>,
    at: String,
}

impl<'a> Stage<'a> {
    pub(super) fn new(world: &'a World, clients: &'a mut [Option<Client>], what: &'a str) -> Self {
        let (heard, held) = (vec![Vec::new(); 4], vec![String::new(); 4]);
        Stage { world, clients, what, heard, held, at: String::new() }
    }

    pub(super) fn end(&mut self) {
        self.at = "the end".to_owned();
        (0..4).for_each(|who| self.nothing_left(who));
    }

    pub(super) fn line(&mut self, line: &str, rest: &[&str]) {
        self.at = line.to_owned();
        if let Some((word, who)) = line.split_once(' ')
            && ["wake", "time", "stop", "closed"].contains(&word)
        {
            return self.event(word, index(who));
        }
        let Some((mark, text)) = line.split_once(':') else {
            panic!("{}: not a transcript line: {line}", self.what);
        };
        let text = text.strip_prefix(' ').unwrap_or(text);
        let who = index(mark.get(1..).unwrap_or_default());
        match mark.get(..1) {
            Some("S") => self.expect(who, text, rest),
            Some("U") => self.expect_one_of(who, text, rest),
            Some("P") => {
                let held = self.held.get_mut(who).expect("a client");
                held.push_str(&format!("{}\r\n", sized(text, rest)));
            }
            Some("C") => {
                self.nothing_left(who);
                let held = self.held.get_mut(who).map(std::mem::take).unwrap_or_default();
                self.say(who, &format!("{held}{}\r\n", sized(text, rest)));
            }
            Some("L") => self.say(who, &format!("{text}\r\n")),
            _ => panic!("{}: not a transcript line: {line}", self.what),
        }
    }

    fn event(&mut self, word: &str, who: usize) {
        let world = self.world;
        let client = self.client(who);
        match word {
            "wake" => client.wake(world),
            "time" => client.time_over(world),
            "stop" => client.stop(world),
            _ => assert!(client.closed, "{}: the connection is open", self.what),
        }
        self.listen(who);
    }

    pub(super) fn client(&mut self, who: usize) -> &mut Client {
        let world = self.world;
        self.clients[who].get_or_insert_with(|| Client::logged_in(world))
    }

    pub(super) fn say(&mut self, who: usize, text: &str) {
        let world = self.world;
        self.client(who).say(world, text.as_bytes());
        self.listen(who);
    }

    /// Says it, and takes what comes back away from what is to be heard.
    pub(super) fn ask(&mut self, who: usize, text: &str) -> String {
        let world = self.world;
        let client = self.client(who);
        client.say(world, text.as_bytes());
        client.hear()
    }

    pub(super) fn listen(&mut self, who: usize) {
        let heard = self.client(who).hear();
        self.heard[who]
            .extend(heard.split_inclusive("\r\n").map(|l| l.trim_end_matches("\r\n").to_owned()));
    }

    fn expect(&mut self, who: usize, text: &str, rest: &[&str]) {
        if text == "..." {
            let next = rest.iter().find(|l| l.starts_with('S'));
            let wanted = next.and_then(|l| l.split_once(": ")).map_or("", |(_, t)| t);
            let at = self.heard[who].iter().position(|l| fits(wanted, l));
            let Some(at) = at else {
                panic!("{}: never heard: {wanted}\nheard: {:#?}", self.what, self.heard[who]);
            };
            self.heard[who].drain(..at);
            return;
        }
        if self.heard[who].is_empty() {
            panic!("{}: heard nothing more, wanted: {text}", self.what);
        }
        let line = self.heard[who].remove(0);
        if !fits(text, &line) {
            let after = &self.heard[who];
            panic!("{}:\nwanted: {text}\nheard:  {line}\nthen:   {after:#?}", self.what);
        }
    }

    /// Of a group of lines in any order: the first is among as many lines as the group has.
    fn expect_one_of(&mut self, who: usize, text: &str, rest: &[&str]) {
        let group = 1 + rest.iter().take_while(|line| line.starts_with('U')).count();
        let heard = &mut self.heard[who];
        match heard.iter().take(group).position(|line| fits(text, line)) {
            Some(at) => drop(heard.remove(at)),
            None => panic!("{}: never heard: {text}\nheard: {heard:#?}", self.what),
        }
    }

    fn nothing_left(&self, who: usize) {
        let left = &self.heard[who];
        assert!(left.is_empty(), "{}: before {}: not expected: {left:#?}", self.what, self.at);
    }
}

fn index(who: &str) -> usize {
    who.trim().parse::<usize>().unwrap_or(1) - 1
}

/// `{#}` and `~{#}` with the octets of the literal lines that follow.
pub(super) fn sized(text: &str, rest: &[&str]) -> String {
    let lines = rest.iter().skip_while(|l| l.starts_with('S')).take_while(|l| l.starts_with('L'));
    let octets: usize = lines
        .map(|l| l.split_once(':').map_or("", |(_, t)| t))
        .map(|t| t.strip_prefix(' ').unwrap_or(t).len() + 2)
        .sum();
    text.replace("{#}", &format!("{{{octets}}}")).replace("{#+}", &format!("{{{octets}+}}"))
}

/// One example: RFC and section, what the store holds before, the dialogue.
pub(crate) type Example = (&'static str, fn(&World), &'static str);

/// Plays examples, each in a world of its own, and says how many.
pub(crate) fn play_all(of: &str, examples: &[Example]) {
    let mut failed = 0;
    for (what, setup, transcript) in examples {
        let played = std::panic::catch_unwind(|| {
            let world = World::new();
            setup(&world);
            play(&world, what, transcript);
        });
        failed += usize::from(played.is_err());
    }
    #[allow(clippy::print_stdout)]
    {
        println!("{of}: {} dialogues of our own", examples.len());
    }
    assert_eq!(failed, 0, "dialogues of {of} went otherwise");
}

/// The subject of a message heard.
pub(crate) fn subject(octets: &[u8]) -> String {
    headers::find(octets, "Subject").map(|f| headers::decode(f.value)).unwrap_or_default()
}
