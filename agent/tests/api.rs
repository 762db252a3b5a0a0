//! The API and the page over real connections: a real agent on a small simulated account, one cycle in.
//!
//! Not here: what decisions do to the account (the simulation's own tests).

mod door;

use std::{collections::BTreeMap, sync::atomic::Ordering};

use door::{Door, form_post, header, runtime, send, text};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trimtab::{
    api::protected_routes,
    cycle::{Begin, run_cycle},
    engine::{Engine, Until},
    ports::Place,
    stage::Stage,
};
use trimtab_models::resource::{InstanceState, Resource};
use trimtab_policies::{
    change::State,
    mark::{CHANGE_TAG, Mark},
    operations::Operation,
    session::{Right, Session},
};

fn filled(path: &str) -> String {
    path.replace("{id}", "0123456789ab")
}

#[test]
fn every_route_asks_for_the_token() {
    runtime().block_on(async {
        let door = Door::open(false, false).await;
        let routes = protected_routes();
        assert!(routes.len() >= 14, "{routes:?}");
        for (method, path) in routes {
            let path = filled(path);
            let nobody = send(door.request(method.clone(), &path)).await;
            assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(header(&nobody, "content-type"), "application/problem+json");
            let problem: Value = nobody.json().await.expect("a problem");
            assert!(text(&problem["detail"]).contains("operator.token"), "{problem}");
            let wrong = [
                door.request(method.clone(), &path).bearer_auth("tt_0"),
                door.request(method.clone(), &path).bearer_auth(""),
                door.request(method.clone(), &path)
                    .header("authorization", format!("Basic {}", door.token)),
                door.request(method.clone(), &path).header("cookie", "trimtab_session=guess"),
            ];
            for request in wrong {
                assert_eq!(
                    send(request).await.status(),
                    StatusCode::UNAUTHORIZED,
                    "{method} {path}"
                );
            }
            let operator = send(door.operator(method.clone(), &path)).await;
            assert_ne!(operator.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        }
        let page = send(door.request(Method::GET, "/")).await;
        assert_eq!(
            (page.status(), header(&page, "location")),
            (StatusCode::SEE_OTHER, "/login".to_owned())
        );
        let blind = send(form_post(&door, "/stop", "reason=x")).await;
        assert_eq!(blind.status(), StatusCode::UNAUTHORIZED);
    });
}

#[test]
fn ready_after_the_first_cycle() {
    runtime().block_on(async {
        let door = Door::open(false, false).await;
        assert_eq!(send(door.request(Method::GET, "/healthz")).await.status(), StatusCode::OK);
        assert_eq!(
            send(door.request(Method::GET, "/readyz")).await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(door.get("/api/v1/status").await["last_cycle"], Value::Null);
        run_cycle(&door.agent, Begin::Never).await.expect("the simulated account answers");
        assert_eq!(send(door.request(Method::GET, "/readyz")).await.status(), StatusCode::OK);
        let metrics = send(door.request(Method::GET, "/metrics")).await.text().await.expect("text");
        assert!(metrics.contains("trimtab_resources{kind=\"ec2-instance\"} 3"), "{metrics}");
        assert!(metrics.contains("\ntrimtab_stopped 0\n"), "{metrics}");
    });
}

#[test]
fn an_approval_is_bound_to_its_digest_and_wakes_the_daemon() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let awaiting = door.in_state("awaiting_approval").await;
        let (id, digest) =
            awaiting.first().expect("the scenario has oversized machines on copilot").clone();
        let approve = format!("/api/v1/recommendations/{id}/approve");

        let (status, problem) = door.post(&approve, json!({ "digest": "0".repeat(64) })).await;
        assert_eq!(
            (status, text(&problem["type"])),
            (StatusCode::CONFLICT, "/openapi.json#policy-refused".to_owned())
        );
        assert!(text(&problem["detail"]).contains(&digest), "{problem}");
        let (status, _) = door.post(&approve, json!({ "digets": digest })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "a misspelt key must not approve blindly");
        assert!(door.signals.lock().expect("unpoisoned").is_empty());

        let (status, view) =
            door.post(&approve, json!({ "digest": digest, "reason": "seen" })).await;
        assert_eq!(status, StatusCode::OK, "{view}");
        assert_eq!(
            (text(&view["state"]), text(&view["decided"])),
            ("approved".to_owned(), "approved by operator".to_owned())
        );
        assert_eq!(*door.signals.lock().expect("unpoisoned"), [Stage::Begin]);
        let one = door.get(&format!("/api/v1/recommendations/{id}")).await;
        assert_eq!(text(&one["state"]), "approved");
        assert!(one["checks"].as_array().is_some_and(|checks| checks.len() > 10), "{one}");
    });
}

