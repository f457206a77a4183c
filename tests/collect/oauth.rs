//! Tokens, from a token server of the test's own: first log-in, renewal, and what is taken back.

use crate::act::Reply;
use crate::act::collect::{Client, CollectAct, Wish, act};
use crate::act::people::Password;
use crate::delivery::keyring::{Keyring, NoKey};
use crate::net::resolver::Resolver;
use crate::settings::{Ports, Settings};
use crate::store::Store;
use crate::store::format::{Oauth, Outside, Secrets};
use crate::store::outside;
use crate::tests::remote::certificates::Authority;
use crate::tests::store::outside::at_gmail;
use crate::tests::store::{ALICE, Office};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

static NOW: AtomicI64 = AtomicI64::new(1_900_000_000);

fn now() -> i64 {
    NOW.load(Ordering::SeqCst)
}

/// Answers of the token server in turn: status, and what stands in it.
pub(crate) type Answers = Arc<Mutex<Vec<(u16, &'static str)>>>;

struct Stage {
    office: Office,
    runtime: Runtime,
    answers: Answers,
    heard: Arc<Mutex<Vec<String>>>,
    port: u16,
}

impl Stage {
    fn new() -> Self {
        let office = Office::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let authority = Authority::new();
        let (port, answers, heard) = token_server(&runtime, &authority);
        let pem = office.folder.path().join("authority.pem");
        std::fs::write(&pem, &authority.pem).expect("a file");
        let mut settings = Settings::first("mail.office.test", Ports::WELL_KNOWN);
        settings.outgoing.authority = Some(pem);
        let text = crate::settings::print(&settings);
        std::fs::write(office.folder.path().join("mailroom.toml"), text).expect("settings");
        Self { office, runtime, answers, heard, port }
    }

    fn store(&self) -> &Store {
        &self.office.store
    }

    fn answer(&self, status: u16, body: &'static str) {
        self.answers.lock().expect("a lock").push((status, body));
    }

    fn last(&self) -> String {
        self.heard.lock().expect("a lock").last().cloned().unwrap_or_default()
    }

    fn times(&self) -> usize {
        self.heard.lock().expect("a lock").len()
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }

    fn keyring(&self) -> Keyring {
        let nobody = ["127.0.0.1:9".parse().expect("an address")];
        let resolver = Resolver::new(&nobody, Duration::from_millis(50)).expect("a resolver");
        let pem = self.office.folder.path().join("authority.pem");
        Keyring::new(self.store().clone(), resolver, Some(&pem), now).expect("a keyring")
    }

    fn the_account(&self) -> (outside::OutsideId, Outside) {
        let read = self.store().snapshot().expect("a snapshot");
        outside::of(&read, ALICE).expect("read").remove(0)
    }

    fn secrets(&self) -> Secrets {
        let (id, row) = self.the_account();
        let sealer = self.store().sealer().expect("the key");
        outside::secrets(id, &row, &sealer).expect("readable")
    }
}

/// Says its answers in turn at this port of 127.0.0.1, and what it heard.
pub(crate) fn token_server(
    runtime: &Runtime,
    authority: &Authority,
) -> (u16, Answers, Arc<Mutex<Vec<String>>>) {
    let (answers, heard) = (Answers::default(), Arc::<Mutex<Vec<String>>>::default());
    let acceptor = authority.show("127.0.0.1").acceptor;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (said, noted) = (answers.clone(), heard.clone());
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !whole(&request) {
                match stream.read_buf(&mut request).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            noted.lock().expect("a lock").push(String::from_utf8_lossy(&request).into_owned());
            let (status, body) = match said.lock() {
                Ok(mut said) if !said.is_empty() => said.remove(0),
                _ => (500, "{}"),
            };
            let answer = format!(
                "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, answers, heard)
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

const LOGIN: &str = "alice@office.test";
const OUTSIDE: &str = "alice@gmail.com";

#[test]
fn the_first_log_in_is_a_code_that_is_typed_in_elsewhere() {
    let stage = Stage::new();
    let client = Client {
        id: "our client".to_string(),
        secret: "client secret".to_string(),
        device_url: stage.url("device"),
        token_url: stage.url("token"),
        scope: "mail & more".to_string(),
    };
    let wish = Wish { oauth: Some(client), ..Wish::default() };
    let (login, address) = (LOGIN.to_string(), OUTSIDE.to_string());
    let add = CollectAct::Add { login, address, wish: Box::new(wish) };
    act(stage.store(), add, 1).expect("added");
    let ask = |wanted| act(stage.store(), wanted, 1);
    let begin = || ask(CollectAct::SignIn { login: LOGIN.into(), address: OUTSIDE.into() });
    stage.answer(400, r#"{"error":"invalid_client","error_description":"who is that?"}"#);
    let refused = begin().expect_err("an unknown client");
    assert!(refused.why.contains("invalid_client who is that?"), "{refused:?}");
    stage.answer(
        200,
        r#"{"device_code":"dev-1","user_code":"ABCD-EFGH","interval":2,"expires_in":900,
            "verification_uri":"https://provider.test/device"}"#,
    );
    let Ok(Reply::SignIn(begun)) = begin() else { panic!("no code") };
    assert_eq!((begun.code.as_str(), begun.interval), ("ABCD-EFGH", 2));
    let form = "client_id=our%20client&client_secret=client%20secret&scope=mail%20%26%20more";
    assert!(stage.last().ends_with(form), "{}", stage.last());
    assert!(!format!("{begun:?}").contains("dev-1"));
    let wait = || {
        let (login, address) = (LOGIN.to_string(), OUTSIDE.to_string());
        ask(CollectAct::SignInWait { login, address, begun: Box::new(begun.clone()) })
    };
    stage.answer(400, r#"{"error":"authorization_pending"}"#);
    assert_eq!(wait(), Ok(Reply::SignInWaits(2)));
    stage.answer(400, r#"{"error":"slow_down"}"#);
    assert_eq!(wait(), Ok(Reply::SignInWaits(7)));
    stage.answer(503, "<html>not now</html>");
    assert!(wait().expect_err("out of order").remedy.contains("try again"));
    stage.answer(400, r#"{"error":"access_denied"}"#);
    assert!(wait().expect_err("the person said no").why.contains("access_denied"));
    stage.answer(200, r#"{"access_token":"a-1","expires_in":3600,"refresh_token":"r-1"}"#);
    assert!(matches!(wait(), Ok(Reply::Done(_))));
    assert!(stage.last().contains("device_code=dev%2D1"), "{}", stage.last());
    assert_eq!(stage.secrets().refresh_token, "r-1");
    assert_eq!(stage.secrets().client_secret, "client secret", "it is kept");
    let file = std::fs::read(stage.office.folder.store().join("data.mdb")).expect("the store");
    for secret in [b"client secret".as_slice(), b"\x12\x03r-1"] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
    // A password in its place ends it.
    let password = Password { text: "word".to_string(), made_up: false };
    let wish = Wish { secret: Some(password), untested: true, ..Wish::default() };
    let (login, address) = (LOGIN.to_string(), OUTSIDE.to_string());
    ask(CollectAct::Change { login, address, wish: Box::new(wish) }).expect("changed");
    assert!(begin().expect_err("by password").why.contains("logs in with a password"));
}

#[test]
fn tokens_are_renewed_before_they_end_and_the_person_is_asked_when_they_are_taken_back() {
    let stage = Stage::new();
    let oauth = Oauth {
        client_id: "us".to_string(),
        device_url: stage.url("device"),
        token_url: stage.url("token"),
        scope: "mail".to_string(),
    };
    let row = Outside { way: outside::XOAUTH2, oauth: Some(oauth), ..at_gmail(OUTSIDE) };
    let secrets = Secrets { refresh_token: "r-1".to_string(), ..Secrets::default() };
    crate::tests::store::outside::add(stage.store(), ALICE, row, secrets).expect("added");
    let keyring = stage.keyring();
    let key = || {
        let (id, row) = stage.the_account();
        let key = stage.runtime.block_on(keyring.key(id, &row));
        key.map(|key| String::from_utf8_lossy(&key.secret.0).into_owned())
    };
    stage.answer(200, r#"{"access_token":"a-1","expires_in":3600}"#);
    assert_eq!(key(), Ok("a-1".to_string()));
    assert!(stage.last().contains("refresh_token=r%2D1"), "{}", stage.last());
    assert_eq!((key(), stage.times()), (Ok("a-1".to_string()), 1), "it is kept while it is good");
    NOW.fetch_add(3_590, Ordering::SeqCst);
    stage.answer(200, r#"{"access_token":"a-2","expires_in":3600,"refresh_token":"r-2"}"#);
    assert_eq!(key(), Ok("a-2".to_string()));
    assert_eq!(stage.secrets().refresh_token, "r-2", "a new one takes the place of the old");
    // The provider refuses it before its time: the next is another.
    stage.runtime.block_on(keyring.forget(stage.the_account().0));
    stage.answer(500, "oops");
    assert!(matches!(key(), Err(NoKey::Passing(_))));
    stage.answer(200, r#"{"access_token":"a-3"}"#);
    assert_eq!(key(), Ok("a-3".to_string()));
    assert!(stage.last().contains("refresh_token=r%2D2"), "{}", stage.last());
    NOW.fetch_add(400, Ordering::SeqCst);
    stage.answer(400, r#"{"error":"invalid_grant","error_description":"revoked"}"#);
    let Err(NoKey::LogIn(why)) = key() else { panic!("it was taken back") };
    assert_eq!(why, "invalid_grant revoked");
}
