//! CAPABILITY, ID, ENABLE, STARTTLS, AUTHENTICATE, LOGIN, LOGOUT.

use super::reply::{Code, Reply};
use super::selected::line;
use super::{Answer, Ask, Core, Event, Task, Turn, misrouted};
use crate::limits;
use crate::wire::imap::Command;
use crate::wire::sasl::{
    self, Binding, CROWDED, Exchange, Login, LoginAnswer, LoginAsk, Next, Secret,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::time::Duration;

/// What is offered to everybody; APPENDLIMIT and AUTH= come beside. UIDONLY never: a client exists
/// that enables it and then uses numbers.
const OFFERED: [&str; 28] = [
    "IMAP4rev1",
    "IMAP4rev2",
    "ENABLE",
    "ID",
    "IDLE",
    "NAMESPACE",
    "CHILDREN",
    "LITERAL+",
    "SASL-IR",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "BINARY",
    "MULTIAPPEND",
    "UTF8=ACCEPT",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "CONDSTORE",
    "QRESYNC",
    "SAVEDATE",
];

impl Core {
    /// The names after CAPABILITY.
    pub(super) fn capabilities(&self) -> String {
        let mut names: Vec<String> = OFFERED.iter().map(|n| (*n).to_owned()).collect();
        names.push("OBJECTID".to_owned());
        names.push(format!("APPENDLIMIT={}", limits::MESSAGE_BYTES));
        match &self.login {
            Some(login) => names.retain(|name| !is_off(login, name)),
            None => {
                let may = self.peer.may_log_in();
                for mechanism in sasl::mechanisms(may, &self.binding()) {
                    names.push(format!("AUTH={mechanism}"));
                }
                if self.peer.tls.is_none() {
                    names.push("STARTTLS".to_owned());
                }
                // RFC 9051 6.2.3: no password in clear text
                if !may {
                    names.push("LOGINDISABLED".to_owned());
                }
            }
        }
        names.join(" ")
    }

    pub(super) fn offers(&self, name: &str) -> bool {
        !self.login.as_ref().is_some_and(|login| is_off(login, name))
    }

    fn binding(&self) -> Binding {
        Binding::from(self.peer.tls.as_ref())
    }

    /// The answer to a log-in, however it came.
    fn logged_in(&mut self, login: Login) -> Turn {
        self.login = Some(Box::new(login));
        // RFC 9051 6.2.2: what is offered has changed
        Turn::Reply(Reply::ok("Logged in").with(Code::Capability))
    }

    fn denied(&mut self) -> Reply {
        self.login_failures += 1;
        // RFC 5530 3: without telling which of the two is wrong
        let reply = Reply::no("Wrong name or password").code("AUTHENTICATIONFAILED");
        match self.login_failures >= limits::LOGIN_FAILURES_PER_CONNECTION {
            true => reply.closing(),
            false => reply,
        }
    }
}

fn is_off(login: &Login, name: &str) -> bool {
    let bare = name.split('=').next().unwrap_or(name);
    login
        .capabilities_off
        .iter()
        .any(|off| off.eq_ignore_ascii_case(name) || off.eq_ignore_ascii_case(bare))
}

fn unavailable() -> Reply {
    Reply::no("The log-in could not be checked now, try again later").code("UNAVAILABLE")
}

/// RFC 5530 3
fn crowded() -> Reply {
    Reply::no(CROWDED).code("LIMIT")
}

pub(super) fn capability(core: &mut Core, _: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    line(out, format_args!("* CAPABILITY {}", core.capabilities()));
    Turn::Reply(Reply::ok("CAPABILITY completed"))
}

pub(super) fn logout(core: &mut Core, _: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    core.selected = None;
    line(out, format_args!("* BYE Goodbye"));
    Turn::Reply(Reply::ok("LOGOUT completed").closing())
}

/// RFC 2971: name and version, nothing that helps an attacker or names a person.
pub(super) fn id(_: &mut Core, _: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let version = env!("CARGO_PKG_VERSION");
    line(out, format_args!("* ID (\"name\" \"Mailroom\" \"version\" \"{version}\")"));
    Turn::Reply(Reply::ok("ID completed"))
}

pub(super) fn enable(core: &mut Core, command: Command, _: &str, out: &mut Vec<u8>) -> Turn {
    let Command::Enable(names) = command else { return misrouted(command) };
    let mut enabled: Vec<&str> = Vec::new();
    for name in &names {
        let name = match name.as_str() {
            "CONDSTORE" => "CONDSTORE",
            "QRESYNC" => "QRESYNC",
            "UTF8=ACCEPT" => "UTF8=ACCEPT",
            "IMAP4REV2" => "IMAP4rev2",
            // RFC 5161 3.1: what is not known is ignored
            _ => continue,
        };
        if core.offers(name) && !enabled.contains(&name) {
            enabled.push(name);
        }
    }
    // RFC 5161 3.1: what was on before is not told again
    enabled.retain(|name| match *name {
        "CONDSTORE" => !core.modes.condstore,
        "QRESYNC" => !core.modes.qresync,
        "UTF8=ACCEPT" => !core.modes.utf8,
        _ => !core.modes.rev2,
    });
    let space = if enabled.is_empty() { "" } else { " " };
    line(out, format_args!("* ENABLED{space}{}", enabled.join(" ")));
    for name in enabled {
        match name {
            "UTF8=ACCEPT" => core.modes.utf8 = true,
            "IMAP4rev2" => {
                core.modes.rev2 = true;
                // RFC 9051 5.1: names and texts are UTF-8
                core.modes.utf8 = true;
            }
            "QRESYNC" => {
                // RFC 7162 3.2.3: QRESYNC is CONDSTORE too
                core.modes.qresync = true;
                core.enable_condstore(out);
            }
            _ => core.enable_condstore(out),
        }
    }
    Turn::Reply(Reply::ok("ENABLE completed"))
}

pub(super) fn starttls(core: &mut Core, _: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    if core.peer.tls.is_some() {
        return Turn::Reply(Reply::bad("TLS stands already").code("CLIENTBUG"));
    }
    Turn::Secure(Reply::ok("Begin TLS now"))
}

pub(super) fn login(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Login { name, password } = command else { return misrouted(command) };
    let password = Secret(password);
    if !core.peer.may_log_in() {
        // RFC 9051 6.2.3: LOGINDISABLED
        return Turn::Reply(Reply::no("Use TLS before logging in").code("PRIVACYREQUIRED"));
    }
    let Ok(name) = String::from_utf8(name) else { return Turn::Reply(core.denied()) };
    Turn::Task(Box::new(LoginTask { ask: Some(LoginAsk::Password { name, password }), end: None }))
}

/// LOGIN: the question, the wait after a wrong password, the reply.
struct LoginTask {
    ask: Option<LoginAsk>,
    end: Option<Reply>,
}

impl Task for LoginTask {
    fn go(&mut self, core: &mut Core, event: Event, _: &mut Vec<u8>) -> Turn {
        if let Some(ask) = self.ask.take() {
            return Turn::Ask(Ask::Login(ask));
        }
        match event {
            Event::Answer(Answer::Login(LoginAnswer::Granted(login))) => core.logged_in(login),
            Event::Answer(Answer::Login(LoginAnswer::Denied { wait })) => {
                deny(&mut self.end, core, wait)
            }
            Event::Answer(Answer::Login(LoginAnswer::Crowded)) => Turn::Reply(crowded()),
            _ => Turn::Reply(self.end.take().unwrap_or_else(unavailable)),
        }
    }
}

/// The reply of a wrong password comes after a wait.
fn deny(end: &mut Option<Reply>, core: &mut Core, wait: Duration) -> Turn {
    *end = Some(core.denied());
    Turn::Pause(wait)
}

pub(super) fn authenticate(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Authenticate { mechanism, initial } = command else { return misrouted(command) };
    let initial = match initial.as_deref() {
        None => None,
        // RFC 4959 3: "=" is an empty response
        Some(b"=") => Some(Vec::new()),
        Some(text) => match BASE64.decode(text) {
            Ok(octets) => Some(octets),
            Err(_) => return Turn::Reply(Reply::bad("The initial response is not base64")),
        },
    };
    let may = core.peer.may_log_in();
    match Exchange::start(&mechanism, initial.as_deref(), may, &core.binding()) {
        None if !may => Turn::Reply(Reply::no("Use TLS before logging in").code("PRIVACYREQUIRED")),
        None => Turn::Reply(Reply::no("This mechanism is not offered here").code("CANNOT")),
        Some((exchange, next)) => {
            Turn::Task(Box::new(SaslTask { exchange, next: Some(next), end: None }))
        }
    }
}

struct SaslTask {
    exchange: Exchange,
    /// What the exchange wants first.
    next: Option<Next>,
    end: Option<Reply>,
}

impl Task for SaslTask {
    fn go(&mut self, core: &mut Core, event: Event, out: &mut Vec<u8>) -> Turn {
        if let Some(next) = self.next.take() {
            return self.follow(next, core, out);
        }
        let next = match event {
            Event::Answer(Answer::Login(answer)) => self.exchange.answer(answer),
            // RFC 9051 6.2.2: the client gives up
            Event::Line(text) if text == b"*" => {
                return Turn::Reply(Reply::bad("AUTHENTICATE cancelled"));
            }
            Event::Line(text) => match BASE64.decode(&text) {
                Ok(response) => self.exchange.respond(&response),
                Err(_) => return Turn::Reply(Reply::bad("The response is not base64")),
            },
            Event::TimedOut => {
                line(out, format_args!("* BYE Nothing was said for too long"));
                return Turn::Close;
            }
            _ => return Turn::Reply(self.end.take().unwrap_or_else(unavailable)),
        };
        self.follow(next, core, out)
    }
}

impl SaslTask {
    fn follow(&mut self, next: Next, core: &mut Core, out: &mut Vec<u8>) -> Turn {
        match next {
            Next::Challenge(octets) => {
                line(out, format_args!("+ {}", BASE64.encode(octets)));
                Turn::Line { within: limits::IMAP_BEFORE_LOGIN, wake: false }
            }
            Next::Ask(ask) => Turn::Ask(Ask::Login(ask)),
            Next::Done(login) => core.logged_in(login),
            Next::Denied { wait } => deny(&mut self.end, core, wait),
            Next::Malformed(why) => Turn::Reply(Reply::bad(why)),
            Next::Crowded => Turn::Reply(crowded()),
            Next::Unavailable => Turn::Reply(unavailable()),
        }
    }
}
