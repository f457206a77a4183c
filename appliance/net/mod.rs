//! Sockets: the only user of tokio::net and rustls.
