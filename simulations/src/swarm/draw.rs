//! Drawing a plan from a seed.

use std::{collections::BTreeMap, fmt::Write};

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use trimtab_models::{
    catalog::Catalog,
    recommendation::Action,
    resource::Kind,
    spec::{PowerState, Spec, VolumeSpec},
};
use trimtab_policies::mode::Mode;

use super::Plan;
use crate::{
    checker::Bounds,
    fault::{Distortion, Fault, Reached, Rule},
    scenario::Scenario,
    world::{ForeignChange, World},
};

/// What fleets are made of: all that something is done with, and some that nothing must be done with.
const ARCHETYPES: [&str; 19] = [
    "web-oversized",
    "web-oversized",
    "idle",
    "night-batch",
    "bursty",
    "saturated",
    "opted-out",
    "stack-owned",
    "volume-gp2",
    "volume-gp3-over",
    "volume-io1-over",
    "volume-unattached",
    "function-oversized",
    "function-oversized",
    "function-aliased",
    "group-fixed-over",
    "group-scaled-over",
    "group-daily-rise",
    "group-type-over",
];

/// The calls that a role may lack.
const CALLS: [&str; 20] = [
    "ec2:StopInstances",
    "ec2:StartInstances",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyVolume",
    "ec2:CreateSnapshot",
    "ec2:DeleteVolume",
    "ec2:CreateVolume",
    "lambda:UpdateFunctionConfiguration",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
    "autoscaling:UpdateAutoScalingGroup",
    "autoscaling:PutScheduledUpdateGroupAction",
    "autoscaling:StartInstanceRefresh",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "autoscaling:DeleteScheduledAction",
    "elasticloadbalancing:DescribeTargetHealth",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:RegisterTargets",
];

/// Types that run out: the ones that sizing finds for the fleets, and what the fleets have.
const TYPES: [&str; 10] = [
    "m5.large",
    "m5.xlarge",
    "m5.2xlarge",
    "r5.large",
    "r5.xlarge",
    "r5.2xlarge",
    "m6i.large",
    "m6i.xlarge",
    "r6i.large",
    "c5.xlarge",
];

/// Calls and records of a run of a few days; a death later than the last never happens.
const CALLS_MAX: u64 = 400;
const RECORDS_MAX: u64 = 30;

pub(super) fn random(seed: u64) -> Pcg64Mcg {
    Pcg64Mcg::new(u128::from(crate::noise::mix(seed)) << 1 | 1)
}

pub(super) fn downtime(random: &mut Pcg64Mcg) -> SignedDuration {
    // Mostly a restart by systemd, sometimes a morning.
    let longest = if random.random_bool(0.7) { 60 } else { 4 * 3_600 };
    SignedDuration::from_secs(random.random_range(1..longest))
}

pub(super) fn plan(seed: u64, catalog: &Catalog) -> Plan {
    let mut random = random(seed);
    // Most of what can go wrong does so in the first hours; a verdict takes two days.
    let days = [1, 1, 1, 1, 2, 3][random.random_range(0..6)];
    let (mut text, mut bounds) = scenario(&mut random, days);
    people(&mut self::random(seed ^ PEOPLE_STREAM), &mut text, &mut bounds);
    let scenario = Scenario::parse(&text).expect("the text is made here");
    let world = World::new(&scenario, seed, catalog.clone());
    let rules = rules(&mut random, &world, scenario.start, days);
    let downtime = downtime(&mut random);
    let mut plan = Plan { seed, days, scenario, bounds, rules: Vec::new(), downtime };
    plan.set_rules(rules);
    plan
}

/// Hourly points, so that a month of them is fitted in a millisecond; everything that may be done is allowed, and then
/// held back by what is drawn.
const SETTINGS: &str = "
[settings.collect]
step_s = 3600
lookback_days = 29
[settings.autopilot]
max_disruption = 'rolling'
allow_decrease = true
[settings.sizing.group]
min_size = 2
";

const APPROVES: &str = "
approves = ['resize-instance', 'stop-idle-instance', 'migrate-volume-type', 'tune-volume',
            'delete-unattached-volume', 'tune-function-memory', 'tune-group-capacity',
            'schedule-group', 'resize-group-instances']
";

/// Drawn from a stream of their own, so that other draws of a seed stay what they are when people change.
const PEOPLE_STREAM: u64 = 0x7065_6f70_6c65;

