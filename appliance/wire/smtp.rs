//! SMTP commands and replies (RFC 5321).
