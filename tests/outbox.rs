//! Mail out: the outbox, the queue, the schedule, the reports.

mod hand;
mod queue;
mod reports;
mod schedule;
mod stage;
