//! Each act of the pages has its call, and the calls do what the pages do.

use super::api::Program;
use super::network::boxed;
use super::stage::{NOW, World, ip};
use crate::admin::api::ROUTES as CALLS;
use crate::admin::http::Method;
use crate::admin::routes::{self, May, ROUTES};
use crate::admin::upload::Upload;
use crate::limits;
use crate::net::acme::files::Files;
use crate::net::acme::plan::Asked;
use crate::net::splice::Wish;
use crate::request::{Message, Plan};
use crate::settings::{self, Method as Proof};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const STEP: &str = "none: a step of the setting up, which only the pages have";
const OPENS: &str = "none: it opens the box itself, which no token does";
const ENDS: &str = "none: it ends the box itself, which no token does";
const BROWSER: &str = "none: a session of a browser; a program has its token";

/// What a page does, and the calls that do it; or why there is none.
const ACTS: &[(&str, &[&str])] = &[
    ("/code", &[BROWSER]),
    ("/login", &[BROWSER]),
    ("/logout", &[BROWSER]),
    ("/my/login", &[BROWSER]),
    ("/setup/owner", &[OPENS]),
    ("/security/password", &[OPENS]),
    ("/security/totp", &[OPENS]),
    ("/security/totp/confirm", &[OPENS]),
    ("/security/totp/off", &[OPENS]),
    ("/tokens", &[OPENS]),
    ("/tokens/remove", &[OPENS]),
    ("/reset/restart", &[ENDS]),
    ("/reset/off", &[ENDS]),
    ("/reset/everything", &[ENDS]),
    ("/setup/begin", &[STEP]),
    ("/setup/begin/restore", &["POST /api/v1/restore"]),
    ("/setup/begin/look", &["POST /api/v1/backup/look"]),
    ("/setup/begin/stick", &["POST /api/v1/backup/restore"]),
    ("/setup/begin/disk", &[OPENS]),
    ("/setup/time", &["PUT /api/v1/zone"]),
    ("/setup/network", &["PUT /api/v1/network"]),
    ("/network/{}", &["POST /api/v1/network/keep"]),
    ("/setup/way", &["PUT /api/v1/relay", "DELETE /api/v1/relay"]),
    ("/setup/way/look", &["POST /api/v1/look"]),
    ("/setup/domain", &["POST /api/v1/domains", "PUT /api/v1/host"]),
    ("/setup/domain/look", &["POST /api/v1/look"]),
    ("/setup/domain/next", &[STEP]),
    ("/setup/certificate", &["PUT /api/v1/certificate/way"]),
    ("/setup/certificate/again", &["POST /api/v1/certificate/again"]),
    ("/setup/certificate/next", &[STEP]),
    ("/setup/people", &[STEP]),
    ("/setup/bring", &[STEP]),
    ("/setup/clients", &[STEP]),
    ("/setup/letter", &[STEP]),
    ("/setup/letter/send", &["none: a program sends a letter by submission, and asks for stories"]),
    ("/setup/letter/wait", &["none: a program asks for stories since then"]),
    ("/setup/done", &[STEP]),
    ("/people", &["POST /api/v1/accounts"]),
    ("/people/list", &["POST /api/v1/newcomers"]),
    ("/people/{}/suspend", &["PUT /api/v1/accounts/{}/suspended"]),
    ("/people/{}/quota", &["PUT /api/v1/accounts/{}/quota"]),
    ("/people/{}/password", &["PUT /api/v1/accounts/{}/password"]),
    ("/people/{}/app", &["PUT /api/v1/accounts/{}/app-passwords/{}"]),
    ("/people/{}/app/remove", &["DELETE /api/v1/accounts/{}/app-passwords/{}"]),
    ("/people/{}/delete", &["PUT /api/v1/accounts/{}/closed", "DELETE /api/v1/accounts/{}"]),
    ("/people/{}/reopen", &["PUT /api/v1/accounts/{}/closed"]),
    (
        "/people/{}/sessions",
        &["DELETE /api/v1/accounts/{}/sessions", "DELETE /api/v1/accounts/{}/sessions/{}"],
    ),
    ("/addresses", &["PUT /api/v1/addresses/{}"]),
    ("/addresses/remove", &["DELETE /api/v1/addresses/{}"]),
    ("/addresses/catch-all", &["PUT /api/v1/domains/{}/catch-all"]),
    ("/queue/{}/hold", &["POST /api/v1/outbox/{}/hold"]),
    ("/queue/{}/now", &["POST /api/v1/outbox/{}/now"]),
    ("/queue/{}/drop", &["DELETE /api/v1/outbox/{}"]),
    ("/security/sessions", &["DELETE /api/v1/sessions", "DELETE /api/v1/sessions/{}"]),
    ("/people/{}/outside/find", &["GET /api/v1/outside/servers"]),
    ("/people/{}/outside/add", &["POST /api/v1/accounts/{}/outside"]),
    ("/people/{}/outside/{}/change", &["PUT /api/v1/accounts/{}/outside/{}"]),
    ("/people/{}/outside/{}/password", &["PUT /api/v1/accounts/{}/outside/{}"]),
    ("/people/{}/outside/{}/pause", &["PUT /api/v1/accounts/{}/outside/{}"]),
    ("/people/{}/outside/{}/look", &["POST /api/v1/accounts/{}/outside/{}/look"]),
    (
        "/people/{}/outside/{}/sign-in",
        &[
            "POST /api/v1/accounts/{}/outside/{}/sign-in",
            "GET /api/v1/accounts/{}/outside/{}/sign-in",
        ],
    ),
    ("/people/{}/outside/{}/import", &["PUT /api/v1/accounts/{}/outside/{}/import"]),
    ("/people/{}/outside/{}/remove", &["DELETE /api/v1/accounts/{}/outside/{}"]),
    ("/backup", &["POST /api/v1/backup"]),
    ("/backup/nightly", &["PUT /api/v1/backup/nightly"]),
    ("/backup/nightly/off", &["PUT /api/v1/backup/nightly"]),
    ("/backup/look", &["POST /api/v1/backup/look"]),
    ("/backup/open", &["none: each call says the passphrase itself"]),
    ("/backup/close", &["none: each call says the passphrase itself"]),
    ("/backup/find", &["POST /api/v1/backup/find"]),
    ("/backup/bring", &["POST /api/v1/backup/bring"]),
    ("/backup/restore", &["POST /api/v1/backup/restore"]),
    ("/backup/format", &["POST /api/v1/backup/format"]),
    ("/storage/move", &["POST /api/v1/storage/move"]),
    ("/storage/forget", &["POST /api/v1/storage/forget"]),
    ("/storage/measure", &["POST /api/v1/storage/measure"]),
    ("/move", &["POST /api/v1/moves"]),
    ("/move/{}/look", &["POST /api/v1/moves/{}/look"]),
    ("/move/{}/run", &["POST /api/v1/moves/{}/run"]),
    ("/move/{}/skip", &["POST /api/v1/moves/{}/skip"]),
    ("/move/{}/back", &["POST /api/v1/moves/{}/back"]),
    ("/move/{}/end", &["DELETE /api/v1/moves/{}"]),
    ("/log/support", &["GET /api/v1/support-file"]),
    ("/update/file", &["POST /api/v1/update"]),
    ("/update/consent", &["POST /api/v1/update/consent"]),
    ("/update/now", &["POST /api/v1/update/now"]),
    ("/update/back", &["POST /api/v1/update/back"]),
    ("/update/when", &["PUT /api/v1/update/when"]),
    // What people do for themselves the owner does for them.
    ("/my/password", &["PUT /api/v1/accounts/{}/password"]),
    ("/my/app", &["PUT /api/v1/accounts/{}/app-passwords/{}"]),
    ("/my/app/remove", &["DELETE /api/v1/accounts/{}/app-passwords/{}"]),
    ("/my/outside/find", &["GET /api/v1/outside/servers"]),
    ("/my/outside/add", &["POST /api/v1/accounts/{}/outside"]),
    ("/my/outside/{}/change", &["PUT /api/v1/accounts/{}/outside/{}"]),
    ("/my/outside/{}/password", &["PUT /api/v1/accounts/{}/outside/{}"]),
    ("/my/outside/{}/pause", &["PUT /api/v1/accounts/{}/outside/{}"]),
    ("/my/outside/{}/look", &["POST /api/v1/accounts/{}/outside/{}/look"]),
    ("/my/outside/{}/sign-in", &["POST /api/v1/accounts/{}/outside/{}/sign-in"]),
    ("/my/outside/{}/import", &["PUT /api/v1/accounts/{}/outside/{}/import"]),
    ("/my/outside/{}/remove", &["DELETE /api/v1/accounts/{}/outside/{}"]),
    (
        "/my/sessions",
        &["DELETE /api/v1/accounts/{}/sessions", "DELETE /api/v1/accounts/{}/sessions/{}"],
    ),
];

