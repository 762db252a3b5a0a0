//! Every route by every role, in and out of scope.

use std::{collections::BTreeSet, sync::mpsc::Receiver};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use trimtab::except::except;
use trimtab_models::resource::Arn;
use trimtab_policies::{
    exception::About,
    record::{Entry, Record},
};

use crate::{
    door::{form_post, header, runtime, send, text},
    people::{People, routes},
};

/// Who is let through where.
///
/// `vic` is a viewer; `ada` an approver in whose scope the resources are; `amy` an approver in whose scope they are not; `olga`
/// an operator; `oz` an operator who takes nothing back; `root` an admin; `local` the local token, beside an admin's.
/// `yes` answers with one of the statuses in front, `no` with 403 and a record of who was refused what, if it would have
/// changed anything; `each` is let in and refused item by item.
const MATRIX: &str = "
route                                            allowed   vic  ada  amy  olga oz   root local
GET  /api/v1/me                                  200       yes  yes  yes  yes  yes  yes  yes
GET  /api/v1/status                              200       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/recommendations                     200       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/recommendations/{id}                200       yes  yes  yes  yes  yes  no   yes
POST /api/v1/recommendations/{id}/approve        409       no   yes  no   no   no   no   no
POST /api/v1/recommendations/{id}/reject         200|409   no   yes  no   no   no   no   no
GET  /api/v1/changes                             200       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/changes/{id}                        200       yes  yes  yes  yes  yes  no   yes
POST /api/v1/changes/{id}/undo                   200|409   no   yes  no   yes  no   no   yes
POST /api/v1/changes/{id}/adopt                  409       no   no   no   yes  yes  no   yes
GET  /api/v1/inventory                           200       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/audit                               200       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/events                              400       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/modes/explain                       200       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/report                              200       yes  yes  yes  yes  yes  no   yes
GET  /api/v1/circuit                             200       yes  yes  yes  yes  yes  no   yes
POST /api/v1/circuit/reset                       404       no   no   no   yes  yes  no   yes
GET  /api/v1/exceptions                          200       yes  yes  yes  yes  yes  no   yes
POST /api/v1/exceptions                          201       no   yes  no   no   no   no   no
POST /api/v1/exceptions/{id}/renew               200       no   yes  no   no   no   no   no
POST /api/v1/exceptions/{id}/end                 200       no   yes  no   no   no   no   no
POST /api/v1/stop                                200       no   yes  yes  yes  yes  yes  yes
POST /api/v1/resume                              200       no   no   no   yes  yes  no   yes
POST /api/v1/cycle                               202       no   no   no   yes  yes  no   yes
POST /api/v1/notify/test                         404       no   no   no   yes  yes  no   yes
GET  /api/v1/tokens                              200       no   no   no   no   no   yes  no
POST /api/v1/tokens                              201       no   no   no   no   no   yes  no
POST /api/v1/tokens/{id}/revoke                  404       no   no   no   no   no   yes  no
GET  /                                           200       yes  yes  yes  yes  yes  no   yes
GET  /recommendations                            200       yes  yes  yes  yes  yes  no   yes
GET  /recommendations/review                     200       no   yes  each no   no   no   no
POST /recommendations/decide                     200       no   yes  each no   no   no   no
GET  /recommendations/{id}                       200       yes  yes  yes  yes  yes  no   yes
POST /recommendations/{id}/approve               409       no   yes  no   no   no   no   no
POST /recommendations/{id}/reject                303|409   no   yes  no   no   no   no   no
GET  /changes                                    200       yes  yes  yes  yes  yes  no   yes
GET  /changes/{id}                               200       yes  yes  yes  yes  yes  no   yes
POST /changes/{id}/undo                          303|409   no   yes  no   yes  no   no   yes
GET  /inventory                                  200       yes  yes  yes  yes  yes  no   yes
GET  /inventory/resource                         200       yes  yes  yes  yes  yes  no   yes
GET  /exceptions                                 200       yes  yes  yes  yes  yes  no   yes
POST /exceptions                                 303       no   yes  no   no   no   no   no
POST /exceptions/{id}/renew                      303       no   yes  no   no   no   no   no
POST /exceptions/{id}/end                        303       no   yes  no   no   no   no   no
GET  /audit                                      200       yes  yes  yes  yes  yes  no   yes
POST /stop                                       303       no   yes  yes  yes  yes  yes  yes
POST /resume                                     303       no   no   no   yes  yes  no   yes
POST /cycle                                      303       no   no   no   yes  yes  no   yes
POST /logout                                     303       yes  yes  yes  yes  yes  yes  yes
";

