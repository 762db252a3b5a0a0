//! What each recommendation tells: a fleet with every kind of finding, one cycle as `once` runs it, its JSON and its page.
//!
//! Not here: whether the figures are right (the tables of `trimtab-models`).

mod door;

use std::collections::BTreeSet;

use door::{Door, header, runtime, send};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::Value;
use trimtab::{
    cycle::{Begin, run_cycle},
    view::PlanView,
};
use trimtab_models::recommendation::Action;
use trimtab_policies::plan::{CheckName, Disposition};

/// Every archetype that something is found at, under the least cautious settings there are.
const FLEET: &str = r#"
name = "findings"
description = "Each kind of finding at least once."
start = "2026-03-02T00:00:00Z"
history_days = 35

[fleet]
web-oversized = 2
saturated = 1
idle = 2
volume-gp2 = 2
volume-gp3-over = 1
volume-unattached = 1
function-oversized = 2
group-fixed-over = 1
group-daily-rise = 3
group-type-over = 1

[settings.sizing.group]
min_size = 2

[settings.limits]
disabled_actions = []

[settings.modes]
default = "autopilot"

[settings.autopilot]
max_disruption = "rolling"
allow_decrease = true
"#;

/// The plan of the second look, two days and two hours after the first, and its JSON as `once --json` prints it.
async fn second_look(door: &Door) -> (PlanView, Vec<Value>) {
    let now = door.agent.ports().clock.now();
    door.clock.set(now + SignedDuration::from_hours(50));
    let plan = run_cycle(&door.agent, Begin::Never).await.expect("the simulated account answers");
    let json = serde_json::to_value(&plan).expect("a plan is JSON");
    let all = json["recommendations"].as_array().expect("a list").clone();
    (plan, all)
}

fn number(value: &Value, name: &str) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{name} is {value}"))
}

/// Asserts that one recommendation carries seasons, what is to come, risk and replay.
fn check(one: &Value) {
    let evidence = &one["evidence"];
    let name = format!("{} {}", one["action"], one["resource_id"]);
    let seasons = evidence["seasons"].as_array().expect("a list");
    let tested = evidence["seasons_tested_h"].as_array().expect("a list");
    let (forecast, outlook) = (&evidence["forecast"], &evidence["outlook"]);
    assert!(forecast.is_null() != outlook.is_null(), "{name}: {forecast} {outlook}");
    if forecast.is_null() {
        let quantiles = &outlook["next_cycle"];
        let told = quantiles["p95"].is_number() || outlook["reason"].is_string();
        assert!(told, "{name}: {outlook}");
    } else {
        assert!(!tested.is_empty(), "{name}: found or not, some season was tested");
        let day = forecast["day"].as_array().expect("a list");
        assert_eq!(day.len(), 24, "{name}");
        for level in ["p10", "p50", "p90", "p95", "p99"] {
            let all = day.iter().chain([&forecast["week_highest"]]);
            assert!(all.clone().all(|hour| hour[level].is_number()), "{name}: {level}");
        }
    }
    let risk = number(&one["risk"], &name);
    assert!((0.0..=1.0).contains(&risk), "{name}: {risk}");
    assert!(evidence["risk_cycle_h"].as_u64() >= Some(24), "{name}");
    let replay = &evidence["replay"];
    let bound = number(&replay["breach_upper_bound"], &name);
    assert!((0.0..=1.0).contains(&bound), "{name}: {bound}");
    let longest = seasons.iter().filter_map(|season| season["period_h"].as_u64()).max();
    assert_eq!(replay["cycle_h"].as_u64(), Some(longest.unwrap_or(24).max(24)), "{name}");
    let (points, days) = (number(&replay["points"], &name), number(&replay["days"], &name));
    assert!(points > 0.0 && days > 0.0, "{name}: {replay}");
}

#[test]
fn every_recommendation_carries_seasons_forecast_risk_and_replay() {
    runtime().block_on(async {
        let door = Door::of(FLEET, false, true).await;
        let (plan, all) = second_look(&door).await;
        let found: BTreeSet<Action> =
            plan.recommendations.iter().map(|entry| entry.recommendation.action).collect();
        assert_eq!(found, BTreeSet::from(Action::ALL), "every action is found somewhere");
        assert_eq!(all.len(), plan.recommendations.len());
        for one in &all {
            check(one);
        }
        let cookie = door.sign_in().await;
        for one in &all {
            let path = format!("/recommendations/{}", door::text(&one["id"]));
            let page = send(door.request(Method::GET, &path).header("cookie", &cookie)).await;
            assert!(header(&page, "content-type").starts_with("text/html"), "{path}");
            let page = page.text().await.expect("a page");
            for part in ["Seasons", "Forecast", "Risk", "Replay", "in the coming", "% confidence"] {
                assert!(page.contains(part), "{} does not tell {part}", one["action"]);
            }
            assert!(!page.contains("not modelled"), "{}", one["action"]);
        }
    });
}

#[test]
fn a_bound_is_no_licence_to_stop_or_delete() {
    runtime().block_on(async {
        let door = Door::of(FLEET, false, true).await;
        let (plan, _) = second_look(&door).await;
        let ends = [Action::StopIdleInstance, Action::DeleteUnattachedVolume];
        let ending = |action| ends.contains(&action);
        let entries: Vec<_> =
            plan.recommendations.iter().filter(|one| ending(one.recommendation.action)).collect();
        assert!(entries.len() >= 3, "{}", entries.len());
        for entry in entries {
            let (recommendation, evidence) =
                (&entry.recommendation, &entry.recommendation.evidence);
            assert!(evidence.risk_is_bound && recommendation.risk.is_some(), "{recommendation:?}");
            // Their own checks guard them; the limit of sizes neither passes nor withholds them.
            assert!(entry.checks.iter().all(|result| result.check != CheckName::Risk));
            assert_ne!(entry.decision, Disposition::Apply, "{recommendation:?}");
        }
        let deleted = plan
            .recommendations
            .iter()
            .find(|one| one.recommendation.action == Action::DeleteUnattachedVolume)
            .expect("a volume is unattached");
        let replay = deleted.recommendation.evidence.replay.as_ref().expect("it was replayed");
        assert_eq!((replay.days, replay.breaching_days), (2, 0), "it was seen for two days");
    });
}
