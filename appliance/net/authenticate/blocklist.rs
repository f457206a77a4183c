//! Blocklists in DNS (RFC 5782): is the peer known for sending what nobody wants?
//!
//! A list is asked only while its test entries are right: 127.0.0.2 is on it and 127.0.0.1 is not
//! (of IPv6, ::ffff:127.0.0.2 and ::ffff:127.0.0.1). A list that has died, lists everybody, or
//! answers 127.255.255.x to a resolver it does not like, fails the test and says nothing.

use super::Answers;
use crate::event::{Event, emit};
use crate::limits::{BLOCKLIST_FAILED, BLOCKLIST_TESTED};
use crate::net::resolver::NoAnswer;
use crate::policy::Listed;
use crate::settings::Blocklist;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// The lists of the settings.
pub(super) struct Lists(Vec<Arc<List>>);

/// One list, and how its tests went.
struct List {
    asked: Blocklist,
    /// Of IPv4 and of IPv6.
    tested: [Mutex<Option<Test>>; 2],
}

#[derive(Debug, Clone, Copy)]
struct Test {
    at: Instant,
    good: bool,
}

/// How an address stands with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Clean,
    Listed(Ipv4Addr),
    /// The list cannot be asked now, or fails its own test.
    Unknown,
}

impl Lists {
    pub(super) fn new(lists: Vec<Blocklist>) -> Self {
        let list = |asked| Arc::new(List { asked, tested: Default::default() });
        Self(lists.into_iter().map(list).collect())
    }

    /// The lists that name the peer. One that cannot be asked now does not.
    pub(super) async fn of(&self, answers: &Answers, peer: IpAddr) -> Vec<Listed> {
        let all = self.standing(answers, peer).await.into_iter();
        let listed = all.filter_map(|(zone, standing)| match standing {
            Standing::Listed(code) => Some(Listed { zone, code }),
            Standing::Clean | Standing::Unknown => None,
        });
        listed.collect()
    }

    /// How an address stands with each list, by its zone. All are asked at once: one that has died
    /// takes no time from the others.
    pub(super) async fn standing(
        &self,
        answers: &Answers,
        address: IpAddr,
    ) -> Vec<(String, Standing)> {
        let mut asked = JoinSet::new();
        for (place, list) in self.0.iter().enumerate() {
            let (answers, list) = (answers.clone(), list.clone());
            asked.spawn(async move {
                let standing = list.standing(&answers, address).await;
                (place, list.asked.zone.clone(), standing)
            });
        }
        let mut found = asked.join_all().await;
        found.sort_by_key(|(place, ..)| *place);
        found.into_iter().map(|(_, zone, standing)| (zone, standing)).collect()
    }
}

impl List {
    async fn standing(&self, answers: &Answers, address: IpAddr) -> Standing {
        if !self.is_good(answers, address.is_ipv6()).await {
            return Standing::Unknown;
        }
        match ask(answers, &self.asked, address).await {
            Ok(Some(code)) => Standing::Listed(code),
            Ok(None) => Standing::Clean,
            Err(_) => Standing::Unknown,
        }
    }

    async fn is_good(&self, answers: &Answers, six: bool) -> bool {
        let [of_four, of_six] = &self.tested;
        // One at a time: who comes meanwhile needs the same answer.
        let mut tested = if six { of_six } else { of_four }.lock().await;
        let fresh = tested.filter(|test| {
            let kept = if test.good { BLOCKLIST_TESTED } else { BLOCKLIST_FAILED };
            test.at.elapsed() < kept
        });
        if let Some(test) = fresh {
            return test.good;
        }
        let result = test(answers, &self.asked, six).await;
        let good = result.is_ok();
        *tested = Some(Test { at: Instant::now(), good });
        if let Err(why) = result {
            emit(Event::BlocklistIgnored { zone: self.asked.zone.clone(), ipv6: six, why });
        }
        good
    }
}

/// RFC 5782 5
async fn test(answers: &Answers, list: &Blocklist, six: bool) -> Result<(), String> {
    let entry = |last: u8| match Ipv4Addr::new(127, 0, 0, last) {
        four if six => IpAddr::V6(four.to_ipv6_mapped()),
        four => IpAddr::V4(four),
    };
    let listed = |asked: Result<Option<Ipv4Addr>, NoAnswer>| asked.map_err(|no| no.to_string());
    if listed(ask(answers, list, entry(2)).await)?.is_none() {
        return Err("its test entry 127.0.0.2 is not listed as it should be".to_string());
    }
    if listed(ask(answers, list, entry(1)).await)?.is_some() {
        return Err("it lists 127.0.0.1, so it would list everybody".to_string());
    }
    Ok(())
}

/// The code that counts, if the address is listed.
async fn ask(
    answers: &Answers,
    list: &Blocklist,
    address: IpAddr,
) -> Result<Option<Ipv4Addr>, NoAnswer> {
    let name = format!("{}.{}", reversed(address), list.zone);
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let codes = match answers.addresses_like(&name, any).await {
        Ok(codes) => codes,
        Err(NoAnswer::NoName | NoAnswer::NoRecord) => return Ok(None),
        Err(unknown) => return Err(unknown),
    };
    let counts = |code: IpAddr| match code {
        IpAddr::V4(code) if list.counts(code) => Some(code),
        _ => None,
    };
    Ok(codes.into_iter().find_map(counts))
}

/// RFC 5782 2.1, 2.4
fn reversed(address: IpAddr) -> String {
    let labels: Vec<String> = match address {
        IpAddr::V4(four) => four.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(six) => nibbles(six),
    };
    labels.join(".")
}

fn nibbles(six: Ipv6Addr) -> Vec<String> {
    format!("{:032x}", u128::from(six)).chars().rev().map(String::from).collect()
}
