//! A provider made of a few folders, with whatever bad habit a test gives it: it speaks IMAP in
//! clear on this machine.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub uid: u32,
    pub flags: String,
    /// As INTERNALDATE writes it.
    pub date: String,
    pub body: Vec<u8>,
    pub labels: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    /// As it is written between quotes.
    pub name: String,
    pub attributes: String,
    pub uidvalidity: u32,
    pub messages: Vec<Message>,
}

/// What it does at a command instead of the usual.
pub(super) enum Habit {
    Usual,
    /// The end of the command, without its tag.
    Says(&'static str),
    /// The usual answer, with this end.
    Ends(&'static str),
    /// A goodbye with these words, and the line ends.
    Bye(&'static str),
    /// The line ends after so many octets of the usual answer.
    Cuts(usize),
    /// These octets, then the usual answer.
    First(Vec<u8>),
    /// These octets and the line that ends the command.
    Instead(Vec<u8>),
}

type Hook = Box<dyn FnMut(&str) -> Habit + Send>;

pub(super) struct State {
    pub folders: Vec<Folder>,
    pub capabilities: String,
    /// Every command, without its tag.
    pub said: Vec<String>,
    pub connections: usize,
    pub delimiter: char,
    hook: Hook,
}

#[derive(Clone)]
pub(super) struct Toy {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

pub(super) fn message(uid: u32, text: &str) -> Message {
    Message {
        uid,
        flags: "\\Seen".to_string(),
        date: "17-Jul-1996 02:44:25 -0700".to_string(),
        body: format!("Subject: {text}\r\n\r\nthe letter {text}\r\n").into_bytes(),
        labels: String::new(),
    }
}

pub(super) fn folder(name: &str, messages: Vec<Message>) -> Folder {
    let (name, attributes) = (name.to_string(), String::new());
    Folder { name, attributes, uidvalidity: 77, messages }
}

impl Toy {
    /// With good habits.
    pub(super) fn new(folders: Vec<Folder>) -> Toy {
        let door = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = door.local_addr().expect("its address").port();
        let state = Arc::new(Mutex::new(State {
            folders,
            capabilities: "IMAP4rev1 SASL-IR AUTH=PLAIN ESEARCH SPECIAL-USE".to_string(),
            said: Vec::new(),
            connections: 0,
            delimiter: '/',
            hook: Box::new(|_| Habit::Usual),
        }));
        let toy = Toy { port, state };
        let serving = toy.clone();
        std::thread::spawn(move || {
            for stream in door.incoming().map_while(Result::ok) {
                let toy = serving.clone();
                toy.state().connections += 1;
                std::thread::spawn(move || toy.serve(&stream));
            }
        });
        toy
    }

    /// From now on it does this at each command.
    pub(super) fn does(&self, hook: impl FnMut(&str) -> Habit + Send + 'static) {
        self.state().hook = Box::new(hook);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut out = stream.try_clone().ok()?;
        let greeting = format!("* OK [CAPABILITY {}] toy\r\n", self.state().capabilities);
        out.write_all(greeting.as_bytes()).ok()?;
        let mut open = None;
        let mut input = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let (tag, command) = line.trim_end().split_once(' ')?;
            if command == "AUTHENTICATE PLAIN" {
                // RFC 3501 6.2.2: without SASL-IR the response is waited for
                out.write_all(b"+ \r\n").ok()?;
                input.read_line(&mut String::new()).ok()?;
            }
            if command == "IDLE" {
                self.idle((stream, &mut input, &mut out), tag, open)?;
                continue;
            }
            let (answer, habit) = {
                let mut state = self.state();
                state.said.push(command.to_string());
                let habit = (state.hook)(command);
                (state.answer(command, &mut open), habit)
            };
            let (told, end) = answer;
            let end = format!("{tag} {end}\r\n").into_bytes();
            let whole = match habit {
                Habit::Usual => [told, end].concat(),
                Habit::Says(words) => format!("{tag} {words}\r\n").into_bytes(),
                Habit::Ends(words) => [told, format!("{tag} {words}\r\n").into_bytes()].concat(),
                Habit::Bye(words) => {
                    out.write_all(format!("* BYE {words}\r\n").as_bytes()).ok()?;
                    let _ = stream.shutdown(Shutdown::Both);
                    return None;
                }
                Habit::First(before) => [before, told, end].concat(),
                Habit::Instead(other) => [other, end].concat(),
                Habit::Cuts(octets) => {
                    let whole = [told, end].concat();
                    out.write_all(&whole[..octets.min(whole.len())]).ok()?;
                    let _ = stream.shutdown(Shutdown::Both);
                    return None;
                }
            };
            out.write_all(&whole).ok()?;
            if command == "LOGOUT" {
                let _ = stream.shutdown(Shutdown::Both);
                return Some(());
            }
        }
    }

    /// RFC 2177: tells of new messages until "DONE".
    fn idle(
        &self,
        (stream, input, out): (&TcpStream, &mut BufReader<&TcpStream>, &mut TcpStream),
        tag: &str,
        open: Option<usize>,
    ) -> Option<()> {
        let count = || self.state().folders.get(open?).map(|folder| folder.messages.len());
        let (mut told, mut line) = (count(), String::new());
        // Whoever waits for this word may bring a message at once: that one is new.
        self.state().said.push("IDLE".to_string());
        out.write_all(b"+ idling\r\n").ok()?;
        stream.set_read_timeout(Some(Duration::from_millis(2))).ok()?;
        while line != "DONE\r\n" {
            match input.read_line(&mut line) {
                Ok(0) => return None,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return None,
                _ => {}
            }
            if count() != told {
                told = count();
                out.write_all(format!("* {} EXISTS\r\n", told?).as_bytes()).ok()?;
            }
        }
        stream.set_read_timeout(None).ok()?;
        out.write_all(format!("{tag} OK idled\r\n").as_bytes()).ok()
    }
}

impl State {
    fn take_out(
        &mut self,
        open: Option<usize>,
        rest: &str,
        which: impl Fn(&Message) -> bool,
    ) -> Vec<Message> {
        let set = uids(rest.split(' ').next().unwrap_or_default());
        let Some(folder) = open.and_then(|at| self.folders.get_mut(at)) else { return Vec::new() };
        let goes = |it: &Message| {
            set.iter().any(|(from, to)| (*from..=*to).contains(&it.uid)) && which(it)
        };
        let (gone, stay) = std::mem::take(&mut folder.messages).into_iter().partition(goes);
        folder.messages = stay;
        gone
    }

    /// What is told, and how the command ends.
    fn answer(&mut self, command: &str, open: &mut Option<usize>) -> (Vec<u8>, String) {
        let upper = command.to_ascii_uppercase();
        let ok = "OK done".to_string();
        let name = || command.split('"').nth(1).unwrap_or_default().to_string();
        let at = |name: &str| self.folders.iter().position(|folder| folder.name == name);
        let mut told = Vec::new();
        if upper.starts_with("AUTHENTICATE") || upper.starts_with("LOGIN") {
            return (told, format!("OK [CAPABILITY {}] in", self.capabilities));
        }
        if upper.starts_with("LIST") || upper.starts_with("XLIST") {
            let word = upper.split(' ').next().unwrap_or_default();
            for folder in &self.folders {
                let Folder { attributes, name, .. } = folder;
                let of = self.delimiter;
                told.extend(format!("* {word} ({attributes}) \"{of}\" \"{name}\"\r\n").bytes());
            }
        } else if upper.starts_with("STATUS") {
            let Some(folder) = at(&name()).map(|at| &self.folders[at]) else {
                return (told, "NO [NONEXISTENT] no such folder".to_string());
            };
            let count = folder.messages.len();
            told.extend(format!("* STATUS \"{}\" (MESSAGES {count})\r\n", folder.name).bytes());
        } else if upper.starts_with("EXAMINE") || upper.starts_with("SELECT") {
            *open = at(&name());
            let Some(folder) = open.map(|at| &self.folders[at]) else {
                return (told, "NO [NONEXISTENT] no such folder".to_string());
            };
            let count = folder.messages.len();
            let valid = folder.uidvalidity;
            told.extend(format!("* {count} EXISTS\r\n* OK [UIDVALIDITY {valid}] x\r\n").bytes());
        } else if upper.starts_with("CREATE") {
            let made = folder(&name(), Vec::new());
            self.folders.push(made);
        } else if let Some(rest) = upper.strip_prefix("UID MOVE ") {
            let moved = self.take_out(*open, rest, |_| true);
            let Some(to) = self.folders.iter_mut().find(|it| it.name == name()) else {
                return (told, "NO [TRYCREATE] no such folder".to_string());
            };
            to.messages.extend(moved);
        } else if let Some(rest) = upper.strip_prefix("UID EXPUNGE ") {
            self.take_out(*open, rest, |it| it.flags.contains("\\Deleted"));
        } else if let Some(rest) = upper.strip_prefix("UID STORE ") {
            let set = uids(rest.split(' ').next().unwrap_or_default());
            let folder = open.and_then(|at| self.folders.get_mut(at));
            for one in folder.into_iter().flat_map(|it| &mut it.messages) {
                if set.iter().any(|(from, to)| (*from..=*to).contains(&one.uid)) {
                    one.flags.push_str(" \\Deleted");
                }
            }
        } else if let Some(folder) = open.and_then(|at| self.folders.get(at)) {
            if upper.starts_with("UID SEARCH") {
                let from = upper.rsplit("UID ").next().unwrap_or_default();
                let from: u32 = from.split(':').next().unwrap_or_default().parse().unwrap_or(1);
                let within = folder.messages.iter().filter(|it| it.uid >= from);
                let uids: Vec<String> = within.map(|it| it.uid.to_string()).collect();
                let all = match uids.is_empty() {
                    true => String::new(),
                    false => format!(" ALL {}", uids.join(",")),
                };
                told.extend(format!("* ESEARCH (TAG \"x\") UID{all}\r\n").bytes());
            } else if let Some(rest) = upper.strip_prefix("UID FETCH ") {
                fetch(folder, rest, &mut told);
            }
        }
        (told, ok)
    }
}

/// The ranges of a set.
fn uids(set: &str) -> Vec<(u32, u32)> {
    let number = |text: &str| match text {
        "*" => u32::MAX,
        text => text.parse().expect("a UID"),
    };
    let range = |part: &str| {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        (number(from), number(to))
    };
    set.split(',').map(range).collect()
}

fn fetch(folder: &Folder, rest: &str, told: &mut Vec<u8>) {
    let (set, items) = rest.split_once(' ').unwrap_or_default();
    let wanted = uids(set);
    for (at, one) in folder.messages.iter().enumerate() {
        if !wanted.iter().any(|(from, to)| (*from..=*to).contains(&one.uid)) {
            continue;
        }
        told.extend(format!("* {} FETCH (UID {}", at + 1, one.uid).bytes());
        for (item, value) in [
            ("FLAGS", format!("({})", one.flags)),
            ("INTERNALDATE", format!("\"{}\"", one.date)),
            ("RFC822.SIZE", one.body.len().to_string()),
            ("X-GM-LABELS", format!("({})", one.labels)),
        ] {
            if items.contains(item) {
                told.extend(format!(" {item} {value}").bytes());
            }
        }
        if items.contains("BODY.PEEK[]<0.") {
            let head = one.body.get(..65_536).unwrap_or(&one.body);
            told.extend(format!(" BODY[]<0> {{{}}}\r\n", head.len()).bytes());
            told.extend_from_slice(head);
        } else if items.contains("BODY.PEEK[]") {
            told.extend(format!(" BODY[] {{{}}}\r\n", one.body.len()).bytes());
            told.extend_from_slice(&one.body);
        }
        told.extend_from_slice(b")\r\n");
    }
}
