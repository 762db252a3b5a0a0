//! Carries a forecast that was told as evidence on to the present, hour by hour, without another fit.
//!
//! Not here: how an hour changes what is ahead (`incremental`).

use jiff::Timestamp;

use super::{Incremental, Quantiles, quiet_hours, window::DAY_H};
use crate::{recommendation::ForecastSeen, season::HOUR_S, series::Series};

/// The forecast after the whole hours of `series` that lie behind its beginning were seen; gaps are gaps.
///
/// The hours that have passed are taken to come again a week later as they were first forecast. A forecast that does not
/// tell a week stays what it is.
#[must_use]
pub fn follow(seen: &ForecastSeen, series: &Series) -> ForecastSeen {
    let from_s = seen.from.as_second();
    let mut state = Incremental::at(from_s, &seen.week);
    let mut passed = 0;
    while state.next_s() + HOUR_S <= series.end_s() {
        let hour = series.window(state.next_s(), state.next_s() + HOUR_S);
        if !state.update(&hour.values) {
            break;
        }
        passed += 1;
    }
    let mut week = state.steps();
    week.extend(&seen.week[..passed]);
    let told = Timestamp::from_second(state.next_s()).ok().zip(quiet_hours(state.next_s(), &week));
    let (Some((from, quiet_hours)), Some(week_highest)) =
        (told, week.iter().copied().reduce(Quantiles::highest))
    else {
        return seen.clone();
    };
    let day = week[..week.len().min(DAY_H)].to_vec();
    ForecastSeen { from, day, week_highest, week, quiet_hours, ..seen.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forecast::{SeriesForecast, forecast},
        metric::{Measure, Metric, Statistic},
    };

    /// Five weeks of hourly waves of a day between 20 and 60, in points of 5 minutes, with a little noise.
    fn series(hours: usize) -> Series {
        let mut state = 7_u32;
        let value = |slot: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 16) as f32 / 65_536.0 * 4.0 - 2.0;
            40.0 + 20.0 * (slot as f32 / 288.0 * std::f32::consts::TAU).sin() + noise
        };
        Series { start_s: 0, step_s: 300, values: (0..hours * 12).map(value).collect() }
    }

    fn seen(series: &Series) -> ForecastSeen {
        let measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
        let forecast = forecast(series).expect("weeks of points");
        SeriesForecast { measure, forecast }.seen().expect("times of our era")
    }

    #[test]
    fn following_hours_comes_close_to_a_full_fit() {
        let (old, new) = (series(35 * 24), series(35 * 24 + 30));
        let followed = follow(&seen(&old), &new);
        let full = seen(&new);
        assert_eq!(followed.from, full.from);
        assert_eq!(followed.week.len(), full.week.len());
        let off: f32 = followed
            .week
            .iter()
            .zip(&full.week)
            .map(|(one, other)| (one.p50 - other.p50).abs().max((one.p95 - other.p95).abs()))
            .sum::<f32>()
            / full.week.len() as f32;
        // The waves are 40 high: a mean difference below a twentieth of that.
        assert!(off < 2.0, "{off}");
        let shared = full.quiet_hours.iter().filter(|at| followed.quiet_hours.contains(at)).count();
        assert!(shared >= 18, "{shared} of 24 quiet hours are the same");
    }

    #[test]
    fn without_whole_hours_nothing_moves() {
        let old = series(35 * 24);
        let told = seen(&old);
        assert_eq!(follow(&told, &old), told);
        let part = Series { values: vec![1.0; 11], ..old };
        assert_eq!(follow(&told, &part), told);
    }

    #[test]
    fn gaps_pass_and_a_year_ends_after_the_week() {
        let old = series(35 * 24);
        let told = seen(&old);
        let mut gone = old.clone();
        gone.values.extend(vec![f32::NAN; 12 * 24 * 365]);
        let followed = follow(&told, &gone);
        assert_eq!(followed.week, told.week, "unseen hours come again as they were forecast");
        assert_eq!(followed.from.as_second() - told.from.as_second(), 168 * HOUR_S);
    }
}
