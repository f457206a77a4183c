//! Logging in: the mechanisms word by word, the throttle, the credentials; and the settings.

mod desk;
mod scram;
mod settings;
mod simple;
mod throttle;

use crate::wire::sasl::{Binding, Login, LoginAnswer, Next};

/// TLS 1.3 with bindings that are easy to see.
fn bound() -> Binding {
    Binding { tls: true, exporter: Some([0xE5; 32]), endpoint: vec![0xEB; 32] }
}

fn tim() -> Login {
    Login { account: 1, name: "tim".to_string(), capabilities_off: Vec::new(), credential: 0 }
}

fn granted() -> LoginAnswer {
    LoginAnswer::Granted(tim())
}

fn challenge(text: &str) -> Next {
    Next::Challenge(text.as_bytes().to_vec())
}
