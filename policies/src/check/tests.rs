//! Each rule on its own, at both sides of each boundary.

use trimtab_models::{
    catalog::VcpuQuota,
    metric::Metric,
    recommendation::{PriceBasis, SeasonSeen},
    resource::{Function, Modification, ModificationState, Published, Registration},
    spec::{PowerState, Spec, VolumeSpec},
};

use super::*;
use crate::{
    approval::Decision,
    change::State,
    exception::{About, Exception},
    facts::{Alarm, AlarmAction, Permission, Target, Targets},
    fixtures::*,
    mark::{CHANGE_TAG, WAS_TAG},
    mode::Matcher,
    settings::Freeze,
    vcpus::VcpuRoom,
};

/// One trial: a world and a candidate that pass, and what a case changes about them.
struct Trial {
    world: World,
    candidate: Candidate,
}

fn trial(action: Action) -> Trial {
    trial_of(action, resource_for(action, "r1"))
}

fn trial_of(action: Action, resource: Resource) -> Trial {
    let candidate = candidate(action, &resource);
    Trial { world: World::new([resource]), candidate }
}

impl Trial {
    fn with(mut self, change: impl FnOnce(&mut World, &mut Candidate)) -> Self {
        change(&mut self.world, &mut self.candidate);
        self
    }

    fn at(mut self, moment: Moment) -> Self {
        self.world.moment = moment;
        self
    }

    /// The resource changes everywhere at once: in the inventory, live, and in what is expected of it.
    fn resource(mut self, change: impl Fn(&mut Resource)) -> Self {
        let arn = self.candidate.recommendation.resource.arn.clone();
        let known = self.world.inventory.get_mut(&arn).expect("the fixture lists it");
        change(known);
        self.candidate.recommendation.expected = known.spec();
        self.candidate.recommendation.resource = known.reference.clone();
        self.candidate.facts.live = fact(known.clone());
        self
    }

    fn check(self, name: CheckName, expect: &str) {
        let plan = self.world.review(vec![self.candidate]);
        let found = verdict(&plan, name);
        let text = format!("{:?} {}", found.verdict, found.reason);
        let (wanted, part) = expect.split_once(' ').unwrap_or((expect, ""));
        assert!(
            text.starts_with(wanted) && text.contains(part),
            "{name:?}: `{text}`, expected `{expect}`"
        );
    }

    fn plan(self) -> crate::plan::Plan {
        self.world.review(vec![self.candidate])
    }

    fn until(self, name: CheckName) -> Option<Timestamp> {
        let plan = self.world.review(vec![self.candidate]);
        verdict(&plan, name).until
    }
}

use Action::{
    DeleteUnattachedVolume as Delete, MigrateVolumeType as Migrate, ResizeInstance as Resize,
    StopIdleInstance as StopIdle, TuneFunctionMemory as Memory, TuneGroupCapacity as Capacity,
};

#[test]
fn the_gravest_reason_decides_and_all_are_kept() {
    let wait = |until: Option<f64>| Reason::wait(until.map(in_days), "later");
    let found = result(CheckName::Window, [wait(Some(1.0)), wait(Some(2.0))], "fine");
    assert_eq!((found.verdict, found.until), (CheckVerdict::Wait, Some(in_days(2.0))));
    let found = result(CheckName::Window, [wait(Some(1.0)), wait(None)], "fine");
    assert_eq!((found.verdict, found.until), (CheckVerdict::Wait, None));
    let found = result(CheckName::Window, [wait(Some(1.0)), Reason::fail("never")], "fine");
    assert_eq!((found.verdict, found.until), (CheckVerdict::Fail, None));
    assert_eq!(found.reason, "later; never");
    assert_eq!(result(CheckName::Window, None, "fine").reason, "fine");
}

fn series_case(
    action: Action,
    change: impl FnOnce(&mut World, &mut Vec<trimtab_models::recommendation::SeriesEvidence>),
    expect: &str,
) {
    trial(action)
        .with(|world, candidate| change(world, &mut candidate.recommendation.evidence.series))
        .check(CheckName::Evidence, expect);
}

#[test]
fn what_is_made_smaller_by_itself_rests_on_sound_telemetry() {
    use trimtab_models::metric::{Measure, Statistic};
    type Series = trimtab_models::recommendation::SeriesEvidence;
    let case = |change: &dyn Fn(&mut Series), statistic, metric, expect: &str| {
        let measure = Measure { metric, statistic };
        let find = |_: &mut World, all: &mut Vec<Series>| {
            all.iter_mut().filter(|one| one.measure == measure).for_each(change);
        };
        series_case(Resize, find, expect);
    };
    let (sum, mean) = (Statistic::Sum, Statistic::Average);
    let gone = |one: &mut Series| one.points = 0;
    case(&gone, mean, Metric::InstanceCpu, "Fail always published");
    case(&gone, sum, Metric::InstanceNetworkIn, "Fail always published");
    case(&gone, sum, Metric::InstanceEbsReadOps, "Fail comes with it");
    case(&gone, Statistic::Maximum, Metric::InstanceMemory, "Pass");
    let flat = |one: &mut Series| one.p95 = one.p50;
    case(&flat, mean, Metric::InstanceCpu, "Fail hangs");
    case(&flat, sum, Metric::InstanceEbsReadOps, "Fail hangs");
    let zero = |one: &mut Series| one.flat_zero = true;
    case(&zero, sum, Metric::InstanceNetworkOut, "Fail hangs");
    case(&zero, sum, Metric::InstanceEbsReadOps, "Fail contradict");
    let infinite = |one: &mut Series| one.max = Some(f64::INFINITY);
    case(&infinite, mean, Metric::InstanceCpu, "Fail finite");
    let holed = |one: &mut Series| one.coverage_ratio = 0.8;
    case(&holed, sum, Metric::InstanceNetworkIn, "Fail too little");
    let late = |one: &mut Series| one.newest_at = Some(seconds_ago(86_400));
    case(&late, sum, Metric::InstanceNetworkIn, "Fail min old");
}

