//! Decisions of several people over real connections: four eyes, what is refused and kept in the audit log, a proposal that
//! changed, and exceptions by the API and on the page.
//!
//! Not here: what counts (`trimtab_policies`) and who is let in where (`authority`).

mod door;

use std::collections::BTreeMap;

use door::{Door, form_post, header, runtime, send, text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use trimtab::{
    cycle::{Begin, run_cycle},
    view::{RecommendationState, RecommendationView},
};
use trimtab_policies::record::{Entry, Record};

const SCENARIO: &str = r#"
name = "quorum"
description = "Machines and volumes on copilot, which take two people."
start = "2026-03-02T00:00:00Z"
history_days = 35
[fleet]
web-oversized = 1
volume-gp2 = 2
[settings.modes]
default = "copilot"
[settings.approvals]
quorum = 2
quorum_above_saving_usd_monthly = 0.0
[[settings.approver]]
name = "ada"
role = "approver"
[[settings.approver]]
name = "bob"
role = "approver"
[[settings.approver]]
name = "val"
role = "approver"
kinds = ["ebs-volume"]
"#;

/// A served agent and its people's tokens.
struct Scene {
    door: Door,
    tokens: BTreeMap<&'static str, String>,
}

async fn scene() -> Scene {
    let door = Door::of(SCENARIO, false, true).await;
    let mut tokens = BTreeMap::new();
    for name in ["ada", "bob", "val"] {
        let asked = json!({ "name": name, "role": "approver" });
        let (status, made) = door.post("/api/v1/tokens", asked).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        tokens.insert(name, text(&made["secret"]));
    }
    Scene { door, tokens }
}

impl Scene {
    async fn ask(&self, name: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.door.request(Method::POST, path).bearer_auth(&self.tokens[name]);
        let response = send(request.json(&body)).await;
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }

    async fn page(&self, path: &str) -> String {
        let form = form_post(&self.door, "/login", &format!("token={}", self.tokens["ada"]));
        let response = send(form.header("origin", self.door.origin())).await;
        let cookie = header(&response, "set-cookie");
        let cookie = cookie.split(';').next().expect("a first part").to_owned();
        let page = send(self.door.request(Method::GET, path).header("cookie", cookie)).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        page.text().await.expect("text")
    }

    /// Recommendations for one kind of resource.
    fn views(&self, kind: &str) -> Vec<RecommendationView> {
        let all = self.door.agent.store().recommendations().expect("it is read");
        let is_its = |view: &RecommendationView| {
            view.entry.recommendation.resource.kind.as_str() == kind && view.state.is_open()
        };
        all.into_values().filter(is_its).collect()
    }

    /// Later: no two words are said at one moment.
    fn pass(&self, minutes: i64) {
        let now = trimtab::ports::Clock::now(&self.door.clock);
        self.door.clock.set(now + jiff::SignedDuration::from_mins(minutes));
    }
}

/// Who was refused what, as the journal has it.
fn refusals(records: &[Record]) -> Vec<(String, String)> {
    let refused = |record: &Record| {
        let Entry::Refused { reason, .. } = &record.entry else { return None };
        Some((record.by.clone(), reason.clone()))
    };
    records.iter().filter_map(refused).collect()
}

#[test]
fn two_people_approve_and_whatever_does_not_count_is_in_the_audit_log() {
    runtime().block_on(async {
        let scene = scene().await;
        let records = scene.door.agent.ledger().follow();
        let view = scene.views("ebs-volume").remove(0);
        let (id, digest) = (view.entry.id.clone(), view.entry.digest.clone());
        let path = format!("/api/v1/recommendations/{id}/approve");
        let yes = || json!({ "digest": digest, "now": true });

        scene.pass(1);
        let stale = json!({ "digest": "0".repeat(64), "now": true });
        let (status, problem) = scene.ask("ada", &path, stale).await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem}");
        let (status, first) = scene.ask("ada", &path, yes()).await;
        assert_eq!(status, StatusCode::OK, "{first}");
        assert_eq!(first["state"], "awaiting_approval");
        assert_eq!(first["quorum"]["approved_by"], json!(["ada"]));
        let words = text(&first["decided"]);
        assert!(words.starts_with("approved by ada, needs one more"), "{words}");
        let (status, again) = scene.ask("ada", &path, yes()).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(text(&again["detail"]).contains("nobody approves twice"), "{again}");

        let told = scene.door.get("/api/v1/status").await;
        assert!(text(&told["lack_approvals"][&id]).contains("needs one more"), "{told}");
        for page in [format!("/recommendations/{id}"), "/recommendations".to_owned()] {
            assert!(scene.page(&page).await.contains("approved by ada, needs one more"), "{page}");
        }
        assert!(scene.page("/").await.contains("another approver"));

        scene.pass(1);
        let (bob, val) =
            tokio::join!(scene.ask("bob", &path, yes()), scene.ask("val", &path, yes()));
        let mut statuses = [bob.0, val.0];
        statuses.sort();
        assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT], "{bob:?} {val:?}");
        let begun = trimtab::begin::begin_approved(&scene.door.agent).await.expect("a store");
        assert_eq!(begun.len(), 1);
        let (status, used) = scene.ask("ada", &path, yes()).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(text(&used["detail"]).contains("already changed"), "{used}");

        let records: Vec<Record> = records.try_iter().collect();
        let refused = refusals(&records);
        for why in ["has changed since it was shown", "already, as it needs"] {
            assert!(refused.iter().any(|(_, reason)| reason.contains(why)), "{why}: {refused:?}");
        }
        let decided: Vec<&str> = records
            .iter()
            .filter(|record| matches!(record.entry, Entry::Decided { .. }))
            .map(|record| record.by.as_str())
            .collect();
        assert_eq!(decided.len(), 2, "every word that counts bears its name: {decided:?}");
    });
}

