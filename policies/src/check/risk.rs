//! `risk`: the proposed size is likely enough to carry the coming week, by its model and by the outcomes of changes like it.
//!
//! The model's risk r counts as ten outcomes: with f failures among n known ones it becomes (10 r + f) / (10 + n), and while n
//! is below 20 it never becomes less than r. Where that is more than r it withholds nothing here, but autopilot leaves the
//! change to a person (`crate::autonomy`).
//! Not here: where the probability comes from (`trimtab-models`), and which evidence it rests on (`evidence`, `history`).

use super::{Reason, Subject, result};
use crate::plan::{CheckName, CheckResult};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let recommendation = subject.recommendation();
    let evidence = &recommendation.evidence;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let trust = subject.trust;
    let sharpened = recommendation.risk.map(|stated| (stated, trust.sharpened(stated)));
    let learned = sharpened.map(|(stated, learned)| learned.min(stated));
    let outcomes = sharpened.filter(|_| trust.outcomes > 0).map_or_else(String::new, |(stated, learned)| {
        let (stated, learned) = (percent(stated), percent(learned));
        let (failures, outcomes) = (trust.failures, trust.outcomes);
        format!(" ({stated} by its model, {learned} by {failures} failures of {outcomes} changes like it)")
    });
    let (reason, pass) = match (subject.context.policy.evidence.max_risk, learned) {
        _ if !evidence.lowers_performance => (
            None,
            "nothing gets smaller, so that nothing becomes more likely to be too small".to_owned(),
        ),
        (None, _) => (None, "sized by a quantile: no risk is weighed".to_owned()),
        (Some(_), None) => (
            Some(Reason::fail("the risk that it is too small in the coming week is not known")),
            String::new(),
        ),
        // Written so that a figure that is not a number is too high.
        (Some(most), Some(risk)) if risk <= most => (
            None,
            format!(
                "{} at most {}, that it is too small in the coming week{outcomes}",
                percent(risk),
                percent(most)
            ),
        ),
        (Some(most), Some(risk)) => (
            Some(Reason::fail(format!(
                "the risk that it is too small in the coming week is {}, above {}{outcomes}",
                percent(risk),
                percent(most)
            ))),
            String::new(),
        ),
    };
    result(CheckName::Risk, reason, pass)
}
