//! What is told because it is so now: recommendations that wait or need another approver, approvals that run out, open circuits, machines that stay
//! off, a full disk, a stop switch set by hand.
//!
//! Each has a key; a receiver is told when a key is there that was not, and never again while it stays. Not here: what the
//! journal says (`happened`).

use jiff::{SignedDuration, Timestamp};
use trimtab_config::NotifyEvent;
use trimtab_policies::{
    approval::{Decision, Verdict, expires_at},
    circuit::open_circuits,
    exception::Proposed,
};

use super::{happened::of_change, notice::Notice};
use crate::{
    agent::Agent,
    brief::{Brief, Briefs},
    disk::require_room,
    told::standing_of,
    view::RecommendationState,
    words,
};

/// An approval that runs out so soon is told.
const EXPIRING: SignedDuration = SignedDuration::from_hours(24);

/// What is so now, with its key, what matters most first; `None` where it only must not be told again.
pub(super) type Standing = Vec<(String, Option<Notice>)>;

/// Recommendations that wait for an approver. One that was told stays told as long as it is known at all, whatever becomes
/// of it: what waits, is held by a window and waits again is no news.
///
/// `told` says how many of so many receivers know a key.
pub(super) fn waiting(briefs: &Briefs, told: impl Fn(&str) -> usize, receivers: usize) -> Standing {
    let standing = briefs.queue().filter_map(|brief| {
        let key = format!("awaiting-approval:{}", brief.id);
        let told = told(&key);
        let is_asked = brief.state == RecommendationState::AwaitingApproval;
        if is_asked && told < receivers {
            return Some((key.clone(), Some(of_brief(brief, key))));
        }
        (told > 0).then_some((key, None))
    });
    standing.collect()
}

fn of_brief(brief: &Brief, key: String) -> Notice {
    let title = format!("{} of {} awaits approval", brief.action, brief.name());
    Notice::new(NotifyEvent::AwaitingApproval, key, brief.confirmed_at, title)
        .detail("Change", format!("{} → {}", brief.from_to.0, brief.from_to.1))
        .detail("Saving a month", words::saving(brief.saving))
        .detail("Risk", brief.risk_told.clone())
        .detail("Disruption", brief.disruption.to_string())
        .detail("Resource", brief.resource.arn.0.clone())
        .path(format!("/recommendations/{}", brief.id))
}

/// Recommendations that somebody approved and that need somebody else, too; each further yes is told anew.
pub(super) fn lacking(briefs: &Briefs, now: Timestamp) -> Standing {
    let standing = briefs.queue().filter_map(|brief| {
        let lacks = brief.lacks.as_ref()?;
        let key = format!("needs-another-approver:{}:{lacks}", brief.id);
        let title = format!("{} of {} needs another approver", brief.action, brief.name());
        let notice = Notice::new(NotifyEvent::NeedsAnotherApprover, key.clone(), now, title)
            .detail("Approvals", lacks.clone())
            .detail("Change", format!("{} → {}", brief.from_to.0, brief.from_to.1))
            .detail("Saving a month", words::saving(brief.saving))
            .path(format!("/recommendations/{}", brief.id));
        Some((key, Some(notice)))
    });
    standing.collect()
}

/// Approvals that run out within a day and have come to nothing.
pub(super) fn expiring(agent: &Agent, briefs: &Briefs, now: Timestamp) -> Standing {
    let settings = agent.settings();
    let approvals = &settings.policy.approvals;
    let approved = briefs.queue().filter(|brief| brief.state == RecommendationState::Approved);
    let soon: Vec<&Brief> = {
        let ledger = agent.ledger();
        let is_soon = |decision: &Decision| {
            let left = expires_at(decision, approvals).duration_since(now);
            decision.verdict == Verdict::Approved && left <= EXPIRING
        };
        approved.filter(|brief| ledger.book().said(&brief.digest).iter().any(is_soon)).collect()
    };
    let inventory = agent.inventory();
    let entries = soon.into_iter().filter_map(|brief| {
        // The store is free again before the next one is read.
        let kept = agent.store().recommendation(&brief.id);
        let kept = kept.inspect_err(|error| {
            tracing::warn!(id = brief.id, %error, "an approval's end cannot be told");
        });
        Some((brief, kept.ok()??.entry))
    });
    let entries: Vec<_> = entries.collect();
    let ledger = agent.ledger();
    let standing = entries.iter().filter_map(|(brief, entry)| {
        let said = standing_of(ledger.book(), approvals, Proposed::entry(entry, &inventory), now);
        let until = said.ends_at()?;
        if now >= until || until.duration_since(now) > EXPIRING {
            return None;
        }
        let key = format!("approval-expiring:{}:{until}", brief.id);
        let title = format!("The approval of {} of {} runs out", brief.action, brief.name());
        let notice = Notice::new(NotifyEvent::ApprovalExpiring, key.clone(), now, title)
            .detail("Runs out", words::time(until))
            .detail("Approved by", said.names().join(", "))
            .detail("Held by", held(brief))
            .path(format!("/recommendations/{}", brief.id));
        Some((key, Some(notice)))
    });
    standing.collect()
}

