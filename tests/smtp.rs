//! Tests: smtp.
