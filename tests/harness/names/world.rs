//! A name server of the tests' own: a whole small world below a signed root, with DNSSEC, and with
//! faults where a test wants them.
//!
//! The world is a text, one thing a line:
//!
//! ```text
//! zone b.test. signed             delegated by the root with DS; or: unsigned, expired, forged
//! b.test. MX 10 mx.b.test.        a record: name, type, data as in a zone file; ends with dots
//! _25._tcp.mx.b.test. TLSA 3 1 1 ab12..
//! fault mx.b.test. silent         every question about this name; see `Fault`
//! ```
//!
//! Records that lie in no zone belong to the root. SOA, NS, DNSKEY, DS, NSEC and RRSIG are made.
//! It answers as a resolver does (aliases followed through all zones), over UDP and TCP.
//!
//! - In Rust: `Names::start("127.0.0.1:0", text)`, then `at` and `anchor()`.
//! - Alone, for other suites: `cargo run --example names -- 127.0.0.3:0 WORLD ANCHOR` reads the
//!   file WORLD (anew, when it has changed), writes the trust anchor into the file ANCHOR, prints
//!   `127.0.0.3:PORT`, and serves until it is killed.

use hickory_resolver::proto::dnssec::crypto::EcdsaSigningKey;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{Algorithm, DigestType, DnssecSigner, PublicKey, SigningKey};
use hickory_resolver::proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordSet, RecordType};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const TTL: u32 = 60;
const DAY: i64 = 24 * 3600;

/// What is wrong with the answers about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No answer.
    Silent,
    /// Over UDP only.
    SilentUdp,
    /// The answer has another number.
    WrongId,
    /// It answers another question.
    WrongQuestion,
    ServFail,
    Refused,
    /// Octets that are no message.
    Garbage,
    /// Over UDP nothing but a hint to ask over TCP.
    Truncated,
    /// A thousand records more.
    Huge,
    /// The answer comes without signatures and proofs.
    Stripped,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Signed,
    /// The parent proves that it is not signed.
    Unsigned,
    /// The signatures were good last year.
    Expired,
    /// The signatures are of another key.
    Forged,
}

type Sets = BTreeMap<Name, BTreeMap<u16, (RecordType, RecordSet)>>;

struct Zone {
    name: Name,
    kind: Kind,
    sets: Sets,
}

/// The keys of the zones: made once, so that a world read anew has the same anchor.
#[derive(Default)]
struct Keys(HashMap<Name, Vec<u8>>);

/// All that is known.
pub(crate) struct World {
    zones: Vec<Zone>,
    faults: HashMap<Name, Fault>,
}

/// A running name server.
pub(crate) struct Names {
    pub(crate) at: SocketAddr,
    anchor: String,
    state: Arc<Mutex<State>>,
}

struct State {
    world: Arc<World>,
    keys: Keys,
    /// Read anew when it has changed.
    file: Option<(PathBuf, Option<SystemTime>)>,
    /// Every question, as "MX b.test.", "udp" or "tcp".
    asked: Vec<(String, &'static str)>,
}

impl Names {
    /// Serves from threads of its own until the process ends.
    pub(crate) fn start(at: &str, text: &str) -> Result<Names, String> {
        Self::serve(at, text, None)
    }

    /// The same from a file.
    pub(crate) fn start_file(at: &str, file: PathBuf) -> Result<Names, String> {
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let changed = std::fs::metadata(&file).and_then(|facts| facts.modified()).ok();
        Self::serve(at, &text, Some((file, changed)))
    }

