//! A form as it was filled in, and what is wrong with it: shown again with both.

use super::http::Request;
use super::words::Words;

/// The fields of a form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    values: Vec<(String, String)>,
    faults: Vec<Fault>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub field: &'static str,
    pub words: String,
}

impl Form {
    pub(super) fn read(request: &Request) -> Result<Form, super::http::BadFields> {
        Ok(Form { values: super::http::pairs(&request.body)?, faults: Vec::new() })
    }

    /// One that is filled in for the person.
    pub(crate) fn with(values: &[(&str, &str)]) -> Form {
        let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        Form { values: values.iter().map(own).collect(), faults: Vec::new() }
    }

    /// As it was typed; empty when there is no such field.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.values.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str())
    }

    /// Without space around it.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(it, _)| it == name)
    }

    /// The same without these fields, such as what is secret.
    pub(super) fn without(&self, names: &[&str]) -> Form {
        let mut values = self.values.clone();
        values.retain(|(name, _)| !names.contains(&name.as_str()));
        Form { values, faults: self.faults.clone() }
    }

    pub(super) fn values(&self) -> &[(String, String)] {
        &self.values
    }

    /// A text of one line from `least` to `most` letters, or a fault.
    pub(crate) fn line(
        &mut self,
        words: &Words,
        field: &'static str,
        least: usize,
        most: usize,
    ) -> String {
        let text = self.value(field).to_string();
        let letters = text.chars().count();
        if letters < least && letters == 0 {
            self.wrong(field, words.t("form.empty"));
        } else if letters < least {
            self.wrong(field, &words.fill("form.short", &[&least]));
        } else if letters > most {
            self.wrong(field, &words.fill("form.long", &[&most, &letters]));
        } else if text.chars().any(char::is_control) {
            self.wrong(field, words.t("form.control"));
        }
        text
    }

    pub(crate) fn wrong(&mut self, field: &'static str, words: &str) {
        self.faults.push(Fault { field, words: words.to_string() });
    }

    pub(crate) fn is_fine(&self) -> bool {
        self.faults.is_empty()
    }

    /// For the summary on top of the form.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What is wrong with a field; empty: nothing.
    pub(crate) fn fault(&self, field: &str) -> &str {
        self.faults.iter().find(|it| it.field == field).map_or("", |fault| fault.words.as_str())
    }
}
