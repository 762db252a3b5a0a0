//! What an approver should know of a function beyond its memory: how sure its duration is, its timeout, its concurrency.
//!
//! Advice only: a timeout is a promise to callers, and reserved concurrency often guards a database, so that nothing here is
//! ever applied. Not here: the memory size (`super`).

use super::{Basis, Choice, Trial};
use crate::metric::{Metric, Statistic};

/// Share of the timeout from which the longest run is too near to it.
const TIMEOUT_NEAR_RATIO: f64 = 0.8;

/// How many times the longest run a timeout may be before it only lengthens what a hung run costs.
const TIMEOUT_FAR_RATIO: f64 = 10.0;
/// How many times the longest run a timeout of such a function should be.
const TIMEOUT_ADVISED_RATIO: f64 = 3.0;
/// Timeouts up to this are not worth a word, seconds.
const TIMEOUT_SHORT_S: u32 = 60;
/// Lambda's longest timeout of an ordinary function, seconds.
const TIMEOUT_MAX_S: f64 = 900.0;

/// Everything worth a note.
pub(super) fn notes(trial: &Trial<'_>, choice: Choice) -> Vec<String> {
    let concurrency = [note_of_throttles(trial), note_of_provisioned(trial)];
    let all =
        [note_of_duration(trial, choice), note_of_timeout(trial)].into_iter().chain(concurrency);
    all.flatten().collect()
}

fn note_of_duration(trial: &Trial<'_>, choice: Choice) -> Option<String> {
    let size = choice.memory_mb;
    let at = trial.law.at(size);
    let (low, ms, high) = (at.low_ms, at.ms, at.high_ms);
    let now = trial.usage.mean_ms;
    match choice.basis {
        Basis::Relief => None,
        Basis::Try => Some(format!(
            "how much of a run waits for CPU is not known: {size} MB is a try, in which a mean run takes from {low:.0} to \
             {high:.0} ms in nine of ten cases, {ms:.0} in the middle, and {now:.0} ms today; what it shows settles the \
             next size"
        )),
        Basis::Measured => Some(format!(
            "by the runs seen at {} sizes a mean run takes {ms:.0} ms at {size} MB, from {low:.0} to {high:.0} ms in nine \
             of ten cases",
            trial.law.distinct()
        )),
    }
}

fn note_of_timeout(trial: &Trial<'_>) -> Option<String> {
    let timeout_s = trial.function.timeout_s;
    let longest_s = trial.usage.longest_ms / 1_000.0;
    if longest_s >= f64::from(timeout_s) * TIMEOUT_NEAR_RATIO {
        return Some(format!(
            "the longest run took {longest_s:.1} s of the {timeout_s} s that it may: consider a longer timeout"
        ));
    }
    let far = f64::from(timeout_s) > longest_s * TIMEOUT_FAR_RATIO;
    let advised = (longest_s * TIMEOUT_ADVISED_RATIO).ceil().clamp(1.0, TIMEOUT_MAX_S);
    (far && timeout_s > TIMEOUT_SHORT_S).then(|| {
        format!(
            "the longest run took {longest_s:.1} s, but a hung one is paid for {timeout_s} s: a timeout of {advised:.0} s \
             would do"
        )
    })
}

fn note_of_throttles(trial: &Trial<'_>) -> Option<String> {
    let throttles = trial.case.series(Metric::FunctionThrottles, Statistic::Sum)?;
    let count: f64 = throttles.present().map(|(_, count)| f64::from(count)).sum();
    let peak = trial.usage.concurrency_peak;
    (count > 0.0).then(|| {
        format!(
            "{count:.0} invocations were throttled, with about {peak:.0} runs at once in the busiest slot: its reserved \
             concurrency or the account's limit holds it back, which may be meant, to guard a database"
        )
    })
}

/// Provisioned concurrency is paid whether it is used or not: only what runs in every hour is a case for it.
fn note_of_provisioned(trial: &Trial<'_>) -> Option<String> {
    let floor = trial.usage.concurrency_floor.floor();
    (floor >= 1.0).then(|| {
        format!(
            "{floor:.0} runs at once were under way in every hour: provisioned concurrency up to that would always be \
             used; whether it pays hangs on its price, which the catalogue does not have"
        )
    })
}
