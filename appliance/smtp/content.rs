//! DATA and BDAT: from the first octet of a message to the reply that it is on disk.

use super::Ask;
use super::envelope::{Arrived, Refusals};
use super::server::{Chunks, Phase, Role, Server, Transaction};
use crate::session::Step;
use crate::wire::budget::Hold;
use crate::wire::smtp::{Content, Fault, Reply};

type Then = Option<Step<Ask>>;

impl Server {
    // ---- DATA ----

    pub(super) fn check_data(&self) -> Result<(), Reply> {
        let transaction = self.check_recipients()?;
        // RFC 3030 2: DATA and BDAT cannot be mixed
        if !matches!(transaction.chunks, Chunks::None) {
            return Err(Reply::new(503, 5, 1, "The message came with BDAT and must end so"));
        }
        Ok(())
    }

    pub(super) fn proceed_data(&mut self, out: &mut Vec<u8>) -> Then {
        let content = self.content();
        self.phase = Phase::Data(content);
        Reply::plain(354, vec!["Send the message, end it with <CRLF>.<CRLF>".to_string()])
            .print(out);
        None
    }

    pub(super) fn data_bytes(&mut self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Then {
        let Phase::Data(content) = &mut self.phase else { return None };
        let (used, ended) = content.push_dotted(buffer);
        buffer.drain(..used);
        if !ended {
            return None;
        }
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Data(content) => self.message_ended(content, out),
            _ => None,
        }
    }

    // ---- BDAT ----

    pub(super) fn check_bdat(&self) -> Result<(), Reply> {
        match &self.check_recipients()?.chunks {
            // RFC 3030 2: after a refused chunk every further one is refused
            Chunks::Failed(reply) => Err(reply.clone()),
            Chunks::None | Chunks::Some { .. } => Ok(()),
        }
    }

    /// RFC 3030 2: the octets of a refused chunk are read too, and thrown away.
    pub(super) fn proceed_bdat(
        &mut self,
        octets: u64,
        last: bool,
        refused: Option<Reply>,
        out: &mut Vec<u8>,
    ) -> Then {
        let fresh = self.content();
        if let (None, Some(transaction)) = (&refused, &mut self.transaction)
            && matches!(transaction.chunks, Chunks::None)
        {
            transaction.chunks = Chunks::Some { content: fresh, since: (self.setting.now)() };
        }
        self.phase = Phase::Chunk { octets, left: octets, last, refused };
        if octets == 0 { self.chunk_ended(out) } else { None }
    }

    pub(super) fn chunk_bytes(&mut self, buffer: &mut Vec<u8>, out: &mut Vec<u8>) -> Then {
        let Phase::Chunk { left, refused, .. } = &mut self.phase else { return None };
        let used = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
        let chunk = self.transaction.as_mut().map(|transaction| &mut transaction.chunks);
        if let (None, Some(Chunks::Some { content, .. })) = (&refused, chunk) {
            content.push_chunk(buffer.get(..used).unwrap_or_default());
        }
        buffer.drain(..used);
        *left -= used as u64;
        if *left == 0 { self.chunk_ended(out) } else { None }
    }

    fn chunk_ended(&mut self, out: &mut Vec<u8>) -> Then {
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        let Phase::Chunk { octets, last, refused, .. } = phase else { return None };
        if let Some(reply) = refused {
            return self.chunk_refused(last, reply, out);
        }
        let Some(transaction) = &mut self.transaction else { return None };
        let chunks = std::mem::replace(&mut transaction.chunks, Chunks::None);
        match chunks {
            Chunks::Some { content, .. } if last => self.message_ended(content, out),
            Chunks::Some { content, since } => {
                if let Some(fault) = content.fault() {
                    let (reply, why) = (fault_reply(fault), fault.to_string());
                    let to = transaction.names();
                    self.note(to, &why, &reply);
                    return self.chunk_refused(false, reply, out);
                }
                transaction.chunks = Chunks::Some { content, since };
                Reply::new(250, 0, 0, format!("{octets} octets taken")).print(out);
                self.pace()
            }
            Chunks::None | Chunks::Failed(_) => None,
        }
    }

    fn chunk_refused(&mut self, last: bool, reply: Reply, out: &mut Vec<u8>) -> Then {
        match &mut self.transaction {
            // Nothing has begun: RCPT may still come and BDAT be said again.
            Some(transaction) if transaction.recipients.is_empty() => {}
            Some(transaction) => transaction.chunks = Chunks::Failed(reply.clone()),
            None => {}
        }
        if last {
            self.reset();
        }
        self.refuse(reply, out)
    }

    // ---- both ----

    fn content(&self) -> Content {
        let hold = Hold::new(&self.setting.budget, self.talk.caller.network());
        let content = Content::new(self.setting.message_bytes, hold);
        match self.setting.role {
            Role::Mx => content,
            Role::Submission | Role::Devices { .. } => content.lenient(),
        }
    }

    fn check_recipients(&self) -> Result<&Transaction, Reply> {
        // RFC 5321 3.3: 503 without MAIL, 554 without a valid recipient
        match &self.transaction {
            None => Err(Reply::new(503, 5, 1, "Say MAIL and RCPT first")),
            Some(transaction) if transaction.recipients.is_empty() => {
                Err(Reply::new(554, 5, 1, "There is no valid recipient"))
            }
            Some(transaction) => Ok(transaction),
        }
    }

    fn message_ended(&mut self, content: Content, out: &mut Vec<u8>) -> Then {
        let (message, hold) = match content.finish() {
            Ok(whole) => whole,
            Err(fault) => {
                let reply = fault_reply(fault);
                let to = self.transaction.as_ref().map(Transaction::names).unwrap_or_default();
                self.note(to, &fault.to_string(), &reply);
                self.reset();
                let theirs = !reply.is_temporary();
                return if theirs { self.refuse(reply, out) } else { self.said(reply, out) };
            }
        };
        let transaction = self.transaction.take()?;
        let mail = &transaction.mail;
        let from = mail.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let (to, refused) = (transaction.names(), transaction.refused.clone());
        self.phase = Phase::Receiving { from, to, refused };
        let Transaction { mail, began, recipients, refused, .. } = transaction;
        Some(Step::Ask(Ask::Receive(Box::new(Arrived {
            caller: self.talk.caller.clone(),
            began,
            from: mail.from,
            body: mail.body,
            smtputf8: mail.smtputf8,
            ret: mail.ret,
            envid: mail.envid,
            recipients,
            refused,
            message,
            hold,
        }))))
    }

    /// The message is on disk, or is not: RFC 5321 4.1.1.4, the reply hands the duty over.
    pub(super) fn received(
        &mut self,
        from: String,
        to: String,
        refused: Refusals,
        reply: Reply,
        out: &mut Vec<u8>,
    ) -> Then {
        if !reply.is_positive() {
            self.talk.refusals.append(refused);
            self.note_from(from, to, &reply.lines.join(" "), &reply);
        }
        self.said(reply, out)
    }

    pub(super) fn said(&mut self, reply: Reply, out: &mut Vec<u8>) -> Then {
        reply.print(out);
        self.pace()
    }
}

fn fault_reply(fault: Fault) -> Reply {
    match fault {
        // RFC 5321 2.3.8: such a message is not sent; X.6.11 is "invalid characters"
        Fault::BareCr | Fault::BareLf | Fault::Nul => Reply::new(550, 6, 11, fault.to_string()),
        Fault::TooBig { .. } => Reply::new(552, 3, 4, fault.to_string()),
        Fault::NoMemory => Reply::new(452, 3, 1, fault.to_string()),
    }
}