#[test]
fn a_proposal_that_changed_needs_its_own_approvals_and_says_so() {
    runtime().block_on(async {
        let scene = scene().await;
        let agent = &scene.door.agent;
        let view = scene.views("ec2-instance").remove(0);
        scene.pass(1);
        let path = format!("/api/v1/recommendations/{}/approve", view.entry.id);
        let (status, _) = scene.ask("ada", &path, json!({})).await;
        assert_eq!(status, StatusCode::OK);

        // What was proposed cannot be had any more: the next cycle proposes something else.
        let mut settings = (*agent.settings()).clone();
        let trimtab_models::spec::Spec::Instance { instance_type, .. } =
            &view.entry.recommendation.desired
        else {
            panic!("a machine")
        };
        settings.sizing.instance.exclude_types.push(instance_type.clone());
        agent.set_settings(settings);
        scene.pass(60);
        run_cycle(agent, Begin::Never).await.expect("the simulated account answers");
        let old = agent.store().recommendation(&view.entry.id).expect("it is read");
        let old = old.expect("it is kept");
        assert_ne!(old.state, RecommendationState::AwaitingApproval);
        let new = scene.views("ec2-instance").remove(0);
        assert_ne!(new.entry.digest, view.entry.digest);
        assert_eq!(new.entry.quorum.as_ref().map(|quorum| quorum.missing()), Some(2));
        let page = scene.page(&format!("/recommendations/{}", new.entry.id)).await;
        assert!(page.contains("The proposal has changed") && page.contains("since ada approved"));
        let (status, stale) = scene.ask("bob", &path, json!({ "digest": view.entry.digest })).await;
        assert_eq!(status, StatusCode::CONFLICT, "{stale}");
    });
}

#[test]
fn exceptions_are_made_shown_renewed_and_ended() {
    runtime().block_on(async {
        let scene = scene().await;
        let volume = scene.views("ebs-volume").remove(0);
        let arn = volume.entry.recommendation.resource.arn.0.clone();
        let machine = scene.views("ec2-instance").remove(0);
        let machine = machine.entry.recommendation.resource.arn.0;
        let asked = json!({ "arn": arn, "reason": "a migration" });
        for (body, status) in [
            (json!({ "reason": "of everything" }), StatusCode::BAD_REQUEST),
            (json!({ "arn": arn, "reason": " " }), StatusCode::BAD_REQUEST),
            (json!({ "arn": machine, "reason": "not mine" }), StatusCode::FORBIDDEN),
            (json!({ "tag_key": "a", "tag_value": "b", "reason": "x" }), StatusCode::FORBIDDEN),
            (
                json!({ "arn": arn, "until": "2030-01-01T00:00:00Z", "reason": "x" }),
                StatusCode::CONFLICT,
            ),
            (asked, StatusCode::CREATED),
        ] {
            let (found, answer) = scene.ask("val", "/api/v1/exceptions", body).await;
            assert_eq!(found, status, "{answer}");
        }
        let listed = scene.door.get("/api/v1/exceptions").await;
        let [one] = listed["exceptions"].as_array().expect("a list").as_slice() else {
            panic!("{listed}")
        };
        assert_eq!((&one["is_in_force"], &one["is_due"]), (&json!(true), &json!(false)));
        let id = text(&one["id"]);
        let path = format!("/api/v1/recommendations/{}/approve", volume.entry.id);
        let (status, refused) = scene.ask("ada", &path, json!({})).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(text(&refused["detail"]).contains("a migration"), "{refused}");

        scene.pass(77 * 24 * 60);
        let page = scene.page("/exceptions").await;
        assert!(page.contains("Let go") && page.contains("a migration"), "it ends in 13 days");
        assert!(scene.page("/").await.contains("exceptions that end soon"));
        assert_eq!(scene.door.get("/api/v1/status").await["exceptions_due"], 1);
        let (status, renewed) =
            scene.ask("ada", &format!("/api/v1/exceptions/{id}/renew"), json!({})).await;
        assert_eq!((status, &renewed["is_due"]), (StatusCode::OK, &json!(false)), "{renewed}");
        let end = format!("/api/v1/exceptions/{id}/end");
        let (status, ended) = scene.ask("bob", &end, json!({})).await;
        assert_eq!((status, &ended["ended"]["by"]), (StatusCode::OK, &json!("bob")), "{ended}");
        assert_eq!(scene.ask("bob", &end, json!({})).await.0, StatusCode::CONFLICT);
        assert_eq!(
            scene.ask("bob", "/api/v1/exceptions/no/end", json!({})).await.0,
            StatusCode::NOT_FOUND
        );
    });
}

#[test]
fn a_no_with_a_tag_leaves_alone_everything_that_carries_it() {
    runtime().block_on(async {
        let scene = scene().await;
        let view = scene.views("ebs-volume").remove(0);
        let (key, value) =
            view.entry.recommendation.resource.tags.iter().next().expect("the fleet is tagged");
        let path = format!("/api/v1/recommendations/{}/reject", view.entry.id);
        let no = json!({ "reason": "never these", "for_tag": { "key": key, "value": value } });
        let (status, refused) = scene.ask("val", &path, no.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "it reaches beyond volumes: {refused}");
        let (status, rejected) = scene.ask("ada", &path, no).await;
        assert_eq!(
            (status, &rejected["state"]),
            (StatusCode::OK, &json!("rejected")),
            "{rejected}"
        );
        let page = scene.page("/exceptions").await;
        assert!(page.contains(&format!("tagged {key} = {value}")), "{page}");
    });
}
