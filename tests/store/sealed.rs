//! Backups that a passphrase opens: sealed, cut into parts, tried, brought back.

use super::{ALICE, Folder, Office, upkeep};
use crate::limits;
use crate::store::backup::sealed::{BadSeal, Form, HEAD, Head, Passphrase, Reader, Writer, part};
use crate::store::backup::trial::try_out;
use crate::store::backup::{self, Kept, Parts};
use crate::store::salvage::Archive;
use crate::store::writer::Options;
use crate::store::{INBOX, Store, StoreError, account, mail};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Cheap to open, and cut small.
const SMALL: Form = Form { memory_kib: 8, passes: 1, chunk: 1_000, chunks: 3 };

fn words() -> Passphrase {
    Passphrase::new("oak pine elm ash")
}

fn noise(length: usize) -> Vec<u8> {
    super::messages::noise(length, 11)
}

/// Seals these octets, given in pieces of so many.
fn sealed(to: &Path, octets: &[u8], piece: usize, form: Form) -> (u64, u32) {
    let mut writer = Writer::create(to, &words(), form).expect("a writer");
    octets.chunks(piece.max(1)).for_each(|it| writer.write(it).expect("written"));
    writer.finish().expect("finished")
}

fn opened(path: &Path) -> Result<Vec<u8>, StoreError> {
    let reader = Reader::open(path, &words())?;
    let mut all = vec![0; usize::try_from(reader.length()).expect("small")];
    let mut done = 0;
    while done < all.len() {
        let end = all.len().min(done + 700);
        let count = reader.read_at(done as u64, &mut all[done..end])?;
        assert!(count > 0, "the end comes where it was said");
        done += count;
    }
    assert_eq!(reader.read_at(done as u64, &mut [0; 9])?, 0);
    Ok(all)
}

