//! Commands: `check_x` says whether it may be done now, `proceed_x` does it.

use super::envelope::Recipient;
use super::server::{Chunks, Phase, Role, Server, Transaction};
use super::{Ask, Destination, Permit, Sending};
use crate::limits::{SMTP_MAILS_PER_SESSION, SMTP_RECIPIENTS};
use crate::session::Step;
use crate::store::AccountId;
use crate::wire::smtp::{Command, CommandError, LineError, Mail, Rcpt, Reply};

/// `None`: said, go on with what is in the buffer.
type Then = Option<Step<Ask>>;

impl Server {
    /// A command line, or why it is none.
    pub(super) fn line(&mut self, line: Result<String, LineError>, out: &mut Vec<u8>) -> Then {
        let command = match line {
            // RFC 5321 4.3.2: a line that cannot be read is 500
            Err(error) => return self.refuse(Reply::new(500, 5, 2, error.to_string()), out),
            Ok(line) => Command::parse(&line),
        };
        match command {
            Ok(command) => self.command(command, out),
            Err(CommandError::ChunkSize) => {
                Some(self.close(Some(CommandError::ChunkSize.reply()), out))
            }
            Err(error) => self.refuse(error.reply(), out),
        }
    }

    fn command(&mut self, command: Command, out: &mut Vec<u8>) -> Then {
        let done = match command {
            Command::Ehlo(name) => Ok(self.proceed_ehlo(name, out)),
            Command::Helo(name) => Ok(self.proceed_helo(name, out)),
            Command::Mail(mail) => self.check_mail(&mail).map(|()| self.proceed_mail(mail, out)),
            Command::Rcpt(rcpt) => self.check_rcpt(&rcpt).map(|()| self.proceed_rcpt(rcpt, out)),
            Command::Data => self.check_data().map(|()| self.proceed_data(out)),
            Command::Bdat { octets, last } => {
                let checked = self.check_bdat();
                Ok(self.proceed_bdat(octets, last, checked.err(), out))
            }
            Command::Rset => Ok(self.proceed_rset(out)),
            Command::Vrfy(_) => Ok(self.say(
                Reply::new(
                    252,
                    // RFC 5321 7.3: addresses are not told to whoever asks
                    0,
                    0,
                    "Cannot tell; send to it and RCPT will say",
                ),
                out,
            )),
            Command::Expn(_) => Err(Reply::new(502, 5, 1, "EXPN is not done here")),
            Command::Help => Ok(self.say(Reply::new(214, 0, 0, HELP), out)),
            Command::Noop => Ok(self.say(Reply::new(250, 0, 0, "OK"), out)),
            Command::Quit => Ok(Some(self.proceed_quit(out))),
            Command::StartTls => self.check_starttls().map(|()| Some(self.proceed_starttls(out))),
            Command::Auth { mechanism, initial } => {
                self.check_auth().map(|()| self.proceed_auth(&mechanism, initial, out))
            }
        };
        match done {
            Ok(then) => then,
            Err(reply) => self.refuse(reply, out),
        }
    }

    fn say(&mut self, reply: Reply, out: &mut Vec<u8>) -> Then {
        reply.print(out);
        self.pace()
    }

    // ---- EHLO, HELO ----

    fn proceed_ehlo(&mut self, name: String, out: &mut Vec<u8>) -> Then {
        self.hello(name, true);
        let mut lines = vec![format!("{} greets {}", self.setting.host, self.talk.caller.helo)];
        lines.extend(self.extensions());
        self.say(Reply::plain(250, lines), out)
    }

    fn proceed_helo(&mut self, name: String, out: &mut Vec<u8>) -> Then {
        self.hello(name, false);
        self.say(Reply::plain(250, vec![self.setting.host.clone()]), out)
    }

    fn hello(&mut self, name: String, extended: bool) {
        // RFC 5321 4.1.4: a further EHLO ends the transaction
        self.reset();
        self.talk.greeted = true;
        self.talk.caller.helo = name;
        self.talk.caller.extended = extended;
    }

