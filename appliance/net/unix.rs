//! What the command line needs of sockets: the control socket, and whether a port is served.
//!
//! The control socket is a Unix stream socket that only the server's own user and root may use.
//!
//! Lines of JSON go over it, each ended by LF. Both sides block: the callers are command lines,
//! few and short.

use crate::limits::{CONTROL_LINE_BYTES, CONTROL_REQUEST, CONTROL_REQUEST_BYTES, PORT_PROBE};
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The server's side.
pub(crate) struct Door {
    listener: UnixListener,
    path: PathBuf,
}

/// One connection, seen from either side.
pub(crate) struct Caller {
    stream: BufReader<UnixStream>,
}

impl Door {
    /// Makes the socket with mode 0600. One left behind by a server that died is replaced; that
    /// no other server lives is for the caller to know (the store's lock says so).
    pub(crate) fn open(path: &Path) -> io::Result<Door> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (_folder, short) = shortened(path)?;
        let listener = UnixListener::bind(short)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Door { listener, path: path.to_path_buf() })
    }

    /// Waits for the next caller; one of another user is turned away with an error.
    pub(crate) fn accept(&self) -> io::Result<Caller> {
        let (stream, _) = self.listener.accept()?;
        let peer =
            nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials)?;
        if !may_call(peer.uid(), nix::unistd::geteuid().as_raw()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        stream.set_read_timeout(Some(CONTROL_REQUEST))?;
        stream.set_write_timeout(Some(CONTROL_REQUEST))?;
        Ok(Caller { stream: BufReader::new(stream) })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // A socket that is left behind does no harm: the next server replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

impl Caller {
    /// Calls the server. No answer within any time is asked for: a backup takes as long as it does.
    pub(crate) fn call(path: &Path) -> io::Result<Caller> {
        let (_folder, short) = shortened(path)?;
        let stream = UnixStream::connect(short)?;
        Ok(Caller { stream: BufReader::new(stream) })
    }

    /// The request of a caller; an error when it is too long, too slow or has no end.
    pub(crate) fn request(&mut self) -> io::Result<Vec<u8>> {
        self.line(CONTROL_REQUEST_BYTES)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The server's next answer; `None` when it closed.
    pub(crate) fn answer(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.line(CONTROL_LINE_BYTES)
    }

    pub(crate) fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(line)?;
        stream.write_all(b"\n")
    }

    fn line(&mut self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        self.stream.by_ref().take(most).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            _ if line.len() + 1 >= limit => Err(io::ErrorKind::FileTooLarge.into()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Only the user who runs the server, and root.
pub(crate) fn may_call(peer: u32, own: u32) -> bool {
    peer == 0 || peer == own
}

/// Does something on this machine take connections there? It is closed at once.
pub(crate) fn listens(at: SocketAddr) -> io::Result<()> {
    TcpStream::connect_timeout(&at, PORT_PROBE).map(drop)
}

/// The address of a socket holds about a hundred octets: a longer path is reached through its
/// folder, which must stay open meanwhile.
fn shortened(path: &Path) -> io::Result<(Option<File>, PathBuf)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() < 100 {
        return Ok((None, path.to_path_buf()));
    }
    let folder = File::open(folder)?;
    let short = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Ok((Some(folder), Path::new(&short).join(name)))
}
