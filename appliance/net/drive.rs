//! Drives one session over one connection, as drawn in `session`.
//!
//! ```text
//! Opened -> step -> Read:   bytes in hand -> Bytes; else write, wait -> Bytes Woken TimedOut Ended
//!                   Again:  write -> Continue             Stopping
//!                   Ask:    write while the answer is made -> Answer
//!                   Secure: write, forget what was read, handshake -> Secured
//!                   Pause:  write, wait -> Continue
//!                   Close:  write, close
//! ```
//!
//! While a connection is quiet it holds no buffer: reading goes through one scratch buffer of the
//! thread, and the buffers of input and output are given back.

use super::stream::Stream;
use super::tls::{Tls, TlsFault};
use super::{Handler, stopped};
use crate::limits;
use crate::session::{Input, Session, Step};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

/// What a connection stands on besides its socket.
#[derive(Clone)]
pub(crate) struct Terms {
    pub tls: Arc<Tls>,
    /// Becomes true when the server stops.
    pub stop: watch::Receiver<bool>,
    pub pace: Pace,
}

/// The time-outs of limits.rs; a test makes them shorter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub handshake: Duration,
    pub write_stall: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { handshake: limits::TLS_HANDSHAKE, write_stall: limits::WRITE_STALL }
    }
}

/// Why a connection ended other than by the session's wish or the peer's.
#[derive(Debug)]
pub(crate) enum End {
    Gone(io::Error),
    Handshake(TlsFault),
    Stalled,
    /// The session took nothing of a full buffer, or asked for TLS inside TLS.
    Session(&'static str),
}

impl End {
    /// A peer that just went away is daily life and not worth a line in the log.
    pub(crate) fn is_ordinary(&self) -> bool {
        match self {
            Self::Gone(_) | Self::Handshake(TlsFault::Looked) => true,
            Self::Handshake(TlsFault::Handshake(error)) => {
                error.kind() == io::ErrorKind::UnexpectedEof
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone(error) => write!(f, "{error}"),
            Self::Handshake(fault) => write!(f, "TLS handshake: {fault}"),
            Self::Stalled => f.write_str("the peer reads nothing of what it asked for"),
            Self::Session(why) => f.write_str(why),
        }
    }
}

/// One session over one connection.
pub(crate) struct Drive<'h, S: Session, H: Handler<S>> {
    session: S,
    handler: &'h H,
    terms: Terms,
    /// The session has been told that the server stops.
    stopping: bool,
}

/// Steps taken in a row before other connections get their turn.
const STEPS_IN_A_ROW: u32 = 32;

impl<'h, S: Session, H: Handler<S>> Drive<'h, S, H> {
    pub(crate) fn new(session: S, handler: &'h H, terms: Terms) -> Self {
        Self { session, handler, terms, stopping: false }
    }

    /// Drives the session to its end.
    pub(crate) async fn run(mut self, stream: Stream) -> Result<(), End> {
        let mut line = Line::new(stream, self.terms.pace);
        let result = self.steps(&mut line).await;
        if result.is_err() && !line.ended {
            self.last_words(&mut line).await;
        }
        line.close(result.is_ok()).await;
        result
    }

    /// The connection broke: the session may still have something to ask, such as to write down
    /// what was tried.
    async fn last_words(&mut self, line: &mut Line) {
        let step = self.session.step(Input::Ended, &mut line.output);
        self.last_asks(step, line).await;
    }

    /// What the session still asks when nobody hears it any more.
    async fn last_asks(&mut self, mut step: Step<S::Ask>, line: &mut Line) {
        for _ in 0..STEPS_IN_A_ROW {
            let Step::Ask(ask) = step else { return };
            let answer = self.handler.answer(ask).await;
            line.output.clear();
            step = self.session.step(Input::Answer(answer), &mut line.output);
        }
    }

