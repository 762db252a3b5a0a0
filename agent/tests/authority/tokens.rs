//! Tokens: made by whom, kept as what, and good until when; every route with every token that is not.

use std::{collections::BTreeMap, fs};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use trimtab_policies::{authority::Right, record::Entry};

use crate::{
    door::{Door, header, runtime, send, text},
    people::{People, SCENARIO, routes},
};

const TOKENS: (Method, &str) = (Method::POST, "/api/v1/tokens");

fn in_a_day(people: &People) -> String {
    let now = people.door.agent.ports().clock.now();
    (now + jiff::SignedDuration::from_hours(24)).to_string()
}

/// Everything that somebody may have instead of a token that is good, with what the refusal tells.
async fn bad_tokens(people: &mut People) -> Vec<(String, &'static str)> {
    let root = people.token("root").to_owned();
    let made = async |people: &People, body: Value| {
        let (status, created) = people.ask(&root, TOKENS, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{created}");
        (text(&created["secret"]), text(&created["id"]))
    };
    let body = json!({ "name": "ada", "role": "approver", "expires_at": in_a_day(people) });
    let (expired, _) = made(people, body).await;
    let (revoked, id) = made(people, json!({ "name": "ada", "role": "approver" })).await;
    let revoke = format!("/api/v1/tokens/{id}/revoke");
    let (status, body) = people.ask(&root, (Method::POST, &revoke), &json!({})).await;
    assert_eq!((status, text(&body["tokens"][0]["id"])), (StatusCode::OK, id));
    let (removed, _) = made(people, json!({ "name": "vic", "role": "viewer" })).await;
    let (lowered, _) = made(people, json!({ "name": "olga", "role": "operator" })).await;
    let ada = people.token("ada").to_owned();
    let (whole, last) = ada.split_at(ada.len() - 1);
    let typo = format!("{whole}{}", if last == "0" { "1" } else { "0" });
    let elsewhere = People::open().await;
    let strange = elsewhere.token("ada").to_owned();

    let day = jiff::SignedDuration::from_hours(24);
    people.door.clock.set(people.door.agent.ports().clock.now() + day);
    let fewer = SCENARIO.replace("name = \"vic\"", "name = \"vera\"");
    people.reload(&fewer.replacen(
        "name = \"olga\"\nrole = \"operator\"",
        "name = \"olga\"\nrole = \"viewer\"",
        1,
    ));
    vec![
        (expired, "expired at"),
        (revoked, "was revoked by root"),
        (removed, "no [[approver]] of the configuration names any more"),
        (lowered, "has only the role viewer by now"),
        (ada[..ada.len() - 1].to_owned(), "cut off or mistyped"),
        (ada[..20].to_owned(), "cut off or mistyped"),
        (typo, "cut off or mistyped"),
        (strange, "has issued no such token"),
        ("ghp_0123456789".to_owned(), "no token of this daemon"),
        (String::new(), "no token of this daemon"),
    ]
}

#[test]
fn no_route_takes_a_token_that_is_not_good() {
    runtime().block_on(async {
        let mut people = People::open().await;
        let bad = bad_tokens(&mut people).await;
        let records = people.door.agent.ledger().follow();
        for (method, path) in routes() {
            let path = path.replace("{id}", "0123456789ab");
            for (token, told) in &bad {
                let request = people.door.request(method.clone(), &path).bearer_auth(token);
                let response = send(request).await;
                let status = response.status();
                let is_page = !path.starts_with("/api/");
                if is_page && method == Method::GET {
                    assert_eq!(
                        (status, header(&response, "location").as_str()),
                        (StatusCode::SEE_OTHER, "/login")
                    );
                    continue;
                }
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} with `{token}`");
                let body = response.text().await.expect("text");
                assert!(body.contains(told), "{method} {path}: {body}");
                assert!(
                    token.len() < 30 || !body.contains(token.as_str()),
                    "a secret is told back: {body}"
                );
            }
        }
        // Whoever came with one that was good once is on record, a few times at most; nobody known did anything.
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        for record in records.try_iter() {
            let Entry::Refused { what, reason, .. } = &record.entry else {
                panic!("something happened: {record:?}")
            };
            let (token, _) = bad
                .iter()
                .find(|(token, why)| {
                    reason.contains(why) && *what == format!("token {}", &token[..12])
                })
                .unwrap_or_else(|| panic!("of no token that was good once: {record:?}"));
            *told.entry(token.clone()).or_default() += 1;
        }
        assert_eq!(told.len(), 4, "expired, revoked, removed and lowered: {told:?}");
        assert!(told.values().all(|times| *times <= Right::ALL.len()), "{told:?}");
        let (status, _) =
            people.ask(people.token("ada"), (Method::GET, "/api/v1/me"), &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "a good one is taken all the while");
    });
}