    fn extensions(&self) -> Vec<String> {
        let mut offered = vec![
            "PIPELINING".to_string(),
            format!("SIZE {}", self.setting.message_bytes),
            "8BITMIME".to_string(),
            "SMTPUTF8".to_string(),
            "ENHANCEDSTATUSCODES".to_string(),
            "CHUNKING".to_string(),
            "DSN".to_string(),
            format!("LIMITS MAILMAX={SMTP_MAILS_PER_SESSION} RCPTMAX={SMTP_RECIPIENTS}"),
        ];
        // RFC 3207 4.2: not offered once TLS is active
        if self.setting.starttls && self.talk.caller.tls.is_none() {
            offered.push("STARTTLS".to_string());
        }
        let mechanisms = self.mechanisms();
        if !mechanisms.is_empty() {
            offered.push(format!("AUTH {}", mechanisms.join(" ")));
        }
        offered
    }

    // ---- MAIL ----

    fn check_mail(&mut self, mail: &Mail) -> Result<(), Reply> {
        // RFC 5321 4.1.4: EHLO or HELO comes first
        if !self.talk.greeted {
            return Err(Reply::new(503, 5, 1, "Say EHLO first"));
        }
        match self.setting.role {
            Role::Submission => self.check_submitter(mail)?,
            Role::Devices { .. } if mail.from.is_none() => {
                let text = "<> is for reports of servers: set the sender in the device";
                return Err(Reply::new(550, 7, 1, text));
            }
            // RFC 4954 5: a parameter of those who offer AUTH
            Role::Mx if mail.auth => {
                return Err(CommandError::ParameterUnknown("AUTH".to_string()).reply());
            }
            Role::Devices { .. } | Role::Mx => {}
        }
        // RFC 5321 4.1.1.2: no second MAIL inside a transaction
        if self.transaction.is_some() {
            return Err(Reply::new(503, 5, 1, "There is a sender already; RSET gives it up"));
        }
        // RFC 5321 4.1.1.1: after HELO there are no extensions
        if mail.extended && !self.talk.caller.extended {
            return Err(Reply::new(555, 5, 4, "Parameters need EHLO"));
        }
        let size = mail.size.unwrap_or(0);
        let limit = self.setting.message_bytes;
        // RFC 1870 6.1: the declared size is above the fixed maximum
        if size > limit as u64 {
            let why = format!("Messages larger than {limit} octets are not taken");
            let reply = Reply::new(552, 3, 4, why);
            let from = mail.from.as_ref().map(ToString::to_string).unwrap_or_default();
            let why = format!("The message was announced with {size} octets: too large");
            self.note_from(from, String::new(), &why, &reply);
            return Err(reply);
        }
        // RFC 1870 6.1: not now
        if size > self.setting.budget.free_for(self.talk.caller.network()) as u64 {
            return Err(Reply::new(452, 3, 1, "Too many messages at once, try again later"));
        }
        Ok(())
    }

    fn check_submitter(&self, mail: &Mail) -> Result<(), Reply> {
        // RFC 6409 4.3: who sends is known
        if self.talk.caller.login.is_none() {
            return Err(Reply::new(530, 7, 0, "Log in first"));
        }
        // RFC 6409 6.1: a person's mail has a sender who can be told what became of it
        if mail.from.is_none() {
            return Err(Reply::new(550, 7, 1, "<> is for reports of servers: say your address"));
        }
        Ok(())
    }

    fn proceed_mail(&mut self, mail: Mail, out: &mut Vec<u8>) -> Then {
        if self.talk.mails >= SMTP_MAILS_PER_SESSION {
            // RFC 9422 4.1: MAILMAX was told
            let reply = Reply::new(421, 7, 0, "Enough messages in one session, connect again");
            return Some(self.close(Some(reply), out));
        }
        self.talk.mails += 1;
        let login = self.talk.caller.login.as_ref();
        let login = login.map(|login| (AccountId(login.account), login.credential));
        // A device may be known without log-in: as nobody's.
        let device = matches!(self.setting.role, Role::Devices { .. }).then_some((AccountId(0), 0));
        match (login.or(device), &mail.from) {
            (Some((account, credential)), Some(from)) => {
                let from = from.clone();
                self.phase = Phase::Sender(mail);
                Some(Step::Ask(Ask::Sender { account, credential, from }))
            }
            _ => self.begin(mail, out),
        }
    }

