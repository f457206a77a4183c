//! Where damaged input enters: one function per parser of bytes from outside, for the fuzzer
//! (`make fuzz`) and for the replay of its corpus in the tests. Each takes any octets, and fails by
//! panic: of the parser, or of an assertion here about what the parser promises.
//!
//! A new parser gets a function, a row in `ENTRIES`, a line in fuzz/Cargo.toml with its file in
//! fuzz/fuzz_targets/, and seeds in fuzz/corpus/.

use crate::collect::multidrop;
use crate::imap::structure as print_structure;
use crate::limits;
use crate::message::{headers, mbox, structure};
use crate::policy::{Claims, Evidence, believed, results};
use crate::request;
use crate::settings;
use crate::store::backup::sealed as backup;
use crate::store::format::Multidrop;
use crate::store::salvage::page;
use crate::system::netd::{arp, dhcp, sntp};
use crate::update::bundle as update;
use crate::wire::address::Address;
use crate::wire::budget::Hold;
use crate::wire::dmarc;
use crate::wire::imap::heard;
use crate::wire::imap::parse::{Event, Mode, Receiver};
use crate::wire::imap::print::Printer;
use crate::wire::imap::sequence::SequenceSet;
use crate::wire::imap::utf7;
use crate::wire::pop3;
use crate::wire::sasl::{Binding, Exchange, LoginAnswer, Next};
use crate::wire::smtp::{Budget, Command, Content, Lines};
use crate::wire::spf;
use crate::wire::sts::{self, Policy};
use std::str::FromStr;

/// Takes any octets; what is wrong shows as a panic.
pub type Entry = fn(&[u8]);

/// Name of the target and of its corpus, and its entry.
pub const ENTRIES: &[(&str, Entry)] = &[
    ("imap_command", imap_command),
    ("imap_names", imap_names),
    ("imap_response", imap_response),
    ("smtp_command", smtp_command),
    ("smtp_content", smtp_content),
    ("pop3_command", pop3_command),
    ("collected", collected),
    ("sasl", sasl),
    ("address", address),
    ("authentication", authentication),
    ("structure", message),
    ("mbox_file", mbox_file),
    ("sts_policy", sts_policy),
    ("store_page", store_page),
    ("request", request),
    ("network", network),
    ("preset", preset),
    ("bundle", bundle),
    ("sealed", sealed),
];

/// Heads of sealed backups, and how the file behind one is cut: what is read costs a bounded part
/// of our memory and is printed as it was, and every chunk lies within the file.
pub fn sealed(data: &[u8]) {
    let Some((octets, rest)) = data.split_at_checked(backup::HEAD) else { return };
    let Ok(head) = backup::Head::read(octets, 3) else { return };
    assert_eq!(head.print().as_slice(), octets);
    assert!(head.form.memory_kib <= limits::SEAL_MEMORY_MOST_KIB);
    assert!(head.form.passes <= limits::SEAL_PASSES_MOST);
    let end = rest.get(rest.len().saturating_sub(16)..).unwrap_or_default();
    if let Some(layout) = backup::Layout::of(&head, data.len() as u64, end) {
        assert!(layout.chunks <= u64::from(head.form.chunks));
        let chunk = u64::from(head.form.chunk) + 16;
        let all = (layout.chunks - 1) * chunk + layout.last + 16;
        assert_eq!(all + backup::HEAD as u64 + 16, data.len() as u64);
    }
}

/// Update bundles: noise fits no signature, and a manifest that anybody may have signed bounds what
/// its blocks become.
pub fn bundle(data: &[u8]) {
    // The key in minisign's own documentation.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let keys = update::Keys::parse(KEY).expect("a key");
    assert!(update::open(&mut &data[..], &keys).is_err());
    let mut from = data;
    let Ok((manifest, _)) = update::parts(&mut from) else { return };
    let Ok(manifest) = update::read(&manifest) else { return };
    let printed = manifest.print().expect("what was read can be printed");
    assert_eq!(update::read(&printed).as_ref(), Ok(&manifest));
    let mut blocks = update::Blocks::new(&manifest, from);
    let (mut block, mut whole) = (Vec::new(), 0);
    while blocks.next(&mut block) == Ok(true) {
        assert!(!block.is_empty() && block.len() <= update::BLOCK_BYTES);
        whole += block.len() as u64;
    }
    assert!(whole <= manifest.size);
}