fn why(path: &Path) -> BadSeal {
    match opened(path) {
        Err(StoreError::Sealed(why)) => why,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_is_opened_however_it_was_cut(
        length in 0usize..14_000,
        piece in 1usize..5_000,
        chunk in 1u32..4_000,
        chunks in 1u32..5,
    ) {
        let folder = Folder::new();
        let path = folder.path().join("a.mrb");
        let form = Form { chunk: chunk.max(100), chunks, ..SMALL };
        let octets = noise(length);
        let (size, parts) = sealed(&path, &octets, piece, form);
        let files: Vec<PathBuf> = (1..=parts).map(|number| part(&path, number)).collect();
        let sizes = files.iter().map(|it| fs::metadata(it).expect("there").len());
        prop_assert_eq!(sizes.sum::<u64>(), size);
        prop_assert_eq!(fs::read_dir(folder.path()).expect("read").count(), files.len());
        prop_assert!(opened(&path) == Ok(octets));
        prop_assert_eq!(Reader::open(&path, &words()).expect("open").parts(), (parts, size));
    }

    /// No octet of a head may be another, and each part is told by its number.
    #[test]
    fn a_head_that_is_not_as_written_is_told(place in 0usize..HEAD, bit in 0u8..8) {
        let folder = Folder::new();
        let path = folder.path().join("a.mrb");
        let (_, parts) = sealed(&path, &noise(7_500), 999, SMALL);
        prop_assert_eq!(parts, 3);
        for number in 1..=parts {
            let file = part(&path, number);
            let good = fs::read(&file).expect("read");
            let mut octets = good.clone();
            octets[place] ^= 1 << bit;
            fs::write(&file, octets).expect("written");
            prop_assert_eq!(why(&path), BadSeal::Head(number));
            fs::write(&file, good).expect("written");
        }
    }

    /// Wherever a part ends too early, that is told.
    #[test]
    fn a_part_that_is_cut_off_is_told(place in 0.0..1.0f64, which in 1u32..4) {
        let folder = Folder::new();
        let path = folder.path().join("a.mrb");
        sealed(&path, &noise(7_500), 999, SMALL);
        let file = part(&path, which);
        let length = fs::metadata(&file).expect("there").len();
        let left = (length as f64 * place) as u64;
        let opened = fs::OpenOptions::new().write(true).open(&file).expect("open");
        opened.set_len(left).expect("cut");
        prop_assert_eq!(why(&path), BadSeal::Cut(which));
    }

    #[test]
    fn no_octet_of_what_is_sealed_may_be_another(place in 0.0..1.0f64, which in 1u32..4) {
        let folder = Folder::new();
        let path = folder.path().join("a.mrb");
        sealed(&path, &noise(7_500), 999, SMALL);
        let file = part(&path, which);
        let mut octets = fs::read(&file).expect("read");
        let at = HEAD + ((octets.len() - HEAD - 16) as f64 * place) as usize;
        octets[at] ^= 0x10;
        fs::write(&file, octets).expect("written");
        prop_assert_eq!(why(&path), BadSeal::Altered(which));
    }
}

#[test]
fn another_passphrase_is_said_to_be_another_and_composed_letters_are_one() {
    let folder = Folder::new();
    let path = folder.path().join("a.mrb");
    let mut writer = Writer::create(&path, &Passphrase::new("Bu\u{308}ro 12"), SMALL).expect("one");
    writer.write(b"x").expect("written");
    writer.finish().expect("finished");
    assert!(Reader::open(&path, &Passphrase::new("B\u{fc}ro 12")).is_ok());
    let other = Reader::open(&path, &Passphrase::new("buro 12")).err();
    assert_eq!(other, Some(StoreError::Sealed(BadSeal::WrongPassphrase)));
    assert_eq!(format!("{:?}", words()), "Passphrase", "it stands in no log");
}

#[test]
fn parts_that_are_missing_swapped_or_of_another_backup_are_named() {
    let folder = Folder::new();
    let (path, other) = (folder.path().join("a.mrb"), folder.path().join("b.mrb"));
    sealed(&path, &noise(7_500), 999, SMALL);
    sealed(&other, &noise(7_500), 999, SMALL);
    let put = |from: &Path, to: &Path| fs::copy(from, to).map(drop).expect("copied");
    let second = fs::read(part(&path, 2)).expect("read");
    fs::remove_file(part(&path, 2)).expect("gone");
    assert_eq!(why(&path), BadSeal::Missing(2));
    put(&part(&path, 3), &part(&path, 2));
    assert_eq!(why(&path), BadSeal::Swapped { place: 2, found: 3 });
    put(&part(&other, 2), &part(&path, 2));
    assert_eq!(why(&path), BadSeal::Foreign(2));
    fs::write(part(&path, 2), second).expect("written");
    assert!(opened(&path).is_ok());
    // Its own later part under the first name.
    put(&part(&other, 3), &other);
    assert_eq!(why(&other), BadSeal::Swapped { place: 1, found: 3 });
}

/// Whoever cuts it where a chunk ends, and writes an end behind it, gains nothing.
#[test]
fn an_end_that_somebody_else_wrote_is_none() {
    let folder = Folder::new();
    let path = folder.path().join("a.mrb");
    sealed(&path, &noise(2_500), 999, SMALL);
    let octets = fs::read(&path).expect("read");
    let (end, cut) = (octets[octets.len() - 16..].to_vec(), HEAD + 2 * 1_016);
    fs::write(&path, [&octets[..cut], &end].concat()).expect("written");
    assert_eq!(why(&path), BadSeal::Altered(1));
    // Two chunks in each other's place.
    let swapped =
        [&octets[..HEAD], &octets[HEAD + 1_016..cut], &octets[HEAD..HEAD + 1_016], &octets[cut..]];
    fs::write(&path, swapped.concat()).expect("written");
    assert_eq!(why(&path), BadSeal::Altered(1));
}

#[test]
fn a_head_that_would_cost_all_our_memory_is_none() {
    let form = Form::usual();
    let head = Head { part: 1, form, salt: [1; 16], check: [2; 16] };
    assert_eq!(Head::read(&head.print(), 1), Ok(head.clone()));
    let with = |form: Form| Head::read(&Head { form, ..head.clone() }.print(), 7);
    let bad = Err(StoreError::Sealed(BadSeal::Head(7)));
    assert_eq!(with(Form { memory_kib: limits::SEAL_MEMORY_MOST_KIB + 1, ..form }), bad);
    assert_eq!(with(Form { passes: limits::SEAL_PASSES_MOST + 1, ..form }), bad);
    assert_eq!(with(Form { chunk: limits::SEAL_CHUNK_MOST_BYTES + 1, ..form }), bad);
    assert_eq!(with(Form { chunks: 0, ..form }), bad);
    assert_eq!(with(Form { passes: 0, ..form }), bad);
    let part_bytes = u64::from(form.chunks) * (u64::from(form.chunk) + 16) + HEAD as u64 + 16;
    let near = limits::BACKUP_PART_BYTES - limits::SEAL_CHUNK_BYTES as u64 - 16;
    assert!((near..=limits::BACKUP_PART_BYTES).contains(&part_bytes), "{part_bytes}");
}

#[test]
fn what_is_not_finished_leaves_nothing_behind() {
    let folder = Folder::new();
    let path = folder.path().join("a.mrb");
    let mut writer = Writer::create(&path, &words(), SMALL).expect("a writer");
    writer.write(&noise(9_000)).expect("written");
    assert!(!path.exists() && part(&path, 2).exists());
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 0);
}

