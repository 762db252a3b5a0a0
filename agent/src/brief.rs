//! What lists need of each recommendation, kept in memory: ten thousand are filtered and ranked without decoding any.
//!
//! The store rebuilds a brief whenever it writes the recommendation it is of. Not here: what a page shows of one
//! (`web`), and the recommendation itself (`view`).

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use jiff::Timestamp;
use trimtab_models::{
    money::Usd,
    recommendation::Action,
    resource::{Arn, ResourceRef},
};
use trimtab_policies::{
    mode::{Disruption, Mode},
    plan::{CheckResult, CheckVerdict, Disposition},
};

use crate::{
    view::{RecommendationState, RecommendationView},
    words,
};

/// Every brief, found by what pages ask for.
#[derive(Debug, Clone, Default)]
pub struct Briefs {
    by_id: BTreeMap<String, Arc<Brief>>,
    by_arn: BTreeMap<Arn, Vec<Arc<Brief>>>,
    queue: Vec<Arc<Brief>>,
    awaiting: usize,
}

impl Briefs {
    fn new(by_id: BTreeMap<String, Arc<Brief>>) -> Self {
        let mut queue: Vec<Arc<Brief>> = by_id.values().cloned().collect();
        queue.sort_by(|one, other| one.order().cmp(&other.order()));
        let mut by_arn: BTreeMap<Arn, Vec<Arc<Brief>>> = BTreeMap::new();
        for brief in &queue {
            by_arn.entry(brief.resource.arn.clone()).or_default().push(Arc::clone(brief));
        }
        let is_asked = |state| state == RecommendationState::AwaitingApproval;
        let awaiting = queue.iter().filter(|brief| is_asked(brief.state)).count();
        Self { by_id, by_arn, queue, awaiting }
    }

    /// All, in the order of the queue.
    pub fn queue(&self) -> impl Iterator<Item = &Brief> {
        self.queue.iter().map(AsRef::as_ref)
    }

    /// One by its id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Brief> {
        self.by_id.get(id).map(AsRef::as_ref)
    }

    /// Those of a resource, in the order of the queue.
    pub fn of(&self, arn: &Arn) -> impl Iterator<Item = &Brief> {
        self.by_arn.get(arn).into_iter().flatten().map(AsRef::as_ref)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.queue.len()
    }

    /// How many wait for an approver.
    #[must_use]
    pub const fn awaiting(&self) -> usize {
        self.awaiting
    }
}

/// What lists show of a recommendation.
#[derive(Debug, Clone, PartialEq)]
pub struct Brief {
    /// Its id.
    pub id: String,
    /// Its digest.
    pub digest: String,
    /// The resource.
    pub resource: ResourceRef,
    /// The resource's id in AWS's calls.
    pub resource_id: String,
    /// What to do.
    pub action: Action,
    /// What it is, and what it would be.
    pub from_to: (String, String),
    /// Saving a month; `None` without a price.
    pub saving: Option<Usd>,
    /// Cost of the resource a month today; `None` without a price.
    pub cost: Option<Usd>,
    /// What that figure rests on.
    pub saving_basis: String,
    /// Probability that the proposed size is too small in the coming week; `None` where it is not modelled.
    pub risk: Option<f64>,
    /// The same in words.
    pub risk_told: String,
    /// How much service it takes away.
    pub disruption: Disruption,
    /// The mode of this resource and action.
    pub mode: Mode,
    /// What is done with it.
    pub decision: Disposition,
    /// Where it stands.
    pub state: RecommendationState,
    /// The newest decision, in words.
    pub decided: Option<String>,
    /// Who has approved it and how many are missing, where it takes more than one and somebody has.
    pub lacks: Option<String>,
    /// When it begins, in words.
    pub begins: Option<String>,
    /// What holds it back again and again, in words.
    pub recurring: Option<String>,
    /// When its waits are over.
    pub until: Option<Timestamp>,
    /// The change that was made of it.
    pub change_id: Option<String>,
    /// When it was first proposed.
    pub first_seen_at: Timestamp,
    /// When a cycle last confirmed it.
    pub confirmed_at: Timestamp,
    /// The checks that do not pass.
    pub held: Vec<CheckResult>,
    /// What could not be seen.
    pub unseen: Vec<String>,
    /// What a search looks through, in lower case: id, ARN, what it would be, and the tags' values.
    pub sought_in: String,
}

impl Brief {
    /// The brief of a recommendation.
    #[must_use]
    pub fn of(view: &RecommendationView) -> Self {
        let entry = &view.entry;
        let recommendation = &entry.recommendation;
        let passes = |result: &&CheckResult| result.verdict != CheckVerdict::Pass;
        let from_to = words::from_to(&recommendation.expected, &recommendation.desired);
        let resource = &recommendation.resource;
        let told = [entry.id.as_str(), &resource.arn.0, &from_to.1];
        let told = told.into_iter().chain(resource.tags.values().map(String::as_str));
        let sought_in = told.collect::<Vec<_>>().join("\n").to_lowercase();
        Self {
            id: entry.id.clone(),
            digest: entry.digest.clone(),
            resource: recommendation.resource.clone(),
            resource_id: recommendation.resource_id.clone(),
            action: recommendation.action,
            from_to,
            saving: recommendation.saving,
            cost: recommendation.cost_today,
            saving_basis: words::saving_basis(recommendation),
            risk: recommendation.risk,
            risk_told: words::risk(recommendation),
            disruption: Disruption::of(recommendation.action),
            mode: entry.mode,
            decision: entry.decision,
            state: view.state,
            decided: view.decided.clone(),
            lacks: lacks(view),
            begins: words::begins(view),
            recurring: words::recurring(view),
            until: entry.until,
            change_id: view.change_id.clone(),
            first_seen_at: view.first_seen_at,
            confirmed_at: view.confirmed_at,
            held: entry.checks.iter().filter(passes).cloned().collect(),
            unseen: recommendation.evidence.unseen.clone(),
            sought_in,
        }
    }

