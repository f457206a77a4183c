//! Tokens of programs, as the owner makes them on the machine.

use super::Data;

#[test]
fn a_token_is_made_listed_and_taken_back_with_a_server_and_without() {
    let data = Data::new();
    let told = data.good("token add monitoring");
    let told = told.strip_prefix("monitoring: mailroom_").expect("the token");
    assert!(told.contains("shown only this once"), "{told}");
    let server = data.serve();
    let made = data.json("token add backup");
    assert!(made["token"]["token"].as_str().unwrap().starts_with("mailroom_"), "{made}");
    assert!(data.bad("token add backup").contains("exists already"));
    assert!(data.bad("token remove nobody").contains("no such token"));
    let listed = data.json("token list");
    let names: Vec<_> =
        listed["tokens"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["monitoring", "backup"]);
    drop(server);
    assert!(data.good("token remove monitoring").contains("opens nothing any more"));
    let listed = data.good("token list");
    assert!(listed.contains("backup") && !listed.contains("monitoring"), "{listed}");
}