#[test]
fn evidence_is_present_covered_and_fresh() {
    // An hour of collection, two periods of five minutes and ten minutes of publication: 4,800 s.
    series_case(Resize, |_, s| s[0].newest_at = Some(seconds_ago(4_800)), "Pass");
    series_case(Resize, |_, s| s[0].newest_at = Some(seconds_ago(4_801)), "Fail min old");
    series_case(Resize, |_, s| s[0].newest_at = Some(seconds_ago(-300)), "Pass");
    series_case(Resize, |_, s| s[0].newest_at = Some(seconds_ago(-301)), "Fail future");
    series_case(Resize, |_, s| s[0].newest_at = None, "Fail newest");
    series_case(Resize, |_, s| s[0].coverage_ratio = 0.9, "Pass");
    series_case(Resize, |_, s| s[0].coverage_ratio = 0.8999, "Fail covers");
    series_case(Resize, |_, s| s[0].coverage_ratio = f64::NAN, "Fail covers");
    series_case(Resize, |_, s| s[0].points = 0, "Fail no points");
    series_case(Resize, |_, s| s[0].p95 = Some(f64::NAN), "Fail not numbers");
    series_case(Resize, |_, s| s[0].decisive = false, "Fail no series was decisive");
    series_case(Resize, |_, s| s.clear(), "Fail no series was decisive");
    series_case(Resize, |_, s| s[0].flat_zero = true, "Fail flat at zero");
    series_case(StopIdle, |_, s| s[0].flat_zero = true, "Pass");
    series_case(StopIdle, |_, s| s.iter_mut().for_each(|s| s.flat_zero = true), "Fail flat");
    let witness_without_points = |_: &mut World, s: &mut Vec<_>| {
        let mut silent = series(Metric::InstanceNetworkIn);
        silent.points = 0;
        *s = vec![silent, series(Metric::InstanceCpu)];
        s[1].flat_zero = true;
    };
    series_case(StopIdle, witness_without_points, "Fail flat at zero");
    let undecided = |_: &mut World, s: &mut Vec<_>| {
        let mut extra = series(Metric::InstanceMemory);
        (extra.decisive, extra.points, extra.newest_at) = (false, 0, None);
        s.push(extra);
    };
    series_case(Resize, undecided, "Pass");
}

#[test]
fn at_an_approval_a_fresh_point_outweighs_a_stale_collection() {
    let stale = |c: &mut Candidate| {
        c.recommendation
            .evidence
            .series
            .iter_mut()
            .for_each(|s| s.newest_at = Some(seconds_ago(4_801)));
    };
    let approval = || trial(Resize).at(Moment::Approval).with(|_, c| stale(c));
    approval().check(CheckName::Evidence, "Pass");
    approval().with(|_, c| c.facts.newest_points = None).check(CheckName::Evidence, "Fail min old");
}

#[test]
fn evidence_is_fetched_again_before_the_first_write() {
    let case = |change: fn(&mut Candidate), expect: &str| {
        let trial = trial(Resize).at(Moment::FirstWrite).with(|_, c| change(c));
        trial.check(CheckName::Evidence, expect);
    };
    fn newest(candidate: &mut Candidate, seconds: i64) {
        let points = candidate.facts.newest_points.as_mut().expect("the fixture has them");
        points.value.values_mut().for_each(|at| *at = Some(seconds_ago(seconds)));
    }
    case(|c| newest(c, 1_200), "Pass");
    case(|c| newest(c, 1_201), "Fail min old");
    case(|c| c.facts.newest_points = None, "Fail not known");
    case(|c| c.facts.newest_points = fact([].into()), "Fail no newest point");
}

#[test]
fn functions_and_deletions_rest_on_their_own_evidence() {
    let calls = |invocations: Option<u64>, days: Option<u32>, expect: &str| {
        let trial = trial(Memory).with(|_, candidate| {
            candidate.recommendation.evidence.invocations = invocations;
            candidate.recommendation.evidence.invocation_days = days;
        });
        trial.check(CheckName::Evidence, expect);
    };
    calls(Some(1_000), Some(14), "Pass");
    calls(Some(999), Some(14), "Fail 999 invocations");
    calls(Some(1_000), Some(13), "Fail 13 days");
    calls(None, Some(14), "Fail not known");
    let detached = |since: Option<Timestamp>, expect: &str| {
        let trial = trial(Delete).resource(|volume| volume_mut(volume).detached_since = since);
        trial.check(CheckName::Evidence, expect);
    };
    detached(Some(days_ago(30)), "Pass");
    detached(Some(seconds_ago(30 * 86_400 - 1)), "Fail seen detached");
    detached(None, "Fail not seen detached by us");
}

#[test]
fn history_is_longer_for_what_lowers() {
    let case = |days: f64, lowers: bool, points: u64, seen: u32, expect: &str| {
        let trial = trial(Resize).with(|_, candidate| {
            let evidence = &mut candidate.recommendation.evidence;
            (evidence.days_seen, evidence.lowers_performance) = (days, lowers);
            evidence.series[0].points = points;
            evidence.seasons = vec![SeasonSeen { period_h: 168, times_seen: seen }];
        });
        trial.check(CheckName::History, expect);
    };
    // Two weeks of five-minute points are 4,032, nine tenths of them 3,628.8.
    case(14.0, false, 100, 2, "Pass");
    case(13.99, false, 9_000, 2, "Fail less than 14");
    case(f64::NAN, false, 9_000, 2, "Fail less than 14");
    case(14.0, true, 3_629, 2, "Pass");
    case(14.0, true, 3_628, 2, "Fail two full weeks");
    case(27.99, true, 3_628, 2, "Fail two full weeks");
    case(28.0, true, 3_628, 2, "Pass");
    case(30.0, false, 9_000, 1, "Fail season");
}

#[test]
fn material_is_the_change_and_the_saving() {
    let case = |ratio: f64, saving: Option<f64>, cost: Option<f64>, expect: &str| {
        let trial = trial(Resize).with(|_, candidate| {
            let recommendation = &mut candidate.recommendation;
            recommendation.evidence.capacity_ratio = ratio;
            recommendation.saving = saving.map(usd);
            recommendation.cost_today = cost.map(usd);
        });
        trial.check(CheckName::Material, expect);
    };
    case(0.5, Some(5.0), Some(140.0), "Pass");
    case(0.5, Some(4.99), Some(140.0), "Fail less than $5.00");
    case(0.5, Some(-4.0), Some(140.0), "Fail less than");
    case(0.5, None, Some(140.0), "Fail not known");
    case(1.0, Some(14.01), Some(140.0), "Pass");
    case(1.0, Some(14.0), Some(140.0), "Fail neither");
    case(f64::NAN, Some(14.0), Some(140.0), "Fail neither");
    case(1.11, Some(6.0), Some(140.0), "Pass");
    case(1.0, Some(14.0), None, "Fail neither");
    let relief = |demand: f64, lowers: bool, expect: &str| {
        let trial = trial(Resize).with(|_, candidate| {
            let recommendation = &mut candidate.recommendation;
            recommendation.saving = Some(usd(-70.0));
            let evidence = &mut recommendation.evidence;
            (evidence.capacity_ratio, evidence.lowers_performance) = (2.0, lowers);
            evidence.dimensions[0].demand = demand;
            evidence.dimensions[0].capacity_proposed = 8.0;
        });
        trial.check(CheckName::Material, expect);
    };
    relief(4.1, false, "Pass");
    relief(4.0, false, "Fail less than");
    relief(4.1, true, "Fail less than");
    let same =
        trial(Resize).with(|_, c| c.recommendation.desired = c.recommendation.expected.clone());
    same.check(CheckName::Material, "Fail there already");
}