#[test]
fn each_act_of_the_pages_has_its_call_or_a_reason_why_there_is_none() {
    let pages: BTreeSet<&str> =
        ROUTES.iter().filter(|it| it.method == Method::Post).map(|it| it.path).collect();
    let told: BTreeSet<&str> = ACTS.iter().map(|(path, _)| *path).collect();
    assert_eq!(pages, told);
    let calls: BTreeSet<String> =
        CALLS.iter().map(|it| format!("{} {}", it.method.word(), it.path)).collect();
    for (path, named) in ACTS {
        assert!(!named.is_empty(), "{path}");
        for call in *named {
            assert!(call.starts_with("none: ") || calls.contains(*call), "{path}: {call}");
        }
    }
}

#[test]
fn a_token_opens_no_page_and_does_no_act_of_one() {
    let world = World::office();
    let program = Program::of(&world);
    for route in ROUTES.iter().filter(|it| it.may != May::Anybody) {
        let path = route.path.replace("{}", "1");
        let reply = program.send(&program.request(route.method, &path, b""));
        let shut = matches!(reply.status, 303 | 401 | 403);
        assert!(shut, "{path}: {} {}", reply.status, reply.text());
    }
}

/// An office whose settings are in its folder.
fn written(world: &World) -> settings::Settings {
    settings::load(&world.house.data.join("mailroom.toml")).expect("settings")
}

