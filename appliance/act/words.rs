//! Numbers, times and foreign text as people read them.

/// Columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// "1.5 MB": as disks are sold and people speak, with one decimal.
pub(crate) fn octets(octets: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let (mut tenths, mut unit) = (octets, None);
    for name in units {
        if tenths < if unit.is_none() { 1_000 } else { 10_000 } {
            break;
        }
        tenths /= if unit.is_none() { 100 } else { 1_000 };
        unit = Some(name);
    }
    match unit {
        None => format!("{octets} octets"),
        Some(unit) => format!("{}.{} {unit}", tenths / 10, tenths % 10),
    }
}

/// "2026-11-23" (UTC).
pub(crate) fn date(at: i64) -> String {
    date_time(at).split(' ').next().unwrap_or_default().to_string()
}

/// "2026-11-23 16:05:09" (UTC).
pub(crate) fn date_time(at: i64) -> String {
    let form = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    time::OffsetDateTime::from_unix_timestamp(at)
        .ok()
        .and_then(|at| at.format(form).ok())
        .unwrap_or_else(|| format!("{at} s"))
}

/// Text of a message or a peer, safe for a terminal and on one line: control characters become "?".
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

/// Control characters, and those that turn the direction of what follows: they could make an
/// address look like another.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