/// One line of the matrix.
struct Line<'a> {
    method: Method,
    path: &'a str,
    allowed: Vec<u16>,
    /// By name.
    cells: Vec<(&'a str, &'a str)>,
}

fn lines() -> Vec<Line<'static>> {
    let mut lines = MATRIX.lines().filter(|line| !line.is_empty());
    let people: Vec<&str> = lines.next().expect("a header").split_whitespace().skip(2).collect();
    let line = |line: &'static str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [method, path, allowed, cells @ ..] = words.as_slice() else { panic!("{line}") };
        assert_eq!(cells.len(), people.len(), "{line}");
        Line {
            method: method.parse().expect("a method"),
            path,
            allowed: allowed.split('|').map(|status| status.parse().expect("a status")).collect(),
            cells: people.iter().copied().zip(cells.iter().copied()).collect(),
        }
    };
    lines.map(line).collect()
}

#[test]
fn every_route_is_in_the_matrix() {
    let ours: BTreeSet<(String, &str)> =
        routes().into_iter().map(|(method, path)| (method.to_string(), path)).collect();
    let told: BTreeSet<(String, &str)> =
        lines().into_iter().map(|line| (line.method.to_string(), line.path)).collect();
    assert_eq!(ours, told, "a route without an expectation, or an expectation without a route");
}

/// What the requests are about.
struct Things {
    approve: String,
    reject: String,
    change: String,
    exception: String,
    arn: String,
}

impl Things {
    fn path(&self, path: &str) -> String {
        let id = match path {
            path if path.contains("/tokens/") => "ttp_00000000",
            path if path.contains("/changes/") => &self.change,
            path if path.contains("/exceptions/") => &self.exception,
            path if path.ends_with("/reject") => &self.reject,
            _ => &self.approve,
        };
        let query = match path {
            "/api/v1/modes/explain" | "/inventory/resource" => format!("?arn={}", self.arn),
            "/recommendations/review" => format!("?verdict=approve&id={}", self.approve),
            _ => String::new(),
        };
        path.replace("{id}", id) + &query
    }

    /// A body that is understood; the digest is stale, so that nothing is approved.
    fn body(&self, path: &str) -> Value {
        match path {
            "/api/v1/recommendations/{id}/approve" => json!({ "digest": "0".repeat(64) }),
            "/api/v1/recommendations/{id}/reject" => json!({ "reason": "not now" }),
            "/api/v1/circuit/reset" => json!({ "scope": "overall" }),
            "/api/v1/exceptions" => json!({ "arn": self.arn, "reason": "a drill" }),
            "/api/v1/stop" => json!({ "reason": "a drill" }),
            "/api/v1/tokens" => json!({ "name": "vic", "role": "viewer" }),
            _ => json!({}),
        }
    }

    fn form(&self, path: &str) -> String {
        match path {
            "/recommendations/decide" => {
                format!("verdict=approve&pick={}:{}", self.approve, "0".repeat(64))
            }
            "/recommendations/{id}/approve" => format!("digest={}", "0".repeat(64)),
            "/recommendations/{id}/reject" => "reason=not+now".to_owned(),
            "/exceptions" => format!("arn={}&reason=a+drill", self.arn),
            "/exceptions/{id}/renew" => "until=".to_owned(),
            _ => "reason=a+drill".to_owned(),
        }
    }
}

/// Status and text of one route, asked by one person in the way that it is made for.
async fn asked(
    people: &People,
    things: &Things,
    name: &str,
    line: &Line<'_>,
) -> (StatusCode, String) {
    let (door, token) = (&people.door, people.token(name));
    let path = things.path(line.path);
    let request = if line.path.starts_with("/api/") {
        let mut request = door.request(line.method.clone(), &path).bearer_auth(token);
        if line.path == "/api/v1/events" {
            // A stream has no end to wait for: after an event that is not there none begins.
            request = request.header("last-event-id", "none");
        }
        if line.method == Method::GET { request } else { request.json(&things.body(line.path)) }
    } else {
        let cookie = people.sign_in(token).await;
        let request = if line.method == Method::GET {
            door.request(Method::GET, &path)
        } else {
            form_post(door, &path, &things.form(line.path)).header("origin", door.origin())
        };
        request.header("cookie", cookie)
    };
    let response = send(request).await;
    let (status, kind) = (response.status(), header(&response, "content-type"));
    if status == StatusCode::FORBIDDEN && line.path.starts_with("/api/") {
        assert_eq!(kind, "application/problem+json", "{path}");
    }
    (status, response.text().await.expect("text"))
}

