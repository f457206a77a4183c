//! `mailroom collect`: mailboxes that people have elsewhere.

use super::args::absolute;
use crate::act::Request;
use crate::act::collect::{After, Client, CollectAct, Server, Shared, Tls, Wish};
use crate::act::people::Password;
use crate::limits::OUTSIDE_SECRET_BYTES;
use clap::{Args, Subcommand};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

#[derive(Subcommand, Debug)]
pub(crate) enum Collect {
    /// Collect a person's mail from another provider, and send by it what has its address
    #[command(after_help = "Examples:\n  mailroom collect add bob@office.test bob@gmail.com \
                      --password-file app-password\n  mailroom collect add bob@office.test \
                      bob@old.example --pop3 --host pop.old.example --delete-after 14 \
                      --smtp-host smtp.old.example < password\n  mailroom collect add \
                      post@office.test all@firm.example --shared-domain firm.example \
                      --password-file secret\n\n\
                      The password is read from the file, or from the first line of standard \
                      input. It is kept encrypted.")]
    Add {
        /// The account here: its log-in address
        login: String,
        /// The person's address at the provider
        address: String,
        #[command(flatten)]
        wish: Wishes,
    },
    /// List outside accounts and how collecting goes
    List {
        /// Only those of this account
        login: Option<String>,
    },
    /// List known providers, and what a person must switch on there
    Providers,
    /// Show one, with the letters that were not taken over
    Show { login: String, address: String },
    /// Change what is named; the rest stays
    #[command(after_help = "Examples:\n  mailroom collect change bob@office.test bob@gmail.com \
                            --password-file new\n  mailroom collect change bob@office.test \
                            bob@gmail.com --pause")]
    Change {
        login: String,
        address: String,
        #[command(flatten)]
        wish: Wishes,
    },
    /// Look for the servers of an address at a provider; nothing is saved
    Find { address: String },
    /// Look for new letters now
    Look { login: String, address: String },
    /// Bring over all it holds: the running server does it, and goes on after a restart
    Import {
        login: String,
        address: String,
        /// Not now; without this it goes on
        #[arg(long)]
        pause: bool,
    },
    /// Log in at its servers, and say how that went
    Test { login: String, address: String },
    /// Sign in at a provider that wants tokens: shows a code to type in there, and waits
    SignIn { login: String, address: String },
    /// Forget it: nothing is collected any more, mail there and here stays
    Remove { login: String, address: String },
}

#[derive(Args, Debug)]
pub(crate) struct Wishes {
    /// A known provider, where the address does not tell: gmail, microsoft365, yandex, ..
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// By POP3
    #[arg(long, conflicts_with = "imap")]
    pop3: bool,
    /// By IMAP, which is usual
    #[arg(long)]
    imap: bool,
    /// The server to collect from
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Its port [default: that of the protocol]
    #[arg(long, value_name = "N", requires = "host")]
    port: Option<u16>,
    /// How it is encrypted
    #[arg(long, value_enum, default_value = "implicit")]
    tls: Tls,
    /// Collect nothing: mail only leaves by it
    #[arg(long, conflicts_with = "host")]
    no_collect: bool,
    /// The log-in name there [default: the address]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A file whose first line is the password there
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Mail stays there
    #[arg(long, conflicts_with_all = ["delete_after", "move_to"])]
    keep: bool,
    /// Mail is deleted there so many days after it was taken over
    #[arg(long, value_name = "DAYS", conflicts_with = "move_to")]
    delete_after: Option<u32>,
    /// Mail is moved there to this folder once it is taken over
    #[arg(long, value_name = "FOLDER")]
    move_to: Option<String>,
    /// A folder to collect; may be said several times [default: the inbox]
    #[arg(long, value_name = "NAME")]
    folder: Vec<String>,
    /// The server by which mail of this address leaves
    #[arg(long, value_name = "HOST")]
    smtp_host: Option<String>,
    /// Its port [default: 465, or 587 with STARTTLS]
    #[arg(long, value_name = "N", requires = "smtp_host")]
    smtp_port: Option<u16>,
    /// How it is encrypted
    #[arg(long, value_enum, default_value = "implicit")]
    smtp_tls: Tls,
    /// Its log-in name [default: as for collecting]
    #[arg(long, value_name = "NAME")]
    smtp_user: Option<String>,
    /// Mail of this address leaves as other mail does
    #[arg(long, conflicts_with = "smtp_host")]
    no_smtp: bool,
    /// An address that leaves by it; may be said several times [default: its own]
    #[arg(long, value_name = "ADDRESS")]
    send_as: Vec<String>,
    /// It is the catch-all of this domain: mail is shared out to people
    #[arg(long, value_name = "DOMAIN")]
    shared_domain: Option<String>,
    /// The header field that names the recipient [default: those that are usual]
    #[arg(long, value_name = "FIELD", requires = "shared_domain")]
    shared_by: Option<String>,
    /// Believe also what only To and Cc tell, though mail of lists then goes astray
    #[arg(long, requires = "shared_domain")]
    believe_to: bool,
    /// It is one person's again
    #[arg(long, conflicts_with = "shared_domain")]
    not_shared: bool,
    /// Log in with tokens (XOAUTH2): the id of the client that you registered with the provider
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A file whose first line is the secret of that client, where it has one
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
    /// Where codes for a device are given out [default: as the provider has it]
    #[arg(long, value_name = "URL", requires = "client_id", default_value = "")]
    device_url: String,
    /// Where tokens are given out [default: as the provider has it]
    #[arg(long, value_name = "URL", requires = "client_id", default_value = "")]
    token_url: String,
    /// What the tokens are to open [default: as the provider has it]
    #[arg(long, value_name = "TEXT", requires = "client_id", default_value = "")]
    scope: String,
    /// Save it without trying to log in
    #[arg(long)]
    untested: bool,
    /// Collect nothing for now
    #[arg(long, conflicts_with = "resume")]
    pause: bool,
    /// Collect again
    #[arg(long)]
    resume: bool,
}

