//! How likely a capacity is to be too small in the coming week, from what a look-back shows.
//!
//! A capacity *fails* a week when demand exceeds it in more than a tolerated share of that week's points. Days, not
//! points, are what repeats: ten bad points on one day tell less than one on each of ten. So the chance to fail rests on
//! three figures of the look-back: the share of points above the capacity, the number of days that they spread over, and
//! whether the last week looks like the rest. Not here: what a capacity is and which risk is acceptable (`sizing`), and
//! which slots breached (`replay`).

use std::collections::BTreeMap;

use crate::series::Series;

/// Share of a week's points that may exceed a capacity: 1 % is 100 minutes. The judged oracle of right-sizing is the
/// 99th percentile, and below it single maintenance runs decide.
pub const TOLERANCE_RATIO: f64 = 0.01;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Hours of the cycle that the risk is stated for: a week, the longest cycle that most look-backs hold twice.
///
/// It is a week whatever the seasons, because what is tolerated is a share of a week's points. The bound of a replay, of
/// which nothing is tolerated, speaks of the resource's own cycle; each states its length beside it.
pub const CYCLE_H: u32 = 168;

/// The same, days.
const CYCLE_DAYS: f64 = CYCLE_H as f64 / 24.0;

/// Weight of the belief that the coming week resembles the last one alone, against all of the look-back.
///
/// Workloads change for good, and the last week is the shortest stretch that has each weekday. Between 0.3 and 0.5 the
/// back-tests do not tell weights apart; none of the last week, or nothing else, is worse.
const RECENT_WEIGHT: f64 = 0.4;

/// Standard deviation of the logarithm of the odds of a breach between weeks of a load that nothing happens to.
///
/// What steady machines show from one fortnight to the next; from 0.2 to 0.5 the back-tests do not tell values apart.
const DRIFT: f64 = 0.25;

/// Seconds of demand that are held to be above the highest demand seen, half a point of the usual five minutes.
///
/// Jeffreys' prior of a share (1946), which keeps the unseen possible. Finer points are no independent evidence.
const PRIOR_S: f64 = 150.0;

/// How fast that prior falls above the highest demand seen: twice as high is four times as rare.
///
/// The exponent of a Pareto tail; 2 is heavy, as tails of load are. It moves no decision, only what is stated of sizes
/// far above all demand.
const TAIL_EXPONENT: i32 = 2;

/// The demand of a look-back, ready to be held against many capacities.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// The demands with their day (0 is the newest), the largest first.
    points: Vec<(f32, u32)>,
    /// Points by day.
    days: BTreeMap<u32, u32>,
    step_s: u32,
}

impl Demand {
    /// The demand of a series, in its unit; `None` without points or step.
    #[must_use]
    pub fn of(series: &Series) -> Option<Self> {
        Self::of_points(&series.present().collect::<Vec<_>>(), series.step_s)
    }

    /// The demand of points (seconds since the epoch ascending, value) that stand for `step_s` seconds each; `None`
    /// without points or step.
    ///
    /// Days are counted back from the newest point, so that the newest is whole.
    #[must_use]
    pub fn of_points(points: &[(i64, f32)], step_s: u32) -> Option<Self> {
        let seen = points.iter().filter(|(_, value)| !value.is_nan());
        let newest_s = seen.clone().map(|(time_s, _)| *time_s).max().filter(|_| step_s > 0)?;
        let mut points: Vec<(f32, u32)> =
            seen.map(|(time_s, value)| (*value, day_of(*time_s, newest_s))).collect();
        points.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let mut days = BTreeMap::new();
        for (_, day) in &points {
            *days.entry(*day).or_default() += 1;
        }
        (!points.is_empty()).then_some(Self { points, days, step_s })
    }

    /// The highest demand.
    #[must_use]
    pub fn highest(&self) -> f64 {
        f64::from(self.points[0].0)
    }

    /// What exceeds `capacity`, which is in the unit of the demand.
    #[must_use]
    pub fn breaches(&self, capacity: f64) -> Breaches {
        let above = self.points.partition_point(|(value, _)| f64::from(*value) > capacity);
        let mut days: BTreeMap<u32, (u32, u32)> =
            self.days.iter().map(|(day, points)| (*day, (*points, 0))).collect();
        for (_, day) in &self.points[..above] {
            if let Some((_, breaching)) = days.get_mut(day) {
                *breaching += 1;
            }
        }
        let room = if capacity > 0.0 { self.highest().max(0.0) / capacity } else { 1.0 };
        Breaches { days, step_s: self.step_s, fill: room.min(1.0) }
    }

    /// Probability that `capacity` fails the coming week, 0–1.
    #[must_use]
    pub fn risk(&self, capacity: f64, tolerance_ratio: f64) -> f64 {
        self.breaches(capacity).risk(tolerance_ratio)
    }

    /// About the smallest capacity whose risk is at most `risk_max`; infinite when there is none below a thousand times
    /// the highest demand.
    #[must_use]
    pub fn capacity_at(&self, risk_max: f64, tolerance_ratio: f64) -> f64 {
        let fits = |capacity: f64| self.risk(capacity, tolerance_ratio) <= risk_max;
        let (mut low, mut high) = (0.0, self.highest().max(0.0) * 1e3);
        if !fits(high) {
            return f64::INFINITY;
        }
        // Forty halvings of a thousand times the highest demand end within a billionth of it.
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if fits(middle) { high = middle } else { low = middle }
        }
        high
    }
}

