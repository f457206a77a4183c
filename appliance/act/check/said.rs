//! What is found, as sentences of the catalogue with their values: the command line says them in
//! English with times in UTC, a page in its own language with times of the office.

use crate::act::words::date_time;
use crate::words::Words;
use std::fmt::Display;

/// A piece of what is said; several stand one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub key: String,
    pub values: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// Seconds since 1970.
    Time(i64),
}

impl<T: Display> From<T> for Value {
    fn from(text: T) -> Value {
        Value::Text(text.to_string())
    }
}

/// One piece; the key is of the group `found`.
pub(crate) fn say(key: &str, values: impl IntoIterator<Item = Value>) -> Vec<Said> {
    vec![Said { key: key.to_string(), values: values.into_iter().collect() }]
}

/// In these words, with times as `at` shows them.
pub(crate) fn spoken(said: &[Said], words: &Words, at: &dyn Fn(i64) -> String) -> String {
    let piece = |said: &Said| {
        let value = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::Time(seconds) => at(*seconds),
        };
        let values: Vec<String> = said.values.iter().map(value).collect();
        let values: Vec<&dyn Display> = values.iter().map(|it| it as &dyn Display).collect();
        words.fill(&said.key, &values)
    };
    said.iter().map(piece).collect()
}

/// As the command line says it.
pub(crate) fn english(said: &[Said]) -> String {
    spoken(said, Words::english(), &|at| format!("{} UTC", date_time(at)))
}
