//! A list of system calls for this thread and those that it starts, whose refusals the kernel
//! writes into its log (`type=1326 .. syscall=..`): seccompiler asks for no flag of the call.

#![allow(unsafe_code)]

use nix::libc;
use std::io;

/// For good. The caller has given up new privileges, without which the kernel refuses.
pub(crate) fn apply_logged(program: &[seccompiler::sock_filter]) -> io::Result<()> {
    let length = program.len().try_into();
    let program = libc::sock_fprog {
        len: length.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        // Of the same form (linux/filter.h), and only read.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the kernel copies the program, which outlives the call and is of the length given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_LOG,
            &raw const program,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