#[test]
fn what_datapilot_recommends_cannot_be_approved() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let body = door
            .get("/api/v1/recommendations?kind=lambda-function&action=tune-function-memory")
            .await;
        let functions = body["recommendations"].as_array().expect("a list").clone();
        assert!(
            !functions.is_empty()
                && functions.iter().all(|one| one["resource"]["kind"] == "lambda-function")
        );
        let id = text(&functions[0]["id"]);
        let (status, problem) =
            door.post(&format!("/api/v1/recommendations/{id}/approve"), json!({})).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(text(&problem["detail"]).contains("datapilot"), "{problem}");
    });
}

#[test]
fn a_rejection_needs_a_reason_and_holds() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let (id, _) = door.in_state("awaiting_approval").await.first().expect("one awaits").clone();
        let reject = format!("/api/v1/recommendations/{id}/reject");
        let (status, _) = door.post(&reject, json!({ "reason": " " })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let until: Timestamp = "2026-06-01T00:00:00Z".parse().expect("a time");
        let (status, view) =
            door.post(&reject, json!({ "reason": "peak in May", "until": until })).await;
        assert_eq!((status, text(&view["state"])), (StatusCode::OK, "rejected".to_owned()));
        let (status, _) = door.post(&reject, json!({ "reason": "again" })).await;
        assert_eq!(status, StatusCode::CONFLICT, "it is rejected already");
        let (status, _) =
            door.post("/api/v1/recommendations/none/reject", json!({ "reason": "x" })).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn stop_and_resume_are_the_file() {
    runtime().block_on(async {
        let door = Door::open(false, false).await;
        let (status, body) = door.post("/api/v1/stop", json!({ "reason": "audit" })).await;
        assert_eq!(
            (status, text(&body["stopped"])),
            (StatusCode::OK, "stopped by operator: audit".to_owned())
        );
        let file = door.agent.stop_switch().path().to_owned();
        assert!(file.exists());
        assert_eq!(
            text(&door.get("/api/v1/status").await["stopped"]),
            "stopped by operator: audit"
        );
        let (status, body) = door.post("/api/v1/resume", Value::Null).await;
        assert_eq!((status, &body["stopped"]), (StatusCode::OK, &Value::Null));
        assert!(!file.exists());
        let (status, _) = door.post("/api/v1/cycle", json!({})).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(*door.signals.lock().expect("unpoisoned"), [Stage::Begin, Stage::Cycle]);
    });
}

#[test]
fn reading_everything_else() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let inventory = door.get("/api/v1/inventory").await;
        let resources = inventory["resources"].as_array().expect("a list");
        let machine =
            resources.iter().find(|one| one["kind"] == "ec2-instance").expect("there are machines");
        let arn = text(&machine["arn"]);
        let explained = door.get(&format!("/api/v1/modes/explain?arn={arn}")).await;
        assert_eq!(explained["actions"][0]["mode"], "copilot", "{explained}");
        assert_eq!(explained["actions"].as_array().map(Vec::len), Some(2));
        let report = door.get("/api/v1/report?since_days=30").await;
        assert!(
            report["open_saving_usd_monthly"].as_f64().is_some_and(|saving| saving > 0.0),
            "{report}"
        );
        assert_eq!(door.get("/api/v1/changes").await, json!({ "changes": [], "next": null }));
        for (path, status) in [
            ("/api/v1/modes/explain?arn=arn:aws:ec2:::nothing", StatusCode::NOT_FOUND),
            ("/api/v1/modes/explain", StatusCode::BAD_REQUEST),
            ("/api/v1/report?since_days=0", StatusCode::BAD_REQUEST),
            ("/api/v1/recommendations?state=open", StatusCode::BAD_REQUEST),
            ("/api/v1/recommendations?colour=red", StatusCode::BAD_REQUEST),
            ("/api/v1/changes/chg-none", StatusCode::NOT_FOUND),
            ("/api/v2", StatusCode::NOT_FOUND),
        ] {
            let response = send(door.operator(Method::GET, path)).await;
            assert_eq!(
                (response.status(), header(&response, "content-type").as_str()),
                (status, "application/problem+json"),
                "{path}"
            );
        }
        let (status, _) = door.post("/api/v1/changes/chg-none/undo", json!({})).await;
        assert_eq!((status, door.open_changes.load(Ordering::SeqCst)), (StatusCode::NOT_FOUND, 0));
        let large =
            send(door.operator(Method::POST, "/api/v1/stop").body("x".repeat(100_000))).await;
        assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    });
}

