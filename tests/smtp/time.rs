//! Slow senders, stopping servers: the clock is a value, so hours pass at once.

use super::stage::{Table, Talk};
use crate::limits::{SMTP_COMMAND, SMTP_DATA, SMTP_DATA_TOTAL};
use crate::session::Input;
use crate::smtp::Setting;
use crate::wire::smtp::Budget;
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    static CLOCK: Cell<i64> = const { Cell::new(1_000) };
}

fn clock() -> i64 {
    CLOCK.get()
}

fn pass(time: Duration) {
    CLOCK.set(CLOCK.get() + time.as_secs() as i64);
}

fn talk() -> Talk<Table> {
    let setting = Setting::mx("mail.office.test", Budget::new(1 << 20), clock);
    let mut talk = Talk::new(setting, Table::of(&["bob@office.test"]));
    talk.say("EHLO slow.test");
    talk.say("MAIL FROM:<x@far.test>");
    talk.say("RCPT TO:<bob@office.test>");
    talk
}

const LATE: &str = "421 4.4.2 Nothing came in time, closing\r\n";

#[test]
fn a_command_has_five_minutes_however_it_drips() {
    let mut talk = talk();
    assert_eq!(talk.within, SMTP_COMMAND);
    pass(Duration::from_secs(200));
    assert_eq!(talk.send(b"NO"), "");
    assert_eq!(talk.within, SMTP_COMMAND - Duration::from_secs(200));
    pass(Duration::from_secs(99));
    assert!(talk.send(b"OP\r\n").starts_with("250 "));
    assert_eq!(talk.within, SMTP_COMMAND);
    talk.send(b"NO");
    pass(SMTP_COMMAND);
    assert_eq!(talk.send(b"O"), LATE);
    assert!(talk.closed);
}

#[test]
fn silence_ends_the_connection() {
    let mut talk = talk();
    talk.drive(Input::TimedOut);
    assert_eq!(talk.replies(), LATE);
    assert!(talk.closed && talk.machine.told.is_empty());
}

#[test]
fn a_message_has_time_between_blocks_and_in_all() {
    let mut talk = talk();
    talk.say("DATA");
    assert_eq!(talk.within, SMTP_DATA);
    let drips = SMTP_DATA_TOTAL.as_secs() / 100;
    for _ in 0..drips - 1 {
        pass(Duration::from_secs(100));
        assert_eq!(talk.send(b"x"), "");
    }
    assert_eq!(talk.within, SMTP_DATA.min(Duration::from_secs(100)));
    pass(Duration::from_secs(100));
    assert_eq!(talk.send(b"x"), LATE);
    assert!(talk.closed && talk.machine.received.is_empty());
    assert!(talk.machine.told[0].refusals.told[0].why.contains("stopped in the middle"));
}

#[test]
fn chunks_and_commands_between_them_share_the_time_of_one_message() {
    let mut talk = talk();
    assert!(talk.send(b"BDAT 1\r\nx").starts_with("250 "));
    let mut passed = Duration::ZERO;
    let mut replies = String::new();
    while !talk.closed {
        pass(Duration::from_secs(240));
        passed += Duration::from_secs(240);
        assert!(passed < SMTP_DATA_TOTAL + SMTP_COMMAND);
        replies = talk.say("NOOP");
    }
    assert_eq!(replies, LATE);
    assert!(passed >= SMTP_DATA_TOTAL);
}

#[test]
fn a_stopping_server_says_so() {
    for before in ["NOOP", "DATA"] {
        let mut talk = talk();
        talk.say(before);
        talk.drive(Input::Stopping);
        assert_eq!(talk.replies(), "421 4.3.2 This server is stopping\r\n");
        assert!(talk.closed && talk.machine.received.is_empty());
    }
}
