//! What takes longer than to ask for it: a batch of answers, the review of an approval, and a stream of events go on only
//! while whoever asked still may.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use trimtab::{
    agent::Agent,
    faulty::{Meddle, meddled},
    ports::Observe,
};
use trimtab_models::resource::{Resource, ResourceRef};
use trimtab_policies::{
    operations::Failure,
    record::{Entry, Record},
};

use crate::{
    door::{form_post, header, runtime, send},
    people::{People, SCENARIO},
};

type Turn = Box<dyn FnOnce() + Send>;

/// Something that happens when a resource is looked at.
#[derive(Default)]
struct Meanwhile {
    turn: Mutex<Option<(String, Turn)>>,
}

impl Meanwhile {
    fn when_looked_at(&self, resource_id: String, turn: Turn) {
        *self.turn.lock().expect("nobody panics with it") = Some((resource_id, turn));
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meanwhile").finish_non_exhaustive()
    }
}

#[async_trait]
impl Meddle for Meanwhile {
    async fn describe(
        &self,
        observe: &dyn Observe,
        resource: &ResourceRef,
        id: &str,
    ) -> Result<Resource, Failure> {
        let found = observe.describe(resource, id).await;
        let turn = {
            let mut waits = self.turn.lock().expect("nobody panics with it");
            waits.take_if(|(awaited, _)| awaited == id)
        };
        if let Some((_, turn)) = turn {
            turn();
            // As over a network, where every answer is waited for.
            tokio::task::yield_now().await;
        }
        found
    }
}

/// The people, and what may happen meanwhile.
async fn scene() -> (People, Arc<Meanwhile>) {
    let meanwhile = Arc::new(Meanwhile::default());
    let meddle: Arc<dyn Meddle> = meanwhile.clone();
    (People::behind(|ports| meddled(ports, &meddle)).await, meanwhile)
}

/// Recommendations that await an answer: id, digest and the machine.
fn waiting(people: &People) -> Vec<(String, String, String)> {
    let all = people.door.agent.store().recommendations().expect("it is read");
    let waits = all.into_values().filter(|view| view.state.as_str() == "awaiting_approval");
    waits
        .map(|view| {
            let id = view.entry.recommendation.resource_id.clone();
            (view.entry.id, view.entry.digest, id)
        })
        .collect()
}

/// Every way in which somebody may not any more, by what the refusal tells.
fn endings(people: &People) -> Vec<(&'static str, Turn)> {
    let revoke = {
        let (agent, now) = (people.door.agent.clone(), people.door.agent.ports().clock.now());
        let id = people.token("ada")[..12].to_owned();
        move || record(&agent, now, Entry::TokenRevoked { id })
    };
    let without = |from: &str, to: &str| {
        let (agent, settings) =
            (people.door.agent.clone(), people.settings(&SCENARIO.replacen(from, to, 1)));
        Box::new(move || agent.set_settings(settings)) as Turn
    };
    vec![
        ("was revoked by root", Box::new(revoke)),
        ("names any more", without("name = \"ada\"", "name = \"eve\"")),
        (
            "only the role viewer by now",
            without(
                "name = \"ada\"\nrole = \"approver\"\naccounts = [\"111122223333\"]\nkinds = [\"ec2-instance\"]",
                "name = \"ada\"\nrole = \"viewer\"",
            ),
        ),
        ("is not in", without("accounts = [\"111122223333\"]", "accounts = [\"222222222222\"]")),
    ]
}

fn record(agent: &Arc<Agent>, now: jiff::Timestamp, entry: Entry) {
    agent.ledger().record(now, "root", entry).expect("it is journalled");
}

fn decisions(records: &[Record]) -> (usize, usize) {
    let count = |is: fn(&Entry) -> bool| records.iter().filter(|one| is(&one.entry)).count();
    (
        count(|entry| matches!(entry, Entry::Decided { .. })),
        count(|entry| matches!(entry, Entry::Refused { .. })),
    )
}

