//! Names of other servers: the only user of hickory.
//!
//! What a name server says is believed as far as it answers the question: answers are bounded,
//! names that are no host names are left out, and whoever cannot say is [`NoAnswer::Unknown`].
//!
//! Where mail goes can be proven with DNSSEC (RFC 4033): then each answer is [`Proven`], and forged
//! ones are [`NoAnswer::Bogus`]. That needs name servers that pass the proofs on, and a clock.
//!
//! ```text
//! clock before the day of this program     no DNSSEC: signatures would all seem to lie ahead
//! the root was proven within a day         DNSSEC, whatever comes
//! it was not                               no DNSSEC; the root is asked for again after a while
//! ```

use super::dane::Tlsa;
use crate::clock;
use crate::event::{Event, emit};
use crate::limits;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::domain::Label;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Asks the name servers, and remembers what they said for as long as they allowed.
pub(crate) struct Resolver {
    /// Names the servers where the settings do not: it changes while we run, by DHCP.
    follows: Option<PathBuf>,
    known: Mutex<Known>,
    anchors: Arc<TrustAnchors>,
    /// For a question with all its tries.
    within: Duration,
    clock: Clock,
    dnssec: Mutex<Dnssec>,
}

/// Who is asked now.
struct Known {
    /// Of the file when it was read.
    stamp: Option<Stamp>,
    servers: Vec<SocketAddr>,
    askers: Askers,
}

/// Both ask the same servers.
#[derive(Clone)]
struct Askers {
    plain: TokioResolver,
    /// And for proofs.
    proving: TokioResolver,
}

/// Tells a file from the one that stood there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: u64,
    size: u64,
    changed: (i64, i64),
}

/// Do the name servers pass on the proofs of DNSSEC?
#[derive(Debug, Clone, Copy)]
enum Dnssec {
    Unknown,
    /// When it was last asked for, and when it was last there; seconds since 1970.
    Works {
        asked: i64,
        proven: i64,
    },
    Missing {
        asked: i64,
    },
}

/// Seconds since 1970: the clock of the machine, or a test's.
pub(crate) type Clock = fn() -> i64;
pub(crate) const CLOCK: Clock = clock::now;

/// Why nothing that has an end in time can be proven by a clock that is not set; `None`: it can.
pub(crate) fn no_time(clock: Clock) -> Option<&'static str> {
    let floor = clock::state_at(clock()) == clock::State::Floor;
    floor.then_some("the clock of this machine is not set")
}

/// An answer, and how far it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proven<T> {
    pub records: Vec<T>,
    /// RFC 4033 5: secure; else its zone is known not to be signed.
    pub secure: bool,
    /// The name that has the records, after all aliases.
    pub name: String,
}

/// An MX record (RFC 5321 5.1); the name in lower case without the last dot, "" is null MX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mx {
    pub preference: u16,
    pub host: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The name does not exist.
    NoName,
    /// The name exists and has no such record.
    NoRecord,
    /// Nobody can say now: time-outs, servers that fail, answers that make no sense.
    Unknown(String),
    /// RFC 4033 5: the zone is signed, and the answer is not as it was signed.
    Bogus,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("the name does not exist"),
            Self::NoRecord => f.write_str("the name has no such record"),
            Self::Unknown(why) => f.write_str(why),
            Self::Bogus => f.write_str("the signatures of the answer are wrong (DNSSEC)"),
        }
    }
}

impl Resolver {
    /// With no `servers`: those of /etc/resolv.conf, whatever stands there at each question. No
    /// question is longer than `patience`; a test makes it shorter. Needs the runtime only when
    /// asked.
    pub(crate) fn new(servers: &[SocketAddr], patience: Duration) -> Result<Resolver, String> {
        Self::with_anchor(servers, None, patience, CLOCK)
    }

    /// With an `anchor` (a file of DNSKEY records) instead of the keys of the root of the world.
    pub(crate) fn with_anchor(
        servers: &[SocketAddr],
        anchor: Option<&Path>,
        patience: Duration,
        clock: Clock,
    ) -> Result<Resolver, String> {
        let anchors = match anchor {
            None => TrustAnchors::default(),
            Some(path) => TrustAnchors::from_file(path)
                .map_err(|error| format!("{}: no trust anchor: {error}", path.display()))?,
        };
        let follows = servers.is_empty().then(|| PathBuf::from("/etc/resolv.conf"));
        Self::made(follows, servers.to_vec(), Arc::new(anchors), (patience, clock))
    }

