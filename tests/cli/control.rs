//! The control socket itself.

use super::{Data, is_socket_of_owner, says};
use crate::limits::{CONTROL_CALLERS, CONTROL_REQUEST_BYTES};
use crate::net::unix::{Caller, may_call};

/// The first line of the answer; returns when the server has closed.
fn ask(data: &Data, line: &[u8]) -> Option<String> {
    let mut caller = Caller::call(&data.0.join("control.sock")).unwrap();
    let _ = caller.send(line);
    let first = caller.answer().ok().flatten();
    while let Ok(Some(_)) = caller.answer() {}
    first.map(|line| String::from_utf8(line).unwrap())
}

#[test]
fn the_socket_is_the_owners_alone_and_goes_with_the_server() {
    let data = Data::new();
    let path = data.0.join("control.sock");
    let server = data.serve();
    assert!(is_socket_of_owner(&path));
    drop(server);
    assert!(!path.exists());
    // One that a killed server left behind is no hindrance, neither to a command nor to a server.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    data.good("account list");
    let server = data.serve();
    data.good("account list");
    drop(server);
}

#[test]
fn only_the_servers_user_and_root_may_call() {
    assert!(may_call(0, 0) && may_call(0, 1000) && may_call(1000, 1000));
    assert!(!may_call(1001, 1000) && !may_call(1000, 0) && !may_call(u32::MAX, 0));
}

#[test]
fn a_folder_with_a_long_name_is_served() {
    let mut data = Data::empty();
    let short = data.0.clone();
    data.0.push("x".repeat(120));
    std::fs::create_dir(&data.0).unwrap();
    let server = data.serve();
    assert!(is_socket_of_owner(&data.0.join("control.sock")));
    data.good("domain add office.test");
    drop(server);
    data.0 = short;
}

#[test]
fn a_locked_store_without_a_server_is_refused_clearly() {
    let data = Data::new();
    let store = data.store();
    let why = data.bad("account list");
    says(&why, &["another process has it open, and no server answers", "what to do: wait"]);
    drop(store);
    data.good("account list");
}

#[test]
fn a_restore_is_refused_while_the_server_runs() {
    let data = Data::new();
    let server = data.serve();
    let file = data.0.join("none.backup");
    let why = data.bad(&format!("restore {}", file.display()));
    says(&why, &["the server is running", "what to do: stop it first"]);
    drop(server);
}

#[test]
fn garbage_and_too_much_are_answered_or_dropped_and_the_next_caller_is_served() {
    let data = Data::new();
    let server = data.serve();
    for line in [&b""[..], b"{", b"{\"verify\":1}", b"\"reboot\"", b"\xff\xfe\0", b"[[[[["] {
        let answer = ask(&data, line).unwrap();
        says(&answer, &["\"failure\"", "cannot read the request"]);
    }
    assert_eq!(ask(&data, &vec![b'x'; CONTROL_REQUEST_BYTES + 1]), None);
    let mut at_limit = br#"{"domain":"list"}"#.to_vec();
    at_limit.resize(CONTROL_REQUEST_BYTES - 1, b' ');
    says(&ask(&data, &at_limit).unwrap(), &["\"domains\""]);
    // Callers that say nothing hold a place each, for a while; one above that is turned away.
    let silent = |_| Caller::call(&data.0.join("control.sock")).unwrap();
    let held: Vec<Caller> = (0..CONTROL_CALLERS - 1).map(silent).collect();
    data.good("domain list");
    let last = silent(0);
    says(&data.bad("domain list"), &["it closed the connection before it was done"]);
    drop((held, last));
    drop(server);
}

#[test]
fn many_callers_at_once_are_each_served() {
    let data = Data::new();
    let server = data.serve();
    data.good("domain add office.test");
    std::thread::scope(|scope| {
        for i in 0..8 {
            let data = &data;
            scope.spawn(move || {
                data.good(&format!("account add p{i}@office.test"));
            });
        }
    });
    assert_eq!(data.json("account list")["accounts"].as_array().unwrap().len(), 8);
    drop(server);
}