#[test]
fn a_program_chooses_how_the_certificate_is_got_and_no_secret_comes_out() {
    let world = World::office();
    let program = Program::of(&world);
    let files = Files::of(&world.house.data);
    let way = "/api/v1/certificate/way";
    assert_eq!(program.get(way)["way"]["method"], "own");
    let again = program.call(Method::Post, "/api/v1/certificate/again", &Value::Null);
    assert_eq!(again.0, 422, "of whom? {}", again.1);
    for (body, why) in [
        (json!({ "method": "pigeon" }), "unknown variant"),
        (json!({ "method": "dns-01" }), "update says which"),
        (json!({ "method": "own", "update": { "server": "::1", "key": "k" } }), "no other"),
        (json!({ "method": "http-01", "directory": "http://ca.test/" }), "directory"),
        (json!({ "method": "http-01", "contact": "nobody" }), "contact"),
        (json!({ "method": "dns-01", "update": { "server": "ns", "key": "k" } }), "IP address"),
        (json!({ "method": "dns-01", "update": { "server": "::1", "key": "a b" } }), "key"),
        (json!({ "method": "dns-01", "update": { "server": "::1", "key": "k" } }), "secret"),
    ] {
        let (status, told) = program.call(Method::Put, way, &body);
        assert_eq!(status, 422, "{body}: {told}");
        assert!(told.to_string().contains(why), "{why}: {told}");
    }
    assert_eq!(written(&world).certificate.method, Proof::Own, "nothing was changed");
    let mut update = json!({
        "server": "192.0.2.53", "key": "mailroom.", "zone": "Acme.Office.test",
        "secret": "MDEyMzQ1Njc4OWFiY2RlZg==", "algorithm": "hmac-sha512",
    });
    let body = |update: &Value| json!({ "method": "dns-01", "update": update });
    let told = program.good(Method::Put, way, &body(&update));
    assert_eq!(told["way"]["update"]["server"], "192.0.2.53:53");
    assert_eq!(told["way"]["update"]["algorithm"], "hmac-sha512");
    assert!(!told.to_string().contains("MDEyMz"), "{told}");
    assert_eq!(files.asked(), Some(Asked::Issue), "asked for at once");
    files.answered();
    world.house.settle(&written(&world));
    // Without a secret the one of the same key stays.
    (update["secret"], update["server"]) = (Value::Null, json!("192.0.2.54:5353"));
    program.good(Method::Put, way, &body(&update));
    let Proof::Dns01(kept) = written(&world).certificate.method else { panic!("not kept") };
    assert_eq!(kept.secret, b"0123456789abcdef");
    assert_eq!(kept.server, ([192, 0, 2, 54], 5353).into());
    world.house.settle(&written(&world));
    files.answered();
    let (status, _) = program.call(Method::Post, "/api/v1/certificate/again", &Value::Null);
    assert_eq!((status, files.asked()), (202, Some(Asked::Issue)));
    program.good(Method::Put, way, &json!({ "method": "own" }));
    assert_eq!(written(&world).certificate.method, Proof::Own);
    let acts = program.get("/api/v1/acts").to_string();
    for what in ["settings/certificate", "certificate/ask"] {
        assert!(acts.contains(what) && !acts.contains("MDEyMz"), "{what}: {acts}");
    }
    let ca = program.request(Method::Get, "/api/v1/certificate/authority", b"");
    let own = crate::net::tls::own_authority(&world.house.data.join("tls")).expect("one");
    assert_eq!(program.send(&ca).body, own);
}

