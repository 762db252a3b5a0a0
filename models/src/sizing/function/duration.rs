//! How long a run takes at each memory size: a law with an interval, from the sizes at which runs were seen.
//!
//! Not here: which size is chosen (`super`), and where the observations come from (`super::usage`).

/// Memory at which a function has one full CPU, MB; beyond it a run on one thread gets no faster.
///
/// AWS Lambda's documentation: "At 1,769 MB, a function has the equivalent of one vCPU".
pub(super) const FULL_CPU_MB: u32 = 1_769;

/// Share of a run that is taken to wait for CPU while runs at one size only are known.
///
/// One half: the middle of the law T = a + b / m with nothing known of a and b. It is a prior, and the interval around
/// it reaches from no waiting to nothing but waiting.
const WAITING_SHARE: f64 = 0.5;

/// How far, as a natural logarithm, a run may leave the range from "nothing waits for CPU" to "all of it does" while
/// one size only is known.
///
/// A tenth covers nine of ten pairs of sizes of ten measured curves of six workloads, each workload weighing the same;
/// memory pressure and the noise of measuring are what lies outside.
const BEYOND_RANGE: f64 = 0.10;

/// Half the width of the interval from two sizes on, as natural logarithms: `SLOPE x (NEAR + d)`, `d` being the distance
/// to the nearest observed size, the logarithm of the ratio of both.
///
/// The 90 % quantile of |error| ÷ (0.2 + d) over all pairs and triples of observed sizes of the same curves is 0.18 and
/// 0.19; with each workload left out in turn it is 0.20 at most. Near, 0.2, stands on a plateau: 0.1 to 0.3 make
/// intervals of nearly the same width.
const SLOPE: f64 = 0.20;
const NEAR: f64 = 0.2;

/// Share of the deviation of an observed size from the law that its neighbourhood takes on.
///
/// Half: a deviation is part noise and part what the law cannot express, and three points do not tell which. From 0.4 to
/// 0.6 the worst mean error over the measured curves stays below 5 %, at 0.25 and 0.75 it does not.
const CARRIED_SHARE: f64 = 0.5;

/// Observed sizes from which the quadratic term is fitted: as many as there are coefficients.
const QUADRATIC_SIZES_MIN: usize = 3;

/// Columns of the design: 1, 1/m, 1/m².
const COLUMNS: usize = 3;

/// The mean duration of runs at one memory size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Observed {
    /// The size, MB.
    pub(super) memory_mb: u32,
    /// The mean duration, ms; positive.
    pub(super) mean_ms: f64,
}

/// A duration with its interval, ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Predicted {
    pub(super) low_ms: f64,
    pub(super) ms: f64,
    pub(super) high_ms: f64,
}

/// T = a + b/m' + c/m'² with m' = min(m, 1769) MB and no coefficient below zero.
///
/// CPU comes in proportion to memory up to one CPU, so that b is work of the CPU and a is waiting for others; c stands
/// for what memory pressure adds (garbage collection, caches). The form is that of the published measurements of Lambda
/// (Casalboni's power tuning, 2018, shows it on many functions); the coefficients are fitted anew for each function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DurationLaw {
    /// a, b ÷ 1769 and c ÷ 1769²: in parts of a full CPU the columns are of one magnitude. ms.
    coefficients: [f64; COLUMNS],
    /// The observed sizes, by effective size ascending.
    observed: Vec<Seen>,
    sizes: Vec<Observed>,
}

/// The mean over all observed sizes that are one to the law.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    /// Logarithm of the effective size.
    log_mb: f64,
    ms: f64,
    /// Logarithm of observed ÷ law.
    deviation: f64,
}

