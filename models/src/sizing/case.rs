//! One resource under the loupe: its series in the look-back, and how a recommendation about it is put together.
//!
//! Not here: any rule about a kind (the siblings).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{SizingInput, settings::SizingSettings};
use crate::{
    catalog::Catalog,
    evidence::{Interval, coverage_ratio, series_evidence},
    metric::{Measure, Metric, Statistic},
    money::Usd,
    outlook::Outlook,
    recommendation::{
        Action, Dimension, Evidence, ForecastSeen, PriceBasis, Recommendation, Replay, SavingBasis,
        SeasonSeen,
    },
    replay::{ReplayDimension, cycle_h, replay},
    resource::Kind,
    risk::{CYCLE_H, Demand, TOLERANCE_RATIO},
    series::Series,
    spec::Spec,
};

/// Change of cost, and of capacity where it has no price, below which nothing is recommended: smaller gains are not
/// worth any change. The gate judges the same ratio anew with the user's figure.
pub(super) const CHANGE_MIN: f64 = 0.10;

/// The least share of today's capacity that one decision leaves.
///
/// One half, the default by which the gate bounds a step: what asks for more would be withheld, while half the way is
/// a change whose effect can be watched before the next one.
pub(super) const STEP_MIN: f64 = 0.5;

/// Seconds of points below which no use is judged: a day, the shortest stretch that has a night in it.
pub(super) const SEEN_S_MIN: usize = 86_400;

/// One resource with everything that sizing it may look at.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) input: &'a SizingInput<'a>,
    pub(super) settings: &'a SizingSettings,
    pub(super) catalog: &'a Catalog,
    /// The series in the look-back that have at least one point.
    seen: BTreeMap<Measure, Series>,
    /// When the resource ran, within the look-back.
    running: Vec<Interval>,
    /// What was seen of its rhythm, and what is to come.
    ahead: AheadSeen,
}

/// What the series that says most about a resource shows of its rhythm and its future.
#[derive(Debug, Clone)]
pub(super) struct AheadSeen {
    /// Seasons found.
    pub(super) seasons: Vec<SeasonSeen>,
    /// The periods that were tested, hours.
    pub(super) tested_h: Vec<u32>,
    /// The forecast, or why there is none.
    pub(super) forecast: Result<ForecastSeen, String>,
}

impl AheadSeen {
    /// Nothing, and why.
    pub(super) const fn unknown(reason: String) -> Self {
        Self { seasons: Vec::new(), tested_h: Vec::new(), forecast: Err(reason) }
    }
}

/// A stated risk, with what it speaks of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StatedRisk {
    /// Probability, 0–1.
    pub(super) probability: f64,
    /// Hours of the cycle ahead.
    pub(super) cycle_h: u32,
    /// Whether it is an upper bound, not an estimate.
    pub(super) is_bound: bool,
}

impl StatedRisk {
    /// A probability by the model of sizes, for a week.
    pub(super) const fn modelled(probability: f64) -> Self {
        Self { probability, cycle_h: CYCLE_H, is_bound: false }
    }

    /// An upper bound for the next cycle.
    pub(super) const fn bound(probability: f64, cycle_h: u32) -> Self {
        Self { probability, cycle_h, is_bound: true }
    }
}

/// What a kind has to say beyond its series.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// The series that the decision rests on.
    pub(super) decisive: Vec<Measure>,
    pub(super) dimensions: Vec<Dimension>,
    pub(super) replay: Option<Replay>,
    /// Probability that what is proposed is too little; `None` where none is stated.
    pub(super) risk: Option<StatedRisk>,
    /// What is known of what is to come without a forecast; told only where there is none.
    pub(super) outlook: Option<Outlook>,
    pub(super) capacity_ratio: f64,
    pub(super) lowers_performance: bool,
    pub(super) keeps_every_limit: bool,
    pub(super) explores: bool,
    pub(super) invocations: Option<u64>,
    pub(super) invocation_days: Option<u32>,
    pub(super) unseen: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// What a resource costs a month, today and as proposed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    pub(super) today: Usd,
    pub(super) proposed: Usd,
    pub(super) basis: PriceBasis,
}

impl Costs {
    /// Share of today's cost that is saved; negative when it costs more.
    pub(super) fn saved_ratio(&self) -> f64 {
        if self.today.is_positive() {
            1.0 - self.proposed.dollars() / self.today.dollars()
        } else {
            0.0
        }
    }
}