#[test]
fn the_machine_of_a_lost_agent_is_brought_back_by_its_mark() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let (agent, ports) = (&door.agent, door.agent.ports());
        let inventory = agent.inventory();
        let is_larger = |resource: &&Resource| {
            resource.instance().is_some_and(|instance| instance.instance_type != "m5.large")
        };
        let machine = inventory.values().find(is_larger).expect("the fleet has machines");
        let was = machine.instance().expect("it is one").instance_type.clone();
        let place = Place {
            account: machine.reference.account.clone(),
            region: machine.reference.region.clone(),
        };
        let (status, refusal) = door.post("/api/v1/changes/chg-9/adopt", json!({})).await;
        assert_eq!(
            (status, text(&refusal["detail"]).contains("no instance carries")),
            (StatusCode::CONFLICT, true)
        );

        let (resource_id, instance_id) = (machine.id.clone(), machine.id.clone());
        let mark =
            Mark { agent_id: "b2".to_owned(), change_id: "chg-9".to_owned(), was: was.clone() };
        let act = ports.act.clone().expect("the simulated account takes writes");
        let actions = ["ec2:CreateTags", "ec2:StopInstances", "ec2:ModifyInstanceAttribute"];
        let right = Right {
            actions: actions.map(str::to_owned).into(),
            resources: vec![machine.reference.arn.0.clone()],
            conditions: BTreeMap::new(),
        };
        let session = Session {
            name: "lost".to_owned(),
            rights: vec![right],
            outlives_s: 120,
            is_later_undo: false,
        };
        let larger = Operation::SetInstanceType {
            instance_id: machine.id.clone(),
            instance_type: "m5.large".to_owned(),
        };
        for operation in [
            Operation::TagResource { resource_id, mark },
            Operation::StopInstance { instance_id },
            larger,
        ] {
            act.perform(&place, &session, &operation).await.expect("a quiet account");
            ports.clock.sleep_until(ports.clock.now() + SignedDuration::from_mins(5)).await;
        }
        let (status, view) = door.post("/api/v1/changes/chg-9/adopt", json!({})).await;
        assert_eq!((status, text(&view["state"]).as_str()), (StatusCode::OK, "undoing"), "{view}");
        assert_eq!(door.open_changes.load(Ordering::SeqCst), 1, "the engine is told");
        let (status, refusal) = door.post("/api/v1/changes/chg-9/adopt", json!({})).await;
        assert_eq!(
            (status, text(&refusal["detail"]).contains("own")),
            (StatusCode::CONFLICT, true)
        );

        let (stop, end) = (agent.stop_switch(), CancellationToken::new());
        let engine =
            Engine { ledger: &agent.ledger, stop: &stop, end: &end, until: Until::Resting };
        let state = engine.drive(|| ports.clone(), "chg-9").await;
        assert_eq!(state.expect("a journal that is written"), Some(State::Undone));
        ports.clock.sleep_until(ports.clock.now() + SignedDuration::from_mins(5)).await;
        let live =
            ports.observe.describe(&machine.reference, &machine.id).await.expect("it is there");
        let instance = live.instance().expect("it is one");
        assert_eq!(
            (instance.instance_type.as_str(), instance.state),
            (was.as_str(), InstanceState::Running)
        );
        assert_eq!(live.tag(CHANGE_TAG), None, "the mark is gone");
    });
}

