//! What is said to people: one file of texts for each language, compiled in, looked up by key.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

/// The texts of one language.
pub(crate) struct Words {
    /// As the `lang` of a page.
    pub tongue: &'static str,
    texts: HashMap<String, String>,
}

/// One line for each language; the first is spoken where no other fits.
const TONGUES: &[(&str, &str)] = &[("en", include_str!("../config/words/en.toml"))];

static ALL: LazyLock<Vec<Words>> = LazyLock::new(|| {
    let read = |(tongue, text): &(&'static str, &str)| Words { tongue, texts: texts(text) };
    TONGUES.iter().map(read).collect()
});

type Groups = HashMap<String, HashMap<String, String>>;

/// `[group]` and `key` make `group.key`.
fn texts(text: &str) -> HashMap<String, String> {
    // A test reads every file; a page with keys instead of words is better than none.
    let groups: Groups = toml::from_str(text).unwrap_or_default();
    let keys = groups.into_iter().flat_map(|(group, texts)| {
        texts.into_iter().map(move |(key, text)| (format!("{group}.{key}"), text))
    });
    keys.collect()
}

impl Words {
    /// RFC 9110 12.5.4: the language that the browser likes best of those there are
    pub(crate) fn choose(accepted: Option<&str>) -> &'static Words {
        let mut wanted: Vec<(&str, f32)> = Vec::new();
        for part in accepted.unwrap_or_default().split(',').take(20) {
            let (tongue, quality) = part.split_once(';').unwrap_or((part, "q=1"));
            let quality = quality.trim().strip_prefix("q=").and_then(|q| q.parse().ok());
            wanted.push((tongue.trim(), quality.unwrap_or(0.0)));
        }
        wanted.sort_by(|one, other| other.1.total_cmp(&one.1));
        let main = |tongue: &str| tongue.split('-').next().unwrap_or_default().to_lowercase();
        let known = |tongue: &str| ALL.iter().find(|words| words.tongue == main(tongue));
        let liked = wanted.iter().filter(|(_, quality)| *quality > 0.0);
        liked.filter_map(|(tongue, _)| known(tongue)).next().unwrap_or(&ALL[0])
    }

    /// Those of the command line and of letters.
    pub(crate) fn english() -> &'static Words {
        &ALL[0]
    }

    /// The text with this key.
    pub(crate) fn t<'a>(&'a self, key: &'a str) -> &'a str {
        self.texts.get(key).map_or(key, String::as_str)
    }

    /// The same with values in place of {0}, {1} and so on.
    pub(crate) fn fill(&self, key: &str, values: &[&dyn Display]) -> String {
        let mut text = String::new();
        let mut rest = self.t(key);
        // In one go, so that a value with braces in it is not filled in turn.
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let place = after.split_once('}').and_then(|(number, after)| {
                Some((values.get(number.parse::<usize>().ok()?)?, after))
            });
            match place {
                Some((value, after)) => {
                    text.push_str(&value.to_string());
                    rest = after;
                }
                None => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        text
    }

    #[cfg(test)]
    pub(crate) fn all() -> &'static [Words] {
        &ALL
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.texts.keys().map(String::as_str).collect()
    }
}