#[test]
fn a_program_lists_and_ends_sessions() {
    let world = World::office();
    world.person("ann", "blue tractor");
    world.person("bob", "green tractor");
    let program = Program::of(&world);
    let (mut owner, mut other) = (world.owner(), world.owner());
    let (mut ann, mut bob) =
        (world.logged_in("ann", "blue tractor"), world.logged_in("bob", "green tractor"));
    let (anns, owners) = ("/api/v1/accounts/ann@office.test/sessions", "/api/v1/sessions");
    let listed = program.get(anns)["sessions"].clone();
    let expected = json!([{
        "unit": "page", "from": "192.168.1.77", "agent": "", "since": NOW,
        "mark": listed[0]["mark"],
    }]);
    assert_eq!(listed, expected);
    let mark = listed[0]["mark"].as_str().expect("a mark").to_string();
    // A mark opens nothing, and ends only what it is of.
    let bobs = format!("/api/v1/accounts/bob@office.test/sessions/{mark}");
    for target in [bobs.as_str(), "/api/v1/sessions/nonsense", &format!("{owners}/{mark}")] {
        assert_eq!(program.call(Method::Delete, target, &Value::Null).0, 404, "{target}");
    }
    assert_eq!(ann.get("/my").status, 200);
    program.good(Method::Delete, &format!("{anns}/{mark}"), &Value::Null);
    assert_eq!(ann.get("/my").header("Location"), Some("/my/login"));
    assert_eq!(bob.get("/my").status, 200, "the others go on");
    assert_eq!(program.get(owners)["sessions"].as_array().map(Vec::len), Some(2));
    let mark = program.get(owners)["sessions"][0]["mark"].as_str().expect("a mark").to_string();
    program.good(Method::Delete, &format!("{owners}/{mark}"), &Value::Null);
    let open = [&mut owner, &mut other].map(|it| it.get("/security").status == 200);
    assert_eq!(open.iter().filter(|it| **it).count(), 1, "one of two");
    program.good(Method::Delete, owners, &Value::Null);
    assert_eq!(program.get(owners)["sessions"], json!([]));
    assert_eq!(bob.get("/my").status, 200);
    program.good(Method::Delete, "/api/v1/accounts/bob@office.test/sessions", &Value::Null);
    assert_eq!(bob.get("/my").status, 303);
    let nobody = "/api/v1/accounts/nobody@office.test/sessions";
    for method in [Method::Get, Method::Delete] {
        assert_eq!(program.call(method, nobody, &Value::Null).0, 404);
    }
    // Who is closed is out as well.
    let mut bob = world.logged_in("bob", "green tractor");
    let closed = json!({ "closed": true });
    program.good(Method::Put, "/api/v1/accounts/bob@office.test/closed", &closed);
    assert_eq!(bob.get("/my").status, 303);
    let sessions = program.get("/api/v1/accounts/bob@office.test/sessions");
    assert_eq!(sessions["sessions"], json!([]), "ended, not only shut out");
}

