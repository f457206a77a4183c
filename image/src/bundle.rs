//! `image bundle`, `image sign`, `image key`: updates for boxes that run, as
//! `appliance/update/bundle.rs` draws them.

use crate::bundled::{
    self, BLOCK_BYTES, Block, Blocks, FORMAT, Hash, Keys, Manifest, PRODUCT, Refusal, print_head,
};
use crate::slot::Slot;
use crate::window::Window;
use crate::{inspect, layout};
use minisign::{KeyPair, SecretKey, SecretKeyBox};
use ring::digest::{Context, SHA256};
use semver::Version;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the keys stand that go into every image: those a box trusts.
pub(crate) const KEYS: &str = "config/update-keys";

/// zstd's level: what is large in a slot, kernel and programs, is packed already.
const LEVEL: i32 = 3;

pub(crate) struct Order<'a> {
    pub image: &'a Path,
    pub secret: &'a SecretKey,
    pub from: Version,
    /// Where to leave the bundle.
    pub into: &'a Path,
    /// The file of the keys that the boxes trust.
    pub keys: &'a Path,
}

/// Makes the bundle of an image: its slot a, signed, and read back as a box reads it.
pub(crate) fn bundle(order: &Order) -> Result<String, String> {
    let image = crate::opened(order.image, false)?;
    let fault = |why: String| format!("{}: {why}", order.image.display());
    let release = inspect::slot_report(&image, Slot::A).and_then(|slot| slot.release);
    let release = release.map_err(fault)?;
    let version: Version = release
        .version
        .parse()
        .map_err(|error| format!("the version {:?} of the image: {error}", release.version))?;
    if order.from > version {
        return Err(format!("nothing older than {version} could be updated by {version}"));
    }
    let keys = trusted(order.keys)?;
    let file = order.into.join(format!("mailroom-{version}-{}.mru", release.board));
    let place = layout::SLOTS[0];
    let (blocks, sha256, packed) = packed(Window::new(&image, place.start, place.size))?;
    let manifest = Manifest {
        format: FORMAT,
        product: PRODUCT.to_string(),
        board: release.board.clone(),
        version,
        epoch: release.epoch,
        from: order.from.clone(),
        size: place.size,
        sha256,
        blocks,
    };
    let comment = comment(&manifest);
    let manifest = manifest.print().map_err(|why| why.to_string())?;
    let signature = signed(&manifest, order.secret, &comment)?;
    let head = print_head(&manifest, &signature).map_err(|why| why.to_string())?;
    written(&file, &[&head, &packed], &keys)
}

/// The slot in blocks: their rows, the sum of the whole, and what goes into the file.
fn packed(mut slot: impl Read) -> Result<(Vec<Block>, Hash, Vec<u8>), String> {
    let (mut rows, mut whole, mut all) = (Vec::new(), Context::new(&SHA256), Vec::new());
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(|error| error.to_string())?;
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        let mut piece = (&mut slot).take(BLOCK_BYTES as u64);
        piece.read_to_end(&mut block).map_err(|error| error.to_string())?;
        if block.is_empty() {
            return Ok((rows, Hash::finish(whole), all));
        }
        whole.update(&block);
        let packed = compressor.compress(&block).map_err(|error| error.to_string())?;
        rows.push(Block { octets: packed.len() as u64, sha256: Hash::of(&packed) });
        all.extend(packed);
    }
}

/// Shown by minisign beside a signature that fits.
fn comment(manifest: &Manifest) -> String {
    format!("mailroom {} {}", manifest.version, manifest.board)
}

fn signed(manifest: &[u8], secret: &SecretKey, comment: &str) -> Result<Vec<u8>, String> {
    let signed = minisign::sign(None, secret, manifest, Some(comment), Some("mailroom update"));
    signed.map(|signed| signed.into_string().into_bytes()).map_err(|error| error.to_string())
}

/// Signs a bundle anew: with the next key, or one that lies on another machine.
pub(crate) fn sign(file: &Path, key: &Path, keys: &Path) -> Result<String, String> {
    let fault = |why: &dyn fmt::Display| format!("{}: {why}", file.display());
    let mut opened = BufReader::new(crate::opened(file, false)?);
    let (manifest, _) = bundled::parts(&mut opened).map_err(|why| fault(&why))?;
    let read = bundled::read(&manifest).map_err(|why| fault(&why))?;
    let mut blocks = Vec::new();
    opened.read_to_end(&mut blocks).map_err(|error| fault(&error))?;
    let signature = signed(&manifest, &secret(key)?, &comment(&read))?;
    let head = print_head(&manifest, &signature).map_err(|why| fault(&why))?;
    written(file, &[&head, &blocks], &trusted(keys)?)
}