impl DurationLaw {
    /// Fits the law; `None` without a size whose duration is a positive number.
    ///
    /// One size takes the prior, two fit a and b, three or more all of it. The sum of (predicted ÷ observed - 1)² is what
    /// is minimised: costs and bounds are ratios, and a run of 38 s at 128 MB must not drown one of 2 s at 1,769 MB.
    pub(super) fn fit(sizes: &[Observed]) -> Option<Self> {
        let positive = |one: &&Observed| one.mean_ms > 0.0 && one.mean_ms.is_finite();
        let mut sizes: Vec<Observed> = sizes.iter().filter(positive).copied().collect();
        sizes.sort_by_key(|one| one.memory_mb);
        let mut seen: Vec<Seen> = Vec::new();
        for group in
            sizes.chunk_by(|one, next| effective(one.memory_mb) >= effective(next.memory_mb))
        {
            let sum: f64 = group.iter().map(|one| one.mean_ms).sum();
            let log_mb = effective(group[0].memory_mb).ln();
            seen.push(Seen { log_mb, ms: sum / group.len() as f64, deviation: 0.0 });
        }
        let coefficients = match seen.as_slice() {
            [] => return None,
            [one] => {
                let full_ms = WAITING_SHARE * one.ms / share_of_cpu(one.log_mb.exp());
                [(1.0 - WAITING_SHARE) * one.ms, full_ms, 0.0]
            }
            several => {
                let columns = if several.len() < QUADRATIC_SIZES_MIN { 2 } else { COLUMNS };
                non_negative(several, columns)?
            }
        };
        for one in &mut seen {
            one.deviation = (one.ms / law(&coefficients, one.log_mb.exp())).ln();
        }
        Some(Self { coefficients, observed: seen, sizes })
    }

    /// How many sizes were seen that differ to the law.
    pub(super) fn distinct(&self) -> usize {
        self.observed.len()
    }

    /// What a run at `memory_mb` takes; an observed size answers for itself.
    pub(super) fn at(&self, memory_mb: u32) -> Predicted {
        let mb = effective(memory_mb);
        if let [one] = self.observed.as_slice() {
            return self.around(one, memory_mb);
        }
        let ms = self.observed_ms(memory_mb).unwrap_or_else(|| {
            law(&self.coefficients, mb) * (CARRIED_SHARE * self.deviation(mb.ln())).exp()
        });
        let distances = self.observed.iter().map(|one| (one.log_mb - mb.ln()).abs());
        let distance = distances.fold(f64::INFINITY, f64::min);
        let factor = (SLOPE * (NEAR + distance)).exp();
        Predicted { low_ms: ms / factor, ms, high_ms: ms * factor }
    }

    /// From one size: the prior, between nothing and everything waiting for CPU.
    fn around(&self, one: &Seen, memory_mb: u32) -> Predicted {
        let mb = effective(memory_mb);
        let ms = self.observed_ms(memory_mb).unwrap_or_else(|| law(&self.coefficients, mb));
        let waiting = one.ms * one.log_mb.exp() / mb;
        let beyond = BEYOND_RANGE.exp();
        Predicted {
            low_ms: one.ms.min(waiting) / beyond,
            ms,
            high_ms: one.ms.max(waiting) * beyond,
        }
    }

    fn observed_ms(&self, memory_mb: u32) -> Option<f64> {
        let same = self.sizes.iter().find(|one| one.memory_mb == memory_mb);
        same.map(|one| one.mean_ms)
    }

    /// The observed sizes' deviation from the law, straight between neighbours and level beyond the last.
    fn deviation(&self, log_mb: f64) -> f64 {
        let after = self.observed.partition_point(|one| one.log_mb <= log_mb);
        let (before, after) = (after.checked_sub(1), self.observed.get(after));
        match (before.map(|index| self.observed[index]), after) {
            (Some(low), Some(high)) => {
                let way = (log_mb - low.log_mb) / (high.log_mb - low.log_mb);
                low.deviation + way * (high.deviation - low.deviation)
            }
            (Some(end), None) => end.deviation,
            (None, Some(end)) => end.deviation,
            (None, None) => 0.0,
        }
    }
}