/// MTA-STS policies and records: what is read can be held against any host, errors are one line.
pub fn sts_policy(data: &[u8]) {
    match Policy::parse(data) {
        Ok(policy) => {
            assert!(policy.mx.len() <= limits::STS_MX);
            for mx in &policy.mx {
                let host = mx.strip_prefix("*.").map_or(mx.clone(), |name| format!("a.{name}"));
                assert!(policy.allows(&host), "{mx}");
            }
        }
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 1_000 && !words.contains(char::is_control), "{words:?}");
        }
    }
    let records: Vec<&[u8]> = data.split(|octet| *octet == b'\n').collect();
    if let Some(id) = sts::id(&records) {
        assert!((1..=32).contains(&id.len()) && id.is_ascii());
    }
}

/// What a provider's POP3 server says, and the letters it has: cuts of the input do not matter,
/// memory is bounded, nobody of another domain is found in a header.
pub fn collected(data: &[u8]) {
    let Some((&first, input)) = data.split_first() else { return };
    for line in input.split(|octet| *octet == b'\n') {
        if let Some(status) = pop3::heard::status(line) {
            assert!(!status.text.contains(char::is_control), "{status:?}");
        }
        assert!(pop3::heard::listing(line).is_none_or(|(number, _)| number > 0));
        assert!(pop3::heard::unique(line).is_none_or(|(_, id)| id.len() <= 255));
    }
    let whole = pop3_lines(input, input.len().max(1));
    assert_eq!(whole, pop3_lines(input, usize::from(first % 16) + 1));
    let rule = Multidrop { domain: "a.test".into(), believe_to: true, ..Multidrop::default() };
    let shared = multidrop::shared(input, "all@a.test", &rule);
    assert!(shared.to.iter().all(|to| to.domain() == "a.test" && to.local() != "all"));
    let evidence = believed::evidence(input, "pop.b.test", &["b.test".to_string()]);
    let author = evidence.claims.domain().map(str::to_string);
    assert!(!evidence.is_proven() || author.as_deref() == Some(evidence.dmarc.domain.as_str()));
}

const POP3_KEPT: usize = 400;

/// The letter, whether it came to its end, and what is left behind it.
fn pop3_lines(input: &[u8], piece: usize) -> (Option<Vec<u8>>, bool, usize) {
    let (mut lines, mut buffer) = (pop3::heard::Lines::new(POP3_KEPT), Vec::new());
    for (at, octets) in input.chunks(piece).enumerate() {
        buffer.extend_from_slice(octets);
        if lines.take(&mut buffer) {
            let rest = input.len().saturating_sub((at + 1) * piece) + buffer.len();
            let letter = lines.whole();
            assert!(letter.as_ref().is_none_or(|letter| letter.len() <= POP3_KEPT));
            return (letter, true, rest);
        }
        assert!(buffer.is_empty(), "all of it is taken");
    }
    (None, false, 0)
}

/// IMAP commands: cuts of the input do not matter, memory is bounded, errors are one line.
pub fn imap_command(data: &[u8]) {
    let Some((&first, input)) = data.split_first() else { return };
    for mode in [
        Mode { logged_in: false, utf8: false },
        Mode { logged_in: true, utf8: false },
        Mode { logged_in: true, utf8: true },
    ] {
        let whole = imap_events(input, input.len().max(1), mode);
        assert_eq!(whole, imap_events(input, usize::from(first % 16) + 1, mode));
        for event in &whole {
            if let Event::Command(Err(error)) | Event::Lost(error) = event {
                let mut out = Vec::new();
                error.print(&mut out);
                assert!(out.is_ascii() && out.ends_with(b"\r\n"));
                assert_eq!(out.iter().filter(|b| matches!(b, b'\r' | b'\n' | 0)).count(), 2);
            }
        }
    }
}

