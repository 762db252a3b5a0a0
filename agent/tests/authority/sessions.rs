//! Sessions end with what they were opened with, and are ridden on by nobody else's page.

use reqwest::{Method, StatusCode};
use serde_json::json;
use trimtab_policies::record::Entry;

use crate::{
    door::{form_post, header, runtime, send},
    people::{People, SCENARIO, routes},
};

async fn status(people: &People, cookie: &str) -> StatusCode {
    let request = people.door.request(Method::GET, "/").header("cookie", cookie);
    send(request).await.status()
}

#[test]
fn a_session_ends_with_its_token_its_person_and_its_role() {
    runtime().block_on(async {
        let people = People::open().await;
        let (ada, vic, olga) = (
            people.sign_in(people.token("ada")).await,
            people.sign_in(people.token("vic")).await,
            people.sign_in(people.token("olga")).await,
        );
        let again = people.sign_in(people.token("ada")).await;
        assert_ne!(ada, again, "a new id at each login");
        for cookie in [&ada, &vic, &olga, &again] {
            assert_eq!(status(&people, cookie).await, StatusCode::OK);
        }
        let root = people.token("root").to_owned();
        let revoke = (Method::POST, "/api/v1/tokens/ada/revoke");
        assert_eq!(people.ask(&root, revoke, &json!({})).await.0, StatusCode::OK);
        for (cookie, expect) in
            [(&ada, StatusCode::SEE_OTHER), (&again, StatusCode::SEE_OTHER), (&vic, StatusCode::OK)]
        {
            assert_eq!(status(&people, cookie).await, expect, "after the token was revoked");
        }
        let fewer = SCENARIO.replace("name = \"vic\"", "name = \"vera\"");
        people.reload(&fewer.replacen(
            "name = \"olga\"\nrole = \"operator\"",
            "name = \"olga\"\nrole = \"viewer\"",
            1,
        ));
        for cookie in [&vic, &olga] {
            assert_eq!(status(&people, cookie).await, StatusCode::SEE_OTHER, "after the reload");
        }
        people.reload(SCENARIO);
        for cookie in [&vic, &olga] {
            let back = status(&people, cookie).await;
            assert_eq!(back, StatusCode::SEE_OTHER, "an ended session does not come back");
        }
    });
}

#[test]
fn no_write_is_taken_from_another_sites_page() {
    runtime().block_on(async {
        let people = People::open().await;
        let cookie = people.sign_in(people.token("olga")).await;
        let records = people.door.agent.ledger().follow();
        let writes: Vec<_> =
            routes().into_iter().filter(|(method, _)| *method == Method::POST).collect();
        assert!(writes.len() > 12, "{writes:?}");
        for (_, path) in &writes {
            let path = path.replace("{id}", "0123456789ab");
            for (name, value) in [
                ("origin", "https://evil.example"),
                ("origin", "null"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-site", "none"),
                ("x-nothing", "said"),
            ] {
                let request = form_post(&people.door, &path, "reason=x")
                    .header("cookie", &cookie)
                    .header(name, value);
                let response = send(request).await;
                assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {name}: {value}");
            }
        }
        let mut told = 0;
        for record in records.try_iter() {
            if matches!(record.entry, Entry::TokenUsed { .. }) {
                continue;
            }
            let is_hers = matches!(record.entry, Entry::Refused { .. }) && record.by == "olga";
            assert!(is_hers, "{record:?}");
            told += 1;
        }
        assert_eq!(told, writes.len(), "each refused path once, and nothing else happened");
        assert_eq!(people.door.agent.stopped(), None);
        let response = send(people.door.request(Method::GET, "/").header("cookie", &cookie)).await;
        let policy = header(&response, "content-security-policy");
        for part in [
            "default-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
        }
    });
}

#[test]
fn a_login_takes_good_tokens_only_and_says_why_not() {
    runtime().block_on(async {
        let people = People::open().await;
        let ada = people.token("ada");
        for (token, told) in [
            (&ada[..40], "cut off or mistyped"),
            ("ttp_", "cut off or mistyped"),
            ("password", "no token of this daemon"),
        ] {
            let form = form_post(&people.door, "/login", &format!("token={token}"));
            let response = send(form.header("origin", people.door.origin())).await;
            let set = header(&response, "set-cookie");
            assert_eq!((response.status(), set.as_str()), (StatusCode::UNAUTHORIZED, ""));
            let html = response.text().await.expect("text");
            assert!(html.contains(told) && !html.contains(&ada[..40]), "{html}");
        }
    });
}
