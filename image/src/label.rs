//! `image label`: a copy of an image with a setup code of its own, and a label to print for it. A
//! box that is handed over already set on a table needs neither a screen nor a second card reader:
//! who unpacks it reads code and address from the label.

use crate::slot::Slot;
use crate::{PRESET, fat, inspect, kernel, tool};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use qrcode::{Color, EcLevel, QrCode};
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where a box is found once it runs.
const ADDRESS: &str = "http://mailroom.local/";

/// The letters of setup codes: those of appliance/request/names.rs.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// What stands for the code in image/preset.toml.
const BLANK: &str = "AAAA-AAAA";

/// Points of a page of A7, upright: 74 and 105 mm.
const PAGE: (f32, f32) = (209.76, 297.64);
const MARGIN: f32 = 17.0;
/// Points of a module of the QR code, and of its lower left corner.
const MODULE: f32 = 3.6;
const QR: (f32, f32) = (60.0, 40.0);

/// Makes the copy and its label beside the image; both only for the eyes of who makes them.
pub(crate) fn label(project: &Path, image: &Path) -> Result<String, String> {
    let fault = |why: String| format!("{}: {why}", image.display());
    let opened = crate::opened(image, false)?;
    let release = inspect::slot_report(&opened, Slot::A).and_then(|slot| slot.release);
    let release = release.map_err(fault)?;
    let there = crate::boot_partition(&opened).and_then(|mut boot| fat::list(&mut boot));
    if there.map_err(fault)?.iter().any(|(name, _)| name == PRESET) {
        return Err(fault(format!("it has a {PRESET} already: label an image that has none")));
    }
    let serial = serial()?;
    let code = code()?;
    let about = format!("Box {serial}, {} {}", release.board, release.version);
    let label = pdf(&about, &code)?;
    let preset = preset(project, &code)?;
    let (copy, paper) = (named(image, &serial, "img"), named(image, &serial, "pdf"));
    let made = private(&paper).and_then(|mut file| {
        file.write_all(&label).map_err(|error| format!("{}: {error}", paper.display()))?;
        copied(image, &copy)?;
        crate::put_content(&copy, PRESET, preset.as_bytes())
    });
    if let Err(why) = made {
        let _ = (std::fs::remove_file(&copy), std::fs::remove_file(&paper));
        return Err(why);
    }
    let (copy, paper) = (copy.display(), paper.display());
    Ok(format!("copy        {copy}, with a setup code of its own\nlabel       {paper}\n"))
}

/// `mailroom-rock64.img` of box 12345678: `mailroom-rock64-12345678.img`.
fn named(image: &Path, serial: &str, ending: &str) -> PathBuf {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    image.with_file_name(format!("{stem}-{serial}.{ending}"))
}

/// A new file that nobody else reads.
fn private(path: &Path) -> Result<File, String> {
    let mut options = File::options();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| format!("{}: {error}", path.display()))
}

fn copied(image: &Path, copy: &Path) -> Result<(), String> {
    private(copy)?;
    let mut command = tool::system("cp");
    tool::run(command.arg("--sparse=always").arg("--").arg(image).arg(copy)).map(|_| ())
}

fn preset(project: &Path, code: &str) -> Result<String, String> {
    let text = kernel::read(&project.join("image/preset.toml"))?;
    let text = String::from_utf8_lossy(&text);
    if !text.contains(BLANK) {
        return Err(format!("image/preset.toml has no place for the code: {BLANK}"));
    }
    Ok(text.replace(BLANK, code))
}

fn random() -> Result<[u8; 8], String> {
    let mut octets = [0; 8];
    let filled = SystemRandom::new().fill(&mut octets);
    filled.map(|()| octets).map_err(|_| "this machine gives no random numbers".to_string())
}

/// Two groups of four letters, as the box makes them itself.
fn code() -> Result<String, String> {
    let letters = random()?.map(|octet| char::from(LETTERS[usize::from(octet % 32)]));
    let (first, second) = letters.split_at(4);
    Ok(format!("{}-{}", String::from_iter(first), String::from_iter(second)))
}

/// Eight digits: nothing that is taken for a code.
fn serial() -> Result<String, String> {
    Ok(format!("{:08}", u64::from_le_bytes(random()?) % 100_000_000))
}

