//! The POP3 session, without I/O.
