//! The mbox and Maildir formats.
