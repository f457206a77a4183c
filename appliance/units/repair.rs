//! The child of a box whose store cannot be opened. It touches no disk, and says so to everybody:
//!
//! ```text
//! 25 587  421 4.3.2: senders keep the mail and come again       // RFC 5321 3.1, 3.8
//! 143     * BYE [UNAVAILABLE]                                    // RFC 5530
//! 110     -ERR [SYS/TEMP]                                        // RFC 3206
//! 80      a page with the reason and what the owner can do
//! ```

use crate::admin;
use crate::limits;
use crate::net::listen::{Door, Gate};
use crate::net::notice::Notice;
use crate::request::Words;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What each unit says.
pub(crate) fn notices(why: &Words) -> [(&'static str, u16, Notice); 5] {
    let mail = Notice::Line("421 4.3.2 this server is being repaired, try again later\r\n".into());
    let imap = "* BYE [UNAVAILABLE] this server is being repaired, no mail is lost\r\n";
    let pop = "-ERR [SYS/TEMP] this server is being repaired, no mail is lost\r\n";
    [
        ("smtp", 25, mail.clone()),
        ("submission", 587, mail),
        ("imap", 143, Notice::Line(imap.into())),
        ("pop3", 110, Notice::Line(pop.into())),
        ("http", 80, Notice::Page(admin::repair::page(why.text()).into())),
    ]
}

/// Runs until it is killed.
pub(crate) fn run(why: &Words) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let listen: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    runtime.block_on(async {
        let gate = Gate::new(limits::NOTICES, limits::SMTP_CONNECTIONS_PER_ADDRESS);
        // Nobody stops it but PID 1, by a signal.
        let (_stopper, stop) = watch::channel(false);
        let mut running = JoinSet::new();
        for (unit, port, notice) in notices(why) {
            for address in listen {
                let at = SocketAddr::new(address, port);
                let door = Door::bind(unit, at, false, limits::SMTP_CONNECTIONS_PER_ADDRESS);
                let door = door.map_err(|error| super::cannot_listen(unit, at, &error))?;
                let (notice, gate, mut stop) = (notice.clone(), gate.clone(), stop.clone());
                running.spawn(async move { door.tell(&notice, &gate, &mut stop).await });
            }
        }
        match running.join_next().await {
            Some(Ok(Err(error))) => Err(error.to_string()),
            other => Err(format!("a port closed: {other:?}")),
        }
    })
}
