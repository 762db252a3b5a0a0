//! Forecasts carried on to the present from the stored series, for the watch and the charts.
//!
//! Not here: how an hour moves a forecast (`trimtab_models::forecast::follow`), and full fits (`recommend`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    counterfactual::Counterfactual,
    forecast::{Quantiles, follow},
    recommendation::{ForecastSeen, Recommendation},
};
use trimtab_policies::change::Change;

use crate::{agent::Agent, observe::stored_measures};

const HOUR_S: i64 = 3_600;

/// One hour of a band, in percent of the capacity after the change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BandHour {
    /// Its beginning.
    pub at: Timestamp,
    /// What would have been.
    #[serde(flatten)]
    pub would: Quantiles,
}

/// The forecast of a recommendation with every whole hour that has been collected since; as it is where none has.
#[must_use]
pub fn forecast_now(agent: &Agent, recommendation: &Recommendation) -> Option<ForecastSeen> {
    let seen = recommendation.evidence.forecast.as_ref()?;
    let inventory = agent.inventory();
    let resource = inventory.get(&recommendation.resource.arn);
    let span = (seen.from.as_second(), agent.collecting().end_s(agent.ports().clock.now()));
    let series = resource.filter(|_| span.0 < span.1).and_then(|resource| {
        let once = std::iter::once(seen.measure);
        stored_measures(resource, once, span, &agent.series).ok()?.remove(&seen.measure)
    });
    Some(series.map_or_else(|| seen.clone(), |series| follow(seen, &series)))
}

/// What would have been without the change, from its last step up to `now`; empty where it is not known.
#[must_use]
pub fn band(change: &Change, now: Timestamp) -> Vec<BandHour> {
    let (Some(would), Some(applied_at)) =
        (Counterfactual::of(&change.recommendation), change.applied_at)
    else {
        return Vec::new();
    };
    /// Hours that are told: those of the longest watch.
    const HOURS_MAX: i64 = 8 * 24;
    let first_s = applied_at.as_second().div_euclid(HOUR_S) * HOUR_S;
    (0..HOURS_MAX)
        .map(|hour| first_s + hour * HOUR_S)
        .take_while(|at| *at <= now.as_second())
        .filter_map(|at| {
            Some(BandHour { at: Timestamp::from_second(at).ok()?, would: would.at(at)? })
        })
        .collect()
}
