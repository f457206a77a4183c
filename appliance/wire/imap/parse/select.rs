//! SELECT and EXAMINE (RFC 9051 6.3.2, parameters of RFC 7162 3.1.8 and 3.2.5).
//!
//! ```text
//! select       = ("SELECT" / "EXAMINE") SP mailbox [SP "(" select-param *(SP select-param) ")"]
//! select-param = "CONDSTORE" / "QRESYNC" SP "(" uidvalidity SP mod-sequence-value
//!                [SP known-uids] [SP "(" known-sequence-set SP known-uid-set ")"] ")"
//! ```

use super::super::sequence::SequenceSet;
use super::super::{Command, Qresync};
use super::lexer::Lexer;
use super::{Fault, Parsed};

enum Parameter {
    Condstore,
    Qresync(Qresync),
}

pub(super) fn select(lexer: &mut Lexer, read_only: bool) -> Parsed<Command> {
    lexer.space()?;
    let mailbox = lexer.mailbox_as_given()?;
    let (mut condstore, mut qresync) = (false, None);
    if lexer.eat(b' ') {
        for given in lexer.full_list("CONDSTORE or QRESYNC", parameter)? {
            match given {
                Parameter::Condstore => condstore = true,
                Parameter::Qresync(values) => qresync = Some(values),
            }
        }
    }
    Ok(Command::Select { mailbox, read_only, condstore, qresync })
}

fn parameter(lexer: &mut Lexer) -> Parsed<Parameter> {
    let name = lexer.word("CONDSTORE or QRESYNC")?;
    match name.as_str() {
        "CONDSTORE" => Ok(Parameter::Condstore),
        "QRESYNC" => {
            lexer.space()?;
            lexer.need(b'(')?;
            let values = qresync(lexer)?;
            lexer.need(b')')?;
            Ok(Parameter::Qresync(values))
        }
        _ => Err(lexer.unknown("SELECT parameter", &name)),
    }
}

fn qresync(lexer: &mut Lexer) -> Parsed<Qresync> {
    let uidvalidity = lexer.nz_number("a UIDVALIDITY")?;
    lexer.space()?;
    let modseq = lexer.number64("a mod-sequence")?;
    // RFC 7162 7: mod-sequence-value is at least 1
    if modseq == 0 {
        return Err(Fault::bad("a mod-sequence of QRESYNC must not be 0"));
    }
    let mut qresync = Qresync { uidvalidity, modseq, known: None, matched: None };
    if !lexer.eat(b' ') {
        return Ok(qresync);
    }
    if lexer.peek() != Some(b'(') {
        qresync.known = Some(known_set(lexer)?);
        if !lexer.eat(b' ') {
            return Ok(qresync);
        }
    }
    lexer.need(b'(')?;
    let numbers = known_set(lexer)?;
    lexer.space()?;
    qresync.matched = Some((numbers, known_set(lexer)?));
    lexer.need(b')')?;
    Ok(qresync)
}

fn known_set(lexer: &mut Lexer) -> Parsed<SequenceSet> {
    let set = lexer.sequence_set()?;
    // RFC 7162 7: "*" is not allowed
    match set.without_star() {
        Some(_) => Ok(set),
        None => Err(Fault::bad("a set of known messages must not have \"*\" or \"$\"")),
    }
}
