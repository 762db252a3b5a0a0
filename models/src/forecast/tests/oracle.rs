//! The forecast against a second implementation: the same definitions, slot by slot in double precision, with nothing sorted
//! once, summed side by side or kept between days.
//!
//! It reads the constants from their published places as figures of its own, so that a changed constant fails here too. Not
//! here: shifts of level, changed clocks and month ends, which the series of these tests do not have (each asserts so), and
//! the elastic net's solver, whose objective is minimized here by plain coordinate descent.

use std::f64::consts::TAU;

use super::{DAY, START_S, noise};
use crate::{
    forecast::{Forecast, SlotQuantiles, forecast, slot_quantiles},
    series::Series,
};

const LEVELS: [f64; 7] = [0.025, 0.10, 0.50, 0.90, 0.95, 0.975, 0.99];
/// Where the parts of the day ahead begin and end, hours.
const EDGES_H: [usize; 7] = [0, 1, 3, 6, 12, 18, 24];
type Spread = [f64; 7];
/// What a member forecasts, slot by slot.
type Rows = Option<Vec<Spread>>;

/// Type 7 of Hyndman and Fan, by sorting; `None` without numbers.
fn quantile(numbers: &[f64], q: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|one| !one.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = q * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

fn spread(numbers: &[f64]) -> Option<Spread> {
    let mut found = [0.0; 7];
    for (value, level) in found.iter_mut().zip(LEVELS) {
        *value = quantile(numbers, level)?;
    }
    Some(found)
}

fn around(middle: &[f64], spread: &Spread) -> Vec<Spread> {
    middle.iter().map(|middle| spread.map(|add| middle + add)).collect()
}

/// A series of whole hours, and what the waves of its last fit say of each hour of a week.
struct Oracle {
    values: Vec<f64>,
    per_hour: usize,
    /// The first slot's slot of the day.
    first: usize,
    seasons: Vec<usize>,
    waves: Option<Vec<f64>>,
}

impl Oracle {
    fn of(series: &Series) -> Self {
        let per_hour = 3_600 / series.step_s as usize;
        let values: Vec<f64> = series.values.iter().map(|value| f64::from(*value)).collect();
        let first = (series.start_s.rem_euclid(86_400) / i64::from(series.step_s)) as usize;
        assert_eq!(values.len() % per_hour, 0, "whole hours");
        let mut oracle = Self { values, per_hour, first, seasons: Vec::new(), waves: None };
        let means = oracle.hourly_means();
        let tested = [(12, 6), (24, 12), (168, 144)];
        let found = tested.iter().filter(|(period, rival)| stands_out(&means, *period, *rival));
        oracle.seasons = found.map(|(period, _)| *period).collect();
        oracle
    }

    fn day(&self) -> usize {
        24 * self.per_hour
    }

    fn hourly_means(&self) -> Vec<f64> {
        self.values.chunks(self.per_hour).map(mean).collect()
    }

    /// `values[slot] - values[slot - lag]` for the slots before `until`.
    fn differences(&self, lag: usize, from: usize, until: usize) -> Vec<f64> {
        (from.max(lag)..until).map(|slot| self.values[slot] - self.values[slot - lag]).collect()
    }

    fn members(&self, until: usize, ahead: usize) -> [Rows; 7] {
        let recent = |hours: usize| {
            let from = until.saturating_sub(hours * self.per_hour);
            Some(vec![spread(&self.values[from..until])?; ahead])
        };
        let week_seen = until >= 192 * self.per_hour;
        [
            recent(2),
            recent(24),
            recent(usize::MAX / self.per_hour),
            self.yesterday(until, ahead),
            if week_seen { self.last_week(until, ahead) } else { None },
            self.time_of_day(until, ahead),
            self.wavy(until, ahead),
        ]
    }

    fn yesterday(&self, until: usize, ahead: usize) -> Rows {
        let day = self.day();
        let mut middle = self.same_slot(until, day, ahead)?;
        let last = self.differences(day, until.saturating_sub(2 * self.per_hour), until);
        let offset = quantile(&last, 0.5).unwrap_or(0.0);
        for (slot, value) in middle.iter_mut().enumerate() {
            *value += offset * (-((slot + 1) as f64) / (3 * self.per_hour) as f64).exp();
        }
        Some(around(&middle, &spread(&self.differences(day, 0, until))?))
    }

    fn last_week(&self, until: usize, ahead: usize) -> Rows {
        let week = 7 * self.day();
        let middle = self.same_slot(until, week, ahead)?;
        Some(around(&middle, &spread(&self.differences(week, 0, until))?))
    }

    /// The newest value that is there a whole number of seasons before each slot ahead.
    fn same_slot(&self, until: usize, season: usize, ahead: usize) -> Option<Vec<f64>> {
        let newest = |slot: usize| {
            let mut at = (until + slot % season).checked_sub(season)?;
            while self.values[at].is_nan() {
                at = at.checked_sub(season)?;
            }
            Some(self.values[at])
        };
        (0..ahead).map(newest).collect()
    }

    fn time_of_day(&self, until: usize, ahead: usize) -> Rows {
        let (day, quarter) = (self.day(), (self.per_hour / 4).max(1));
        let near = quarter / 3;
        let of_slot = |slot: usize| {
            let begin = (self.first + slot) % day / quarter * quarter;
            let inside = |at: &usize| {
                let of_day = (self.first + at) % day;
                (of_day + day + near - begin) % day < quarter + 2 * near
            };
            let values = (0..until).filter(inside).map(|at| self.values[at]);
            spread(&values.collect::<Vec<f64>>())
        };
        let of_day: Vec<Spread> = (until..until + day).map(of_slot).collect::<Option<_>>()?;
        Some((0..ahead).map(|slot| of_day[slot % day]).collect())
    }

    fn wavy(&self, until: usize, ahead: usize) -> Rows {
        let week = self.waves.as_ref()?;
        let until_h = until / self.per_hour;
        let stride = (self.per_hour / 4).max(1);
        let mut residuals = Vec::new();
        for hour in until_h.saturating_sub(168)..until_h {
            let slots = &self.values[hour * self.per_hour..(hour + 1) * self.per_hour];
            residuals.extend(slots.iter().step_by(stride).map(|slot| slot - week[hour % 168]));
        }
        let at = |slot: usize| week[(until_h + slot / self.per_hour) % 168];
        Some(around(&(0..ahead).map(at).collect::<Vec<f64>>(), &spread(&residuals)?))
    }

    /// Minimizes |y - Xb|² ÷ 2n + 0.01 (0.1 |b|₁ + 0.9 |b|² ÷ 2) over the waves of day and week.
    fn fit_waves(&mut self, until: usize) {
        let until_h = until / self.per_hour;
        let seen = |period: usize| self.seasons.contains(&period) && until_h >= 2 * period;
        let mut turns: Vec<usize> = Vec::new();
        if seen(24) || seen(12) {
            turns.extend([7, 14, 21, 28]);
        }
        if seen(168) {
            turns.extend([1, 2, 3]);
        }
        let means = self.hourly_means();
        let known: Vec<usize> =
            (until_h.saturating_sub(336)..until_h).filter(|hour| !means[*hour].is_nan()).collect();
        self.waves = None;
        if turns.is_empty() || known.len() <= 2 * turns.len() {
            return;
        }
        let seen: Vec<f64> = known.iter().map(|hour| means[*hour]).collect();
        let level = mean(&seen);
        let scale = mean(&seen.iter().map(|one| (one - level).powi(2)).collect::<Vec<_>>()).sqrt();
        let target: Vec<f64> =
            seen.iter().map(|one| ((one - level) / scale).clamp(-4.0, 4.0)).collect();
        let wave = |column: usize, hour: usize| {
            let angle = TAU * (hour * turns[column / 2] % 168) as f64 / 168.0;
            if column.is_multiple_of(2) { angle.sin() } else { angle.cos() }
        };
        let design: Vec<Vec<f64>> = (0..2 * turns.len())
            .map(|column| known.iter().map(|hour| wave(column, *hour)).collect())
            .collect();
        let intercept = mean(&target);
        let factors =
            elastic_net(&design, &target.iter().map(|y| y - intercept).collect::<Vec<_>>());
        let at = |hour: usize| {
            let waves = factors.iter().enumerate().map(|(column, b)| b * wave(column, hour));
            level + scale * (intercept + waves.sum::<f64>())
        };
        self.waves = Some((0..168).map(at).collect());
    }

    /// The quantiles of the day ahead, and the share of past slots above the uncorrected 0.95 quantile.
    fn day_ahead(&mut self) -> (Vec<Spread>, Option<f64>) {
        let (day, length) = (self.day(), self.values.len());
        let most = (length / self.per_hour).saturating_sub(48) / 24;
        let (mut record, mut scores) = (Record::default(), [Vec::new(), Vec::new()]);
        let mut first = true;
        for days_left in (1..=most.min(8)).rev() {
            let until = length - days_left * day;
            if first || days_left % 2 == 0 {
                self.fit_waves(until);
            }
            first = false;
            let members = self.members(until, day);
            let actual = &self.values[until..until + day];
            if record.days >= 3 {
                let rows = record.blend(&members, self.per_hour);
                for (scores, level) in scores.iter_mut().zip([4, 6]) {
                    let pairs = actual.iter().zip(&rows);
                    let above = pairs.map(|(actual, row)| actual - row[level]);
                    scores.push(above.filter(|score| !score.is_nan()).collect::<Vec<f64>>());
                }
            }
            record.add(actual, &members, self.per_hour);
        }
        self.fit_waves(length);
        let mut rows = record.blend(&self.members(length, day), self.per_hour);
        let [p95, p99] = [0, 1].map(|one| addition(&scores[one], LEVELS[[4, 6][one]]));
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        for row in &mut rows {
            for (level, add) in [(4, p95), (5, p95), (6, p99)] {
                row[level] = (row[level] + add).max(row[level - 1]);
            }
            if least >= 0.0 {
                *row = row.map(|value| value.max(0.0));
            }
        }
        let all: Vec<f64> = scores[0].concat();
        let missed = all.iter().filter(|score| **score > 0.0).count();
        (rows, (!all.is_empty()).then(|| missed as f64 / all.len() as f64))
    }
}

fn mean(values: &[f64]) -> f64 {
    let present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    present.iter().sum::<f64>() / present.len() as f64
}

/// The autocorrelation of what is there, from its definition.
fn correlation(values: &[f64], lag: usize) -> (f64, f64) {
    let middle = mean(values);
    let product = |slot: usize| (values[slot] - middle) * (values[slot - lag] - middle);
    let products: Vec<f64> =
        (lag..values.len()).map(product).filter(|product| !product.is_nan()).collect();
    let squares: Vec<f64> = values.iter().map(|value| (value - middle).powi(2)).collect();
    (mean(&products) / mean(&squares), products.len() as f64)
}

fn stands_out(means: &[f64], period: usize, rival: usize) -> bool {
    if means.len() < 2 * period {
        return false;
    }
    let (at_period, pairs) = correlation(means, period);
    at_period >= (3.0 / pairs.sqrt()).max(0.3) && at_period >= correlation(means, rival).0 + 0.05
}

/// Cyclic coordinate descent until nothing moves (Friedman, Hastie and Tibshirani, 2010).
fn elastic_net(design: &[Vec<f64>], target: &[f64]) -> Vec<f64> {
    let count = target.len() as f64;
    let mut factors = vec![0.0; design.len()];
    for _ in 0..2_000 {
        for column in 0..design.len() {
            let rest = |row: usize| {
                let fitted: f64 = design.iter().zip(&factors).map(|(x, b)| x[row] * b).sum();
                target[row] - fitted + design[column][row] * factors[column]
            };
            let dot = |row: usize| design[column][row] * rest(row);
            let gradient: f64 = (0..target.len()).map(dot).sum::<f64>() / count;
            let square: f64 = design[column].iter().map(|x| x * x).sum::<f64>() / count;
            let shrunk = gradient.signum() * (gradient.abs() - 0.001).max(0.0);
            factors[column] = shrunk / (square + 0.009);
        }
    }
    factors
}

/// The pinball losses of the members: sums by part and level, and how many values each part had.
#[derive(Default)]
struct Record {
    sums: [[[f64; 7]; 6]; 7],
    counts: [f64; 6],
    seen: [bool; 7],
    days: usize,
}

fn part_of(slot: usize, per_hour: usize) -> usize {
    (0..6).rev().find(|part| slot >= EDGES_H[*part] * per_hour).expect("the first begins at 0")
}

impl Record {
    fn add(&mut self, actual: &[f64], members: &[Rows; 7], per_hour: usize) {
        let present = members.iter().flatten().count() as f64;
        for (slot, actual) in actual.iter().enumerate().filter(|(_, actual)| !actual.is_nan()) {
            let part = part_of(slot, per_hour);
            self.counts[part] += 1.0;
            for level in 0..7 {
                let loss = |rows: &Vec<Spread>| {
                    let above = actual - rows[slot][level];
                    (LEVELS[level] * above).max((LEVELS[level] - 1.0) * above)
                };
                let usual = members.iter().flatten().map(loss).sum::<f64>() / present;
                for (member, rows) in members.iter().enumerate() {
                    self.sums[member][part][level] += rows.as_ref().map_or(usual, loss);
                }
            }
        }
        for (seen, rows) in self.seen.iter_mut().zip(members) {
            *seen |= rows.is_some();
        }
        self.days += usize::from(actual.iter().any(|actual| !actual.is_nan()));
    }

    /// The members' shares in one part at one level.
    fn shares(&self, part: usize, level: usize) -> [f64; 7] {
        if self.days == 0 {
            return [1.0 / 7.0; 7];
        }
        let own = |member: usize, level: usize| {
            let of_day: f64 = self.sums[member].iter().map(|sums| sums[level]).sum();
            let of_day = of_day / self.counts.iter().sum::<f64>();
            let count = self.counts[part];
            let of_part = if count > 0.0 { self.sums[member][part][level] / count } else { of_day };
            0.8 * of_part + 0.2 * of_day
        };
        let loss = |member: usize| {
            let mean = (0..7).map(|level| own(member, level)).sum::<f64>() / 7.0;
            0.8 * own(member, level) + 0.2 * mean
        };
        let seen = || (0..7).filter(|member| self.seen[*member]);
        let best = seen().map(loss).fold(f64::INFINITY, f64::min);
        let mut shares = [0.0; 7];
        for member in seen() {
            let loss = loss(member);
            shares[member] = if loss <= best { 1.0 } else { (best / loss).powi(8) };
        }
        let sum: f64 = shares.iter().sum();
        shares.map(|share| share / sum)
    }

    fn blend(&self, members: &[Rows; 7], per_hour: usize) -> Vec<Spread> {
        let ahead =
            members.iter().flatten().map(Vec::len).min().expect("the level always forecasts");
        let shares: Vec<[[f64; 7]; 7]> =
            (0..6).map(|part| std::array::from_fn(|level| self.shares(part, level))).collect();
        let at = |slot: usize| {
            let of_part = &shares[part_of(slot, per_hour)];
            let mut row: Spread = std::array::from_fn(|level| {
                let present = members.iter().zip(of_part[level]);
                let present = present.filter_map(|(rows, share)| Some((rows.as_ref()?, share)));
                let (sum, total) = present.fold((0.0, 0.0), |(sum, total), (rows, share)| {
                    (sum + share * rows[slot][level], total + share)
                });
                sum / total
            });
            row.sort_by(f64::total_cmp);
            row
        };
        (0..ahead).map(at).collect()
    }
}

/// The adaptive split-conformal addition, by the update as published: a = a + 0.2 a0 (a0 - missed).
fn addition(days: &[Vec<f64>], level: f64) -> f64 {
    let asked = 1.0 - level;
    let excess = |scores: &[f64], share: f64| {
        let count = scores.len() as f64;
        quantile(scores, ((1.0 - share) * (count + 1.0) / count).min(1.0))
    };
    let mut share = asked;
    for day in 1..days.len() {
        if let Some(bar) = excess(&days[..day].concat(), share) {
            let missed = days[day].iter().filter(|score| **score > bar).count() as f64;
            let moved = share + 0.2 * asked * (asked - missed / days[day].len() as f64);
            share = moved.clamp(0.2 * asked, 2.0 * asked);
        }
    }
    let found = excess(&days.concat(), share).unwrap_or(0.0);
    if days.len() < 5 { found.max(0.0) } else { found }
}

/// The quantile of the mixture of an hour's slots, each straight between its quantiles, by bisection.
fn of_hour(slots: &[Spread], level: f64) -> f64 {
    let chance = |row: &Spread, value: f64| {
        if value < row[0] {
            return 0.0;
        }
        let next = (1..7).find(|next| value < row[*next]);
        next.map_or(1.0, |next| {
            let way = (value - row[next - 1]) / (row[next] - row[next - 1]);
            LEVELS[next - 1] + way * (LEVELS[next] - LEVELS[next - 1])
        })
    };
    let (mut low, mut high) =
        slots.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| {
            (low.min(row[0]), high.max(row[6]))
        });
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let mixed = slots.iter().map(|row| chance(row, middle)).sum::<f64>() / slots.len() as f64;
        if mixed < level { low = middle } else { high = middle }
    }
    high
}