#[test]
fn whoever_opts_out_is_left_alone() {
    let name = CheckName::OptOut;
    let tag = |r: &mut Resource| {
        r.reference.tags.insert("trimtab:exclude".to_owned(), String::new());
    };
    trial(Resize).check(name, "Pass");
    trial(Resize).resource(tag).check(name, "Fail trimtab:exclude");
    let late =
        |_: &mut World, c: &mut Candidate| tag(&mut c.facts.live.as_mut().expect("known").value);
    trial(Resize).with(late).check(name, "Fail trimtab:exclude");
    let protect = |w: &mut World, c: &mut Candidate| {
        w.policy.protected.arns.insert(c.recommendation.resource.arn.clone());
    };
    trial(Memory).with(protect).check(name, "Fail protected");
    let own = |w: &mut World, _: &mut Candidate| {
        w.policy.protected.own_instance_id = Some("r1".to_owned())
    };
    trial(Resize).with(own).check(name, "Fail itself runs on");
    let disk = |instance_id: &'static str| {
        let disk = trial_of(Migrate, volume("vol-1")).resource(|r| attach(r, instance_id));
        disk.with(own)
    };
    disk("r0").check(name, "Pass");
    disk("r1").check(name, "Fail itself runs on");
    let listed = |w: &mut World, _: &mut Candidate| {
        let mut machine = instance("r1");
        instance_mut(&mut machine).volumes = vec!["vol-1".to_owned()];
        w.inventory.insert(machine.reference.arn.clone(), machine);
    };
    disk("r0").with(listed).check(name, "Fail itself runs on");
    let off = |w: &mut World, _: &mut Candidate| {
        w.policy.limits.disabled_actions.insert(Resize);
    };
    trial(Resize).with(off).check(name, "Fail switched off");
    trial(StopIdle).with(off).check(name, "Pass");
}

#[test]
fn stop_protection_and_rejections_hold() {
    let name = CheckName::OptOut;
    for action in Action::ALL {
        let stops = [Resize, StopIdle].contains(&action);
        let set = |_: &mut World, c: &mut Candidate| c.facts.stop_protection = fact(true);
        let expect = if stops { "Fail stop protection is set" } else { "Pass" };
        trial(action).with(set).check(name, expect);
        let unknown = |_: &mut World, c: &mut Candidate| {
            c.facts.stop_protection = None;
            c.facts.failures = vec!["ec2:DescribeInstanceAttribute".to_owned()];
        };
        let expect = if stops { "Fail ec2:DescribeInstanceAttribute" } else { "Pass" };
        trial(action).with(unknown).check(name, expect);
        let ends = |_: &mut World, c: &mut Candidate| c.facts.termination_protection = fact(true);
        trial(action).with(ends).check(name, "Pass");
    }
    let rejected = |w: &mut World, c: &mut Candidate| {
        let about = About::rejected(&c.recommendation, false);
        let no = Exception::new(about, "ada", days_ago(1), in_days(1.0), "month end");
        w.exceptions.insert(no.id.clone(), no);
    };
    trial(Resize).with(rejected).check(name, "Fail rejected by ada");
    trial(Resize).with(rejected).check(name, "Fail month end");
    let after_its_end = |w: &mut World, c: &mut Candidate| {
        rejected(w, c);
        w.now = in_days(1.0);
    };
    trial(Resize).with(after_its_end).check(name, "Pass");
}

#[test]
fn cooldown_counts_from_the_end_of_the_last_change() {
    let name = CheckName::Cooldown;
    let after = |action: Action, state: State, seconds: i64| {
        trial(action).with(move |w, c| w.add(change(c, "g", state, seconds_ago(seconds))))
    };
    let week = 7 * 86_400;
    after(Resize, State::Kept, week).check(name, "Pass");
    after(Resize, State::Kept, week - 1).check(name, "Wait ended at");
    assert_eq!(after(Resize, State::Kept, 86_400).until(name), Some(in_days(6.0)));
    let undone = |attempts: u32| {
        trial(Resize).with(move |w, c| {
            let mut change = change(c, "g", State::Undone, seconds_ago(week - 1));
            change.steps[1].attempts = attempts;
            w.add(change);
        })
    };
    undone(1).check(name, "Wait");
    undone(0).check(name, "Pass");
    after(Migrate, State::Kept, 60).check(name, "Pass");
    let barred = |times: i64, seconds: i64, desired: bool| {
        trial(Resize).with(move |w, c| {
            for time in 0..times {
                let mut change = change(c, "g", State::Undone, seconds_ago(seconds + time * 1_000));
                change.undo_reason = Some("it was slow".to_owned());
                if !desired {
                    change.recommendation.desired = Spec::Function { memory_mb: 1 };
                }
                w.add(change);
            }
        })
    };
    let month = 30 * 86_400;
    barred(1, month, true).check(name, "Pass");
    barred(1, month - 1, true).check(name, "Wait barred for 30 days");
    barred(1, month - 1, false).check(name, "Pass");
    barred(2, month, true).check(name, "Wait barred for 60 days");
    barred(3, 2 * month, true).check(name, "Wait barred for 120 days");
    barred(3, 4 * month, true).check(name, "Pass");
}

#[test]
fn a_volume_is_modified_four_times_a_rolling_day() {
    let name = CheckName::Cooldown;
    let starts = |seconds: &[i64]| {
        let starts = seconds.iter().copied().map(seconds_ago).collect();
        trial(Migrate).with(|_, c| c.facts.modifications = fact(starts))
    };
    starts(&[1, 2, 3]).check(name, "Pass");
    starts(&[1, 2, 3, 86_400]).check(name, "Pass");
    starts(&[1, 2, 3, 86_399]).check(name, "Wait 4 of 4");
    assert_eq!(starts(&[1, 2, 3, 86_399]).until(name), Some(seconds_ago(-1)));
    assert_eq!(starts(&[1, 7_200, 3, 4, 86_000]).until(name), Some(seconds_ago(7_200 - 86_400)));
    starts(&[])
        .with(|w, _| w.policy.limits.volume_modifications_per_day = 0)
        .check(name, "Wait 0 of 0");
    trial(Migrate).with(|_, c| c.facts.modifications = None).check(name, "Fail not known");
    let modifying = |state: ModificationState| {
        trial(Migrate).resource(move |r| {
            let target = gp3();
            let started_at = days_ago(2);
            volume_mut(r).modification = Some(Modification { state, started_at, target });
        })
    };
    modifying(ModificationState::Modifying).check(name, "Wait not completed");
    modifying(ModificationState::Optimizing).check(name, "Wait not completed");
    modifying(ModificationState::Completed).check(name, "Pass");
    modifying(ModificationState::Optimizing).check(CheckName::Health, "Fail in progress");
    modifying(ModificationState::Failed).check(CheckName::Health, "Pass");
}

#[test]
fn the_risk_is_known_and_within_the_limit_wherever_something_gets_smaller() {
    let case = |max: Option<f64>, risk: Option<f64>, lowers: bool, expect: &str| {
        let trial = trial(Resize).with(|w, c| {
            w.policy.evidence.max_risk = max;
            c.recommendation.risk = risk;
            c.recommendation.evidence.lowers_performance = lowers;
        });
        trial.check(CheckName::Risk, expect);
    };
    case(Some(0.1), Some(0.1), true, "Pass 10.0 % at most 10.0 %");
    case(Some(0.1), Some(0.101), true, "Fail 10.1 %, above 10.0 %");
    case(Some(0.1), Some(f64::NAN), true, "Fail");
    case(Some(0.1), None, true, "Fail not known");
    case(Some(0.1), None, false, "Pass nothing gets smaller");
    case(Some(0.1), Some(0.5), false, "Pass nothing gets smaller");
    case(None, Some(0.5), true, "Pass by a quantile");
    for action in [StopIdle, Delete] {
        let Trial { world, candidate } = trial(action);
        let plan = world.review(vec![candidate]);
        assert!(plan.entries[0].checks.iter().all(|check| check.check != CheckName::Risk));
    }
}

