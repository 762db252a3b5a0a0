//! A floor that rises before the load does, for groups whose scaler adds members only after it has come.
//!
//! It only ever raises the lower bound above the group's own, and brings it back: what takes members out stays the
//! group's scaler. Proposed only where members came too late on many days, by a daily season that was seen often
//! enough. Not here: bounds (`super`) and the forecast (`ahead`).

use std::collections::BTreeSet;

use super::{Bounds, CPU, IN_SERVICE, Slot, Usage, ahead::DAY_H, costs, whole};
use crate::{
    recommendation::{Action, Dimension, Recommendation},
    recurrence::{Recurrence, weekday},
    replay::ReplayDimension,
    resource::{Group, scaled_by_others},
    season::HOUR_S,
    sizing::case::{CHANGE_MIN, Case, Finding, Proposal, risk_of},
    spec::{OWN_SCHEDULE_PREFIX, ScheduledMin, Spec},
};

/// Share of the days on which an hour must have gone short to count as a habit: two days of a week are the least habit
/// there is, a weekend.
const HABIT_RATIO: f64 = 0.25;
/// Days on which an hour must have gone short, however few were seen: once is an incident.
const HABIT_DAYS: usize = 2;
/// Hours between two stretches that go short for which the floor is not lowered and raised again.
const GAP_MAX_H: usize = 2;
/// Stretches of a day that are scheduled: more are no rises but a floor that is too low.
const RISES_MAX: usize = 3;
/// Minutes by which members come before they are needed: an instance with its warm-up takes minutes, a slow image a
/// quarter of an hour.
const LEAD_MIN: usize = 30;
/// Share of the short slots that the schedule must relieve.
const RELIEF_MIN: f64 = 0.5;
const HOUR_MIN: usize = 60;
const DAY_MIN: usize = 24 * HOUR_MIN;

/// One stretch of the day in which the floor is higher.
#[derive(Debug, Clone, PartialEq)]
struct Rise {
    /// First hour that goes short (UTC, 0–23), and how many hours it lasts.
    from_h: usize,
    length_h: usize,
    /// The floor in it.
    floor: u32,
    /// The days on which it begins, from Sunday.
    days: [bool; 7],
}

impl Rise {
    fn hours(&self) -> impl Iterator<Item = usize> {
        let from_h = self.from_h;
        (0..self.length_h).map(move |hour| (from_h + hour) % DAY_H)
    }

    /// The recurrence `minutes` after the start of its first hour.
    fn at(&self, minutes: isize) -> Recurrence {
        let start = isize::try_from(self.from_h * HOUR_MIN).unwrap_or(0) + minutes;
        let day_min = isize::try_from(DAY_MIN).unwrap_or(1);
        let moved = usize::try_from(start.div_euclid(day_min).rem_euclid(7)).unwrap_or(0);
        let mut days = [false; 7];
        for (day, begins) in self.days.iter().enumerate() {
            days[(day + moved) % 7] = *begins;
        }
        Recurrence { minute_of_day: u32::try_from(start.rem_euclid(day_min)).unwrap_or(0), days }
    }

    /// The action that raises the floor, and the one that brings it back.
    fn actions(&self, number: usize, own_min: u32) -> [ScheduledMin; 2] {
        let action = |what: &str, minutes: isize, min_size: u32| ScheduledMin {
            name: format!("{OWN_SCHEDULE_PREFIX}rise-{number}-{what}"),
            recurrence: self.at(minutes).to_string(),
            min_size,
        };
        let lead = isize::try_from(LEAD_MIN).unwrap_or(0);
        let length = isize::try_from(self.length_h * HOUR_MIN).unwrap_or(0);
        [action("down", length, own_min), action("up", -lead, self.floor)]
    }
}

