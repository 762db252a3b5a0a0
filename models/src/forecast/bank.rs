//! The bank: every member forecasts from the same past, day after day.
//!
//! Not here: how much each is trusted (`select`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    fourier::{self, Waves},
    level, naive,
    rows::Rows,
    time_of_day::TimeOfDay,
    window::{DAY_H, Window},
};
use crate::recommendation::SeasonSeen;

/// A member of the bank.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Forecaster {
    /// The quantiles of the last two hours.
    LastHours,
    /// The quantiles of the last day.
    LastDay,
    /// The quantiles of the last weeks.
    LastWeeks,
    /// The same slot of the day before, moved by today's offset, with the spread of such differences.
    SameHourYesterday,
    /// The same slot of the week before, with the spread of such differences.
    SameHourLastWeek,
    /// The quantiles of the quarter of an hour of the day.
    TimeOfDay,
    /// Waves of the day and the week fitted to hourly means, with the spread around them.
    Waves,
}

/// How many members there are.
pub(super) const MEMBERS: usize = 7;

/// What the members forecast, in the order of [`Forecaster::ALL`]; `None` for one that has too little to go by.
pub(super) type Forecasts = [Option<Rows>; MEMBERS];

/// Hours of [`Forecaster::LastHours`]: enough slots for quantiles, and nothing that is no longer so.
const RECENT_H: usize = 2;

/// Days after which the waves are fitted anew; in between they are a day old, which halves the dearest fit.
const WAVES_DAYS: usize = 2;

impl Forecaster {
    /// The whole bank.
    pub(super) const ALL: [Self; MEMBERS] = [
        Self::LastHours,
        Self::LastDay,
        Self::LastWeeks,
        Self::SameHourYesterday,
        Self::SameHourLastWeek,
        Self::TimeOfDay,
        Self::Waves,
    ];
}

/// What a member may look at: the slots of a window before `until`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past<'a> {
    pub(super) window: &'a Window,
    pub(super) until: usize,
}

/// The bank at one point in time.
#[derive(Debug)]
pub(super) struct Bank<'a> {
    window: &'a Window,
    seasons: &'a [SeasonSeen],
    until: usize,
    time_of_day: TimeOfDay,
    waves: Option<Waves>,
}

impl<'a> Bank<'a> {
    /// A bank that has seen nothing yet.
    pub(super) fn new(window: &'a Window, seasons: &'a [SeasonSeen]) -> Self {
        Self { window, seasons, until: 0, time_of_day: TimeOfDay::new(window), waves: None }
    }

    /// Lets the bank see the slots before `until`, which never falls.
    pub(super) fn learn(&mut self, until: usize) {
        self.time_of_day.learn(self.window, until);
        let per_hour = self.window.per_hour;
        let days_left = (self.window.slots.len() - until) / (DAY_H * per_hour);
        if self.until == 0 || days_left.is_multiple_of(WAVES_DAYS) {
            self.waves = Waves::fit(self.window, self.seasons, until / per_hour);
        }
        self.until = until;
    }

    /// What the members forecast for the `ahead` slots to come.
    pub(super) fn forecasts(&self, ahead: usize) -> Forecasts {
        Forecaster::ALL.map(|one| self.forecast(one, ahead))
    }

    fn forecast(&self, one: Forecaster, ahead: usize) -> Option<Rows> {
        let past = Past { window: self.window, until: self.until };
        match one {
            Forecaster::LastHours => level::recent(&past, RECENT_H, ahead),
            Forecaster::LastDay => level::recent(&past, DAY_H, ahead),
            Forecaster::LastWeeks => level::whole(&past, ahead),
            Forecaster::SameHourYesterday => naive::yesterday(&past, ahead),
            Forecaster::SameHourLastWeek => naive::last_week(&past, ahead),
            Forecaster::TimeOfDay => self.time_of_day.forecast(self.window, ahead),
            Forecaster::Waves => fourier::forecast(&past, self.waves.as_ref()?, ahead),
        }
    }
}
