//! Answers what sessions ask.
