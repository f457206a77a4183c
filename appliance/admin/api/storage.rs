//! The disks of a box: what each holds, how fast the one with the mail is, and all of the mail
//! moved to another. Each act goes on in the background; how far it is and what came of it is
//! asked for.

use super::{Call, Outcome, json};
use crate::act::failure::Failure;
use crate::act::storage::record::{Moved, Record};
use crate::act::storage::speed::Speed;
use crate::admin::audit;
use crate::admin::sticks::Holder;
use crate::admin::storage::desk::{Doing, Task, Ticket};
use crate::admin::storage::work::Work;
use crate::admin::storage::{holds, state};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct View {
    doing: Option<Doing>,
    /// Why the last thing that was asked for was not done.
    failed: Option<Failure>,
    /// The move that brought the mail here.
    last: Option<Moved>,
    holders: Vec<HolderView>,
    place: PlaceView,
    speed: Option<Speed>,
}

#[derive(Serialize)]
struct HolderView {
    /// "all", "system", "system-and-old", "mail", "old".
    holds: &'static str,
    octets: u64,
    /// Tenths of its life that are over, of 11.
    worn: Option<u8>,
    errors: u32,
    name: String,
}

/// What is in beside the disks of the box.
#[derive(Serialize)]
struct PlaceView {
    /// "none", "ready", "unusable", "mail".
    state: &'static str,
    name: String,
    octets: u64,
}

impl From<Holder> for HolderView {
    fn from(it: Holder) -> HolderView {
        let worn = (it.worn > 0).then_some(it.worn);
        let (octets, errors, name) = (it.octets, it.errors, it.name);
        HolderView { holds: holds(it.holds), octets, worn, errors, name }
    }
}

pub(super) fn show(call: &Call<'_>) -> Outcome {
    view(call, 200)
}

fn view(call: &Call<'_>, status: u16) -> Outcome {
    let house = call.house;
    let known = house.place.storage.known();
    let record = Record::load(&house.data);
    let (seen, holders) = match &house.sticks {
        Some(sticks) => (sticks.seen(), sticks.holders()),
        None => Default::default(),
    };
    let view = View {
        doing: known.doing,
        failed: known.failed.map(|(_, failure)| failure),
        last: record.last,
        holders: holders.into_iter().map(HolderView::from).collect(),
        place: PlaceView { state: state(seen.state), name: seen.name, octets: seen.octets },
        speed: record.speed,
    };
    json(status, &serde_json::json!({ "storage": view }))
}

/// Begins it and shows how far it is.
fn begin(
    call: &Call<'_>,
    (task, disk): (Task, &str),
    what: &str,
    job: impl FnOnce(&Work, &Ticket) -> Result<(), Failure> + Send + 'static,
) -> Outcome {
    let act = audit::of(call.request, (&call.program, what, disk), "");
    call.house.storage_work().begin((task, disk), Some(act), job)?;
    view(call, 202)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// As the disk is called that it goes to.
    disk: String,
}

/// Empties the disk, and moves all of the mail there.
pub(super) fn move_to(call: &Call<'_>) -> Outcome {
    let Wanted { disk } = call.body()?;
    let disk = disk.trim().to_string();
    let work = call.house.storage_work();
    work.may_move(&disk)?;
    begin(call, (Task::Move, &disk.clone()), "storage/move", move |work, ticket| {
        work.move_to(ticket, &disk)
    })
}

pub(super) fn forget(call: &Call<'_>) -> Outcome {
    call.house.storage_work().may_forget()?;
    begin(call, (Task::Forget, ""), "storage/forget", |work, ticket| work.forget(ticket))
}

pub(super) fn measure(call: &Call<'_>) -> Outcome {
    begin(call, (Task::Measure, ""), "storage/measure", |work, ticket| work.measure(ticket))
}
