//! A folder for work, gone afterwards.

use std::path::{Path, PathBuf};

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// For tests: below the machine's folder for such things.
    #[cfg(test)]
    pub(crate) fn new(name: &str) -> Scratch {
        let name = format!("mailroom-image-{name}-{}", std::process::id());
        Scratch::at(&std::env::temp_dir().join(name)).expect("a folder")
    }

    pub(crate) fn at(path: &Path) -> Result<Scratch, String> {
        let _ = std::fs::remove_dir_all(path);
        std::fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Scratch(path.to_path_buf()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
