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

#[cfg(test)]
mod tests {
    use trimtab_models::recommendation::Recommendation;
    use trimtab_policies::{mode::Mode, plan::CheckResult};

    use super::*;

    fn entry(decision: Disposition, checks: &[(CheckName, CheckVerdict)]) -> PlanEntry {
        let result = |(check, verdict): &(CheckName, CheckVerdict)| CheckResult {
            check: *check,
            verdict: *verdict,
            until: None,
            reason: String::new(),
        };
        PlanEntry {
            id: String::new(),
            digest: String::new(),
            recommendation: recommendation(),
            mode: Mode::Autopilot,
            mode_reason: String::new(),
            decision,
            until: None,
            quorum: None,
            checks: checks.iter().map(result).collect(),
            steps: Vec::new(),
        }
    }

    /// What is recommended does not matter here.
    fn recommendation() -> Recommendation {
        serde_json::from_value(serde_json::json!({
            "resource": { "arn": "a", "kind": "lambda-function", "account": "1", "region": "r", "tags": {} },
            "resource_id": "f", "action": "tune-function-memory",
            "expected": { "memory_mb": 1024 }, "desired": { "memory_mb": 512 },
            "alternates": [], "reason": "",
            "evidence": {
                "from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "days_seen": 1.0, "series": [],
                "dimensions": [], "seasons": [], "forecast": null, "replay": null, "capacity_ratio": 0.5,
                "lowers_performance": true, "invocations": null, "invocation_days": null, "unseen": [], "notes": []
            },
            "risk": null, "saving_usd_monthly": null, "cost_usd_monthly": null, "price_basis": null,
            "saving_basis": "list"
        }))
        .expect("the schema of the API")
    }

    #[test]
    fn the_same_checks_for_long_enough_recur() {
        use CheckVerdict::{Fail, Pass, Wait};
        use RecommendationState::{Approved, AwaitingApproval, Proposed};
        let limits = trimtab_config::parse(
            "[cloud]\nprovider = \"simulated\"\nscenario = \"s.toml\"\n",
            "t.toml",
        )
        .map(|settings| settings.policy.limits);
        let limits = limits.unwrap_or_else(|_| panic!("the file above has defaults"));
        let at = |hours: i64| Timestamp::from_second(hours * 3_600).expect("our era");
        let withheld =
            entry(Disposition::Withheld, &[(CheckName::Window, Wait), (CheckName::Risk, Pass)]);
        let first = held_since((&withheld, Proposed), None, &limits, at(0)).expect("it is held");
        assert_eq!((first.since, first.cycles, first.recurring), (at(0), 1, false));
        let later = |hours| held_since((&withheld, Proposed), Some(&first), &limits, at(hours));
        assert_eq!(
            later(167).map(|held| (held.since, held.cycles, held.recurring)),
            Some((at(0), 2, false))
        );
        assert!(later(168).is_some_and(|held| held.recurring), "seven days");
        let often = HeldSince { cycles: 199, ..first.clone() };
        let often = held_since((&withheld, Proposed), Some(&often), &limits, at(1));
        assert!(often.is_some_and(|held| held.recurring), "200 cycles");
        let other = entry(Disposition::Withheld, &[(CheckName::Drift, Fail)]);
        let other = held_since((&other, Proposed), Some(&first), &limits, at(500));
        assert_eq!(other.map(|held| (held.since, held.recurring)), Some((at(500), false)));
        let waiting = entry(Disposition::AwaitApproval, &[(CheckName::QuietTime, Wait)]);
        assert!(held_since((&waiting, Approved), None, &limits, at(0)).is_some());
        assert_eq!(
            held_since((&waiting, AwaitingApproval), None, &limits, at(0)),
            None,
            "a person is asked"
        );
    }
}
