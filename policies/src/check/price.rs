//! `price`: the prices behind the saving are known, and listed where nobody looks at them first.
//!
//! Not here: whether the saving is large enough (`material`).

use trimtab_models::recommendation::PriceBasis;

use super::{Reason, Subject, result};
use crate::{
    mode::Mode,
    plan::{CheckName, CheckResult},
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let recommendation = subject.recommendation();
    let priced = recommendation.saving.is_some() && recommendation.cost_today.is_some();
    let basis = recommendation.price_basis.filter(|_| priced);
    let (reason, pass) = match (basis, subject.mode) {
        (None, _) => {
            let region = &recommendation.resource.region;
            let text = format!("there is no price for it in {region}");
            (Some(Reason::fail(text)), "")
        }
        (Some(PriceBasis::List), _) => (None, "listed prices"),
        (Some(PriceBasis::Estimated), Mode::Autopilot) => {
            let text = "its price is estimated: that is never acted on automatically";
            (Some(Reason::fail(text)), "")
        }
        (Some(PriceBasis::Estimated), Mode::Datapilot | Mode::Copilot) => {
            (None, "its price is estimated: a person decides")
        }
    };
    result(CheckName::Price, reason, pass)
}