#[test]
fn what_keeps_every_limit_needs_no_use_to_be_seen() {
    let case = |kept: bool, expect: &str| {
        let trial = trial(Migrate).with(|_, c| {
            c.recommendation.evidence.keeps_every_limit = kept;
            c.recommendation.evidence.series.clear();
            c.recommendation.evidence.days_seen = 0.0;
        });
        trial.check(CheckName::Evidence, expect);
    };
    case(true, "Pass rests on no series");
    case(false, "Fail no series was decisive");
}

#[test]
fn a_step_is_at_most_half() {
    let case = |action: Action, ratio: f64, expect: &str| {
        let trial = trial(action).with(|_, c| c.recommendation.evidence.capacity_ratio = ratio);
        trial.check(CheckName::StepSize, expect);
    };
    case(Resize, 0.5, "Pass");
    case(Resize, 0.499, "Fail by more than 50 %");
    case(Resize, f64::NAN, "Fail");
    case(Memory, 2.0, "Pass");
    for action in [StopIdle, Delete] {
        let Trial { world, candidate } = trial(action);
        let plan = world.review(vec![candidate]);
        let names: Vec<_> = plan.entries[0].checks.iter().map(|check| check.check).collect();
        assert!(!names.contains(&CheckName::StepSize));
    }
}

