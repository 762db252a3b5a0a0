//! The daily digest: what waits, what was saved, what failed.
//!
//! Not here: when it is sent (`run`), and the report with all figures (`api`).

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use trimtab_config::NotifyEvent;
use trimtab_models::money::Usd;
use trimtab_policies::change::{Change, State};

use super::{notice::Notice, standing};
use crate::{agent::Agent, brief::Brief, view::RecommendationState, words};

/// Recommendations and changes that are named in each part.
const NAMED_MAX: usize = 5;
/// The furthest that a digest looks back, after time away.
const BACK_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far it looks back otherwise.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Whether a digest is due at `now`: its hour has come in its zone since the last one.
///
/// A day without that hour, in spring, has its digest in the next one.
pub(super) fn is_due(last: Timestamp, hour: i8, zone: &TimeZone, now: Timestamp) -> bool {
    let day = |at: Timestamp| {
        let local = at.to_zoned(zone.clone());
        // Before its hour the day of a digest is still the day before.
        let date = local.date();
        if local.hour() < hour { date.yesterday().unwrap_or(date) } else { date }
    };
    day(now) > day(last)
}

/// The digest of what came after `last`.
pub(super) fn digest(agent: &Agent, last: Timestamp, now: Timestamp) -> Notice {
    let since = last.max(now - BACK_MAX).min(now - DAY);
    let briefs = agent.briefs();
    let waiting: Vec<&Brief> = briefs
        .queue()
        .filter(|brief| brief.state == RecommendationState::AwaitingApproval)
        .collect();
    let changes: Vec<Change> = agent.ledger().book().changes().values().cloned().collect();
    let ended = changes
        .iter()
        .filter(|change| change.outcome.as_ref().is_some_and(|outcome| outcome.at > since));
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for change in ended {
        if change.state == State::Kept {
            kept.push(change);
        } else if went_wrong(change) {
            failed.push(change);
        }
    }
    let title = format!(
        "Trimtab's day: {} await approval, {} kept, {} went wrong",
        waiting.len(),
        kept.len(),
        failed.len()
    );
    let key = format!("daily-digest:{now}");
    let notice = Notice::new(NotifyEvent::DailyDigest, key, now, title).path("/");
    let notice = with_waiting(notice, &waiting);
    let notice = with_saved(notice, &changes, &kept);
    let notice = with_failed(notice, &failed);
    with_troubles(agent, notice)
}

fn with_waiting(notice: Notice, waiting: &[&Brief]) -> Notice {
    let saving: Usd = waiting.iter().filter_map(|brief| brief.saving).sum();
    let what = match waiting.len() {
        0 => "nothing".to_owned(),
        count => format!("{count} recommendations, {saving} a month"),
    };
    let notice = notice.detail("Waits for approval", what);
    waiting.iter().take(NAMED_MAX).fold(notice, |notice, brief| {
        let what = format!("{} of {}", brief.action, brief.name());
        notice.detail(&what, format!("saves {} a month", words::saving(brief.saving)))
    })
}

fn with_saved(notice: Notice, changes: &[Change], kept: &[&Change]) -> Notice {
    let promised: Usd = kept.iter().filter_map(|change| change.recommendation.saving).sum();
    let saved: Usd =
        changes.iter().filter_map(|change| change.realized).map(|realized| realized.saved).sum();
    notice
        .detail("Kept since the last digest", format!("{}, {promised} a month", kept.len()))
        .detail("Saved so far", format!("{saved} as measured since the changes"))
}

fn with_failed(notice: Notice, failed: &[&Change]) -> Notice {
    let notice = notice.detail("Went wrong since the last digest", failed.len().to_string());
    failed.iter().take(NAMED_MAX).fold(notice, |notice, change| {
        let recommendation = &change.recommendation;
        let name = words::name(&recommendation.resource, &recommendation.resource_id);
        let why = change.outcome.as_ref().map_or("", |outcome| outcome.reason.as_str());
        notice.detail(
            &format!("{} of {name}", recommendation.action),
            format!("{}: {why}", change.state),
        )
    })
}

fn with_troubles(agent: &Agent, mut notice: Notice) -> Notice {
    if let Some(reason) = agent.stopped() {
        notice = notice.detail("Stop switch", reason);
    }
    for open in standing::circuits(agent).into_iter().filter_map(|(_, notice)| notice) {
        notice = notice.detail("Circuit", open.title);
    }
    for receiver in agent.notifier.views() {
        let outbox = &receiver.outbox;
        if outbox.given_up > 0 || outbox.dropped > 0 {
            let what = format!(
                "{} messages given up, {} notices dropped",
                outbox.given_up, outbox.dropped
            );
            notice = notice.detail(&format!("Receiver {}", receiver.name), what);
        }
    }
    notice
}

/// Whether a change did not end well; one that wrote nothing did no harm.
fn went_wrong(change: &Change) -> bool {
    match change.state {
        State::Undone => !change.is_unwritten(),
        State::Inconclusive | State::Conflicted | State::Stuck => true,
        State::Queued | State::Executing | State::Watching | State::Kept | State::Undoing => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_due_once_a_day_at_its_hour_in_its_zone() {
        let zone = TimeZone::get("Europe/Zurich").expect("the database is bundled");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        for (last, now, expect) in [
            ("2026-03-10T07:00:00Z", "2026-03-10T07:30:00Z", false),
            ("2026-03-10T06:00:00Z", "2026-03-10T06:59:59Z", false),
            ("2026-03-10T06:00:00Z", "2026-03-10T07:00:00Z", true),
            ("2026-03-10T07:00:00Z", "2026-03-11T06:59:59Z", false),
            ("2026-03-10T07:00:00Z", "2026-03-11T07:00:00Z", true),
            ("2026-03-10T07:00:00Z", "2026-03-20T03:00:00Z", true),
            // Summer time begins on 2026-03-29: eight o'clock is an hour earlier by UTC.
            ("2026-03-28T07:00:00Z", "2026-03-29T05:59:59Z", false),
            ("2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z", true),
        ] {
            assert_eq!(is_due(at(last), 8, &zone, at(now)), expect, "{last} {now}");
        }
        let missing = |now: &str| is_due(at("2026-03-28T07:00:00Z"), 2, &zone, at(now));
        assert!(!missing("2026-03-29T00:59:59Z") && missing("2026-03-29T01:00:00Z"));
    }
}