    fn serve(
        at: &str,
        text: &str,
        file: Option<(PathBuf, Option<SystemTime>)>,
    ) -> Result<Names, String> {
        let said = |error: std::io::Error| format!("{at}: {error}");
        let mut keys = Keys::default();
        let world = Arc::new(World::read(text, &mut keys)?);
        let anchor = keys.anchor()?;
        let (udp, tcp) = sockets(at).map_err(said)?;
        let at = udp.local_addr().map_err(said)?;
        let state = Arc::new(Mutex::new(State { world, keys, file, asked: Vec::new() }));
        let (datagrams, streams) = (state.clone(), state.clone());
        std::thread::spawn(move || answer_datagrams(&udp, &datagrams));
        std::thread::spawn(move || answer_streams(&tcp, &streams));
        Ok(Names { at, anchor, state })
    }

    /// The DNSKEY of the root, as a trust anchor file has it.
    pub(crate) fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Puts another world in place.
    pub(crate) fn become_world(&self, text: &str) -> Result<(), String> {
        let mut state = self.state.lock().map_err(|error| error.to_string())?;
        state.world = Arc::new(World::read(text, &mut state.keys)?);
        Ok(())
    }

    /// How often this was asked, as "MX b.test.".
    pub(crate) fn asked(&self, question: &str, over: &str) -> usize {
        let Ok(state) = self.state.lock() else { return 0 };
        state.asked.iter().filter(|(said, by)| said == question && *by == over).count()
    }
}

impl State {
    fn world(&mut self) -> Arc<World> {
        if let Some((file, seen)) = &mut self.file {
            let changed = std::fs::metadata(&*file).and_then(|facts| facts.modified()).ok();
            if changed != *seen
                && let Ok(text) = std::fs::read_to_string(&*file)
                && let Ok(world) = World::read(&text, &mut self.keys)
            {
                (self.world, *seen) = (Arc::new(world), changed);
            }
        }
        self.world.clone()
    }
}

/// The same port for both.
fn sockets(at: &str) -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for _ in 0..50 {
        let udp = UdpSocket::bind(at)?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()))
}

fn answer_datagrams(udp: &UdpSocket, state: &Mutex<State>) {
    let mut octets = [0; 4096];
    while let Ok((length, peer)) = udp.recv_from(&mut octets) {
        let question = octets.get(..length).unwrap_or_default();
        if let Some(answer) = answer(question, state, false) {
            let _ = udp.send_to(&answer, peer);
        }
    }
}

fn answer_streams(tcp: &TcpListener, state: &Arc<Mutex<State>>) {
    for stream in tcp.incoming().flatten() {
        let state = state.clone();
        std::thread::spawn(move || while answer_one(&stream, &state).is_some() {});
    }
}

fn answer_one(mut stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question).ok()?;
    let answer = answer(&question, state, true)?;
    let mut out = u16::try_from(answer.len()).ok()?.to_be_bytes().to_vec();
    out.extend(answer);
    stream.write_all(&out).ok()
}

// ---- answers ----

fn answer(octets: &[u8], state: &Mutex<State>, tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(octets).ok()?;
    let query = question.queries.first()?.clone();
    let world = {
        let mut state = state.lock().ok()?;
        let said = format!("{} {}", query.query_type(), query.name());
        state.asked.push((said, if tcp { "tcp" } else { "udp" }));
        state.world()
    };
    let fault = world.faults.get(query.name()).copied();
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.add_query(query.clone());
    let wants_proof = question.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
    world.answer(query.name(), query.query_type(), &mut message);
    if !wants_proof || fault == Some(Fault::Stripped) {
        let plain = |record: &Record| !record.record_type().is_dnssec();
        message.answers.retain(plain);
        message.authorities.retain(plain);
    }
    let mut edns = Edns::new();
    edns.set_max_payload(1232).set_dnssec_ok(wants_proof);
    message.set_edns(edns);
    match fault {
        Some(Fault::Silent) => return None,
        Some(Fault::SilentUdp) if !tcp => return None,
        Some(Fault::WrongId) => message.metadata.id = message.metadata.id.wrapping_add(1),
        Some(Fault::WrongQuestion) => {
            if let Some(query) = message.queries.first_mut() {
                query.set_name(Name::from_ascii("other.test.").ok()?);
            }
        }
        Some(Fault::ServFail) => message = failed(&message, ResponseCode::ServFail),
        Some(Fault::Refused) => message = failed(&message, ResponseCode::Refused),
        Some(Fault::Garbage) => return Some([octets.get(..2)?, &[0xff; 60]].concat()),
        Some(Fault::Truncated) if !tcp => message = message.truncate(),
        Some(Fault::Huge) => {
            for number in 0..1000_u32 {
                let data = RData::A(std::net::Ipv4Addr::from(0x7f01_0000 + number).into());
                message.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
            }
        }
        _ => {}
    }
    let octets = message.to_vec().ok()?;
    let room = if tcp { 65_535 } else { 1_232 };
    if octets.len() > room { message.truncate().to_vec().ok() } else { Some(octets) }
}

