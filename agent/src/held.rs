//! What holds a recommendation back cycle after cycle, told once as recurring so that a person looks.
//!
//! Not here: the checks themselves (`trimtab_policies::check`).

use jiff::Timestamp;
use trimtab_policies::{
    plan::{CheckName, CheckVerdict, Disposition, PlanEntry},
    settings::Limits,
};

use crate::view::{HeldSince, RecommendationState};

/// What holds `entry` back now, beside what held the same resource and action back before; `None` where nothing does but
/// that a person has not answered.
#[must_use]
pub fn held_since(
    (entry, state): (&PlanEntry, RecommendationState),
    before: Option<&HeldSince>,
    limits: &Limits,
    now: Timestamp,
) -> Option<HeldSince> {
    let approved = state == RecommendationState::Approved;
    let open = state.is_open() && (entry.decision == Disposition::Withheld || approved);
    let not_passing = entry.checks.iter().filter(|check| check.verdict != CheckVerdict::Pass);
    let by: Vec<CheckName> = not_passing.map(|check| check.check).collect();
    if !open || by.is_empty() {
        return None;
    }
    let (since, cycles) = match before.filter(|before| before.by == by) {
        Some(before) => (before.since, before.cycles.saturating_add(1)),
        None => (now, 1),
    };
    let days = now.duration_since(since).as_secs_f64() / 86_400.0;
    let recurring = days >= limits.recurring_days || cycles >= limits.recurring_cycles;
    Some(HeldSince { by, since, cycles, recurring })
}
