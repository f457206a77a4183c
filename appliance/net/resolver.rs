//! Names of other servers: the only user of hickory.
//!
//! What a name server says is believed as far as it answers the question: answers are bounded,
//! names that are no host names are left out, and whoever cannot say is [`NoAnswer::Unknown`].

use crate::limits;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Asks the name servers, and remembers what they said for as long as they allowed.
pub(crate) struct Resolver {
    inner: TokioResolver,
    /// For a question with all its tries.
    within: Duration,
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
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("the name does not exist"),
            Self::NoRecord => f.write_str("the name has no such record"),
            Self::Unknown(why) => f.write_str(why),
        }
    }
}

impl Resolver {
    /// With no `servers`: those of /etc/resolv.conf. No question is longer than `patience`; a test
    /// makes it shorter. Needs the runtime only when asked.
    pub(crate) fn new(servers: &[SocketAddr], patience: Duration) -> Result<Resolver, String> {
        let found = match servers {
            [] => of_system(Path::new("/etc/resolv.conf")),
            servers => servers.to_vec(),
        };
        let servers = found.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        let within = patience.min(limits::DNS_QUESTION);
        *builder.options_mut() = options(within);
        let inner = builder.build().map_err(|error| format!("name servers: {error}"))?;
        Ok(Resolver { inner, within })
    }

    /// In no order.
    pub(crate) async fn mx(&self, domain: &str) -> Result<Vec<Mx>, NoAnswer> {
        let read = |data: &RData| match data {
            RData::MX(mx) => Some(Mx { preference: mx.preference, host: bare(&mx.exchange) }),
            _ => None,
        };
        self.records(domain, RecordType::MX, read).await
    }

    /// A, and with `ipv6` AAAA, which come first.
    pub(crate) async fn addresses(&self, host: &str, ipv6: bool) -> Result<Vec<IpAddr>, NoAnswer> {
        let four = self.records(host, RecordType::A, |data| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            _ => None,
        });
        if !ipv6 {
            return four.await;
        }
        let six = self.records(host, RecordType::AAAA, |data| match data {
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        });
        match tokio::join!(six, four) {
            (Ok(six), Ok(four)) => Ok(six.into_iter().chain(four).collect()),
            (Ok(some), Err(_)) | (Err(_), Ok(some)) => Ok(some),
            // Who has no AAAA record and an unknown A record is unknown.
            (Err(one), Err(NoAnswer::NoName | NoAnswer::NoRecord)) => Err(one),
            (Err(_), Err(other)) => Err(other),
        }
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

    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, NoAnswer> {
        let unknown = |why: String| NoAnswer::Unknown(why);
        let mut query = Name::from_ascii(name).map_err(|error| unknown(error.to_string()))?;
        query.set_fqdn(true);
        let asked = tokio::time::timeout(self.within, self.inner.lookup(query, kind));
        let answer = match asked.await {
            Err(_) => return Err(unknown("the name servers did not answer in time".to_string())),
            Ok(Err(error)) => return Err(no_answer(&error)),
            Ok(Ok(answer)) => answer,
        };
        let data = |record: &Record| read(&record.data);
        let records: Vec<T> =
            answer.answers().iter().filter_map(data).take(limits::DNS_RECORDS).collect();
        if records.is_empty() { Err(NoAnswer::NoRecord) } else { Ok(records) }
    }
}

fn no_answer(error: &NetError) -> NoAnswer {
    if error.is_nx_domain() {
        return NoAnswer::NoName;
    }
    match error {
        NetError::Dns(hickory_resolver::net::DnsError::NoRecordsFound(none))
            if none.response_code == hickory_resolver::proto::op::ResponseCode::NoError =>
        {
            NoAnswer::NoRecord
        }
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
    options.edns0 = true;
    options
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
    let name = name.to_ascii().to_ascii_lowercase();
    name.strip_suffix('.').map(str::to_string).unwrap_or(name)
}
