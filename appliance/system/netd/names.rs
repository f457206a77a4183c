//! The box's name in the network by mDNS (RFC 6762), and what it serves (RFC 6763).

use mdns_sd::{ServiceDaemon, ServiceInfo};

/// Services of the box. The page stands first: it is what a person looks for.
const SERVICES: [(&str, u16); 4] = [
    ("_http._tcp.local.", 80),
    ("_submissions._tcp.local.", 465),
    ("_imaps._tcp.local.", 993),
    ("_pop3s._tcp.local.", 995),
];

/// Answers from its own thread until it is dropped.
pub(crate) struct Responder(ServiceDaemon);

impl Responder {
    /// The addresses are those of the adapters, and follow them.
    pub(crate) fn start(name: &str) -> Result<Responder, String> {
        let daemon = ServiceDaemon::new().map_err(|error| error.to_string())?;
        let host = format!("{name}.local.");
        for (kind, port) in SERVICES {
            let none: &[(&str, &str)] = &[];
            let service = ServiceInfo::new(kind, name, &host, (), port, none)
                .map_err(|error| error.to_string())?
                .enable_addr_auto();
            daemon.register(service).map_err(|error| error.to_string())?;
        }
        Ok(Responder(daemon))
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // It says goodbye to the network; nobody waits for that.
        let _ = self.0.shutdown();
    }
}
