//! The new store: people, addresses and mailboxes as they were, and what stands in for those lost.

use super::choose::{At, Office, Seen};
use super::life::Life;
use super::report::{MailboxBack, Share};
use crate::store::error::Result;
use crate::store::format::{
    Account, Domain, MailboxName, MailboxTail, Route, Subscribed, Version, tag,
};
use crate::store::key::{self, OUTSIDE_SELF, save};
use crate::store::{AccountId, Batch, INBOX, MailId, MailboxId, Store};
use crate::wire::address::Address;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Left free above what a mailbox whose counters are lost may have given; as a restore does.
const UID_GAP: u32 = 1 << 20;
const MODSEQ_GAP: u64 = 1 << 32;
const ID_GAP: u32 = 1 << 16;
/// Where messages go whose mailbox is lost.
pub(super) const SALVAGED: &str = "Salvaged";
/// The domain of people of whom not even that is known. RFC 2606 2
const NO_DOMAIN: &str = "salvaged.invalid";

/// Where the messages of a mailbox go.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub to: MailboxId,
    /// Its name is there; else they are among others, with new uids and without keywords.
    pub keeps: bool,
    pub back: MailboxBack,
}

/// What is known to be in the new store, and what went into it.
pub(super) struct Target<'s> {
    pub store: &'s Store,
    pub now: i64,
    pub office: Office,
    pub plans: BTreeMap<At, Plan>,
    /// The mailbox Salvaged of an account, and what is in it.
    pub salvaged: BTreeMap<AccountId, (MailboxId, Share)>,
    pub placeholders: BTreeSet<AccountId>,
    /// Who has what belongs to nobody.
    pub nobody: Option<AccountId>,
    pub addresses: u64,
    /// Domains that came back, and were not made up for an address.
    pub domains: u64,
}

