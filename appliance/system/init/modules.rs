//! Drivers: which modules a device or a need asks for, and what must be loaded before them.
//!
//! A device says its name (`virtio:d00000002v00001AF4`), modules.alias holds patterns of such
//! names, modules.dep the files that a module needs, modules.softdep what is better there first.

use super::pattern::fits;
use crate::limits;
use std::collections::{HashMap, HashSet};

/// Never loaded: vc4 takes the screen from the loader's frame buffer, which always works.
const LEFT_OUT: &[&str] = &["vc4"];

/// What depmod wrote, and what is loaded.
#[derive(Default)]
pub(crate) struct Modules {
    /// Name of a module: its file, and those it needs, the deepest last.
    files: HashMap<String, (String, Vec<String>)>,
    /// Patterns by the part before their first ":", so that few are compared.
    aliases: HashMap<String, Vec<(String, String)>>,
    /// What is better loaded before a module.
    before: HashMap<String, Vec<String>>,
    tried: HashSet<String>,
}

impl Modules {
    /// From the texts of modules.dep, modules.alias and modules.softdep.
    pub(crate) fn new(dep: &str, alias: &str, softdep: &str) -> Modules {
        let mut modules = Modules::default();
        for line in dep.lines() {
            let Some((file, needs)) = line.split_once(':') else { continue };
            let needs = needs.split_whitespace().map(str::to_string).collect();
            modules.files.insert(name_of(file), (file.to_string(), needs));
        }
        for line in alias.lines() {
            let Some([pattern, module]) = words(line, "alias") else { continue };
            let entry = modules.aliases.entry(bus(pattern).to_string()).or_default();
            entry.push((pattern.to_string(), name_of(module)));
        }
        for line in softdep.lines() {
            let mut words = line.split_whitespace();
            let (Some("softdep"), Some(module)) = (words.next(), words.next()) else { continue };
            let before = words.skip_while(|word| *word != "pre:").skip(1);
            let before = before.take_while(|word| *word != "post:");
            modules.before.insert(name_of(module), before.map(str::to_string).collect());
        }
        modules
    }

    /// The files to load, in order, for a device's name, a module's name or another alias. What
    /// was given once is not given again.
    pub(crate) fn wanted(&mut self, alias: &str) -> Vec<String> {
        let mut order = Vec::new();
        for name in self.named(alias) {
            self.add(&name, &mut order, limits::MODULE_DEPTH);
        }
        order
    }

    fn named(&self, alias: &str) -> Vec<String> {
        let own = name_of(alias);
        if self.files.contains_key(&own) {
            return vec![own];
        }
        // A pattern that begins with a wildcard is kept under its own beginning.
        let lists = [bus(alias), ""].map(|bus| self.aliases.get(bus));
        let patterns = lists.into_iter().flatten().flatten();
        let fitting = patterns.filter(|(pattern, _)| fits(pattern.as_bytes(), alias.as_bytes()));
        let mut names: Vec<String> = fitting.map(|(_, name)| name.clone()).collect();
        names.dedup();
        names
    }

    fn add(&mut self, name: &str, order: &mut Vec<String>, depth: usize) {
        let left_out = LEFT_OUT.contains(&name) || depth == 0;
        if left_out || !self.tried.insert(name.to_string()) {
            return;
        }
        for alias in self.before.get(name).cloned().unwrap_or_default() {
            for before in self.named(&alias) {
                self.add(&before, order, depth - 1);
            }
        }
        let Some((file, needs)) = self.files.get(name).cloned() else { return };
        for need in needs.iter().rev() {
            self.add(&name_of(need), order, depth - 1);
        }
        order.push(file);
    }
}

/// `kernel/fs/fat/nls-x.ko.xz` is module nls_x.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name.split(".ko").next().unwrap_or(name);
    // The names of devices are no module names: their letters stay.
    if name.contains(':') { name.to_string() } else { name.replace('-', "_") }
}

fn bus(alias: &str) -> &str {
    match alias.split_once(':') {
        Some((bus, _)) if !bus.contains(['*', '?', '[']) => bus,
        _ => "",
    }
}

fn words<'a>(line: &'a str, first: &str) -> Option<[&'a str; 2]> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        [word, pattern, module] if word == first => Some([pattern, module]),
        _ => None,
    }
}
