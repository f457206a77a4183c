//! Every long-running unit of the server on one page.
//!
//! Everything is read, checked, opened and bound before anything is served: a server that could
//! only start half does not start.
//!
//! ```text
//! unit          port  TLS        restart
//! smtp          25    STARTTLS   a unit that fails is started again after 1 s, 2 s, .. 60 s;
//! submission    587   STARTTLS   a connection that fails ends alone
//! submissions   465
//! imap imaps    143   993
//! pop3 pop3s    110   995
//! http https    80    443        the pages on the LAN (admin); on a box before anything else
//! scanner       2525             devices on the LAN; only where [scanner] is set
//! certificate   looks at DATA/tls every few seconds, renews our own, warns before another ends
//! acme          asks an authority for one, where the settings say so, and renews it
//! traces        forgets stories older than TRACE_DAYS
//! leaving       counts the days of closed accounts, and removes those whose days are over
//! moves         looks at domains that come here from elsewhere, and brings their old mail
//! backups       makes a backup each night, on the stick that is for it
//! looks         looks once a day how the world sees the box, and tells what changed
//! updates       restarts a box into an update when the settings allow it; tells what came of it
//! check         reads the whole store once a night, slowly, and says whether it is good
//! outbox        sends what is due, to the servers of other domains
//! import        brings over all that those mailboxes hold, once
//! collect       takes mail over from mailboxes that people have elsewhere
//! other_servers counts of TLS with them, their MTA-STS policies, reports to them
//! keys          makes the first DKIM keys of each domain
//! control       DATA/control.sock, threads of its own
//! health        tells PID 1 of a box how mail is; there the mail ports open with the first domain
//! proof         of a box on trial: a letter to itself, until it is read back
//! ```

pub(crate) mod background;
pub(crate) mod certificate;
pub(crate) mod child;
mod collect;
pub(crate) mod first;
pub(crate) mod import;
pub(crate) mod preset;
pub(crate) mod probe;
pub(crate) mod proof;
pub(crate) mod repair;
pub(crate) mod updates;
mod web;

use crate::admin::Place;
use crate::delivery::checkpoint::Checkpoint;
use crate::delivery::receive::Post;
use crate::delivery::remote::Network;
use crate::delivery::submit::Counter;
use crate::delivery::worker::Desk;
use crate::event::{self, Event, emit};
use crate::net::acme::files::Files;
use crate::net::authenticate::Examiner;
use crate::net::authority::Names;
use crate::net::dkim::{Keys, Signer};
use crate::net::drive::{Pace, Terms};
use crate::net::listen::{Door, Gate};
use crate::net::resolver::Resolver;
use crate::net::tls::Tls;
use crate::net::{Service, stopped};
use crate::request::Code;
use crate::serve::login::{self, Logins};
use crate::serve::{
    control, imap::Imap, pop3::Pop3, receive::Smtp, scanner::Devices, submit::Submission,
};
use crate::settings::{self, Ports, Scanner, ScannerTls, Settings};
use crate::store::writer::Options;
use crate::store::{Store, backup};
use crate::wire::budget::Budget;
use crate::{act, cli, clock, limits};
use certificate::Keeper;
use child::Boxed;
use probe::Probe;
use proof::{Proof, Ways};
use ring::rand::SecureRandom;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use web::Web;

/// How the server is started, beside its settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServeOptions {
    /// Each port is this far above its well-known one, whatever the settings say.
    pub port_base: Option<u16>,
    /// Makes a domain and two people to try it with.
    pub demo: bool,
    /// Stands for what PID 1 of a box tells of updates.
    pub update_state: Option<PathBuf>,
}

/// Serves the folder `data` until the process is asked to stop. The error says what is wrong.
pub(crate) fn serve(data: &Path, options: ServeOptions) -> Result<(), String> {
    serve_as(data, options, None)
}

/// The same as the child of a box: mail is closed until there is a domain, and PID 1 hears how it
/// goes.
pub(crate) fn serve_box(data: &Path, options: ServeOptions, boxed: Boxed) -> Result<(), String> {
    serve_as(data, options, Some(boxed))
}

fn serve_as(
    data: &Path,
    mut options: ServeOptions,
    mut boxed: Option<Boxed>,
) -> Result<(), String> {
    event::start();
    more_descriptors();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|error| format!("{}: {error}", data.display()))?;
    let place = Place::new(match &boxed {
        Some(boxed) => boxed.code,
        None => new_code()?,
    });
    while serve_once(data, &options, &boxed, &place)? == Ended::Restore {
        place.put_backup();
        // What was made for the store that is gone is in the one that came, or not wanted there.
        options.demo = false;
        boxed.iter_mut().for_each(|boxed| (boxed.preset, boxed.reset) = (None, None));
    }
    Ok(())
}