fn imap_events(input: &[u8], piece: usize, mode: Mode) -> Vec<Event> {
    let (mut receiver, mut buffer, mut events) = (Receiver::default(), Vec::new(), Vec::new());
    for piece in input.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match receiver.next(&mut buffer, mode) {
                Event::Need => break,
                event @ Event::Lost(_) => {
                    events.push(event);
                    return events;
                }
                event => events.push(event),
            }
        }
        assert!(buffer.len() <= limits::IMAP_LINE_BYTES, "the rest of a line is too long");
    }
    events
}

/// What IMAP servers say: cuts of the input do not matter, memory is bounded.
pub fn imap_response(data: &[u8]) {
    let Some((&first, input)) = data.split_first() else { return };
    let whole = imap_heard(input, input.len().max(1));
    assert_eq!(whole, imap_heard(input, usize::from(first % 16) + 1));
    for came in whole {
        if let heard::Came::Response(response) = came
            && let heard::Response::Fetch(fetched) = *response
        {
            assert_ne!(fetched.uid, Some(0));
        }
    }
}

fn imap_heard(input: &[u8], piece: usize) -> Vec<heard::Came> {
    let (mut receiver, mut buffer) = (heard::Receiver::default(), Vec::new());
    let mut found = Vec::new();
    for piece in input.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match receiver.next(&mut buffer) {
                heard::Came::Need => break,
                lost @ heard::Came::Lost(_) => {
                    found.push(lost);
                    return found;
                }
                came => found.push(came),
            }
        }
        assert!(buffer.len() <= limits::IMAP_HEARD_LINE_BYTES, "the rest of a line is too long");
    }
    found
}

/// Sequence sets and mailbox names: one spelling each.
pub fn imap_names(data: &[u8]) {
    if let Ok(set) = SequenceSet::parse(data) {
        assert_eq!(SequenceSet::parse(set.to_string().as_bytes()), Ok(set.clone()));
        let uids = set.resolve_uids(1_000);
        assert!(uids.iter().all(|uid| (1..=1_000).contains(&uid) && uids.contains(uid)));
    }
    if let Some(name) = utf7::decode(data) {
        assert_eq!(utf7::encode(&name).as_bytes(), data);
    }
    if let Ok(name) = std::str::from_utf8(data) {
        assert_eq!(utf7::decode(utf7::encode(name).as_bytes()).as_deref(), Some(name));
    }
}

/// SMTP command lines and their replies.
pub fn smtp_command(data: &[u8]) {
    let mut buffer = data.to_vec();
    let mut lines = Lines::new();
    while let Some(line) = lines.next(&mut buffer) {
        let Ok(line) = line else { continue };
        if let Err(error) = Command::parse(&line) {
            let mut out = Vec::new();
            error.reply().print(&mut out);
            assert!(out.ends_with(b"\r\n"));
        }
    }
}

/// DATA: however it is cut, the message is the same and nothing but CRLF.CRLF ends it.
pub fn smtp_content(data: &[u8]) {
    let Some((&first, input)) = data.split_first() else { return };
    let whole = content_in(input, input.len().max(1));
    assert_eq!(whole, content_in(input, usize::from(first % 16) + 1));
    let budget = Budget::new(1 << 20);
    let mut chunk = Content::new(1 << 20, Hold::new(&budget, [192, 0, 2, 1].into()));
    chunk.push_chunk(input);
    if let Ok((message, _hold)) = chunk.finish() {
        assert_eq!(message, input, "BDAT changed the octets");
    }
}

