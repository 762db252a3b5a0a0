//! Taking down what a decision rests on, at the moment at which it is made.

use std::collections::BTreeMap;

use trimtab_models::{catalog::Catalog, metric::Measure, resource::Resource, series::Series};
use trimtab_policies::plan::{Candidate, Context, PlanEntry};

use super::{
    DecisionRecord, FORMAT, GateInputs, KeptSeries, RecordError, SizingInputs, narrow,
    replay::{fresh, replay, to_hex},
    shelf,
};
use crate::{agent::Agent, recommend::Basis, series_store::pack};

/// A record that was found to give the same decision again, ready to be kept.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(super) record: DecisionRecord,
    pub(super) catalog: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

impl Draft {
    /// The record as its bytes say it, and its catalogue.
    fn read(&self) -> Result<(DecisionRecord, Catalog), RecordError> {
        Ok((shelf::decode(&self.bytes)?, shelf::decode(&self.catalog)?))
    }

    /// Whether the size can be found again from the record, too.
    #[must_use]
    pub const fn is_sized(&self) -> bool {
        self.record.sizing.is_some()
    }
}

/// What is in force when a decision is made.
#[derive(Clone, Copy)]
struct Scene<'a> {
    agent: &'a Agent,
    context: &'a Context<'a>,
    candidate: &'a Candidate,
    granted: &'a [Candidate],
    entry: &'a PlanEntry,
}

/// Takes down the decision on `candidate`: first with what it can look at, where that does not give the same decision again
/// with everything, and where not even that does, without how the size was found.
///
/// # Errors
/// When the review cannot be had again at all, or the record cannot be written as JSON.
pub(crate) fn draft(
    agent: &Agent,
    context: &Context<'_>,
    (candidate, granted): (&Candidate, &[Candidate]),
    entry: &PlanEntry,
) -> Result<Draft, RecordError> {
    let scene = Scene { agent, context, candidate, granted, entry };
    let sized =
        sizing(scene).into_iter().flat_map(|one| [(Some(one.clone()), false), (Some(one), true)]);
    let mut differs = String::new();
    for (sizing, whole) in sized.chain([(None, false), (None, true)]) {
        let draft = attempt(scene, sizing, whole)?;
        let (record, catalog) = draft.read()?;
        match replay(&record, &catalog).difference {
            None => return Ok(draft),
            Some(difference) => differs = difference.to_string(),
        }
    }
    Err(RecordError::NotReproduced { id: entry.id.clone(), differs })
}

fn attempt(
    scene: Scene<'_>,
    sizing: Option<SizingInputs>,
    whole: bool,
) -> Result<Draft, RecordError> {
    let Scene { context, candidate, granted, entry, .. } = scene;
    let all = || context.changes.values().cloned().collect();
    let changes = if whole { all() } else { narrow::changes(candidate, context) };
    let others = changes.iter().map(|change| &change.recommendation);
    let others = others.chain(granted.iter().map(|other| &other.recommendation));
    let arns = others.map(|recommendation| recommendation.resource.arn.clone());
    let inventory: Vec<Resource> = if whole {
        context.inventory.values().cloned().collect()
    } else {
        narrow::inventory(candidate, arns, context)
    };
    let narrowed = (!whole).then(|| narrow::catalog(candidate, &inventory, context.catalog));
    let catalog: &Catalog = narrowed.as_ref().unwrap_or(context.catalog);
    let gate = GateInputs {
        now: context.now,
        moment: context.moment,
        candidate: candidate.clone(),
        granted: granted.to_vec(),
        policy: context.policy.clone(),
        inventory,
        changes,
        resets: context.resets.iter().map(|(scope, at)| (scope.clone(), *at)).collect(),
        exceptions: narrow::exceptions((candidate, granted), context),
        stopped: context.stopped.clone(),
    };
    let packed = shelf::encode(catalog)?;
    let mut record = DecisionRecord {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        models: trimtab_models::MODEL_VERSION,
        catalog: shelf::digest(&packed),
        sizing,
        gate,
        entry: entry.clone(),
    };
    keep_open_proposal(&mut record, catalog);
    let bytes = shelf::encode(&record)?;
    Ok(Draft { record, catalog: packed, bytes })
}

/// Where today's points alone would give another size, the proposal that was open is an input too.
fn keep_open_proposal(record: &mut DecisionRecord, catalog: &Catalog) {
    let Some(sizing) = &record.sizing else { return };
    let open = &record.entry.recommendation;
    let differs = fresh(record, sizing, catalog).is_ok_and(|new| new.desired != open.desired);
    let open = differs.then(|| open.clone());
    if let Some(sizing) = &mut record.sizing {
        sizing.open = open;
    }
}

/// What the last cycle sized the resource by; `None` before the first cycle since the start, and for a resource that is gone.
fn sizing(scene: Scene<'_>) -> Option<SizingInputs> {
    let agent = scene.agent;
    let resource = scene.context.inventory.get(&scene.candidate.recommendation.resource.arn)?;
    let basis = Basis::of(agent, resource, &*agent.surroundings()?).ok()?;
    Some(SizingInputs {
        now: basis.now,
        from: basis.from,
        until: basis.until,
        series: kept(&basis.series),
        sizes: basis.sizes,
        borrowed: basis.borrowed,
        settings: agent.settings().sizing.clone(),
        open: None,
    })
}

fn kept(series: &BTreeMap<Measure, Series>) -> Vec<KeptSeries> {
    let keep = |(measure, series): (&Measure, &Series)| {
        let Series { start_s, step_s, values } = series;
        let known = values.iter().any(|value| !value.is_nan());
        KeptSeries {
            measure: *measure,
            start_s: *start_s,
            step_s: *step_s,
            slots: values.len(),
            points: known.then(|| to_hex(&pack(*step_s, *start_s, values))),
        }
    };
    series.iter().map(keep).collect()
}