#[test]
fn an_approval_counts_only_if_its_person_still_may_when_its_review_is_over() {
    for ending in 0..4 {
        runtime().block_on(async {
            let (people, meanwhile) = scene().await;
            let (told, turn) = endings(&people).swap_remove(ending);
            let (id, digest, machine) = waiting(&people).remove(0);
            meanwhile.when_looked_at(machine, turn);
            let ada = people.token("ada").to_owned();
            let records = people.door.agent.ledger().follow();
            let path = format!("/api/v1/recommendations/{id}/approve");
            let (status, problem) =
                people.ask(&ada, (Method::POST, &path), &json!({ "digest": digest })).await;
            assert!(matches!(status.as_u16(), 401 | 403), "{told}: {status}");
            assert!(problem["detail"].as_str().is_some_and(|why| why.contains(told)), "{problem}");
            let records: Vec<_> = records.try_iter().collect();
            assert_eq!(decisions(&records), (0, 1), "{told}: {records:#?}");
            assert_eq!(waiting(&people).len(), 3, "{told}");
        });
    }
}

#[test]
fn a_batch_ends_where_its_person_may_not_any_more() {
    for ending in 0..2 {
        runtime().block_on(async {
            let (people, meanwhile) = scene().await;
            let (told, turn) = endings(&people).swap_remove(ending);
            let mut picks = waiting(&people);
            picks.sort();
            meanwhile.when_looked_at(picks[1].2.clone(), turn);
            let mut form = "verdict=approve&reason=seen".to_owned();
            for (id, digest, _) in &picks {
                form += &format!("&pick={id}:{digest}");
            }
            let cookie = people.sign_in(people.token("ada")).await;
            let records = people.door.agent.ledger().follow();
            let post = form_post(&people.door, "/recommendations/decide", &form);
            let post = post.header("cookie", &cookie).header("origin", people.door.origin());
            let response = send(post).await;
            assert_eq!(response.status(), StatusCode::OK);
            let html = response.text().await.expect("text");
            assert!(html.contains("1 approved, 2 refused") && html.contains(told), "{html}");
            let records: Vec<_> = records.try_iter().collect();
            assert_eq!(decisions(&records), (1, 2), "{told}: {records:#?}");
        });
    }
}

async fn follow(people: &People, header: (&str, &str)) -> Response {
    let request = people.door.request(Method::GET, "/api/v1/events");
    let response = send(request.header(header.0, header.1)).await;
    assert_eq!(response.status(), StatusCode::OK);
    response
}

#[test]
fn a_stream_of_events_tells_nothing_more_to_whom_may_not_look_any_more() {
    runtime().block_on(async {
        let (people, _) = scene().await;
        let bearer = format!("Bearer {}", people.token("ada"));
        let cookie = people.sign_in(people.token("vic")).await;
        let mut by_token = follow(&people, ("authorization", &bearer)).await;
        let mut by_session = follow(&people, ("cookie", &cookie)).await;
        let (agent, now) = (people.door.agent.clone(), people.door.agent.ports().clock.now());
        record(&agent, now, Entry::Stopped { reason: "before".to_owned() });
        for reader in [&mut by_token, &mut by_session] {
            let mut told = String::new();
            while !told.contains("before") {
                let text = reader.chunk().await.expect("an event").expect("it goes on");
                told += &String::from_utf8_lossy(&text);
            }
        }
        let (_, revoke) = endings(&people).swap_remove(0);
        revoke();
        let origin = people.door.origin();
        let logout = form_post(&people.door, "/logout", "").header("cookie", &cookie);
        let left = send(logout.header("origin", origin)).await;
        assert_eq!(header(&left, "location"), "/login");
        record(&agent, now, Entry::Stopped { reason: "after".to_owned() });
        for (who, mut reader) in [("token", by_token), ("session", by_session)] {
            let mut rest = String::new();
            while let Some(text) = reader.chunk().await.expect("it ends in order") {
                rest += &String::from_utf8_lossy(&text);
            }
            assert!(!rest.contains("after"), "{who}: {rest}");
        }
    });
}
