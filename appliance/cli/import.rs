//! `mailroom import`: from files, from an IMAP server, or of many people by a list.

use super::args::absolute;
use crate::act::Request;
use crate::act::transfer::{FromImap, Import, Many};
use crate::collect::reach::Security;
use crate::limits::{IMPORT_CSV_BYTES, PASSWORD_BYTES};
use crate::settings::{self, Outgoing};
use clap::Args;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(crate) struct ImportLine {
    /// The account that gets the mail: its log-in address
    #[arg(required_unless_present = "csv", conflicts_with = "csv")]
    pub account: Option<String>,
    /// An mbox file, a Maildir, or a folder that holds them
    #[arg(required_unless_present_any = ["imap", "csv"], conflicts_with_all = ["imap", "csv"])]
    pub from: Option<PathBuf>,
    /// The mailbox to fill (INBOX unless given); of a folder or a server: the mailbox above those
    /// it makes
    #[arg(long, value_name = "NAME")]
    pub mailbox: Option<String>,
    /// Bring everything from this IMAP server, with folders, flags and dates
    #[arg(long, value_name = "HOST", requires = "user")]
    pub imap: Option<String>,
    /// Bring the mail of many people: a file of account,server,login,password, these names in its
    /// first line; all of it is checked before anything begins
    #[arg(long, value_name = "FILE", conflicts_with_all = ["imap", "mailbox"])]
    pub csv: Option<PathBuf>,
    /// Only check the list and its log-ins
    #[arg(long, requires = "csv")]
    pub check: bool,
    /// The log-in name there
    #[arg(long, value_name = "NAME", requires = "imap")]
    pub user: Option<String>,
    /// A file with the password in its first line; without it the first line of standard input
    #[arg(long, value_name = "FILE", requires = "imap")]
    pub password_file: Option<PathBuf>,
    /// Its port [default: 993, with --starttls 143]
    #[arg(long, value_name = "N", requires = "imap")]
    pub port: Option<u16>,
    /// Begin in clear and ask for TLS before the log-in
    #[arg(long, requires = "imap")]
    pub starttls: bool,
    /// A PEM file with the authority of its certificate, where that is not a public one
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
}

/// What is to be done. The password stands neither in the arguments nor in what is said of them.
pub(super) fn request(
    line: ImportLine,
    data: &Path,
    input: &mut dyn BufRead,
) -> Result<Request, String> {
    let ImportLine { account, from, mailbox, imap, user, .. } = line;
    if let Some(file) = line.csv {
        let outgoing = outgoing(data)?;
        return Ok(Request::ImportMany(Many {
            csv: text(&absolute(file)?)?,
            authority: line.authority.map(absolute).transpose()?.or(outgoing.authority),
            name_servers: outgoing.name_servers,
            only_check: line.check,
        }));
    }
    let account = account.unwrap_or_default();
    if let Some(from) = from {
        return Ok(Request::Import(Import { account, from: absolute(from)?, mailbox }));
    }
    let tls = if line.starttls { Security::StartTls } else { Security::Implicit };
    let usual = if line.starttls { 143 } else { 993 };
    let outgoing = outgoing(data)?;
    Ok(Request::ImportImap(FromImap {
        account,
        host: imap.unwrap_or_default(),
        port: line.port.unwrap_or(usual),
        tls,
        user: user.unwrap_or_default(),
        password: password(line.password_file.as_deref(), input)?,
        authority: line.authority.map(absolute).transpose()?.or(outgoing.authority),
        mailbox,
        name_servers: outgoing.name_servers,
    }))
}

/// Not more of it than a list may have.
fn text(path: &Path) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let most = u64::try_from(IMPORT_CSV_BYTES + 1).unwrap_or(u64::MAX);
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(wrong)?
        .take(most)
        .read_to_string(&mut text)
        .map_err(wrong)?;
    Ok(text)
}

/// The name servers to ask, and whom to trust.
fn outgoing(data: &Path) -> Result<Outgoing, String> {
    let path = data.join("mailroom.toml");
    if !path.exists() {
        return Ok(Outgoing::default());
    }
    let settings = settings::load(&path).map_err(|error| error.to_string())?;
    Ok(settings.outgoing)
}

fn password(file: Option<&Path>, input: &mut dyn BufRead) -> Result<String, String> {
    let most = u64::try_from(PASSWORD_BYTES + 2).unwrap_or(u64::MAX);
    let mut text = String::new();
    match file {
        Some(path) => {
            let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
            let file = std::fs::File::open(path).map_err(wrong)?;
            std::io::BufReader::new(file.take(most)).read_line(&mut text).map_err(wrong)?;
        }
        None => {
            let wrong = |error| format!("the password on standard input cannot be read: {error}");
            Read::take(input, most).read_line(&mut text).map_err(wrong)?;
        }
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("there is no password: name --password-file, or say it on standard input".into()),
        password => Ok(password.to_string()),
    }
}
