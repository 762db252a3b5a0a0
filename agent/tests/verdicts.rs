//! When an approved change begins, what outcomes do to modes, and how both are told: over real connections.
//!
//! Not here: the rules themselves (`trimtab-policies`), and the rest of the API (`api`).

mod door;

use door::{Door, runtime, text};
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::json;
use trimtab::{ledger::SELF, view::RecommendationView};
use trimtab_models::money::Usd;
use trimtab_models::saving::Realized;
use trimtab_policies::{
    change::{Access, Change, Opening, State},
    mode::Mode,
    record::{Entry, Event},
};

#[test]
fn an_approver_names_a_time_that_can_be() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let (id, _) = door.in_state("awaiting_approval").await.first().expect("machines").clone();
        let approve = format!("/api/v1/recommendations/{id}/approve");
        let now = door.agent.ports().clock.now();
        let after = |hours: i64| now + SignedDuration::from_hours(hours);
        for (body, part) in [
            (json!({ "at": after(-2) }), "has passed"),
            (json!({ "at": after(24 * 30) }), "not before the approval ends"),
            (json!({ "at": after(5), "now": true }), "both now and at a later time"),
        ] {
            let (status, problem) = door.post(&approve, body).await;
            assert_eq!(status, StatusCode::CONFLICT, "{problem}");
            assert!(text(&problem["detail"]).contains(part), "{problem}");
        }
        let body = json!({ "at": after(5), "auto_undo": true });
        let (status, view) = door.post(&approve, body).await;
        assert_eq!(
            (status, text(&view["state"])),
            (StatusCode::OK, "approved".to_owned()),
            "{view}"
        );
        let until: Timestamp = text(&view["until"]).parse().expect("it waits");
        assert!(until >= after(5), "{until}");
        let checks = view["checks"].as_array().expect("checks").clone();
        let quiet = checks.iter().find(|one| one["check"] == "quiet_time").expect("it disrupts");
        assert_eq!(text(&quiet["verdict"]), "wait");
        // The band of the forecast goes on to the present.
        let one = door.get(&format!("/api/v1/recommendations/{id}")).await;
        assert!(one["forecast_now"]["week"].as_array().is_some_and(|week| week.len() == 168));
    });
}

/// Journals changes of the first machine that were taken back, with what one of them saved; returns its ARN and their ids.
fn take_back(door: &Door, view: &RecommendationView, count: i64) -> Vec<String> {
    let now = door.agent.ports().clock.now();
    let recommendation = view.entry.recommendation.clone();
    let ids = (0..count).map(|index| {
        let at = now - SignedDuration::from_hours(index);
        let opening = Opening {
            recommendation_id: view.entry.id.clone(),
            digest: format!("{}{index}", view.entry.digest),
            group: "group".to_owned(),
            zone: None,
            mode: Mode::Copilot,
            approver: Some("ada".to_owned()),
            access: Access::default(),
            keys: Vec::new(),
            agent_id: "agent".to_owned(),
            auto_undo: true,
            steps: view.entry.steps.clone(),
        };
        let change = Change::open(opening, recommendation.clone(), at);
        let (id, change) = (change.id.clone(), Box::new(change));
        let mut ledger = door.agent.ledger();
        ledger.record(at, SELF, Entry::Opened { change }).expect("it is journalled");
        let usd = |dollars| Usd::from_dollars(dollars).expect("small");
        let realized = Realized {
            until: at,
            hours: 48.0,
            predicted: Some(usd(3.0)),
            saved: usd(2.0),
            low: usd(1.0),
            high: usd(4.0),
        };
        let reason = "saturated".to_owned();
        for event in [
            Event::Applied,
            Event::Measured { realized },
            Event::UndoBegun { reason: reason.clone(), steps: Vec::new() },
            Event::Finished { state: State::Undone, reason, provisional: false },
        ] {
            ledger.event(at, &id, event).expect("it is journalled");
        }
        id
    });
    ids.collect()
}

#[test]
fn what_went_wrong_shows_in_modes_and_the_report() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let (id, _) = door.in_state("awaiting_approval").await.first().expect("machines").clone();
        let view = door.get(&format!("/api/v1/recommendations/{id}")).await;
        let view: RecommendationView = serde_json::from_value(view).expect("one schema");
        let changes = take_back(&door, &view, 3);
        let arn = &view.entry.recommendation.resource.arn;

        let explained = door.get(&format!("/api/v1/modes/explain?arn={arn}")).await;
        let resize = &explained["actions"][0];
        assert_eq!(text(&resize["mode"]), "datapilot", "{explained}");
        assert!(text(&resize["reason"]).contains(&format!("circuit reset resize-instance@{arn}")));
        let learned = text(&resize["learned"][0]);
        assert!(
            learned.contains("3 of 3 failed") && learned.contains("of what is promised"),
            "{learned}"
        );

        let change = door.get(&format!("/api/v1/changes/{}", changes[0])).await;
        assert_eq!(
            (change["realized"]["saved_usd"].as_f64(), &change["auto_undo"]),
            (Some(2.0), &json!(true))
        );
        let report = door.get("/api/v1/report?since_days=30").await;
        assert_eq!(report["saving"]["measured"], 3, "{report}");
        assert_eq!(report["saving"]["saved_usd"].as_f64(), Some(6.0), "{report}");
        assert!(report["own_cost"]["metrics"].as_u64().is_some(), "{report}");

        let scope = format!("resize-instance@{arn}");
        let (status, body) = door.post("/api/v1/circuit/reset", json!({ "scope": scope })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let explained = door.get(&format!("/api/v1/modes/explain?arn={arn}")).await;
        assert_eq!(text(&explained["actions"][0]["mode"]), "copilot", "{explained}");
    });
}
