//! `risk`: the proposed size is likely enough to carry the coming week.
//!
//! Not here: where the probability comes from (`trimtab-models`), and which evidence it rests on (`evidence`, `history`).

use super::{Reason, Subject, result};
use crate::plan::{CheckName, CheckResult};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let recommendation = subject.recommendation();
    let evidence = &recommendation.evidence;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let (reason, pass) = match (subject.context.policy.evidence.max_risk, recommendation.risk) {
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
                "{} at most {}, that it is too small in the coming week",
                percent(risk),
                percent(most)
            ),
        ),
        (Some(most), Some(risk)) => (
            Some(Reason::fail(format!(
                "the risk that it is too small in the coming week is {}, above {}",
                percent(risk),
                percent(most)
            ))),
            String::new(),
        ),
    };
    result(CheckName::Risk, reason, pass)
}
