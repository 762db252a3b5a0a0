//! The forecast against the plain ones on recorded CPU of real machines (folder `TRIMTAB_DATA`); without that folder the
//! seeded series of the other tests must do.

use std::{env, fs, path::Path};

use super::*;

/// The last days that are forecast from the two weeks before them.
const ORIGINS: usize = 2;
/// The least mean change in a day of a machine that is judged, in percent: the others hardly move.
const MOVES_MIN: f32 = 0.05;

/// CPU in percent, one machine after the other; NaN where a sample is missing.
#[expect(
    clippy::disallowed_methods,
    reason = "where recorded series lie is the test's own environment"
)]
fn machines() -> Option<Vec<Vec<f32>>> {
    let path = Path::new(&env::var_os("TRIMTAB_DATA")?).join("bitbrains_rnd/cpu_pct_2013-08.csv");
    let text = fs::read_to_string(path).expect("TRIMTAB_DATA holds the recorded machines");
    let mut lines = text.lines();
    let columns = lines.next().expect("the file has a header").split(',').count() - 1;
    let mut machines = vec![Vec::new(); columns];
    for line in lines {
        for (machine, cell) in machines.iter_mut().zip(line.split(',').skip(1)) {
            machine.push(cell.parse().unwrap_or(f32::NAN));
        }
    }
    Some(machines)
}

/// The mean pinball loss at 0.1, 0.5, 0.9, 0.95 and 0.99 of one day.
fn loss(actual: &[f32], at: impl Fn(usize) -> [f32; 5]) -> f32 {
    let of_slot = |(slot, value): (usize, &f32)| -> f32 {
        let pairs = at(slot).into_iter().zip(LEVELS);
        pairs
            .map(|(quantile, level)| {
                let (above, level) = (value - quantile, level as f32);
                (level * above).max((level - 1.0) * above)
            })
            .sum()
    };
    let present = actual.iter().enumerate().filter(|(_, value)| !value.is_nan());
    let (sum, count) =
        present.fold((0.0, 0_u16), |(sum, count), slot| (sum + of_slot(slot), count + 1));
    sum / (5.0 * f32::from(count.max(1)))
}

#[test]
fn real_machines_are_forecast_better_than_by_their_last_day() {
    let Some(machines) = machines() else { return };
    let (mut own, mut plain, mut covered, mut count) = (0.0_f32, 0.0_f32, 0_usize, 0_usize);
    for machine in &machines {
        for origin in (1..=ORIGINS).map(|days| machine.len() - days * DAY) {
            let known = &machine[origin - 14 * DAY..origin];
            let moves = known[DAY..].iter().zip(known).map(|(late, early)| (late - early).abs());
            let scale = moves.filter(|move_| !move_.is_nan()).sum::<f32>() / (13 * DAY) as f32;
            if scale < MOVES_MIN {
                continue;
            }
            let actual = &machine[origin..origin + DAY];
            let series = Series { start_s: START_S, step_s: 300, values: known.to_vec() };
            let found = slot_quantiles(&series, DAY).expect("two weeks are enough");
            let last = rows::spread_of(known[13 * DAY..].iter().copied());
            let [_, p10, p50, p90, p95, _, p99] = last.expect("the last day has points");
            own += loss(actual, |slot| {
                let SlotQuantiles { q10, q50, q90, q95, q99, .. } = found[slot];
                [q10, q50, q90, q95, q99]
            }) / scale;
            plain += loss(actual, |_| [p10, p50, p90, p95, p99]) / scale;
            covered += found.iter().zip(actual).filter(|(row, value)| **value <= row.q95).count();
            count += actual.iter().filter(|value| !value.is_nan()).count();
        }
    }
    assert!(own < 0.85 * plain, "{own} against {plain}");
    let covered = covered as f64 / count as f64;
    assert!((0.93..=0.98).contains(&covered), "{covered} lie at or below the 0.95 quantile");
}