/// How many octets were taken, whether the end came, and the message.
fn content_in(input: &[u8], piece: usize) -> (usize, bool, Option<Vec<u8>>) {
    let budget = Budget::new(1 << 20);
    let mut content = Content::new(1 << 20, Hold::new(&budget, [192, 0, 2, 1].into()));
    let (mut used, mut ended) = (0, false);
    for piece in input.chunks(piece) {
        let (taken, end) = content.push_dotted(piece);
        used += taken;
        if end {
            ended = true;
            break;
        }
    }
    (used, ended, content.finish().ok().map(|(message, _hold)| message))
}

pub fn pop3_command(data: &[u8]) {
    for line in data.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Err(error) = pop3::parse(line) {
            assert!(!error.to_string().contains(['\r', '\n']));
        }
        pop3::response(line);
    }
}

/// Log-in exchanges: the first line names the mechanism, each further line is a response. The
/// machine knows nobody's password, so nobody may get in.
pub fn sasl(data: &[u8]) {
    let mut lines = data.split(|b| *b == b'\n');
    let mechanism = lines.next().unwrap_or_default();
    let mechanism = String::from_utf8_lossy(mechanism);
    let binding = Binding { tls: true, exporter: Some([7; 32]), endpoint: vec![1; 32] };
    let Some((mut exchange, mut next)) =
        Exchange::start_with(&mechanism, None, true, &binding, "nonce")
    else {
        return;
    };
    for _ in 0..8 {
        next = match next {
            Next::Challenge(_) => match lines.next() {
                Some(response) => exchange.respond(response),
                None => return,
            },
            Next::Ask(_) => exchange.answer(LoginAnswer::Denied { wait: limits::LOGIN_DELAY }),
            Next::Done(login) => panic!("{login:?} got in"),
            Next::Denied { .. } | Next::Malformed(_) | Next::Crowded | Next::Unavailable => return,
        };
    }
}

/// A mail address: what is printed is read back.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(address) = Address::from_str(text) {
        assert_eq!(Address::from_str(&address.to_string()), Ok(address));
    }
}

/// Records of SPF and DMARC, and what a message says of its author.
pub fn authentication(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(record) = spf::Record::parse(data) {
        let values = spf::Values {
            local: text.chars().take(64).collect(),
            sender_domain: "far.test".to_string(),
            domain: text.chars().take(200).collect(),
            ip: std::net::Ipv6Addr::LOCALHOST.into(),
            helo: text.to_string(),
            validated: "unknown".to_string(),
        };
        for name in record.names(&values) {
            assert!(name.len() <= 253, "{name} is no name");
        }
    }
    if let Some(record) = dmarc::Record::parse(data) {
        assert_eq!(record.wish(true, true), record.wish(true, false));
    }
    let name = text.to_lowercase();
    let walk = dmarc::walk(&name);
    assert!(walk.len() <= 8 && walk.iter().all(|shorter| name.ends_with(shorter)));
    let public = dmarc::Record::parse(b"v=DMARC1; p=none; psd=y");
    let found: Vec<_> = walk.last().copied().zip(public).into_iter().collect();
    assert!(name.ends_with(dmarc::organization(&name, &found)));
    let claims = Claims::of(data);
    assert!(claims.domain().is_none_or(|domain| claims.authors[0].domain() == domain));
    let mut evidence = Evidence::new(std::net::Ipv4Addr::LOCALHOST.into(), &text, claims);
    evidence.iprev.name = text.to_string();
    let field = results::field(&evidence, "mail.office.test");
    assert!(headers::fields(field.as_bytes()).count() == 1 && field.is_ascii());
}

