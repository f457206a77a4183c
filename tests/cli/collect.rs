//! Outside accounts, as the owner names them on the machine.

use super::Data;
use std::fs;

fn people() -> Data {
    let data = Data::new();
    data.good("domain add office.test");
    data.good("account add bob@office.test");
    data.good("account add eve@office.test");
    data
}

#[test]
fn an_outside_account_is_added_shown_changed_and_removed_with_a_server_and_without() {
    let data = people();
    let file = data.0.join("word");
    fs::write(&file, "sixteen letters!\nand more\n").unwrap();
    let file = file.display();
    let told = data.good(&format!(
        "collect add bob@office.test Bob@gmail.com --password-file {file} --untested \
         --delete-after 14"
    ));
    assert!(told.contains("imap.gmail.com, port 993, TLS"), "{told}");
    assert!(told.contains("smtp.gmail.com, port 465, TLS"), "{told}");
    assert!(told.contains("deleted there after 14 days"), "{told}");
    let server = data.serve();
    let again =
        format!("collect add bob@office.test bob@gmail.com --untested --password-file {file}");
    assert!(data.bad(&again).contains("exists already"));
    let line = "collect add bob@office.test bob@far.example --pop3 --host Pop.Far.Example. \
                --user bobby --smtp-host smtp.far.example --smtp-tls starttls \
                --send-as bob@far.example --send-as info@far.example --untested";
    let ran = data.run_with(line, "edelweiss\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let listed = data.json("collect list bob@office.test");
    let one = &listed["outsides"][1];
    assert_eq!(
        one["source"],
        serde_json::json!({
            "host": "pop.far.example", "port": 995, "tls": "implicit",
        })
    );
    assert_eq!(one["relay"]["port"], 587);
    assert_eq!(one["user"], "bobby");
    assert_eq!(one["senders"], serde_json::json!(["bob@far.example", "info@far.example"]));
    let whole = format!("{listed}{}{}", data.good("collect list"), crate::event::recent().join(""));
    assert!(!whole.contains("edelweiss") && !whole.contains("sixteen"), "{whole}");
    drop(server);
    data.good("collect change bob@office.test bob@far.example --pause --keep --no-smtp");
    let shown = data.json("collect show bob@office.test bob@far.example");
    assert_eq!(shown["outside"]["paused"], true);
    assert_eq!(shown["outside"]["relay"], serde_json::Value::Null);
    assert_eq!(shown["outside"]["user"], "bobby", "what is not named stays");
    data.good("collect remove bob@office.test bob@far.example");
    assert!(data.bad("collect show bob@office.test bob@far.example").contains("collect list"));
    assert_eq!(data.json("collect list")["outsides"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let data = people();
    let bad = |line: &str| {
        let ran = data.run_with(&format!("collect add {line} --untested"), "word\n");
        assert_eq!(ran.code, 1, "{line}: {}", ran.out);
        ran.err
    };
    assert!(bad("bob@office.test bob@nobody.example").contains("--host HOST"));
    assert!(bad("nobody@office.test bob@gmail.com").contains("no account nobody@office.test"));
    assert!(bad("bob@office.test bob@gmail.com --provider moon").contains("no such provider"));
    assert!(bad("bob@office.test bob@gmail.com --host a..b").contains("name of a server"));
    let stolen = bad("bob@office.test bob@gmail.com --send-as eve@office.test");
    assert!(stolen.contains("leads to somebody else"), "{stolen}");
    let moved = bad("bob@office.test bob@gmail.com --pop3 --move-to Done");
    assert!(moved.contains("POP3 knows no folders"), "{moved}");
    let ran = data.run_with("collect add bob@office.test bob@gmail.com", "");
    assert!(ran.err.contains("no password in standard input"), "{}", ran.err);
    let spoken = data.run("collect add bob@office.test bob@gmail.com --password word");
    assert_eq!(spoken.code, 2, "a password is no argument");
}
