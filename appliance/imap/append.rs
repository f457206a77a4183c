//! APPEND (RFC 9051 6.3.12, RFC 3502, RFC 4315, RFC 6855, RFC 7889): all messages or none.

use super::reply::Reply;
use super::{Answer, Ask, Core, Event, NewMessage, Task, Turn, Write, Wrote, flag_set, misrouted};
use crate::message::reencode;
use crate::wire::imap::sequence::Ranges;
use crate::wire::imap::{AppendMessage, Command};

pub(super) fn append(core: &mut Core, command: Command, _: &str, _: &mut Vec<u8>) -> Turn {
    let Command::Append { mailbox, messages } = command else { return misrouted(command) };
    match messages.into_iter().map(new_message).collect() {
        Ok(mails) => {
            let write = Write::Append { name: mailbox, mails };
            let ask = Ask::Write { account: core.account(), write };
            Turn::Task(Box::new(Appending { ask: Some(ask) }))
        }
        Err(reply) => Turn::Reply(reply),
    }
}

fn new_message(message: AppendMessage) -> Result<NewMessage, Reply> {
    let flags = flag_set(&message.flags)?;
    if message.octets.is_empty() {
        // RFC 3502 6.3.11: the client gave up
        return Err(Reply::no("A message without octets is not appended").code("CANNOT"));
    }
    let octets = match message.literal8 {
        // RFC 3516 4.4: it must go out in a form that every client can read
        true => reencode::without_binary(message.octets),
        false => message.octets,
    };
    if octets.contains(&0) {
        // RFC 9051 4.3: a literal holds no NUL
        return Err(Reply::no("The message holds NUL octets outside of a part").code("CANNOT"));
    }
    Ok(NewMessage { octets, flags, date: message.date })
}

struct Appending {
    ask: Option<Ask>,
}

impl Task for Appending {
    fn go(&mut self, _: &mut Core, event: Event, _: &mut Vec<u8>) -> Turn {
        if let Some(ask) = self.ask.take() {
            return Turn::Ask(ask);
        }
        Turn::Reply(match event {
            Event::Answer(Answer::Wrote(Ok(Wrote::Appended { uidvalidity, uids }))) => {
                let uids = Ranges::from_ascending(uids);
                Reply::ok("APPEND completed").code(format!("APPENDUID {uidvalidity} {uids}"))
            }
            // RFC 9051 6.3.12: the client may make it and try again
            Event::Answer(Answer::Wrote(Ok(Wrote::NoMailbox))) => {
                Reply::no("No such mailbox, make it first").code("TRYCREATE")
            }
            Event::Answer(Answer::Wrote(Err(error))) => error.into(),
            _ => Reply::no("Nothing was appended").code("SERVERBUG"),
        })
    }
}