    async fn steps(&mut self, line: &mut Line) -> Result<(), End> {
        let mut step = self.session.step(Input::Opened, &mut line.output);
        let mut steps = 0;
        loop {
            steps += 1;
            if steps % STEPS_IN_A_ROW == 0 {
                tokio::task::yield_now().await;
            }
            step = match step {
                Step::Read { within, wake } => match self.read(line, within, wake).await? {
                    Some(next) => next,
                    None => return Ok(()),
                },
                Step::Again => {
                    // A piece of work without output (a search) ends a turn by itself.
                    if line.output.is_empty() {
                        tokio::task::yield_now().await;
                    }
                    line.write().await?;
                    self.session.step(Input::Continue, &mut line.output)
                }
                Step::Ask(ask) => {
                    let answer = self.ask(line, ask).await?;
                    self.session.step(Input::Answer(answer), &mut line.output)
                }
                Step::Secure => {
                    let facts = line.secure(&self.terms).await?;
                    self.session.step(Input::Secured(facts), &mut line.output)
                }
                Step::Pause(time) => {
                    line.write().await?;
                    self.pause(time).await;
                    self.session.step(Input::Continue, &mut line.output)
                }
                Step::Close => {
                    line.write().await?;
                    return Ok(());
                }
            };
            line.taken |= !matches!(step, Step::Read { .. });
            if self.stopping {
                line.write().await?;
                self.last_asks(step, line).await;
                return Ok(());
            }
        }
    }

    /// `None` when the connection is over.
    async fn read(
        &mut self,
        line: &mut Line,
        within: Duration,
        wake: bool,
    ) -> Result<Option<Step<S::Ask>>, End> {
        if line.has_news() && line.output.len() < limits::OUTPUT_PIECE_BYTES {
            return Ok(Some(self.bytes(line)));
        }
        line.write().await?;
        if line.has_news() {
            return Ok(Some(self.bytes(line)));
        }
        if line.ended {
            return Ok(None);
        }
        if line.input.len() >= limits::INPUT_BUFFER_BYTES {
            return Err(End::Session("the session takes nothing of a full buffer"));
        }
        let input = match self.wait(line, within, wake).await {
            News::Bytes => return Ok(Some(self.bytes(line))),
            News::Ended => {
                line.ended = true;
                Input::Ended
            }
            News::Gone(error) => return Err(End::Gone(error)),
            News::Woken => Input::Woken,
            News::TimedOut => {
                line.waiting_since = None;
                Input::TimedOut
            }
            News::Stopping => {
                self.stopping = true;
                Input::Stopping
            }
        };
        line.taken = true;
        Ok(Some(self.session.step(input, &mut line.output)))
    }

    fn bytes(&mut self, line: &mut Line) -> Step<S::Ask> {
        let before = line.input.len();
        let step = self.session.step(Input::Bytes(&mut line.input), &mut line.output);
        line.taken = line.input.len() != before;
        if line.taken {
            line.waiting_since = None;
        }
        step
    }

    async fn wait(&mut self, line: &mut Line, within: Duration, wake: bool) -> News {
        // A half line does not buy new time: the wait is counted from the last thing taken.
        let since = match line.waiting_since {
            Some(since) if !line.input.is_empty() => since,
            _ => Instant::now(),
        };
        line.waiting_since = Some(since);
        let watched = if wake { self.session.wake() } else { None };
        let woken = async {
            match &watched {
                Some(notify) => notify.notified().await,
                None => std::future::pending().await,
            }
        };
        let handler = self.handler;
        let shut = async {
            match handler.shut() {
                Some(notify) => notify.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut self.terms.stop) => News::Stopping,
            () = shut => News::Stopping,
            read = line.read() => match read {
                Ok(0) => News::Ended,
                Ok(_) => News::Bytes,
                Err(error) => News::Gone(error),
            },
            () = woken => News::Woken,
            () = tokio::time::sleep_until(since + within) => News::TimedOut,
        }
    }

    /// What was said before the question is written while the answer is being made; an answer that
    /// is there at once needs no write of its own, so pipelined commands share one.
    async fn ask(&mut self, line: &mut Line, ask: S::Ask) -> Result<S::Answer, End> {
        let mut answer = pin!(self.handler.answer(ask));
        if let Some(answer) = poll_once(answer.as_mut()).await {
            return Ok(answer);
        }
        // Side by side: the answer may hold what others wait for, such as a turn to check a
        // password, and a peer may read as slowly as it likes.
        let (written, answer) = tokio::join!(line.write(), answer);
        written.map(|()| answer)
    }

    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            () = stopped(&mut self.terms.stop) => (),
            () = tokio::time::sleep(time) => (),
        }
    }
}