/// What was journalled since this was last asked, but that tokens were used.
fn news(records: &Receiver<Record>) -> Vec<Record> {
    let is_use = |record: &Record| matches!(record.entry, Entry::TokenUsed { .. });
    records.try_iter().filter(|record| !is_use(record)).collect()
}

#[test]
fn every_route_by_every_role_in_and_out_of_scope() {
    runtime().block_on(async {
        let people = People::open().await;
        let (approve, reject, change) = people.things();
        let arn = people.door.agent.inventory().keys().next().expect("machines").0.clone();
        let about = About::Resource { arn: Arn(arn.clone()), action: None };
        let made = except(&people.door.agent, "ada", about, None, "a drill");
        let exception = made.expect("it is journalled").exception.id;
        let things = Things { approve, reject, change, exception, arn };
        let records = people.door.agent.ledger().follow();
        let mut checked = 0;
        for line in lines() {
            for (name, cell) in &line.cells {
                let (status, text) = asked(&people, &things, name, &line).await;
                let told = format!("{} {} by {name}: {status} {text}", line.method, line.path);
                let news = news(&records);
                match *cell {
                    "yes" => assert!(line.allowed.contains(&status.as_u16()), "{told}"),
                    "each" => {
                        assert_eq!(status, StatusCode::OK, "{told}");
                        assert!(text.contains("may not approve, reject or snooze here"), "{told}");
                        only_refusals(name, &news, &told);
                    }
                    "no" => {
                        assert_eq!(status, StatusCode::FORBIDDEN, "{told}");
                        assert!(text.contains("may not"), "{told}");
                        only_refusals(name, &news, &told);
                    }
                    other => panic!("`{other}` is no word of the matrix"),
                }
                checked += 1;
            }
        }
        assert_eq!(checked, routes().len() * 7);
        refusals_are_on_record(&people).await;
    });
}

/// Nothing was changed: all that was journalled is that this person was refused.
fn only_refusals(name: &str, news: &[Record], told: &str) {
    let by = if name == "local" { "operator" } else { name };
    for record in news {
        assert!(
            matches!(record.entry, Entry::Refused { .. }) && record.by == by,
            "{told}: {record:?}"
        );
    }
}

/// The audit log tells whom it refused what.
async fn refusals_are_on_record(people: &People) {
    let cookie = people.sign_in(people.token("vic")).await;
    let page =
        send(people.door.request(Method::GET, "/audit?q=refused").header("cookie", cookie)).await;
    let html = page.text().await.expect("text");
    for part in [
        "refused to approve, reject or snooze",
        "amy has the role approver",
        "refused to set the stop switch",
    ] {
        assert!(html.contains(part), "`{part}` is not in {html}");
    }
}

#[test]
fn pages_offer_what_is_allowed_and_say_who_is_signed_in() {
    runtime().block_on(async {
        let people = People::open().await;
        let (id, ..) = people.things();
        for (name, told, offered) in [
            ("vic", "vic, viewer", [false, false, false]),
            ("ada", "ada, approver", [true, true, false]),
            ("amy", "amy, approver", [false, true, false]),
            ("olga", "olga, operator", [false, true, true]),
            ("local", "operator, operator", [false, true, true]),
        ] {
            let cookie = people.sign_in(people.token(name)).await;
            let page = async |path: &str| {
                let request = people.door.request(Method::GET, path).header("cookie", &cookie);
                send(request).await.text().await.expect("text")
            };
            let (recommendation, overview) =
                (page(&format!("/recommendations/{id}")).await, page("/").await);
            assert!(overview.contains(told), "{name}: {overview}");
            let found = [
                recommendation.contains(&format!("action=\"/recommendations/{id}/approve\"")),
                overview.contains("action=\"/stop\""),
                overview.contains("action=\"/cycle\""),
            ];
            assert_eq!(found, offered, "{name}");
        }
    });
}

#[test]
fn without_people_the_local_token_does_everything() {
    runtime().block_on(async {
        let door = crate::door::Door::open(false, true).await;
        let me = door.get("/api/v1/me").await;
        let rights: Vec<String> =
            me["rights"].as_array().expect("a list").iter().map(text).collect();
        let all =
            ["own-session", "read", "decide", "undo", "stop", "resume", "operate", "manage-tokens"];
        assert_eq!(rights, all);
        let (id, digest) = door.in_state("awaiting_approval").await.first().expect("one").clone();
        let approve = format!("/api/v1/recommendations/{id}/approve");
        assert_eq!(door.post(&approve, json!({ "digest": digest })).await.0, StatusCode::OK);
    });
}
