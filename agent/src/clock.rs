//! The clocks: real time, time that runs faster (for the demo), and time that a simulation moves by hand.
//!
//! The only place that reads the system's clock. Not here: schedules (`daemon`).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ports::Clock;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let wait = at.duration_since(self.now());
        tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
    }
}

/// A clock that starts at a given time and runs `factor` times as fast as the system's.
#[derive(Debug, Clone, Copy)]
pub struct FastClock {
    start: Timestamp,
    began: Instant,
    factor: f64,
}

impl FastClock {
    /// Starts at `start`, `factor` virtual seconds a second.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn new(start: Timestamp, factor: f64) -> Self {
        Self { start, began: Instant::now(), factor: factor.max(1.0) }
    }
}

#[async_trait]
impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.began.elapsed().as_secs_f64() * self.factor;
        SignedDuration::try_from_secs_f64(elapsed)
            .ok()
            .and_then(|elapsed| self.start.checked_add(elapsed).ok())
            .unwrap_or(Timestamp::MAX)
    }

    async fn sleep_until(&self, at: Timestamp) {
        let wait = at.duration_since(self.now()).as_secs_f64() / self.factor;
        tokio::time::sleep(Duration::try_from_secs_f64(wait).unwrap_or_default()).await;
    }
}

/// A clock that several processes of one machine share: all of them reckon it from the system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SharedClock {
    start: Timestamp,
    began: Timestamp,
    factor: f64,
}

impl SharedClock {
    /// Starts at `start`, `factor` virtual seconds a second.
    #[must_use]
    pub fn new(start: Timestamp, factor: f64) -> Self {
        Self { start, began: RealClock.now(), factor: factor.max(1.0) }
    }
}

#[async_trait]
impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        let elapsed = RealClock.now().duration_since(self.began).as_secs_f64() * self.factor;
        let elapsed = SignedDuration::try_from_secs_f64(elapsed);
        let now = elapsed.ok().and_then(|elapsed| self.start.checked_add(elapsed).ok());
        now.unwrap_or(Timestamp::MAX)
    }

    async fn sleep_until(&self, at: Timestamp) {
        let wait = at.duration_since(self.now()).as_secs_f64() / self.factor;
        tokio::time::sleep(Duration::try_from_secs_f64(wait).unwrap_or_default()).await;
    }
}

/// A clock that stands still until it is set.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<Timestamp>>,
}

impl ManualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(now)) }
    }

    /// Moves it to `now`; it never goes back.
    pub fn set(&self, now: Timestamp) {
        let mut time = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *time = (*time).max(now);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock: whoever sleeps in simulated time is the only one awake.
    async fn sleep_until(&self, at: Timestamp) {
        self.set(at);
    }
}