impl<'s> Target<'s> {
    /// Writes all but messages.
    pub(super) fn new(
        store: &'s Store,
        office: Office,
        life: &Life,
        newest: MailId,
        now: i64,
    ) -> Result<Target<'s>> {
        let domains = office.domains.len() as u64;
        let mut target = Target {
            store,
            now,
            office,
            plans: BTreeMap::new(),
            salvaged: BTreeMap::new(),
            placeholders: BTreeSet::new(),
            nobody: None,
            addresses: 0,
            domains,
        };
        target.drop_deleted(life);
        target.find_people();
        target.mend_addresses();
        target.plan_mailboxes();
        target.write(newest)?;
        Ok(target)
    }

    /// What belongs to an account or mailbox that was deleted goes too.
    fn drop_deleted(&mut self, life: &Life) {
        let Office { accounts, names, tails, seen, sent, subscribed, .. } = &mut self.office;
        let is_there =
            |id: AccountId| accounts.contains_key(&id) || life.gaps.has(&key::account(id));
        names.retain(|at, _| is_there(at.0));
        sent.retain(|(id, _)| is_there(*id));
        subscribed.retain(|(id, _)| is_there(*id));
        let is_mailbox = |at: &At| {
            is_there(at.0) && (names.contains_key(at) || life.gaps.has(&key::name(at.0, at.1)))
        };
        seen.retain(|at, _| is_mailbox(at));
        tails.retain(|at, _| is_mailbox(at));
    }

    /// Makes an account for everybody who has something.
    fn find_people(&mut self) {
        let of_mailboxes = self.office.names.keys().chain(self.office.seen.keys());
        let ids: BTreeSet<AccountId> = of_mailboxes.map(|at| at.0).collect();
        for id in ids {
            self.person(id);
        }
        let known: Vec<AccountId> = self.office.accounts.keys().copied().collect();
        for id in known {
            let of_account = |ids: &mut dyn Iterator<Item = &At>| {
                ids.filter(|at| at.0 == id).map(|at| at.1.0).max().unwrap_or(0)
            };
            let Office { names, seen, tails, accounts, uncertain, of_others, .. } =
                &mut self.office;
            let last = of_account(&mut names.keys().chain(seen.keys()).chain(tails.keys()));
            let uidvalidity = names.iter().filter(|(at, _)| at.0 == id);
            let uidvalidity = uidvalidity.map(|(_, name)| name.uidvalidity).max().unwrap_or(0);
            let gap = if uncertain.contains(&Some(id)) { ID_GAP } else { 0 };
            let outside = of_others.iter().filter(|(key, _)| {
                key.first() == Some(&tag::OUTSIDE) && key::u32_at(key, 1) == Ok(id.0)
            });
            let outside = outside.filter_map(|(key, _)| key::u32_at(key, 5).ok()).max();
            if let Some(account) = accounts.get_mut(&id) {
                let next = outside.unwrap_or(0).saturating_add(1);
                account.next_outside = account.next_outside.max(next).saturating_add(gap);
                let next = account.next_mailbox.max(last.saturating_add(1)).max(2);
                account.next_mailbox = next.saturating_add(gap);
                let next = account.next_uidvalidity.max(uidvalidity.saturating_add(1)).max(1);
                account.next_uidvalidity = next.saturating_add(gap);
            }
        }
    }

    /// The account with this id, a placeholder if its own row is lost.
    fn person(&mut self, id: AccountId) {
        if self.office.accounts.contains_key(&id) {
            return;
        }
        let own = |route: &&Route| route.primary && route.accounts == [id.0];
        let login = self.office.routes.values().find(own).map(|route| route.address.clone());
        let login = login.unwrap_or_else(|| format!("salvaged-{}@{}", id.0, self.first_domain()));
        let uidvalidity = u32::try_from(self.now).unwrap_or(0).max(1);
        let account = Account {
            login,
            name: "salvaged: set a name and a password".to_string(),
            created: self.now,
            next_mailbox: 2,
            next_uidvalidity: uidvalidity,
            ..Account::default()
        };
        self.office.accounts.insert(id, account);
        self.placeholders.insert(id);
    }

    fn first_domain(&self) -> String {
        let oldest = self.office.domains.values().min_by_key(|domain| domain.created);
        oldest.map_or_else(|| NO_DOMAIN.to_string(), |domain| domain.name.clone())
    }

    /// Every account is led to by its log-in address, every address leads to somebody, and its
    /// domain is one of ours.
    fn mend_addresses(&mut self) {
        let Office { accounts, routes, domains, .. } = &mut self.office;
        let mut taken = HashSet::new();
        for (id, account) in accounts.iter_mut() {
            if !taken.insert(account.login.to_lowercase()) {
                account.login = format!("salvaged-{}-{}", id.0, account.login);
            }
        }
        routes.retain(|_, route| {
            route.accounts.retain(|id| accounts.contains_key(&AccountId(*id)));
            let owner = route.accounts.first().and_then(|id| accounts.get(&AccountId(*id)));
            let right = !route.primary || owner.is_some_and(|it| it.login == route.address);
            let leads = !(route.accounts.is_empty() && route.targets.is_empty());
            right && leads && Address::parse(&route.address).is_ok()
        });
        self.addresses = self.addresses.max(routes.len() as u64);
        for (id, account) in accounts.iter() {
            let Ok(address) = Address::parse(&account.login) else { continue };
            if routes.values().any(|it| it.primary && it.accounts == [id.0]) {
                continue;
            }
            let row = Route {
                address: account.login.clone(),
                accounts: vec![id.0],
                primary: true,
                created: account.created,
                ..Route::default()
            };
            let domain = address.domain().to_lowercase();
            routes.insert(key::route(&domain, &address.local_folded()), row);
        }
        let homes = routes.values().filter_map(|route| Address::parse(&route.address).ok());
        for home in homes.map(|address| address.domain().to_lowercase()) {
            let made = Domain { name: home.clone(), created: self.now, ..Domain::default() };
            domains.entry(home).or_insert(made);
        }
        for domain in domains.values_mut() {
            let is_there = |id: &u32| accounts.contains_key(&AccountId(*id));
            domain.catch_all = domain.catch_all.filter(is_there);
            domain.postmaster = domain.postmaster.filter(is_there);
        }
    }

    fn plan_mailboxes(&mut self) {
        let ids: Vec<AccountId> = self.office.accounts.keys().copied().collect();
        for id in ids {
            self.plan_inbox(id);
            let names = self.office.names.range((id, MailboxId(0))..=(id, MailboxId(u32::MAX)));
            let names: Vec<(At, MailboxName)> = names.map(|(at, it)| (*at, it.clone())).collect();
            let (mut taken, mut validities) = (HashSet::new(), HashSet::new());
            for (at, mut name) in names {
                if !taken.insert(name.name.clone()) {
                    name.name = format!("{}-{}", name.name, at.1.0);
                    taken.insert(name.name.clone());
                }
                if !validities.insert(name.uidvalidity) || name.uidvalidity == 0 {
                    name.uidvalidity = self.take_uidvalidity(id);
                    validities.insert(name.uidvalidity);
                }
                let tail = self.office.tails.get(&at).filter(|(_, is_true)| *is_true);
                let expected = tail.map_or(0, |(tail, _)| u64::from(tail.messages));
                let messages = Share { expected, ..Share::default() };
                let counted = tail.is_some();
                let back = MailboxBack { name: name.name.clone(), counted, messages };
                self.plans.insert(at, Plan { to: at.1, keeps: true, back });
                self.office.names.insert(at, name);
            }
        }
    }

    /// INBOX is the mailbox 1 of everybody, whether its name is there or not.
    fn plan_inbox(&mut self, id: AccountId) {
        if self.office.names.contains_key(&(id, INBOX)) {
            return;
        }
        let name = MailboxName {
            name: "INBOX".to_string(),
            uidvalidity: self.take_uidvalidity(id),
            created: self.now,
            ..MailboxName::default()
        };
        self.office.names.insert((id, INBOX), name);
    }

    fn take_uidvalidity(&mut self, id: AccountId) -> u32 {
        let now = u32::try_from(self.now).unwrap_or(0);
        let Some(account) = self.office.accounts.get_mut(&id) else { return now.max(1) };
        let given = account.next_uidvalidity.max(now).max(1);
        account.next_uidvalidity = given.saturating_add(1);
        given
    }

    /// The counters with which a mailbox begins: it gives no uid that it may have given before.
    fn tail(&self, at: At) -> MailboxTail {
        let Seen { last_uid, newest_modseq, .. } =
            self.office.seen.get(&at).copied().unwrap_or_default();
        let (known, is_true) = self.office.tails.get(&at).cloned().unwrap_or_default();
        let uidnext = known.uidnext.max(last_uid.saturating_add(1)).max(1);
        let highest = known.highestmodseq.max(newest_modseq).max(1);
        let (uids, modseqs) = if is_true { (0, 0) } else { (UID_GAP, MODSEQ_GAP) };
        let highestmodseq = highest.saturating_add(modseqs);
        MailboxTail {
            uidnext: uidnext.saturating_add(uids),
            highestmodseq,
            forgotten: highestmodseq,
            ..MailboxTail::default()
        }
    }

    fn write(&mut self, newest: MailId) -> Result<()> {
        let last = self.office.accounts.keys().map(|id| id.0).max().unwrap_or(0);
        let gap = if self.office.uncertain.contains(&None) { ID_GAP } else { 0 };
        let (next_account, last_mail) = (last.saturating_add(1).saturating_add(gap), newest.0);
        let Office { version, accounts, domains, routes, names, .. } = &self.office;
        let rows = Arc::new(Rows {
            version: Version {
                next_account: version.next_account.max(next_account).max(1),
                last_mail: version.last_mail.max(last_mail),
                ..Version::default()
            },
            accounts: accounts.clone().into_iter().collect(),
            domains: domains.values().cloned().collect(),
            routes: routes.clone().into_iter().collect(),
            names: names.iter().map(|(at, name)| (*at, name.clone(), self.tail(*at))).collect(),
            subscribed: self.office.subscribed.clone(),
            sent: self.office.sent.clone(),
            of_others: self.of_others(),
        });
        self.store.write_blocking(move |batch| rows.write(batch))
    }

    /// Nobody who is gone knows anybody, or brought anything; an outside account is there whole or
    /// not at all.
    fn of_others(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let of_outside = |key: &[u8]| {
            let number = key::u32_at(key, 5).unwrap_or(0);
            let account = AccountId(key::u32_at(key, 1).unwrap_or(0));
            key::outside(account, number, OUTSIDE_SELF)
        };
        let is_self = |key: &[u8]| key.first() == Some(&tag::OUTSIDE) && of_outside(key) == key;
        let selves: HashSet<&Vec<u8>> =
            self.office.of_others.iter().map(|(key, _)| key).filter(|key| is_self(key)).collect();
        let is_there = |key: &[u8]| {
            let owner = key::u32_at(key, 1).map(AccountId);
            let known = owner.is_ok_and(|id| self.office.accounts.contains_key(&id));
            match key.first() {
                Some(&(tag::KNOWN | tag::BROUGHT)) => known,
                Some(&tag::OUTSIDE) => known && selves.contains(&of_outside(key)),
                _ => true,
            }
        };
        let rows = self.office.of_others.iter();
        rows.filter(|(key, _)| is_there(key)).cloned().collect()
    }

    /// The mailbox of an account for what lost its own.
    pub(super) fn salvaged(&mut self, id: AccountId) -> Result<MailboxId> {
        if let Some((mailbox, _)) = self.salvaged.get(&id) {
            return Ok(*mailbox);
        }
        let names = &self.office.names;
        let is_free = |name: &str| !names.iter().any(|(at, it)| at.0 == id && it.name == name);
        let mut name = SALVAGED.to_string();
        let mut number = 1;
        while !is_free(&name) {
            number += 1;
            name = format!("{SALVAGED}-{number}");
        }
        let now = self.now;
        let made = self.store.write_blocking(move |batch| {
            let made = crate::store::mailbox::create(batch, id, &name, "", now)?;
            crate::store::mailbox::subscribe(batch, id, &name)?;
            Ok(made)
        })?;
        self.office.names.insert((id, made.id), made.name);
        self.salvaged.insert(id, (made.id, Share::default()));
        Ok(made.id)
    }

    /// The account with this id, made now if nobody has needed it yet.
    pub(super) fn owner(&mut self, id: AccountId) -> Result<AccountId> {
        if !self.office.accounts.contains_key(&id) {
            self.person(id);
            self.add_person(id)?;
        }
        Ok(id)
    }

    /// Who gets what belongs to nobody.
    pub(super) fn nobody(&mut self) -> Result<AccountId> {
        if let Some(id) = self.nobody {
            return Ok(id);
        }
        let last = self.office.accounts.keys().map(|id| id.0).max().unwrap_or(0);
        let id = AccountId(self.office.version.next_account.max(last.saturating_add(1)).max(1));
        self.person(id);
        self.add_person(id)?;
        self.nobody = Some(id);
        Ok(id)
    }

    fn add_person(&mut self, id: AccountId) -> Result<()> {
        self.mend_addresses();
        self.plan_inbox(id);
        let Some(account) = self.office.accounts.get(&id).cloned() else { return Ok(()) };
        let Some(name) = self.office.names.get(&(id, INBOX)).cloned() else { return Ok(()) };
        let own = |(_, route): &(&Vec<u8>, &Route)| route.primary && route.accounts == [id.0];
        let route = self.office.routes.iter().find(own);
        let routes: Vec<_> =
            route.map(|(key, row)| (key.clone(), row.clone())).into_iter().collect();
        let rows = Arc::new(Rows {
            version: Version { next_account: id.0.saturating_add(1), ..Version::default() },
            accounts: vec![(id, account)],
            domains: self.office.domains.values().cloned().collect(),
            routes,
            names: vec![((id, INBOX), name, self.tail((id, INBOX)))],
            subscribed: Vec::new(),
            sent: Vec::new(),
            of_others: Vec::new(),
        });
        self.store.write_blocking(move |batch| rows.write(batch))
    }
}

