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
    /// So many seconds.
    Span(i64),
}

impl<T: Display> From<T> for Value {
    fn from(text: T) -> Value {
        Value::Text(text.to_string())
    }
}

/// One piece.
pub(crate) fn say(key: &str, values: impl IntoIterator<Item = Value>) -> Vec<Said> {
    vec![Said { key: key.to_string(), values: values.into_iter().collect() }]
}

/// In these words, with times as `at` shows them.
pub(crate) fn spoken(said: &[Said], words: &Words, at: &dyn Fn(i64) -> String) -> String {
    let piece = |said: &Said| {
        let value = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            Value::Time(seconds) => at(*seconds),
            Value::Span(seconds) => span(*seconds, words),
        };
        let values: Vec<String> = said.values.iter().map(value).collect();
        let values: Vec<&dyn Display> = values.iter().map(|it| it as &dyn Display).collect();
        words.fill(&said.key, &values)
    };
    said.iter().map(piece).collect()
}

fn span(seconds: i64, words: &Words) -> String {
    let (key, count) = match seconds {
        0..120 => ("span.seconds", seconds),
        120..7_200 => ("span.minutes", seconds / 60),
        7_200..172_800 => ("span.hours", seconds / 3_600),
        _ => ("span.days", seconds / 86_400),
    };
    words.fill(key, &[&count])
}

/// As the command line says it.
pub(crate) fn english(said: &[Said]) -> String {
    spoken(said, Words::english(), &|at| format!("{} UTC", date_time(at)))
}
