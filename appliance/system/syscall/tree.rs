//! Files and folders, as a reset removes them.

use super::Kind;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub(super) fn kind(path: &str) -> io::Result<Kind> {
    let found = fs::symlink_metadata(path)?;
    Ok(match found.file_type() {
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_file() => Kind::File(found.len()),
        _ => Kind::Other,
    })
}

pub(super) fn shorten(path: &str, length: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

pub(super) fn remove_folder(path: &str) -> io::Result<()> {
    fs::remove_dir_all(path)?;
    match Path::new(path).parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind, remove_folder, shorten};
    use crate::tests::net::toy::Folder;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_leads_outside_and_every_name_goes() {
        let folder = Folder::new();
        let path = |name: &str| folder.0.join(name).display().to_string();
        std::fs::write(path("kept"), b"0123456789").expect("written");
        std::fs::create_dir_all(path("gone/deep")).expect("made");
        symlink(path("kept"), path("gone/link")).expect("linked");
        symlink(&folder.0, path("gone/deep/all")).expect("linked");
        std::fs::write(folder.0.join("gone").join(OsStr::from_bytes(b"\xFF\xFE")), b"x")
            .expect("w");
        assert_eq!(kind(&path("kept")).expect("there"), Kind::File(10));
        assert_eq!(kind(&path("gone")).expect("there"), Kind::Folder);
        assert_eq!(kind(&path("gone/link")).expect("there"), Kind::Other);
        assert!(kind(&path("none")).is_err());
        assert!(shorten(&path("gone/link"), 0).is_err(), "not through a link");
        shorten(&path("kept"), 4).expect("shortened");
        remove_folder(&path("gone")).expect("removed");
        assert!(kind(&path("gone")).is_err());
        assert_eq!(std::fs::read(path("kept")).expect("there"), b"0123");
    }
}