#[test]
fn the_local_token_makes_tokens_until_an_admin_can() {
    runtime().block_on(async {
        let door = Door::of(SCENARIO, false, false).await;
        let ask = async |token: &str, body: Value| {
            let request = door.request(Method::POST, "/api/v1/tokens").bearer_auth(token).json(&body);
            let response = send(request).await;
            (response.status(), response.json::<Value>().await.expect("JSON"))
        };
        for (body, status, told) in [
            (json!({ "name": "eve", "role": "viewer" }), StatusCode::CONFLICT, "no [[approver]]"),
            (json!({ "name": "vic", "role": "admin" }), StatusCode::CONFLICT, "does not cover admin"),
            (json!({ "name": "vic", "role": "approver" }), StatusCode::CONFLICT, "does not cover approver"),
            (json!({ "name": "vic", "role": "viewer", "expires_at": "2026-01-01T00:00:00Z" }), StatusCode::CONFLICT, "already"),
            (json!({ "name": "vic" }), StatusCode::BAD_REQUEST, "`role` is missing"),
            (json!({ "name": "vic", "role": "god" }), StatusCode::BAD_REQUEST, "god"),
            (
                json!({ "name": "vic", "role": "viewer", "lasts_s": 9, "expires_at": "2027-01-01T00:00:00Z" }),
                StatusCode::BAD_REQUEST,
                "not both",
            ),
        ] {
            let (found, problem) = ask(&door.token, body).await;
            assert_eq!(found, status, "{problem}");
            assert!(text(&problem["detail"]).contains(told), "{problem}");
        }
        let (status, root) = ask(&door.token, json!({ "name": "root", "role": "admin", "lasts_s": 3_600 })).await;
        assert_eq!(status, StatusCode::CREATED, "{root}");
        let (status, problem) = ask(&door.token, json!({ "name": "vic", "role": "viewer" })).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(text(&problem["detail"]).contains("operator has the role operator"), "{problem}");
        let secret = text(&root["secret"]);
        assert_eq!(ask(&secret, json!({ "name": "vic", "role": "viewer" })).await.0, StatusCode::CREATED);
        // Once no admin's token is good any more, somebody must be able to make one again.
        door.clock.set(door.agent.ports().clock.now() + jiff::SignedDuration::from_hours(1));
        assert_eq!(ask(&secret, json!({ "name": "vic", "role": "viewer" })).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(ask(&door.token, json!({ "name": "root", "role": "admin" })).await.0, StatusCode::CREATED);
    });
}

#[test]
fn what_is_kept_of_a_token_lets_nobody_in() {
    runtime().block_on(async {
        let people = People::open().await;
        let root = people.token("root").to_owned();
        let (status, body) = people.ask(&root, (Method::GET, "/api/v1/tokens"), &Value::Null).await;
        assert_eq!(status, StatusCode::OK);
        let listed = body["tokens"].as_array().expect("a list");
        assert_eq!(listed.len(), 6);
        for token in listed {
            let (name, id) = (text(&token["name"]), text(&token["id"]));
            let secret = people.token(&name);
            assert!(secret.starts_with(&id) && id.len() < 20, "{token}");
            assert_eq!(token["dead"], Value::Null, "{token}");
            assert_eq!(token["used_at"] == Value::Null, name != "root", "{token}");
            assert!(!body.to_string().contains(secret));
        }
        let mut files = vec![people.door.state.path().to_owned()];
        let mut read = 0;
        while let Some(path) = files.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).expect("a folder");
                files.extend(entries.map(|entry| entry.expect("an entry").path()));
                continue;
            }
            let bytes = fs::read(&path).expect("a file");
            read += bytes.len();
            for (name, secret) in people.tokens.iter().filter(|(name, _)| *name != "local") {
                let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!holds, "{} holds {name}'s token", path.display());
            }
        }
        assert!(read > 10_000, "only {read} bytes were looked at");
    });
}

#[test]
fn the_use_of_a_token_is_journalled_once_a_day() {
    runtime().block_on(async {
        let people = People::open().await;
        let ada = people.token("ada").to_owned();
        let seq = || people.door.agent.ledger().last_seq();
        let before = seq();
        for _ in 0..5 {
            people.ask(&ada, (Method::GET, "/api/v1/me"), &Value::Null).await;
        }
        assert_eq!(seq(), before + 1);
        let day = jiff::SignedDuration::from_hours(24);
        people.door.clock.set(people.door.agent.ports().clock.now() + day);
        people.ask(&ada, (Method::GET, "/api/v1/me"), &Value::Null).await;
        assert_eq!(seq(), before + 2);
    });
}
