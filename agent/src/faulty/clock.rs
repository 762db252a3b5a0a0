//! A clock that is wrong for a while.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use trimtab_simulations::fault::{Fault, Rule};

use crate::ports::Clock;

/// The true clock, off by what the rules in force say.
#[derive(Debug)]
pub struct FaultyClock {
    inner: Arc<dyn Clock>,
    rules: Arc<Vec<Rule>>,
}

impl FaultyClock {
    /// A clock on the true one.
    #[must_use]
    pub fn new(inner: Arc<dyn Clock>, rules: Arc<Vec<Rule>>) -> Self {
        Self { inner, rules }
    }

    /// How wrong it is at a true time.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "a decorator looks for its own faults")]
    pub fn offset(&self, at: Timestamp) -> SignedDuration {
        let offs = self.rules.iter().filter(|rule| rule.holds(at)).map(|rule| match rule.fault {
            Fault::ClockOff(seconds) => seconds,
            _ => 0,
        });
        SignedDuration::from_secs(offs.sum())
    }
}

#[async_trait]
impl Clock for FaultyClock {
    fn now(&self) -> Timestamp {
        let now = self.inner.now();
        now.saturating_add(self.offset(now)).unwrap_or(now)
    }

    async fn sleep_until(&self, at: Timestamp) {
        let offset = self.offset(self.inner.now());
        self.inner.sleep_until(at.saturating_sub(offset).unwrap_or(at)).await;
    }
}