fn held(brief: &Brief) -> String {
    let reasons = brief.held.iter().map(|result| result.reason.clone());
    let text = reasons.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "nothing but its time".to_owned() } else { text }
}

/// Open circuits, one for each time that one opened.
pub(super) fn circuits(agent: &Agent) -> Standing {
    let settings = agent.settings();
    let ledger = agent.ledger();
    let book = ledger.book();
    let open = open_circuits(book.changes(), book.resets(), &settings.policy.autonomy);
    let standing = open.into_iter().map(|trip| {
        let key = format!("circuit-opened:{}:{}", trip.scope, trip.since);
        let title = format!("The circuit {} is open: at most {} there", trip.scope, trip.mode);
        let notice = Notice::new(NotifyEvent::CircuitOpened, key.clone(), trip.since, title)
            .detail("Changes", trip.changes.join(", "))
            .detail("Closed by", format!("trimtab circuit reset {}", trip.scope))
            .path("/changes");
        (key, Some(notice))
    });
    standing.collect()
}

/// Machines that a change stopped and that stay off for longer than any resize takes.
pub(super) fn machines_off(agent: &Agent, now: Timestamp) -> Standing {
    let ledger = agent.ledger();
    let changes = ledger.book().changes().values();
    let standing = changes.filter(|change| change.is_off_too_long(now)).filter_map(|change| {
        let since = change.off_since()?;
        let key = format!("machine-off:{}:{since}", change.id);
        let verb = "Stays off, its start is tried on";
        let notice = of_change(NotifyEvent::MachineOff, verb, key.clone(), now, change);
        let error = change.direction().iter().rev().find_map(|progress| progress.error.clone());
        let error = error.unwrap_or_else(|| "none".to_owned());
        let notice = notice.detail("Off since", words::time(since)).detail("Last error", error);
        Some((key, Some(notice)))
    });
    standing.collect()
}

/// What began to be so at a time that only this process knows.
#[derive(Debug, Default)]
pub(super) struct Onsets {
    disk: Option<Timestamp>,
    stop: Option<Timestamp>,
}

impl Onsets {
    /// A disk that is nearly full, and a stop switch that somebody set without the daemon.
    pub(super) fn look(&mut self, agent: &Agent, now: Timestamp) -> Standing {
        let floor = agent.settings().store.min_free_bytes;
        let full = require_room(agent.state_dir(), floor).err().map(|error| error.to_string());
        let known = agent.ledger().book().stopped().is_some();
        let by_hand = agent.stopped().filter(|_| !known);
        let disk = told(&mut self.disk, full, now, |reason, key, at| {
            let title = "The disk is nearly full: no cycle runs and no change begins";
            Notice::new(NotifyEvent::DiskFull, key, at, title).detail("Reason", reason).path("/")
        });
        let stop = told(&mut self.stop, by_hand, now, |reason, key, at| {
            let title = "The stop switch was set without the daemon: no change begins";
            Notice::new(NotifyEvent::StopSet, key, at, title).detail("Reason", reason).path("/")
        });
        disk.into_iter().chain(stop).map(|(key, notice)| (key, Some(notice))).collect()
    }
}

fn told(
    onset: &mut Option<Timestamp>,
    reason: Option<String>,
    now: Timestamp,
    notice: impl Fn(String, String, Timestamp) -> Notice,
) -> Option<(String, Notice)> {
    let Some(reason) = reason else {
        *onset = None;
        return None;
    };
    let at = *onset.get_or_insert(now);
    let made = notice(reason, String::new(), at);
    // What is so has no time, because only this process knows when it began to look; what is told has one, because it may
    // begin anew.
    let (standing, key) = (made.event.to_string(), format!("{}:{at}", made.event));
    Some((standing, Notice { key, ..made }))
}
