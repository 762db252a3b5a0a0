//! `evidence`: every series that the decision rests on is present, fresh, covered and not zero by absence.
//!
//! Not here: how long the look-back is (`history`).

mod sound;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    recommendation::{Action, Recommendation, SeriesEvidence},
    resource::Kind,
};

use super::{Reason, Subject, is_below, result};
use crate::{
    facts::Facts,
    plan::{CheckName, CheckResult, Moment},
    window::days_between,
};

/// CloudWatch may publish a point this late ("not fully converged"), so a newest point may be this much older.
const PUBLICATION_DELAY_S: i64 = 600;
/// The newest slot may just have begun, and the one before it not be published yet.
const PERIODS: i64 = 2;

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let reasons = if subject.action() == Action::DeleteUnattachedVolume {
        reason_detached(subject).into_iter().collect()
    } else if rests_on_none(subject.recommendation()) {
        Vec::new()
    } else {
        let mut reasons = reasons_of_series(subject);
        reasons.extend(sound::reasons(subject));
        reasons
    };
    result(CheckName::Evidence, reasons, passing(subject))
}

fn passing(subject: &Subject<'_>) -> String {
    if subject.action() == Action::DeleteUnattachedVolume {
        return "the volume was seen detached all the time".to_owned();
    }
    if rests_on_none(subject.recommendation()) {
        return "it keeps every limit, so that it rests on no series".to_owned();
    }
    let count = decisive(subject).count();
    format!("{count} decisive series are present, fresh and covered")
}

/// Whether a change is right whatever the use: it keeps every limit of today, and no use was looked at.
pub(super) fn rests_on_none(recommendation: &Recommendation) -> bool {
    let evidence = &recommendation.evidence;
    evidence.keeps_every_limit && !evidence.series.iter().any(|series| series.decisive)
}

fn decisive<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a SeriesEvidence> {
    let series = &subject.recommendation().evidence.series;
    series.iter().filter(|series| series.decisive)
}

fn reasons_of_series(subject: &Subject<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if decisive(subject).next().is_none() {
        reasons.push(Reason::fail("no series was decisive"));
    }
    for series in decisive(subject) {
        reasons.extend(reason_absent(series));
        reasons.extend(reason_uncovered(subject, series));
        reasons.extend(reason_flat_zero(subject, series));
        reasons.extend(reason_stale(subject, series));
    }
    if subject.recommendation().resource.kind == Kind::Function {
        reasons.extend(reason_few_invocations(subject));
    }
    reasons
}

fn reason_absent(series: &SeriesEvidence) -> Option<Reason> {
    let measure = series.measure;
    if series.points == 0 {
        return Some(Reason::fail(format!("{measure} has no points")));
    }
    let figures = [series.p50, series.p95, series.p99_5, series.max];
    figures
        .iter()
        .flatten()
        .any(|figure| figure.is_nan())
        .then(|| Reason::fail(format!("{measure} holds values that are not numbers")))
}

fn is_uncovered(subject: &Subject<'_>, series: &SeriesEvidence) -> bool {
    is_below(series.coverage_ratio, subject.context.policy.evidence.min_coverage_ratio)
}

fn reason_uncovered(subject: &Subject<'_>, series: &SeriesEvidence) -> Option<Reason> {
    let least = subject.context.policy.evidence.min_coverage_ratio;
    is_uncovered(subject, series).then(|| {
        Reason::fail(format!(
            "{} covers {:.1} % of the running time, less than {:.0} %",
            series.measure,
            series.coverage_ratio * 100.0,
            least * 100.0
        ))
    })
}

/// Flat zero may be the absence of a publisher; another decisive series that moves shows that there is one.
fn reason_flat_zero(subject: &Subject<'_>, series: &SeriesEvidence) -> Option<Reason> {
    let vouched = decisive(subject).any(|other| other.points > 0 && !other.flat_zero);
    (series.flat_zero && !vouched)
        .then(|| Reason::fail(format!("{} is flat at zero, which may be absence", series.measure)))
}

fn reason_stale(subject: &Subject<'_>, series: &SeriesEvidence) -> Option<Reason> {
    let measure = series.measure;
    let period_s = i64::from(series.step_s);
    let margin_s = PERIODS * period_s + PUBLICATION_DELAY_S;
    let interval_s = i64::from(subject.context.policy.evidence.collection_interval_s);
    let (newest, limit_s) = match subject.context.moment {
        Moment::Proposal => (series.newest_at, margin_s + interval_s),
        // Newer points may have been fetched since the last collection.
        Moment::Approval => {
            let fetched = subject.facts().newest_points.as_ref();
            let key = Facts::point_key(measure);
            let fetched = fetched.and_then(|fact| fact.value.get(&key).copied().flatten());
            (series.newest_at.max(fetched), margin_s + interval_s)
        }
        Moment::FirstWrite => {
            match subject.fact(&subject.facts().newest_points, "the newest points") {
                Ok(points) => {
                    let newest = points.get(&Facts::point_key(measure)).copied().flatten();
                    (newest, margin_s)
                }
                Err(reason) => return Some(reason),
            }
        }
    };
    let Some(newest) = newest else {
        return Some(Reason::fail(format!("{measure} has no newest point")));
    };
    reason_of_age(newest, subject.now(), limit_s, period_s)
        .map(|text| Reason::fail(format!("{measure}: {text}")))
}

fn reason_of_age(newest: Timestamp, now: Timestamp, limit_s: i64, period_s: i64) -> Option<String> {
    let age = now.duration_since(newest);
    if age > SignedDuration::from_secs(limit_s) {
        let (minutes, limit) = (age.as_mins(), limit_s / 60);
        return Some(format!("the newest point is {minutes} min old, more than {limit}"));
    }
    (age < SignedDuration::from_secs(-period_s))
        .then(|| format!("the newest point is at {newest}, in the future: compare the clocks"))
}

fn reason_few_invocations(subject: &Subject<'_>) -> Option<Reason> {
    let evidence = &subject.recommendation().evidence;
    let rules = &subject.context.policy.evidence;
    let (Some(invocations), Some(days)) = (evidence.invocations, evidence.invocation_days) else {
        return Some(Reason::fail("the number of invocations is not known"));
    };
    let enough = invocations >= rules.min_invocations && days >= rules.min_invocation_days;
    (!enough).then(|| {
        Reason::fail(format!(
            "{invocations} invocations on {days} days, less than {} on {}",
            rules.min_invocations, rules.min_invocation_days
        ))
    })
}

/// A deletion rests on our own sight of the volume, not on metrics: an unattached volume publishes none.
fn reason_detached(subject: &Subject<'_>) -> Option<Reason> {
    let least = subject.context.policy.limits.unattached_days;
    let since = subject.known().and_then(|resource| resource.volume()?.detached_since);
    let Some(since) = since else {
        return Some(Reason::fail("the volume was not seen detached by us"));
    };
    let days = days_between(since, subject.now());
    is_below(days, least)
        .then(|| Reason::fail(format!("seen detached for {days:.1} days, less than {least}")))
}
