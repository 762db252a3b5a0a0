//! `material`: the change is large enough and saves enough to be worth the risk of any change.
//!
//! Not here: whether the prices behind the saving can be trusted (`price`).

use super::{Reason, Subject, result};
use crate::plan::{CheckName, CheckResult};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let reasons = [reason_nothing(subject), reason_small(subject), reason_cheap(subject)];
    let pass = match subject.recommendation().saving {
        Some(saving) => format!("{saving} a month"),
        None => "the change relieves a saturated resource".to_owned(),
    };
    result(CheckName::Material, reasons.into_iter().flatten(), pass)
}

fn reason_nothing(subject: &Subject<'_>) -> Option<Reason> {
    let recommendation = subject.recommendation();
    (recommendation.expected == recommendation.desired)
        .then(|| Reason::fail("what is desired is what is there already"))
}

fn reason_small(subject: &Subject<'_>) -> Option<Reason> {
    let recommendation = subject.recommendation();
    let least = subject.context.policy.evidence.min_change_ratio;
    let capacity_change = (recommendation.evidence.capacity_ratio - 1.0).abs();
    let cost_change = match (recommendation.saving, recommendation.cost_today) {
        (Some(saving), Some(cost)) if cost.is_positive() => saving.dollars().abs() / cost.dollars(),
        (Some(_) | None, Some(_) | None) => 0.0,
    };
    // Written so that a figure that is not a number is no change at all.
    let large = capacity_change > least || cost_change > least;
    (!large).then(|| {
        Reason::fail(format!(
            "capacity changes by {:.1} % and cost by {:.1} %, neither more than {:.0} %",
            capacity_change * 100.0,
            cost_change * 100.0,
            least * 100.0
        ))
    })
}

/// A saturated resource is worth relieving at any cost; everything else must pay.
fn reason_cheap(subject: &Subject<'_>) -> Option<Reason> {
    if is_relief(subject) {
        return None;
    }
    let least = subject.context.policy.evidence.min_saving;
    match subject.recommendation().saving {
        None => Some(Reason::fail("the saving is not known")),
        Some(saving) => (saving < least)
            .then(|| Reason::fail(format!("saves {saving} a month, less than {least}"))),
    }
}

/// Whether demand exceeds today's capacity somewhere, and nothing gets smaller.
fn is_relief(subject: &Subject<'_>) -> bool {
    let evidence = &subject.recommendation().evidence;
    !evidence.lowers_performance
        && evidence.dimensions.iter().any(|dimension| {
            dimension.demand > dimension.capacity_today
                && dimension.capacity_proposed > dimension.capacity_today
        })
}
