//! What is known of what is to come where no series can be forecast.
//!
//! Unknown is not zero: what was never seen has no quantiles but a reason, and what was seen to happen or not has the
//! quantiles of that. Not here: forecasts of series (`forecast`), and the bound on an event (`replay`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::forecast::{LEVELS, Quantiles};

/// What is to come, as far as it is known without a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Outlook {
    /// Something that a cycle either has or has not.
    Event {
        /// What may happen, such as `attached`.
        event: String,
        /// Hours of the cycle.
        cycle_h: u32,
        /// Quantiles of the next cycle: 1 where it happens, 0 where it does not.
        next_cycle: Quantiles,
    },
    /// Nothing is known, and why.
    Unknown {
        /// Why, naming what was not seen.
        reason: String,
    },
}

impl Outlook {
    /// The outlook of an event whose probability in the next cycle is at most `upper_bound` (0–1).
    ///
    /// The quantiles are those of the worst case, a trial that happens with the bound's probability: the quantile q is 1
    /// where q > 1 - bound. The fewer cycles were seen, the more quantiles say that it may happen.
    #[must_use]
    pub fn event(event: &str, cycle_h: u32, upper_bound: f64) -> Self {
        let happens = |level: f64| f32::from(u8::from(level > 1.0 - upper_bound));
        let next_cycle = Quantiles::from(LEVELS.map(happens));
        Self::Event { event: event.to_owned(), cycle_h, next_cycle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_as_likely_as_its_bound() {
        // The levels are 0.10, 0.50, 0.90, 0.95 and 0.99; 30 days without it bound it by 1 - 0.05^(1/30) = 9.5 %.
        let cases = [
            (0.0, [0.0; 5]),
            (0.0095, [0.0; 5]),
            (0.02, [0.0, 0.0, 0.0, 0.0, 1.0]),
            (0.095, [0.0, 0.0, 0.0, 1.0, 1.0]),
            (0.2, [0.0, 0.0, 1.0, 1.0, 1.0]),
            (0.95, [1.0; 5]),
            (1.0, [1.0; 5]),
        ];
        for (bound, expect) in cases {
            let Outlook::Event { next_cycle, .. } = Outlook::event("attached", 24, bound) else {
                panic!("it is an event");
            };
            let found = next_cycle.array();
            let near = found.iter().zip(expect).all(|(one, other)| (one - other).abs() < 1e-6);
            assert!(near, "{bound}: {found:?}");
        }
    }

    #[test]
    fn it_is_read_back_from_its_json() {
        let unknown = Outlook::Unknown { reason: "it was not seen".to_owned() };
        for outlook in [Outlook::event("attached", 24, 0.1), unknown] {
            let text = serde_json::to_string(&outlook).expect("it is JSON");
            let back: Outlook = serde_json::from_str(&text).expect("its own JSON");
            assert_eq!(back, outlook, "{text}");
        }
    }
}
