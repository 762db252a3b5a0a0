//! Lists in pages, and tags.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use trimtab::cycle::{Begin, run_cycle};

use crate::door::{Door, header, runtime, send, text};

/// Every item of a list, by following the links from page to page.
async fn all(door: &Door, path: &str, items: &str) -> Vec<Value> {
    let (mut all, mut path) = (Vec::new(), path.to_owned());
    loop {
        let response = send(door.operator(Method::GET, &path)).await;
        assert_eq!(response.status(), 200, "{path}");
        let link = header(&response, "link");
        let body: Value = response.json().await.expect("JSON");
        let page = body[items].as_array().expect("a list").clone();
        assert!(page.len() <= 2, "{path}");
        all.extend(page);
        let Some(next) = body["next"].as_str() else {
            assert_eq!(link, "");
            return all;
        };
        let end = format!("after={next}>; rel=\"next\"");
        assert!(link.starts_with('<') && link.ends_with(&end), "{link}");
        path = link[1..].split('>').next().expect("a link holds an address").to_owned();
    }
}

#[test]
fn pages_add_up_to_the_list() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        for reason in ["one", "two", "three"] {
            door.post("/api/v1/stop", json!({ "reason": reason })).await;
            door.post("/api/v1/resume", Value::Null).await;
        }
        for (path, items, least) in [
            ("/api/v1/recommendations", "recommendations", 5),
            ("/api/v1/recommendations?state=awaiting_approval", "recommendations", 3),
            ("/api/v1/inventory", "resources", 7),
            ("/api/v1/audit", "records", 6),
            ("/api/v1/audit?q=STOPPED", "records", 3),
        ] {
            let whole = door.get(path).await;
            let whole = whole[items].as_array().expect("a list");
            assert!(whole.len() >= least, "{path}: {}", whole.len());
            let sign = if path.contains('?') { '&' } else { '?' };
            assert_eq!(all(&door, &format!("{path}{sign}limit=2"), items).await, *whole, "{path}");
        }
    });
}

#[test]
fn the_audit_log_is_the_journal_newest_first() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let (id, _) = door.in_state("awaiting_approval").await.remove(0);
        let path = format!("/api/v1/recommendations/{id}/reject");
        door.post(&path, json!({ "reason": "busy season" })).await;
        door.post("/api/v1/stop", json!({ "reason": "audit" })).await;
        let body = door.get("/api/v1/audit").await;
        let records = body["records"].as_array().expect("a list");
        let told: Vec<_> = records.iter().map(|one| one["seq"].as_u64()).collect();
        let last = door.agent.ledger().last_seq();
        assert_eq!(told, (1..=last).rev().map(Some).collect::<Vec<_>>());
        assert_eq!(
            (text(&records[0]["by"]), text(&records[0]["what"])),
            ("operator".to_owned(), "the stop switch was set: audit".to_owned())
        );
        assert_eq!(body["head"], records[0]["hash"]);
        assert_eq!(text(&records[1]["recommendation_id"]), id);
        assert_eq!(records[1]["record"]["entry"]["decided"]["decision"]["reason"], "busy season");
    });
}

async fn tagged(door: &Door, path: &str, tag: &str) -> Response {
    send(door.operator(Method::GET, path).header("if-none-match", tag)).await
}

#[test]
fn what_is_held_already_is_not_sent_again() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let (id, _) = door.in_state("awaiting_approval").await.remove(0);
        let one = format!("/api/v1/recommendations/{id}");
        for path in ["/api/v1/recommendations", "/api/v1/changes", "/api/v1/inventory", &one] {
            let first = send(door.operator(Method::GET, path)).await;
            let tag = header(&first, "etag");
            assert!(tag.starts_with('"') && tag.len() > 30, "{path}: {tag}");
            let again = tagged(&door, path, &tag).await;
            assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag), "{path}");
            assert_eq!(again.text().await.expect("nothing"), "");
            assert_eq!(tagged(&door, path, "\"other\"").await.status(), 200, "{path}");
        }
        let tag = header(&send(door.operator(Method::GET, &one)).await, "etag");
        door.post(&format!("{one}/reject"), json!({ "reason": "no" })).await;
        assert_eq!(tagged(&door, &one, &tag).await.status(), 200, "it stands elsewhere now");
    });
}

#[test]
fn a_decision_on_what_has_changed_is_stale() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let awaiting = door.in_state("awaiting_approval").await;
        let path = |index: usize| format!("/api/v1/recommendations/{}", awaiting[index].0);
        let decide = async |index: usize, verb: &str, tag: &str| {
            let request = door.operator(Method::POST, &format!("{}/{verb}", path(index)));
            send(request.header("if-match", tag).json(&json!({ "reason": "seen" }))).await
        };
        let tag = header(&send(door.operator(Method::GET, &path(0))).await, "etag");
        let other = header(&send(door.operator(Method::GET, &path(1))).await, "etag");

        let stale = decide(0, "approve", &other).await;
        assert_eq!(stale.status(), 412);
        let problem: Value = stale.json().await.expect("a problem");
        assert!(text(&problem["detail"]).contains("its digest was"), "{problem}");
        assert_eq!(door.in_state("approved").await, []);

        // A cycle that confirms it changes nothing that a decision depends on.
        run_cycle(&door.agent, Begin::Never).await.expect("the simulated account answers");
        assert_eq!(decide(0, "approve", &tag).await.status(), 200);
        for verb in ["approve", "reject"] {
            let replayed = decide(0, verb, &tag).await;
            assert_eq!(replayed.status(), 412, "{verb}");
            let problem: Value = replayed.json().await.expect("a problem");
            let told = "its state was awaiting_approval and is approved";
            assert!(text(&problem["detail"]).contains(told), "{problem}");
        }
        assert_eq!(decide(1, "reject", "*").await.status(), 200);
    });
}
