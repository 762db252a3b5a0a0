//! Changes begin inside the window and outside the freeze, in true time: no further off than the clock may be wrong.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use trimtab_policies::record::Record;

use super::{Bounds, Invariant, View, opened};

/// Between two times at which a wrong clock is tried; windows and freezes last longer.
const STEP: SignedDuration = SignedDuration::from_mins(15);

#[derive(Debug)]
pub(super) struct Time;

impl Invariant for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let error = view.bounds.clock_error;
        let mut at = view.now.saturating_sub(error).unwrap_or(view.now);
        let last = view.now.saturating_add(error).unwrap_or(view.now);
        let mut reason = reason_closed(view.bounds, view.now);
        while reason.is_some() && at < last {
            reason = reason.filter(|_| reason_closed(view.bounds, at).is_some());
            at = at.saturating_add(STEP).unwrap_or(last);
        }
        reason
            .map(|reason| format!("{} began at {}, {reason}", change.id, view.now))
            .into_iter()
            .collect()
    }
}

fn reason_closed(bounds: &Bounds, at: Timestamp) -> Option<&'static str> {
    let hour = at.to_zoned(TimeZone::UTC).hour();
    let is_inside = bounds.window.is_none_or(|(from, until)| {
        if from < until { (from..until).contains(&hour) } else { hour >= from || hour < until }
    });
    if !is_inside {
        return Some("outside the window");
    }
    let is_frozen = bounds.freeze.is_some_and(|(from, until)| from <= at && at < until);
    is_frozen.then_some("in a freeze")
}