/// Recommends a schedule.
///
/// # Errors
/// Why none is recommended.
pub(super) fn schedule(
    case: &Case<'_>,
    group: &Group,
    usage: &Usage,
    today: Bounds,
) -> Result<Recommendation, String> {
    if let Some(reason) = reason_not_scheduled(case, group, usage) {
        return Err(reason);
    }
    let room = Room::of(case);
    let short: Vec<Slot> =
        usage.slots.iter().filter(|slot| room.is_short(slot, today.max)).copied().collect();
    let rises = rises(usage, &short, today)?;
    let scheduled: Vec<ScheduledMin> = rises
        .iter()
        .enumerate()
        .flat_map(|(index, rise)| rise.actions(index + 1, today.min))
        .collect();
    let floors: Vec<(Recurrence, u32)> = scheduled
        .iter()
        .filter_map(|one| Some((Recurrence::parse(&one.recurrence)?, one.min_size)))
        .collect();
    let with = |slot: &Slot| slot.served.max(f64::from(floor_at(&floors, slot.time_s)));
    let relieved = short
        .iter()
        .filter(|slot| !room.is_short(&Slot { served: with(slot), ..**slot }, today.max));
    let relieved = relieved.count();
    if (relieved as f64) < RELIEF_MIN * short.len() as f64 {
        return Err("a floor that rises before the load would have helped too little".to_owned());
    }
    let mean = |served: &dyn Fn(&Slot) -> f64| {
        usage.slots.iter().map(served).sum::<f64>() / usage.slots.len() as f64
    };
    let (old, new) = (mean(&|slot| slot.served), mean(&with));
    let proposal = Proposal {
        action: Action::ScheduleGroup,
        desired: Spec::Schedule { scheduled },
        alternates: Vec::new(),
        reason: reason(&rises, &short, &room, today),
        costs: costs(case, group, old, new),
    };
    let mut finding = finding(case, usage, (&short, &room), &with)?;
    finding.notes.push(format!(
        "in the look-back {relieved} of {} slots that went short would not have; {:.1} members on average instead of {old:.1}",
        short.len(),
        new
    ));
    Ok(case.recommendation(proposal, finding))
}

fn reason_not_scheduled(case: &Case<'_>, group: &Group, usage: &Usage) -> Option<String> {
    if group.schedule.iter().any(|action| action.is_own()) {
        return Some("the schedule that Trimtab set up is in force".to_owned());
    }
    if let Some(reason) = group.reason_scheduled_by_others(case.input.now) {
        return Some(reason);
    }
    if group.scaling_policies.is_empty() || !scaled_by_others(case.input.resource, group) {
        return Some("no scaling policy would take members out again".to_owned());
    }
    let daily = usage.ahead.as_ref().is_some_and(|ahead| ahead.daily);
    (!daily).then(|| "its load has no day that was seen often enough to schedule by".to_owned())
}

/// How much of its members a load may keep busy.
struct Room {
    target: f64,
    busy_max: f64,
}

impl Room {
    fn of(case: &Case<'_>) -> Self {
        Self {
            target: case.settings.group.target_cpu_ratio,
            busy_max: 1.0 - case.settings.headroom_ratio,
        }
    }

    /// Members that leave the room that any size must leave.
    fn least(&self, slot: &Slot) -> f64 {
        slot.needed * self.target / self.busy_max
    }

    /// Whether members were too few although more were allowed.
    fn is_short(&self, slot: &Slot, max: u32) -> bool {
        self.least(slot) > slot.served && slot.served < f64::from(max)
    }
}

/// The stretches of the day that go short by habit, each with the floor that it needs.
fn rises(usage: &Usage, short: &[Slot], today: Bounds) -> Result<Vec<Rise>, String> {
    let day = |slot: &Slot| slot.time_s.div_euclid(24 * HOUR_S);
    let days: BTreeSet<i64> = usage.slots.iter().map(day).collect();
    let mut habit = [false; DAY_H];
    for (hour, habit) in habit.iter_mut().enumerate() {
        let here = short.iter().filter(|slot| hour_of(slot) == hour);
        let on = here.map(day).collect::<BTreeSet<i64>>().len();
        *habit = on >= HABIT_DAYS && on as f64 >= HABIT_RATIO * days.len() as f64;
    }
    let stretches = stretches(&habit);
    if stretches.is_empty() {
        return Err("its members come in time".to_owned());
    }
    let hours: usize = stretches.iter().map(|(_, length)| length).sum();
    if stretches.len() > RISES_MAX || hours > DAY_H / 2 {
        return Err(format!("it goes short in {hours} hours of the day, which no schedule cures"));
    }
    let mut rises = Vec::new();
    for (from_h, length_h) in stretches {
        let mut rise = Rise { from_h, length_h, floor: 0, days: [true; 7] };
        rise.floor = floor_of(usage, &rise).min(today.max);
        rise.days = days_of(usage, &rise, today.min);
        if rise.floor > today.min {
            rises.push(rise);
        }
    }
    if rises.is_empty() { Err("its own floor carries its rises".to_owned()) } else { Ok(rises) }
}