/// One page: font, size, distance from the lower edge, text; and the address for a phone's camera.
fn pdf(about: &str, code: &str) -> Result<Vec<u8>, String> {
    let lines: [(&[u8], f32, f32, &str); 9] = [
        (b"Bold", 20.0, 264.0, "Mailroom"),
        (b"Plain", 8.0, 250.0, about),
        (b"Plain", 9.0, 226.0, "Setup code"),
        (b"Fixed", 26.0, 202.0, code),
        (b"Plain", 9.0, 177.0, "1. Plug in network and power."),
        (b"Plain", 9.0, 164.0, "2. Open this in the same network:"),
        (b"Fixed", 12.0, 148.0, ADDRESS),
        (b"Plain", 7.0, 26.0, "Whoever has this code first owns the box."),
        (b"Plain", 7.0, 17.0, "Once it is set up, the code opens nothing."),
    ];
    let mut content = Content::new();
    for (font, size, y, text) in lines {
        content.begin_text().set_font(Name(font), size).next_line(MARGIN, y);
        content.show(Str(text.as_bytes())).end_text();
    }
    draw(&mut content, ADDRESS)?;
    let fonts: [(&[u8], &[u8]); 3] =
        [(b"Plain", b"Helvetica"), (b"Bold", b"Helvetica-Bold"), (b"Fixed", b"Courier-Bold")];
    let [catalog, pages, page, body, information] = [1, 2, 3, 4, 5].map(Ref::new);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    pdf.document_info(information).title(TextStr(about));
    let mut leaf = pdf.page(page);
    leaf.media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).parent(pages).contents(body);
    let mut resources = leaf.resources();
    let mut named = resources.fonts();
    for ((name, _), number) in fonts.iter().zip(6..) {
        named.pair(Name(name), Ref::new(number));
    }
    named.finish();
    resources.finish();
    leaf.finish();
    // Every reader has these fonts.
    for ((_, base), number) in fonts.iter().zip(6..) {
        pdf.type1_font(Ref::new(number)).base_font(Name(base));
    }
    pdf.stream(body, &content.finish());
    Ok(pdf.finish())
}

