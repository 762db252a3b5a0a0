//! Functions: the memory that was used, with room, where time and money agree.
//!
//! Lambda gives CPU in proportion to memory, so that less memory can mean longer runs. How much longer is fitted to the
//! sizes at which runs were seen (`duration`); with one size only the next is a try, one bounded step away. Not here:
//! functions whose used memory nobody publishes, and how a size gets behind an alias (`trimtab-policies`).

mod advice;
mod duration;
mod usage;

use super::{
    case::{CHANGE_MIN, Case, Costs, Finding, Proposal, STEP_MIN, risk_of},
    settings::FunctionObjective,
};
use crate::{
    catalog::{ApiWord, Architecture, FunctionUse},
    money::Usd,
    recommendation::{Action, Dimension, PriceBasis, Recommendation},
    replay::ReplayDimension,
    resource::Function,
    spec::Spec,
};
use duration::{DurationLaw, FULL_CPU_MB, Predicted};
use usage::{CALLS, DURATION, MEMORY, Usage, usage};

/// The largest size of an ordinary function, MB.
const MEMORY_MB_MAX: u32 = 10_240;
/// Sizes are multiples of this, MB, so that a little more use does not make another proposal.
const MEMORY_MB_STEP: u32 = 64;
/// How many times today's memory one decision gives at most: the counterpart of halving it.
const STEP_MAX: u32 = 2;

/// The share of the run that waits for CPU at which a try must still pay: three functions of four wait less, if shares
/// are spread evenly between nothing and all.
const LIKELY_SHARE: f64 = 0.75;

/// Share of the timeout below which the longest run must stay at the far end of the interval.
const TIMEOUT_RATIO_MAX: f64 = 0.6;

/// Used memory from which a function needs more, as a ratio of its size: an invocation beyond the size is killed.
const MEMORY_FULL_RATIO: f64 = 0.95;

/// What the rounding of each run to the next whole millisecond adds to a bill on average, ms.
const ROUNDING_MS: f64 = 0.5;

/// A function under the loupe.
#[derive(Debug)]
struct Trial<'a> {
    case: &'a Case<'a>,
    function: &'a Function,
    usage: Usage<'a>,
    law: DurationLaw,
}

/// A size, and on what it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Choice {
    memory_mb: u32,
    basis: Basis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// Memory is used up.
    Relief,
    /// Runs were seen at several sizes.
    Measured,
    /// Runs were seen at this size only; the next one will tell.
    Try,
}

/// Recommends another memory size.
///
/// # Errors
/// Why none is recommended.
pub(super) fn tune(case: &Case<'_>, function: &Function) -> Result<Recommendation, String> {
    if function.capacity_provider {
        return Err("a capacity provider runs it, which its memory does not pay for".to_owned());
    }
    let usage = usage(case, function)?;
    let law = DurationLaw::fit(&usage.sizes).ok_or("its runs took no time that was measured")?;
    let trial = Trial { case, function, usage, law };
    let choice = trial.choose()?;
    if choice.memory_mb < function.served_memory_mb() {
        case.refuse_unseen()?;
    }
    let proposal = Proposal {
        action: Action::TuneFunctionMemory,
        desired: Spec::Function { memory_mb: choice.memory_mb },
        alternates: Vec::new(),
        reason: trial.reason(choice),
        costs: trial.costs(choice.memory_mb),
    };
    Ok(case.recommendation(proposal, trial.finding(choice)))
}