fn failed(message: &Message, code: ResponseCode) -> Message {
    let mut failed = message.truncate();
    failed.metadata.truncation = false;
    failed.metadata.response_code = code;
    failed
}

impl World {
    fn answer(&self, name: &Name, kind: RecordType, message: &mut Message) {
        let mut name = name.clone();
        // Some hops, as a resolver has a limit too.
        for _ in 0..12 {
            let Some(zone) = self.zone(&name, kind) else { return };
            let here = zone.sets.get(&name);
            if let Some((_, set)) = here.and_then(|sets| sets.get(&kind.into())) {
                message.add_answers(set.records_with_rrsigs().cloned());
                return;
            }
            let alias = here.and_then(|sets| sets.get(&RecordType::CNAME.into()));
            let Some((_, set)) = alias else {
                message.metadata.response_code = zone.deny(&name, message);
                return;
            };
            message.add_answers(set.records_with_rrsigs().cloned());
            match set.record().map(|record| &record.data) {
                Some(RData::CNAME(target)) => name = target.0.clone(),
                _ => return,
            }
        }
    }

    /// The innermost zone of a name; the parent's for a DS record.
    fn zone(&self, name: &Name, kind: RecordType) -> Option<&Zone> {
        let fits = |zone: &&Zone| {
            zone.name.zone_of(name) && (kind != RecordType::DS || zone.name != *name)
        };
        self.zones.iter().filter(fits).max_by_key(|zone| zone.name.num_labels())
    }
}

impl Zone {
    /// Proves that there is nothing.
    fn deny(&self, name: &Name, message: &mut Message) -> ResponseCode {
        let mut proofs: Vec<&Name> = Vec::new();
        let below = |other: &Name| name.zone_of(other);
        let exists = self.sets.keys().any(below);
        proofs.extend(self.at_or_before(name));
        if !exists {
            let mut encloser = name.base_name();
            while !self.sets.keys().any(|other| encloser.zone_of(other)) {
                encloser = encloser.base_name();
            }
            if let Ok(wildcard) = encloser.prepend_label("*") {
                proofs.extend(self.at_or_before(&wildcard));
            }
        }
        proofs.dedup();
        let mut add = |name: &Name, kind: RecordType| {
            let set = self.sets.get(name).and_then(|sets| sets.get(&kind.into()));
            if let Some((_, set)) = set {
                message.add_authorities(set.records_with_rrsigs().cloned());
            }
        };
        add(&self.name, RecordType::SOA);
        proofs.into_iter().for_each(|name| add(name, RecordType::NSEC));
        if exists { ResponseCode::NoError } else { ResponseCode::NXDomain }
    }

    fn at_or_before(&self, name: &Name) -> Option<&Name> {
        self.sets.range(..=name.clone()).next_back().map(|(name, _)| name)
    }

    // ---- made from the text ----

    fn add(&mut self, name: &Name, data: RData) {
        let kind = data.record_type();
        let sets = self.sets.entry(name.clone()).or_default();
        let (_, set) = sets
            .entry(kind.into())
            .or_insert_with(|| (kind, RecordSet::with_ttl(name.clone(), kind, TTL)));
        set.add_rdata(data);
    }

