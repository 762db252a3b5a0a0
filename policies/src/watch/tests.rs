//! What is made of signs, by gravity, mode and time.

use trimtab_models::resource::InstanceState;

use super::*;
use crate::{
    facts::AlarmAction,
    fixtures::{
        candidate, change, forecast, instance_mut, now, policy, resource_for, seconds_ago, time,
        usd,
    },
    settings::Freeze,
};

/// A change of `action` that was applied `hours` ago at Friday noon, as it was left, and nothing speaks against it.
fn trial(action: Action, hours: i64) -> (Change, Watched) {
    let mut resource = resource_for(action, "r1");
    let candidate = candidate(action, &resource);
    let mut change = change(&candidate, "group", State::Watching, seconds_ago(hours * 3_600));
    change.applied_at = Some(seconds_ago(hours * 3_600));
    change.recommendation.evidence.forecast = Some(forecast());
    match (&mut resource.detail, &candidate.recommendation.desired) {
        (trimtab_models::resource::Detail::Instance(one), Spec::Instance { instance_type, .. }) => {
            one.instance_type.clone_from(instance_type);
        }
        (trimtab_models::resource::Detail::Function(one), Spec::Function { memory_mb }) => {
            one.memory_mb = *memory_mb;
        }
        _ => panic!("an action that these tests are not about"),
    }
    let watched = Watched {
        live: Sighting::Present(Box::new(resource)),
        status: None,
        alarms: Vec::new(),
        before: Usage { points: 8_640, invocations: 1e6, run_ms: 1e8, ..Usage::default() },
        after: Usage { points: 576, invocations: 1e5, run_ms: 1e7, ..Usage::default() },
        compared: (action == Action::ResizeInstance)
            .then(|| Compared { hours: 48, ..Compared::default() }),
        usually_off: false,
        realized: None,
    };
    (change, watched)
}

fn check(change: &Change, watched: &Watched, at: Timestamp, expect: &str) {
    let found = format!("{:?}", verdict(change, watched, &policy(), at));
    let (word, part) = expect.split_once(' ').unwrap_or((expect, ""));
    assert!(found.starts_with(word) && found.contains(part), "`{found}`, expected `{expect}`");
}

/// Saturday, half past two: the forecast's quiet hours are two to five.
fn night() -> Timestamp {
    time("2026-11-21T02:30:00Z")
}

use Action::{ResizeInstance as Resize, TuneFunctionMemory as Memory};

#[test]
fn without_a_sign_it_is_kept_first_provisionally_then_for_good() {
    let (change, watched) = trial(Resize, 47);
    check(&change, &watched, now(), "Continue");
    // The forecast's busiest hour, any at 50 % that comes first, has passed within the two days.
    let (change, watched) = trial(Resize, 48);
    check(&change, &watched, now(), "Keep provisional: false");
    // The week's peak is on Sunday at three: after it, it is final.
    let (mut change, watched) = trial(Resize, 48);
    let forecast = change.recommendation.evidence.forecast.as_mut().expect("the trial has one");
    forecast.week[39].p95 = 99.0;
    check(&change, &watched, now(), "Keep provisional: true");
    change.state = State::Kept;
    check(&change, &watched, time("2026-11-22T03:59:00Z"), "Continue");
    check(&change, &watched, time("2026-11-22T04:00:00Z"), "Keep provisional: false");
    // Without a forecast after eight days.
    let (mut change, watched) = trial(Resize, 8 * 24 - 1);
    change.recommendation.evidence.forecast = None;
    check(&change, &watched, now(), "Keep provisional: true");
    check(&change, &watched, now() + SignedDuration::from_hours(1), "Keep provisional: false");
}

#[test]
fn no_data_is_never_fine() {
    let (change, watched) = trial(Resize, 48);
    let unseen = Watched { after: Usage::default(), compared: None, ..watched.clone() };
    check(&change, &unseen, now(), "Inconclusive no data");
    let few = Watched {
        compared: Some(Compared { hours: 11, ..Compared::default() }),
        ..watched.clone()
    };
    check(&change, &few, now(), "Inconclusive 11 hours");
    let unknown = Watched { live: Sighting::Unknown("timeout".to_owned()), ..watched };
    check(&change, &unknown, now(), "Inconclusive no data");
}

#[test]
fn only_the_gravest_signs_restart_a_machine_by_day() {
    let (change, watched) = trial(Resize, 3);
    let impaired = InstanceStatus {
        system: "ok".to_owned(),
        instance: "impaired".to_owned(),
        events: Vec::new(),
    };
    let broken = Watched { status: Some(impaired), ..watched.clone() };
    check(&change, &broken, now(), "Undo status checks");
    let alarm = Alarm {
        name: "pages".to_owned(),
        state: "ALARM".to_owned(),
        actions: vec![AlarmAction::Notify],
        of_resource: true,
    };
    let alarmed = Watched { alarms: vec![alarm], ..watched.clone() };
    check(&change, &alarmed, now(), "Undo pages");
    let full = Compared { hours: 3, saturated_now: true, ..Compared::default() };
    let full = Watched { compared: Some(full), ..watched };
    check(&change, &full, now(), "WantUndo automatic: true");
    check(&change, &full, night(), "Undo saturated now");
}

