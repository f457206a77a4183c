//! A house with a store, and browsers that visit it without a socket.

use crate::act::people::{self, AccountAct, DomainAct, Password};
use crate::act::update::Updates;
use crate::admin::http::{Method, Reply, Request, encoded, pairs};
use crate::admin::lan::Lan;
use crate::admin::network::Network;
use crate::admin::upload::Upload;
use crate::admin::{self, House, Place};
use crate::clock::Ticks;
use crate::limits;
use crate::net::authority::Names;
use crate::net::tls::Tls;
use crate::request::Code;
use crate::serve::login::Logins;
use crate::session::{Peer, TlsFacts};
use crate::settings::{self, Ports, Settings};
use crate::store::format::{Setup, Trace};
use crate::store::writer::Options;
use crate::store::{AccountId, Batch, MailId, Store, account, owner, trace};
use crate::tests::net::toy::Folder;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(crate) const NOW: i64 = crate::tests::net::toy::NOW;
pub(crate) const CODE: &str = "ABCD-2345";
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct World {
    pub house: Arc<House>,
    _folder: Folder,
}

impl World {
    /// A box that nobody owns, at 192.168.1.20 in a network whose router is 192.168.1.1.
    pub(crate) fn new() -> World {
        let folder = Folder::new();
        let store = Store::open(&folder.0.join("store"), Options::default()).expect("a store");
        let settings = Settings::first("mail.office.test", Ports::above(2000).expect("ports"));
        let names = Names { host: settings.host.clone(), others: Vec::new() };
        let tls = Tls::open(&folder.0.join("tls"), names, NOW).expect("a certificate");
        let lan = Lan::of(&[(ip("192.168.1.0"), 24)], &[ip("192.168.1.1")]);
        let place = Place::at(Code::parse(CODE).expect("a code"), Ticks::still());
        let logins = Logins::at(store.clone(), &[7; 32], Ticks::still()).expect("log-ins");
        let house = House::new(place, (store, logins), &folder.0, &settings, tls);
        let house = House { clock: || NOW, networks: Some(lan), ..house };
        World { house: Arc::new(house), _folder: folder }
    }

    /// One whose owner has [`PASSWORD`].
    pub(crate) fn owned() -> World {
        let world = World::new();
        world.house.claim(PASSWORD, NOW).expect("an owner");
        world
    }

    /// One that is set up, and home to office.test.
    pub(crate) fn office() -> World {
        let world = World::owned();
        let text = settings::print(&world.house.settings());
        let path = world.house.data.join("mailroom.toml");
        settings::replace_file(&path, text.as_bytes()).expect("written");
        let act = DomainAct::Add { domain: "office.test".to_string() };
        people::domain(&world.house.store, act, NOW).expect("a domain");
        let done = |setup: &mut Setup| setup.done.push("done".to_string());
        let store = &world.house.store;
        store.write_blocking(move |batch| owner::change_setup(batch, &mut { done })).expect("set");
        world
    }

    /// Somebody who has mail here, with a password.
    pub(crate) fn person(&self, name: &str, password: &str) -> AccountId {
        let login = format!("{name}@office.test");
        let act = AccountAct::Add {
            address: login.clone(),
            name: name.to_string(),
            quota: 1_000_000,
            password: Password { text: password.to_string(), made_up: false },
        };
        people::account(&self.house.store, act, NOW).expect("a person");
        let read = self.house.store.snapshot().expect("a snapshot");
        account::by_login(&read, &login).expect("read").expect("there").0
    }

    /// A browser of theirs.
    pub(crate) fn logged_in(&self, name: &str, password: &str) -> Browser<'_> {
        let mut browser = self.browser();
        browser.get("/my/login");
        let login = format!("{name}@office.test");
        let reply = browser.post("/my/login", &[("name", &login), ("password", password)]);
        assert_eq!(
            (reply.status, reply.header("Location")),
            (303, Some("/my")),
            "{}",
            reply.text()
        );
        browser.get("/my");
        browser
    }

    /// Writes down the story of a message that came so many seconds after [`NOW`].
    pub(crate) fn story(&self, after: i64, story: Trace) -> MailId {
        let micros = u64::try_from(NOW + after).expect("a time") * 1_000_000;
        let id = MailId(micros);
        let job = move |batch: &mut Batch| trace::put(batch, id, &story);
        self.house.store.write_blocking(job).expect("written");
        id
    }

    /// Everything starts anew, as the units do for a backup that waits: sessions stay.
    pub(crate) fn start_anew(&mut self) {
        let data = self.house.data.clone();
        let begin = |old: &House, folder: &str| {
            let store = Store::open(&data.join(folder), Options::default()).expect("a store");
            let (place, tls) = (old.place.clone(), old.tls.clone());
            let logins = Logins::new(store.clone(), &[7; 32]).expect("log-ins");
            let house = House::new(place, (store, logins), &data, &old.settings(), tls);
            Arc::new(House { clock: || NOW, networks: old.networks.clone(), ..house })
        };
        // Until the last handle is gone nobody else opens the store.
        let meanwhile = begin(&self.house, "meanwhile");
        self.house.store.close();
        self.house = meanwhile;
        self.house.place.put_backup();
        crate::act::office::finish_restore(&data).expect("a restore that ends");
        let house = begin(&self.house, "store");
        self.house.store.close();
        self.house = house;
    }

    /// From now on it is a box with this network.
    pub(crate) fn become_box(&mut self, network: Arc<Network>) {
        let old = &self.house;
        let (place, tls) = (old.place.clone(), old.tls.clone());
        let of_store = (old.store.clone(), old.logins.clone());
        let house = House::new(place, of_store, &old.data, &old.settings(), tls);
        let (networks, network) = (old.networks.clone(), Some(network));
        self.house = Arc::new(House { clock: || NOW, networks, is_box: true, network, ..house });
    }

    /// From now on it is a box that is updated so.
    pub(crate) fn become_updated(&mut self, updates: Updates) {
        let old = &self.house;
        let (place, tls) = (old.place.clone(), old.tls.clone());
        let of_store = (old.store.clone(), old.logins.clone());
        let house = House::new(place, of_store, &old.data, &old.settings(), tls);
        let (networks, network) = (old.networks.clone(), old.network.clone());
        let house = House { clock: || NOW, networks, network, is_box: true, ..house };
        self.house = Arc::new(House { updates: Arc::new(updates), ..house });
    }

    /// The page for who comes without TLS.
    pub(crate) fn in_clear(&self) -> String {
        let mut browser = self.browser();
        (browser.secure, browser.host) = (false, "192.168.1.20:2080".to_string());
        browser.get("/").text()
    }

    /// A browser in the office.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            world: self,
            remote: ip("192.168.1.77"),
            local: ip("192.168.1.20"),
            now: NOW,
            host: "mail.office.test:2443".to_string(),
            cookie: None,
            csrf: String::new(),
            site: Some("same-origin"),
            secure: true,
        }
    }

    /// One that is logged in as the owner.
    pub(crate) fn owner(&self) -> Browser<'_> {
        let mut browser = self.browser();
        browser.get("/login");
        let reply = browser.post("/login", &[("password", PASSWORD)]);
        assert_eq!(reply.status, 303, "{}", reply.text());
        browser.get("/acts");
        browser
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.house.store.close();
    }
}

