//! Whatever goes wrong is told as a problem of a known kind.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::door::{Door, header, runtime, send, text};

#[test]
fn every_refusal_is_a_problem() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let large = "x".repeat(100_000);
        for (method, path, body, status) in [
            (Method::GET, "/api/v1/nothing", "", 404),
            (Method::GET, "/api/v2", "", 404),
            (Method::DELETE, "/api/v1/status", "", 405),
            (Method::POST, "/api/v1/recommendations", "", 405),
            (Method::GET, "/api/v1/recommendations?colour=red", "", 400),
            (Method::GET, "/api/v1/recommendations?limit=0", "", 400),
            (Method::GET, "/api/v1/changes?limit=many", "", 400),
            (Method::GET, "/api/v1/inventory?after=00", "", 400),
            (Method::GET, "/api/v1/audit?limit=1001", "", 400),
            (Method::GET, "/api/v1/recommendations/%ff", "", 400),
            (Method::POST, "/api/v1/changes/%ff/undo", "", 400),
            (Method::POST, "/api/v1/stop", "{", 400),
            (Method::POST, "/api/v1/stop", "[]", 400),
            (Method::POST, "/api/v1/stop", "{\"reason\": 1}", 400),
            (Method::POST, "/api/v1/stop", "{\"why\": \"x\"}", 400),
            (Method::POST, "/api/v1/stop", large.as_str(), 413),
            (Method::POST, "/api/v1/recommendations/none/approve", large.as_str(), 413),
            (Method::POST, "/api/v1/circuit/reset", "{\"scope\": \"everything\"}", 400),
            (Method::POST, "/api/v1/circuit/reset", "{\"scope\": \"overall\"}", 404),
        ] {
            let response = send(door.operator(method.clone(), path).body(body.to_owned())).await;
            let told = (response.status().as_u16(), header(&response, "content-type"));
            assert_eq!(told, (status, "application/problem+json".to_owned()), "{method} {path}");
            let allowed = header(&response, "allow");
            assert_eq!(status == 405, !allowed.is_empty(), "{method} {path} allows `{allowed}`");
            let problem: Value = response.json().await.expect("a problem is JSON");
            assert_eq!(problem["status"], status, "{problem}");
            assert!(text(&problem["type"]).starts_with("/openapi.json#"), "{problem}");
            assert!(!text(&problem["detail"]).is_empty(), "{problem}");
        }
        assert!(door.agent.stopped().is_none());
        let wrong = send(door.operator(Method::DELETE, "/api/v1/status")).await;
        assert_eq!(header(&wrong, "allow"), "GET,HEAD");
        let nobody = send(door.request(Method::GET, "/api/v1/status")).await;
        assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
        assert!(header(&nobody, "www-authenticate").starts_with("Bearer"));
    });
}
