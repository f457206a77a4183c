//! The pages on the LAN, the only user of tiny_http and askama.
//!
//! ```text
//! net::splice -> loopback port -> a thread of the pool -> Request (http) -> routes: who may?
//!     -> a handler (one file a page) -> act or store -> a template of pages/ -> Reply
//! ```
//!
//! A page is one file here, one template, and its rows in the table of [`routes`]. What it says
//! stands in config/words, what it does is an act of [`crate::act`] or of the store.

mod addresses;
pub(crate) mod api;
mod assets;
mod audit;
pub(crate) mod backup;
mod clients;
mod code;
mod enter;
pub(crate) mod finding;
pub(crate) mod fingerprint;
mod form;
mod home;
mod house;
pub(crate) mod http;
pub(crate) mod lan;
mod log;
pub(crate) mod look;
mod meaning;
mod moving;
mod my;
pub(crate) mod network;
pub(crate) mod outside;
pub(crate) mod owner;
mod page;
mod people;
mod queue;
mod refusal;
pub(crate) mod repair;
pub(crate) mod reset;
mod restore;
pub(crate) mod routes;
mod security;
mod sessions;
mod setup;
pub(crate) mod sticks;
pub(crate) mod storage;
mod strangers;
mod support;
pub(crate) mod tally;
mod tokens;
mod trace;
mod trouble;
mod update;
pub(crate) mod upload;
mod welcome;
pub(crate) mod who;
pub(crate) mod zone;

pub(crate) use crate::words;
pub(crate) use house::{House, Place};

use crate::event::{Event, emit};
use crate::limits;
use crate::net::splice::{Allowance, Register};
use crate::session::Peer;
use http::{Method, Reply};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The pages while they are served. Dropping it stops them.
pub(crate) struct Pages {
    server: Arc<tiny_http::Server>,
    at: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

/// Serves the pages on a loopback port of their own, for connections that are in the register.
pub(crate) fn start(house: &Arc<House>, register: &Register) -> io::Result<Pages> {
    let server = tiny_http::Server::http((Ipv4Addr::LOCALHOST, 0)).map_err(io::Error::other)?;
    let at = server.server_addr().to_ip().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let server = Arc::new(server);
    let mut pages = Pages { server, at, threads: Vec::new() };
    for _ in 0..limits::PAGE_THREADS {
        let (server, house) = (pages.server.clone(), house.clone());
        let register = register.clone();
        let thread = std::thread::Builder::new().name("page".into());
        pages.threads.push(thread.spawn(move || work(&server, &house, &register))?);
    }
    Ok(pages)
}

impl Pages {
    /// Where they listen.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.threads.iter().for_each(|_| self.server.unblock());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work(server: &tiny_http::Server, house: &House, register: &Register) {
    // `unblock` ends one thread's waiting with an error.
    while let Ok(mut request) = server.recv() {
        let peer = request.remote_addr().and_then(|source| register.find(*source));
        let reply = match peer {
            Some(peer) => {
                let made = std::panic::AssertUnwindSafe(|| {
                    made(house, &mut request, peer).unwrap_or_else(|reply| reply)
                });
                std::panic::catch_unwind(made).unwrap_or_else(|_| Reply::plain(500, "failed"))
            }
            None => Reply::plain(403, "not by this way"),
        };
        if let Err(error) = http::respond(request, reply, house.seconds()) {
            let why = error.to_string();
            if error.kind() != io::ErrorKind::BrokenPipe {
                emit(Event::UnitFailed { unit: "page", why });
            }
        }
    }
}

/// The reply to what tiny_http parsed; the error is one, too.
fn made(house: &House, request: &mut tiny_http::Request, peer: Peer) -> Result<Reply, Reply> {
    let mut asked = http::head(request, peer, house.seconds())?;
    if !matches!(asked.method, Method::Post | Method::Put) {
        return Ok(routes::answer(house, &asked));
    }
    if [api::RESTORE, api::UPDATE].contains(&asked.path.as_str()) {
        let length = request.body_length().unwrap_or(0);
        let upload = upload::Upload::bare(length as u64, request.as_reader());
        return Ok(routes::answer_with(house, &asked, Some(upload)));
    }
    let kind = asked.header("content-type").map(str::to_string);
    let takes = routes::UPLOADS.contains(&asked.path.as_str());
    if !takes || !upload::is_one(kind.as_deref()) {
        asked.body = http::body(request.as_reader())?;
        return Ok(routes::answer(house, &asked));
    }
    let opened = upload::Upload::open(&kind.unwrap_or_default(), request.as_reader());
    let (fields, upload) = opened.map_err(|bad| Reply::plain(400, bad.words()))?;
    asked.body = http::printed(&fields).into_bytes();
    Ok(routes::answer_with(house, &asked, upload))
}

/// How large the body of a request may be: the bound that `net::splice` holds.
pub(crate) fn allowance(house: &Arc<House>) -> Allowance {
    let house = house.clone();
    Arc::new(move |wish| routes::allowance(&house, wish))
}