impl Trial<'_> {
    fn choose(&self) -> Result<Choice, String> {
        let now_mb = self.usage.memory_now_mb.unwrap_or(self.usage.memory_max_mb);
        if now_mb >= f64::from(self.function.served_memory_mb()) * MEMORY_FULL_RATIO {
            let memory_mb = self.relief()?;
            return Ok(Choice { memory_mb, basis: Basis::Relief });
        }
        let objective = self.case.settings.function.objective;
        if self.law.distinct() > 1 {
            let memory_mb = self.best(objective)?;
            return Ok(Choice { memory_mb, basis: Basis::Measured });
        }
        match objective {
            FunctionObjective::Cost => {
                self.next_try().map(|memory_mb| Choice { memory_mb, basis: Basis::Try })
            }
            FunctionObjective::Duration | FunctionObjective::Both => Err(format!(
                "runs were seen at {} MB only: what memory does to their duration is not known",
                self.function.served_memory_mb()
            )),
        }
    }

    /// The least memory that one decision may leave, MB.
    fn floor(&self) -> u32 {
        let settings = &self.case.settings.function;
        let roomy = self.usage.memory_max_mb / (1.0 - settings.memory_headroom_ratio);
        let least =
            (f64::from(self.function.served_memory_mb()) * STEP_MIN).max(roomy).ceil() as u32;
        rounded(least.max(settings.min_memory_mb))
    }

    /// The size with room for a function whose memory is used up.
    fn relief(&self) -> Result<u32, String> {
        let today = self.function.served_memory_mb();
        let size = self.floor().min(MEMORY_MB_MAX);
        (size > today).then_some(size).ok_or_else(|| {
            format!("{today} MB are used up, and Lambda has no more than {MEMORY_MB_MAX}")
        })
    }

    /// The next size to try: the smallest within one step that cannot time out and is likely to pay.
    ///
    /// What can go wrong is bounded by the interval: less than the floor is never tried, and a run whose every part
    /// waits for CPU costs about what it did, for as much longer as it has less CPU.
    fn next_try(&self) -> Result<u32, String> {
        let today = self.function.served_memory_mb();
        let mut sizes = (self.floor()..today).step_by(MEMORY_MB_STEP as usize);
        let size = sizes.find(|size| self.reason_slow(*size).is_none()).ok_or_else(|| {
            format!(
                "{today} MB fit: {:.0} MB were used, and runs of {:.0} ms leave no room for a slower CPU",
                self.usage.memory_max_mb, self.usage.longest_ms
            )
        })?;
        if !self.case.settings.function.explore {
            return Err(format!(
                "runs were seen at {today} MB only, and trying {size} MB is not allowed"
            ));
        }
        let cpu = |mb: u32| f64::from(mb.clamp(1, FULL_CPU_MB));
        let slower = 1.0 + LIKELY_SHARE * (cpu(today) / cpu(size) - 1.0);
        let likely_ms = self.usage.mean_ms * slower;
        let pays = self.cost(size, likely_ms) < (1.0 - CHANGE_MIN) * self.cost_today();
        pays.then_some(size).ok_or_else(|| {
            format!("{size} MB may cost as much as {today} MB, because runs may become longer")
        })
    }

    /// The size within one step that serves the objective best, judged by the law, and certain not to cost more.
    fn best(&self, objective: FunctionObjective) -> Result<u32, String> {
        let today = self.function.served_memory_mb();
        let most = today.saturating_mul(STEP_MAX).min(MEMORY_MB_MAX);
        let floor = self.floor();
        let seen = self.usage.sizes.iter().map(|one| one.memory_mb);
        let grid = (floor..=most).step_by(MEMORY_MB_STEP as usize);
        let sizes = grid.chain(seen).chain([FULL_CPU_MB]);
        let open = |size: &u32| {
            (floor..=most).contains(size)
                && *size != today
                && self.reason_slow(*size).is_none()
                && self.cost(*size, self.law.at(*size).high_ms) <= self.cost_today()
        };
        let figure = |size: u32| {
            let ms = self.law.at(size).ms;
            match objective {
                FunctionObjective::Cost => self.cost(size, ms),
                FunctionObjective::Duration => ms,
                FunctionObjective::Both => self.cost(size, ms) * ms,
            }
        };
        let best = sizes
            .filter(open)
            .min_by(|one, other| figure(*one).total_cmp(&figure(*other)).then(one.cmp(other)));
        let worthy = best.filter(|size| figure(*size) < (1.0 - CHANGE_MIN) * figure(today));
        worthy.ok_or_else(|| {
            let count = self.law.distinct();
            format!(
                "{today} MB fit: by the runs seen at {count} sizes no other within reach is surely better by a tenth"
            )
        })
    }

    /// Why runs at `memory_mb` may take too long; judged at the far end of the interval.
    fn reason_slow(&self, memory_mb: u32) -> Option<String> {
        let slower = self.law.at(memory_mb).high_ms / self.usage.mean_ms;
        let timeout_ms = f64::from(self.function.timeout_s) * 1_000.0;
        if self.usage.longest_ms * slower >= timeout_ms * TIMEOUT_RATIO_MAX {
            return Some(format!("runs at {memory_mb} MB may time out"));
        }
        let most = 1.0 + self.case.settings.function.max_latency_increase_ratio;
        (memory_mb < self.function.served_memory_mb() && slower > most)
            .then(|| format!("runs at {memory_mb} MB may take {slower:.1} times as long"))
    }

    /// Cost a month in dollars or, without a price, in GB-seconds: they are compared, not shown.
    fn cost(&self, memory_mb: u32, ms: f64) -> f64 {
        let billed_ms = ms + ROUNDING_MS;
        self.price(memory_mb, billed_ms)
            .map_or(f64::from(memory_mb) * billed_ms, |(cost, _)| cost.dollars())
    }

    fn cost_today(&self) -> f64 {
        self.cost(self.function.served_memory_mb(), self.usage.mean_ms)
    }

    fn price(&self, memory_mb: u32, mean_duration_ms: f64) -> Option<(Usd, PriceBasis)> {
        let architecture = Architecture::from_api(&self.function.architecture)?;
        let invocations_monthly = self.usage.calls_monthly;
        let usage = FunctionUse { memory_mb, mean_duration_ms, invocations_monthly };
        self.case.catalog.function_cost_monthly(self.case.region(), architecture, &usage)
    }

    /// What a run is expected to take; more memory is not taken to help before runs at several sizes say so.
    fn expected(&self, memory_mb: u32) -> Predicted {
        let found = self.law.at(memory_mb);
        let unproven = self.law.distinct() == 1 && memory_mb > self.function.served_memory_mb();
        Predicted { ms: if unproven { self.usage.mean_ms } else { found.ms }, ..found }
    }

    fn costs(&self, memory_mb: u32) -> Option<Costs> {
        let today = self.price(self.function.served_memory_mb(), self.usage.mean_ms + ROUNDING_MS);
        let proposed = self.price(memory_mb, self.expected(memory_mb).ms + ROUNDING_MS);
        let ((today, basis), (proposed, other)) = today.zip(proposed)?;
        Some(Costs { today, proposed, basis: basis.max(other) })
    }

    fn reason(&self, choice: Choice) -> String {
        let (size, today) = (choice.memory_mb, self.function.served_memory_mb());
        let used = self.usage.memory_max_mb;
        let head = format!("{used:.0} MB of {today} MB were used at most");
        match choice.basis {
            Basis::Relief => format!("{head}: {size} MB keeps invocations from being killed"),
            Basis::Try => format!("{head}: {size} MB leave room and cost less"),
            Basis::Measured => {
                let (count, ms) = (self.law.distinct(), self.law.at(size).ms);
                let mean_ms = self.usage.mean_ms;
                let cost = (self.cost(size, ms) / self.cost_today() - 1.0) * 100.0;
                format!(
                    "{head}, and by the runs seen at {count} sizes {size} MB take {ms:.0} ms instead of {mean_ms:.0} \
                     and change the cost by {cost:+.0} %"
                )
            }
        }
    }

    fn finding(&self, choice: Choice) -> Finding {
        let (today, new) =
            (f64::from(self.function.served_memory_mb()), f64::from(choice.memory_mb));
        let usage = &self.usage;
        let room = 1.0 - self.case.settings.function.memory_headroom_ratio;
        let used = usage.memory.present();
        let replayed = [ReplayDimension {
            name: "memory",
            step_s: usage.memory.step_s,
            demand: used.map(|(time_s, mb)| (time_s, f64::from(mb))).collect(),
            capacity: new,
        }];
        Finding {
            decisive: vec![MEMORY, CALLS, DURATION],
            dimensions: vec![Dimension {
                name: "memory".to_owned(),
                unit: "MB".to_owned(),
                demand: usage.memory_max_mb / room,
                capacity_today: today,
                capacity_proposed: new,
            }],
            risk: risk_of(&replayed),
            replay: self.case.replay(&replayed),
            capacity_ratio: new / today.max(1.0),
            lowers_performance: new < today,
            explores: choice.basis == Basis::Try,
            invocations: Some(usage.calls),
            invocation_days: Some(usage.call_days),
            notes: advice::notes(self, choice),
            ..Finding::default()
        }
    }
}

/// The next size of the grid.
fn rounded(memory_mb: u32) -> u32 {
    memory_mb.div_ceil(MEMORY_MB_STEP).saturating_mul(MEMORY_MB_STEP)
}