/// `input` is standard input, where the password may stand.
pub(crate) fn request(command: Collect, input: &mut dyn BufRead) -> Result<Request, String> {
    Ok(Request::Collect(match command {
        Collect::Add { login, address, wish } => {
            let mut wish = wished(wish)?;
            if wish.secret.is_none() && wish.oauth.is_none() {
                wish.secret = Some(password(first_line(input, "standard input")?));
            }
            CollectAct::Add { login, address, wish: Box::new(wish) }
        }
        Collect::List { login } => CollectAct::List { login },
        Collect::Providers => CollectAct::Providers,
        Collect::Show { login, address } => CollectAct::Show { login, address },
        Collect::Change { login, address, wish } => {
            CollectAct::Change { login, address, wish: Box::new(wished(wish)?) }
        }
        Collect::Find { address } => CollectAct::Find { address },
        Collect::Look { login, address } => CollectAct::Look { login, address },
        Collect::Import { login, address, pause: true } => {
            CollectAct::PauseImport { login, address }
        }
        Collect::Import { login, address, .. } => CollectAct::Import { login, address },
        Collect::Test { login, address } => CollectAct::Test { login, address },
        Collect::SignIn { login, address } => CollectAct::SignIn { login, address },
        Collect::Remove { login, address } => CollectAct::Remove { login, address },
    }))
}

fn wished(given: Wishes) -> Result<Wish, String> {
    let usual = match (given.pop3, given.tls) {
        (false, Tls::Implicit) => 993,
        (false, Tls::Starttls) => 143,
        (true, Tls::Implicit) => 995,
        (true, Tls::Starttls) => 110,
    };
    let port = given.port.unwrap_or(usual);
    let source = given.host.map(|host| Server { host, port, tls: given.tls });
    let usual = if given.smtp_tls == Tls::Implicit { 465 } else { 587 };
    let port = given.smtp_port.unwrap_or(usual);
    let relay = given.smtp_host.map(|host| Server { host, port, tls: given.smtp_tls });
    let after = match (given.keep, given.delete_after, given.move_to) {
        (true, ..) => Some(After::Keep),
        (_, Some(days), _) => Some(After::Delete(days)),
        (.., Some(folder)) => Some(After::Move(folder)),
        _ => None,
    };
    let shared = given.shared_domain.map(|domain| {
        let field = given.shared_by.unwrap_or_default();
        Some(Shared { domain, field, believe_to: given.believe_to })
    });
    let secret = given.password_file.map(|file| in_file(&file)).transpose()?;
    let of_client = given.client_secret_file.map(|file| in_file(&file)).transpose()?;
    let oauth = given.client_id.map(|id| Client {
        id,
        secret: of_client.unwrap_or_default(),
        device_url: given.device_url,
        token_url: given.token_url,
        scope: given.scope,
    });
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let either = |yes: bool, no: bool| (yes || no).then_some(yes);
    Ok(Wish {
        provider: given.provider,
        pop3: either(given.pop3, given.imap),
        source,
        no_source: given.no_collect,
        user: given.user,
        secret: secret.map(password),
        after,
        folders: some(given.folder),
        relay,
        no_relay: given.no_smtp,
        senders: some(given.send_as),
        relay_user: given.smtp_user,
        multidrop: if given.not_shared { Some(None) } else { shared },
        oauth,
        paused: either(given.pause, given.resume),
        untested: given.untested,
        // Who may use the control socket is the owner.
        owner: true,
    })
}

fn password(text: String) -> Password {
    Password { text, made_up: false }
}

fn in_file(path: &Path) -> Result<String, String> {
    let path = absolute(path.to_path_buf())?;
    let called = path.display().to_string();
    let file = std::fs::File::open(&path).map_err(|error| format!("{called}: {error}"))?;
    first_line(&mut BufReader::new(file), &called)
}

/// A password never stands in the arguments, where every user of the machine can read it.
fn first_line(from: &mut dyn BufRead, called: &str) -> Result<String, String> {
    let mut text = Vec::new();
    let most = u64::try_from(OUTSIDE_SECRET_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    let read = Read::take(from, most).read_to_end(&mut text);
    read.map_err(|error| format!("the password in {called} cannot be read: {error}"))?;
    let text = String::from_utf8(text).map_err(|_| format!("{called} is not text"))?;
    let line = text.lines().next().unwrap_or_default();
    match line.is_empty() {
        true => Err(format!("there is no password in {called}")),
        false => Ok(line.to_string()),
    }
}
