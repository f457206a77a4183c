//! A connection to an IMAP server, logged in.

use crate::collect::reach::{self, NoCall, Place, Security};
use crate::imap::client::{Client, Heard, Ill, Input, Login, Step, Terms, Trouble};
use crate::limits;
use crate::net::dial::{self, Call, News};
use crate::net::resolver::Resolver;
use crate::wire::imap::heard::{Response, Status};
use tokio::time::Instant;

pub(crate) struct Line {
    call: Call,
    client: Client,
    /// Said and not written.
    out: Vec<u8>,
    /// New messages were told of.
    stirred: bool,
}

impl From<NoCall> for Trouble {
    fn from(why: NoCall) -> Trouble {
        match why {
            NoCall::Passing(why) => Trouble::new(Ill::Passing, why),
            NoCall::Lasting(why) => Trouble::new(Ill::Lasting, why),
        }
    }
}

impl Line {
    pub(crate) async fn open(
        place: &Place,
        resolver: &Resolver,
        login: Login,
    ) -> Result<Line, Trouble> {
        let call = reach::reach(place, resolver).await?;
        let clear = place.tls != Security::StartTls;
        let start_tls = place.tls == Security::StartTls;
        Line::enter(call, Terms { start_tls, clear, login }, Some(place)).await
    }

    /// Over a connection whose TLS stands.
    pub(crate) async fn over(call: Call, login: Login) -> Result<Line, Trouble> {
        Line::enter(call, Terms { start_tls: false, clear: true, login }, None).await
    }

    async fn enter(mut call: Call, terms: Terms, place: Option<&Place>) -> Result<Line, Trouble> {
        let mut client = Client::new(terms);
        let mut out = Vec::new();
        let mut input = Input::Opened;
        loop {
            let within = match client.step(input, &mut out) {
                Step::Read(within) => within,
                Step::Secure => {
                    write(&mut call, &mut out).await?;
                    let Some(place) = place else {
                        return Err(Trouble::new(Ill::Lasting, "There is TLS already."));
                    };
                    call = reach::secure(call, place).await?;
                    input = Input::Secured;
                    continue;
                }
                Step::Over(trouble) => {
                    call.close().await;
                    return Err(trouble);
                }
                Step::Ready | Step::Heard(_) => {
                    return Ok(Line { call, client, out, stirred: false });
                }
            };
            write(&mut call, &mut out).await?;
            input = match call.read(dial::now() + within).await {
                News::Bytes => Input::Bytes(&mut call.input),
                News::Ended(why) => Input::Ended(why),
                News::TimedOut => Input::TimedOut,
            };
        }
    }

    /// Is this capability offered? In upper case.
    pub(crate) fn has(&self, capability: &str) -> bool {
        self.client.has(capability)
    }

    /// Says a command; it is written with the next [`Line::hear`]. What is its number?
    pub(crate) fn say(&mut self, command: &[u8]) -> u32 {
        self.client.say(command, &mut self.out)
    }

    /// Says a line that is no command, such as the end of one.
    pub(crate) fn say_line(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Was it told of new messages since this was asked last?
    pub(crate) fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    /// The next response.
    pub(crate) async fn hear(&mut self) -> Result<Heard, Trouble> {
        self.hear_until(None).await.and_then(|heard| {
            heard.ok_or_else(|| Trouble::new(Ill::Passing, "The server said nothing for too long."))
        })
    }

    /// The next response; `None`: nothing came until then.
    pub(crate) async fn hear_until(
        &mut self,
        end: Option<Instant>,
    ) -> Result<Option<Heard>, Trouble> {
        write(&mut self.call, &mut self.out).await?;
        let mut input = Input::Bytes(&mut self.call.input);
        loop {
            let patience = match self.client.step(input, &mut self.out) {
                Step::Heard(heard) => {
                    self.stirred |= matches!(heard, Heard::Told(Response::Exists(_)));
                    return Ok(Some(heard));
                }
                Step::Over(trouble) => return Err(trouble),
                Step::Read(patience) => patience,
                Step::Secure | Step::Ready => limits::IMAP_OUT_REPLY,
            };
            let until = end.unwrap_or_else(|| dial::now() + patience);
            input = match self.call.read(until).await {
                News::Bytes => Input::Bytes(&mut self.call.input),
                News::Ended(why) => Input::Ended(why),
                News::TimedOut if end.is_some() => return Ok(None),
                News::TimedOut => Input::TimedOut,
            };
        }
    }

    /// Says a command and waits for its end; `each` sees what is told meanwhile.
    pub(crate) async fn ask(
        &mut self,
        command: &[u8],
        each: &mut (dyn FnMut(Response) + Send),
    ) -> Result<Status, Trouble> {
        let number = self.say(command);
        loop {
            match self.hear().await? {
                Heard::Told(response) => each(response),
                Heard::Done(done, status) if done == number => return Ok(status),
                Heard::Done(..) => {}
            }
        }
    }

    /// Says goodbye, without waiting for an answer.
    pub(crate) async fn close(mut self) {
        if self.client.is_open() {
            self.say(b"LOGOUT");
            let _ = self.call.write(&mut self.out, limits::LINGER).await;
        }
        self.call.close().await;
    }
}

async fn write(call: &mut Call, out: &mut Vec<u8>) -> Result<(), Trouble> {
    if out.is_empty() {
        return Ok(());
    }
    let written = call.write(out, limits::IMAP_OUT_BLOCK).await;
    written.map_err(|error| Trouble::new(Ill::Passing, format!("The connection broke: {error}.")))
}