fn as_array(slot: &SlotQuantiles) -> Spread {
    let SlotQuantiles { q025, q10, q50, q90, q95, q975, q99 } = *slot;
    [q025, q10, q50, q90, q95, q975, q99].map(f64::from)
}

/// Compares the day ahead, slot by slot and hour by hour; differences are shares of the series' own range.
fn check(name: &str, series: &Series, tolerance: f64) -> Forecast {
    let found = forecast(series).expect("days enough");
    assert_eq!(
        (found.history.shifted_at_s, found.history.clock_change.is_some()),
        (None, false),
        "{name}"
    );
    let mut oracle = Oracle::of(series);
    let periods = found.seasons.iter().map(|season| season.period_h as usize);
    let periods: Vec<usize> = periods.filter(|period| *period > 1).collect();
    assert_eq!(periods, oracle.seasons, "{name}: seasons");
    let (rows, misses) = oracle.day_ahead();
    let near = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < 2e-3,
        (one, other) => one == other,
    };
    assert!(
        near(found.calibration_misses, misses),
        "{name}: {:?} {misses:?}",
        found.calibration_misses
    );
    let present =
        || series.values.iter().filter(|value| !value.is_nan()).map(|one| f64::from(*one));
    let range =
        present().fold(f64::NEG_INFINITY, f64::max) - present().fold(f64::INFINITY, f64::min);
    let slots = slot_quantiles(series, rows.len()).expect("days enough");
    for (slot, (found, expect)) in slots.iter().zip(&rows).enumerate() {
        for (one, other) in as_array(found).iter().zip(expect) {
            assert!(
                (one - other).abs() <= tolerance * range,
                "{name}, slot {slot}: {found:?} {expect:?}"
            );
        }
    }
    for (hour, (step, slots)) in found.day().iter().zip(rows.chunks(oracle.per_hour)).enumerate() {
        for (one, level) in step.array().into_iter().zip([0.10, 0.50, 0.90, 0.95, 0.99]) {
            let expect = of_hour(slots, level);
            let off = (f64::from(one) - expect).abs();
            assert!(
                off <= 2.0 * tolerance * range,
                "{name}, hour {hour} at {level}: {one} {expect}"
            );
        }
    }
    found
}