/// The stretches of marked hours around the clock, gaps of a few hours included: first hour and length.
fn stretches(marked: &[bool; DAY_H]) -> Vec<(usize, usize)> {
    // Begin behind the longest pause, so that no stretch is cut at midnight.
    let Some(first) = (0..DAY_H).filter(|hour| marked[*hour]).max_by_key(|hour| {
        (1..DAY_H).take_while(|back| !marked[(hour + DAY_H - back) % DAY_H]).count()
    }) else {
        return Vec::new();
    };
    let mut found: Vec<(usize, usize)> = Vec::new();
    for offset in (0..DAY_H).filter(|offset| marked[(first + offset) % DAY_H]) {
        match found.last_mut() {
            Some((from, length)) if offset - (*from + *length) <= GAP_MAX_H => {
                *length = offset - *from + 1
            }
            Some(_) | None => found.push((offset, 1)),
        }
    }
    found.into_iter().map(|(from, length)| ((first + from) % DAY_H, length)).collect()
}

/// What the forecast's 0.99 quantile asks for in the stretch, but no more than was ever needed in it.
fn floor_of(usage: &Usage, rise: &Rise) -> u32 {
    let hours: Vec<usize> = rise.hours().collect();
    let inside = usage.slots.iter().filter(|slot| hours.contains(&hour_of(slot)));
    let seen = whole(inside.map(|slot| slot.needed).fold(0.0, f64::max));
    let ahead = usage.ahead.as_ref().map(|ahead| ahead.highest_in(&hours));
    ahead.map_or(seen, |ahead| ahead.min(seen))
}

/// The days of the week that need more than half of what the floor rises by; every day without a week that was seen twice.
fn days_of(usage: &Usage, rise: &Rise, own_min: u32) -> [bool; 7] {
    if !usage.ahead.as_ref().is_some_and(|ahead| ahead.weekly) {
        return [true; 7];
    }
    let half = f64::from(own_min) + f64::from(rise.floor.saturating_sub(own_min)) / 2.0;
    let hours: Vec<usize> = rise.hours().collect();
    let mut highest = [f64::NAN; 7];
    for slot in usage.slots.iter().filter(|slot| hours.contains(&hour_of(slot))) {
        // What lies behind midnight belongs to the day on which the stretch began.
        let began_s =
            if hour_of(slot) < rise.from_h { slot.time_s - 24 * HOUR_S } else { slot.time_s };
        let day = &mut highest[weekday(began_s)];
        *day = day.max(slot.needed);
    }
    highest.map(|need| need.is_nan() || need > half)
}

fn hour_of(slot: &Slot) -> usize {
    usize::try_from(slot.time_s.div_euclid(HOUR_S).rem_euclid(24)).unwrap_or(0)
}

/// The floor that the schedule has set last at a time.
fn floor_at(floors: &[(Recurrence, u32)], time_s: i64) -> u32 {
    let fired = floors.iter().filter_map(|(when, floor)| Some((when.last_s(time_s)?, *floor)));
    fired.max_by_key(|(at_s, _)| *at_s).map_or(0, |(_, floor)| floor)
}

fn reason(rises: &[Rise], short: &[Slot], room: &Room, today: Bounds) -> String {
    let days: BTreeSet<i64> =
        short.iter().map(|slot| slot.time_s.div_euclid(24 * HOUR_S)).collect();
    let floors: Vec<String> = rises
        .iter()
        .map(|rise| {
            let [from, until] =
                [rise.at(-(LEAD_MIN as isize)), rise.at((rise.length_h * HOUR_MIN) as isize)]
                    .map(|at| format!("{:02}:{:02}", at.minute_of_day / 60, at.minute_of_day % 60));
            format!("{} from {from} to {until} UTC", rise.floor)
        })
        .collect();
    format!(
        "members come after the load: CPU rose above {:.0} % on {} days with more members allowed; a floor of {} instead of \
         {} has them there before",
        room.busy_max * 100.0,
        days.len(),
        floors.join(" and "),
        today.min
    )
}