    /// SOA and NS at the top.
    fn crown(&mut self) -> Result<(), String> {
        let name = self.name.clone();
        let soa = "ns.invalid. postmaster.invalid. 1 3600 600 86400 60";
        self.add(&name, data(RecordType::SOA, soa)?);
        self.add(&name, data(RecordType::NS, "ns.invalid.")?);
        Ok(())
    }

    fn sign(&mut self, keys: &mut Keys, cuts: &BTreeSet<Name>) -> Result<(), String> {
        if self.kind == Kind::Unsigned {
            return Ok(());
        }
        let signer = keys.signer(&self.name, self.kind)?;
        let key = RData::DNSSEC(DNSSECRData::DNSKEY(signer.dnskey().clone()));
        let name = self.name.clone();
        self.add(&name, key);
        let names: Vec<Name> = self.sets.keys().cloned().collect();
        for (at, name) in names.iter().enumerate() {
            let next = names.get(at + 1).unwrap_or(&self.name).clone();
            let types: Vec<RecordType> =
                self.sets.get(name).into_iter().flat_map(|s| s.values().map(|s| s.0)).collect();
            let proof = NSEC::new_cover_self(next, types);
            self.add(name, RData::DNSSEC(DNSSECRData::NSEC(proof)));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
        let since = if self.kind == Kind::Expired { now - 300 * DAY } else { now - DAY };
        let since = time::OffsetDateTime::from_unix_timestamp(since).map_err(|e| e.to_string())?;
        for (name, sets) in &mut self.sets {
            for (kind, set) in sets.values_mut() {
                // RFC 4035 2.2: NS at a cut is the child's
                if *kind == RecordType::NS && cuts.contains(name) {
                    continue;
                }
                let signed = RRSIG::from_rrset(set, DNSClass::IN, since, &signer);
                let signed = signed.map_err(|error| error.to_string())?;
                let data = RData::DNSSEC(DNSSECRData::RRSIG(signed));
                set.insert_rrsig(Record::from_rdata(name.clone(), TTL, data));
            }
        }
        Ok(())
    }
}

impl World {
    fn read(text: &str, keys: &mut Keys) -> Result<World, String> {
        let root = Zone { name: Name::root(), kind: Kind::Signed, sets: Sets::new() };
        let mut world = World { zones: vec![root], faults: HashMap::new() };
        let mut records = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let [first, second, third] = words[..] else { return Err(format!("what? {line}")) };
            match first {
                "zone" => {
                    let (name, kind) = (name(second)?, kind(third)?);
                    world.zones.push(Zone { name, kind, sets: Sets::new() });
                }
                "fault" => {
                    world.faults.insert(name(second)?, fault(third)?);
                }
                owner => {
                    let kind: RecordType = second.parse().map_err(|_| format!("type? {line}"))?;
                    records.push((name(owner)?, data(kind, third)?));
                }
            }
        }
        world.fill(records, keys)?;
        Ok(world)
    }

    fn fill(&mut self, records: Vec<(Name, RData)>, keys: &mut Keys) -> Result<(), String> {
        let mut cuts = BTreeSet::new();
        let mut delegations = Vec::new();
        for zone in &mut self.zones {
            zone.crown()?;
            if zone.name.is_root() {
                continue;
            }
            cuts.insert(zone.name.clone());
            delegations.push((zone.name.clone(), data(RecordType::NS, "ns.invalid.")?));
            if zone.kind != Kind::Unsigned {
                delegations.push((zone.name.clone(), keys.ds(&zone.name)?));
            }
        }
        if let Some(root) = self.zones.first_mut() {
            delegations.into_iter().for_each(|(name, data)| root.add(&name, data));
        }
        for (name, data) in records {
            let fits = |zone: &&mut Zone| zone.name.zone_of(&name);
            let zone = self.zones.iter_mut().filter(fits).max_by_key(|z| z.name.num_labels());
            if let Some(zone) = zone {
                zone.add(&name, data);
            }
        }
        for zone in &mut self.zones {
            let cuts = if zone.name.is_root() { cuts.clone() } else { BTreeSet::new() };
            zone.sign(keys, &cuts)?;
        }
        Ok(())
    }
}

