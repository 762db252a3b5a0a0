//! The API's document is true: every route is in it, and every answer is one that it tells of.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trimtab::{
    api::protected_routes,
    cycle::{Begin, run_cycle},
    engine::{Engine, Until},
};
use trimtab_policies::change::State;

use crate::door::{Door, SCENARIO, header, runtime, send, text};

struct Document(Value);

impl Document {
    async fn of(door: &Door) -> Self {
        let response = send(door.request(Method::GET, "/openapi.json")).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self(response.json().await.expect("JSON"))
    }

    fn operations(&self) -> Vec<(Method, String, &Value)> {
        let paths = self.0["paths"].as_object().expect("the document has paths");
        let of_path = |(path, methods): (&String, &'_ Value)| {
            let methods = methods.as_object().expect("a path has methods").clone();
            methods.keys().map(|method| (path.clone(), method.clone())).collect::<Vec<_>>()
        };
        let all = paths.iter().flat_map(of_path);
        all.map(|(path, method)| {
            let operation = &self.0["paths"][&path][&method];
            (method.to_uppercase().parse().expect("a method"), path, operation)
        })
        .collect()
    }

    /// Holds an answer to what the document says of it, and returns its status.
    async fn hold(&self, method: &Method, path: &str, response: Response) -> u16 {
        let status = response.status().as_u16();
        let operation = &self.0["paths"][path][method.as_str().to_lowercase()];
        let told = &operation["responses"][status.to_string()];
        assert!(told.is_object(), "{method} {path} answers {status}, which is not documented");
        for (name, header_told) in told["headers"].as_object().into_iter().flatten() {
            let given = header(&response, name);
            assert!(!given.is_empty(), "{method} {path} {status} lacks {name}: {header_told}");
        }
        let media_type = header(&response, "content-type");
        let media_type = media_type.split(';').next().unwrap_or_default().to_owned();
        if status == 304 {
            return status;
        }
        let schema = &told["content"][&media_type]["schema"];
        assert!(schema.is_object(), "{method} {path} {status} answers {media_type}: {told}");
        if media_type.ends_with("json") {
            let body: Value = response.json().await.expect("JSON");
            self.validate(schema, &body, &format!("{method} {path} {status}"));
        }
        status
    }

    fn validate(&self, schema: &Value, body: &Value, what: &str) {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.0["components"],
            "allOf": [schema],
        });
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&whole)
            .expect("the document's schemas are schemas");
        let wrong: Vec<String> = validator
            .iter_errors(body)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .take(5)
            .collect();
        assert!(wrong.is_empty(), "{what}: {wrong:#?}");
    }
}

#[test]
fn every_route_is_in_the_document() {
    runtime().block_on(async {
        let door = Door::open(false, false).await;
        let document = Document::of(&door).await;
        let told: BTreeSet<(String, String)> = document
            .operations()
            .into_iter()
            .map(|(method, path, _)| (method.to_string(), path))
            .collect();
        let open = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
        let open = open.map(|path| ("GET".to_owned(), path.to_owned()));
        let served = protected_routes();
        let served = served.iter().map(|(method, path)| (method.to_string(), (*path).to_owned()));
        assert_eq!(told, served.chain(open).collect());
        let mut ids = BTreeSet::new();
        for (method, path, operation) in document.operations() {
            assert!(text(&operation["summary"]).len() > 10, "{method} {path}");
            assert!(ids.insert(text(&operation["operationId"])), "{method} {path}");
            let is_open = operation["security"] == json!([]);
            let is_metrics = path == "/metrics";
            assert_eq!(is_open, !is_metrics && !path.starts_with("/api/"), "{method} {path}");
            let is_free = operation["security"] == json!([{ "token": [] }, {}]);
            assert_eq!(is_free, is_metrics, "{method} {path}");
        }
        assert_eq!(document.0["openapi"], "3.1.0");
    });
}

/// One question, and the status that it is answered with.
struct Asked {
    method: Method,
    /// The path in the document.
    path: &'static str,
    /// The path that is asked for.
    at: String,
    body: Option<Value>,
    header: Option<(&'static str, String)>,
    status: u16,
}

fn asked(method: Method, path: &'static str, status: u16) -> Asked {
    Asked { method, path, at: path.to_owned(), body: None, header: None, status }
}

impl Asked {
    fn at(self, at: impl Into<String>) -> Self {
        Self { at: at.into(), ..self }
    }

