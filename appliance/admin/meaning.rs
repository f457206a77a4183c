//! What the words of another server mean, for a person who is no engineer.

/// The key of the explanation of a reply such as "550 5.1.1 no such user"; `None` where there is
/// nothing to explain.
pub(super) fn of_reply(reply: &str) -> Option<&'static str> {
    let digits: String = reply.chars().take_while(char::is_ascii_digit).collect();
    let code: u16 = digits.parse().ok().filter(|_| digits.len() == 3)?;
    if code < 400 {
        return None;
    }
    let later = code < 500;
    // RFC 2034 4: the enhanced code stands behind the reply code
    let rest = reply.get(4..).unwrap_or_default();
    let enhanced = rest.split_ascii_whitespace().next().and_then(enhanced);
    enhanced.and_then(|code| by_enhanced(code, later)).or_else(|| by_code(code))
}

/// The same of a try that is repeated: no reply at all means that nobody was reached.
pub(super) fn of_try(reply: &str) -> Option<&'static str> {
    if reply.is_empty() { Some("meaning.unreachable") } else { of_reply(reply) }
}

/// RFC 3463 2: subject and detail of "5.1.1"
fn enhanced(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split('.');
    let class = parts.next().filter(|class| ["2", "4", "5"].contains(class));
    let subject = parts.next().and_then(|it| it.parse().ok());
    let detail = parts.next().and_then(|it| it.parse().ok());
    class.and(subject).zip(detail)
}

/// RFC 3463 3, RFC 7372 3 and the registry of RFC 5248
fn by_enhanced(code: (u16, u16), later: bool) -> Option<&'static str> {
    Some(match code {
        (1, 0 | 1 | 6) => "meaning.no-mailbox",
        (1, 2 | 10) => "meaning.no-domain",
        (1, 7 | 8) => "meaning.sender",
        (2, 1) => "meaning.disabled",
        (2, 2) => "meaning.full",
        (2, 3) | (3, 4) => "meaning.large",
        (3, 1) if later => "meaning.their-disk",
        (3, _) if later => "meaning.their-trouble",
        (4, 1..=4) => "meaning.unreachable",
        (4, 6) => "meaning.loop",
        (4, 7) => "meaning.too-long",
        (7, 20..=27 | 29) => "meaning.proof",
        (7, _) if later => "meaning.not-yet",
        (7, _) => "meaning.rules",
        _ => return None,
    })
}

fn by_code(code: u16) -> Option<&'static str> {
    Some(match code {
        421 => "meaning.busy",
        450 | 451 => "meaning.not-yet",
        452 | 552 => "meaning.full",
        550 | 551 | 553 => "meaning.refused",
        554 => "meaning.rules",
        400..500 => "meaning.later",
        _ => "meaning.refused",
    })
}