/// Serves one store, until the process is asked to stop or another store is to be served.
fn serve_once(
    data: &Path,
    options: &ServeOptions,
    boxed: &Option<Boxed>,
    place: &Arc<Place>,
) -> Result<Ended, String> {
    let unfinished =
        |error| format!("a backup that was decided on cannot be brought back: {error}");
    act::office::finish_restore(data).map_err(unfinished)?;
    let settings = settings_of(data, options)?;
    let store = open_store(data)?;
    proof::clear_up(&store);
    if let Err(error) = backup::clear_up(store.folder()) {
        let why = error.to_string();
        emit(Event::StoreTrouble { doing: "removing what a backup left", why });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .thread_stack_size(limits::THREAD_STACK_BYTES)
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| format!("no threads: {error}"))?;
    let applied = boxed.as_ref().map_or(Ok(()), |boxed| boxed.apply(&store, clock::now()));
    let with = (place.clone(), boxed.clone());
    let result = match applied {
        Ok(()) => runtime.block_on(run(data, options, settings, &store, with)),
        Err(why) => Err(why),
    };
    runtime.shutdown_timeout(limits::SHUTDOWN_REST);
    store.close();
    result
}

/// What stands for as long as the process, while the units of mail may be started anew.
struct Standing {
    store: Store,
    keys: Keys,
    files: Files,
    secret: Vec<u8>,
    tls: Arc<Tls>,
    logins: Arc<Logins>,
    place: Arc<Place>,
    probe: Option<Probe>,
    proof: Option<Proof>,
}

impl Standing {
    /// On trial: tries whether mail works, until what is returned is dropped.
    fn proving(&self, settings: &Settings) -> JoinSet<()> {
        let mut proving = JoinSet::new();
        let proof = self.proof.clone().map(|proof| proof.run(Ways::of(settings)));
        proof.into_iter().for_each(|run| drop(proving.spawn(run)));
        proving
    }
}

/// Why the units of mail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Asked,
    /// The settings were changed on the page.
    Again,
    /// A backup waits to take the place of the store.
    Restore,
}

