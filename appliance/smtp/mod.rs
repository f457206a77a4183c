//! SMTP sessions, without I/O.