    fn id(self, id: &str) -> Self {
        let at = self.path.replace("{id}", id);
        Self { at, ..self }
    }

    fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    fn request(&self, door: &Door) -> RequestBuilder {
        let mut request = door.operator(self.method.clone(), &self.at);
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        if let Some((name, value)) = &self.header {
            request = request.header(*name, value);
        }
        request
    }
}

/// Every route with good answers, and each kind of refusal that a caller can bring about.
fn questions(open: &[(String, String)], change: &str, arn: &str) -> Vec<Asked> {
    let get = |path, status| asked(Method::GET, path, status);
    let post = |path, status| asked(Method::POST, path, status);
    let (one, approve) = ("/api/v1/recommendations/{id}", "/api/v1/recommendations/{id}/approve");
    let reject = "/api/v1/recommendations/{id}/reject";
    let (first, second) = (open[0].0.as_str(), open[1].0.as_str());
    vec![
        get("/healthz", 200),
        get("/readyz", 200),
        get("/metrics", 200),
        get("/openapi.json", 200),
        get("/api/v1/me", 200),
        get("/api/v1/status", 200),
        get("/api/v1/recommendations", 200),
        get("/api/v1/recommendations", 200).at("/api/v1/recommendations?limit=1&state=proposed"),
        get("/api/v1/recommendations", 400).at("/api/v1/recommendations?limit=0"),
        get("/api/v1/recommendations", 304).header("if-none-match", "*"),
        get(one, 200).id(first),
        get(one, 404).id("none"),
        get(one, 400).id("%ff"),
        post(approve, 404).id("none"),
        post(approve, 400).id(first).body(json!({ "digets": "" })),
        post(approve, 412).id(first).header("if-match", "\"0\""),
        post(approve, 409).id(first).body(json!({ "digest": "0" })),
        post(approve, 413).id(first).body(json!({ "reason": "x".repeat(100_000) })),
        post(approve, 200).id(first).body(json!({ "reason": "seen", "now": true })),
        post(reject, 400).id(second).body(json!({ "reason": "" })),
        post(reject, 200).id(second).body(json!({ "reason": "no" })),
        post(reject, 409).id(second).body(json!({ "reason": "no" })),
        get("/api/v1/changes", 200),
        get("/api/v1/changes", 400).at("/api/v1/changes?after=x"),
        get("/api/v1/changes/{id}", 200).id(change),
        get("/api/v1/changes/{id}", 404).id("chg-none"),
        post("/api/v1/changes/{id}/undo", 412).id(change).header("if-match", "\"none.0\""),
        post("/api/v1/changes/{id}/undo", 404).id("chg-none"),
        post("/api/v1/changes/{id}/undo", 200).id(change),
        post("/api/v1/changes/{id}/undo", 409).id(change),
        post("/api/v1/changes/{id}/adopt", 409).id(change),
        get("/api/v1/inventory", 200),
        get("/api/v1/audit", 200),
        get("/api/v1/audit", 400).at("/api/v1/audit?before=1"),
        get("/api/v1/events", 400).header("last-event-id", "x"),
        get("/api/v1/modes/explain", 200).at(format!("/api/v1/modes/explain?arn={arn}")),
        get("/api/v1/modes/explain", 404).at("/api/v1/modes/explain?arn=none"),
        get("/api/v1/modes/explain", 400),
        get("/api/v1/report", 200),
        get("/api/v1/recommendations", 400).at("/api/v1/recommendations?filter=colour"),
        post("/api/v1/exceptions", 201).body(json!({ "arn": arn, "reason": "migration" })),
        post("/api/v1/exceptions", 400),
        get("/api/v1/exceptions", 200),
        post("/api/v1/exceptions/{id}/renew", 404).id("none"),
        post("/api/v1/exceptions/{id}/end", 404).id("none"),
        post("/api/v1/notify/test", 404).body(json!({ "receiver": "nobody" })),
        get("/api/v1/report", 400).at("/api/v1/report?since_days=0"),
        get("/api/v1/circuit", 200),
        post("/api/v1/circuit/reset", 404).body(json!({ "scope": "overall" })),
        post("/api/v1/circuit/reset", 400).body(json!({ "scope": "x" })),
        post("/api/v1/stop", 200).body(json!({ "reason": "test" })),
        post("/api/v1/stop", 400).body(json!([])),
        post("/api/v1/resume", 200),
        post("/api/v1/cycle", 202),
    ]
}

#[test]
fn every_answer_is_as_the_document_says() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let document = Document::of(&door).await;
        // A change, so that there is one to tell of.
        let awaiting = door.in_state("awaiting_approval").await;
        let path = format!("/api/v1/recommendations/{}/approve", awaiting[0].0);
        assert_eq!(door.post(&path, json!({ "now": true })).await.0, StatusCode::OK);
        run_cycle(&door.agent, Begin::Allowed).await.expect("the simulated account answers");
        let changes = door.get("/api/v1/changes").await;
        let change = text(&changes["changes"][0]["id"]);
        let (stop, end) = (door.agent.stop_switch(), CancellationToken::new());
        let ledger = &door.agent.ledger;
        let engine = Engine { ledger, stop: &stop, end: &end, until: Until::Resting };
        let driven = engine.drive(|| door.agent.ports(), &change).await;
        assert_eq!(driven.expect("a journal that is written"), Some(State::Watching));
        let open = door.in_state("awaiting_approval").await;
        let inventory = door.get("/api/v1/inventory").await;
        let arn = text(&inventory["resources"][0]["arn"]);

