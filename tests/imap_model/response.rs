//! Octets of a session as responses.

/// One untagged or tagged response: its text with each literal taken out, and the literals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    pub text: String,
    pub literals: Vec<Vec<u8>>,
}

/// Reads all responses; octets that end within one are an error.
pub(super) fn responses(mut octets: &[u8]) -> Result<Vec<Response>, String> {
    let mut all = Vec::new();
    while !octets.is_empty() {
        let mut response = Response { text: String::new(), literals: Vec::new() };
        loop {
            let end = octets.windows(2).position(|w| w == b"\r\n").ok_or("a line without end")?;
            let line = String::from_utf8_lossy(&octets[..end]).into_owned();
            octets = &octets[end + 2..];
            let size = line.strip_suffix('}').and_then(|l| l.rsplit_once('{'));
            let size = size.and_then(|(_, n)| n.parse::<usize>().ok());
            response.text.push_str(&line);
            let Some(size) = size else { break };
            let literal = octets.get(..size).ok_or("a literal without its octets")?;
            response.literals.push(literal.to_vec());
            octets = &octets[size..];
        }
        all.push(response);
    }
    Ok(all)
}

/// The numbers of a set: "1:3,7".
pub(super) fn set(text: &str) -> Result<Vec<u32>, String> {
    let mut all = Vec::new();
    for item in text.split(',') {
        let (from, to) = item.split_once(':').unwrap_or((item, item));
        let number = |n: &str| n.parse::<u32>().map_err(|e| format!("{text}: {e}"));
        all.extend(number(from)?..=number(to)?);
    }
    Ok(all)
}

/// What a FETCH response says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fetched {
    pub seq: u32,
    pub uid: Option<u32>,
    pub flags: Option<Vec<String>>,
    pub modseq: Option<u64>,
}

/// "* 3 FETCH (...)"
pub(super) fn fetched(text: &str) -> Option<Fetched> {
    let (seq, items) = text.strip_prefix("* ")?.split_once(" FETCH (")?;
    let after = |name: &str| {
        let (_, rest) = items.split_once(name)?;
        rest.split([' ', ')']).next().map(str::to_owned)
    };
    let flags = items.split_once("FLAGS (").and_then(|(_, rest)| rest.split(')').next());
    let mut flags = flags.map(|f| f.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    if let Some(flags) = flags.as_mut() {
        flags.sort();
    }
    Some(Fetched {
        seq: seq.parse().ok()?,
        uid: after("UID ").and_then(|n| n.parse().ok()),
        flags,
        modseq: after("MODSEQ (").and_then(|n| n.parse().ok()),
    })
}