#[test]
fn an_instance_is_well() {
    let name = CheckName::Health;
    let status = |system: &str, instance: &str, events: &[&str]| {
        let status = crate::facts::InstanceStatus {
            system: system.to_owned(),
            instance: instance.to_owned(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
        };
        trial(Resize).with(|_, c| c.facts.status = fact(status))
    };
    status("ok", "ok", &[]).check(name, "Pass");
    status("impaired", "ok", &[]).check(name, "Fail system status check is `impaired`");
    status("ok", "initializing", &[]).check(name, "Fail instance status check");
    status("ok", "ok", &["instance-retirement"]).check(name, "Fail instance-retirement");
    trial(Resize).with(|_, c| c.facts.status = None).check(name, "Fail status checks is not known");
    let state = |state| trial(Resize).resource(move |r| instance_mut(r).state = state);
    use trimtab_models::resource::InstanceState as S;
    state(S::Running).check(name, "Pass");
    state(S::Stopped).check(name, "Pass");
    state(S::Stopping).check(name, "Fail does not run");
    state(S::Pending).check(name, "Fail does not run");
}

#[test]
fn alarms_speak_against_a_change() {
    let name = CheckName::Health;
    let alarm = |state: &str, actions: &[AlarmAction], of_resource: bool| Alarm {
        name: "errors".to_owned(),
        state: state.to_owned(),
        actions: actions.to_vec(),
        of_resource,
    };
    let with = |action: Action, alarms: Vec<Alarm>, named: bool| {
        trial(action).with(|w, c| {
            c.facts.alarms = fact(alarms);
            if named {
                w.policy.health.stop_alarms = vec!["errors".to_owned()];
            }
        })
    };
    use AlarmAction::{Notify, Power, Scaling};
    with(Resize, vec![alarm("OK", &[Notify], true)], false)
        .check(name, "Pass may fire while it is down: errors");
    with(Resize, vec![alarm("ALARM", &[Notify], true)], false).check(name, "Fail fires");
    with(Resize, vec![alarm("ALARM", &[], true)], false).check(name, "Fail fires");
    with(Resize, vec![alarm("ALARM", &[Notify], false)], false).check(name, "Pass");
    with(Resize, vec![alarm("ALARM", &[Scaling], true)], false).check(name, "Pass");
    with(Resize, vec![alarm("ALARM", &[Scaling, Notify], true)], false).check(name, "Fail fires");
    with(Resize, vec![alarm("OK", &[Power], true)], false).check(name, "Fail by itself");
    with(Resize, vec![alarm("OK", &[Power], false)], false).check(name, "Pass");
    with(Migrate, vec![alarm("OK", &[Power], true)], false).check(name, "Pass");
    with(Resize, vec![alarm("OK", &[Notify], false)], true).check(name, "Pass");
    with(Resize, vec![alarm("ALARM", &[Notify], false)], true).check(name, "Fail is ALARM");
    with(Resize, vec![alarm("INSUFFICIENT_DATA", &[], false)], true)
        .check(name, "Fail INSUFFICIENT_DATA");
    with(Resize, vec![], true).check(name, "Fail does not exist");
    with(Memory, vec![], true).check(name, "Fail does not exist");
    with(Migrate, vec![], true).check(name, "Pass");
    trial(Resize).with(|_, c| c.facts.alarms = None).check(name, "Fail alarms is not known");
    trial(Memory).with(|_, c| c.facts.alarms = None).check(name, "Pass");
}

#[test]
fn volumes_functions_and_groups_are_well() {
    let name = CheckName::Health;
    let volume = |action: Action, state: &str| {
        let state = state.to_owned();
        trial(action).resource(move |r| volume_mut(r).state.clone_from(&state))
    };
    volume(Migrate, "available").check(name, "Pass");
    volume(Migrate, "in-use").check(name, "Pass");
    volume(Migrate, "error").check(name, "Fail the volume is `error`");
    volume(Delete, "in-use").check(name, "Fail in-use");
    trial(Delete).resource(|r| attach(r, "i-9")).check(name, "Fail attached");
    trial(Memory)
        .resource(|r| function_mut(r).state = "Inactive".to_owned())
        .check(name, "Fail Inactive");
    trial(Memory)
        .resource(|r| function_mut(r).last_update_status = "InProgress".to_owned())
        .check(name, "Fail last update is `InProgress`");
    let listed = || {
        trial(Memory).with(|world, c| {
            let known = world.inventory.get_mut(&c.recommendation.resource.arn);
            let known = function_mut(known.expect("the fixture lists it"));
            known.state = "unknown".to_owned();
            known.last_update_status = "unknown".to_owned();
        })
    };
    listed().check(name, "Pass");
    let live = |c: &mut Candidate, state: &str| {
        let live = c.facts.live.as_mut().expect("the fixture knows the live resource");
        function_mut(&mut live.value).state = state.to_owned();
    };
    listed().with(|_, c| live(c, "Pending")).check(name, "Fail state is `Pending`");
    listed().with(|_, c| c.facts.live = None).check(name, "Fail state is `unknown`");
    let some = || vec!["Launch".to_owned()];
    trial(Capacity).check(name, "Pass");
    trial(Capacity).resource(|r| group_mut(r).deleting = true).check(name, "Fail deleted");
    trial(Capacity).resource(|r| group_mut(r).mixed_instances = true).check(name, "Fail mixed");
    trial(Capacity)
        .resource(|r| group_mut(r).suspended_processes = some())
        .check(name, "Fail suspended");
    trial(Capacity)
        .resource(|r| group_mut(r).activities_in_progress = some())
        .check(name, "Fail activities");
    trial(Capacity)
        .resource(|r| group_mut(r).refresh_in_progress = Some("Pending".to_owned()))
        .check(name, "Fail refresh");
    trial(Capacity)
        .resource(|r| group_mut(r).members[0].healthy = false)
        .check(name, "Fail unhealthy");
}

#[test]
fn drift_compares_with_the_inventory_and_later_with_the_live_resource() {
    let name = CheckName::Drift;
    let larger = |r: &mut Resource| instance_mut(r).instance_type = "m5.2xlarge".to_owned();
    trial(Resize).check(name, "Pass");
    trial(Resize)
        .with(|w, _| w.inventory.values_mut().for_each(larger))
        .check(name, "Fail found {\"instance_type\":\"m5.2xlarge\"");
    trial(Resize).with(|w, _| w.inventory.clear()).check(name, "Fail not in the inventory");
    for moment in [Moment::Approval, Moment::FirstWrite] {
        let live = |change: fn(&mut Candidate)| trial(Resize).at(moment).with(|_, c| change(c));
        live(|_| {}).check(name, "Pass");
        live(|c| c.facts.live = None).check(name, "Fail not known");
        live(|c| {
            instance_mut(&mut c.facts.live.as_mut().expect("known").value).instance_type =
                "m5.2xlarge".to_owned()
        })
        .check(name, "Fail found");
        live(|c| c.facts.live.as_mut().expect("known").at = seconds_ago(300)).check(name, "Pass");
        live(|c| c.facts.live.as_mut().expect("known").at = seconds_ago(360))
            .check(name, "Fail 6 min ago");
        live(|c| c.facts.live.as_mut().expect("known").value = instance("i-9"))
            .check(name, "Fail was read");
    }
}

#[test]
fn a_group_that_others_scale_drifts_in_its_bounds_only() {
    let name = CheckName::Drift;
    let scaled = |capacity: u32, max: u32, policies: bool, desired_max: u32| {
        trial(Capacity).with(|w, c| {
            let found = w.inventory.values_mut().next().expect("one group");
            let group = group_mut(found);
            (group.desired_capacity, group.max_size) = (capacity, max);
            if policies {
                group.scaling_policies = vec!["target".to_owned()];
            }
            c.recommendation.desired =
                Spec::Group { min_size: 2, max_size: desired_max, desired_capacity: 2 };
        })
    };
    scaled(4, 8, false, 4).check(name, "Pass");
    scaled(5, 8, false, 6).check(name, "Fail expected");
    scaled(5, 8, true, 6).check(name, "Pass");
    scaled(5, 9, true, 6).check(name, "Fail expected");
    scaled(5, 8, true, 5).check(name, "Pass");
    scaled(5, 8, true, 4).check(name, "Fail below the live desired capacity of 5");
}

#[test]
fn an_owner_is_given_the_patch_and_a_revert_ends_proposals() {
    let name = CheckName::Ownership;
    let stack = |r: &mut Resource| {
        let tags = &mut r.reference.tags;
        tags.insert("aws:cloudformation:stack-name".to_owned(), "web".to_owned());
    };
    trial(Resize).check(name, "Pass");
    trial(Resize).resource(stack).check(name, "Fail stack `web`");
    trial(Resize).resource(stack).check(name, "Fail InstanceType: m5.xlarge -> m5.large");
    let delegate = |w: &mut World, _: &mut Candidate| {
        w.policy.ownership.push(crate::settings::OwnershipRule {
            tag_key: "aws:cloudformation:stack-name".to_owned(),
            tag_value: None,
            owner: "cloudformation".to_owned(),
            delegated: true,
        });
    };
    trial(Resize).resource(stack).with(delegate).check(name, "Pass delegated");
    let past =
        |state: State| trial(Resize).with(move |w, c| w.add(change(c, "g", state, days_ago(20))));
    past(State::Kept).check(name, "Fail took change");
    past(State::Conflicted).check(name, "Fail took change");
    past(State::Undone).check(name, "Pass");
    past(State::Kept).with(|_, c| c.said = vec![approval(c)]).check(name, "Pass");
    let elsewhere = |w: &mut World, _: &mut Candidate| {
        let change = w.changes.values_mut().next().expect("one change");
        change.recommendation.expected =
            Spec::Instance { instance_type: "m5.4xlarge".to_owned(), state: PowerState::Running };
    };
    past(State::Kept).with(elsewhere).check(name, "Pass");
}

/// A resize of an instance that a case changes, to a type that it names.
fn resize(target: &str, change: impl Fn(&mut Resource), expect: &str) {
    let trial = trial(Resize).resource(change).with(|_, c| {
        c.recommendation.desired =
            Spec::Instance { instance_type: target.to_owned(), state: PowerState::Running };
        let offered = c.facts.offered.as_mut().expect("the fixture has it");
        offered.value.insert(target.to_owned(), true);
    });
    trial.check(CheckName::Compatibility, expect);
}

/// A resize of an instance that a case changes.
fn fits(target: &str, change: fn(&mut trimtab_models::resource::Instance), expect: &str) {
    resize(target, |r| change(instance_mut(r)), expect);
}

#[test]
fn an_instance_fits_its_new_type() {
    fits("m5.large", |_| {}, "Pass");
    fits("m99.large", |_| {}, "Fail does not know the type m99.large");
    fits("m5.large", |i| i.instance_type = "m99.xlarge".into(), "Fail m99.xlarge");
    fits("m6g.large", |_| {}, "Fail architecture x86_64");
    fits("m5.large", |i| i.architecture = "riscv".into(), "Fail architecture riscv");
    fits("m5.large", |i| i.virtualization = "paravirtual".into(), "Fail virtualization");
    fits("m5.large", |i| i.ena_support = false, "Fail ENA driver");
    fits("m5.large", |i| i.instance_type = "m4.xlarge".into(), "Fail NVMe driver");
    fits("m4.large", |i| i.instance_type = "m4.xlarge".into(), "Pass");
    fits("c5.large", |i| i.instance_type = "g4dn.xlarge".into(), "Fail accelerator");
    fits("m5.large", |i| i.network_interfaces = 3, "Pass");
    fits("m5.large", |i| i.network_interfaces = 4, "Fail 4 network interfaces, at most 3");
    fits("m5.large", |i| i.addresses_per_interface = 10, "Pass");
    fits("m5.large", |i| i.addresses_per_interface = 11, "Fail 11 addresses");
    fits("m5.large", |i| i.placement_group = Some("p".into()), "Pass");
    fits("t3.large", |i| i.placement_group = Some("p".into()), "Fail placement");
}

#[test]
fn an_unknown_boot_mode_fits_where_any_would() {
    fits("m5.large", |i| i.boot_mode = Some("uefi".into()), "Pass");
    fits("m4.large", |i| i.boot_mode = Some("uefi".into()), "Fail boot mode uefi");
    fits("m5.large", |i| i.boot_mode = None, "Pass");
    fits("m4.large", |i| i.boot_mode = None, "Fail boot mode unknown");
    fits("m5.large", |i| i.boot_mode = Some("uefi-preferred".into()), "Pass");
    fits("m5.large", |i| i.boot_mode = Some("open-firmware".into()), "Fail boot mode");
}

#[test]
fn some_instances_are_bound_to_their_type() {
    fits("m5.large", |i| i.ebs_root = false, "Fail root device");
    fits("m5.large", |i| i.tenancy = "host".into(), "Fail tenancy");
    fits("m5.large", |i| i.hibernation = true, "Fail hibernation");
    fits("m5.large", |i| i.enclave = true, "Fail Enclaves");
    fits("m5.large", |i| i.custom_cpu_options = true, "Fail set by hand");
    fits("m5.large", |i| i.licenses = 1, "Fail licence");
    fits("m5.large", |i| i.special_network = true, "Fail EFA");
    fits("m5.large", |i| i.lifecycle = Some("scheduled".into()), "Fail scheduled");
}

#[test]
fn attachments_share_their_limit_with_interfaces_and_disks() {
    let volumes = |count: usize| {
        move |r: &mut Resource| {
            instance_mut(r).volumes = (0..count).map(|number| format!("vol-{number}")).collect();
        }
    };
    let catalog = trimtab_models::catalog::Catalog::embedded();
    let most = |name: &str| {
        let known = catalog.instance_type(name).expect("a type of the catalogue");
        known.ebs.max_attachments as usize
    };
    // The instance has one interface, and m5d.large one disk of its own.
    resize("m5.large", volumes(most("m5.large") - 1), "Pass");
    resize("m5.large", volumes(most("m5.large")), "Fail attachments, at most");
    resize("m5d.large", volumes(most("m5d.large") - 2), "Pass");
    resize("m5d.large", volumes(most("m5d.large") - 1), "Fail attachments, at most");
}

#[test]
fn every_type_of_the_ladder_must_be_offered_and_fit() {
    let name = CheckName::Compatibility;
    let alternates = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        trial(Resize).with(|_, c| c.recommendation.alternates = names)
    };
    alternates(&["c5.large", "t3.large"]).check(name, "Pass");
    alternates(&["c5.large", "m6g.large"]).check(name, "Fail m6g.large: architecture");
    alternates(&["r5.large"]).check(name, "Fail known whether the zone offers r5.large");
    let offered = |value: bool| {
        trial(Resize).with(move |_, c| {
            let offered = c.facts.offered.as_mut().expect("the fixture has it");
            offered.value.insert("m5.large".to_owned(), value);
        })
    };
    offered(false).check(name, "Fail does not offer m5.large");
    trial(Resize).with(|_, c| c.facts.offered = None).check(name, "Fail what the zone offers");
    trial(Resize).with(|_, c| c.steps.clear()).check(name, "Fail no steps");
}

