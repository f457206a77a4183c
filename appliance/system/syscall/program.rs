//! The memory that the program itself takes.
//!
//! Starting runs through much of the program once: settings, keys, certificates, the check of the
//! store. The kernel maps what it runs through, with all of its surroundings that are in the page
//! cache, and it stays mapped until memory is short. On a small board that is most of what an idle
//! server holds, so the server lets go of it by itself. What is used again comes back page by
//! page, out of the page cache.

#![allow(unsafe_code)]

use nix::libc;
use std::ffi::c_int;
use std::ops::Range;

/// Unmaps what of the program and its libraries is only read, until it is used again.
pub(crate) fn let_go() {
    for Range { start, end } in read_only() {
        // SAFETY: of a private mapping of a file that nobody can write to, the kernel takes the
        // same octets from the file when they are next read. A refusal changes nothing.
        unsafe { libc::madvise(start as *mut _, end - start, libc::MADV_DONTNEED) };
    }
}

/// Where the program and its libraries are mapped that no relocation has changed: whole pages.
fn read_only() -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // SAFETY: `each` gets the vector's address back and keeps neither it nor `info`.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut found).cast()) };
    found
}

unsafe extern "C" fn each(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    found: *mut libc::c_void,
) -> c_int {
    const PAGE: usize = 64 << 10;
    // SAFETY: both are whole and live for this call; see `read_only`.
    let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<Range<usize>>>()) };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader says how many headers there are.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    for header in headers {
        if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0 {
            let start = info.dlpi_addr as usize + header.p_vaddr as usize;
            let end = start + header.p_memsz as usize;
            // A page at an edge may be shared with a part that is written to.
            let whole = start.next_multiple_of(PAGE)..end / PAGE * PAGE;
            if !whole.is_empty() {
                found.push(whole);
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::{let_go, read_only};

    /// KiB of this process that are mapped from files.
    fn mapped() -> u64 {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find(|line| line.starts_with("RssFile:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn what_was_read_once_is_let_go_and_comes_back() {
        let parts = read_only();
        let sum = || {
            let octets = parts.iter().flat_map(|part| part.clone().step_by(4096));
            // Reads one octet of each page of the program, as running through it does.
            octets.map(|at| u64::from(unsafe { std::ptr::read_volatile(at as *const u8) })).sum()
        };
        let whole: u64 = sum();
        let (before, octets) = (mapped(), parts.iter().map(ExactSizeIterator::len).sum::<usize>());
        let_go();
        // Other tests run meanwhile and use some of it.
        let after = mapped();
        assert!(after + octets as u64 / 1024 / 2 < before, "{before} KiB, then {after}");
        assert_eq!(sum(), whole, "the program is what it was");
    }
}