        let mut answered = BTreeSet::new();
        for asked in questions(&open, &change, &arn) {
            let response = send(asked.request(&door)).await;
            let status = document.hold(&asked.method, asked.path, response).await;
            assert_eq!(status, asked.status, "{} {}", asked.method, asked.at);
            answered.insert((asked.method.to_string(), asked.path.to_owned()));
        }
        for (method, path) in protected_routes() {
            let at = path.replace("{id}", "none");
            let nobody = send(door.request(method.clone(), &at)).await;
            assert_eq!(document.hold(&method, path, nobody).await, 401, "{method} {path}");
            // What a token may not is refused as documented, and what nobody asked above is asked at least.
            if !answered.contains(&(method.to_string(), path.to_owned()))
                && path != "/api/v1/events"
            {
                let response = send(door.operator(method.clone(), &at)).await;
                document.hold(&method, path, response).await;
            }
        }
    });
}

#[test]
fn tokens_and_what_they_may_not_are_as_the_document_says() {
    runtime().block_on(async {
        let person = |name: &str, role: &str| {
            format!("\n[[settings.approver]]\nname = \"{name}\"\nrole = \"{role}\"\n")
        };
        let people = person("ada", "viewer") + &person("bob", "approver");
        let door = Door::of(&format!("{SCENARIO}{people}"), false, false).await;
        let document = Document::of(&door).await;
        let (tokens, revoke) = ("/api/v1/tokens", "/api/v1/tokens/{id}/revoke");
        let post = async |body: Value| send(door.operator(Method::POST, tokens).json(&body)).await;
        for (body, status) in [
            (json!({}), 400),
            (json!({ "name": "ada", "role": "king" }), 400),
            (json!({ "name": "eve", "role": "viewer" }), 409),
            (json!({ "name": "ada", "role": "viewer", "lasts_s": 3_600 }), 201),
        ] {
            let held = document.hold(&Method::POST, tokens, post(body.clone()).await).await;
            assert_eq!(held, status, "{body}");
        }
        let made = post(json!({ "name": "ada", "role": "viewer" })).await;
        let made: Value = made.json().await.expect("JSON");
        let ada = |method: Method, path: &str| {
            door.request(method, path).bearer_auth(text(&made["secret"]))
        };
        let me = send(ada(Method::GET, "/api/v1/me")).await;
        assert_eq!(document.hold(&Method::GET, "/api/v1/me", me).await, 200);
        let stop = send(ada(Method::POST, "/api/v1/stop")).await;
        assert_eq!(document.hold(&Method::POST, "/api/v1/stop", stop).await, 403);
        let all = send(door.operator(Method::GET, tokens)).await;
        assert_eq!(document.hold(&Method::GET, tokens, all).await, 200);
        let path = revoke.replace("{id}", &text(&made["id"]));
        let revoked = send(door.operator(Method::POST, &path)).await;
        assert_eq!(document.hold(&Method::POST, revoke, revoked).await, 200);
        let again = send(ada(Method::GET, "/api/v1/me")).await;
        assert_eq!(document.hold(&Method::GET, "/api/v1/me", again).await, 401);
    });
}