#[test]
fn a_program_gets_the_file_that_sets_up_the_devices_of_a_person() {
    let world = World::office();
    world.person("ann", "blue tractor");
    let program = Program::of(&world);
    let target = "/api/v1/accounts/ann@office.test/apple";
    let reply = program.send(&program.request(Method::Get, target, b""));
    assert_eq!((reply.status, reply.kind), (200, "application/x-apple-aspen-config"));
    let page = world.owner().get("/people/ann@office.test/apple");
    assert_eq!(reply, page, "the same as on the page");
    assert_eq!(
        program.call(Method::Get, "/api/v1/accounts/no@office.test/apple", &json!({})).0,
        404
    );
}

#[test]
fn a_program_gives_a_box_another_address_and_keeps_it_there() {
    let there = boxed();
    let program = Program::of(&there.world);
    let target = "/api/v1/network";
    let shown = program.get(target)["network"].clone();
    assert_eq!(shown["addresses"], json!(["192.168.1.20/24"]));
    assert_eq!((&shown["fixed"], &shown["trial"]), (&Value::Null, &Value::Null));
    let fixed = |address: &str, prefix: u8, gateway: &str| {
        let fixed = json!({ "address": address, "prefix": prefix, "gateway": gateway });
        json!({ "fixed": fixed })
    };
    for (body, why) in [
        (fixed("0.0.0.0", 24, "192.168.1.1"), "no device"),
        (fixed("192.168.1.50", 31, "192.168.1.1"), "1 to 30"),
        (fixed("192.168.1.0", 24, "192.168.1.1"), "network itself"),
        (fixed("192.168.1.50", 24, "192.168.2.1"), "same network"),
        (fixed("192.168.1.50", 24, "127.0.0.1"), "no router"),
        (fixed("a", 24, "192.168.1.1"), "IPv4"),
        (
            json!({ "fixed": { "address": "192.168.1.50", "prefix": 24,
            "resolvers": ["9.9.9.9", "9.9.9.9", "9.9.9.9", "9.9.9.9"] } }),
            "three",
        ),
    ] {
        let (status, told) = program.call(Method::Put, target, &body);
        assert_eq!(status, 422, "{body}: {told}");
        assert!(told.to_string().contains(why), "{why}: {told}");
    }
    let keep = "/api/v1/network/keep";
    assert_eq!(program.call(Method::Post, keep, &Value::Null).0, 404, "nothing is on trial");
    let told = program.good(Method::Put, target, &fixed("192.168.1.50", 24, "192.168.1.1"));
    assert_eq!(told["network"]["trial"]["address"], "192.168.1.50");
    let said = there.heard.recv_timeout(Duration::from_secs(60)).expect("PID 1 hears of it");
    let Message::Network(Plan::Static(plan)) = &said else { panic!("{said:?}") };
    assert!(plan.on_trial);
    there.network.hear(&said);
    let (status, told) = program.call(Method::Post, keep, &Value::Null);
    assert_eq!(status, 422, "at the old address: {told}");
    let mut request = program.request(Method::Post, keep, b"");
    request.peer.local.set_ip(ip("192.168.1.50"));
    assert_eq!(program.send(&request).status, 200);
    assert_eq!(there.heard.recv_timeout(Duration::from_secs(60)), Ok(Message::NetworkKept));
    let shown = program.get(target)["network"].clone();
    assert_eq!(
        (&shown["fixed"]["address"], &shown["trial"]),
        (&json!("192.168.1.50"), &Value::Null)
    );
    program.good(Method::Put, target, &json!({ "fixed": null }));
    let said = there.heard.recv_timeout(Duration::from_secs(60));
    assert_eq!(said, Ok(Message::Network(Plan::Dhcp)));

    let world = World::owned();
    let program = Program::of(&world);
    assert_eq!(program.get(target), json!({ "network": null }), "no box");
    let (status, _) = program.call(Method::Put, target, &json!({ "fixed": null }));
    assert_eq!(status, 404);
}

