//! Calls of the kernel that nix has not, with their structs.

#![allow(unsafe_code)]

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
