//! A child's end of its pair: standard input is a socket of whole messages to PID 1.

use crate::limits;
use crate::request::{Message, SIZE};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockType, sockopt};
use std::fs::File;
use std::io::{self, IoSliceMut, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The socket to PID 1.
#[derive(Debug)]
pub(crate) struct Pair(OwnedFd);

/// What came: a message, and the octets of the file that came along.
pub(crate) struct Heard {
    pub message: Message,
    pub file: Option<Vec<u8>>,
}

impl Pair {
    /// Of this process; an error unless PID 1 started it.
    pub(crate) fn of_child() -> io::Result<Pair> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        match nix::sys::socket::getsockopt(&socket, sockopt::SockType) {
            Ok(SockType::SeqPacket) => Ok(Pair(socket)),
            _ => Err(io::Error::other("only the box itself starts this")),
        }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Waits only while PID 1 is behind.
    pub(crate) fn say(&self, message: &Message) -> io::Result<()> {
        let octets = message.encode();
        nix::sys::socket::send(self.0.as_raw_fd(), &octets, MsgFlags::MSG_NOSIGNAL)?;
        Ok(())
    }

    /// Waits for the next; `None`: PID 1 closed its end.
    pub(crate) fn hear(&self) -> io::Result<Option<Heard>> {
        let Some((message, files)) = self.take()? else { return Ok(None) };
        let file = files.into_iter().next().map(contents).transpose()?;
        Ok(Some(Heard { message, file }))
    }

    /// The next message, and what PID 1 opened for it.
    pub(crate) fn take(&self) -> io::Result<Option<(Message, Vec<File>)>> {
        let mut octets = [0; SIZE + 1];
        let mut parts = [IoSliceMut::new(&mut octets)];
        let mut space = nix::cmsg_space!([i32; 2]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let got = nix::sys::socket::recvmsg::<()>(
            self.0.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            flags,
        )?;
        let length = got.bytes;
        let mut files = Vec::new();
        for control in got.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                files.extend(descriptors.into_iter().map(super::syscall::adopt));
            }
        }
        if length == 0 {
            return Ok(None);
        }
        let message = Message::decode(octets.get(..length).unwrap_or_default());
        let message = message.map_err(|wrong| io::Error::other(wrong.to_string()))?;
        Ok(Some((message, files)))
    }
}

/// The whole file that came with a message.
fn contents(mut file: File) -> io::Result<Vec<u8>> {
    file.rewind()?;
    let mut octets = Vec::new();
    file.take(limits::BOOT_FILE_BYTES).read_to_end(&mut octets)?;
    Ok(octets)
}
