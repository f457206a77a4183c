//! What a person types into a program that cannot ask: each field as that program names it.

use super::{Door, Offer, Security};

/// One program: what is to be done there, and the fields in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub name: &'static str,
    /// Where the fields are found.
    pub path: &'static str,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// The part of the form.
    pub part: &'static str,
    pub name: &'static str,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// To be typed or copied.
    Text(String),
    /// To be chosen or ticked, in the program's words.
    Choice(&'static str),
    /// The person's password, which nobody else knows.
    Password,
}

/// How a program words what we offer.
struct Words {
    name: &'static str,
    path: &'static str,
    /// The address, the password; empty where the program does not ask for it there.
    account: &'static [(&'static str, What)],
    incoming: (&'static str, &'static [(&'static str, What)]),
    outgoing: (&'static str, &'static [(&'static str, What)]),
    tls: &'static str,
    starttls: &'static str,
}

#[derive(Clone, Copy)]
enum What {
    Name,
    Address,
    Password,
    Host,
    Port,
    Security,
    Say(&'static str),
}

const PROGRAMS: [Words; 5] = [
    Words {
        name: "Thunderbird",
        path: "Account Settings, New Account, Email, Manual configuration",
        account: &[
            ("Full name", What::Name),
            ("Email address", What::Address),
            ("Password", What::Password),
        ],
        incoming: (
            "Incoming server settings",
            &[
                ("Protocol", What::Say("IMAP")),
                ("Hostname", What::Host),
                ("Port", What::Port),
                ("Connection security", What::Security),
                ("Authentication method", What::Say("Normal Password")),
                ("Username", What::Address),
            ],
        ),
        outgoing: (
            "Outgoing server settings",
            &[
                ("Hostname", What::Host),
                ("Port", What::Port),
                ("Connection security", What::Security),
                ("Authentication method", What::Say("Normal Password")),
                ("Username", What::Address),
            ],
        ),
        tls: "SSL/TLS",
        starttls: "STARTTLS",
    },
    Words {
        name: "Outlook",
        path: "File, Add Account, Advanced options, Let me set up my account manually, IMAP",
        account: &[("Email address", What::Address), ("Password", What::Password)],
        incoming: (
            "Incoming mail",
            &[
                ("Server", What::Host),
                ("Port", What::Port),
                ("Encryption method", What::Security),
                (
                    "Require logon using Secure Password Authentication (SPA)",
                    What::Say("not ticked"),
                ),
            ],
        ),
        outgoing: (
            "Outgoing mail",
            &[
                ("Server", What::Host),
                ("Port", What::Port),
                ("Encryption method", What::Security),
                (
                    "Require logon using Secure Password Authentication (SPA)",
                    What::Say("not ticked"),
                ),
            ],
        ),
        tls: "SSL/TLS",
        starttls: "STARTTLS",
    },
    Words {
        name: "The Bat!",
        path: "Account, Properties, Transport",
        account: &[("From Name", What::Name), ("From Address", What::Address)],
        incoming: (
            "Receive mail",
            &[
                ("Protocol", What::Say("IMAP4")),
                ("Mail Server", What::Host),
                ("Connection", What::Security),
                ("Port", What::Port),
                ("User", What::Address),
                ("Password", What::Password),
                ("Authentication", What::Say("Regular")),
            ],
        ),
        outgoing: (
            "Send mail",
            &[
                ("SMTP Server", What::Host),
                ("Connection", What::Security),
                ("Port", What::Port),
                (
                    "Authentication",
                    What::Say(
                        "Perform SMTP Authentication (RFC 2554), Use settings of Mail Retrieval",
                    ),
                ),
            ],
        ),
        tls: "Secure to dedicated port (TLS)",
        starttls: "Secure to regular port (STARTTLS)",
    },
    Words {
        name: "Mailbird",
        path: "Settings, Accounts, Add, Continue, Server settings",
        account: &[("Name", What::Name), ("Email", What::Address)],
        incoming: (
            "Incoming (IMAP)",
            &[
                ("Server", What::Host),
                ("Port", What::Port),
                ("Security", What::Security),
                ("Username", What::Address),
                ("Password", What::Password),
            ],
        ),
        outgoing: (
            "Outgoing (SMTP)",
            &[
                ("Server", What::Host),
                ("Port", What::Port),
                ("Security", What::Security),
                ("Username", What::Address),
                ("Password", What::Password),
            ],
        ),
        tls: "SSL/TLS",
        starttls: "STARTTLS",
    },
    Words {
        name: "Touch Mail",
        path: "Settings, Accounts, Add account, Other (IMAP)",
        account: &[("Email address", What::Address), ("Password", What::Password)],
        incoming: (
            "Incoming server",
            &[
                ("IMAP server", What::Host),
                ("Port", What::Port),
                ("Security", What::Security),
                ("User name", What::Address),
            ],
        ),
        outgoing: (
            "Outgoing server",
            &[
                ("SMTP server", What::Host),
                ("Port", What::Port),
                ("Security", What::Security),
                ("User name", What::Address),
            ],
        ),
        tls: "SSL/TLS",
        starttls: "STARTTLS",
    },
];

/// For each program; empty where the box offers no IMAP, or nothing to send by.
pub(crate) fn programs(offer: &Offer, name: &str, address: &str) -> Vec<Program> {
    let (Some(imap), Some(smtp)) = (offer.imap.first(), offer.submission.first()) else {
        return Vec::new();
    };
    PROGRAMS.iter().map(|words| program(words, offer, (*imap, *smtp), (name, address))).collect()
}

fn program(
    words: &Words,
    offer: &Offer,
    (imap, smtp): (Door, Door),
    (name, address): (&str, &str),
) -> Program {
    let value = |what: What, door: Door| match what {
        What::Name => Value::Text(name.to_string()),
        What::Address => Value::Text(address.to_string()),
        What::Password => Value::Password,
        What::Host => Value::Text(offer.host.clone()),
        What::Port => Value::Text(door.port.to_string()),
        What::Security => Value::Choice(match door.security {
            Security::Tls => words.tls,
            Security::StartTls => words.starttls,
        }),
        What::Say(choice) => Value::Choice(choice),
    };
    let part = |part: &'static str, fields: &'static [(&'static str, What)], door: Door| {
        let field = move |(name, what): &(&'static str, What)| (part, *name, *what, door);
        fields.iter().map(field).collect::<Vec<_>>()
    };
    let all = [
        part("Account", words.account, imap),
        part(words.incoming.0, words.incoming.1, imap),
        part(words.outgoing.0, words.outgoing.1, smtp),
    ];
    let fields = all.into_iter().flatten().map(|(part, name, what, door)| Field {
        part,
        name,
        value: value(what, door),
    });
    Program { name: words.name, path: words.path, fields: fields.collect() }
}
