//! Mail out: the outbox, the queue, the schedule, the reports.

mod hand;
mod pace;
mod queue;
mod reports;
mod schedule;
mod stage;
