//! What happens, as it happens.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use trimtab::ports::Clock;
use trimtab_policies::record::Entry;

use crate::door::{Door, header, runtime, send, text};

/// Longer than any answer of a test's own daemon takes: only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reader of the events.
struct Reader {
    response: Response,
    text: String,
}

/// One event: its id, its kind and its data.
type Told = (u64, String, Value);

impl Reader {
    async fn open(door: &Door, last: Option<u64>) -> Self {
        let request = door.operator(Method::GET, "/api/v1/events");
        let request = match last {
            Some(seq) => request.header("last-event-id", seq.to_string()),
            None => request,
        };
        let response = send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let told = read(event);
                self.text = rest.to_owned();
                match told {
                    Some(told) => return Some(told),
                    // A heartbeat.
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("the stream goes on or ends").ok().flatten()?;
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Told> {
        let mut told = Vec::new();
        while told.len() < count {
            told.push(self.next().await.expect("the stream goes on"));
        }
        told
    }
}

fn read(event: &str) -> Option<Told> {
    let field = |name: &str| {
        event.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().to_owned()))
    };
    let data = serde_json::from_str(&field("data:")?).expect("JSON");
    let id = field("id:")?.parse().expect("a number");
    Some((id, field("event:")?, data))
}

#[test]
fn events_are_the_journal_from_where_a_reader_left() {
    runtime().block_on(async {
        let door = Door::open(false, true).await;
        let before = door.agent.ledger().last_seq();
        let mut live = Reader::open(&door, None).await;
        let (id, _) = door.in_state("awaiting_approval").await.remove(0);
        let approve = format!("/api/v1/recommendations/{id}/approve");
        assert_eq!(door.post(&approve, json!({})).await.0, StatusCode::OK);
        door.post("/api/v1/stop", json!({ "reason": "events" })).await;

        let told = live.take(2).await;
        let kinds: Vec<_> = told.iter().map(|(seq, kind, _)| (*seq, kind.as_str())).collect();
        assert_eq!(kinds, [(before + 1, "recommendation"), (before + 2, "daemon")]);
        assert_eq!(text(&told[0].2["recommendation_id"]), id);
        assert_eq!(text(&told[1].2["what"]), "the stop switch was set: events");

        door.post("/api/v1/resume", Value::Null).await;
        let mut late = Reader::open(&door, Some(before + 1)).await;
        let mut from_files = late.take(2).await;
        door.post("/api/v1/stop", json!({ "reason": "again" })).await;
        from_files.extend(late.take(1).await);
        let mut all = told.clone();
        all.extend(live.take(2).await);
        assert_eq!(from_files, all[1..], "no record is missed or told twice");
        assert_eq!(Reader::open(&door, Some(0)).await.take(3).await[0].0, 1);

        for last in ["x", "-1", "1000000"] {
            let request = door.operator(Method::GET, "/api/v1/events");
            let refused = send(request.header("last-event-id", last)).await;
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{last}");
        }
    });
}

#[test]
fn readers_are_few_and_end_with_the_daemon() {
    runtime().block_on(async {
        let mut door = Door::open(false, false).await;
        let mut readers = Vec::new();
        for _ in 0..4 {
            readers.push(Reader::open(&door, None).await);
        }
        let refused = send(door.operator(Method::GET, "/api/v1/events")).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(header(&refused, "retry-after"), "2");
        let problem: Value = refused.json().await.expect("a problem");
        let detail = text(&problem["detail"]);
        assert!(detail.starts_with("operator follows the events 4 times already"), "{detail}");
        let mut kept = readers.split_off(3);
        drop(readers);
        // The daemon sees that a reader has gone when it next has something to say.
        let mut reopened = None;
        for turn in 0..1_000 {
            door.post("/api/v1/stop", json!({ "reason": turn.to_string() })).await;
            let again = send(door.operator(Method::GET, "/api/v1/events")).await;
            if again.status() == StatusCode::OK {
                reopened = Some(again);
                break;
            }
        }
        assert!(reopened.is_some(), "those who have gone leave their place");

        door.end().await;
        while kept[0].next().await.is_some() {}
    });
}

#[test]
fn a_slow_reader_is_dropped_and_holds_up_nobody() {
    runtime().block_on(async {
        let door = Door::open(false, false).await;
        let before = door.agent.ledger().last_seq();
        let mut slow = Reader::open(&door, None).await;
        // More than the sockets between us hold, while nobody reads.
        let reason = "x".repeat(48 << 10);
        for _ in 0..600 {
            let (at, entry) = (door.clock.now(), Entry::Stopped { reason: reason.clone() });
            door.agent.ledger().record(at, "test", entry).expect("the journal waits for nobody");
        }
        let mut told = Vec::new();
        while let Some((seq, ..)) = slow.next().await {
            told.push(seq);
        }
        assert!(told.len() < 600, "it was never behind");
        let follow = before + 1..;
        assert!(told.iter().copied().eq(follow.take(told.len())), "no record is missed: {told:?}");
        let last = told.last().copied().unwrap_or(before);
        let mut again = Reader::open(&door, Some(last)).await;
        assert_eq!(again.take(1).await[0].0, last + 1, "it comes again where it was");
    });
}