/// Rows to be written together.
struct Rows {
    version: Version,
    accounts: Vec<(AccountId, Account)>,
    domains: Vec<Domain>,
    routes: Vec<(Vec<u8>, Route)>,
    names: Vec<(At, MailboxName, MailboxTail)>,
    subscribed: Vec<(AccountId, String)>,
    sent: Vec<(AccountId, crate::store::format::Sent)>,
    of_others: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Rows {
    fn write(&self, batch: &mut Batch) -> Result<()> {
        let mut version: Version = key::load(batch, &key::version())?.unwrap_or_default();
        version.next_account = version.next_account.max(self.version.next_account);
        version.last_mail = version.last_mail.max(self.version.last_mail);
        save(batch, &key::version(), &version)?;
        for (id, account) in &self.accounts {
            save(batch, &key::account(*id), account)?;
        }
        for domain in &self.domains {
            save(batch, &key::domain(&domain.name), domain)?;
        }
        for (key, route) in &self.routes {
            save(batch, key, route)?;
        }
        for ((account, mailbox), name, tail) in &self.names {
            save(batch, &key::name(*account, *mailbox), name)?;
            save(batch, &key::tail(*account, *mailbox), tail)?;
        }
        for (account, name) in &self.subscribed {
            let row = Subscribed { name: name.clone() };
            save(batch, &key::subscribed(*account, name), &row)?;
        }
        for (account, sent) in &self.sent {
            save(batch, &key::sent(*account), sent)?;
        }
        for (key, payload) in &self.of_others {
            batch.put(key, payload)?;
        }
        Ok(())
    }
}
