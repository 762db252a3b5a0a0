//! How often somebody may ask.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::door::{Door, SCENARIO, form_post, header, runtime, send, text};

/// The same account with limits that a test meets: rates so slow that nothing comes back meanwhile.
fn limited() -> String {
    format!(
        "{SCENARIO}\n[settings.api]\nrequests_per_second = 1\nrequest_burst = 6\n\
         writes_per_second = 1\nwrite_burst = 3\nlogins_per_minute = 2\n"
    )
}

#[test]
fn whoever_asks_too_often_is_told_when_to_come_again() {
    runtime().block_on(async {
        let door = Door::of(&limited(), false, false).await;
        for (method, path, within) in
            [(Method::GET, "/api/v1/circuit", 6), (Method::POST, "/api/v1/cycle", 3)]
        {
            let mut refused = None;
            // A slow machine may earn some back while it asks.
            for asked in 1..=200 {
                let response = send(door.operator(method.clone(), path)).await;
                if response.status() == StatusCode::TOO_MANY_REQUESTS {
                    refused = Some((asked, response));
                    break;
                }
                assert!(response.status().is_success(), "{path}");
            }
            let (asked, response) = refused.expect("there is a limit");
            assert!(asked > within, "{path} was refused the {asked}th time");
            assert_eq!(header(&response, "retry-after"), "1");
            let problem: Value = response.json().await.expect("a problem");
            assert_eq!(text(&problem["type"]), "/openapi.json#too-many-requests");
        }
        // Health is everybody's, and nobody's attempts to sign in count against another's reading.
        for _ in 0..20 {
            let health = send(door.request(Method::GET, "/healthz")).await;
            assert_eq!(health.status(), StatusCode::OK);
        }
        let attempt =
            || send(form_post(&door, "/login", "token=guess").header("origin", door.origin()));
        let first = [attempt().await.status(), attempt().await.status()];
        assert_eq!(first, [StatusCode::UNAUTHORIZED; 2]);
        let third = attempt().await;
        assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(!header(&third, "retry-after").is_empty());
    });
}
