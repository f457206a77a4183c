//! The command line: what can be asked, and the help for it.

use super::import::ImportLine;
use crate::act::backup::Backup;
use crate::act::dns::Dkim;
use crate::act::moving::MoveAct;
use crate::act::outbox::OutboxAct;
use crate::act::people::{AccountAct, AddressAct, DomainAct};
use crate::act::tls::TlsAct;
use crate::act::token::TokenAct;
use crate::act::transfer::{Export, Revive};
use crate::act::update::UpdateOrder;
use crate::act::{Request, StorySearch};
use crate::limits::{OUTBOX_SHOWN, TLS_DAYS_SHOWN, TRACE_SHOWN};
use crate::store::backup::sealed::Passphrase;
use clap::{Args, Parser, Subcommand};
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Mailroom: plug-in office mail.
///
/// With a running server these commands act through it; without one they open the store
/// themselves.
#[derive(Parser, Debug)]
#[command(name = "mailroom", version, max_term_width = 100)]
pub(crate) struct Line {
    /// Folder of the store and the settings [default: MAILROOM_DATA, else ./data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the mail server in the foreground until SIGINT or SIGTERM
    #[command(after_help = "Example:\n  mailroom serve --data ./data --port-base 2000 --demo")]
    Serve(Serve),
    /// People: who has a mailbox and may log in
    #[command(subcommand)]
    Account(Account),
    /// Domains this box is home to
    #[command(subcommand)]
    Domain(Domain),
    /// Addresses, and where mail to them goes
    #[command(subcommand)]
    Address(Address),
    /// Mail on its way out: what waits, and why
    #[command(subcommand)]
    Outbox(Outbox),
    /// How encryption with other servers goes, and the policies they ask for
    #[command(subcommand)]
    Tls(Tls),
    /// Tokens: with one a program acts for the owner, over https://THE-BOX/api/v1
    #[command(subcommand)]
    Token(Token),
    /// Mailboxes elsewhere: mail is collected from them, and leaves by them
    #[command(subcommand)]
    Collect(Box<super::collect::Collect>),
    /// Tell the story of messages: why a mail arrived, or did not
    #[command(
        after_help = "Examples:\n  mailroom trace 'bob@'\n  mailroom trace invoice --since 2d\n  \
                            mailroom trace --since 2026-11-01 --limit 200"
    )]
    Trace(Trace),
    /// What the running server said lately: it is kept in memory only
    Log,
    /// Check every row of the store; exits 1 if anything is damaged
    Verify,
    /// Copy the whole office into one file, while mail flows
    ///
    /// It holds the store, the settings, the keys that sign mail, and the certificates with their
    /// keys. With a passphrase it is encrypted, in files of 2 GiB at most (FILE, FILE.2, ..);
    /// without one keep it where nobody else reaches it. It is tried by a restore beside the store.
    #[command(
        after_help = "Examples:\n  mailroom backup /media/stick/office.mrb --passphrase-file \
                            words.txt\n  mailroom backup /media/stick/mailroom.backup"
    )]
    Backup {
        /// The file to write; it must not exist yet
        file: PathBuf,
        /// A file whose first line is the passphrase
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Do not try it
        #[arg(long)]
        untried: bool,
    },
    /// Put a backup in place of what is here, or bring back mail of one account out of it
    ///
    /// Without --account mail, settings, keys and certificates become what they were; the addresses
    /// and ports to listen at stay those of this machine. The server must be stopped. With it,
    /// mail of that account is brought back while the server runs: what is there already, with the
    /// same content and date, is not brought twice.
    #[command(
        after_help = "Examples:\n  mailroom restore /media/stick/mailroom.backup --replace\n  \
                            mailroom restore mailroom.backup --account bob@office.test --mailbox \
                            Projects\n  mailroom restore mailroom.backup --account \
                            bob@office.test --mailbox INBOX --message 4711 --into Found"
    )]
    Restore(Restore),
    /// Bring back what can be read of a damaged store, into a new one
    ///
    /// The damaged file is only read, page by page and without the engine. What is whole in it is
    /// written into the store of a new data folder: people, mailboxes, messages with their flags.
    /// It ends by saying what came back and what is lost, and exits 1 if nothing came back.
    #[command(after_help = "Examples:\n  mailroom salvage ./data ./salvaged\n  mailroom salvage \
                            /media/card/data.mdb ./salvaged\n  mailroom --data ./salvaged verify")]
    Salvage {
        /// The damaged store: its file, its folder or its data folder
        #[arg(value_name = "FROM-STORE")]
        from: PathBuf,
        /// A data folder for the new store; it must not exist yet
        #[arg(value_name = "NEW-STORE")]
        to: PathBuf,
    },
    /// The part of `salvage` that reads
    #[command(hide = true, name = super::salvage::PART)]
    SalvagePart { file: PathBuf, to: PathBuf },
    /// Write the store anew, so that the disk gets back the space of deleted mail
    Compact,
    /// Take mail in: from mbox files, from a Maildir, or everything from another mail server
    ///
    /// It can be run again, after it was cut or when there is more: what was brought before is not
    /// brought a second time.
    #[command(
        after_help = "Examples:\n  mailroom import bob@office.test /media/stick/Mail\n  mailroom \
                      import bob@office.test --imap imap.example.net --user bob@example.net \
                      --password-file pw"
    )]
    Import(ImportLine),
    /// A domain moves here from another provider: what to do next, step by step
    #[command(subcommand)]
    Move(Move),
    /// Write the mail of an account out as mbox files or a Maildir
    Export(Export),
    /// The DNS records to publish, as a zone file
    #[command(after_help = "Examples:\n  mailroom dns office.test > office.test.zone\n  \
                            mailroom dns office.test --dmarc quarantine")]
    Dns {
        /// One domain; all without it
        domain: Option<String>,
        /// What others are asked to do with mail in your name that is not proven
        #[arg(long, value_enum, default_value_t)]
        dmarc: crate::act::records::Dmarc,
    },
    /// Keys that sign the mail of a domain (DKIM)
    #[command(subcommand)]
    Dkim(Dkim),
    /// The certificate: how it stands, and a new one of an authority
    #[command(subcommand)]
    Certificate(Certificate),
    /// The system of a box: what runs, and another version of it
    ///
    /// A server that is no box is updated as it was installed.
    #[command(
        after_help = "Examples:\n  mailroom update          shows how it stands\n  mailroom update \
                            mailroom-0.5.0-qemu-virt.mru\n  mailroom update --now"
    )]
    Update(Update),
    /// Look at this machine, and at what the world sees of it; exits 1 if anything is wrong
    #[command(after_help = "Space, clock, settings, certificate, server and ports; then the name \
                      servers, the name and address of the box, the way out to other servers, \
                      and each record that `mailroom dns` prints.")]
    Check {
        /// Only this machine: ask nothing and nobody outside
        #[arg(long)]
        here: bool,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Move {
    /// How far each domain is, and what to do next
    List,
    /// Begin with a domain of this box whose mail still goes elsewhere
    #[command(
        after_help = "Example:\n  mailroom move begin office.test     then do what it says; the \
                            server looks by itself, and `mailroom move list` tells"
    )]
    Begin { domain: String },
    /// Ask the name servers now
    Look { domain: String },
    /// Bring the old mail of everybody who has an outside account in the domain
    Run { domain: String },
    /// Go on without the run
    Skip { domain: String },
    /// Go one step back
    Back { domain: String },
    /// Forget it; all mail stays
    End { domain: String },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Certificate {
    /// Who made it, for which names, until when, and what came of the last try
    #[command(after_help = "Example:\n  mailroom certificate show --json")]
    Show,
    /// Ask the authority of the settings for a new one now
    #[command(after_help = "Example:\n  mailroom certificate issue")]
    Issue,
    /// Ask for a new one if it is time, without waiting after a failure
    #[command(after_help = "Example:\n  mailroom certificate renew")]
    Renew,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Listen on N+25, N+143, N+993 and so on instead of the well-known ports, on 127.0.0.1
    #[arg(long, value_name = "N")]
    pub port_base: Option<u16>,
    /// On the first start make the domain office.test with alice@ and bob@, to try things with
    #[arg(long)]
    pub demo: bool,
    /// Take this file for what PID 1 of a box tells of updates, and write beside it what is asked
    /// of PID 1: for whoever tries the pages
    #[arg(long, value_name = "FILE", hide = true)]
    pub update_state: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Update {
    /// An update file, whose name ends in .mru
    pub file: Option<PathBuf>,
    /// Install the file of this version that was refused, although it is older or the same
    #[arg(long, value_name = "VERSION", conflicts_with = "file")]
    pub consent: Option<String>,
    /// Restart now into the update that is installed
    #[arg(long, conflicts_with_all = ["file", "consent"])]
    pub now: bool,
    /// Restart into the older system that is still there
    #[arg(long, conflicts_with_all = ["file", "consent", "now"])]
    pub back: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// A file that `mailroom backup` wrote; its further parts are beside it
    pub file: PathBuf,
    /// A file whose first line is the passphrase of the backup
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Replace the store that is there
    #[arg(long, conflicts_with = "account")]
    pub replace: bool,
    /// Bring back mail of this account: its log-in address
    #[arg(long, value_name = "LOGIN")]
    pub account: Option<String>,
    /// Only this mailbox
    #[arg(long, value_name = "NAME", requires = "account")]
    pub mailbox: Option<String>,
    /// Only this message: its UID in --mailbox, or its number as `mailroom trace` says it
    #[arg(long, value_name = "UID or NUMBER", requires = "account")]
    pub message: Option<String>,
    /// Into this mailbox instead of the one it was in
    #[arg(long, value_name = "NAME", requires = "account")]
    pub into: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Account {
    /// Make an account; the password is made up and shown once, unless it is given on stdin
    #[command(
        after_help = "Examples:\n  mailroom account add bob@office.test --name 'Bob Builder'\n  \
                            pass show bob | mailroom account add bob@office.test --password-stdin"
    )]
    Add {
        /// The address: it is the log-in name too
        address: String,
        /// The person's name
        #[arg(long, default_value = "")]
        name: String,
        /// The most its mail may take, as 500M or 2G; none for no limit
        #[arg(long, value_parser = quota, default_value = "none")]
        quota: u64,
        #[command(flatten)]
        password: GivenPassword,
    },
    /// List all accounts
    List,
    /// Show one account
    Show { login: String },
    /// Set a new password; it is made up and shown once, unless it is given on stdin
    Password {
        login: String,
        #[command(flatten)]
        password: GivenPassword,
    },
    /// Add (or remove) a password for one app or device; it is made up and shown once
    #[command(after_help = "Examples:\n  mailroom account app-password bob@office.test phone\n  \
                            mailroom account app-password bob@office.test phone --remove")]
    AppPassword {
        login: String,
        /// What the password is for
        label: String,
        /// Remove this app password instead
        #[arg(long, conflicts_with = "password_stdin")]
        remove: bool,
        #[command(flatten)]
        password: GivenPassword,
    },
    /// Refuse log-ins of the account; its mail still arrives
    Suspend { login: String },
    /// Let the account log in again
    Resume { login: String },
    /// Set the most that the account's mail may take
    #[command(after_help = "Example:\n  mailroom account quota bob@office.test 2G")]
    Quota {
        login: String,
        /// As 500M or 2G; none for no limit
        #[arg(value_parser = quota)]
        quota: u64,
    },
    /// Close the account at once; its mail is removed after 30 days, unless it is reopened
    #[command(after_help = "Examples:\n  mailroom account close bob@office.test\n  \
                            mailroom account reopen bob@office.test")]
    Close { login: String },
    /// Open a closed account again, with all its mail
    Reopen { login: String },
    /// Delete the account with all its mail, without time to think
    Delete {
        login: String,
        /// Really: there is no way back but a backup
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct GivenPassword {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Domain {
    /// Add a domain
    Add { domain: String },
    /// List all domains
    List,
    /// Remove a domain that no address uses any more
    Remove { domain: String },
    /// Name the account that gets what no address of the domain takes
    #[command(
        after_help = "Examples:\n  mailroom domain catch-all office.test bob@office.test\n  \
                            mailroom domain catch-all office.test --none"
    )]
    CatchAll {
        domain: String,
        #[arg(required_unless_present = "none")]
        login: Option<String>,
        /// Refuse such mail
        #[arg(long, conflicts_with = "login")]
        none: bool,
    },
    /// Name the account that gets the mail of postmaster and abuse, which every domain must have
    #[command(after_help = "Example:\n  mailroom domain postmaster office.test bob@office.test")]
    Postmaster {
        domain: String,
        #[arg(required_unless_present = "none")]
        login: Option<String>,
        /// The oldest account of the domain
        #[arg(long, conflicts_with = "login")]
        none: bool,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Address {
    /// Add an alias, or change where it leads: to accounts, other addresses, or the outside
    #[command(
        after_help = "Examples:\n  mailroom address add sales@office.test bob@office.test\n  \
                      mailroom address add all@office.test sales@office.test eve@far.example\n  \
                      mailroom address add bob@office.test bob@office.test bob@far.example\n\n\
                      Mail that is passed on to the outside leaves with a return address of this \
                      box, so that it is taken there, and reports find their way back."
    )]
    Add {
        address: String,
        /// Log-in addresses, other addresses of this box, addresses outside
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// Remove an alias
    Remove { address: String },
    /// List all addresses
    List,
    /// Where would mail to this address go?
    Find { address: String },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Outbox {
    /// List what waits to be sent, the next first
    List {
        /// The most messages to list
        #[arg(long, default_value_t = OUTBOX_SHOWN, value_name = "N")]
        limit: usize,
    },
    /// Show one message and what became of each of its recipients
    Show {
        /// The number of the message
        id: String,
    },
    /// Keep a message back until you say now
    Hold { id: String },
    /// Try a message now, also one that was held
    #[command(after_help = "Example:\n  mailroom outbox now 6443c7c0b1d80")]
    Now { id: String },
    /// Take a message out; its sender is told that it was not delivered
    Drop {
        id: String,
        /// Really: it will not be sent
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Tls {
    /// Count connections by day, domain and result; the last minute may be missing
    #[command(after_help = "Example:\n  mailroom tls counts --days 30 --json")]
    Counts {
        /// Today and the days before it, so many in all
        #[arg(long, default_value_t = TLS_DAYS_SHOWN, value_name = "N")]
        days: u32,
    },
    /// List the MTA-STS policies of other domains that are remembered
    Policies,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Token {
    /// Make a token; it is shown this once
    #[command(after_help = "Example:\n  mailroom token add monitoring\n  curl --cacert \
                            data/tls/ca.pem -H 'Authorization: Bearer TOKEN' \
                            https://mail.office.test/metrics")]
    Add {
        /// The program it is for
        name: String,
    },
    /// List the tokens by their names
    List,
    /// Take a token back: it opens nothing any more
    Remove { name: String },
}

#[derive(Args, Debug)]
pub(crate) struct Trace {
    /// Part of an address, a subject, a Message-ID or the number in the reply; nothing for all
    #[arg(default_value = "")]
    pub text: String,
    /// The most stories to tell
    #[arg(long, default_value_t = TRACE_SHOWN, value_name = "N")]
    pub limit: usize,
    /// Only what began since: 30m, 12h, 7d, or a day as 2026-11-01 (UTC)
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
}

/// A number of octets with K, M, G or T; 0 for none.
fn quota(text: &str) -> Result<u64, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(0);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err("say a size as 500M, 2G or none".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "say a size as 500M, 2G or none".to_string())?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("no mail fits in 0: say none for no limit".into()),
        Some(octets) => Ok(octets),
        None => Err("no disk is that large".into()),
    }
}

/// When `--since` begins, in seconds since 1970.
pub(crate) fn since(text: &str, now: i64) -> Result<i64, String> {
    const FORM: &str = "say --since as 30m, 12h, 7d or 2026-11-01";
    let day = time::macros::format_description!("[year]-[month]-[day]");
    if let Ok(date) = time::Date::parse(text, day) {
        return Ok(date.midnight().assume_utc().unix_timestamp());
    }
    let unit = match text.chars().last() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(FORM.into()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| FORM.to_string())?;
    let ago = number.checked_mul(unit).filter(|ago| *ago >= 0).ok_or_else(|| FORM.to_string())?;
    Ok(now.saturating_sub(ago))
}

/// What is to be done by whoever has the store open; `None` for what the command line does itself.
/// `password` reads or makes the password when one is needed.
pub(crate) fn request(
    command: Command,
    now: i64,
    password: &mut dyn FnMut(&GivenPassword) -> Result<crate::act::people::Password, String>,
) -> Result<Option<Request>, String> {
    Ok(Some(match command {
        Command::Account(act) => Request::Account(account(act, password)?),
        Command::Domain(act) => Request::Domain(domain(act)),
        Command::Address(act) => Request::Address(address(act)),
        Command::Outbox(act) => Request::Outbox(outbox(act)),
        Command::Tls(Tls::Counts { days }) => Request::Tls(TlsAct::Counts { days }),
        Command::Tls(Tls::Policies) => Request::Tls(TlsAct::Policies),
        Command::Token(Token::Add { name }) => Request::Token(TokenAct::Add { name }),
        Command::Token(Token::List) => Request::Token(TokenAct::List),
        Command::Token(Token::Remove { name }) => Request::Token(TokenAct::Remove { name }),
        Command::Move(act) => Request::Move(moving(act)),
        Command::Trace(Trace { text, limit, since: from }) => {
            let since = from.map(|text| since(&text, now)).transpose()?;
            Request::Trace(StorySearch { text, limit, since })
        }
        Command::Log => Request::Log,
        Command::Verify => Request::Verify,
        Command::Compact => Request::Compact,
        Command::Update(update) => Request::Update(order(update)?),
        Command::Backup { file, passphrase_file, untried } => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            Request::Backup(Backup { file: absolute(file)?, passphrase, untried })
        }
        Command::Export(mut export) => {
            export.to = absolute(export.to)?;
            Request::Export(export)
        }
        Command::Restore(Restore {
            file,
            passphrase_file,
            account: Some(account),
            mailbox,
            message,
            into,
            ..
        }) => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            let file = absolute(file)?;
            Request::Revive(Revive { file, passphrase, account, mailbox, message, into })
        }
        Command::Serve(_)
        | Command::Collect(_)
        | Command::Import(_)
        | Command::Restore(_)
        | Command::Salvage { .. }
        | Command::SalvagePart { .. }
        | Command::Dns { .. }
        | Command::Dkim(_)
        | Command::Certificate(_)
        | Command::Check { .. } => return Ok(None),
    }))
}

fn order(update: Update) -> Result<UpdateOrder, String> {
    Ok(match update {
        Update { file: Some(file), .. } => UpdateOrder::Take { file: absolute(file)? },
        Update { consent: Some(version), .. } => UpdateOrder::Consent { version },
        Update { now: true, .. } => UpdateOrder::Now,
        Update { back: true, .. } => UpdateOrder::Back,
        _ => UpdateOrder::Show,
    })
}

fn moving(act: Move) -> MoveAct {
    match act {
        Move::List => MoveAct::List,
        Move::Begin { domain } => MoveAct::Begin { domain, waits: true },
        Move::Look { domain } => MoveAct::Look { domain, waits: true },
        Move::Run { domain } => MoveAct::Run { domain },
        Move::Skip { domain } => MoveAct::Skip { domain },
        Move::Back { domain } => MoveAct::Back { domain },
        Move::End { domain } => MoveAct::End { domain },
    }
}

fn account(
    act: Account,
    password: &mut dyn FnMut(&GivenPassword) -> Result<crate::act::people::Password, String>,
) -> Result<AccountAct, String> {
    Ok(match act {
        Account::Add { address, name, quota, password: given } => {
            AccountAct::Add { address, name, quota, password: password(&given)? }
        }
        Account::List => AccountAct::List,
        Account::Show { login } => AccountAct::Show { login },
        Account::Password { login, password: given } => {
            AccountAct::Password { login, password: password(&given)? }
        }
        Account::AppPassword { login, label, remove: true, .. } => {
            AccountAct::RemoveAppPassword { login, label }
        }
        Account::AppPassword { login, label, password: given, .. } => {
            AccountAct::AppPassword { login, label, password: password(&given)? }
        }
        Account::Suspend { login } => AccountAct::Suspend { login, suspended: true },
        Account::Resume { login } => AccountAct::Suspend { login, suspended: false },
        Account::Quota { login, quota } => AccountAct::Quota { login, quota },
        Account::Close { login } => AccountAct::Close { login },
        Account::Reopen { login } => AccountAct::Reopen { login },
        Account::Delete { login, yes } => AccountAct::Delete { login, yes },
    })
}

fn domain(act: Domain) -> DomainAct {
    match act {
        Domain::Add { domain } => DomainAct::Add { domain },
        Domain::List => DomainAct::List,
        Domain::Remove { domain } => DomainAct::Remove { domain },
        Domain::CatchAll { domain, login, .. } => DomainAct::CatchAll { domain, login },
        Domain::Postmaster { domain, login, .. } => DomainAct::Postmaster { domain, login },
    }
}

fn address(act: Address) -> AddressAct {
    match act {
        Address::Add { address, targets } => AddressAct::Add { address, targets },
        Address::Remove { address } => AddressAct::Remove { address },
        Address::List => AddressAct::List,
        Address::Find { address } => AddressAct::Find { address },
    }
}

fn outbox(act: Outbox) -> OutboxAct {
    match act {
        Outbox::List { limit } => OutboxAct::List { limit },
        Outbox::Show { id } => OutboxAct::Show { id },
        Outbox::Hold { id } => OutboxAct::Hold { id },
        Outbox::Now { id } => OutboxAct::Now { id },
        Outbox::Drop { id, yes } => OutboxAct::Drop { id, yes },
    }
}

/// The first line of a file: it never stands in the arguments, where every user can read it.
pub(super) fn passphrase(file: Option<&Path>) -> Result<Option<Passphrase>, String> {
    let Some(file) = file else { return Ok(None) };
    let why = |why: String| format!("the passphrase in {}: {why}", file.display());
    let mut text = Zeroizing::new(String::new());
    let opened = std::fs::File::open(file).map_err(|error| why(error.to_string()))?;
    let most = crate::limits::SETTINGS_BYTES as u64;
    opened.take(most).read_to_string(&mut text).map_err(|error| why(error.to_string()))?;
    match text.lines().next().map(|line| line.trim_end_matches('\r')) {
        Some(line) if !line.is_empty() => Ok(Some(Passphrase::new(line))),
        _ => Err(why("its first line is empty".to_string())),
    }
}

/// The server has another working folder than the one who calls.
pub(super) fn absolute(path: PathBuf) -> Result<PathBuf, String> {
    std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()))
}