async fn run(
    data: &Path,
    options: &ServeOptions,
    mut settings: Settings,
    store: &Store,
    (place, boxed): (Arc<Place>, Option<Boxed>),
) -> Result<Ended, String> {
    let tls = Tls::open(&data.join("tls"), names(&settings), clock::at_least_built());
    let tls = tls.map_err(|fault| fault.to_string())?;
    let secret = data.join("secret.key");
    let secret = login::secret(&secret).map_err(|e| format!("{}: {e}", secret.display()))?;
    let logins = Logins::new(store.clone(), &secret)?;
    let (stopper, stop) = watch::channel(false);
    // These stand before the first port is open: who can connect finds everything there.
    let socket = data.join("control.sock");
    let updates = Arc::new(updates::of(data, options, boxed.as_ref()));
    let control = control::start(&socket, store.clone(), act::answering(&updates))
        .map_err(|error| format!("{}: {error}", socket.display()))?;
    let of_store = (store, &logins);
    let of_box = boxed.as_ref().map(|it| (it.network.clone(), it.sticks.clone()));
    let web = Web::open(data, &settings, of_store, (&tls, place.clone()), (of_box, updates))?;
    let setup = web.setup(boxed.is_some());
    let mut lines = first::start(data, options.demo, &settings, store, setup).await?;
    let proof = boxed.as_ref().map(|boxed| boxed.proof(store, data));
    let probe = boxed.map(|boxed| boxed.probe(store, data));
    let (store, keys) = (store.clone(), Keys::of(data));
    let files = Files::of(data);
    let own = tls.clone();
    let standing = Standing { store, keys, files, secret, tls: own, logins, place, probe, proof };
    // Before PID 1 hears of us: it may ask us to end at once.
    let mut asked = Asked::listen()?;
    let mut base = JoinSet::new();
    let house = web.house();
    let pages = web.start(&mut base, &stop)?;
    base.spawn(background::certificate(tls.clone(), stop.clone()));
    base.spawn(background::looks(house.clone(), stop.clone()));
    base.spawn(updates::run(house.clone(), stop.clone()));
    base.spawn(background::backups(house.clone(), stop.clone()));
    standing.probe.iter().for_each(|probe| drop(base.spawn(probe.clone().run(stop.clone()))));
    let ended = loop {
        let _proving = standing.proving(&settings);
        match mail(&standing, &settings, &std::mem::take(&mut lines), &mut asked).await? {
            Ended::Again => {
                settings = settings_of(data, options)?;
                tls.rename(names(&settings), clock::at_least_built());
                house.settle(&settings);
            }
            ended => break ended,
        }
    };
    let _ = stopper.send(true);
    let finish = async { while base.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(limits::SHUTDOWN_REST, finish).await;
    drop((control, pages));
    Ok(ended)
}

fn names(settings: &Settings) -> Names {
    Names { host: settings.host.clone(), others: settings.names.clone() }
}

/// The units of mail, from the first domain on until somebody asks for their end.
async fn mail(
    standing: &Standing,
    settings: &Settings,
    lines: &[String],
    asked: &mut Asked,
) -> Result<Ended, String> {
    if let Some(probe) = &standing.probe
        && let Some(ended) = opens(probe, &standing.place, asked).await
    {
        return Ok(ended);
    }
    let Standing { store, keys, files, secret, tls, logins, place, probe, .. } = standing;
    let (stopper, stop) = watch::channel(false);
    let mut units = Units::new(settings, tls.clone(), stop.clone());
    let Ports { smtp, submission, submissions, imap, imaps, pop3, pop3s, .. } = settings.ports;
    let host = settings.host.clone();
    let post = where_mail_comes_in(settings, store, secret)?;
    let memory = Budget::with_share(limits::RECEIVING_BYTES, limits::RECEIVING_SHARE_BYTES);
    let signer = Arc::new(Signer::new(keys.clone()));
    let counter = Counter::new(post.clone(), signer.clone(), settings.sent_per_day);
    let counter = Arc::new(counter);
    let devices = settings.scanner.as_ref().map(|scanner| {
        let devices = Devices::new(scanner, counter.clone(), logins.clone(), memory.clone());
        (scanner.clone(), devices)
    });
    let outgoing = Submission::new(counter, logins.clone(), &host, memory.clone());
    let network = Network::new(host.clone(), settings.outgoing.clone(), store.clone())?;
    let collect = collect_desk(settings, &post, &network)?;
    let desk = Desk::new(store.clone(), host.clone(), background::moment);
    let keeper = Keeper::new(files, settings, store, tls.clone())?;
    let mail = Smtp::new(post, memory.clone());
    let pop = Pop3::new(store.clone(), logins.clone(), host.clone());
    let imap_sessions = Imap::new(store.clone(), logins.clone(), memory);
    let few = limits::SMTP_CONNECTIONS_PER_ADDRESS;
    units.add("smtp", smtp, Security::StartTls, few, mail)?;
    units.add("submission", submission, Security::StartTls, usize::MAX, outgoing.clone())?;
    units.add("submissions", submissions, Security::Tls, usize::MAX, outgoing)?;
    units.add("imap", imap, Security::StartTls, usize::MAX, imap_sessions.clone())?;
    units.add("imaps", imaps, Security::Tls, usize::MAX, imap_sessions)?;
    units.add("pop3", pop3, Security::StartTls, usize::MAX, pop.clone())?;
    units.add("pop3s", pop3s, Security::Tls, usize::MAX, pop)?;
    if let Some((scanner, devices)) = devices {
        units.add_devices(scanner, few, devices)?;
    }
    let mut running = units.start(probe.as_ref());
    keeper.into_iter().for_each(|keeper| drop(running.spawn(keeper.keep(stop.clone()))));
    running.spawn(background::keys(store.clone(), keys.clone(), stop.clone()));
    running.spawn(background::other_servers(network.clone(), signer, stop.clone()));
    running.spawn(background::outbox(desk, Arc::new(network), stop.clone()));
    let name_servers = settings.outgoing.name_servers.clone();
    let imports = import::Imports { desk: collect.clone(), place: place.clone(), name_servers };
    running.spawn(Arc::new(imports).run(stop.clone()));
    running.spawn(collect::run(collect, stop.clone()));
    running.spawn(background::check(store.clone(), settings.check_hour, stop.clone()));
    running.spawn(background::leaving(store.clone(), stop.clone()));
    running.spawn(background::moves(store.clone(), place.clone(), stop.clone()));
    running.spawn(background::traces(store.clone(), stop.clone()));
    running.spawn(background::memory(stop));
    lines.iter().for_each(|line| cli::print::line(line));
    Ok(until_stopped(stopper, running, place, asked).await)
}

/// With what it judges by, and the key of its return addresses.
fn where_mail_comes_in(
    settings: &Settings,
    store: &Store,
    secret: &[u8],
) -> Result<Arc<Post>, String> {
    let post = Post::new(store.clone(), settings.host.clone());
    let post = post.map_err(|error| error.to_string())?.with_secret(secret);
    let resolver = Resolver::new(&settings.outgoing.name_servers, limits::DNS_QUESTION)?;
    let examiner = Examiner::new(resolver, settings.checks.blocklists.clone());
    Ok(Arc::new(post.judging(Checkpoint::new(examiner, settings.checks.clone()))))
}

fn collect_desk(
    settings: &Settings,
    post: &Arc<Post>,
    network: &Network,
) -> Result<Arc<crate::collect::Desk>, String> {
    let keyring = network.keyring().ok_or("the outbox has no store")?;
    let resolver = Resolver::new(&settings.outgoing.name_servers, limits::DNS_QUESTION)?;
    let authority = settings.outgoing.authority.clone();
    let lines = Semaphore::new(limits::COLLECT_AT_ONCE);
    let (post, moment) = (post.clone(), background::moment);
    Ok(Arc::new(crate::collect::Desk { post, resolver, keyring, authority, moment, lines }))
}

/// The setup code of a server that is not a box: said at each start until there is an owner.
fn new_code() -> Result<Code, String> {
    let mut random = [0; 8];
    let filled = ring::rand::SystemRandom::new().fill(&mut random);
    filled.map_err(|_| "the system gives no random numbers".to_string())?;
    Ok(Code::new(random))
}

/// The signals that ask the process to end.
struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
    /// Who sends one from now on is heard.
    fn listen() -> Result<Asked, String> {
        let of = |kind| signal(kind).map_err(|error| format!("signals: {error}"));
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Asked { terminate: of(terminate)?, interrupt: of(interrupt)? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// Waits for the first domain of a box, unless something ends the wait before.
async fn opens(probe: &Probe, place: &Place, asked: &mut Asked) -> Option<Ended> {
    tokio::select! {
        () = probe.until_domain() => None,
        () = place.again.notified() => Some(Ended::Again),
        () = place.restores.wanted() => Some(Ended::Restore),
        () = asked.wait() => Some(Ended::Asked),
    }
}

/// Waits for the signal to stop, then for the units, unless there is a second signal.
async fn until_stopped(
    stopper: watch::Sender<bool>,
    mut running: JoinSet<()>,
    place: &Place,
    asked: &mut Asked,
) -> Ended {
    let ended = tokio::select! {
        () = asked.wait() => Ended::Asked,
        () = place.again.notified() => Ended::Again,
        () = place.restores.wanted() => Ended::Restore,
    };
    emit(match ended {
        Ended::Asked => Event::Stopping,
        Ended::Again => Event::Again,
        Ended::Restore => Event::Restoring,
    });
    let _ = stopper.send(true);
    let finish = async { while running.join_next().await.is_some() {} };
    tokio::select! {
        () = finish => ended,
        () = tokio::time::sleep(limits::SHUTDOWN_GRACE + limits::SHUTDOWN_REST) => ended,
        () = asked.wait() => Ended::Asked,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// In clear until the client asks for TLS.
    StartTls,
    /// TLS from the first octet.
    Tls,
}

/// The units with sockets, bound and not yet serving.
struct Units {
    listen: Vec<IpAddr>,
    gate: Gate,
    terms: Terms,
    starts: Vec<Start>,
}

/// Starts one unit.
type Start = Box<dyn FnOnce(&mut JoinSet<()>)>;

impl Units {
    fn new(settings: &Settings, tls: Arc<Tls>, stop: watch::Receiver<bool>) -> Self {
        Self {
            listen: settings.listen.clone(),
            gate: Gate::new(settings.connections, settings.connections_per_address),
            terms: Terms { tls, stop, pace: Pace::default() },
            starts: Vec::new(),
        }
    }

    /// Binds the unit's port on every address; 0 leaves it out.
    fn add<P: Service>(
        &mut self,
        unit: &'static str,
        port: u16,
        security: Security,
        per_address: usize,
        service: P,
    ) -> Result<(), String> {
        if port == 0 {
            return Ok(());
        }
        let listen = self.listen.clone();
        self.add_at(unit, (&listen, port), security, per_address, service)
    }

    /// The door for devices, on the addresses that the settings give it.
    fn add_devices(
        &mut self,
        scanner: Scanner,
        per_address: usize,
        devices: Devices,
    ) -> Result<(), String> {
        let security = match scanner.tls {
            ScannerTls::Plain => Security::StartTls,
            ScannerTls::Implicit => Security::Tls,
        };
        self.add_at("scanner", (&scanner.listen, scanner.port), security, per_address, devices)
    }

    fn add_at<P: Service>(
        &mut self,
        unit: &'static str,
        (listen, port): (&[IpAddr], u16),
        security: Security,
        per_address: usize,
        service: P,
    ) -> Result<(), String> {
        let service = Arc::new(service);
        for address in listen {
            let at = SocketAddr::new(*address, port);
            let door = Door::bind(unit, at, security == Security::Tls, per_address)
                .map_err(|error| cannot_listen(unit, at, &error))?;
            let bound = door.at().map_err(|error| format!("{unit}: {at}: {error}"))?;
            let (door, service) = (Arc::new(door), service.clone());
            let (gate, terms) = (self.gate.clone(), self.terms.clone());
            self.starts.push(Box::new(move |running| {
                emit(Event::Listening { unit, at: bound });
                running.spawn(keep_serving(door, service, gate, terms));
            }));
        }
        Ok(())
    }

    fn start(self, probe: Option<&Probe>) -> JoinSet<()> {
        let mut running = JoinSet::new();
        self.starts.into_iter().for_each(|start| start(&mut running));
        probe.into_iter().for_each(Probe::opened);
        running
    }
}

fn cannot_listen(unit: &str, at: SocketAddr, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there, or take other ports (--port-base)",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 want root or the capability CAP_NET_BIND_SERVICE; or take higher \
             ones (--port-base)"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address: see `listen`",
        _ => "",
    };
    format!("{unit}: cannot listen on {at}: {error}{remedy}")
}

/// Serves a door, again after each failure, until the server stops.
async fn keep_serving<P: Service>(door: Arc<Door>, service: Arc<P>, gate: Gate, terms: Terms) {
    let (unit, stop) = (door.unit, terms.stop.clone());
    let serve = move || {
        let (door, service) = (door.clone(), service.clone());
        let (gate, terms) = (gate.clone(), terms.clone());
        async move { door.serve(&service, &gate, &terms).await }
    };
    keep_running(unit, stop, serve).await;
}

/// Runs what serves, again after each failure, until the server stops.
async fn keep_running<F, R>(unit: &'static str, mut stop: watch::Receiver<bool>, serve: F)
where
    F: Fn() -> R,
    R: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut wait = limits::RESTART_WAIT_FIRST;
    loop {
        let why = match tokio::spawn(serve()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        emit(Event::UnitFailed { unit, why });
        tokio::select! {
            () = tokio::time::sleep(wait) => (),
            () = stopped(&mut stop) => return,
        }
        wait = (wait * 2).min(limits::RESTART_WAIT);
    }
}

/// The settings in `data`, written there at the first start.
fn settings_of(data: &Path, options: &ServeOptions) -> Result<Settings, String> {
    let path = data.join("mailroom.toml");
    let above = options
        .port_base
        .map(|base| Ports::above(base).ok_or_else(|| format!("a port base of {base} is too high")));
    let above = above.transpose()?;
    if !path.exists() {
        let host = if options.demo { first::HOST } else { "localhost" };
        let settings = Settings::first(host, above.unwrap_or(Ports::WELL_KNOWN));
        settings::replace_file(&path, settings::print(&settings).as_bytes())
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let mut settings = settings::load(&path).map_err(|error| error.to_string())?;
    if !settings.passed_over.is_empty() {
        let names = settings.passed_over.join(", ");
        let what = format!("mailroom.toml is of a later version, and is obeyed without: {names}");
        emit(Event::BoxTrouble { what });
    }
    settings.ports = above.unwrap_or(settings.ports);
    Ok(settings)
}

fn open_store(data: &Path) -> Result<Store, String> {
    let folder = data.join("store");
    let mut options = Options::default();
    under_test(&mut options);
    Store::open(&folder, options).map_err(|error| format!("{}: {error}", folder.display()))
}

/// What suites ask of a debug build: the control of the crash suite, which answers before the
/// commit and must be found to lose mail; a small map, so that the box suite sees it grow.
#[cfg(debug_assertions)]
fn under_test(options: &mut Options) {
    options.answer_before_commit =
        std::env::var_os("MAILROOM_TEST_ANSWER_BEFORE_COMMIT").is_some_and(|value| value == "1");
    let map = std::env::var("MAILROOM_TEST_MAP_BYTES").unwrap_or_default();
    if let Ok(octets) = map.parse() {
        (options.map_bytes, options.map_step_bytes) = (octets, octets);
    }
}

#[cfg(not(debug_assertions))]
fn under_test(_options: &mut Options) {}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |count| count.get().max(2))
}

/// As many descriptors as the system allows: a connection is one.
fn more_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