    /// The resource's name and id, as people know it.
    #[must_use]
    pub fn name(&self) -> String {
        words::name(&self.resource, &self.resource_id)
    }

    /// The saving that is left after its risk: saving × (1 - risk), micro-dollars a month.
    ///
    /// A risk that is not modelled counts as an even chance, because unknown is not none; where nothing is lost whatever
    /// the use is, models say zero. A recommendation that costs more is there for the need of it and keeps its figure;
    /// without a price nothing can be ranked, and it comes last.
    #[must_use]
    pub fn rank(&self) -> i64 {
        let Some(saving) = self.saving else { return i64::MIN };
        let risk =
            if saving.is_positive() { self.risk.unwrap_or(0.5).clamp(0.0, 1.0) } else { 0.0 };
        saving.scaled(1.0 - risk).unwrap_or(saving).micros()
    }

    /// The order of the queue: open ones first, then by rank, then by ARN and id.
    #[must_use]
    pub fn order(&self) -> (bool, Reverse<i64>, &Arn, &str) {
        (!self.state.is_open(), Reverse(self.rank()), &self.resource.arn, &self.id)
    }
}

/// Who has approved a proposal that still lacks somebody.
pub(crate) fn lacks(view: &RecommendationView) -> Option<String> {
    let quorum = view.entry.quorum.as_ref()?;
    let asks = view.state == RecommendationState::AwaitingApproval;
    (asks && !quorum.approved_by.is_empty()).then(|| quorum.words())
}

/// The briefs of a store, for readers that do not wait for its lock.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    briefs: Arc<RwLock<Arc<Briefs>>>,
}

impl Shelf {
    /// All of them, as last written.
    #[must_use]
    pub fn all(&self) -> Arc<Briefs> {
        Arc::clone(&self.briefs.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts all of them anew.
    pub(crate) fn replace<'a>(&self, views: impl Iterator<Item = &'a RecommendationView>) {
        let before = self.all();
        let briefs = views.map(|view| {
            let brief = Brief::of(view);
            // What did not change keeps its place in memory.
            let known = before.by_id.get(&brief.id).filter(|known| ***known == brief);
            (brief.id.clone(), known.cloned().unwrap_or_else(|| Arc::new(brief)))
        });
        let briefs = Arc::new(Briefs::new(briefs.collect()));
        *self.briefs.write().unwrap_or_else(PoisonError::into_inner) = briefs;
    }

    /// Puts one anew.
    pub(crate) fn put(&self, view: &RecommendationView) {
        let brief = Arc::new(Brief::of(view));
        let mut briefs = self.briefs.write().unwrap_or_else(PoisonError::into_inner);
        let mut by_id = briefs.by_id.clone();
        by_id.insert(brief.id.clone(), brief);
        *briefs = Arc::new(Briefs::new(by_id));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use trimtab_models::{catalog::Catalog, resource::Kind};
    use trimtab_simulations::{scenario::Scenario, world::World};

    use super::*;

    /// A brief of an idle machine in `us-east-1`, with this saving and risk.
    pub(crate) fn brief(saving: Option<f64>, risk: Option<f64>) -> Brief {
        let text = r#"
            name = "one"
            description = "One."
            start = "2026-03-02T00:00:00Z"
            [fleet]
            idle = 1
        "#;
        let scenario = Scenario::parse(text).expect("a scenario that is read");
        let mut world = World::new(&scenario, 1, Catalog::embedded());
        let machines = world.discover("us-east-1", Kind::Instance, scenario.start);
        let machine = machines.expect("a quiet account").remove(0);
        Brief {
            id: "a".to_owned(),
            digest: String::new(),
            resource: machine.reference,
            resource_id: machine.id,
            action: Action::ResizeInstance,
            from_to: (String::new(), String::new()),
            saving: saving.and_then(Usd::from_dollars),
            cost: None,
            saving_basis: String::new(),
            risk,
            risk_told: String::new(),
            disruption: Disruption::Restart,
            mode: Mode::Copilot,
            decision: Disposition::AwaitApproval,
            state: RecommendationState::AwaitingApproval,
            decided: None,
            lacks: None,
            begins: None,
            recurring: None,
            until: None,
            change_id: None,
            first_seen_at: scenario.start,
            confirmed_at: scenario.start,
            held: Vec::new(),
            unseen: Vec::new(),
            sought_in: String::new(),
        }
    }

    #[test]
    fn the_queue_begins_with_what_is_left_after_the_risk() {
        for (saving, risk, rank) in [
            (Some(100.0), Some(0.0), 100_000_000),
            (Some(100.0), Some(0.25), 75_000_000),
            (Some(100.0), Some(1.0), 0),
            (Some(100.0), None, 50_000_000),
            (Some(-8.0), Some(0.9), -8_000_000),
            (Some(-8.0), None, -8_000_000),
            (Some(100.0), Some(7.0), 0),
            (None, Some(0.0), i64::MIN),
        ] {
            assert_eq!(brief(saving, risk).rank(), rank, "{saving:?} {risk:?}");
        }
        let closed =
            Brief { state: RecommendationState::Rejected, ..brief(Some(900.0), Some(0.0)) };
        let (small, large) = (brief(Some(1.0), Some(0.0)), brief(Some(2.0), Some(0.0)));
        assert!(large.order() < small.order() && small.order() < closed.order());
    }
}
