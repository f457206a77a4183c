//! The mail of many people by a list: what is wrong with it is said before anything begins.

use super::Data;
use std::fs;

fn office() -> Data {
    let data = Data::new();
    data.good("domain add office.test");
    data.good("account add bob@office.test");
    data.good("account add eve@office.test");
    data
}

fn refused(data: &Data, text: &str) -> String {
    let file = data.0.join("people.csv");
    fs::write(&file, text).expect("a file");
    let ran = data.run(&format!("import --csv {}", file.display()));
    assert_eq!(ran.code, 1, "{text}: {}", ran.out);
    assert!(!ran.err.contains("secret"), "{}", ran.err);
    ran.err
}

#[test]
fn each_bad_line_is_named_with_why_and_nothing_begins() {
    let data = office();
    let told = refused(
        &data,
        "account,server,login,password,port,tls\n\
         bob@office.test,gmail,bob@gmail.com,secret,,\n\
         nobody@office.test,gmail,nobody@gmail.com,secret,,\n\
         bob@office.test,no such server,bob,secret,,\n\
         eve@office.test,imap.far.example,,secret,,\n\
         eve@office.test,imap.far.example,eve,,,\n\
         eve@office.test,imap.far.example,eve3,secret,,sometimes\n\
         eve@office.test,imap.far.example,eve2,-,,\n\
         Bob@Office.test,Gmail,bob@gmail.com,secret,,\n\
         eve@office.test,microsoft365,eve@firm.example,secret,,\n",
    );
    for (line, why) in [
        (3, "no account nobody@office.test"),
        (4, "what stands as its server is neither a known provider nor a server's name"),
        (5, "no log-in name"),
        (6, "no password"),
        (7, "implicit or starttls"),
        (8, "no outside account of eve2 at imap.far.example"),
        (9, "line 2 says the same"),
        (10, "tokens only"),
    ] {
        let found = told.split("; ").find(|it| it.contains(&format!("line {line}: ")));
        assert!(found.is_some_and(|it| it.contains(why)), "{line} {why}: {told}");
    }
    assert!(told.contains("nothing was begun") && !told.contains("line 2: "), "{told}");
}

#[test]
fn a_list_that_is_none_is_told_from_one_with_bad_lines() {
    let data = office();
    for (text, why) in [
        ("", "none called account"),
        ("account,server,login\nbob@office.test,gmail,bob\n", "none called password"),
        ("account,server,login,password\n", "no line below the first"),
        (
            "account,server,login,password\nbob@office.test,gmail,bob@gmail.com\n",
            "line 2: it has 3 fields, and the first line 4",
        ),
        (
            "account,server,login,password,port\nbob@office.test,gmail,b,secret,high\n",
            "line 2: its port is no number",
        ),
    ] {
        let told = refused(&data, text);
        assert!(told.contains(why), "{text}: {told}");
    }
    // As a table program writes it: with a mark of its own, ";" and quotes.
    let told = refused(
        &data,
        "\u{feff}account;server;login;password\r\n\
         nobody@office.test;gmail;\"a;b@gmail.com\";\"se\"\"cret;word\"\r\n",
    );
    assert!(told.contains("line 2: there is no account nobody@office.test"), "{told}");
    let long = format!("account,server,login,password\n{}", "a,b,c,d\n".repeat(100_000));
    assert!(refused(&data, &long).contains("larger than"));
}
