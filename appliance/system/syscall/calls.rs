//! Calls of the kernel that nix has not, with their structs.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

pub(super) const BLKPG_RESIZE_PARTITION: i32 = 3;
pub(super) const PARTITION_BYTES: i32 = 152;

/// struct blkpg_partition of linux/blkpg.h.
#[repr(C)]
pub(super) struct Partition {
    pub start: i64,
    pub length: i64,
    pub number: i32,
    pub names: [u8; 128],
}

/// struct blkpg_ioctl_arg of linux/blkpg.h.
#[repr(C)]
pub(super) struct PartitionChange {
    pub operation: i32,
    pub flags: i32,
    pub length: i32,
    pub data: *mut Partition,
}

const _: () = assert!(std::mem::size_of::<Partition>() == PARTITION_BYTES as usize);

// _IO(0x12, 105), which carries a pointer all the same.
nix::ioctl_write_ptr_bad!(blkpg, 0x1269, PartitionChange);
// _IO(0x12, 95) of linux/fs.h.
nix::ioctl_none_bad!(blkrrpart, 0x125F);
// EXT4_IOC_RESIZE_FS of ext4.h.
nix::ioctl_write_ptr!(ext4_resize, b'f', 16, u64);
// WDIOC_SETTIMEOUT of linux/watchdog.h.
nix::ioctl_readwrite!(watchdog_timeout, b'W', 6, i32);

/// Tells the kernel the new length of a partition, in octets.
pub(super) fn resize_partition(disk: &File, number: i32, range: (u64, u64)) -> io::Result<()> {
    let octets =
        |n: u64| i64::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let mut partition =
        Partition { start: octets(range.0)?, length: octets(range.1)?, number, names: [0; 128] };
    let change = PartitionChange {
        operation: BLKPG_RESIZE_PARTITION,
        flags: 0,
        length: PARTITION_BYTES,
        data: &raw mut partition,
    };
    // SAFETY: both structs are the kernel's (linux/blkpg.h) and outlive the call.
    unsafe { blkpg(disk.as_raw_fd(), &raw const change) }?;
    Ok(())
}