/// Slots of `step_s` from `hours` after a midnight on.
fn slots(step_s: u32, hours: i64, length_h: usize, mut value: impl FnMut(f64) -> f64) -> Series {
    let per_hour = 3_600 / step_s as usize;
    let values = (0..length_h * per_hour).map(|slot| value(slot as f64 / per_hour as f64) as f32);
    Series { start_s: START_S + 3_600 * hours, step_s, values: values.collect() }
}

fn wave(hour: f64, period_h: f64) -> f64 {
    (TAU * hour / period_h).sin()
}

#[test]
fn the_bank_is_that_of_the_definitions() {
    let mut noise = noise(17);
    // Without a rhythm, and starting in the middle of a day.
    check("noise", &slots(900, 7, 24 * 9 + 5, |_| 10.0 + noise()), 1e-4);
    // A day, short of a week: the week before joins on the last day.
    let daily = check(
        "a day",
        &slots(900, 0, 24 * 12, |hour| 20.0 + 6.0 * wave(hour, 24.0) + 3.0 * noise()),
        2e-3,
    );
    assert!(daily.seasons.iter().any(|season| season.period_h == 24), "{:?}", daily.seasons);
    // Three days are one trial only, and their correction widens.
    check("three days", &slots(900, 0, 72, |hour| 5.0 + wave(hour, 24.0) + noise()), 2e-3);
    // Slots of a minute, whose quarters learn from five slots on either side.
    check("minutes", &slots(60, 5, 72, |hour| 10.0 + wave(hour, 1.0) + noise()), 1e-3);
    // Hourly slots, below and above zero.
    check("around zero", &slots(3_600, 3, 24 * 15, |_| 4.0 * noise() - 2.0), 1e-4);
    // Skewed, with rare peaks, so that corrections are large.
    check("peaks", &slots(900, 0, 24 * 13, |_| 1.0 / (0.02 + noise())), 1e-3);
}

