//! People and addresses as the owner keeps them.

use super::stage::World;
use crate::act::people::{DomainAct, domain};
use crate::store::{account, address};
use crate::wire::address::Address;

/// An owned box that is home to office.test.
fn office() -> World {
    let world = World::owned();
    let act = DomainAct::Add { domain: "office.test".to_string() };
    domain(&world.house.store, act, super::stage::NOW).expect("a domain");
    world
}

fn logins(world: &World) -> Vec<String> {
    let read = world.house.store.snapshot().expect("a snapshot");
    account::list(&read).expect("read").into_iter().map(|(_, account)| account.login).collect()
}

#[test]
fn a_person_is_made_and_the_password_is_shown_once() {
    let world = office();
    let mut owner = world.owner();
    assert!(owner.get("/people").text().contains("Nobody yet"));
    let reply = owner.post("/people", &[("name", "Ann <b>Bee</b>"), ("address", "ann")]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    let password = text.split("<code>").nth(1).and_then(|it| it.split('<').next());
    let password = password.expect("a password").to_string();
    let read = world.house.store.snapshot().expect("a snapshot");
    let (_, row) = account::by_login(&read, "ann@office.test").expect("read").expect("there");
    drop(read);
    assert!(crate::serve::login::is_password(&password, &row.credentials[0].argon2));
    let text = owner.get("/people").text();
    assert!(text.contains("Ann &#60;b&#62;Bee"), "no markup of a name: {text}");
    assert!(!text.contains(&password));
    assert!(owner.get("/acts").text().contains("Added the person ann@office.test"));
}

#[test]
fn what_is_wrong_with_a_form_of_a_person_is_said_and_the_form_is_kept() {
    let world = office();
    let mut owner = world.owner();
    owner.get("/people");
    owner.post("/people", &[("name", "Ann"), ("address", "ann")]);
    owner.get("/people");
    let long = "x".repeat(101);
    let cases = [
        ("", "bob", "This is empty"),
        (long.as_str(), "bob", "At most 100 characters; these are 101"),
        ("Bob\u{7}", "bob", "cannot be seen"),
        ("Bob", "", "This is empty"),
        ("Bob", "b ob", "This is no address"),
        ("Bob", "bob@other.test", "other.test is not a domain of this server"),
        ("Bob", "Postmaster", "can be nobody"),
        ("Bob", "ANN@office.test", "there already"),
    ];
    for (name, typed, why) in cases {
        let reply = owner.post("/people", &[("name", name), ("address", typed)]);
        let text = reply.text();
        assert_eq!(reply.status, 422, "{name:?} {typed:?}");
        assert!(text.contains(why), "{name:?} {typed:?}: {why}: {text}");
        assert!(text.contains("aria-invalid"), "the field is marked");
        assert!(typed.is_empty() || text.contains(&format!("value=\"{typed}\"")), "kept");
    }
    assert_eq!(logins(&world), ["ann@office.test"]);
}

#[test]
fn a_list_is_taken_whole_or_not_at_all() {
    let world = office();
    let mut owner = world.owner();
    owner.get("/people");
    let list = "name;address\nAnn;ann\n\nBob;bob@other.test\nCid;ann\nDora\n;eve\n";
    let reply = owner.post("/people/list", &[("list", list)]);
    let text = reply.text();
    assert_eq!(reply.status, 422);
    for line in
        ["Line 4: other.test", "Line 5: ann@office.test", "Line 6: Parts in it: 1", "Line 7"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(logins(&world).is_empty(), "nobody is made of half a list");
    assert!(text.contains("Bob;bob@other.test"), "the list is kept");
    let list = "Ann, ann\n\"Bee, Bob\",bob@office.test,his own pass word\n";
    let reply = owner.post("/people/list", &[("list", list)]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(!reply.text().contains("his own pass word"));
    assert_eq!(logins(&world), ["ann@office.test", "bob@office.test"]);
    let read = world.house.store.snapshot().expect("a snapshot");
    let (_, bob) = account::by_login(&read, "bob@office.test").expect("read").expect("there");
    assert_eq!(bob.name, "Bee, Bob");
    assert!(crate::serve::login::is_password("his own pass word", &bob.credentials[0].argon2));
    drop(read);
    // One who came meanwhile spoils the whole of it.
    let reply = owner.post("/people/list", &[("list", "Fay, fay\nAnn, ann")]);
    assert_eq!(reply.status, 422);
    assert_eq!(logins(&world).len(), 2);
}

#[test]
fn a_person_is_changed_suspended_and_deleted_and_of_two_browsers_the_second_is_told() {
    let world = office();
    let mut owner = world.owner();
    owner.get("/people");
    owner.post("/people", &[("name", "Ann"), ("address", "ann")]);
    let path = "/people/ann@office.test";
    let seen = |text: &str| {
        let rest = text.split("name=\"seen\" value=\"").nth(1).expect("a mark");
        rest.split('"').next().expect("a mark").to_string()
    };
    let before = seen(&owner.get(path).text());
    let reply = owner.post(&format!("{path}/suspend"), &[("seen", &before)]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    let text = owner.get(path).text();
    assert!(text.contains("Suspended: no log-in"), "said once: {text}");
    assert!(!owner.get(path).text().contains("Suspended: no log-in"), "and not again");
    // The other browser still shows a person who is not suspended.
    let mut other = owner.clone();
    for act in ["suspend", "quota", "app", "delete"] {
        let fields = [("seen", before.as_str()), ("quota", "3"), ("label", "x"), ("who", "y")];
        let reply = other.post(&format!("{path}/{act}"), &fields);
        assert_eq!(reply.status, 409, "{act}: {}", reply.text());
        assert!(reply.text().contains("nothing was saved"));
    }
    let now = seen(&owner.get(path).text());
    let fields = [("seen", now.as_str()), ("quota", "3")];
    assert_eq!(owner.post(&format!("{path}/quota"), &fields).status, 303);
    assert!(owner.get(path).text().contains("3.0 GB"));
    let now = seen(&owner.get(path).text());
    let reply = owner.post(&format!("{path}/app"), &[("seen", &now), ("label", "phone")]);
    assert!(reply.text().contains("shown this once"), "{}", reply.text());
    let now = seen(&owner.get(path).text());
    let reply = owner.post(&format!("{path}/app/remove"), &[("seen", &now), ("label", "phone")]);
    assert_eq!(reply.status, 303);
    let now = seen(&owner.get(path).text());
    let wrong = owner.post(&format!("{path}/delete"), &[("seen", &now), ("who", "bob")]);
    assert_eq!((wrong.status, logins(&world).len()), (422, 1));
    let fields = [("seen", now.as_str()), ("who", "ann@office.test")];
    assert_eq!(owner.post(&format!("{path}/delete"), &fields).status, 303);
    assert_eq!(logins(&world).len(), 1, "there is time to think");
    let now = seen(&owner.get(path).text());
    let fields = [("seen", now.as_str()), ("who", "ann@office.test")];
    assert_eq!(owner.post(&format!("{path}/delete"), &fields).status, 303);
    assert!(logins(&world).is_empty());
    assert_eq!(owner.get(path).status, 404);
}

#[test]
fn an_address_is_made_changed_and_removed() {
    let world = office();
    let mut owner = world.owner();
    owner.get("/people");
    owner.post("/people", &[("name", "Ann"), ("address", "ann")]);
    owner.get("/addresses");
    let sales = [("address", "sales@office.test"), ("targets", "ann@office.test\nx@out.example")];
    for (field, value, why) in [
        ("address", "no address", "This is no address"),
        ("targets", " ", "must lead somewhere"),
        ("targets", "nobody@office.test", "There is no nobody@office.test here"),
    ] {
        let mut fields = sales;
        let at = fields.iter().position(|(name, _)| *name == field).expect("a field");
        fields[at] = (field, value);
        let reply = owner.post("/addresses", &fields);
        assert_eq!(reply.status, 422, "{field}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
    }
    let reply = owner.post("/addresses", &sales);
    assert_eq!(reply.status, 303, "{}", reply.text());
    let read = world.house.store.snapshot().expect("a snapshot");
    let at = Address::parse("sales@office.test").expect("an address");
    assert!(matches!(address::find(&read, &at), Ok(address::Found::Accounts { .. })));
    drop(read);
    let reply = owner.post("/addresses", &sales);
    assert!(reply.text().contains("there already"), "{}", reply.text());
    let text = owner.get("/addresses/edit?address=sales@office.test").text();
    assert!(text.contains("x@out.example</textarea>"), "{text}");
    let stale = [sales[0], sales[1], ("seen", "00000000")];
    assert_eq!(owner.post("/addresses", &stale).status, 409);
    let text = owner.get("/addresses").text();
    let seen = text.split("name=\"seen\" value=\"").nth(1).and_then(|it| it.split('"').next());
    let fields = [sales[0], ("seen", seen.expect("a mark"))];
    assert_eq!(owner.post("/addresses/remove", &fields).status, 303);
    assert!(owner.get("/addresses").text().contains("No further addresses"));
    let fields = [("domain", "office.test"), ("login", "ann@office.test")];
    assert_eq!(owner.post("/addresses/catch-all", &fields).status, 303);
    assert!(owner.get("/addresses").text().contains("selected>ann@office.test"));
}