    fn made(
        follows: Option<PathBuf>,
        given: Vec<SocketAddr>,
        anchors: Arc<TrustAnchors>,
        (patience, clock): (Duration, Clock),
    ) -> Result<Resolver, String> {
        let within = patience.min(limits::DNS_QUESTION);
        // Looked at before it is read: one that changes meanwhile is read again.
        let stamp = follows.as_deref().and_then(Stamp::of);
        let servers = follows.as_deref().map_or(given, of_system);
        let askers = Askers::new(&servers, &anchors, within)?;
        let known = Mutex::new(Known { stamp, servers, askers });
        let dnssec = Mutex::new(Dnssec::Unknown);
        Ok(Resolver { follows, known, anchors, within, clock, dnssec })
    }

    /// Those who ask the servers of this moment.
    fn askers(&self) -> Askers {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.follows else { return known.askers.clone() };
        let stamp = Stamp::of(path);
        if stamp == known.stamp {
            return known.askers.clone();
        }
        known.stamp = stamp;
        let servers = of_system(path);
        if servers != known.servers
            && let Ok(askers) = Askers::new(&servers, &self.anchors, self.within)
        {
            emit(Event::NameServers { servers: servers.clone() });
            (known.servers, known.askers) = (servers, askers);
            self.other_servers();
        }
        known.askers.clone()
    }

    /// Whether these pass on proofs is asked anew; that others did within a day is not forgotten.
    fn other_servers(&self) {
        if let Ok(mut dnssec) = self.dnssec.lock() {
            *dnssec = match *dnssec {
                Dnssec::Works { proven, .. } => Dnssec::Works { asked: 0, proven },
                Dnssec::Unknown | Dnssec::Missing { .. } => Dnssec::Unknown,
            };
        }
    }