/// Makes a key: the secret part for its owner alone, the public part for [`KEYS`].
pub(crate) fn key(file: &Path) -> Result<String, String> {
    let pair = KeyPair::generate_unencrypted_keypair().map_err(|error| error.to_string())?;
    let secret = pair.sk.to_box(Some("mailroom: signs updates; keep it away from machines"));
    let secret = secret.map_err(|error| error.to_string())?.into_string();
    let mut options = File::options();
    let made = options.write(true).create_new(true).mode(0o600).open(file);
    let mut made = made.map_err(|error| format!("{}: {error}", file.display()))?;
    made.write_all(secret.as_bytes())
        .and_then(|()| made.sync_all())
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(format!(
        "secret key  {} (not encrypted: keep it where only you come)\n\
         public key  {} (a line of {KEYS})\n",
        file.display(),
        pair.pk.to_base64()
    ))
}

/// Asks for the password on the terminal where the key has one.
pub(crate) fn secret(file: &Path) -> Result<SecretKey, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let fault = |error: minisign::PError| format!("{}: {error}", file.display());
    let plain =
        SecretKeyBox::from_string(&text).and_then(SecretKeyBox::into_unencrypted_secret_key);
    match plain {
        Ok(secret) => Ok(secret),
        // minisign asks.
        Err(_) => {
            SecretKeyBox::from_string(&text).and_then(|it| it.into_secret_key(None)).map_err(fault)
        }
    }
}

/// Would boxes with these keys take what this one signs? For what takes long before it signs.
pub(crate) fn is_trusted(secret: &SecretKey, keys: &Path) -> Result<(), String> {
    let content = b"nothing";
    let signature = signed(content, secret, "")?;
    let head = print_head(content, &signature).map_err(|why| why.to_string())?;
    match bundled::open(&mut &head[..], &trusted(keys)?) {
        Err(why @ (Refusal::NoKeys | Refusal::Signature(_))) => {
            Err(format!("no box would take the updates ({}): {why}", keys.display()))
        }
        _ => Ok(()),
    }
}

pub(crate) fn trusted(file: &Path) -> Result<Keys, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Keys::parse(&text).map_err(|why| format!("{}: {why}", file.display()))
}

/// Under another name until it is whole, and read back as a box would.
fn written(file: &Path, parts: &[&[u8]], keys: &Keys) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", file.display());
    let part: PathBuf = file.with_extension("mru.part");
    let made = File::create(&part).map_err(fault)?;
    let mut out = BufWriter::new(made);
    parts.iter().try_for_each(|part| out.write_all(part)).map_err(fault)?;
    let made = out.into_inner().map_err(|error| fault(error.into_error()))?;
    made.sync_all().map_err(fault)?;
    let report = read_back(&part, keys);
    if report.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    let report = Report { file: file.display().to_string(), ..report? };
    std::fs::rename(&part, file).map_err(fault)?;
    Ok(report.to_string())
}

/// What a bundle is, and whether a box would take it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub file: String,
    pub octets: u64,
    pub manifest: Manifest,
    /// Of the file.
    pub sha256: String,
}

/// Is this file a bundle, by its first octets?
pub(crate) fn is_bundle(file: &mut File) -> bool {
    let mut magic = [0; 8];
    let read = file.read_exact(&mut magic).is_ok();
    read && file.seek(SeekFrom::Start(0)).is_ok() && magic == bundled::MAGIC
}