#[test]
fn a_larger_type_needs_room_in_its_quota() {
    let name = CheckName::Compatibility;
    // The machine of the fixture is an m5.xlarge of four vCPUs: an m5.2xlarge takes four more, an m5.large none.
    let to = |target: &str, rooms: Option<&[(VcpuQuota, VcpuRoom)]>| {
        let (target, rooms) = (target.to_owned(), rooms.map(|rooms| rooms.iter().copied()));
        trial(Resize).with(move |_, c| {
            c.recommendation.desired =
                Spec::Instance { instance_type: target, state: PowerState::Running };
            c.facts.vcpus = rooms.and_then(|rooms| fact(rooms.collect()));
        })
    };
    let room = |limit: u32| [(VcpuQuota::Standard, VcpuRoom { limit, used: 60 })];
    to("m5.2xlarge", Some(&room(64))).check(name, "Pass");
    let full = "Fail takes 4 more vCPUs and the quota L-1216C47A has 3 left of 63";
    to("m5.2xlarge", Some(&room(63))).check(name, full);
    to("m5.2xlarge", Some(&room(0))).check(name, "Fail has 0 left of 0");
    to("m5.2xlarge", None).check(name, "Fail the vCPU quota L-1216C47A that m5.2xlarge needs");
    to("m5.2xlarge", Some(&[])).check(name, "Fail is not known");
    to("m5.large", Some(&room(0))).check(name, "Pass");
    to("m5.large", None).check(name, "Pass");
}

#[test]
fn a_function_behind_an_alias_is_changed_only_where_publishing_ships_the_memory_alone() {
    let check = |change: &dyn Fn(&mut Function), expect: &str| {
        trial(Memory)
            .resource(|r| {
                r.detail = aliased_function(&r.id).detail;
                change(function_mut(r));
            })
            .check(CheckName::Compatibility, expect);
    };
    let differs = |f: &mut Function| {
        let parts = vec!["environment".to_owned(), "timeout".to_owned()];
        f.served = Some(Published { differs: parts, ..published(7, 1_024) });
    };
    check(&|_| {}, "Pass");
    check(
        &|f| f.aliases = vec![alias("live", "7", &[("8", 0.1)])],
        "Fail a deployment is under way",
    );
    let two = |version: &str| vec![alias("blue", version, &[]), alias("live", "7", &[])];
    check(&|f| f.aliases = two("6"), "Fail different versions (blue -> 6, live -> 7)");
    check(&|f| f.aliases = two("7"), "Fail several aliases of one version");
    check(&|f| f.aliases = vec![alias("live", "$LATEST", &[])], "Fail which names $LATEST");
    check(&|f| f.served = None, "Fail could not be read");
    check(&|f| f.code_sha256 = Some("0ther".to_owned()), "Fail other code than version 7");
    check(&|f| f.code_sha256 = None, "Fail cannot be compared");
    check(&|f| f.memory_mb = 2_048, "Fail memory 2048 MB, not 1024");
    check(&differs, "Fail differs from version 7, which callers get (environment, timeout)");
    check(&|f| f.provisioned = None, "Fail is not known");
    check(
        &|f| f.provisioned = Some(vec!["live".to_owned()]),
        "Fail provisioned concurrency is set on live",
    );
    let quiet = |calls| {
        trial(Memory).resource(|r| r.detail = aliased_function(&r.id).detail).with(move |_, c| {
            c.recommendation.evidence.invocations = Some(calls);
            c.recommendation.evidence.days_seen = 30.0;
        })
    };
    quiet(2_999).check(CheckName::Compatibility, "Fail 100 calls a day are too few");
    quiet(3_000).check(CheckName::Compatibility, "Pass");
}