/// A message: its parts lie within it, and IMAP can print them.
pub fn message(data: &[u8]) {
    let facts = structure::read(data);
    for field in headers::fields(data) {
        headers::decode(field.value);
        headers::unfold(field.value);
    }
    let Some(root) = &facts.structure else { return };
    let mut parts = vec![root];
    while let Some(part) = parts.pop() {
        let end = part.body_at.checked_add(part.body_size);
        assert!(end.is_some_and(|end| end <= data.len() as u64), "a part beyond the message");
        parts.extend(&part.parts);
    }
    for utf8 in [false, true] {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, utf8);
        print_structure::body(&mut printer, root, true);
        if let Some(envelope) = &facts.envelope {
            print_structure::envelope(&mut printer, envelope);
        }
        assert!(utf8 || out.is_ascii(), "raw octets before UTF-8 was enabled");
        assert!(std::str::from_utf8(&out).is_ok());
    }
}

/// An mbox file: ends, and reads no more than it was given.
pub fn mbox_file(data: &[u8]) {
    let mut reader = mbox::Reader::new(data, 4_096);
    while let Ok(found) = reader.next() {
        match found {
            mbox::Found::End => return,
            mbox::Found::Message(entry) => assert!(entry.raw.len() <= 4_096),
            mbox::Found::TooLarge { .. } => {}
        }
        assert!(reader.at() <= data.len() as u64);
    }
}

/// Pages of a damaged store: whatever they say, what is read of them lies inside of them and ends.
pub fn store_page(data: &[u8]) {
    let number = data.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets));
    let kind = page::kind(data, number);
    if let Some(meta) = page::meta(data) {
        assert!(meta.page_size.is_power_of_two() && meta.page_size <= 1 << 16);
    }
    let inside = |octets: &[u8]| {
        let (page, part) = (data.as_ptr_range(), octets.as_ptr_range());
        assert!(page.start <= part.start && part.end <= page.end);
    };
    let mut nodes = 0;
    for (key, row) in page::rows(data).flatten() {
        inside(key);
        nodes += 1;
        if let page::Row::Here { row, at } = row {
            inside(row);
            assert_eq!(data.get(at..at + row.len()), Some(row));
            if let Some(list) = page::free_list(row, u64::MAX) {
                assert!(list.count() <= row.len() / 8);
            }
        }
    }
    page::children(data).flatten().for_each(|(key, _)| inside(key));
    assert!(nodes <= data.len() / 2, "a node has an offset of two octets");
    if let (Some(page::Kind::Run(_)), Some((key, payload))) = (kind, page::run_row(data, None)) {
        inside(key);
        inside(payload);
        let size = payload.as_ptr() as usize + payload.len() - data.as_ptr() as usize - 16;
        assert_eq!(page::run_row(data, Some(size)), Some((key, payload)));
    }
}

/// Messages between PID 1 and its children: in one way or none.
pub fn request(data: &[u8]) {
    if let Ok(message) = request::Message::decode(data) {
        assert_eq!(message.encode(), data);
    }
    let mut octets = [0; request::SIZE];
    for (place, octet) in octets.iter_mut().zip(b"MR\x01".iter().chain(data)) {
        *place = *octet;
    }
    if let Ok(message) = request::Message::decode(&octets) {
        assert_eq!(message.encode(), octets);
    }
}

/// What anybody in the network can send to netd.
pub fn network(data: &[u8]) {
    let now = std::time::Duration::from_secs(1_800_000_000);
    let _ = arp::read(data);
    let _ = sntp::answer(data, [0; 8], now, now);
    let mut client = dhcp::Client::new([2, 0, 0, 0, 0, 7], "mailroom", 0);
    client.link_up(now);
    for action in client.received(now, data) {
        if let dhcp::Action::Bind(lease) = action {
            assert!(lease.renew <= lease.rebind && lease.rebind <= lease.end);
        }
    }
}

/// The owner's mailroom.toml: what is wrong has a line of the file.
pub fn preset(data: &[u8]) {
    if let Err(error) = settings::preset::parse(data) {
        let lines = data.iter().filter(|octet| **octet == b'\n').count() + 1;
        assert!(error.line <= lines && !error.why.is_empty());
    }
}
