//! What of the settings nobody but the owner may see.

use super::{Method, Settings, print};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Stands in the place of a password.
const KEPT_BACK: &str = "(kept back)";

impl Settings {
    /// Each as the file writes it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let relays = self.outgoing.relay.iter();
        let relays = relays.chain(self.outgoing.relay_for.iter().map(|(_, relay)| relay));
        let passwords = relays.filter_map(|relay| relay.login.as_ref());
        let mut secrets: Vec<String> = passwords.map(|(_, password)| password.clone()).collect();
        if let Method::Dns01(update) = &self.certificate.method {
            secrets.push(STANDARD.encode(&update.secret));
        }
        secrets
    }

    /// The file without them.
    pub(crate) fn print_without_secrets(&self) -> String {
        let mut settings = self.clone();
        let relays = settings.outgoing.relay.iter_mut();
        let relays = relays.chain(settings.outgoing.relay_for.iter_mut().map(|(_, relay)| relay));
        for (_, password) in relays.filter_map(|relay| relay.login.as_mut()) {
            *password = KEPT_BACK.to_string();
        }
        if let Method::Dns01(update) = &mut settings.certificate.method {
            update.secret = Vec::new();
        }
        print(&settings)
    }
}
