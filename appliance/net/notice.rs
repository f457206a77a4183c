//! Ports with one answer for everybody: what a box under repair says.

use super::listen::{Door, Gate};
use crate::limits;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// Said at once: the greeting of a server that speaks first.
    Line(Arc<str>),
    /// A whole reply, said once the head of the request is read.
    Page(Arc<str>),
}

impl Door {
    /// Tells it to everybody who comes, until the stop.
    pub(crate) async fn tell(
        &self,
        notice: &Notice,
        gate: &Gate,
        stop: &mut watch::Receiver<bool>,
    ) -> io::Result<()> {
        let each = |socket: TcpStream, _: SocketAddr| {
            let notice = notice.clone();
            async move {
                // Whoever is slow or gone is told no more.
                let _ = tokio::time::timeout(limits::NOTICE, notice.say(socket)).await;
            }
        };
        self.accept_each(gate, stop, None, each).await
    }
}

impl Notice {
    async fn say(&self, mut socket: TcpStream) -> io::Result<()> {
        let text = match self {
            Self::Line(line) => line,
            Self::Page(page) => {
                head(&mut socket).await?;
                page
            }
        };
        socket.write_all(text.as_bytes()).await?;
        socket.shutdown().await?;
        // Octets that nobody read would make the end a reset, which can overtake the answer.
        let mut rest = [0; 1024];
        let mut read = 0;
        while read < limits::NOTICE_HEAD_BYTES {
            match socket.read(&mut rest).await? {
                0 => break,
                more => read += more,
            }
        }
        Ok(())
    }
}

/// The head of a request, to its empty line.
async fn head(socket: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let more = socket.read(&mut part).await?;
        if more == 0 || head.len() + more > limits::NOTICE_HEAD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(part.get(..more).unwrap_or_default());
    }
    Ok(())
}