/// The look-back with the schedule, in shares of the members that leave the room.
fn finding(
    case: &Case<'_>,
    usage: &Usage,
    (short, room): (&[Slot], &Room),
    with: &dyn Fn(&Slot) -> f64,
) -> Result<Finding, String> {
    let excess = |slot: &&Slot| room.least(slot) - slot.served;
    let worst = short.iter().max_by(|one, other| excess(one).total_cmp(&excess(other)));
    let worst = worst.ok_or("its members come in time")?;
    let capacity_ratio = with(worst) / worst.served;
    if capacity_ratio <= 1.0 + CHANGE_MIN {
        return Err("a floor that rises before the load would have helped too little".to_owned());
    }
    let replayed = [ReplayDimension {
        name: "instances",
        step_s: usage.step_s,
        demand: usage
            .slots
            .iter()
            .map(|slot| (slot.time_s, room.least(slot) / with(slot)))
            .collect(),
        capacity: 1.0,
    }];
    Ok(Finding {
        decisive: vec![CPU, IN_SERVICE],
        dimensions: vec![Dimension {
            name: "instances".to_owned(),
            unit: "members at the worst moment".to_owned(),
            demand: room.least(worst),
            capacity_today: worst.served,
            capacity_proposed: with(worst),
        }],
        risk: risk_of(&replayed),
        replay: case.replay(&replayed),
        capacity_ratio,
        lowers_performance: false,
        ..Finding::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_go_around_midnight_and_over_short_pauses() {
        type Case<'a> = (&'a [usize], &'a [(usize, usize)]);
        let cases: [Case<'_>; 6] = [
            (&[], &[]),
            (&[8], &[(8, 1)]),
            (&[7, 8, 9], &[(7, 3)]),
            (&[23, 0, 1], &[(23, 3)]),
            (&[7, 9, 12], &[(7, 6)]),
            (&[7, 18, 19], &[(18, 2), (7, 1)]),
        ];
        for (hours, expect) in cases {
            let marked = std::array::from_fn(|hour| hours.contains(&hour));
            let mut found = stretches(&marked);
            let mut expect = expect.to_vec();
            found.sort_unstable();
            expect.sort_unstable();
            assert_eq!(found, expect, "{hours:?}");
        }
    }

    #[test]
    fn actions_begin_before_the_rise_also_across_midnight() {
        let weekdays = [false, true, true, true, true, true, false];
        let rise = Rise { from_h: 0, length_h: 2, floor: 9, days: weekdays };
        let [down, up] = rise.actions(1, 2);
        assert_eq!((up.recurrence.as_str(), up.min_size), ("30 23 * * 0,1,2,3,4", 9));
        assert_eq!((down.recurrence.as_str(), down.min_size), ("0 2 * * 1,2,3,4,5", 2));
        let late = Rise { from_h: 22, length_h: 4, floor: 9, days: weekdays };
        let [down, up] = late.actions(2, 2);
        assert_eq!(up.name, "trimtab-rise-2-up");
        assert_eq!(up.recurrence, "30 21 * * 1,2,3,4,5");
        assert_eq!(down.recurrence, "0 2 * * 2,3,4,5,6");
    }

    #[test]
    fn the_floor_is_that_of_the_last_action() {
        let rise = Rise { from_h: 8, length_h: 2, floor: 9, days: [true; 7] };
        let floors: Vec<_> = rise
            .actions(1, 2)
            .iter()
            .map(|one| (Recurrence::parse(&one.recurrence).expect("ours"), one.min_size))
            .collect();
        let day_s = 1_772_409_600;
        let at = |minute: i64| floor_at(&floors, day_s + 60 * minute);
        assert_eq!([0, 449, 450, 599, 600, 1_439].map(at), [2, 2, 9, 9, 2, 2]);
    }
}
