//! Archives that are brought in: .eml files, .zip files of all kinds, Google Takeout.

use super::Data;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn pack(path: &Path, files: &[(&str, &str)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    let how = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, text) in files {
        zip.start_file(*name, how).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

fn letter(number: usize) -> String {
    let date = format!("Date: Mon, 2 Nov 2026 10:00:{number:02} +0000");
    format!("From: a@far.test\n{date}\nSubject: letter {number}\n\ntext {number}\n")
}

fn people() -> Data {
    let data = Data::new();
    data.good("domain add office.test");
    data.good("account add bob@office.test");
    data
}

fn messages(data: &Data) -> u64 {
    data.json("account show bob@office.test")["account"]["messages"].as_u64().unwrap()
}

/// Mailboxes with their messages, as an export writes them.
fn exported(data: &Data, name: &str) -> Vec<(String, usize)> {
    let to = data.0.join(name);
    data.good(&format!("export bob@office.test {}", to.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(to).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let text = fs::read_to_string(entry.path()).unwrap();
        let count = text.lines().filter(|line| line.starts_with("Subject: letter ")).count();
        if count > 0 {
            found.push((entry.file_name().to_string_lossy().into_owned(), count));
        }
    }
    found.sort();
    found
}

#[test]
fn letters_in_files_of_their_own_come_in_and_not_twice() {
    let data = people();
    let folder = data.0.join("letters");
    fs::create_dir_all(folder.join("Old")).unwrap();
    fs::write(folder.join("one.eml"), letter(1)).unwrap();
    fs::write(folder.join("Old/two.EML"), letter(2)).unwrap();
    fs::write(folder.join("notes.txt"), "no letter").unwrap();
    let line = format!("import bob@office.test {}", folder.display());
    assert!(data.good(&line).starts_with("2 messages"), "{}", messages(&data));
    assert!(data.good(&line).contains("2 were there already"));
    let single = folder.join("one.eml");
    let told = data.good(&format!("import bob@office.test {} --mailbox Found", single.display()));
    assert!(told.starts_with("1 messages"), "{told}");
    let found = exported(&data, "out");
    let want = [("Found.mbox", 1), ("INBOX.mbox", 1), ("Old.mbox", 1)];
    assert_eq!(found, want.map(|(name, count)| (name.to_string(), count)));
}

#[test]
fn a_zip_holds_mbox_files_maildirs_and_letters() {
    let data = people();
    let mbox = format!("From a@far.test Mon Nov  2 10:00:00 2026\n{}\n", letter(3));
    let path = data.0.join("all.zip");
    let files = [
        ("Mail/Work.mbox", mbox.as_str()),
        ("Mail/Box/cur/1.x:2,FS", &letter(4)),
        ("Mail/Box/new/2.x", &letter(5)),
        ("Mail/Box/tmp/3.x", &letter(6)),
        ("Mail/Loose/x.eml", &letter(7)),
        ("../../etc/evil.eml", &letter(8)),
        ("__MACOSX/Mail/._x.eml", &letter(9)),
        ("readme.txt", "hello"),
    ];
    pack(&path, &files);
    let line = format!("import bob@office.test {}", path.display());
    let told = data.good(&line);
    assert!(told.starts_with("4 messages"), "{told}");
    assert!(data.good(&line).contains("4 were there already"));
    assert_eq!(messages(&data), 4);
    let bomb = data.0.join("bomb.zip");
    let zeros = format!("From: a@far.test\n\n{}", " ".repeat(100 << 20));
    pack(&bomb, &[("a.mbox", &format!("From a Mon Nov  2 10:00:00 2026\n{zeros}"))]);
    let told = data.bad(&format!("import bob@office.test {}", bomb.display()));
    assert!(told.contains("times its size"), "{told}");
    fs::write(&bomb, b"PK\x03\x04 and no more").unwrap();
    data.bad(&format!("import bob@office.test {}", bomb.display()));
}

#[test]
fn a_takeout_goes_where_its_labels_say() {
    let data = people();
    let with = |number: usize, labels: &str| {
        let letter = letter(number);
        format!("From 1@x Mon Nov  2 10:00:00 2026\nX-Gmail-Labels: {labels}\n{letter}\n")
    };
    let mbox = [
        with(1, "Inbox,Unread,Important"),
        with(2, "Archived,Opened"),
        with(3, "Sent,Opened"),
        with(4, "Inbox,=?UTF-8?Q?Rechnungen_M=C3=A4rz?=,Starred"),
        with(5, "Spam,Category Promotions"),
        with(6, "\"a, b\",jobs/projects"),
    ];
    let path = data.0.join("takeout.zip");
    pack(&path, &[("Takeout/Mail/All mail Including Spam and Trash.mbox", &mbox.concat())]);
    let line = format!("import bob@office.test {}", path.display());
    let told = data.good(&line);
    assert!(told.starts_with("8 messages"), "{told}");
    assert!(data.good(&line).contains("8 were there already"));
    let found = exported(&data, "out");
    let want = [
        ("Archive.mbox", 1),
        ("INBOX.mbox", 2),
        ("Junk.mbox", 1),
        ("Rechnungen März.mbox", 1),
        ("Sent.mbox", 1),
        ("a, b.mbox", 1),
    ];
    assert_eq!(found, want.map(|(name, count)| (name.to_string(), count)));
    let work = fs::read_to_string(data.0.join("out/jobs/projects.mbox")).unwrap();
    assert!(work.contains("letter 6"), "{work}");
    let inbox = fs::read_to_string(data.0.join("out/INBOX.mbox")).unwrap();
    let status: Vec<&str> = inbox.lines().filter(|line| line.contains("Status:")).collect();
    assert!(status.iter().any(|line| line.contains('F')), "starred: {status:?}");
    // Where the owner says where to, labels say nothing.
    let there = people();
    let line = format!("import bob@office.test {} --mailbox Google", path.display());
    let told = there.good(&line);
    assert!(told.starts_with("6 messages"), "{told}");
}
