//! Plots of recommendations that were drawn before, for whoever looks next.
//!
//! Each is kept with everything that it shows, and shown again only while all of that is the same: nothing goes stale, and
//! a cycle or new points have it drawn anew. Not here: drawing (`plot`), and the rest of the page, which is made for each
//! look and each person.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use trimtab_models::{recommendation::Recommendation, resource::Resource};

use super::plot::{Figure, usages};
use crate::{agent::Agent, follow::forecast_now};

/// Bytes of pictures, and of what they were made of, that are kept: those of some hundred recommendations, more than people look at between two cycles.
const BYTES_MAX: usize = 16 << 20;
/// Recommendations whose plots are kept, however small they are.
const ENTRIES_MAX: usize = 256;
const HOUR_S: i64 = 3_600;

/// What a recommendation's plots are made of, beside the points.
#[derive(Debug, PartialEq)]
struct Basis<R, S> {
    recommendation: R,
    resource: Option<S>,
    /// Which points there are.
    points: u64,
    /// Whole hours since the forecast began, which it is carried on by.
    hours: i64,
}

#[derive(Debug)]
struct Kept {
    basis: Basis<Recommendation, Resource>,
    figures: Arc<[Figure]>,
    bytes: usize,
    /// The look at which it was last shown.
    look: u64,
}

/// The plots that are kept.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    by_id: BTreeMap<String, Kept>,
    bytes: usize,
    looks: u64,
}

impl Figures {
    /// The plots of the recommendation with this id, drawn only where nothing kept shows the same.
    pub(crate) fn of(
        &self,
        agent: &Agent,
        id: &str,
        recommendation: &Recommendation,
    ) -> Arc<[Figure]> {
        let inventory = agent.inventory();
        // Before the points are read: what comes in meanwhile has it drawn again, not kept as it was.
        let points = agent.series.read().unwrap_or_else(PoisonError::into_inner).generation();
        let basis = Basis {
            recommendation,
            resource: inventory.get(&recommendation.resource.arn),
            points,
            hours: hours(agent, recommendation),
        };
        if let Some(figures) = self.lock().find(id, &basis) {
            return figures;
        }
        let ahead = forecast_now(agent, recommendation);
        let figures: Arc<[Figure]> = usages(agent, recommendation, ahead.as_ref()).into();
        self.lock().keep(id, &basis, Arc::clone(&figures));
        figures
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hours(agent: &Agent, recommendation: &Recommendation) -> i64 {
    let end_s = agent.collecting().end_s(agent.ports().clock.now());
    let forecast = recommendation.evidence.forecast.as_ref();
    forecast.map_or(0, |seen| (end_s - seen.from.as_second()).div_euclid(HOUR_S))
}

impl Shelf {
    fn find(
        &mut self,
        id: &str,
        basis: &Basis<&Recommendation, &Resource>,
    ) -> Option<Arc<[Figure]>> {
        self.looks += 1;
        let kept = self.by_id.get_mut(id).filter(|kept| kept.basis.is(basis))?;
        kept.look = self.looks;
        Some(Arc::clone(&kept.figures))
    }

    fn keep(
        &mut self,
        id: &str,
        basis: &Basis<&Recommendation, &Resource>,
        figures: Arc<[Figure]>,
    ) {
        // Nothing to draw costs nothing to find out again.
        if figures.is_empty() {
            return;
        }
        let pictures: usize = figures.iter().map(Figure::bytes).sum();
        let bytes = pictures + weight(basis.recommendation);
        let basis = Basis {
            recommendation: basis.recommendation.clone(),
            resource: basis.resource.cloned(),
            points: basis.points,
            hours: basis.hours,
        };
        let kept = Kept { basis, figures, bytes, look: self.looks };
        self.bytes += bytes;
        if let Some(before) = self.by_id.insert(id.to_owned(), kept) {
            self.bytes -= before.bytes;
        }
        while self.bytes > BYTES_MAX || self.by_id.len() > ENTRIES_MAX {
            let oldest = self.by_id.iter().min_by_key(|(_, kept)| kept.look);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { return };
            self.bytes -= self.by_id.remove(&oldest).map_or(0, |kept| kept.bytes);
        }
    }
}

/// About how many bytes a recommendation takes: as JSON it is a little larger than in memory.
fn weight(recommendation: &Recommendation) -> usize {
    serde_json::to_vec(recommendation).map_or(0, |json| json.len())
}

impl Basis<Recommendation, Resource> {
    fn is(&self, other: &Basis<&Recommendation, &Resource>) -> bool {
        self.points == other.points
            && self.hours == other.hours
            && self.resource.as_ref() == other.resource
            && self.recommendation == *other.recommendation
    }
}
