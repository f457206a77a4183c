//! An update file that is sent to the server, and what the owner wants of PID 1.

use super::state::{full, quiet, version};
use crate::act::Reply;
use crate::act::failure::{Failure, Kind};
use crate::act::update::{Coming, Hindrance, Init, UpdateOrder, UpdateView, Updates, Wish};
use crate::limits;
use crate::request::UpdateAct;
use crate::tests::net::toy::{Folder, NOW};
use crate::update::bundle::{BUNDLE_BYTES, MAGIC};
use crate::update::slot::Standing;
use crate::update::state::{Other, SENT, Step, Told, Work, print};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

/// A box whose PID 1 is the test.
pub(crate) struct Pid1 {
    state: PathBuf,
    pub heard: Receiver<UpdateAct>,
}

impl Pid1 {
    /// For a server with its data in `data`; the test tells how updates stand in the same folder.
    pub(crate) fn of(data: &Path) -> (Updates, Pid1) {
        let (say, heard) = channel();
        let say = Mutex::new(say);
        let state = data.join("told-by-pid-1");
        let say = move |act| {
            let said = say.lock().expect("a sender").send(act);
            said.map_err(|_| io::ErrorKind::BrokenPipe.into())
        };
        let init = Init { state: state.clone(), say: Box::new(say) };
        (Updates::new(data, Some(init)), Pid1 { state, heard })
    }

    pub(crate) fn tells(&self, told: &Told) {
        std::fs::write(&self.state, print(told)).expect("written");
    }

    /// What was said to it since the last time.
    pub(crate) fn hears(&self) -> Vec<UpdateAct> {
        self.heard.try_iter().collect()
    }
}

/// What begins as a bundle.
pub(crate) fn bundle() -> Vec<u8> {
    [&MAGIC[..], &[7; 100_000]].concat()
}

fn installed() -> Told {
    let work = full().work.expect("one");
    Told { work: Some(Work { step: Step::Installed, done: 128, ..work }), ..quiet() }
}