/// What should change, before it is dressed as a recommendation.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) action: Action,
    pub(super) desired: Spec,
    pub(super) alternates: Vec<String>,
    pub(super) reason: String,
    pub(super) costs: Option<Costs>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        input: &'a SizingInput<'a>,
        settings: &'a SizingSettings,
        catalog: &'a Catalog,
    ) -> Self {
        let lookback =
            Interval { from_s: input.from.as_second(), until_s: input.until.as_second() };
        let windowed = |(measure, series): (&Measure, &Series)| {
            let series = series.window(lookback.from_s, lookback.until_s);
            (series.points() > 0).then_some((*measure, series))
        };
        let seen: BTreeMap<Measure, Series> = input.series.iter().filter_map(windowed).collect();
        let running = running(input, lookback, &seen);
        Self { input, settings, catalog, seen, running, ahead: AheadSeen::unknown(String::new()) }
    }

    /// The same with what is known of its rhythm and its future.
    pub(super) fn with_ahead(self, ahead: AheadSeen) -> Self {
        Self { ahead, ..self }
    }

    /// What is known of the rhythm and the future.
    pub(super) const fn ahead(&self) -> &AheadSeen {
        &self.ahead
    }

    /// The length of the resource's cycle, hours.
    pub(super) fn cycle_h(&self) -> u32 {
        cycle_h(&self.ahead.seasons)
    }

    /// The look-back against what is proposed, by the resource's cycle; `None` when there is nothing to compare.
    pub(super) fn replay(&self, replayed: &[ReplayDimension]) -> Option<Replay> {
        replay(replayed, self.cycle_h())
    }

    /// The region's name.
    pub(super) fn region(&self) -> &'a str {
        &self.input.resource.reference.region
    }

    /// All series of the look-back that have a point.
    pub(super) fn seen(&self) -> &BTreeMap<Measure, Series> {
        &self.seen
    }

    /// A series of the look-back, if it has a point.
    pub(super) fn series(&self, metric: Metric, statistic: Statistic) -> Option<&Series> {
        self.seen.get(&Measure { metric, statistic })
    }

    /// A series that is long enough to judge use by, and not flat at zero, which may be absence.
    ///
    /// # Errors
    /// Why it cannot be judged, naming the series.
    pub(super) fn judged(&self, metric: Metric, statistic: Statistic) -> Result<&Series, String> {
        let measure = Measure { metric, statistic };
        let series = self
            .series(metric, statistic)
            .ok_or_else(|| format!("{measure} has no points in the look-back"))?;
        let seen_s = series.points() * series.step_s as usize;
        if seen_s < SEEN_S_MIN {
            return Err(format!("{measure} was seen for {} h only, wait for 24 h", seen_s / 3_600));
        }
        if series.is_flat_zero() {
            return Err(format!("{measure} is 0 at every point, which absence may look like"));
        }
        Ok(series)
    }

    /// Share of the time since it first ran in the look-back that the resource ran; 1 when it always did.
    pub(super) fn running_ratio(&self) -> f64 {
        let (Some(first), Some(last)) = (self.running.first(), self.running.last()) else {
            return 0.0;
        };
        let until_s = self.input.until.as_second().max(last.until_s);
        let whole = Interval { from_s: first.from_s, until_s }.length_s();
        let ran: i64 = self.running.iter().map(|stretch| stretch.length_s()).sum();
        if whole == 0 { 0.0 } else { ran as f64 / whole as f64 }
    }

    /// The metrics that must be seen before anything is made smaller, and are not.
    pub(super) fn required_unseen(&self) -> Vec<Metric> {
        let kind = self.input.resource.reference.kind;
        let required = self.settings.required_metrics.iter().copied();
        required
            .filter(|metric| {
                metric.row().kind == kind && !self.seen.keys().any(|one| one.metric == *metric)
            })
            .collect()
    }

    /// The refusal of anything smaller while a required metric is unseen.
    ///
    /// # Errors
    /// The first such metric, by name.
    pub(super) fn refuse_unseen(&self) -> Result<(), String> {
        self.required_unseen().first().map_or(Ok(()), |metric| {
            let name = metric.row().name;
            Err(format!("{name} is required before anything is made smaller, and has no points"))
        })
    }

    /// The recommendation.
    pub(super) fn recommendation(&self, proposal: Proposal, finding: Finding) -> Recommendation {
        let resource = self.input.resource;
        let discount = self.settings.discount_ratio;
        let net = discount > 0.0;
        let after = |amount: Usd| if net { amount.scaled(1.0 - discount) } else { Some(amount) };
        let cost_today = proposal.costs.and_then(|costs| after(costs.today));
        let cost_proposed = proposal.costs.and_then(|costs| after(costs.proposed));
        let saving = cost_today.zip(cost_proposed);
        Recommendation {
            resource: resource.reference.clone(),
            resource_id: resource.id.clone(),
            action: proposal.action,
            expected: resource.spec_like(&proposal.desired),
            desired: proposal.desired,
            alternates: proposal.alternates,
            reason: proposal.reason,
            risk: finding.risk.map(|risk| risk.probability),
            evidence: self.evidence(finding),
            saving: saving.and_then(|(today, proposed)| today.checked_sub(proposed)),
            cost_today,
            price_basis: proposal.costs.map(|costs| costs.basis),
            saving_basis: if net { SavingBasis::Net } else { SavingBasis::List },
        }
    }

    fn evidence(&self, finding: Finding) -> Evidence {
        let series: Vec<_> = self
            .seen
            .iter()
            .map(|(measure, series)| {
                let decisive = finding.decisive.contains(measure);
                series_evidence(*measure, series, decisive, self.coverage(series))
            })
            .collect();
        let decisive = || series.iter().filter(|one| one.decisive);
        let oldest = decisive().filter_map(|one| one.oldest_at).min();
        let newest = decisive().filter_map(|one| one.newest_at).max();
        let (forecast, outlook) = match &self.ahead.forecast {
            Ok(forecast) => (Some(forecast.clone()), None),
            Err(reason) => {
                let unknown = Outlook::Unknown { reason: reason.clone() };
                (None, Some(finding.outlook.unwrap_or(unknown)))
            }
        };
        Evidence {
            from: self.input.from,
            until: self.input.until,
            days_seen: oldest.zip(newest).map_or(0.0, days_between),
            dimensions: finding.dimensions,
            seasons: self.ahead.seasons.clone(),
            seasons_tested_h: self.ahead.tested_h.clone(),
            forecast,
            outlook,
            replay: finding.replay,
            risk_cycle_h: finding.risk.map_or(CYCLE_H, |risk| risk.cycle_h),
            risk_is_bound: finding.risk.is_some_and(|risk| risk.is_bound),
            capacity_ratio: finding.capacity_ratio,
            lowers_performance: finding.lowers_performance,
            keeps_every_limit: finding.keeps_every_limit,
            explores: finding.explores,
            invocations: finding.invocations,
            invocation_days: finding.invocation_days,
            unseen: finding.unseen,
            notes: finding.notes,
            series,
        }
    }

    /// How much of the running time a series covers; a function runs in the slots in which it is invoked.
    fn coverage(&self, series: &Series) -> f64 {
        match self.input.resource.reference.kind {
            Kind::Instance | Kind::Volume | Kind::Group => coverage_ratio(series, &self.running),
            Kind::Function => {
                let calls = self.series(Metric::FunctionInvocations, Statistic::Sum);
                let invoked = calls.into_iter().flat_map(|calls| {
                    let step_s = i64::from(calls.step_s);
                    let busy = calls.present().filter(|(_, count)| *count > 0.0);
                    busy.map(move |(time_s, _)| Interval {
                        from_s: time_s,
                        until_s: time_s + step_s,
                    })
                });
                coverage_ratio_of_slots(series, invoked)
            }
        }
    }
}

