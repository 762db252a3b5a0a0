//! `blast_radius`: not too much changes at once in the group, the hour and the account.
//!
//! Not here: how the budgets are counted (`budget`).

use super::{Reason, Subject, result};
use crate::{
    budget::Room,
    plan::{CheckName, CheckResult},
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let reference = &subject.recommendation().resource;
    let ledger = subject.ledger;
    let rooms = [
        ledger.room_in_group(reference, subject.group, subject.action()),
        ledger.room_in_hour(reference, subject.action()),
        ledger.room_in_flight(reference, subject.action()),
    ];
    let reasons = rooms.into_iter().filter_map(reason_taken);
    result(CheckName::BlastRadius, reasons, "every budget has room")
}

fn reason_taken(room: Room) -> Option<Reason> {
    match room {
        Room::Free => None,
        Room::Taken { until, reason } => Some(Reason::wait(until, reason)),
    }
}