enum News {
    Bytes,
    Ended,
    Gone(io::Error),
    Woken,
    TimedOut,
    Stopping,
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The connection with what is read and not taken, and what is said and not written.
struct Line {
    stream: Option<Stream>,
    pace: Pace,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Something happened since the session last left all of `input` untouched.
    taken: bool,
    /// When the session began to wait for the rest of what is in `input`.
    waiting_since: Option<Instant>,
    /// The peer has closed its side.
    ended: bool,
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; limits::READ_CHUNK_BYTES].into_boxed_slice());
}

impl Line {
    fn new(stream: Stream, pace: Pace) -> Self {
        Self {
            stream: Some(stream),
            pace,
            input: Vec::new(),
            output: Vec::new(),
            taken: true,
            waiting_since: None,
            ended: false,
        }
    }

    fn has_news(&self) -> bool {
        self.taken && !self.input.is_empty()
    }

    /// Octets added to `input`; 0 when the peer has closed its side.
    async fn read(&mut self) -> io::Result<usize> {
        let Self { stream, input, output, .. } = self;
        let Some(stream) = stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let room = limits::INPUT_BUFFER_BYTES.saturating_sub(input.len());
        poll_fn(|cx| {
            SCRATCH.with_borrow_mut(|scratch| {
                let room = room.min(scratch.len());
                let mut piece = ReadBuf::new(&mut scratch[..room]);
                match Pin::new(&mut *stream).poll_read(cx, &mut piece) {
                    Poll::Ready(Ok(())) => {
                        input.extend_from_slice(piece.filled());
                        Poll::Ready(Ok(piece.filled().len()))
                    }
                    Poll::Ready(Err(error)) if is_abrupt_end(&error) => Poll::Ready(Ok(0)),
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => {
                        give_back(input);
                        give_back(output);
                        Poll::Pending
                    }
                }
            })
        })
        .await
    }

    /// Writes all output; fails when the peer takes nothing for too long.
    async fn write(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let mut rest = self.output.as_slice();
        let mut flushed = false;
        while !flushed {
            let progress = poll_fn(|cx| {
                if rest.is_empty() {
                    return Pin::new(&mut *stream).poll_flush(cx).map_ok(|()| 0);
                }
                Pin::new(&mut *stream).poll_write(cx, rest)
            });
            let written = tokio::time::timeout(self.pace.write_stall, progress).await;
            let written = written.map_err(|_| End::Stalled)?.map_err(End::Gone)?;
            flushed = rest.is_empty();
            rest = rest.get(written..).unwrap_or_default();
        }
        self.output.clear();
        Ok(())
    }

    async fn secure(&mut self, terms: &Terms) -> Result<crate::session::TlsFacts, End> {
        self.write().await?;
        // RFC 3207 4.2: what came in clear before the handshake is forgotten.
        self.input = Vec::new();
        self.waiting_since = None;
        let Some(Stream::Plain(socket)) = self.stream.take() else {
            return Err(End::Session("TLS was asked for inside TLS"));
        };
        let accepted = terms.tls.accept(socket, self.pace.handshake).await;
        let (stream, facts) = accepted.map_err(End::Handshake)?;
        self.stream = Some(Stream::Secure(Box::new(stream.into())));
        Ok(facts)
    }

    /// Says goodbye to TLS and TCP, and after an orderly end reads a little on: to close with
    /// octets unread would cut off our own last words.
    async fn close(&mut self, orderly: bool) {
        let Some(stream) = &mut self.stream else { return };
        let within = self.pace.write_stall.min(limits::LINGER);
        let bye = poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx));
        let said = tokio::time::timeout(within, bye).await;
        if !orderly || self.ended || !matches!(said, Ok(Ok(()))) {
            return;
        }
        let rest = async {
            let mut octets = 0;
            while octets < limits::INPUT_BUFFER_BYTES {
                self.input.clear();
                match self.read().await {
                    Ok(count) if count > 0 => octets += count,
                    _ => return,
                }
            }
        };
        let _ = tokio::time::timeout(within, rest).await;
    }
}

/// TLS peers that close TCP without close_notify are many; to a mail protocol, whose commands have
/// their own ends, it is an end like any other.
fn is_abrupt_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > limits::IDLE_BUFFER_BYTES && buffer.len() < buffer.capacity() / 2 {
        buffer.shrink_to_fit();
    }
}