    pub(super) fn sender_found(&mut self, mail: Mail, permit: Permit, out: &mut Vec<u8>) -> Then {
        let from = mail.from.as_ref().map(ToString::to_string).unwrap_or_default();
        let reply = match permit {
            Permit::Own => return self.begin(mail, out),
            Permit::NotOwn => {
                let why = format!("{from} is not one of your addresses");
                let reply = Reply::new(553, 7, 1, why.clone());
                self.note_from(from, String::new(), &why, &reply);
                reply
            }
            Permit::NoDevice => {
                let why = format!(
                    "{} is no device of this server: add it as [[scanner.device]] in \
                     mailroom.toml, or let it log in as one",
                    self.talk.caller.remote.ip().to_canonical()
                );
                let reply = Reply::new(550, 7, 1, why.clone());
                self.note_from(from, String::new(), &why, &reply);
                reply
            }
            Permit::NotOfDevice => {
                let why = format!(
                    "This device may not send as {from}: set another sender in it, or add this one \
                     to its from in mailroom.toml"
                );
                let reply = Reply::new(553, 7, 1, why.clone());
                self.note_from(from, String::new(), &why, &reply);
                reply
            }
            Permit::LeadsNowhere => {
                let why = format!(
                    "{from} leads to nobody of this server, who could hear what became of it: add \
                     it with mailroom address add"
                );
                let reply = Reply::new(553, 7, 1, why.clone());
                self.note_from(from, String::new(), &why, &reply);
                reply
            }
            Permit::NoAccount => Reply::new(550, 7, 1, "Your account may not send mail now"),
            Permit::Unavailable => {
                let text = "Cannot look that up now, try again later";
                return self.say(Reply::new(451, 3, 0, text), out);
            }
        };
        self.refuse(reply, out)
    }

    fn begin(&mut self, mail: Mail, out: &mut Vec<u8>) -> Then {
        self.transaction = Some(Transaction {
            mail,
            began: self.now(),
            recipients: Vec::new(),
            refused: Default::default(),
            chunks: Chunks::None,
            outside: 0,
        });
        self.say(Reply::new(250, 1, 0, "Sender OK"), out)
    }

    // ---- RCPT ----

    fn check_rcpt(&self, rcpt: &Rcpt) -> Result<(), Reply> {
        // RFC 5321 4.1.1.3: no MAIL yet
        let Some(transaction) = &self.transaction else {
            return Err(Reply::new(503, 5, 1, "Say MAIL first"));
        };
        // RFC 3030 2: recipients come before the first chunk
        if !matches!(transaction.chunks, Chunks::None) {
            return Err(Reply::new(503, 5, 1, "The message has begun already"));
        }
        if rcpt.extended && !self.talk.caller.extended {
            return Err(Reply::new(555, 5, 4, "Parameters need EHLO"));
        }
        if !transaction.mail.smtputf8 && !rcpt.ascii {
            return Err(CommandError::NotAscii.reply());
        }
        Ok(())
    }

    fn proceed_rcpt(&mut self, rcpt: Rcpt, out: &mut Vec<u8>) -> Then {
        let Some(transaction) = &self.transaction else { return None };
        // RFC 5321 4.5.3.1.10: 452 beyond the limit, and those before it stand
        if transaction.recipients.len() >= SMTP_RECIPIENTS {
            let reply = Reply::new(452, 5, 3, "Too many recipients, send the rest separately");
            return self.say(reply, out);
        }
        let (size, outside) = (transaction.mail.size, transaction.outside);
        let (from, to) = (transaction.mail.from.clone(), rcpt.to.clone());
        self.phase = Phase::Recipient(rcpt);
        let login = self.talk.caller.login.as_ref();
        let sending = login.map(|login| Sending { account: AccountId(login.account), outside });
        Some(Step::Ask(Ask::Recipient { from, to, size, sending }))
    }