#[test]
fn a_program_brings_a_backup_back_where_nobody_has_mail_yet() {
    let backup = super::restore::office();
    let mut world = World::owned();
    let target = "/api/v1/restore";
    let token = Program::of(&world).token.expect("a token");
    let send = |world: &World, mut octets: &[u8], length: usize| {
        let program = Program { world, token: Some(token.clone()) };
        let mut request = program.request(Method::Post, target, b"");
        request.headers.retain(|(name, _)| name != "content-type");
        request.headers.push(("content-type".into(), "application/octet-stream".into()));
        let upload = Upload::bare(length as u64, &mut octets);
        let reply = routes::answer_with(&world.house, &request, Some(upload));
        (reply.status, reply.text())
    };
    let text = b"Dear Bob, here is the backup that you wanted.";
    for (octets, length, status, why) in [
        (&text[..], text.len(), 422, "no backup of a store"),
        (&b""[..], 0, 422, "no octet came"),
        (&backup[..9_000], backup.len(), 422, "did not come whole"),
    ] {
        let (told, text) = send(&world, octets, length);
        assert_eq!(told, status, "{why}: {text}");
        assert!(text.contains(why), "{why}: {text}");
    }
    let program = Program { world: &world, token: Some(token.clone()) };
    let form = program.send(&program.request(Method::Post, target, b"{}"));
    assert_eq!(form.status, 415);
    assert_eq!(program.get(target)["restore"]["stage"], "nothing");
    let (status, told) = send(&world, &backup, backup.len());
    assert_eq!(status, 202, "{told}");
    super::restore::checked(&world);
    let program = Program { world: &world, token: Some(token.clone()) };
    assert_eq!(program.get(target)["restore"]["stage"], "changing");
    assert_eq!(send(&world, &backup, backup.len()).0, 409, "one at a time");
    world.start_anew();
    let program = Program { world: &world, token: Some(token.clone()) };
    let (status, _) = program.call(Method::Get, "/api/v1/accounts", &Value::Null);
    assert_eq!(status, 401, "the tokens are those of the backup");
    let program = Program::of(&world);
    assert_eq!(program.get("/api/v1/accounts")["accounts"][0]["login"], "ann@office.test");
    let acts = program.get("/api/v1/acts").to_string();
    assert!(acts.contains("store/restore"), "{acts}");
    let token = program.token.clone().expect("a token");
    let mut again = program.request(Method::Post, target, b"");
    again.headers.retain(|(name, _)| name != "content-type");
    again.headers.push(("content-type".into(), "application/octet-stream".into()));
    let mut octets = &backup[..];
    let upload = Upload::bare(backup.len() as u64, &mut octets);
    let reply = routes::answer_with(&world.house, &again, Some(upload));
    assert_eq!(reply.status, 409, "people have mail here: {}", reply.text());

    // Nobody without a token fills the disk.
    let most = |authorization: &str| {
        let wish = Wish { method: "POST", path: target, cookie: "", authorization };
        routes::allowance(&world.house, &wish).octets
    };
    assert!(most(&format!("Bearer {token}")) > limits::WEB_BODY_BYTES);
    for authorization in ["", "Bearer ", &token, &format!("Bearer {token}x"), "Basic YTpi"] {
        assert_eq!(most(authorization), limits::WEB_BODY_BYTES, "{authorization}");
    }
}