/// Who may be configured as an approver, in the order in which they are.
const NAMES: [&str; 3] = ["ada", "bob", "cleo"];

/// A scenario's text, but for its people, and what the checkers make of it.
fn scenario(random: &mut Pcg64Mcg, days: u32) -> (String, Bounds) {
    let mut text = "name = 'swarm'\ndescription = 'drawn from a seed'\n\
                    start = '2026-03-02T00:00:00Z'\nhistory_days = 29\n"
        .to_owned();
    let mut bounds = Bounds::default();
    let mut fleet = BTreeMap::new();
    for _ in 0..random.random_range(2..5) {
        *fleet.entry(ARCHETYPES[random.random_range(0..ARCHETYPES.len())]).or_insert(0) += 1;
    }
    line(&mut text, format_args!("balanced = {}", random.random_bool(0.3)));
    text.push_str("[fleet]\n");
    for (archetype, count) in fleet {
        line(&mut text, format_args!("{archetype} = {count}"));
    }
    line(&mut text, format_args!("[approver]\nname = 'ada'{APPROVES}"));
    let (after, now) = (random.random_range(0..8), random.random_bool(0.6));
    line(&mut text, format_args!("after_hours = {after}\nnow = {now}"));
    text.push_str(SETTINGS);
    // Autopilot begins in cycles only, so that a quiet hour is met by frequent ones.
    let hours = [1, 4, 8, 8][random.random_range(0..4)];
    line(&mut text, format_args!("[settings.schedule]\ncycle = '0 5 */{hours} * * *'"));
    modes(random, &mut text, &mut bounds);
    limits(random, &mut text, &mut bounds);
    times(random, days, &mut text, &mut bounds);
    (text, bounds)
}