    pub(super) fn recipient_found(
        &mut self,
        rcpt: Rcpt,
        destination: Destination,
        out: &mut Vec<u8>,
    ) -> Then {
        let to = rcpt.to.to_string();
        let (reply, why) = match destination {
            Destination::Ours | Destination::Returned => return self.add_recipient(rcpt, 0, out),
            Destination::Outside => return self.add_recipient(rcpt, 1, out),
            refused => refusal(refused),
        };
        self.note(to, why, &reply);
        // What is not the peer's fault is not counted against it.
        if reply.is_temporary() { self.say(reply, out) } else { self.refuse(reply, out) }
    }

    fn add_recipient(&mut self, rcpt: Rcpt, outside: usize, out: &mut Vec<u8>) -> Then {
        let text = format!("{} OK", rcpt.to);
        if let Some(transaction) = &mut self.transaction {
            // RFC 5321 4.1.1.3: named twice, delivered once
            if !transaction.recipients.iter().any(|recipient| recipient.to == rcpt.to) {
                let Rcpt { to, notify, orcpt, .. } = rcpt;
                transaction.outside += outside;
                transaction.recipients.push(Recipient { to, notify, orcpt });
            }
        }
        self.say(Reply::new(250, 1, 5, text), out)
    }

    // ---- RSET, QUIT, STARTTLS ----

    fn proceed_rset(&mut self, out: &mut Vec<u8>) -> Then {
        self.reset();
        self.say(Reply::new(250, 0, 0, "Forgotten"), out)
    }

    fn proceed_quit(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        let text = format!("{} says goodbye", self.setting.host);
        self.close(Some(Reply::new(221, 0, 0, text)), out)
    }

    fn check_starttls(&self) -> Result<(), Reply> {
        if self.talk.caller.tls.is_some() {
            return Err(Reply::new(503, 5, 1, "TLS is active already"));
        }
        if !self.setting.starttls {
            return Err(Reply::new(502, 5, 1, "TLS is not offered here"));
        }
        if !self.talk.greeted {
            return Err(Reply::new(503, 5, 1, "Say EHLO first"));
        }
        Ok(())
    }

    fn proceed_starttls(&mut self, out: &mut Vec<u8>) -> Step<Ask> {
        Reply::new(220, 0, 0, "Begin TLS").print(out);
        Step::Secure
    }
}

/// What is said to the peer of an address that is not taken, and why for the owner.
fn refusal(destination: Destination) -> (Reply, &'static str) {
    match destination {
        Destination::Unknown => {
            (Reply::new(550, 1, 1, "No such person here"), "There is no such address here")
        }
        Destination::NotOurs => (
            Reply::new(550, 7, 1, "This server takes no mail for that domain"),
            "The domain is not ours, and mail is not passed on for strangers",
        ),
        Destination::TooMany => (
            Reply::new(452, 7, 1, "You have written to as many outside as may be in a day"),
            "The person has reached the limit of outside recipients in a day",
        ),
        Destination::InsideOnly => (
            Reply::new(
                550,
                7,
                1,
                "This device may write to people of this server only: see outside",
            ),
            "The settings let this device write to people of this box only (outside)",
        ),
        Destination::TooManyOfDevice => (
            Reply::new(452, 7, 1, "This device has written to as many as may be in a day"),
            "The device has reached its limit of recipients in a day (per_day)",
        ),
        Destination::OnlyReports => (
            Reply::new(550, 7, 1, "This return address takes only delivery reports, from <>"),
            "A return address of passed-on mail (SRS) is no address to write to",
        ),
        Destination::NoWayBack => (
            Reply::new(550, 1, 1, "This return address was not made here, or has expired"),
            "A return address of passed-on mail (SRS) that is not valid (any more)",
        ),
        Destination::TooManyReturned => (
            Reply::new(452, 7, 1, "As many reports have gone back today as may, try tomorrow"),
            "The limit of reports handed back in a day is reached",
        ),
        Destination::OverQuota => {
            (Reply::new(452, 2, 2, "The mailbox is full"), "The mailbox is full")
        }
        Destination::Ours
        | Destination::Returned
        | Destination::Outside
        | Destination::Unavailable => (
            Reply::new(451, 3, 0, "Cannot look that up now, try again later"),
            "The address could not be looked up",
        ),
    }
}

const HELP: &str =
    "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS AUTH QUIT; see RFC 5321";
