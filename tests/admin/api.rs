//! What programs may, with a token and without.

use super::stage::{PASSWORD, World, ip};
use crate::act::failure::{Failure, Kind};
use crate::act::token::{TokenAct, TokenMade, whose};
use crate::act::{self, Request as Act};
use crate::admin::api::{DESCRIPTION, ROUTES, Route};
use crate::admin::http::{Method, Reply, Request};
use crate::event::counts::{self, Open};
use crate::event::{Event, emit};
use crate::limits;
use crate::store::verify;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A program in the office, with a token or without.
pub(super) struct Program<'w> {
    pub world: &'w World,
    pub token: Option<String>,
}

/// Makes a token by the act of the command line.
fn made(world: &World, name: &str) -> TokenMade {
    let act = Act::Token(TokenAct::Add { name: name.to_string() });
    match act::act(&world.house.store, act, super::stage::NOW, &mut |_| ()) {
        Ok(act::Reply::Token(made)) => made,
        other => panic!("{other:?}"),
    }
}

impl Program<'_> {
    pub(super) fn of(world: &World) -> Program<'_> {
        Program { world, token: Some(made(world, "a script").token) }
    }

    pub(super) fn request(&self, method: Method, target: &str, body: &[u8]) -> Request {
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        let mut request = self.world.browser().request(method, target, body.to_vec());
        request.headers.retain(|(name, _)| name != "sec-fetch-site");
        let decoded = |part: &str| part.replace("%2F", "/").replace("%40", "@");
        request.parts = path.split('/').map(decoded).collect();
        request.headers.push(("content-type".into(), "application/json; charset=utf-8".into()));
        if let Some(token) = &self.token {
            request.headers.push(("authorization".into(), format!("Bearer {token}")));
        }
        request
    }

    pub(super) fn send(&self, request: &Request) -> Reply {
        crate::admin::routes::answer(&self.world.house, request)
    }

    pub(super) fn call(&self, method: Method, target: &str, body: &Value) -> (u16, Value) {
        let octets = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = self.send(&self.request(method, target, &octets));
        assert_eq!(reply.kind, "application/json", "{target}: {}", reply.text());
        (reply.status, serde_json::from_slice(&reply.body).expect("JSON"))
    }

    /// One that must succeed.
    pub(super) fn good(&self, method: Method, target: &str, body: &Value) -> Value {
        let (status, value) = self.call(method, target, body);
        assert_eq!(status, 200, "{target}: {value}");
        value
    }

    pub(super) fn get(&self, target: &str) -> Value {
        self.good(Method::Get, target, &Value::Null)
    }
}

fn path(route: &Route) -> String {
    route.path.replace("{}", "1")
}

#[test]
fn without_a_token_of_the_owner_no_call_is_answered_and_no_act_is_done() {
    let world = World::owned();
    let owner = world.owner();
    let token = made(&world, "a script").token;
    let wrong = format!("{}x", &token[..token.len() - 1]);
    for route in ROUTES.iter().filter(|route| route.token) {
        let program = Program { world: &world, token: None };
        let bare = program.request(route.method, &path(route), b"{}");
        let with = |name: &str, value: &str| {
            let mut request = bare.clone();
            request.headers.push((name.to_string(), value.to_string()));
            program.send(&request)
        };
        let cookie = owner.cookie.as_deref().expect("a session");
        for reply in [
            program.send(&bare),
            // Of the owner, who is logged in: a browser can be made to send it.
            with("cookie", cookie),
            with("authorization", &format!("Basic {token}")),
            with("authorization", &token),
            with("authorization", "Bearer "),
            with("authorization", &format!("Bearer {wrong}")),
            with("authorization", &format!("Bearer {token}x")),
        ] {
            assert_eq!(reply.status, 401, "{}: {}", route.path, reply.text());
            assert!(reply.header("WWW-Authenticate").is_some_and(|it| it.starts_with("Bearer")));
            assert_eq!(reply.header("Set-Cookie"), None);
        }
        let mut clear = with("authorization", &format!("Bearer {token}"));
        assert_ne!(clear.status, 401, "{}: it is the right one", route.path);
        let mut request = bare.clone();
        request.headers.push(("authorization".into(), format!("Bearer {token}")));
        let right = request.clone();
        request.peer.tls = None;
        clear = program.send(&request);
        assert_eq!(clear.status, 403, "{} in clear", route.path);
        request = right.clone();
        request.peer.remote.set_ip(ip("203.0.113.9"));
        let far = program.send(&request);
        assert_eq!((far.status, far.text().as_str()), (404, "not found\n"), "{}", route.path);
        request = right;
        request.headers.retain(|(name, _)| name != "host");
        request.headers.push(("host".into(), "evil.example".into()));
        assert_eq!(program.send(&request).status, 421, "{} by a foreign name", route.path);
    }
}

