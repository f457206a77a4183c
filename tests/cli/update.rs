//! Updates, as an owner orders them at the command line.

use super::{Data, says};
use crate::request::UpdateAct;
use crate::tests::update::sent::{Pid1, bundle};
use crate::tests::update::state::{full, quiet};
use crate::update::state::Told;

#[test]
fn a_server_that_is_no_box_is_updated_as_it_was_installed() {
    super::twice(|data| {
        for line in ["update", "update x.mru", "update --now", "update --back"] {
            let why = data.bad(line);
            says(
                &why,
                &["cannot update", "not a box", "what to do: update it as it was installed"],
            );
        }
    });
    let empty = Data::empty();
    says(&empty.bad("update"), &["not a box"]);
    for line in ["update x.mru --now", "update --now --back", "update --consent 0.3.0 --now"] {
        assert_eq!(empty.run(line).code, 2, "{line}");
    }
}

#[test]
fn a_box_shows_how_it_stands_and_takes_a_file() {
    let data = Data::new();
    let (updates, init) = Pid1::of(&data.0);
    let _server = data.serve_with(updates);
    init.tells(&full());
    let told = data.good("update");
    says(&told, &["version      0.4.0, built 2026-09-", "board        qemu-virt"]);
    says(&told, &["slot         a, confirmed; the other one was tried and given up"]);
    says(&told, &["other slot   version 0.3.0", "version 0.5.0 is being read back: 12 of 128"]);
    says(&told, &["older than 0.4.0", "--consent 0.3.0", "by hand", "went back", "no mail"]);
    let json = data.json("update");
    assert_eq!(json["update"]["system"]["work"]["done"], 12, "{json}");
    assert_eq!(json["update"]["asked"], serde_json::Value::Null);

    init.tells(&quiet());
    std::fs::write(data.0.join("no.mru"), "a letter").unwrap();
    let no = data.0.join("no.mru").display().to_string();
    says(&data.bad(&format!("update {no}")), &["not an update file", "ends in .mru"]);
    says(&data.bad(&format!("update {no}.mru")), &["it cannot be kept", "No such file"]);
    std::fs::write(data.0.join("new.mru"), bundle()).unwrap();
    let new = data.0.join("new.mru").display().to_string();
    says(&data.good(&format!("update {new}")), &["asked        to install a file"]);
    init.tells(&Told { work: full().work, ..quiet() });
    says(&data.bad(&format!("update {new}")), &["an update is being installed"]);
    says(&data.bad("update --now"), &["no update waits for a restart"]);
    assert_eq!(init.hears(), [UpdateAct::Take]);
}