#[test]
fn the_bank_is_that_of_the_definitions_with_weeks_gaps_and_five_minutes() {
    let mut noise = noise(23);
    let week = slots(1_800, 0, 24 * 22, |hour| {
        let working = hour / 24.0 % 7.0 < 5.0;
        12.0 + if working { 6.0 * wave(hour, 24.0) + 4.0 } else { 0.0 } + noise()
    });
    let found = check("a week", &week, 3e-3);
    assert!(found.seasons.iter().any(|season| season.period_h == 168), "{:?}", found.seasons);
    let mut gapped = slots(300, 0, 24 * 10, |hour| 20.0 + 5.0 * wave(hour, 24.0) + 2.0 * noise());
    for slot in (40..gapped.values.len() - 1).step_by(7) {
        gapped.values[slot] = f32::NAN;
    }
    gapped.values[5 * DAY..5 * DAY + 40].fill(f32::NAN);
    check("gaps", &gapped, 2e-3);
}

/// Values without a pattern for each slot of a cycle, in steps that single precision holds exactly.
fn cycle(slots: usize, seed: u64) -> Vec<f32> {
    let mut noise = noise(seed);
    (0..slots).map(|_| (noise() * 64.0).floor() as f32 / 4.0 + 1.0).collect()
}

#[test]
fn what_repeats_exactly_is_forecast_exactly() {
    // The member that repeats the cycle has no loss, hence all the weight, no spread and no correction: the answer is the
    // cycle itself at every quantile. A day needs its first trial to have a difference; a week that all trials have one.
    for (name, cycle_slots, slots) in [("day", DAY, 12 * DAY + 36), ("week", 7 * DAY, 22 * DAY)] {
        let pattern = cycle(cycle_slots, 5);
        let values = (0..slots).map(|slot| pattern[slot % cycle_slots]).collect();
        let series = Series { start_s: START_S, step_s: 300, values };
        let found = slot_quantiles(&series, DAY).expect("days enough");
        for (ahead, row) in found.iter().enumerate() {
            let expect = f64::from(pattern[(slots + ahead) % cycle_slots]);
            let exact = as_array(row).iter().all(|value| (value - expect).abs() < 1e-6);
            assert!(exact, "{name}, slot {ahead}: {row:?} is not {expect}");
        }
    }
}