    /// Can answers be proven now? If not: why, in words.
    pub(crate) async fn can_prove(&self) -> Result<(), &'static str> {
        if let Some(why) = no_time(self.clock) {
            return Err(why);
        }
        let missing = Err("the name servers do not pass on the proofs of DNSSEC");
        let askers = self.askers();
        let known = self.dnssec.lock().map_or(Dnssec::Unknown, |known| *known);
        let now = (self.clock)();
        let fresh = |asked: i64| (now - asked).unsigned_abs() < limits::DNSSEC_AGAIN.as_secs();
        match known {
            Dnssec::Works { asked, .. } if fresh(asked) => return Ok(()),
            Dnssec::Missing { asked } if fresh(asked) => return missing,
            _ => {}
        }
        askers.proving.clear_lookup_cache(Name::root(), RecordType::DNSKEY);
        let root = self.prove(&Name::root(), RecordType::DNSKEY, |_| Some(())).await;
        let works = root.is_ok_and(|root| root.secure);
        // Whoever strips the proofs off must do so for a whole day, and mail waits meanwhile; name
        // servers that were exchanged for lesser ones hold mail up for no longer.
        let lapses = limits::DNSSEC_LAPSES.as_secs();
        let found = match known {
            _ if works => Dnssec::Works { asked: now, proven: now },
            Dnssec::Works { proven, .. } if (now - proven).unsigned_abs() < lapses => {
                Dnssec::Works { asked: now, proven }
            }
            _ => Dnssec::Missing { asked: now },
        };
        if let Ok(mut known) = self.dnssec.lock() {
            *known = found;
        }
        if matches!(found, Dnssec::Works { .. }) { Ok(()) } else { missing }
    }

    /// MX, proven; in no order.
    pub(crate) async fn proven_mx(&self, domain: &str) -> Result<Proven<Mx>, NoAnswer> {
        self.prove(&name(domain)?, RecordType::MX, read_mx).await
    }

    /// As [`Resolver::addresses`], proven.
    pub(crate) async fn proven_addresses(
        &self,
        host: &str,
        ipv6: bool,
    ) -> Result<Proven<IpAddr>, NoAnswer> {
        let host = name(host)?;
        let four = self.prove(&host, RecordType::A, read_address);
        if !ipv6 {
            return four.await;
        }
        match tokio::join!(self.prove(&host, RecordType::AAAA, read_address), four) {
            (Err(NoAnswer::Bogus), _) | (_, Err(NoAnswer::Bogus)) => Err(NoAnswer::Bogus),
            (Ok(six), Ok(four)) => Ok(Proven {
                records: six.records.into_iter().chain(four.records).collect(),
                secure: six.secure && four.secure,
                name: four.name,
            }),
            (Ok(some), Err(_)) | (Err(_), Ok(some)) => Ok(some),
            (Err(one), Err(NoAnswer::NoName | NoAnswer::NoRecord)) => Err(one),
            (Err(_), Err(other)) => Err(other),
        }
    }

    /// The TLSA records of a port of a host, proven.
    pub(crate) async fn tlsa(&self, host: &str, port: u16) -> Result<Proven<Tlsa>, NoAnswer> {
        let read = |data: &RData| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        };
        // RFC 6698 3: the port and the protocol stand before the name
        self.prove(&name(&format!("_{port}._tcp.{host}"))?, RecordType::TLSA, read).await
    }

    /// The library holds a proof that an alias leads to nothing against the alias, and takes it for
    /// forged: then the alias is followed link by link.
    async fn prove<T>(
        &self,
        name: &Name,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Proven<T>, NoAnswer> {
        let (mut owner, mut secure) = (name.clone(), true);
        for _ in 0..limits::DNS_ALIASES {
            match self.prove_whole(&owner, kind, &read).await {
                Err(NoAnswer::Bogus) => {
                    let link = self.prove_whole(&owner, RecordType::CNAME, read_alias).await;
                    let link = link.map_err(|_| NoAnswer::Bogus)?;
                    secure &= link.secure;
                    owner = link.records.into_iter().next().ok_or(NoAnswer::Bogus)?;
                }
                Ok(proven) => return Ok(Proven { secure: proven.secure && secure, ..proven }),
                Err(none) => return Err(none),
            }
        }
        Err(NoAnswer::Unknown("its aliases do not end".to_string()))
    }

    async fn prove_whole<T>(
        &self,
        name: &Name,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Proven<T>, NoAnswer> {
        let answer = self.ask(&self.askers().proving, name, kind).await?;
        let mut proven = Proven { records: Vec::new(), secure: true, name: String::new() };
        let mut owner = name.clone();
        for _ in 0..limits::DNS_ALIASES {
            let mut alias = None;
            for record in answer.answers().iter().filter(|record| record.name == owner) {
                let target = read_alias(&record.data);
                if record.record_type() != kind && target.is_none() {
                    continue;
                }
                match record.proof {
                    Proof::Secure => {}
                    Proof::Insecure => proven.secure = false,
                    _ => return Err(NoAnswer::Bogus),
                }
                proven.records.extend(read(&record.data));
                alias = target.or(alias);
            }
            match alias {
                Some(target) if proven.records.is_empty() => owner = target,
                _ => break,
            }
        }
        proven.records.truncate(limits::DNS_RECORDS);
        proven.name = bare(&owner);
        if proven.records.is_empty() { Err(NoAnswer::NoRecord) } else { Ok(proven) }
    }

    /// In no order.
    pub(crate) async fn mx(&self, domain: &str) -> Result<Vec<Mx>, NoAnswer> {
        self.records(domain, RecordType::MX, read_mx).await
    }

    /// MX of exactly this name in no order, and for how long they may be remembered: the shortest
    /// of their TTLs, in seconds.
    pub(crate) async fn mx_for(&self, domain: &str) -> Result<(Vec<Mx>, u32), NoAnswer> {
        let answer = self.ask(&self.askers().plain, &name(domain)?, RecordType::MX).await?;
        let of_it = |record: &&Record| record.record_type() == RecordType::MX;
        let records: Vec<&Record> =
            answer.answers().iter().filter(of_it).take(limits::DNS_RECORDS).collect();
        let ttl = records.iter().map(|record| record.ttl).min().ok_or(NoAnswer::NoRecord)?;
        Ok((records.iter().filter_map(|record| read_mx(&record.data)).collect(), ttl))
    }

    /// A, and with `ipv6` AAAA, which come first.
    pub(crate) async fn addresses(&self, host: &str, ipv6: bool) -> Result<Vec<IpAddr>, NoAnswer> {
        let four = self.records(host, RecordType::A, read_address);
        if !ipv6 {
            return four.await;
        }
        let six = self.records(host, RecordType::AAAA, read_address);
        match tokio::join!(six, four) {
            (Ok(six), Ok(four)) => Ok(six.into_iter().chain(four).collect()),
            (Ok(some), Err(_)) | (Err(_), Ok(some)) => Ok(some),
            // Who has no AAAA record and an unknown A record is unknown.
            (Err(one), Err(NoAnswer::NoName | NoAnswer::NoRecord)) => Err(one),
            (Err(_), Err(other)) => Err(other),
        }
    }

    /// The texts of a name, each put together from its strings.
    pub(crate) async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, NoAnswer> {
        let read = |data: &RData| match data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        };
        self.records(name, RecordType::TXT, read).await
    }

    /// The names of an address, from its PTR records.
    pub(crate) async fn names(&self, address: IpAddr) -> Result<Vec<String>, NoAnswer> {
        let name = Name::from(address).to_ascii();
        let read = |data: &RData| match data {
            RData::PTR(name) => Some(bare(&name.0)),
            _ => None,
        };
        self.records(&name, RecordType::PTR, read).await
    }

    /// The records of any type, each as a zone file has it; of a text the strings joined and bare.
    pub(crate) async fn values(&self, name: &str, kind: &str) -> Result<Vec<String>, NoAnswer> {
        let unknown = |_| NoAnswer::Unknown(format!("{kind} is no type of records"));
        let kind: RecordType = kind.parse().map_err(unknown)?;
        let read = |data: &RData| match data {
            RData::TXT(text) => {
                let octets: Vec<u8> = text.txt_data.iter().flatten().copied().collect();
                Some(String::from_utf8_lossy(&octets).into_owned())
            }
            data => (data.record_type() == kind).then(|| data.to_string()),
        };
        self.records(name, kind, read).await
    }

    /// A of an IPv4 address, AAAA of an IPv6 address.
    pub(crate) async fn addresses_like(
        &self,
        host: &str,
        like: IpAddr,
    ) -> Result<Vec<IpAddr>, NoAnswer> {
        let kind = if like.is_ipv4() { RecordType::A } else { RecordType::AAAA };
        self.records(host, kind, |data| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        })
        .await
    }

    /// For libraries that bring their own questions.
    pub(super) fn inner(&self) -> TokioResolver {
        self.askers().plain
    }

    async fn records<T>(
        &self,
        asked: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, NoAnswer> {
        let answer = self.ask(&self.askers().plain, &name(asked)?, kind).await?;
        let data = |record: &Record| read(&record.data);
        let records: Vec<T> =
            answer.answers().iter().filter_map(data).take(limits::DNS_RECORDS).collect();
        if records.is_empty() { Err(NoAnswer::NoRecord) } else { Ok(records) }
    }

    async fn ask(
        &self,
        resolver: &TokioResolver,
        name: &Name,
        kind: RecordType,
    ) -> Result<Lookup, NoAnswer> {
        match tokio::time::timeout(self.within, resolver.lookup(name.clone(), kind)).await {
            Err(_) => Err(NoAnswer::Unknown("the name servers did not answer in time".to_string())),
            Ok(answer) => answer.map_err(|error| no_answer(&error)),
        }
    }
}