#[test]
fn what_had_to_wait_is_done_in_the_quiet_hour_even_if_the_night_hides_it() {
    let (mut change, watched) = trial(Resize, 3);
    let event = |reason: &str, automatic| crate::record::Event::UndoWanted {
        reason: reason.to_owned(),
        automatic,
    };
    change.apply(now(), &event("saturated now", true));
    check(&change, &watched, now(), "Continue");
    check(&change, &watched, night(), "Undo saturated now");
    // It is not called good meanwhile.
    let freeze = Freeze {
        name: "f".to_owned(),
        matcher: crate::mode::Matcher::default(),
        from: now(),
        until: time("2026-12-24T00:00:00Z"),
    };
    let frozen = Policy { freezes: vec![freeze], ..policy() };
    let later = time("2026-12-12T02:30:00Z");
    assert_eq!(verdict(&change, &watched, &frozen, later), Verdict::Continue);
}

#[test]
fn a_soft_sign_asks_in_copilot_unless_the_approval_included_the_undo() {
    let (mut change, watched) = trial(Resize, 47);
    let worse = Compared { hours: 47, hours_above: 30, ..Compared::default() };
    let worse = Watched { compared: Some(worse), ..watched.clone() };
    check(&change, &worse, now(), "WantUndo 30 of 47");
    check(&change, &worse, night(), "Undo 30 of 47");
    change.mode = Mode::Copilot;
    check(&change, &worse, night(), "WantUndo automatic: false");
    let event = crate::record::Event::UndoWanted { reason: "worse".to_owned(), automatic: false };
    change.apply(now(), &event);
    check(&change, &worse, now(), "Continue");
    let two_days = now() + SignedDuration::from_hours(1);
    check(&change, &worse, two_days, "Inconclusive undo it, or leave it");
    check(&change, &watched, two_days, "Keep");
    change.auto_undo = true;
    check(&change, &worse, now(), "WantUndo automatic: true");
    check(&change, &worse, night(), "Undo");
}

#[test]
fn functions_are_taken_back_at_once() {
    let (change, watched) = trial(Memory, 3);
    let failing = Usage { errors: 6_000.0, ..watched.after };
    check(&change, &Watched { after: failing, ..watched.clone() }, now(), "Undo 6.0 %");
    // Half the memory, half the CPU: 100 ms may become 200 ms, and a quarter more is noise.
    for (ms, expect) in [(2.4e7, "Continue"), (2.6e7, "Undo 260 ms, 100 ms before")] {
        let slower = Usage { run_ms: ms, ..watched.after };
        check(&change, &Watched { after: slower, ..watched.clone() }, now(), expect);
    }
    let realized = |high: f64, hours: f64| Realized {
        until: now(),
        hours,
        predicted: Some(usd(3.0)),
        saved: usd(high - 1.0),
        low: usd(high - 2.0),
        high: usd(high),
    };
    for (high, hours, expect) in
        [(-0.5, 48.0, "Undo $1.50 more"), (0.5, 48.0, "Continue"), (-0.5, 47.0, "Continue")]
    {
        let dearer = Watched { realized: Some(realized(high, hours)), ..watched.clone() };
        check(&change, &dearer, now(), expect);
    }
}

#[test]
fn a_schedule_that_stops_the_machine_is_no_conflict() {
    let (change, watched) = trial(Resize, 30);
    let Sighting::Present(mut resource) = watched.live.clone() else { panic!("it is there") };
    instance_mut(&mut resource).state = InstanceState::Stopped;
    let stopped = Watched { live: Sighting::Present(resource.clone()), ..watched.clone() };
    check(&change, &stopped, now(), "Conflicted somebody changed it");
    let as_ever = Watched { usually_off: true, ..stopped.clone() };
    check(&change, &as_ever, now(), "Continue");
    // It is not switched on to be taken back, and another type is somebody's doing at any hour.
    let worse = Compared { hours: 30, hours_above: 30, saturated_now: true, ..Compared::default() };
    check(&change, &Watched { compared: Some(worse), ..as_ever.clone() }, night(), "Continue");
    instance_mut(&mut resource).instance_type = "m5.4xlarge".to_owned();
    let other = Watched { live: Sighting::Present(resource), ..as_ever };
    check(&change, &other, now(), "Conflicted");
}

#[test]
fn without_a_forecast_the_time_before_is_the_measure() {
    let (change, watched) = trial(Resize, 3);
    let share = |saturated_points| Usage { points: 100, saturated_points, ..Usage::default() };
    for (before, after, expect) in
        [(0, 5, "Continue"), (0, 6, "WantUndo 6.0 %"), (4, 8, "Continue"), (4, 9, "WantUndo")]
    {
        let (before, after) = (share(before), share(after));
        let seen = Watched { before, after, compared: None, ..watched.clone() };
        check(&change, &seen, now(), expect);
    }
}
