//! How often somebody may ask.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

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
        // The identity provider is not asked as often as a stranger likes, either; the form is there for everybody.
        for (path, status) in
            [("/login/oidc", StatusCode::TOO_MANY_REQUESTS), ("/login", StatusCode::OK)]
        {
            assert_eq!(send(door.request(Method::GET, path)).await.status(), status, "{path}");
        }
    });
}

#[test]
fn what_is_refused_is_counted_and_told_once() {
    runtime().block_on(async {
        let door = Door::of(&limited(), false, false).await;
        let cookie = door.sign_in().await;
        let records = door.agent.ledger().follow();
        let mut statuses = Vec::new();
        for asked in 0..40 {
            let path = format!("/changes/{asked}/undo");
            let ridden = form_post(&door, &path, "").header("cookie", &cookie);
            statuses.push(send(ridden.header("origin", "https://evil.example")).await.status());
        }
        let cut = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS);
        assert!(cut.count() > 20, "{statuses:?}");
        let refused = statuses.iter().filter(|status| **status == StatusCode::FORBIDDEN).count();
        assert_eq!(records.try_iter().count(), refused, "what was cut is not journalled");
    });
}

#[test]
fn one_peer_leaves_room_for_others() {
    runtime().block_on(async {
        let door = Door::open(false, false).await;
        let mut held = Vec::new();
        for _ in 0..200 {
            held.push(TcpStream::connect(door.address).await.expect("a connection"));
        }
        let ask = async |from: [u8; 4]| {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind((from, 0).into()).expect("an address of the loopback");
            let mut stream = socket.connect(door.address).await.expect("a connection");
            let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            // It may be closed while this is written.
            let _ = stream.write_all(request.as_bytes()).await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            answer
        };
        assert_eq!(ask([127, 0, 0, 1]).await, "", "it has its share");
        assert!(ask([127, 0, 0, 2]).await.starts_with("HTTP/1.1 200"), "another one has its own");
        drop(held);
    });
}