/// Share of the stretches in which the series has a point; the stretches are slots of about its own step.
fn coverage_ratio_of_slots(series: &Series, stretches: impl Iterator<Item = Interval>) -> f64 {
    let times: Vec<i64> = series.present().map(|(time_s, _)| time_s).collect();
    let (mut covered, mut count) = (0_usize, 0_usize);
    for stretch in stretches {
        let begin = times.partition_point(|time_s| *time_s < stretch.from_s);
        covered += usize::from(times.get(begin).is_some_and(|time_s| *time_s < stretch.until_s));
        count += 1;
    }
    if count == 0 { 0.0 } else { covered as f64 / count as f64 }
}

fn days_between((from, until): (Timestamp, Timestamp)) -> f64 {
    until.duration_since(from).as_secs_f64() / 86_400.0
}

/// The highest risk of the dimensions that their proposed capacity is too small in the coming week; `None` without any.
pub(super) fn risk_of(replayed: &[ReplayDimension]) -> Option<StatedRisk> {
    let risk = |dimension: &ReplayDimension| {
        let points = dimension.demand.iter().map(|(time_s, demand)| (*time_s, *demand as f32));
        let demand = Demand::of_points(&points.collect::<Vec<_>>(), dimension.step_s)?;
        Some(demand.risk(dimension.capacity, TOLERANCE_RATIO))
    };
    replayed.iter().filter_map(risk).max_by(f64::total_cmp).map(StatedRisk::modelled)
}

/// When the resource ran within the look-back.
///
/// Where nobody watched, since its first point or its launch, whichever is earlier: points prove that it ran, while a
/// launch is only the newest of possibly many.
fn running(
    input: &SizingInput<'_>,
    lookback: Interval,
    seen: &BTreeMap<Measure, Series>,
) -> Vec<Interval> {
    let launched = input.resource.instance().and_then(|instance| instance.launched_at);
    let launched = launched.or(input.resource.created_at).map(Timestamp::as_second);
    let first_points = seen.values().filter_map(|series| series.present().next());
    let first = first_points.map(|(time_s, _)| time_s).chain(launched).min();
    let unwatched =
        [Interval { from_s: first.unwrap_or(lookback.from_s), until_s: lookback.until_s }];
    let watched = if input.running.is_empty() { &unwatched[..] } else { input.running };
    let inside = watched.iter().map(|stretch| stretch.common(lookback));
    inside.filter(|stretch| stretch.length_s() > 0).collect()
}
