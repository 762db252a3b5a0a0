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

/// Every brief, by id.
pub type Briefs = BTreeMap<String, Arc<Brief>>;

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
}

impl Brief {
    /// The brief of a recommendation.
    #[must_use]
    pub fn of(view: &RecommendationView) -> Self {
        let entry = &view.entry;
        let recommendation = &entry.recommendation;
        let passes = |result: &&CheckResult| result.verdict != CheckVerdict::Pass;
        Self {
            id: entry.id.clone(),
            digest: entry.digest.clone(),
            resource: recommendation.resource.clone(),
            resource_id: recommendation.resource_id.clone(),
            action: recommendation.action,
            from_to: words::from_to(&recommendation.expected, &recommendation.desired),
            saving: recommendation.saving,
            cost: recommendation.cost_today,
            saving_basis: words::saving_basis(recommendation),
            risk: recommendation.risk,
            disruption: Disruption::of(recommendation.action),
            mode: entry.mode,
            decision: entry.decision,
            state: view.state,
            decided: view.decided.clone(),
            begins: words::begins(view),
            recurring: words::recurring(view),
            until: entry.until,
            change_id: view.change_id.clone(),
            first_seen_at: view.first_seen_at,
            confirmed_at: view.confirmed_at,
            held: entry.checks.iter().filter(passes).cloned().collect(),
            unseen: recommendation.evidence.unseen.clone(),
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
            let known = before.get(&brief.id).filter(|known| ***known == brief);
            (brief.id.clone(), known.cloned().unwrap_or_else(|| Arc::new(brief)))
        });
        let briefs = Arc::new(briefs.collect());
        *self.briefs.write().unwrap_or_else(PoisonError::into_inner) = briefs;
    }

    /// Puts one anew.
    pub(crate) fn put(&self, view: &RecommendationView) {
        let brief = Brief::of(view);
        let mut briefs = self.briefs.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut briefs).insert(brief.id.clone(), Arc::new(brief));
    }
}
