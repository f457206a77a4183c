//! The same acts as the setup page, for scripts and tests.
