//! Backup while running, restore, compact.