impl Keys {
    fn key(&mut self, zone: &Name) -> Result<EcdsaSigningKey, String> {
        if !self.0.contains_key(zone) {
            self.0.insert(zone.clone(), new_key()?);
        }
        read_key(self.0.get(zone).ok_or("no key")?)
    }

    fn dnskey(&mut self, zone: &Name) -> Result<DNSKEY, String> {
        let key = self.key(zone)?.to_public_key().map_err(|error| error.to_string())?;
        Ok(DNSKEY::from_key(&key))
    }

    fn ds(&mut self, zone: &Name) -> Result<RData, String> {
        let key = self.dnskey(zone)?;
        let made = DS::from_key(key.public_key(), zone, DigestType::SHA256);
        made.map(|ds| RData::DNSSEC(DNSSECRData::DS(ds))).map_err(|error| error.to_string())
    }

    fn signer(&mut self, zone: &Name, kind: Kind) -> Result<DnssecSigner, String> {
        let dnskey = self.dnskey(zone)?;
        let key: Box<dyn SigningKey> = match kind {
            Kind::Forged => Box::new(read_key(&new_key()?)?),
            _ => Box::new(self.key(zone)?),
        };
        let valid = Duration::from_secs(60 * DAY.unsigned_abs());
        Ok(DnssecSigner::new(dnskey, key, zone.clone(), valid))
    }

    fn anchor(&mut self) -> Result<String, String> {
        use base64::Engine;
        let key = self.dnskey(&Name::root())?;
        let octets = key.public_key().public_bytes();
        let text = base64::engine::general_purpose::STANDARD.encode(octets);
        Ok(format!(". {TTL} IN DNSKEY {} 3 13 {text}\n", key.flags()))
    }
}

fn new_key() -> Result<Vec<u8>, String> {
    let made = EcdsaSigningKey::generate_pkcs8(Algorithm::ECDSAP256SHA256);
    Ok(made.map_err(|error| error.to_string())?.secret_pkcs8_der().to_vec())
}

fn read_key(octets: &[u8]) -> Result<EcdsaSigningKey, String> {
    let read = EcdsaSigningKey::from_pkcs8(&octets.to_vec().into(), Algorithm::ECDSAP256SHA256);
    read.map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(text).map_err(|error| format!("{text}: {error}"))?;
    name.set_fqdn(true);
    Ok(name.to_lowercase())
}

fn data(kind: RecordType, text: &str) -> Result<RData, String> {
    RData::try_from_str(kind, text).map_err(|error| format!("{kind} {text}: {error}"))
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "signed" => Ok(Kind::Signed),
        "unsigned" => Ok(Kind::Unsigned),
        "expired" => Ok(Kind::Expired),
        "forged" => Ok(Kind::Forged),
        _ => Err(format!("a zone is signed, unsigned, expired or forged, not {text}")),
    }
}

fn fault(text: &str) -> Result<Fault, String> {
    let known = [
        ("silent", Fault::Silent),
        ("silent-udp", Fault::SilentUdp),
        ("wrong-id", Fault::WrongId),
        ("wrong-question", Fault::WrongQuestion),
        ("servfail", Fault::ServFail),
        ("refused", Fault::Refused),
        ("garbage", Fault::Garbage),
        ("truncated", Fault::Truncated),
        ("huge", Fault::Huge),
        ("stripped", Fault::Stripped),
    ];
    let found = known.into_iter().find(|(word, _)| *word == text);
    found.map(|(_, fault)| fault).ok_or_else(|| format!("no such fault: {text}"))
}