/// A rectangle for each run of dark modules: no gaps between them on paper.
fn draw(content: &mut Content, text: &str) -> Result<(), String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M);
    let code = code.map_err(|error| format!("the QR code: {error}"))?;
    let (width, colors) = (code.width(), code.to_colors());
    for (row, line) in (1_u8..).zip(colors.chunks(width).rev()) {
        let y = QR.1 + f32::from(row - 1) * MODULE;
        let (mut x, mut dark) = (QR.0, 0.0);
        // Light behind the last one ends its run.
        for color in line.iter().chain([&Color::Light]) {
            if *color == Color::Dark {
                dark += MODULE;
            } else {
                if dark > 0.0 {
                    content.rect(x, y, dark, MODULE);
                }
                x += dark + MODULE;
                dark = 0.0;
            }
        }
    }
    content.fill_nonzero();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inspect::tests::disk, scratch::Scratch};

    fn project() -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), ".."].iter().collect()
    }

    /// The page's own octets; they are not compressed.
    fn body(pdf: &[u8]) -> String {
        let text = String::from_utf8_lossy(pdf);
        let body = text.split_once("stream\n").expect("a stream").1;
        body.split_once("\nendstream").expect("its end").0.to_string()
    }

    /// What is shown on it, line by line.
    fn shown(body: &str) -> Vec<&str> {
        let shown = |line: &'_ str| line.ends_with(") Tj");
        let lines = body.lines().filter(|line| shown(line));
        lines.map(|line| line.trim_start_matches('(').trim_end_matches(") Tj")).collect()
    }

    /// The modules that its rectangles make dark: row from above, column.
    fn modules(body: &str) -> Vec<Vec<bool>> {
        let mut dark = vec![vec![false; 25]; 25];
        let at = |points: f32, from: f32| ((points - from) / MODULE).round() as usize;
        for line in body.lines().filter_map(|line| line.strip_suffix(" re")) {
            let n: Vec<f32> = line.split(' ').map(|n| n.parse().expect("a number")).collect();
            let (x, y) = (at(n[0], QR.0), at(n[1], QR.1));
            dark[24 - y][x..x + at(n[2], 0.0)].fill(true);
        }
        dark
    }

    /// Is a module of version 2 part of a pattern, not of what is said?
    fn is_pattern(row: usize, column: usize) -> bool {
        let corner = |r: usize, c: usize| r < 9 && c < 9;
        let found = corner(row, column)
            || corner(24 - row + usize::from(row <= 16), column)
            || corner(row, 24 - column + usize::from(column <= 16));
        let aligned = (16..21).contains(&row) && (16..21).contains(&column);
        found || aligned || row == 6 || column == 6
    }

    /// What an undamaged QR code of version 2 says in octets.
    fn read(dark: &[Vec<bool>]) -> String {
        // ISO 18004: the three bits of the mask, themselves masked with 101.
        let mask = [2, 3, 4].map(|column| u8::from(dark[8][column]));
        let mask = (mask[0] << 2 | mask[1] << 1 | mask[2]) ^ 0b101;
        let inverted = |r: usize, c: usize| match mask {
            0 => (r + c).is_multiple_of(2),
            1 => r.is_multiple_of(2),
            2 => c.is_multiple_of(3),
            3 => (r + c).is_multiple_of(3),
            4 => (r / 2 + c / 3).is_multiple_of(2),
            5 => (r * c) % 2 + (r * c) % 3 == 0,
            6 => ((r * c) % 2 + (r * c) % 3).is_multiple_of(2),
            _ => ((r + c) % 2 + (r * c) % 3).is_multiple_of(2),
        };
        let (mut bits, mut upwards) = (Vec::new(), true);
        // Pairs of columns from the right; the one of the timing pattern is in none.
        for right in [24, 22, 20, 18, 16, 14, 12, 10, 8, 5, 3, 1] {
            for step in 0..25 {
                let row = if upwards { 24 - step } else { step };
                for column in [right, right - 1] {
                    if !is_pattern(row, column) {
                        bits.push(dark[row][column] ^ inverted(row, column));
                    }
                }
            }
            upwards = !upwards;
        }
        let number = |bits: &[bool]| bits.iter().fold(0, |n, bit| n << 1 | u8::from(*bit));
        assert_eq!(number(&bits[..4]), 0b0100, "octets");
        let length = usize::from(number(&bits[4..12]));
        String::from_utf8(bits[12..12 + 8 * length].chunks(8).map(number).collect()).expect("UTF-8")
    }

    #[test]
    fn a_label_shows_code_and_address_and_its_picture_is_the_address() {
        let pdf = pdf("Box 00012345, rock64 1.2.3", "ABCD-2345").expect("a label");
        assert!(pdf.starts_with(b"%PDF-1.7\n") && pdf.ends_with(b"%%EOF"));
        let body = body(&pdf);
        let shown = shown(&body);
        assert_eq!(
            shown[..4],
            ["Mailroom", "Box 00012345, rock64 1.2.3", "Setup code", "ABCD-2345"]
        );
        assert!(shown.contains(&ADDRESS) && shown.len() == 9, "{shown:?}");
        assert_eq!(read(&modules(&body)), ADDRESS, "and not the code");
    }

    #[test]
    fn each_copy_has_its_code_and_the_image_stays_as_it_is() {
        let scratch = Scratch::new("label");
        let image = disk(&scratch);
        let before = tool::sha256(&image).expect("an image");
        let mut codes = Vec::new();
        for _ in 0..2 {
            let said = label(&project(), &image).expect("a copy");
            let paths: Vec<&str> =
                said.lines().filter_map(|line| line[12..].split(',').next()).collect();
            let [copy, paper] = paths[..] else { panic!("{said}") };
            let opened = File::open(copy).expect("the copy");
            let mut boot = crate::boot_partition(&opened).expect("a boot partition");
            let preset = fat::get(&mut boot, PRESET).expect("the preset");
            let preset: toml::Table =
                toml::from_str(&String::from_utf8_lossy(&preset)).expect("TOML");
            let code = preset["setup_code"].as_str().expect("a code").to_string();
            assert_eq!(preset.len(), 1, "nothing else is preset");
            let pdf = std::fs::read(paper).expect("the label");
            assert!(shown(&body(&pdf)).contains(&code.as_str()), "{code}");
            for path in [copy, paper] {
                let mode = std::fs::metadata(path).expect("a file").permissions();
                assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
            }
            let why = label(&project(), Path::new(copy)).expect_err("it has its code");
            assert!(why.contains("mailroom.toml already"), "{why}");
            codes.push((code, copy.to_string()));
        }
        assert!(codes[0].0 != codes[1].0 && codes[0].1 != codes[1].1);
        assert_eq!(tool::sha256(&image).expect("the image"), before);
        let names = include_str!("../../appliance/request/names.rs");
        assert!(names.contains(&format!("b\"{}\"", String::from_utf8_lossy(LETTERS))));
    }
}