#[test]
fn nobody_has_a_token_of_a_box_without_an_owner() {
    let world = World::new();
    let program = Program::of(&world);
    for route in ROUTES.iter().filter(|route| route.token) {
        let reply = program.send(&program.request(route.method, &path(route), b"{}"));
        assert_eq!(reply.status, 403, "{}: {}", route.path, reply.text());
    }
    world.house.claim(PASSWORD, super::stage::NOW).expect("an owner");
    assert_eq!(program.get("/api/v1/accounts"), json!({ "accounts": [] }));
}

#[test]
fn the_owner_gives_a_program_a_token_and_takes_it_back() {
    let world = World::owned();
    let mut owner = world.owner();
    assert!(owner.get("/tokens").text().contains("No program has a token"));
    let reply = owner.post("/tokens", &[("name", " ")]);
    assert_eq!(reply.status, 422);
    let text = owner.post("/tokens", &[("name", "monitoring <b>")]).text();
    let token = text.split("<code>mailroom_").nth(1).and_then(|it| it.split('<').next());
    let token = format!("mailroom_{}", token.expect("a token"));
    assert_eq!(token.len(), "mailroom_".len() + 43, "256 bits");
    assert!(text.contains("monitoring &#60;b&#62;"), "{text}");
    assert!(!owner.get("/tokens").text().contains(&token), "shown once");
    let reply = owner.post("/tokens", &[("name", "monitoring <b>")]);
    assert!(reply.text().contains("a token of this name already"), "{}", reply.text());

    let program = Program { world: &world, token: Some(token.clone()) };
    program.good(Method::Post, "/api/v1/domains", &json!({ "domain": "office.test" }));
    let acts = program.get("/api/v1/acts?limit=1");
    let act = &acts["acts"][0];
    assert_eq!(act["who"], "monitoring <b>", "{acts}");
    assert_eq!((&act["what"], &act["about"]), (&json!("domain/add"), &json!("office.test")));
    assert_eq!((&act["failed"], &act["from"]), (&json!(""), &json!("192.168.1.77")));

    let read = world.house.store.snapshot().expect("a snapshot");
    let kept = crate::store::owner::tokens(&read).expect("tokens");
    assert!(kept.iter().all(|it| it.hash.len() == 32), "{kept:?}");
    assert!(!format!("{kept:?}").contains(&token[9..]), "only its hash is kept");
    assert_eq!(whose(&read, &token).expect("read").as_deref(), Some("monitoring <b>"));
    drop(read);
    let report = verify::verify(&world.house.store, &mut |_, _| ()).expect("read");
    assert_eq!(report.faults, Vec::<String>::new());

    owner.get("/tokens");
    assert_eq!(owner.post("/tokens/remove", &[("name", "monitoring <b>")]).status, 303);
    assert_eq!(program.call(Method::Get, "/api/v1/accounts", &Value::Null).0, 401);
    let text = owner.get("/acts").text();
    for what in ["Made the token monitoring", "Removed the token monitoring"] {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert!(!text.contains(&token));
}

#[test]
fn there_are_only_so_many_tokens() {
    let world = World::owned();
    for number in 0..limits::API_TOKENS {
        made(&world, &number.to_string());
    }
    let act = Act::Token(TokenAct::Add { name: "one more".to_string() });
    let failed = act::act(&world.house.store, act, 0, &mut |_| ()).expect_err("too many");
    assert_eq!(
        (failed.kind, failed.why.as_str()),
        (Kind::Wrong, "limit reached: tokens of programs")
    );
}

#[test]
fn a_program_keeps_people_and_addresses_as_the_owner_does() {
    let world = World::owned();
    let program = Program::of(&world);
    let (post, put, delete) = (Method::Post, Method::Put, Method::Delete);
    program.good(post, "/api/v1/domains", &json!({ "domain": "office.test" }));
    let new = json!({ "address": "ann@office.test", "name": "Ann" });
    let set = program.good(post, "/api/v1/accounts", &new);
    let password = set["password"]["password"].as_str().expect("made up").to_string();
    assert_eq!(password.len(), 19);
    let (status, told) = program.call(post, "/api/v1/accounts", &new);
    assert_eq!((status, &told["failure"]["kind"]), (409, &json!("exists")), "{told}");
    // RFC 5322 3.2.3: a slash may stand in an address
    let both = json!({ "newcomers": [
        { "address": "a/b@office.test", "password": "given by the owner" },
        { "address": "bob@office.test", "quota": 1000 },
    ] });
    let set = program.good(post, "/api/v1/newcomers", &both);
    assert_eq!(set["passwords"][0]["password"], Value::Null, "who gave it knows it");
    let again = program.call(
        post,
        "/api/v1/newcomers",
        &json!({ "newcomers": [
        { "address": "new@office.test" }, { "address": "bob@office.test" },
    ] }),
    );
    assert_eq!(again.0, 409);
    assert_eq!(program.get("/api/v1/accounts")["accounts"].as_array().map(Vec::len), Some(3));
    let slash = "/api/v1/accounts/a%2Fb%40office.test";
    assert_eq!(program.get(slash)["account"]["login"], "a/b@office.test");
    program.good(put, &format!("{slash}/suspended"), &json!({ "suspended": true }));
    program.good(put, &format!("{slash}/quota"), &json!({ "quota": 5_000_000 }));
    program.good(put, &format!("{slash}/app-passwords/phone"), &json!({}));
    let account = program.get(slash)["account"].clone();
    assert_eq!((&account["suspended"], &account["quota"]), (&json!(true), &json!(5_000_000)));
    assert_eq!(account["app_passwords"], json!(["phone"]));
    program.good(delete, &format!("{slash}/app-passwords/phone"), &Value::Null);
    program.good(
        put,
        "/api/v1/addresses/sales@office.test",
        &json!({ "targets": [
        "ann@office.test", "far@out.example",
    ] }),
    );
    let found = program.get("/api/v1/addresses/sales@office.test")["found"].clone();
    assert_eq!(found["logins"], json!(["ann@office.test"]));
    assert_eq!(found["outside"], json!(["far@out.example"]));
    let login = json!({ "login": "bob@office.test" });
    program.good(put, "/api/v1/domains/office.test/catch-all", &login);
    program.good(put, "/api/v1/domains/office.test/postmaster", &login);
    let domain = program.get("/api/v1/domains")["domains"][0].clone();
    assert_eq!((&domain["catch_all"], &domain["postmaster"]), (&login["login"], &login["login"]));
    program.good(delete, "/api/v1/addresses/sales@office.test", &Value::Null);
    program.good(delete, slash, &Value::Null);
    let (status, told) = program.call(Method::Get, slash, &Value::Null);
    assert_eq!((status, &told["failure"]["kind"]), (404, &json!("missing")), "{told}");
    let done: BTreeSet<String> = program.get("/api/v1/acts")["acts"]
        .as_array()
        .expect("acts")
        .iter()
        .map(|act| act["what"].as_str().expect("a word").to_string())
        .collect();
    for what in ["people/add", "people/add-list", "people/delete", "people/app-password"] {
        assert!(done.contains(what), "{what} in {done:?}");
    }
}

#[test]
fn what_is_wrong_with_a_call_is_said() {
    let world = World::owned();
    let program = Program::of(&world);
    let accounts = "/api/v1/accounts";
    for (method, target, body, status, why) in [
        (Method::Get, "/api/v2/accounts", "", 404, "no such call"),
        (Method::Get, "/api", "", 404, "no such call"),
        (Method::Put, accounts, "", 405, "GET, POST"),
        (Method::Post, accounts, "{", 400, "EOF"),
        (Method::Post, accounts, "\u{0}", 400, "expected value"),
        (Method::Post, accounts, "[]", 422, "an object is wanted"),
        (Method::Post, accounts, "{}", 422, "missing field `address`"),
        (Method::Post, accounts, "{\"address\":\"a@b.c\",\"admin\":true}", 422, "unknown field"),
        (Method::Post, accounts, "{\"address\":\"a@b.c\",\"quota\":-1}", 422, "invalid value"),
        (Method::Post, accounts, "{\"address\":\"no address\"}", 422, ""),
        (Method::Post, accounts, "{\"address\":\"a@b.c\"}", 422, "not a domain of this box"),
        (Method::Post, "/api/v1/newcomers", "{\"newcomers\":[]}", 422, "from 1 to 200"),
        (Method::Get, "/api/v1/accounts?limit=3", "", 422, "no parameter \\\"limit\\\""),
        (Method::Get, "/api/v1/outbox?limit=0", "", 422, "from 1 to 1000"),
        (Method::Get, "/api/v1/outbox?limit=1001", "", 422, "from 1 to 1000"),
        (Method::Get, "/api/v1/outbox/zz", "", 422, "letters a to f"),
        (Method::Get, "/api/v1/outbox/ff", "", 404, "was sent, given up"),
        (Method::Get, "/api/v1/domains/x.test/records?dmarc=no", "", 422, "quarantine"),
        (Method::Put, "/api/v1/zone", "{\"zone\":\"Mars/Olympus\"}", 422, "no time zone"),
        (
            Method::Put,
            "/api/v1/relay",
            "{\"host\":\"a b\",\"port\":1,\"tls\":\"none\"}",
            422,
            "host",
        ),
    ] {
        let reply = program.send(&program.request(method, target, body.as_bytes()));
        assert_eq!(reply.status, status, "{target} {body}: {}", reply.text());
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        let told: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let failure: Failure = serde_json::from_value(told["failure"].clone()).expect("a failure");
        assert!(!failure.what.is_empty() && !failure.why.is_empty());
    }
    let reply = program.send(&program.request(Method::Put, accounts, b""));
    assert_eq!(reply.header("Allow"), Some("GET, POST"));
    let mut request = program.request(Method::Post, accounts, b"address=a@b.c");
    request.headers.retain(|(name, _)| name != "content-type");
    let form = ("content-type".to_string(), "application/x-www-form-urlencoded".to_string());
    for header in [None, Some(form)] {
        let mut request = request.clone();
        request.headers.extend(header);
        assert_eq!(program.send(&request).status, 415, "what a form of a browser can send");
    }
    let long = "x".repeat(limits::API_TEXT_LETTERS + 1);
    let told = program.call(Method::Get, &format!("/api/v1/stories?text={long}"), &Value::Null);
    assert_eq!(told.0, 422);
}

#[test]
fn what_is_described_is_what_there_is() {
    let world = World::owned();
    let anybody = Program { world: &world, token: None };
    let described = anybody.get("/api/v1/openapi.json");
    let written = include_str!("../../config/openapi.json");
    let text: Value = serde_json::from_str(written).expect("JSON");
    assert_eq!(described, text);
    // Without what is there for people.
    assert_eq!(DESCRIPTION.len(), text.to_string().len());
    assert_eq!(text["openapi"], "3.1.0");
    let mut there = BTreeSet::new();
    for (path, calls) in text["paths"].as_object().expect("paths") {
        let names: Vec<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let pattern =
            names.iter().fold(path.clone(), |path, it| path.replace(&format!("{{{it}}}"), "{}"));
        for (method, call) in calls.as_object().expect("calls") {
            let at = format!("{} {pattern}", method.to_uppercase());
            let none = Vec::new();
            let parameters = call["parameters"].as_array().unwrap_or(&none);
            let of = |place: &str| -> Vec<&str> {
                let here = parameters.iter().filter(|it| it["in"] == place);
                here.filter_map(|it| it["name"].as_str()).collect()
            };
            assert_eq!(of("path"), names, "{at}");
            let token = call["security"] != json!([]);
            let mut query: Vec<String> = of("query").into_iter().map(str::to_string).collect();
            query.sort();
            there.insert((at, query, token));
        }
    }
    let own = |route: &Route| {
        let mut query: Vec<String> = route.query.iter().map(|it| it.to_string()).collect();
        query.sort();
        (format!("{} {}", route.method.word(), route.path), query, route.token)
    };
    assert_eq!(there, ROUTES.iter().map(own).collect());
    // Every reference leads somewhere, and all that can be referred to is.
    let used: BTreeSet<&str> =
        DESCRIPTION.split("\"#").skip(1).filter_map(|it| it.split('"').next()).collect();
    for pointer in &used {
        assert!(text.pointer(pointer).is_some(), "{pointer}");
    }
    for group in ["schemas", "responses"] {
        for name in text["components"][group].as_object().expect("a group").keys() {
            assert!(used.contains(format!("/components/{group}/{name}").as_str()), "{name}");
        }
    }
}

/// A value that a schema takes.
fn sample(text: &Value, schema: &Value) -> Value {
    if let Some(pointer) = schema["$ref"].as_str() {
        return sample(text, text.pointer(&pointer[1..]).expect("a schema"));
    }
    for words in ["oneOf", "anyOf", "enum"] {
        match schema[words].get(0) {
            Some(first) if words == "enum" => return first.clone(),
            Some(first) => return sample(text, first),
            None => (),
        }
    }
    let least = |name: &str| schema[name].as_u64().unwrap_or(0);
    match schema["type"].get(0).unwrap_or(&schema["type"]).as_str().expect("a type") {
        "string" => json!("x".repeat(least("minLength") as usize)),
        "integer" => json!(least("minimum")),
        "boolean" => json!(false),
        "array" => json!(vec![sample(text, &schema["items"]); least("minItems") as usize]),
        "object" => demanded(schema)
            .iter()
            .map(|name| (name.to_string(), sample(text, &schema["properties"][name])))
            .collect(),
        other => panic!("{other}"),
    }
}

fn demanded(schema: &Value) -> Vec<&str> {
    let names = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(Value::as_str).collect()
}

#[test]
fn what_a_call_demands_cannot_be_left_out() {
    let world = World::owned();
    let program = Program::of(&world);
    let text: Value = serde_json::from_str(DESCRIPTION).expect("JSON");
    let mut left_out = 0;
    for (path, calls) in text["paths"].as_object().expect("paths") {
        for (method, call) in calls.as_object().expect("calls") {
            let schema = &call["requestBody"]["content"]["application/json"]["schema"];
            // A mailbox elsewhere is composed, and has its own tests.
            if schema.is_null() || !schema["allOf"].is_null() {
                continue;
            }
            let whole = sample(&text, schema);
            let method = match method.as_str() {
                "post" => Method::Post,
                _ => Method::Put,
            };
            for field in whole.as_object().expect("an object").keys() {
                let mut body = whole.clone();
                body.as_object_mut().expect("an object").remove(field);
                let target = path.replace(['{', '}'], "");
                let (status, told) = program.call(method, &target, &body);
                let why = format!("missing field `{field}`");
                assert_eq!(status, 422, "{target} {body}: {told}");
                assert!(told.to_string().contains(&why), "{target} {body}: {told}");
                left_out += 1;
            }
        }
    }
    assert!(left_out > 20, "{left_out} fields");
}

#[test]
fn the_server_is_told_in_numbers() {
    let world = World::owned();
    let program = Program::of(&world);
    let before = counts::now();
    let open = Open::new("counted");
    drop(Open::new("counted"));
    let remote = "192.0.2.1:9".parse().expect("an address");
    emit(Event::ConnectionRefused { unit: "counted", remote, why: "too many" });
    for login in ["ann", "bob"] {
        let login = login.to_string();
        emit(Event::LoginGranted { unit: "counted", remote: remote.ip(), login });
    }
    let login = "eve".to_string();
    emit(Event::LoginDenied { unit: "counted", remote: remote.ip(), login });
    let received = |submitted: bool, junk: usize| Event::Received {
        id: 1,
        from: String::new(),
        recipients: 2,
        octets: 1_000_000,
        submitted,
        junk,
    };
    emit(received(false, 1));
    emit(received(true, 0));
    // Other tests count too, at the same time.
    let after = counts::now();
    assert!(after.arrived > before.arrived && after.junk > before.junk);
    assert!(after.arrived_octets >= before.arrived_octets + 1_000_000);
    assert!(after.submitted > before.submitted && after.warnings > before.warnings);
    let reply = program.send(&program.request(Method::Get, "/metrics", b""));
    assert_eq!(reply.kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = reply.text();
    for line in [
        "mailroom_logins_total{unit=\"counted\",result=\"granted\"} 2",
        "mailroom_logins_total{unit=\"counted\",result=\"denied\"} 1",
        "mailroom_connections_total{unit=\"counted\"} 2",
        "mailroom_connections_open{unit=\"counted\"} 1",
        "mailroom_connections_refused_total{unit=\"counted\"} 1",
        "# TYPE mailroom_connections_open gauge",
        "mailroom_outbox_messages 0",
        "mailroom_accounts 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    let ends = world.house.tls.ends();
    assert!(text.contains(&format!("certificate_end_timestamp_seconds {ends}\n")), "{text}");
    let commits = world.house.store.commits();
    assert!(commits > 0 && text.contains(&format!("store_commits_total {commits}\n")), "{text}");
    drop(open);
    assert_eq!(counts::now().connections["counted"].open, 0);
}

#[test]
fn settings_change_and_the_password_of_the_relay_never_comes_out() {
    let world = World::owned();
    let program = Program::of(&world);
    let file = world.house.data.join("mailroom.toml");
    let first = crate::settings::print(&world.house.settings());
    crate::settings::replace_file(&file, first.as_bytes()).expect("written");
    assert_eq!(program.get("/api/v1/relay"), json!({ "relay": null }));
    let new = json!({
        "host": "smtp.provider.example", "port": 465, "tls": "implicit",
        "user": "office", "password": "relay secret",
    });
    let told = program.good(Method::Put, "/api/v1/relay", &new);
    assert_eq!(told["relay"]["user"], "office");
    assert!(!told.to_string().contains("relay secret"), "{told}");
    let written = crate::settings::load(&file).expect("settings");
    world.house.settle(&written);
    let relay = written.outgoing.relay.expect("a relay");
    assert_eq!(relay.login, Some(("office".to_string(), "relay secret".to_string())));
    let mut half = new.clone();
    half["password"] = Value::Null;
    assert_eq!(program.call(Method::Put, "/api/v1/relay", &half).0, 422);
    program.good(Method::Delete, "/api/v1/relay", &Value::Null);
    assert!(crate::settings::load(&file).expect("settings").outgoing.relay.is_none());
    program.good(Method::Put, "/api/v1/host", &json!({ "host": "Post.Office.test" }));
    assert_eq!(crate::settings::load(&file).expect("settings").host, "post.office.test");
    let told = program.call(Method::Put, "/api/v1/host", &json!({ "host": "localhost" }));
    assert_eq!(told.0, 422, "the world knows no such name");
    program.good(Method::Put, "/api/v1/zone", &json!({ "zone": "Europe/Berlin" }));
    assert_eq!(program.get("/api/v1/server")["server"]["zone"], "Europe/Berlin");
    let acts = program.get("/api/v1/acts").to_string();
    assert!(acts.contains("settings/way") && !acts.contains("relay secret"), "{acts}");
}
