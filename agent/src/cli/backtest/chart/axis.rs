//! Axes: where a value is, and at which round values ticks stand.
//!
//! Not here: what is drawn at them.

/// About how many ticks an axis has: enough to read values by, few enough to keep their names apart.
const TICKS: f64 = 8.0;
/// Steps that read well, within a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// A stretch of values with ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

/// An axis on the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    axis: Axis,
    from_px: f64,
    to_px: f64,
}

impl Axis {
    /// An axis over `low..=high`, which is not empty.
    pub(super) fn over(low: f64, high: f64) -> Self {
        let wanted = (high - low) / TICKS;
        let power = 10.0_f64.powf(wanted.log10().floor());
        let step = STEPS.into_iter().find(|step| step * power >= wanted).unwrap_or(10.0) * power;
        Self { low, high, step }
    }

    /// The axis between two places on the picture.
    pub(super) fn between(self, from_px: f64, to_px: f64) -> Scale {
        Scale { axis: self, from_px, to_px }
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        let first = (self.low / self.step).ceil();
        (0..).map(move |index| (first + f64::from(index)) * self.step).take_while(move |tick| {
            // The last tick may miss the end by rounding only.
            *tick <= self.high + self.step * 1e-6
        })
    }

    fn name(self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        format!("{tick:.decimals$}")
    }
}

impl Scale {
    /// Where a value is, pixels.
    pub(super) fn px(&self, value: f64) -> f64 {
        let way = (value - self.axis.low) / (self.axis.high - self.axis.low);
        self.from_px + way * (self.to_px - self.from_px)
    }

    /// The ticks: where, pixels, and what they say.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        self.axis.ticks().map(|tick| (self.px(tick), self.axis.name(tick)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        for (low, high, names) in [
            (0.0, 17.1, &["0", "5", "10", "15"][..]),
            (0.0, 2.0, &["0.0", "0.5", "1.0", "1.5", "2.0"]),
            (0.61, 2.03, &["0.8", "1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]),
            (0.0, 100.0, &["0", "20", "40", "60", "80", "100"]),
        ] {
            let scale = Axis::over(low, high).between(0.0, 100.0);
            let found: Vec<String> = scale.ticks().map(|(_, name)| name).collect();
            assert_eq!(found, names, "{low}..{high}");
            assert!(scale.ticks().all(|(at, _)| (-1e-6..=100.001).contains(&at)));
        }
    }
}