/// A browser: keeps its cookie, and the token of the last page.
#[derive(Clone)]
pub(crate) struct Browser<'w> {
    pub world: &'w World,
    pub remote: IpAddr,
    /// The address of the box that it reached.
    pub local: IpAddr,
    /// When it asks, seconds since 1970.
    pub now: i64,
    pub host: String,
    pub cookie: Option<String>,
    pub csrf: String,
    /// What it says of where a form was made.
    pub site: Option<&'static str>,
    pub secure: bool,
}

impl Browser<'_> {
    pub(crate) fn get(&mut self, target: &str) -> Reply {
        let request = self.request(Method::Get, target, Vec::new());
        self.send(&request)
    }

    /// A part of a page that script follows.
    pub(crate) fn part(&mut self, target: &str) -> Reply {
        let mut request = self.request(Method::Get, target, Vec::new());
        request.headers.push(("x-part".to_string(), "yes".to_string()));
        self.send(&request)
    }

    /// Sends a form with the token that the last page had.
    pub(crate) fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Reply {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend(fields);
        let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
        let body = all.iter().map(pair).collect::<Vec<_>>().join("&");
        let request = self.request(Method::Post, target, body.into_bytes());
        self.send(&request)
    }

    /// Sends a form with a file in it, as browsers do.
    pub(crate) fn post_file(&mut self, target: &str, octets: &[u8]) -> Reply {
        let (kind, body) = form_with_file(&self.csrf, octets);
        self.post_multipart(target, kind, &body)
    }

    pub(crate) fn post_multipart(&mut self, target: &str, kind: &str, mut body: &[u8]) -> Reply {
        let mut request = self.request(Method::Post, target, Vec::new());
        request.headers.push(("content-length".to_string(), body.len().to_string()));
        let (fields, upload) = Upload::open(kind, &mut body).expect("a form");
        let pair = |(name, value): &(String, String)| format!("{name}={}", encoded(value));
        request.body = fields.iter().map(pair).collect::<Vec<_>>().join("&").into_bytes();
        let house = self.world.house.clone();
        let reply = admin::routes::answer_with(&house, &request, upload);
        self.read(&request, reply)
    }

    pub(crate) fn send(&mut self, request: &Request) -> Reply {
        let reply = admin::routes::answer(&self.world.house, request);
        self.read(request, reply)
    }

    fn read(&mut self, request: &Request, reply: Reply) -> Reply {
        if let Some(cookie) = reply.header("Set-Cookie") {
            let value = cookie.split(';').next().unwrap_or_default().to_string();
            self.cookie = (!cookie.contains("Max-Age=0")).then_some(value);
        }
        let text = reply.text();
        if let Some((_, rest)) = text.split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap_or_default().to_string();
        }
        if reply.kind.starts_with("text/html") {
            assert!(reply.body.len() <= limits::PAGE_BYTES, "{}: too large", request.path);
        }
        reply
    }

    pub(crate) fn request(&self, method: Method, target: &str, body: Vec<u8>) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = vec![("host".to_string(), self.host.clone())];
        headers.extend(self.cookie.iter().map(|it| ("cookie".to_string(), it.clone())));
        headers.extend(self.site.iter().map(|it| ("sec-fetch-site".into(), it.to_string())));
        let facts = TlsFacts {
            version: "TLSv1.3",
            cipher: String::new(),
            exporter: None,
            endpoint: Vec::new(),
        };
        let peer = Peer {
            remote: SocketAddr::new(self.remote, 50_000),
            local: SocketAddr::new(self.local, 2443),
            tls: self.secure.then_some(facts),
        };
        let query = pairs(query.as_bytes()).expect("a query");
        let parts = path.split('/').map(str::to_string).collect();
        let (path, now) = (path.to_string(), self.now);
        Request { method, path, parts, query, headers, body, peer, now }
    }
}

/// The kind and the body of a form with a token and a file.
pub(crate) fn form_with_file(csrf: &str, octets: &[u8]) -> (&'static str, Vec<u8>) {
    let head = format!(
        "--XyZ\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--XyZ\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"mail; room.backup\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), octets, b"\r\n--XyZ--\r\n"].concat();
    ("multipart/form-data; boundary=XyZ", body)
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
