//! `history`: the look-back is long enough for the direction of the change, and each season was seen twice.
//!
//! Not here: whether its points are fresh and complete (`evidence`).

use trimtab_models::recommendation::{Action, SeriesEvidence};

use super::{Reason, Subject, evidence::rests_on_none, is_below, result};
use crate::plan::{CheckName, CheckResult};

/// Two turns of the week, the shortest look-back on which anything is lowered, days.
const TWO_WEEKS_DAYS: f64 = 14.0;
/// How often a season must have been seen, so that it is not taken from one incident.
const MIN_TIMES_SEEN: u32 = 2;
const SECONDS_PER_DAY: f64 = 86_400.0;

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    if rests_on_none(subject.recommendation()) {
        return result(
            CheckName::History,
            None,
            "it keeps every limit, so that it rests on no history",
        );
    }
    let days = subject.recommendation().evidence.days_seen;
    let reasons =
        [reason_short(subject), reason_short_for_decrease(subject), reason_season(subject)];
    let pass = format!("{days:.1} days were seen");
    result(CheckName::History, reasons.into_iter().flatten(), pass)
}

fn reason_short(subject: &Subject<'_>) -> Option<Reason> {
    let days = subject.recommendation().evidence.days_seen;
    let least = subject.context.policy.evidence.min_days;
    is_below(days, least)
        .then(|| Reason::fail(format!("{days:.1} days were seen, less than {least}")))
}

fn reason_short_for_decrease(subject: &Subject<'_>) -> Option<Reason> {
    let evidence = &subject.recommendation().evidence;
    let lowers = evidence.lowers_performance || subject.action() == Action::StopIdleInstance;
    let least = subject.context.policy.evidence.min_days_decrease;
    let long = !is_below(evidence.days_seen, least);
    let two_weeks = !is_below(evidence.days_seen, TWO_WEEKS_DAYS) && is_full(subject);
    (lowers && !long && !two_weeks).then(|| {
        Reason::fail(format!(
            "to lower performance {least} days or two full weeks must be seen, not {:.1} days",
            evidence.days_seen
        ))
    })
}

/// Whether every decisive series holds two whole weeks of points, up to the gaps that coverage allows.
///
/// Coverage counts the running time alone: a machine that runs on weekdays only has no full week.
fn is_full(subject: &Subject<'_>) -> bool {
    let share = subject.context.policy.evidence.min_coverage_ratio;
    let full = |series: &SeriesEvidence| {
        let days = series.points as f64 * f64::from(series.step_s) / SECONDS_PER_DAY;
        !is_below(days, TWO_WEEKS_DAYS * share)
    };
    let series = &subject.recommendation().evidence.series;
    series.iter().filter(|series| series.decisive).all(full)
}

fn reason_season(subject: &Subject<'_>) -> Option<Reason> {
    let seasons = &subject.recommendation().evidence.seasons;
    let once = seasons.iter().find(|season| season.times_seen < MIN_TIMES_SEEN)?;
    Some(Reason::fail(format!(
        "the season of {} h was seen {} times, less than {MIN_TIMES_SEEN}",
        once.period_h, once.times_seen
    )))
}
