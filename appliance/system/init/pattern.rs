//! Patterns of modules.alias, as a device's name is held against them: PID 1 does so when a device
//! comes, and the image tool when it chooses what to ship (`image/src/modules.rs` takes this file).

/// Shell patterns: `*`, `?` and `[a-f]`. Goes back to the last star only, so the work is bounded.
pub(crate) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => one_of(&pattern[p..], text[t]),
            Some(octet) if alike(*octet, text[t]) => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(step), _) => (p, t) = (p + step, t + 1),
            (None, Some((after, at))) => {
                star = Some((after, at + 1));
                (p, t) = (after, at + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|octet| *octet == b'*')
}

/// modprobe takes `-` and `_` for the same.
fn alike(a: u8, b: u8) -> bool {
    let plain = |octet: u8| if octet == b'-' { b'_' } else { octet };
    plain(a) == plain(b)
}

/// The length of a `[..]` that holds the octet.
fn one_of(pattern: &[u8], octet: u8) -> Option<usize> {
    let end = pattern.iter().position(|p| *p == b']')?;
    let mut inside = pattern.get(1..end)?;
    while let Some((first, rest)) = inside.split_first() {
        if let [b'-', last, rest @ ..] = rest {
            if (*first..=*last).contains(&octet) {
                return Some(end + 1);
            }
            inside = rest;
        } else {
            if *first == octet {
                return Some(end + 1);
            }
            inside = rest;
        }
    }
    None
}