#[test]
fn a_session_takes_forms_of_its_own_page_only() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let wrong =
            send(form_post(&door, "/login", "token=tt_guess").header("origin", door.origin()))
                .await;
        assert_eq!(
            (wrong.status(), header(&wrong, "set-cookie")),
            (StatusCode::UNAUTHORIZED, String::new())
        );
        let foreign = send(
            form_post(&door, "/login", &format!("token={}", door.token))
                .header("origin", "http://evil.example"),
        )
        .await;
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
        let cookie = door.sign_in().await;

        let page = send(door.request(Method::GET, "/").header("cookie", &cookie)).await;
        assert_eq!(page.status(), StatusCode::OK);
        let policy = header(&page, "content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let html = page.text().await.expect("text");
        let (id, digest) =
            door.in_state("awaiting_approval").await.first().expect("one awaits").clone();
        assert!(
            html.contains("/recommendations?state=awaiting_approval") && !html.contains("<script")
        );

        let stop = || form_post(&door, "/stop", "reason=test").header("cookie", &cookie);
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("x-none", "neither is said"),
        ] {
            assert_eq!(
                send(stop().header(name, value)).await.status(),
                StatusCode::FORBIDDEN,
                "{name}: {value}"
            );
        }
        assert!(door.agent.stopped().is_none());
        let form = format!("digest={digest}");
        let approve = form_post(&door, &format!("/recommendations/{id}/approve"), &form);
        let approved =
            send(approve.header("cookie", &cookie).header("origin", door.origin())).await;
        assert_eq!(
            (approved.status(), header(&approved, "location")),
            (StatusCode::SEE_OTHER, format!("/recommendations/{id}"))
        );
        assert!(door.in_state("approved").await.contains(&(id.clone(), digest)));
        let detail = send(
            door.request(Method::GET, &format!("/recommendations/{id}")).header("cookie", &cookie),
        )
        .await;
        assert!(detail.text().await.expect("text").contains("approved by operator"));

        let out = send(
            form_post(&door, "/logout", "")
                .header("cookie", &cookie)
                .header("origin", door.origin()),
        )
        .await;
        assert_eq!(out.status(), StatusCode::SEE_OTHER);
        let after = send(door.request(Method::GET, "/").header("cookie", &cookie)).await;
        assert_eq!(header(&after, "location"), "/login");
    });
}

#[test]
fn an_open_page_is_open_to_this_machine_by_its_own_name() {
    runtime().block_on(async {
        let door = Door::open(true, false).await;
        let port = door.address.port();
        for (host, status) in [
            (format!("127.0.0.1:{port}"), StatusCode::OK),
            (format!("localhost:{port}"), StatusCode::OK),
            (format!("evil.example:{port}"), StatusCode::FORBIDDEN),
            (format!("127.0.0.1.evil.example:{port}"), StatusCode::FORBIDDEN),
        ] {
            for path in ["/", "/api/v1/recommendations"] {
                let response = send(door.request(Method::GET, path).header("host", &host)).await;
                assert_eq!(response.status(), status, "{host} {path}");
            }
        }
        let stop = |path| door.request(Method::POST, path).body("");
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            for path in ["/api/v1/stop", "/stop"] {
                assert_eq!(
                    send(stop(path).header(name, value)).await.status(),
                    StatusCode::FORBIDDEN,
                    "{value} {path}"
                );
            }
        }
        assert!(door.agent.stopped().is_none());
        assert_eq!(
            send(stop("/api/v1/stop").header("host", "evil.example")).await.status(),
            StatusCode::FORBIDDEN
        );
        assert_eq!(send(stop("/api/v1/stop")).await.status(), StatusCode::OK);
        assert!(door.agent.stopped().is_some());
        let wrong = send(door.request(Method::GET, "/api/v1/status").bearer_auth("tt_wrong")).await;
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "a wrong token is told, even here");
    });
}