/// How approvals work, and who gives them beside ada: nobody, as often as not; or several who are configured, one who is not,
/// and one who says no.
fn people(random: &mut Pcg64Mcg, text: &mut String, bounds: &mut Bounds) {
    text.push_str("[settings.approvals]\n");
    if bounds.approval_days < 1.0 {
        line(text, format_args!("expiry_days = {}", bounds.approval_days));
    }
    if random.random_bool(0.4) {
        return;
    }
    let able = random.random_range(1..=NAMES.len());
    bounds.people = NAMES[..able].iter().map(|name| (*name).to_owned()).collect();
    bounds.quorum = random.random_range(1..=able);
    line(text, format_args!("quorum = {}", bounds.quorum));
    match random.random_range(0..4) {
        0 => bounds.quorum_above_risk = Some([0.0, 0.01, 0.05][random.random_range(0..3)]),
        1 | 2 => bounds.quorum_above_saving = Some([0.0, 20.0, 80.0][random.random_range(0..3)]),
        _ => {}
    }
    if let Some(risk) = bounds.quorum_above_risk {
        line(text, format_args!("quorum_above_risk = {risk:?}"));
    }
    if let Some(saving) = bounds.quorum_above_saving {
        line(text, format_args!("quorum_above_saving_usd_monthly = {saving:?}"));
    }
    for name in &NAMES[..able] {
        line(text, format_args!("[[settings.approver]]\nname = '{name}'\nrole = 'approver'"));
    }
    // Whoever is not configured answers like everybody, and does not count.
    let others = NAMES[1..able].iter().chain(["eve"].iter().filter(|_| random.random_bool(0.3)));
    for name in others.copied().collect::<Vec<_>>() {
        let (after, now) = (random.random_range(0..8), random.random_bool(0.8));
        line(text, format_args!("[[approvers]]\nname = '{name}'{APPROVES}"));
        line(text, format_args!("after_hours = {after}\nnow = {now}"));
    }
    if random.random_bool(0.3) {
        let action = Action::ALL[random.random_range(0..Action::ALL.len())];
        let after = random.random_range(0..12);
        line(text, format_args!("[[approvers]]\nname = 'ada'\napproves = []"));
        line(text, format_args!("rejects = ['{action}']\nafter_hours = {after}"));
        if random.random_bool(0.5) {
            line(text, format_args!("rejects_for_hours = {}", random.random_range(1..30)));
        }
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string takes text");
}

/// A mode for all, or datapilot with a rule for one kind, which may select nothing.
fn modes(random: &mut Pcg64Mcg, text: &mut String, bounds: &mut Bounds) {
    let kind = Kind::ALL[random.random_range(0..Kind::ALL.len())];
    let (default, rule) = match random.random_range(0..20) {
        0 => (Mode::Datapilot, None),
        1..9 => (Mode::Copilot, None),
        9..17 => (Mode::Autopilot, None),
        17 => (Mode::Datapilot, Some((kind, Mode::Autopilot))),
        18 => (Mode::Copilot, Some((kind, Mode::Datapilot))),
        _ => (Mode::Autopilot, Some((kind, Mode::Copilot))),
    };
    line(text, format_args!("[settings.modes]\ndefault = '{default}'"));
    if let Some((kind, mode)) = rule {
        let of = format!("match = {{ kind = '{kind}' }}\nmode = '{mode}'");
        line(text, format_args!("[[settings.modes.rule]]\n{of}"));
    }
    bounds.modes = Plan::modes(default, rule);
}

fn limits(random: &mut Pcg64Mcg, text: &mut String, bounds: &mut Bounds) {
    text.push_str("[settings.limits]\nunattached_days = 1.0\ndisabled_actions = []\n");
    if random.random_bool(0.3) {
        bounds.disruptive_per_hour = random.random_range(0..3);
        bounds.other_per_hour = random.random_range(0..3);
        bounds.disruptive_in_flight = random.random_range(0..3);
        line(text, format_args!("disruptive_per_hour = {}", bounds.disruptive_per_hour));
        line(text, format_args!("other_per_hour = {}", bounds.other_per_hour));
        line(text, format_args!("disruptive_in_flight = {}", bounds.disruptive_in_flight));
    }
    if random.random_bool(0.3) {
        bounds.approval_days = 0.25;
    }
}

/// A window of every day of the run, without which what disrupts waits for the quietest hour of the week; a freeze.
fn times(random: &mut Pcg64Mcg, days: u32, text: &mut String, bounds: &mut Bounds) {
    if random.random_bool(0.7) {
        let from = random.random_range(0..24_i8);
        // All day and all night as often as not.
        let hours = if random.random_bool(0.5) { 24 } else { random.random_range(2..12_i8) };
        let until = (from + hours) % 24;
        bounds.window = Some((from, until));
        text.push_str("[[settings.window]]\nname = 'drawn'\ntime_zone = 'UTC'\n");
        let names = ["mon", "tue", "wed"].into_iter().take(days as usize);
        let names: Vec<_> = names.map(|name| format!("'{name}'")).collect();
        line(text, format_args!("days = [{}]", names.join(", ")));
        line(text, format_args!("from = '{from:02}:00'\nuntil = '{until:02}:00'"));
    }
    if random.random_bool(0.15) {
        let start: Timestamp = "2026-03-02T00:00:00Z".parse().expect("a time");
        let from = start + SignedDuration::from_mins(random.random_range(0..1_440));
        let until = from + SignedDuration::from_mins(random.random_range(60..1_440));
        bounds.freeze = Some((from, until));
        text.push_str("[[settings.freeze]]\nname = 'drawn'\n");
        line(text, format_args!("from = '{from}'\nuntil = '{until}'"));
    }
}

/// Draws up to seven rules: a run with everything at once does nothing, and finds nothing.
pub(super) fn rules(
    random: &mut Pcg64Mcg,
    world: &World,
    start: Timestamp,
    days: u32,
) -> Vec<Rule> {
    let count = random.random_range(0..8);
    let mut drawing = Drawing { random, world, start, days };
    (0..count).map(|_| drawing.rule()).collect()
}

struct Drawing<'a> {
    random: &'a mut Pcg64Mcg,
    world: &'a World,
    start: Timestamp,
    days: u32,
}