#[test]
fn volumes_functions_and_groups_can_be_what_is_desired() {
    let name = CheckName::Compatibility;
    let memory = |memory_mb: u32| {
        trial(Memory).with(move |_, c| c.recommendation.desired = Spec::Function { memory_mb })
    };
    memory(128).check(name, "Pass");
    memory(127).check(name, "Fail 127 MB");
    memory(10_240).check(name, "Pass");
    memory(10_241).check(name, "Fail 10241 MB");
    trial(Memory)
        .resource(|r| function_mut(r).published_versions = 1)
        .check(name, "Fail 1 versions are published and no alias");
    trial(Memory)
        .resource(|r| function_mut(r).capacity_provider = true)
        .check(name, "Fail capacity provider");
    let to = |change: fn(&mut VolumeSpec)| {
        trial(Migrate).with(|_, c| {
            let mut spec = gp3();
            change(&mut spec);
            c.recommendation.desired = Spec::Volume(spec);
        })
    };
    to(|_| {}).check(name, "Pass");
    to(|s| s.size_gib = 501).check(name, "Fail size never changes");
    to(|s| s.iops = Some(2_999)).check(name, "Fail 2999 IOPS");
    trial(Migrate).resource(|r| volume_mut(r).multi_attach = true).check(name, "Fail Multi-Attach");
    let bounds = |min_size: u32, max_size: u32, desired_capacity: u32| {
        trial(Capacity).with(move |_, c| {
            c.recommendation.desired = Spec::Group { min_size, max_size, desired_capacity };
        })
    };
    bounds(1, 2, 2).check(name, "Pass");
    bounds(3, 2, 2).check(name, "Fail bounds 3 to 2");
    bounds(1, 2, 3).check(name, "Fail desired capacity of 3");
}

#[test]
fn nothing_goes_that_cannot_be_brought_back() {
    let name = CheckName::DataLoss;
    let public = |elastic: bool| {
        move |r: &mut Resource| {
            instance_mut(r).public_ip = Some("192.0.2.1".to_owned());
            instance_mut(r).elastic_ip = elastic;
        }
    };
    for action in [Resize, StopIdle] {
        trial(action).check(name, "Pass");
        trial(action).resource(public(true)).check(name, "Pass");
        trial(action).resource(public(false)).check(name, "Fail 192.0.2.1");
        let store = |r: &mut Resource| instance_mut(r).instance_type = "m5d.xlarge".to_owned();
        trial(action).resource(store).check(name, "Fail instance store");
        let unknown = |r: &mut Resource| instance_mut(r).instance_type = "m99.xlarge".to_owned();
        trial(action).resource(unknown).check(name, "Fail does not know");
    }
    trial(Delete).check(name, "Pass");
    trial(Delete).with(|_, c| c.steps.reverse()).check(name, "Fail without a snapshot");
    trial(Delete).with(|_, c| drop(c.steps.remove(0))).check(name, "Fail without a snapshot");
}

#[test]
fn permission_is_asked_late_and_a_refusal_counts_early() {
    let name = CheckName::Permission;
    let denied =
        Permission::Denied { operation: "ec2:StopInstances".to_owned(), message: "no".to_owned() };
    for (moment, missing) in [
        (Moment::Proposal, "Pass asked before the first write"),
        (Moment::Approval, "Fail not known"),
        (Moment::FirstWrite, "Fail not known"),
    ] {
        trial(Resize).at(moment).check(name, "Pass");
        trial(Resize).at(moment).with(|_, c| c.facts.permission = None).check(name, missing);
        let refuse = |_: &mut World, c: &mut Candidate| c.facts.permission = fact(denied.clone());
        trial(Resize).at(moment).with(refuse).check(name, "Fail ec2:StopInstances");
    }
}

#[test]
fn prices_are_known_and_listed_where_nobody_looks() {
    let name = CheckName::Price;
    let mode = |mode: Mode| move |w: &mut World, _: &mut Candidate| w.policy.modes.default = mode;
    let estimated = |_: &mut World, c: &mut Candidate| {
        c.recommendation.price_basis = Some(PriceBasis::Estimated)
    };
    trial(Resize).check(name, "Pass listed");
    trial(Resize).with(estimated).check(name, "Fail estimated");
    trial(Resize).with(estimated).with(mode(Mode::Copilot)).check(name, "Pass estimated");
    trial(Resize).with(estimated).with(mode(Mode::Datapilot)).check(name, "Pass estimated");
    trial(StopIdle).with(estimated).check(name, "Pass estimated");
    trial(Resize).with(|_, c| c.recommendation.price_basis = None).check(name, "Fail no price");
    trial(Resize).with(|_, c| c.recommendation.saving = None).check(name, "Fail no price");
    trial(Resize).with(|_, c| c.recommendation.cost_today = None).check(name, "Fail no price");
}

#[test]
fn the_stop_switch_holds_everything() {
    trial(Resize).check(CheckName::Stop, "Pass");
    let stop = |w: &mut World, _: &mut Candidate| w.stopped = Some("ada: incident".to_owned());
    trial(Resize).with(stop).check(CheckName::Stop, "Wait ada: incident");
    assert_eq!(trial(Resize).with(stop).until(CheckName::Stop), None);
}

#[test]
fn proposals_and_approvals_expire() {
    let name = CheckName::Expiry;
    let confirmed =
        |seconds: i64| trial(Resize).with(move |_, c| c.confirmed_at = seconds_ago(seconds));
    confirmed(86_400).check(name, "Pass");
    confirmed(86_401).check(name, "Fail last confirmed");
    let approved = |moment: Moment, at: i64| {
        trial(Resize).at(moment).with(move |_, c| {
            c.said = vec![Decision { at: seconds_ago(at), ..approval(c) }];
        })
    };
    let week = 7 * 86_400;
    approved(Moment::FirstWrite, week - 1).check(name, "Pass approved by operator");
    approved(Moment::FirstWrite, week).check(name, "Fail expired");
    approved(Moment::Proposal, week).check(name, "Pass a new one is needed");
    let frozen = |moment: Moment, days: f64| {
        trial(Resize).at(moment).with(move |w, _| {
            w.policy.freezes.push(Freeze {
                name: "sales".to_owned(),
                matcher: Matcher::default(),
                from: days_ago(1),
                until: in_days(days),
            });
        })
    };
    frozen(Moment::Approval, 6.9).check(name, "Pass");
    frozen(Moment::Approval, 7.0).check(name, "Fail no window opens");
    frozen(Moment::Approval, 90.0).check(name, "Fail no window opens");
    frozen(Moment::Proposal, 90.0).check(name, "Pass");
}

#[test]
fn a_resource_that_is_gone_is_held_back_by_name() {
    let trial = trial(Resize).with(|w, _| w.inventory.clear());
    let plan = trial.world.review(vec![trial.candidate]);
    assert_eq!(plan.entries[0].decision, crate::plan::Disposition::Withheld);
    assert!(
        verdict(&plan, CheckName::Health).reason.contains("instance/r1 is not in the inventory")
    );
}

