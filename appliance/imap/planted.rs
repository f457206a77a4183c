//! Faults that the test of the model plants into a session, to see that it would find them if they
//! were there. In the product none is.

/// Each a mistake that could be made at the place that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// EXPUNGE is told whatever the command.
    ExpungeInAnyCommand,
    /// Removals are told from the front, with the numbers they had before the first.
    ExpungesFromTheFront,
    /// What others flag is not heard.
    FlagsOfOthersLost,
    /// What arrives is not heard.
    ArrivalsLost,
    /// SEARCH finds messages that the client has not been told of.
    SearchSeesTheUntold,
    /// A flag change tells the modseq from before it.
    OldModSeq,
}

#[cfg(test)]
thread_local! {
    static HERE: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault into the sessions of this thread.
#[cfg(test)]
pub(crate) fn plant(fault: Option<Planted>) {
    HERE.set(fault);
}

#[cfg(test)]
pub(super) fn planted(fault: Planted) -> bool {
    HERE.get() == Some(fault)
}

#[cfg(not(test))]
pub(super) const fn planted(_: Planted) -> bool {
    false
}