impl Drawing<'_> {
    fn rule(&mut self) -> Rule {
        match self.random.random_range(0..24) {
            0 => self.share(Fault::Throttled),
            1 => self.share(Fault::ServerErrors),
            2 => self.share(Fault::TimeoutsBefore),
            3 => self.share(Fault::TimeoutsAfter),
            4 => self.share(Fault::AnswersRepeated),
            5 => {
                let seconds = self.random.random_range(1..90);
                self.share(|share| Fault::Stale { share, seconds })
            }
            6 => {
                let seconds = self.random.random_range(1..80);
                self.always(Fault::Hidden(seconds))
            }
            7 => self.for_a_while(Fault::TokenExpired, 7_200),
            8 => self.for_a_while(Fault::SessionEnded, 7_200),
            9 | 10 => {
                let call = CALLS[self.random.random_range(0..CALLS.len())].to_owned();
                self.for_a_while(Fault::Denied(call), 20_000)
            }
            11 => self.for_a_while(Fault::WrongAccount, 40_000),
            12 | 13 => self.metrics(),
            14 | 15 => {
                let name = TYPES[self.random.random_range(0..TYPES.len())].to_owned();
                self.always(Fault::NoCapacity(name))
            }
            16 => {
                let id = self.id();
                self.for_a_while(Fault::FallsBack(id), 40_000)
            }
            17 => self.foreign(),
            18 => self.for_a_while(Fault::DiskFull, 4_000),
            19 => {
                let seconds = self.random.random_range(-7_200..7_200);
                self.for_a_while(Fault::ClockOff(seconds), 40_000)
            }
            20 => {
                let call = self.random.random_range(0..CALLS_MAX);
                self.always(Fault::DiesAtCall(call))
            }
            21 => {
                let record = self.random.random_range(0..RECORDS_MAX);
                let all = [Reached::Nothing, Reached::Torn, Reached::Unsynced, Reached::Synced];
                let reached = all[self.random.random_range(0..all.len())];
                self.always(Fault::DiesAtRecord { record, reached })
            }
            22 => self.always(Fault::SecondAgent),
            _ => {
                let people = [Fault::StopSwitch, Fault::Undo];
                let fault = people[self.random.random_range(0..people.len())].clone();
                self.for_a_while(fault, 40_000)
            }
        }
    }

    fn end(&self) -> Timestamp {
        self.start + SignedDuration::from_hours(24 * i64::from(self.days))
    }

    fn always(&self, fault: Fault) -> Rule {
        Rule { fault, from: self.start, until: self.end() }
    }

    fn share(&mut self, fault: impl Fn(f64) -> Fault) -> Rule {
        let share = self.random.random_range(0.01..0.25);
        self.always(fault(share))
    }

    /// From some time on, near the beginning as often as not, because that is when the first changes are made.
    fn for_a_while(&mut self, fault: Fault, longest_s: i64) -> Rule {
        let within =
            if self.random.random_bool(0.5) { 3_600 } else { 86_400 * i64::from(self.days) };
        let from = self.start + SignedDuration::from_secs(self.random.random_range(0..within));
        let lasts = SignedDuration::from_secs(self.random.random_range(30..longest_s));
        Rule { fault, from, until: from + lasts }
    }

    fn id(&mut self) -> String {
        let ids = self.world.ids();
        ids[self.random.random_range(0..ids.len())].clone()
    }

    /// One resource's metrics, wrong from the beginning to the end.
    fn metrics(&mut self) -> Rule {
        let how = Distortion::ALL[self.random.random_range(0..Distortion::ALL.len())];
        let id = Some(self.id());
        self.always(Fault::Metrics { id, measure: None, how })
    }

    fn foreign(&mut self) -> Rule {
        let id = self.id();
        let spec = self.world.true_spec(&id, self.start);
        let disappears = self.random.random_bool(0.15);
        let power = self.random.random_bool(0.4);
        let spec = spec.as_ref().and_then(|live| foreign(live, power)).filter(|_| !disappears);
        let at = self.for_a_while(Fault::Undo, 31).from;
        Rule { fault: Fault::Foreign(ForeignChange { at, id, spec }), from: at, until: self.end() }
    }
}

/// What somebody else makes of a resource: neither what it was nor what it shall be; or, of a machine, the same switched off.
fn foreign(live: &Spec, power: bool) -> Option<Spec> {
    match live {
        Spec::Instance { instance_type, .. } if power => Some(Spec::Instance {
            instance_type: instance_type.clone(),
            state: PowerState::Stopped,
        }),
        Spec::Instance { .. } => Some(Spec::Instance {
            instance_type: "c5.9xlarge".to_owned(),
            state: PowerState::Running,
        }),
        Spec::Volume(spec) => Some(Spec::Volume(VolumeSpec {
            volume_type: "gp3".to_owned(),
            iops: Some(9_000),
            throughput_mibps: Some(500),
            ..spec.clone()
        })),
        Spec::Function { .. } => Some(Spec::Function { memory_mb: 3_000 }),
        Spec::Group { .. } => Some(Spec::Group { min_size: 1, max_size: 20, desired_capacity: 7 }),
        // No resource is described so.
        Spec::Schedule { .. } | Spec::Members { .. } | Spec::Gone { .. } => None,
    }
}