/// The points of each day of a look-back, and how many of them exceed a capacity.
#[derive(Debug, Clone, PartialEq)]
pub struct Breaches {
    /// Points, and those that breach, by day (0 is the newest).
    days: BTreeMap<u32, (u32, u32)>,
    step_s: u32,
    /// The highest demand ÷ the capacity, at most 1.
    fill: f64,
}

impl Breaches {
    /// The breaches of points (seconds since the epoch, whether it breaches) that stand for `step_s` seconds each,
    /// where `fill` is the highest demand ÷ the capacity; `None` without points or step.
    #[must_use]
    pub fn of_points(points: &[(i64, bool)], step_s: u32, fill: f64) -> Option<Self> {
        let newest_s = points.iter().map(|(time_s, _)| *time_s).max().filter(|_| step_s > 0)?;
        let mut days: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (time_s, breaching) in points {
            let day = days.entry(day_of(*time_s, newest_s)).or_default();
            day.0 += 1;
            day.1 += u32::from(*breaching);
        }
        Some(Self { days, step_s, fill: fill.clamp(0.0, 1.0) })
    }

    /// Probability that more than `tolerance_ratio` of the coming week's points breach, 0–1.
    ///
    /// The mean of two beliefs: that the last week will go on, and that the whole look-back will.
    #[must_use]
    pub fn risk(&self, tolerance_ratio: f64) -> f64 {
        self.blend(|window| window.risk(tolerance_ratio))
    }

    /// Expected share of the coming week's points that breach, 0–1; what was never seen is half a point.
    #[must_use]
    pub fn exceedance(&self) -> f64 {
        self.blend(|window| window.share())
    }

    fn blend(&self, of: impl Fn(&Window) -> f64) -> f64 {
        let whole = of(&self.window(u32::MAX));
        let recent = self.window(CYCLE_DAYS as u32);
        if recent.days == 0.0 {
            return whole;
        }
        RECENT_WEIGHT * of(&recent) + (1.0 - RECENT_WEIGHT) * whole
    }

    /// The figures of the newest days.
    fn window(&self, days: u32) -> Window {
        // Half a point at least, however coarse the points are.
        let prior = PRIOR_S / f64::from(self.step_s).min(2.0 * PRIOR_S);
        let mut window =
            Window { days: 0.0, points: 0.0, breaching: 0.0, squares: 0.0, prior, fill: self.fill };
        for (points, breaching) in self.days.range(..days).map(|(_, day)| day) {
            let breaching = f64::from(*breaching);
            window.days += 1.0;
            window.points += f64::from(*points);
            window.breaching += breaching;
            window.squares += breaching * breaching;
        }
        window
    }
}

/// How many whole days `time_s` lies before `newest_s`.
fn day_of(time_s: i64, newest_s: i64) -> u32 {
    u32::try_from((newest_s - time_s).max(0) / DAY_S).unwrap_or(u32::MAX)
}

/// What a stretch of days shows of a capacity.
struct Window {
    days: f64,
    points: f64,
    breaching: f64,
    /// Sum of the squares of the days' breaching points.
    squares: f64,
    /// Points that breach before anything is seen.
    prior: f64,
    fill: f64,
}

impl Window {
    /// The expected share of breaching points.
    fn share(&self) -> f64 {
        let prior = self.prior * self.fill.powi(TAIL_EXPONENT);
        (self.breaching + prior) / (self.points + 2.0 * self.prior)
    }

    /// Variance of the logarithm of a week's share, as far as it comes from days that differ.
    ///
    /// The squared coefficient of variation of the mean of the days seen, with one day before them that varies by its
    /// own size; then that of the mean of a further week; then the variance of a lognormal with both.
    fn variance(&self) -> f64 {
        let concentration =
            if self.breaching > 0.0 { self.squares / self.breaching.powi(2) } else { 1.0 };
        let of_mean = (concentration - 1.0 / self.days + 1.0 / self.days.powi(2)).max(0.0);
        (of_mean * (1.0 + self.days / CYCLE_DAYS)).ln_1p()
    }

    /// The logarithm of the odds of next week's share is taken to follow Student's distribution with four degrees of
    /// freedom, whose tails leave room for what no look-back announces; its centre is the lognormal's median.
    ///
    /// With four degrees the stated risks and what came of them agree best in the back-tests; three and five do not
    /// decide otherwise.
    fn risk(&self, tolerance_ratio: f64) -> f64 {
        let log_odds = |share: f64| (share / (1.0 - share)).ln();
        let variance = self.variance();
        let distance = log_odds(self.share()) - log_odds(tolerance_ratio) - variance / 2.0;
        student_4(distance / (DRIFT * DRIFT + variance).sqrt())
    }
}

/// The distribution function of Student's t with four degrees of freedom (closed form; Student, "The probable error
/// of a mean", 1908).
fn student_4(t: f64) -> f64 {
    // The sine of an angle whose tangent is t / 2: finite where t is not.
    let sine = if t.is_infinite() { t.signum() } else { t / t.hypot(2.0) };
    (0.5 + 0.75 * sine * (1.0 - sine * sine / 3.0)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