impl Askers {
    fn new(
        servers: &[SocketAddr],
        anchors: &Arc<TrustAnchors>,
        within: Duration,
    ) -> Result<Askers, String> {
        let servers = servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let tls = no_tls()?;
        let build = |anchors: Option<&Arc<TrustAnchors>>| {
            let provider = TokioRuntimeProvider::default();
            let builder = TokioResolver::builder_with_config(config.clone(), provider);
            let mut builder = builder.with_tls_config(tls.clone());
            *builder.options_mut() = options(within);
            if let Some(anchors) = anchors {
                builder = builder.with_trust_anchor(anchors.clone());
            }
            builder.build().map_err(|error| format!("name servers: {error}"))
        };
        Ok(Askers { plain: build(None)?, proving: build(Some(anchors))? })
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let data = std::fs::metadata(path).ok()?;
        let changed = (data.mtime(), data.mtime_nsec());
        Some(Stamp { file: data.ino(), size: data.size(), changed })
    }
}

/// The name as it is asked for: any octets in labels, as RFC 2181 11 allows. What cannot be a name
/// does not exist.
fn name(text: &str) -> Result<Name, NoAnswer> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let labels = text.split('.').map(|label| Label::from_raw_bytes(label.as_bytes()));
    let labels: Result<Vec<Label>, _> = labels.collect();
    let mut name = labels.and_then(Name::from_labels).map_err(|_| NoAnswer::NoName)?;
    name.set_fqdn(true);
    Ok(name)
}

