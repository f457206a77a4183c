//! Leaving mail: people submit, the server sends it on to a sink here, by names served here.
//!
//! ```text
//! 16 sessions --STARTTLS, AUTH PLAIN, letters--> server --MX? A?--> names (127.0.0.3:53, UDP)
//!                                                       --SMTP----> sink  (127.0.0.2)
//! ```
//!
//! The sink accepts connections and greets nobody until all is submitted: so the outbox is full
//! when it opens, and both rates are measured alone. Whatever it says it says 20 ms after it was
//! asked; what was pipelined is answered together.

use super::*;
use std::collections::HashSet;
use std::sync::Mutex;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;

const LATENCY: Duration = Duration::from_millis(20);
const SINK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const NAMES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const PATIENCE: Duration = Duration::from_secs(300);

/// To whom letters came to the sink and were answered; each letter goes to an address of its own.
type Came = Arc<Mutex<HashSet<String>>>;
/// To whom, and the text.
type Letter = (String, Vec<u8>);

/// `messages` letters of `size` over `connections` sessions, to `domains` domains in turn.
pub(super) async fn leave(options: Arc<Options>) -> Outcome<String> {
    let (messages, size) = (options.number("messages")?, options.number("size")? as usize);
    let (offset, domains) = (options.number("offset")?, options.number("domains")?);
    let (people, connections) = (options.people()?, options.number("connections")?);
    let (open, gate) = watch::channel(false);
    let came = Came::default();
    serve_names().await?;
    serve_sink(u16::try_from(options.number("sink")?)?, gate, came.clone()).await?;
    let mut sessions = Vec::new();
    for number in 0..connections {
        let (address, password) = &people[(number % people.len() as u64) as usize];
        let own = (number..messages).step_by(connections as usize);
        let pile: Vec<Letter> = own
            .map(|n| {
                let to = format!("x{}@d{}of{domains}.test", offset + n, n % domains);
                let text = letter_from(address, offset + n, size, &to);
                (to, text)
            })
            .collect();
        let session = logged_in(&options, number, address, password).await?;
        sessions.push((address.clone(), session, pile));
    }

    ready().await?;
    let start = Instant::now();
    submit(sessions).await?;
    let submitted = start.elapsed();
    let start = Instant::now();
    open.send(true)?;
    let count = || came.lock().map_or(0, |came| came.len() as u64);
    while count() < messages {
        if start.elapsed() > PATIENCE {
            return Err(format!("{} of {messages} sent after {PATIENCE:?}", count()).into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let drained = start.elapsed();
    Ok(format!(
        r#"{{"submitted_s":{:.4},"drained_s":{:.4}}}"#,
        submitted.as_secs_f64(),
        drained.as_secs_f64(),
    ))
}

async fn logged_in(
    options: &Options,
    number: u64,
    address: &str,
    password: &str,
) -> Outcome<Smtp<TlsStream<TcpStream>>> {
    let mut plain = Smtp::connect(options.port("submission")?, number + 1).await?;
    plain.command("STARTTLS").await?;
    let (connector, name) = tls(options)?;
    let stream = connector.connect(name, plain.0.into_inner()).await?;
    let mut session = Smtp(BufReader::new(stream));
    session.command("EHLO load.example").await?;
    let words = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("\0{address}\0{password}"),
    );
    session.command(&format!("AUTH PLAIN {words}")).await?;
    Ok(session)
}

/// Each session sends its own letters.
async fn submit(sessions: Vec<(String, Smtp<TlsStream<TcpStream>>, Vec<Letter>)>) -> Outcome<()> {
    let mut tasks: JoinSet<Outcome<()>> = JoinSet::new();
    for (address, mut session, pile) in sessions {
        tasks.spawn(async move {
            for (to, text) in pile {
                session.send(&address, &to, &text).await?;
            }
            session.quit().await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

// ---- the sink ----

async fn serve_sink(port: u16, gate: watch::Receiver<bool>, came: Came) -> Outcome<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((SINK, port).into())?;
    let listener: TcpListener = socket.listen(1024)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, gate.clone(), came.clone()));
        }
    });
    Ok(())
}

async fn take(stream: TcpStream, mut gate: watch::Receiver<bool>, came: Came) -> Outcome<()> {
    stream.set_nodelay(true)?;
    gate.wait_for(|open| *open).await?;
    let mut stream = BufReader::with_capacity(65_536, stream);
    let mut reply = "220 sink.test ESMTP\r\n".to_owned();
    let (mut line, mut content) = (Vec::new(), false);
    let (mut to, mut answered): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    loop {
        if !reply.is_empty() && !whole_line(stream.buffer()) {
            tokio::time::sleep(LATENCY).await;
            stream.write_all(reply.as_bytes()).await?;
            came.lock().map_err(|_| "a broken lock")?.extend(answered.drain(..));
            if reply.ends_with("221 bye\r\n") {
                return Ok(());
            }
            reply.clear();
        }
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if content {
            if line == b".\r\n" {
                content = false;
                answered.append(&mut to);
                reply.push_str("250 2.0.0 taken\r\n");
            }
            continue;
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        match text.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => reply.push_str("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
            "RCPT" => {
                let path = text.split(['<', '>']).nth(1).unwrap_or_default();
                to.push(path.to_owned());
                reply.push_str("250 2.1.5 good\r\n");
            }
            "DATA" => {
                content = true;
                reply.push_str("354 go on\r\n");
            }
            "QUIT" => reply.push_str("221 bye\r\n"),
            _ => reply.push_str("250 2.0.0 good\r\n"),
        }
    }
}

fn whole_line(buffer: &[u8]) -> bool {
    buffer.contains(&b'\n')
}

// ---- names ----

/// Every domain has one MX, `mx.` before it; every other name has the sink's address.
async fn serve_names() -> Outcome<()> {
    let socket = UdpSocket::bind((NAMES, 53)).await?;
    tokio::spawn(async move {
        let mut question = [0; 2048];
        while let Ok((octets, from)) = socket.recv_from(&mut question).await {
            if let Some(answer) = answer(question.get(..octets).unwrap_or_default()) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    Ok(())
}

fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let mut at = 12;
    while *question.get(at)? > 0 {
        at += 1 + usize::from(*question.get(at)?);
    }
    let asked = question.get(12..at + 5)?;
    let kind = u16::from_be_bytes([*question.get(at + 1)?, *question.get(at + 2)?]);
    let is_mx = asked.starts_with(b"\x02mx");
    let data: Vec<u8> = match kind {
        1 if is_mx => SINK.octets().to_vec(),
        // The preference, "mx", and a pointer to the name that was asked for.
        15 if !is_mx => b"\0\x0a\x02mx\xc0\x0c".to_vec(),
        _ => Vec::new(),
    };
    let mut out = question.get(..2)?.to_vec();
    out.extend([0x85, 0x80, 0, 1, 0, u8::from(!data.is_empty()), 0, 0, 0, 0]);
    out.extend(asked);
    if !data.is_empty() {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 1, 0x2c]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    Some(out)
}