/// A store with some life, sealed; and a wrong passphrase, none, and the right one.
#[test]
fn a_sealed_office_is_tried_restored_and_read_by_place() {
    let office = upkeep::lived_in();
    let file = office.folder.path().join("office.mrb");
    let form = Form { chunk: 5_000, chunks: 40, ..SMALL };
    let parts = Parts::from([("secret.key".to_string(), b"a key".to_vec())]);
    let mut told = Vec::new();
    let made =
        backup::backup_sealed(&office.store, &parts, &file, (&words(), form), &mut |a, b| {
            told.push((a, b));
        });
    let (size, count) = made.expect("a backup");
    assert!(count > 1 && size > 300_000, "{size} {count}");
    assert!(told.last().is_some_and(|&(done, all)| done == all && all > 0));
    let again =
        backup::backup_sealed(&office.store, &parts, &file, (&words(), form), &mut |_, _| ());
    assert_eq!(again, Err(StoreError::Exists("a file of this name")));

    // Tried, with room and without; the store in use does not notice.
    let keep = |parts: &mut Parts| match parts.get("secret.key").map(Vec::as_slice) {
        Some(b"a key") => Ok(()),
        _ => Err(StoreError::Invalid("the key is not in it")),
    };
    let words = words();
    let tried = try_out((&file, Some(&words)), &office.folder.store(), &keep, &mut |_, _| ());
    let tried = tried.expect("it is good");
    assert_eq!((tried.restored, tried.accounts, tried.messages), (true, 2, 39));
    assert_eq!((tried.faults, tried.first.as_str()), (0, ""));
    assert!(!office.folder.store().join("trying").exists());
    let nowhere = office.folder.path().join("not there");
    let read = try_out((&file, Some(&words)), &nowhere, &keep, &mut |_, _| ()).expect("good");
    assert_eq!((read.restored, read.messages, read.octets), (false, 39, tried.octets));

    // One row by its place, without the engine.
    let archive = Archive::open(&file, Some(&words)).expect("it opens");
    let (alice, _) =
        account::by_login(&archive, "alice@office.test").expect("read").expect("alice");
    assert_eq!(alice, ALICE);
    let uids = mail::uids(&archive, ALICE, INBOX).expect("uids");
    assert_eq!(uids.len(), 18);

    let dir = office.folder.path().join("second");
    let restore = |passphrase| {
        backup::restore((&file, passphrase), &dir, false, (&keep, &|_, _| Ok(()), &|_| Ok(())))
    };
    assert_eq!(restore(None), Err(StoreError::Sealed(BadSeal::Closed)));
    let other = Passphrase::new("something else");
    assert_eq!(restore(Some(&other)), Err(StoreError::Sealed(BadSeal::WrongPassphrase)));
    assert!(!dir.join("data.mdb").exists());
    assert_eq!(restore(Some(&words)), Ok(true));
    let second = Store::open(&dir, Options::default()).expect("the restored store");
    assert_eq!(upkeep::picture(&second), upkeep::picture(&office.store));
}

#[test]
fn a_backup_that_cannot_be_brought_back_is_found_by_trying_it() {
    let office = upkeep::lived_in();
    let file = office.folder.path().join("office.mrb");
    let seal = (&words(), SMALL);
    backup::backup_sealed(&office.store, &Parts::new(), &file, seal, &mut |_, _| ()).expect("one");
    let number = 7;
    let mut octets = fs::read(part(&file, number)).expect("read");
    octets[HEAD + 500] ^= 1;
    fs::write(part(&file, number), octets).expect("written");
    for dir in [office.folder.store(), office.folder.path().join("not there")] {
        let tried = try_out((&file, Some(&words())), &dir, &|_| Ok(()), &mut |_, _| ());
        assert_eq!(tried, Err(StoreError::Sealed(BadSeal::Altered(number))));
    }
    // One that is not sealed is tried as well.
    let bare = office.folder.path().join("office.backup");
    backup::backup(&office.store, &Parts::new(), &bare, &mut |_, _| ()).expect("a backup");
    let tried = try_out((&bare, None), &office.folder.store(), &|_| Ok(()), &mut |_, _| ());
    assert_eq!(tried.map(|it| it.messages), Ok(39));
    assert!(Kept::open(&bare, None).is_ok());
}

/// The disk fills up, or the stick is pulled out: the copy of the store ends too.
#[test]
fn a_backup_that_finds_no_room_ends_and_is_gone() {
    let office = Office::new();
    let big = super::letter_of(super::prepared(&noise(3_000_000), None, &[]), &[]);
    office.append(ALICE, INBOX, big).expect("a big one");
    let to = Path::new("/dev/full/office.mrb");
    let seal = (&words(), SMALL);
    let none = backup::backup_sealed(&office.store, &Parts::new(), to, seal, &mut |_, _| ());
    assert!(none.is_err());
    // The second part cannot be made.
    let file = office.folder.path().join("office.mrb");
    fs::create_dir(part(&file, 2)).expect("something in the way");
    let cut = backup::backup_sealed(&office.store, &Parts::new(), &file, seal, &mut |_, _| ());
    assert!(matches!(cut, Err(StoreError::Engine(_))), "{cut:?}");
    assert!(!file.exists() && !office.folder.path().join("office.mrb.part").exists());
    assert!(office.add(ALICE, "mail goes on").uid > 0);
}