/// The memory that still brings CPU, MB, at least 1.
fn effective(memory_mb: u32) -> f64 {
    f64::from(memory_mb.clamp(1, FULL_CPU_MB))
}

/// How many times a full CPU exceeds what `mb` give.
fn share_of_cpu(mb: f64) -> f64 {
    f64::from(FULL_CPU_MB) / mb
}

fn powers(mb: f64) -> [f64; COLUMNS] {
    let cpu = share_of_cpu(mb);
    [1.0, cpu, cpu * cpu]
}

fn law(coefficients: &[f64; COLUMNS], mb: f64) -> f64 {
    coefficients.iter().zip(powers(mb)).map(|(coefficient, power)| coefficient * power).sum()
}

/// The non-negative least squares of the relative errors over the first `columns` columns.
///
/// The problem is convex: its solution is the plain least squares on the columns where it is positive. With three columns
/// there are seven such sets, so each is solved and the best that is not negative is the exact answer (Lawson and Hanson,
/// "Solving Least Squares Problems", 1974, chapter 23, search the sets one by one instead).
fn non_negative(seen: &[Seen], columns: usize) -> Option<[f64; COLUMNS]> {
    let rows: Vec<[f64; COLUMNS]> =
        seen.iter().map(|one| powers(one.log_mb.exp()).map(|power| power / one.ms)).collect();
    let loss = |solution: &[f64; COLUMNS]| -> f64 {
        let fitted =
            |row: &[f64; COLUMNS]| row.iter().zip(solution).map(|(x, k)| x * k).sum::<f64>();
        rows.iter().map(|row| (1.0 - fitted(row)).powi(2)).sum()
    };
    (1_u32..1 << columns)
        .filter_map(|set| least_squares(&rows, set))
        .filter(|solution| solution.iter().all(|one| one.is_finite() && *one >= 0.0))
        .min_by(|one, other| loss(one).total_cmp(&loss(other)))
}

/// The least squares of `rows x solution = 1` on the columns in the bit set; `None` where they depend on each other.
fn least_squares(rows: &[[f64; COLUMNS]], set: u32) -> Option<[f64; COLUMNS]> {
    let columns: Vec<usize> = (0..COLUMNS).filter(|column| set & (1 << column) != 0).collect();
    let count = columns.len();
    // The normal equations with the right side as the last column.
    let mut system = [[0.0; COLUMNS + 1]; COLUMNS];
    for row in rows {
        for (line, one) in system.iter_mut().zip(&columns) {
            for (cell, other) in line.iter_mut().zip(&columns) {
                *cell += row[*one] * row[*other];
            }
            line[count] += row[*one];
        }
    }
    let solution = eliminate(&mut system[..count])?;
    let mut found = [0.0; COLUMNS];
    for (column, value) in columns.iter().zip(solution) {
        found[*column] = value;
    }
    Some(found)
}

/// Gauss and Jordan's elimination with pivots; the right side stands in column `system.len()`.
fn eliminate(system: &mut [[f64; COLUMNS + 1]]) -> Option<Vec<f64>> {
    let count = system.len();
    for column in 0..count {
        let size = |line: usize| system[line][column].abs();
        let pivot = (column..count).max_by(|one, other| size(*one).total_cmp(&size(*other)))?;
        system.swap(column, pivot);
        let scale = system[column][column];
        if scale.abs() < f64::MIN_POSITIVE || !scale.is_finite() {
            return None;
        }
        system[column] = system[column].map(|cell| cell / scale);
        let pivot = system[column];
        for (index, line) in system.iter_mut().enumerate() {
            let factor = if index == column { 0.0 } else { line[column] };
            for (cell, other) in line.iter_mut().zip(pivot) {
                *cell -= factor * other;
            }
        }
    }
    Some(system.iter().map(|line| line[count]).collect())
}

#[cfg(test)]
mod tests;
