//! Auto Scaling groups: bounds, scheduled actions, and the capacity that follows from them.
//!
//! Sources: Auto Scaling user guide (a scheduled action sets a bound, which stays until the next one sets it; deleting it
//! leaves the bound). Not here: metrics (`metrics`) and what a describe shows (`look`).

use trimtab_models::{recurrence::Recurrence, spec::ScheduledMin};
use trimtab_policies::operations::{Failure, FailureKind, Receipt};

use super::{
    Body, GroupBody, World,
    perform::{failure, not_of_kind},
};

impl GroupBody {
    /// Bounds and capacity asked for at `second`, as somebody or the schedule set them last.
    pub(crate) fn bounds_at(&self, second: i64) -> (u32, u32, u32) {
        let (min, max, desired) = *self.bounds.at(second);
        let schedule = self.schedule.at(second);
        if schedule.is_empty() {
            return (min, max, desired);
        }
        let since = self.bounds.since(second).max(self.schedule.since(second));
        let fired = schedule.iter().filter_map(|one| {
            let at = Recurrence::parse(&one.recurrence)?.last_s(second)?;
            since.is_none_or(|since| at > since).then_some((at, one.min_size))
        });
        let min = fired.max_by_key(|(at, _)| *at).map_or(min, |(_, floor)| floor.min(max));
        (min, max, desired.max(min))
    }

    /// Another schedule from `second` on; the bounds in force stay as they are.
    pub(crate) fn reschedule(&mut self, second: i64, schedule: Vec<ScheduledMin>) {
        let bounds = self.bounds_at(second);
        self.bounds.set(second, bounds);
        self.schedule.set(second, schedule);
    }
}

impl World {
    pub(crate) fn put_schedule(
        &mut self,
        id: &str,
        call: &str,
        scheduled: &ScheduledMin,
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let Body::Group(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let max = body.bounds_at(now_s).1;
        if Recurrence::parse(&scheduled.recurrence).is_none() || scheduled.min_size > max {
            let message = "ValidationError: the recurrence or the minimum is not valid";
            return Err(failure(FailureKind::Rejected, call, id, message));
        }
        let mut schedule = body.schedule.at(now_s).clone();
        schedule.retain(|one| one.name != scheduled.name);
        schedule.push(scheduled.clone());
        body.reschedule(now_s, schedule);
        Ok(Receipt::default())
    }

    pub(crate) fn delete_schedule(
        &mut self,
        id: &str,
        call: &str,
        name: &str,
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let Body::Group(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let mut schedule = body.schedule.at(now_s).clone();
        let before = schedule.len();
        schedule.retain(|one| one.name != name);
        if schedule.len() == before {
            let message = "ValidationError: there is no such scheduled action";
            return Err(failure(FailureKind::NotFound, call, id, message));
        }
        body.reschedule(now_s, schedule);
        Ok(Receipt::default())
    }

    pub(crate) fn set_bounds(
        &mut self,
        id: &str,
        call: &str,
        (min, max, desired): (u32, u32, Option<u32>),
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let Body::Group(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let present = body.bounds_at(now_s).2;
        if min > max || desired.is_some_and(|desired| !(min..=max).contains(&desired)) {
            return Err(failure(
                FailureKind::Rejected,
                call,
                id,
                "ValidationError: min <= desired <= max does not hold",
            ));
        }
        body.bounds.set(now_s, (min, max, desired.unwrap_or(present).clamp(min, max)));
        Ok(Receipt::default())
    }
}