fn read_mx(data: &RData) -> Option<Mx> {
    match data {
        RData::MX(mx) => Some(Mx { preference: mx.preference, host: bare(&mx.exchange) }),
        _ => None,
    }
}

fn read_alias(data: &RData) -> Option<Name> {
    match data {
        RData::CNAME(target) => Some(target.0.clone()),
        _ => None,
    }
}

fn read_address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

fn no_answer(error: &NetError) -> NoAnswer {
    if error.is_nx_domain() {
        return NoAnswer::NoName;
    }
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if none.response_code == ResponseCode::NoError =>
        {
            NoAnswer::NoRecord
        }
        NetError::Dns(DnsError::DnssecBogus) => NoAnswer::Bogus,
        // That there is nothing is not proven, and need not be: the zone counts as not signed.
        NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. }) => {
            match response.response_code {
                ResponseCode::NXDomain => NoAnswer::NoName,
                _ => NoAnswer::NoRecord,
            }
        }
        NetError::Dns(DnsError::Nsec { .. }) => NoAnswer::Bogus,
        NetError::Timeout => NoAnswer::Unknown("the name servers did not answer".to_string()),
        error => NoAnswer::Unknown(error.to_string()),
    }
}

fn server(at: &SocketAddr) -> NameServerConfig {
    let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
    (udp.port, tcp.port) = (at.port(), at.port());
    NameServerConfig::new(at.ip(), true, vec![udp, tcp])
}

fn options(within: Duration) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = limits::DNS_TRY.min(within);
    options.attempts = limits::DNS_TRIES;
    options.cache_size = limits::DNS_REMEMBERED;
    options.positive_max_ttl = Some(limits::DNS_MEMORY);
    options.negative_max_ttl = Some(limits::DNS_MEMORY_OF_NOTHING);
    options.use_hosts_file = ResolveHosts::Never;
    // An alias must be proven too.
    options.preserve_intermediates = true;
    options.edns0 = true;
    options
}

/// Name servers are asked by UDP and TCP. Without this the library looks for the system's
/// authorities and fails where there are none, as on a box.
fn no_tls() -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("name servers: {error}"))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// The name servers of this machine; itself if none is written down, as resolv.conf(5) says.
fn of_system(path: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        Some(SocketAddr::new(address.parse().ok()?, 53))
    };
    let found: Vec<SocketAddr> = text.lines().filter_map(address).collect();
    if found.is_empty() { vec![SocketAddr::from(([127, 0, 0, 1], 53))] } else { found }
}

/// In lower case, without the last dot.
fn bare(name: &Name) -> String {
    let labels = name.iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase());
    labels.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaced whole, as netd does it.
    fn write(path: &Path, text: &str) {
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, path).expect("renamed");
    }

    #[test]
    fn the_servers_are_those_that_the_file_names_now() {
        let folder = crate::tests::store::Folder::new();
        let path = folder.path().join("resolv.conf");
        let at = |last| SocketAddr::from(([192, 0, 2, last], 53));
        let resolver = Resolver::made(
            Some(path.clone()),
            Vec::new(),
            Arc::new(TrustAnchors::default()),
            (limits::DNS_QUESTION, CLOCK),
        );
        let resolver = resolver.expect("a resolver without a file");
        let servers = || {
            resolver.askers();
            resolver.known.lock().expect("not poisoned").servers.clone()
        };
        assert_eq!(servers(), [SocketAddr::from(([127, 0, 0, 1], 53))]);
        *resolver.dnssec.lock().expect("not poisoned") = Dnssec::Missing { asked: CLOCK() };
        write(&path, "nameserver 192.0.2.1\n");
        assert_eq!(servers(), [at(1)], "DHCP answers late");
        let dnssec = *resolver.dnssec.lock().expect("not poisoned");
        assert!(matches!(dnssec, Dnssec::Unknown), "others may pass on proofs");
        write(&path, "nameserver 192.0.2.2\nnameserver 192.0.2.3\n");
        assert_eq!(servers(), [at(2), at(3)], "another network");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(servers(), [SocketAddr::from(([127, 0, 0, 1], 53))]);
    }
}