fn ordered(updates: &Updates, order: UpdateOrder) -> Result<UpdateView, Failure> {
    match updates.act(order, NOW)? {
        Reply::Update(view) => Ok(*view),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_on_the_disk_before_pid_1_hears_of_it() {
    let folder = Folder::new();
    let (updates, init) = Pid1::of(&folder.0);
    init.tells(&quiet());
    let octets = bundle();
    let mut arrival = updates.begin(octets.len() as u64, NOW).expect("taken");
    // However its first octets are cut.
    for piece in [&octets[..3], &octets[3..7], &octets[7..9], &octets[9..60_000]] {
        arrival.take(piece).expect("taken");
    }
    let coming = Coming { octets: 60_000, of: octets.len() as u64 };
    assert_eq!(updates.view(NOW).expect("told").coming, Some(coming));
    assert_eq!(updates.begin(1, NOW).err(), Some(Hindrance::Coming), "one at a time");
    arrival.take(&octets[60_000..]).expect("taken");
    assert!(init.hears().is_empty() && !folder.0.join(SENT).exists());
    arrival.end(NOW).expect("whole");
    assert_eq!(init.hears(), [UpdateAct::Take]);
    let sent = folder.0.join(SENT);
    assert_eq!(std::fs::read(&sent).expect("there"), octets);
    let mode = std::fs::metadata(&sent).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!folder.0.join("update.mru.new").exists());

    // Until PID 1 tells something new it is about to begin, but not for ever.
    let asked = |at: i64| updates.view(at).expect("told").asked.map(|asked| asked.what);
    assert_eq!(asked(NOW + 1), Some(Wish::Take));
    assert_eq!(updates.begin(1, NOW + 1).err(), Some(Hindrance::Working));
    init.tells(&full());
    assert_eq!(asked(NOW + 1), None);
    assert_eq!(updates.begin(1, NOW + 1).err(), Some(Hindrance::Working), "it installs");
    init.tells(&quiet());
    let mut arrival = updates.begin(octets.len() as u64, NOW).expect("taken");
    arrival.take(&octets).expect("taken");
    arrival.end(NOW).expect("whole");
    assert_eq!(asked(NOW + limits::UPDATE_BEGINS_SECONDS), None, "PID 1 is silent");
}

#[test]
fn what_is_no_update_file_is_not_kept_and_pid_1_hears_nothing() {
    let folder = Folder::new();
    let (updates, init) = Pid1::of(&folder.0);
    init.tells(&quiet());
    let send = |pieces: &[&[u8]]| {
        let mut arrival = updates.begin(100, NOW)?;
        for piece in pieces {
            arrival.take(piece)?;
        }
        arrival.end(NOW)
    };
    assert_eq!(send(&[]), Err(Hindrance::Nothing));
    assert_eq!(send(&[b"MROOM"]), Err(Hindrance::Foreign), "it ends too early");
    assert_eq!(send(&[b"MROOM", b"ER"]), Err(Hindrance::Foreign));
    assert_eq!(send(&[b"MAILROOM BACKUP"]), Err(Hindrance::Foreign));
    assert_eq!(updates.begin(0, NOW).err(), Some(Hindrance::Nothing));
    assert_eq!(updates.begin(u64::MAX, NOW).err(), Some(Hindrance::Large));
    // One that is longer than it said, for a whole bundle too long.
    let mut arrival = updates.begin(100, NOW).expect("taken");
    arrival.take(&MAGIC).expect("taken");
    let piece = vec![0; usize::try_from(BUNDLE_BYTES / 4).expect("a number")];
    let all: Result<(), Hindrance> = (0..4).try_for_each(|_| arrival.take(&piece));
    assert_eq!(all, Err(Hindrance::Large));
    drop(arrival);
    assert_eq!(updates.view(NOW).expect("told").coming, None);

    let mut arrival = updates.begin(100, NOW).expect("taken");
    arrival.take(&bundle()[..50]).expect("taken");
    assert!(folder.0.join("update.mru.new").exists());
    arrival.break_off();
    assert!(updates.view(NOW).expect("told").broken_off, "the browser went away");
    let there: Vec<_> = std::fs::read_dir(&folder.0).expect("a folder").flatten().collect();
    assert_eq!(there.len(), 1, "nothing but what PID 1 told: {there:?}");
    assert!(init.hears().is_empty());
    drop(updates.begin(100, NOW));
    assert!(!updates.view(NOW).expect("told").broken_off, "the next try");
}

#[test]
fn the_owner_orders_what_is_possible_and_nothing_else() {
    let folder = Folder::new();
    let (updates, init) = Pid1::of(&folder.0);
    let refuses = |order: UpdateOrder, why: &str| {
        let failure = ordered(&updates, order).expect_err(why);
        assert!(failure.why.contains(why), "{failure:?}");
        assert!(!failure.remedy.is_empty());
    };
    init.tells(&quiet());
    let consent = |version: &str| UpdateOrder::Consent { version: version.to_string() };
    refuses(consent("0.3.0"), "no file of version 0.3.0 was refused");
    refuses(UpdateOrder::Now, "no update waits");
    refuses(UpdateOrder::Back, "no older system");

    let refused = full().refused.expect("one");
    let told = |consent| Told {
        refused: Some(crate::update::state::Refused { consent, ..refused.clone() }),
        ..quiet()
    };
    init.tells(&told(false));
    refuses(consent("0.3.0"), "no file of version 0.3.0 was refused");
    init.tells(&told(true));
    refuses(consent("0.3.1"), "no file of version 0.3.1 was refused");
    let view = ordered(&updates, consent("0.3.0")).expect("said");
    assert_eq!(view.asked.map(|asked| asked.what), Some(Wish::Consent));
    refuses(consent("0.3.0"), "is being installed");

    init.tells(&installed());
    refuses(UpdateOrder::Back, "waits for the restart");
    ordered(&updates, UpdateOrder::Now).expect("said");

    let other = Some(Other { version: version("0.3.0"), epoch: 1 });
    init.tells(&Told { standing: Standing::OnTrial, other: other.clone(), ..quiet() });
    refuses(UpdateOrder::Back, "still on trial");
    refuses(UpdateOrder::Take { file: folder.0.join("told-by-pid-1") }, "still on trial");
    init.tells(&Told { other, ..quiet() });
    ordered(&updates, UpdateOrder::Back).expect("said");
    assert_eq!(init.hears(), [UpdateAct::Consent, UpdateAct::Now, UpdateAct::Back]);

    // PID 1 is gone: what is not heard was not asked.
    let Pid1 { state, heard } = init;
    drop(heard);
    std::fs::write(&state, print(&installed())).expect("written");
    refuses(UpdateOrder::Now, "PID 1 does not listen");
    assert_eq!(updates.view(NOW).expect("told").asked, None);
}

#[test]
fn a_server_that_is_no_box_or_a_box_that_tells_nothing_says_so() {
    let folder = Folder::new();
    let failure = ordered(&Updates::new(&folder.0, None), UpdateOrder::Show).expect_err("no box");
    assert_eq!(failure.kind, Kind::Missing);
    assert_eq!(failure.why, "this server is not a box");
    assert_eq!(failure.remedy, "update it as it was installed");
    let (updates, init) = Pid1::of(&folder.0);
    for content in [None, Some("{"), Some("{\"board\":\"x\"}")] {
        if let Some(content) = content {
            std::fs::write(&init.state, content).expect("written");
        }
        let failure = ordered(&updates, UpdateOrder::Show).expect_err("nothing is told");
        assert_eq!(failure.kind, Kind::Trouble, "{failure:?}");
        assert!(failure.why.starts_with("the box does not tell how it stands: "), "{failure:?}");
        assert_eq!(
            updates.begin(10, NOW).map(|_| ()).map_err(|it| Failure::from(it).kind),
            Err(Kind::Trouble)
        );
    }
}
