//! The owner's settings: one TOML file, typed, validated, replaced atomically.
