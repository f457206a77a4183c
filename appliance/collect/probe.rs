//! One try of a server: connect, TLS, log in, goodbye.

use super::imap::line::Line;
use super::reach::{self, Place, Security};
use super::{Fault, plan, pop3};
use crate::imap::client as imap_client;
use crate::limits::SMTP_OUT_COMMAND;
use crate::net::dial::{self, News};
use crate::net::resolver::Resolver;
use crate::pop3::client::Login;
use crate::smtp::client::{Client, Input, StartTls, Step, Terms, Trouble};
use crate::store::format::OutsideHost;
use crate::store::outside::IMPLICIT;
use crate::wire::autoconfig::Kind;
use crate::wire::sasl::Secret;
use std::path::Path;

pub(crate) struct Try<'a> {
    pub kind: Kind,
    pub at: &'a OutsideHost,
    pub user: &'a str,
    pub secret: &'a Secret,
    /// It is an access token.
    pub token: bool,
}

pub(crate) async fn probe(
    resolver: &Resolver,
    authority: Option<&Path>,
    wanted: Try<'_>,
) -> Result<(), Fault> {
    let place = Place {
        host: wanted.at.host.clone(),
        port: u16::try_from(wanted.at.port).unwrap_or_default(),
        tls: if wanted.at.tls == IMPLICIT { Security::Implicit } else { Security::StartTls },
        authority: authority.map(Path::to_path_buf),
    };
    let Try { kind, user, secret, token, .. } = wanted;
    match kind {
        Kind::Pop3 => {
            let login = Login { user: user.to_string(), secret: secret.clone(), token };
            pop3::try_out(place, resolver, login).await
        }
        Kind::Imap => imap(&place, resolver, (user, secret, token)).await,
        Kind::Smtp => smtp(&place, resolver, (user, secret, token)).await,
    }
}

async fn imap(
    place: &Place,
    resolver: &Resolver,
    (user, secret, token): (&str, &Secret, bool),
) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(&secret.0).into_owned();
    let secret = match token {
        true => imap_client::Secret::Token(text),
        false => imap_client::Secret::Password(text),
    };
    let login = imap_client::Login { user: user.to_string(), secret };
    let opened = Line::open(place, resolver, login).await;
    let line = opened.map_err(|trouble| match trouble.ill {
        imap_client::Ill::Login => Fault::refused(&trouble.why),
        imap_client::Ill::Lasting => {
            let remedy = "Look whether the server's name, port and encryption are right.";
            Fault::new(plan::CERTIFICATE, trouble.why, remedy)
        }
        imap_client::Ill::Busy(_) => Fault::new(plan::BUSY, trouble.why, "Try again later."),
        imap_client::Ill::Passing => {
            let remedy = "Look whether the server's name and port are right, or try again.";
            Fault::new(plan::UNREACHED, trouble.why, remedy)
        }
    })?;
    line.close().await;
    Ok(())
}

async fn smtp(
    place: &Place,
    resolver: &Resolver,
    (user, secret, token): (&str, &Secret, bool),
) -> Result<(), Fault> {
    let mut call = reach::reach(place, resolver).await?;
    let implicit = place.tls == Security::Implicit;
    let mut client = Client::new(Terms {
        host: "localhost".to_string(),
        tls: if implicit { StartTls::Never } else { StartTls::Must },
        login: Some((user.to_string(), String::from_utf8_lossy(&secret.0).into_owned())),
        token,
        clear: implicit,
    });
    let mut out = Vec::new();
    let mut step = client.step(Input::Opened, &mut out);
    loop {
        let _ = call.write(&mut out, SMTP_OUT_COMMAND).await;
        let input = match step {
            Step::Read(within) => match call.read(dial::now() + within).await {
                News::Bytes => Input::Bytes(&mut call.input),
                News::Ended(why) => Input::Ended(why),
                News::TimedOut => Input::TimedOut,
            },
            Step::Secure => {
                call = reach::secure(call, place).await?;
                Input::Secured
            }
            Step::Again => Input::Continue,
            Step::Over(trouble) => return Err(fault(trouble)),
            Step::Ready | Step::Sent(_) => {
                client.quit(&mut out);
                let _ = call.write(&mut out, SMTP_OUT_COMMAND).await;
                call.close().await;
                return Ok(());
            }
        };
        step = client.step(input, &mut out);
    }
}

fn fault(trouble: Trouble) -> Fault {
    let Trouble { reply, why, .. } = trouble;
    let said = reply.as_ref().map(ToString::to_string).unwrap_or_default();
    let refused = reply.as_ref().is_some_and(|it| matches!(it.code, 530 | 534 | 535 | 538));
    if refused {
        return Fault::refused(said.trim_end());
    }
    let remedy = "Look whether the server's name, port and encryption are right.";
    Fault { reply: said.trim_end().to_string(), ..Fault::new(plan::OTHER, why, remedy) }
}