#[test]
fn a_mark_that_the_journal_does_not_know_withholds_everything() {
    let name = CheckName::Conflict;
    let mark = |owner: &'static str| {
        move |resource: &mut Resource| {
            let tags = [(CHANGE_TAG, owner), (WAS_TAG, "m5.2xlarge")];
            let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
            resource.reference.tags.extend(tags);
        }
    };
    for action in [Action::ResizeInstance, Action::StopIdleInstance] {
        trial(action)
            .resource(mark("b2/chg-9"))
            .check(name, "Fail `r1` is marked by change `chg-9` of");
        trial(action).resource(mark("b2/chg-9")).check(name, "Fail trimtab changes adopt chg-9");
        trial(action).resource(mark("somebody")).check(name, "Fail unreadable mark");
    }
    let known = |agent_id: &'static str| {
        trial(Action::ResizeInstance).resource(mark("a1/chg-9")).with(move |world, candidate| {
            let mut ours = change(candidate, "r1", State::Kept, days_ago(30));
            "chg-9".clone_into(&mut ours.id);
            ours.agent_id = Some(agent_id.to_owned());
            world.add(ours);
        })
    };
    known("a1").check(name, "Pass");
    known("b2").check(name, "Fail");
    let live = trial(Action::ResizeInstance).at(Moment::FirstWrite).with(|_, candidate| {
        let mut marked = instance("r1");
        mark("b2/chg-9")(&mut marked);
        candidate.facts.live = fact(marked);
    });
    live.check(name, "Fail");
    let mut disk = volume("r1");
    mark("chg-9")(&mut disk);
    trial_of(Action::TuneVolume, disk.clone()).check(name, "Pass");
    attach(&mut disk, "i-7");
    let mut holder = instance("i-7");
    mark("b2/chg-9")(&mut holder);
    trial_of(Action::TuneVolume, disk)
        .with(|world, _| drop(world.inventory.insert(holder.reference.arn.clone(), holder)))
        .check(name, "Fail `i-7` is marked");
}

#[test]
fn what_disrupts_waits_for_its_quiet_hours() {
    let quiet = |action: Action, change: &dyn Fn(&mut World, &mut Candidate)| {
        trial(action).with(|world, candidate| {
            candidate.recommendation.evidence.forecast = Some(forecast());
            candidate.said = vec![approval(candidate)];
            change(world, candidate);
        })
    };
    // It is Friday noon; the approval of Thursday noon is good for seven days.
    let night = time("2026-11-21T02:00:00Z");
    quiet(Resize, &|_, _| {}).check(CheckName::QuietTime, "Wait 2026-11-21T02:00:00Z");
    assert_eq!(quiet(Memory, &|_, _| {}).until(CheckName::QuietTime), Some(night));
    quiet(Resize, &|w, _| w.now = night).check(CheckName::QuietTime, "Pass quiet hours");
    quiet(Resize, &|_, c| c.recommendation.evidence.forecast = None)
        .check(CheckName::QuietTime, "Pass no forecast");
    let decided = |change: &'static dyn Fn(&mut Decision)| {
        move |c: &mut Candidate| change(c.said.first_mut().expect("the trial approves"))
    };
    let now_said = decided(&|d| d.now = true);
    quiet(Resize, &|_, c| now_said(c))
        .check(CheckName::QuietTime, "Pass operator said not to wait");
    let expired = decided(&|d| d.at = days_ago(8));
    quiet(Resize, &|_, c| expired(c)).check(CheckName::QuietTime, "Wait 2026-11-21T02");
    // Only so much that nothing disrupts is left to begin at any time.
    let plan = quiet(Migrate, &|_, _| {}).plan();
    assert!(plan.entries[0].checks.iter().all(|check| check.check != CheckName::QuietTime));
}

#[test]
fn an_approver_may_name_the_time() {
    let named = |at: &str, moment: Moment, change: &dyn Fn(&mut World)| {
        let at = time(at);
        trial(Resize).at(moment).with(|world, candidate| {
            candidate.recommendation.evidence.forecast = Some(forecast());
            let begin_at = Some(at);
            candidate.said = vec![Decision { begin_at, ..approval(candidate) }];
            change(world);
        })
    };
    let expect = |at: &str, moment, change: &dyn Fn(&mut World), expect: &str| {
        named(at, moment, change).check(CheckName::QuietTime, expect);
    };
    let (late, first) = (Moment::Approval, Moment::FirstWrite);
    expect("2026-11-20T15:00:00Z", late, &|_| {}, "Wait 15:00");
    expect("2026-11-20T12:00:00Z", late, &|_| {}, "Pass");
    expect("2026-11-20T10:59:00Z", late, &|_| {}, "Fail has passed");
    expect("2026-11-26T12:00:00Z", late, &|_| {}, "Fail not before the approval ends");
    let freeze = |world: &mut World| {
        world.policy.freezes.push(Freeze {
            name: "launch".to_owned(),
            matcher: Matcher::default(),
            from: time("2026-11-20T14:00:00Z"),
            until: time("2026-11-20T18:00:00Z"),
        });
    };
    expect("2026-11-20T15:00:00Z", late, &freeze, "Fail freeze `launch`");
    expect("2026-11-20T15:00:00Z", first, &|_| {}, "Wait 15:00");
    expect("2026-11-20T11:30:00Z", first, &|_| {}, "Pass named the hour");
    // The daemon was away at the time: then the quiet hours count again.
    expect("2026-11-20T11:00:00Z", first, &|_| {}, "Wait has passed");
}

#[test]
fn a_machine_behind_a_balancer_needs_another_healthy_target() {
    let name = CheckName::Health;
    let registration = |by_address| Registration {
        group_arn: "arn:tg/web/1".to_owned(),
        port: 80,
        drain_s: 60,
        by_address,
    };
    let target =
        |id: &str, state: &str| Target { id: id.to_owned(), port: 80, state: state.to_owned() };
    let behind = |action: Action, by_address: bool, targets: Option<Vec<Target>>| {
        let mut machine = instance("r1");
        instance_mut(&mut machine).registrations = Some(vec![registration(by_address)]);
        let all = targets.map(|all| Targets::from([("arn:tg/web/1".to_owned(), all)]));
        trial_of(action, machine).with(|_, candidate| {
            candidate.facts.targets = all.and_then(fact);
        })
    };
    let ours = || target("r1", "healthy");
    let both = |state: &str| Some(vec![ours(), target("r2", state)]);
    behind(Resize, false, both("healthy")).check(name, "Pass");
    behind(Resize, false, both("unhealthy")).check(name, "Fail no other target of `web`");
    behind(Resize, false, both("draining")).check(name, "Fail no other target of `web`");
    behind(Resize, false, Some(vec![ours()])).check(name, "Fail no other target of `web`");
    behind(Resize, false, Some(vec![target("r1", "unused")])).check(name, "Pass");
    behind(Resize, false, Some(vec![target("r2", "healthy")])).check(name, "Fail not registered");
    behind(Resize, false, None).check(name, "Fail the health of its target groups is not known");
    behind(Resize, true, both("healthy")).check(name, "Fail by its address");
    behind(Action::StopIdleInstance, false, both("healthy")).check(name, "Fail take it out");
    let unknown = trial(Resize).resource(|machine| instance_mut(machine).registrations = None);
    unknown.check(name, "Fail elasticloadbalancing:DescribeTargetHealth");
    let moved = behind(Resize, false, both("healthy")).with(|world, candidate| {
        world.moment = Moment::FirstWrite;
        candidate.facts.live = fact(instance("r1"));
    });
    moved.check(name, "Fail its target groups are others");
}
