//! Backup, restore, compact and verify.