/// Reads all of it, as a box does before it trusts it.
pub(crate) fn read_back(file: &Path, keys: &Keys) -> Result<Report, String> {
    let fault = |why: &dyn fmt::Display| format!("{}: {why}", file.display());
    let opened = crate::opened(file, false)?;
    let octets = opened.metadata().map_err(|error| fault(&error))?.len();
    let mut from = BufReader::new(opened);
    let manifest = bundled::open(&mut from, keys).map_err(|why| fault(&why))?;
    let mut blocks = Blocks::new(&manifest, from);
    let mut block = Vec::new();
    while blocks.next(&mut block).map_err(|why| fault(&why))? {}
    let sha256 = crate::tool::sha256(file)?;
    Ok(Report { file: file.display().to_string(), octets, manifest, sha256 })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manifest { board, version, epoch, from, size, blocks, sha256, .. } = &self.manifest;
        let mib = |octets: u64| octets as f64 / f64::from(1 << 20);
        writeln!(f, "update      {} ({:.1} MiB)", self.file, mib(self.octets))?;
        writeln!(f, "SHA-256     {}", self.sha256)?;
        writeln!(f, "version     {version} for the board {board}, security epoch {epoch}")?;
        writeln!(f, "updates     {from} and later")?;
        let (count, size) = (blocks.len(), mib(*size));
        writeln!(f, "slot        {size:.0} MiB in {count} blocks, SHA-256 {sha256}")?;
        writeln!(f, "signature   good, and every block is the one that was signed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inspect::tests::disk, scratch::Scratch};

    /// The secret keys of pairs, each by its name, and the file with the public ones.
    fn keys(scratch: &Scratch, names: &[&str]) -> PathBuf {
        let file = scratch.path().join("update-keys");
        let mut keys = String::from("# for a test\n");
        for name in names {
            let said = key(&scratch.path().join(name)).expect("a key");
            let line = said.lines().nth(1).expect("a second line");
            let public = line.split_whitespace().nth(2).expect("the key");
            keys.push_str(&format!("{public}\n"));
        }
        std::fs::write(&file, keys).expect("written");
        file
    }

    #[test]
    fn a_bundle_holds_the_slot_of_its_image_and_is_signed_again() {
        let scratch = Scratch::new("bundle");
        let (keys, image) = (keys(&scratch, &["release", "next"]), disk(&scratch));
        let (first, next) = (scratch.path().join("release"), scratch.path().join("next"));
        let from = Version::new(1, 0, 0);
        let into = scratch.path();
        let secret_key = secret(&first).expect("a key");
        let order = Order { image: &image, secret: &secret_key, from, into, keys: &keys };
        let said = bundle(&order).expect("a bundle");
        assert!(
            said.contains("version     1.2.3 for the board qemu-virt, security epoch 1"),
            "{said}"
        );
        let file = into.join("mailroom-1.2.3-qemu-virt.mru");
        let mut opened = File::open(&file).expect("the bundle");
        assert!(is_bundle(&mut opened) && !is_bundle(&mut File::open(&image).expect("an image")));

        let known = trusted(&keys).expect("keys");
        let manifest = bundled::open(&mut opened, &known).expect("a manifest");
        let (mut slot, mut block) = (Vec::new(), Vec::new());
        let mut blocks = Blocks::new(&manifest, opened);
        while blocks.next(&mut block).expect("right") {
            slot.extend_from_slice(&block);
        }
        let place = layout::SLOTS[0];
        let mut whole = vec![0; usize::try_from(place.size).expect("a size")];
        let disk = File::open(&image).expect("an image");
        Window::new(disk, place.start, place.size).read_exact(&mut whole).expect("the slot");
        assert!(slot == whole);

        let before = std::fs::read(&file).expect("the bundle");
        sign(&file, &next, &keys).expect("signed again");
        let after = std::fs::read(&file).expect("the bundle");
        assert!(before != after && before.len() == after.len());
        assert!(!file.with_extension("mru.part").exists());
    }

    #[test]
    fn a_key_the_boxes_do_not_know_makes_no_bundle() {
        let scratch = Scratch::new("strange");
        let (keys, image) = (keys(&scratch, &["release"]), disk(&scratch));
        let strange = scratch.path().join("strange");
        key(&strange).expect("a key");
        let mode = std::os::unix::fs::PermissionsExt::mode;
        let file = std::fs::metadata(&strange).expect("a file");
        assert_eq!(mode(&file.permissions()) & 0o777, 0o600);
        let why = key(&strange).expect_err("it is there already");
        assert!(why.contains("File exists"), "{why}");
        let order = |secret| Order {
            image: &image,
            secret,
            from: Version::new(0, 1, 0),
            into: scratch.path(),
            keys: &keys,
        };
        let strange = secret(&strange).expect("a key");
        let why = is_trusted(&strange, &keys).expect_err("refused");
        assert!(why.contains("update-keys") && why.contains("made with another key"), "{why}");
        let why = bundle(&order(&strange)).expect_err("refused");
        assert!(why.contains("made with another key"), "{why}");
        let left = std::fs::read_dir(scratch.path()).expect("a folder").flatten();
        assert!(left.into_iter().all(|it| !it.file_name().to_string_lossy().contains(".mru")));
        let why = secret(&image).expect_err("an image is no key");
        assert!(why.contains("disk: "), "{why}");
        let good = secret(&scratch.path().join("release")).expect("a key");
        assert_eq!(is_trusted(&good, &keys), Ok(()));
        let later = Order { from: Version::new(2, 0, 0), ..order(&good) };
        let why = bundle(&later).expect_err("refused");
        assert_eq!(why, "nothing older than 1.2.3 could be updated by 1.2.3");
    }
}
