//! Metrics that are not what they should be.

use trimtab_simulations::fault::Distortion;

use crate::ports::{Fetched, SeriesQuery};

/// A day, seconds.
const DAY_S: i64 = 86_400;
/// A gap begins so long before the end of what was asked for, and lasts so long: 8 of 28 days are more than the tenth
/// that may be missing, and neither end shows it.
const GAP_S: (i64, i64) = (16 * DAY_S, 8 * DAY_S);

/// What a hung publisher says for ever, in whatever unit: little, so that it asks to be made smaller.
const FLAT: f32 = 7.0;

/// Makes an answer wrong; `now_s` is the true time, seconds since the epoch.
pub(super) fn distort(
    answer: Fetched,
    query: &SeriesQuery,
    how: Distortion,
    now_s: i64,
) -> Fetched {
    let mut series = match answer {
        Fetched::Complete(series) | Fetched::Partial(series) => series,
        Fetched::Failed(error) => return Fetched::Failed(error),
    };
    if how == Distortion::Failed {
        return Fetched::Failed("InternalServiceFault: the query failed".to_owned());
    }
    let step = i64::from(query.step_s);
    for (slot, value) in (0_i64..).zip(series.values.iter_mut()) {
        if value.is_nan() {
            continue;
        }
        let age_s = now_s - (series.start_s + slot * step);
        *value = match how {
            Distortion::Missing | Distortion::Failed => f32::NAN,
            Distortion::Zero => 0.0,
            Distortion::Flat => FLAT,
            Distortion::Late if age_s < DAY_S => f32::NAN,
            Distortion::NotANumber if slot % 2 == 0 => f32::INFINITY,
            Distortion::NotANumber => f32::NAN,
            Distortion::Gap if (GAP_S.0 - GAP_S.1..GAP_S.0).contains(&age_s) => f32::NAN,
            Distortion::Late | Distortion::Gap => *value,
        };
    }
    Fetched::Complete(series)
}
