//! POP3 commands and replies (RFC 1939).
