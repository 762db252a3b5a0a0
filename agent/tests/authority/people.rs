//! A served agent whose configuration names people, and their tokens.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use trimtab::{ports::Ports, simulate::scenario_settings, view::RecommendationView};
use trimtab_config::Settings;
use trimtab_models::resource::Kind;
use trimtab_policies::{
    change::{Access, Change, Opening},
    mode::Mode,
    record::Entry,
};
use trimtab_simulations::scenario::Scenario;

use crate::door::{Door, form_post, header, send, text};

/// The account and its people. The fleet's account is 111122223333; the recommendations are about machines.
pub(crate) const SCENARIO: &str = r#"
name = "people"
description = "A few machines on copilot, and people who may do different things."
start = "2026-03-02T00:00:00Z"
history_days = 35

[fleet]
web-oversized = 3

[settings.modes]
default = "copilot"

[[settings.approver]]
name = "vic"
role = "viewer"

[[settings.approver]]
name = "ada"
role = "approver"
accounts = ["111122223333"]
kinds = ["ec2-instance"]

[[settings.approver]]
name = "amy"
role = "approver"
accounts = ["999999999999"]

[[settings.approver]]
name = "olga"
role = "operator"

[[settings.approver]]
name = "oz"
role = "operator"
tags = {}

[[settings.approver]]
name = "root"
role = "admin"
"#;

/// Everybody of the scenario, with their roles.
const PEOPLE: [(&str, &str); 6] = [
    ("vic", "viewer"),
    ("ada", "approver"),
    ("amy", "approver"),
    ("olga", "operator"),
    ("oz", "operator"),
    ("root", "admin"),
];

/// The agent, everybody's token by name, and the local one as `local`.
pub(crate) struct People {
    pub(crate) door: Door,
    pub(crate) tokens: BTreeMap<String, String>,
}

impl People {
    pub(crate) async fn open() -> Self {
        Self::behind(|ports| ports).await
    }

    /// The same with something between the agent and the account.
    pub(crate) async fn behind(between: impl FnOnce(Ports) -> Ports) -> Self {
        let door = Door::behind(SCENARIO, (false, true), between).await;
        let mut tokens = BTreeMap::from([("local".to_owned(), door.token.clone())]);
        // The admin's comes last: from then on the local token makes none.
        for (name, role) in PEOPLE {
            let (status, created) =
                door.post("/api/v1/tokens", json!({ "name": name, "role": role })).await;
            assert_eq!(status, StatusCode::CREATED, "{created}");
            tokens.insert(name.to_owned(), text(&created["secret"]));
        }
        Self { door, tokens }
    }

    pub(crate) fn token(&self, name: &str) -> &str {
        self.tokens.get(name).unwrap_or_else(|| panic!("{name} has a token"))
    }

    /// A request to the API with a token, as JSON.
    pub(crate) async fn ask(
        &self,
        token: &str,
        (method, path): (Method, &str),
        body: &Value,
    ) -> (StatusCode, Value) {
        let request = self.door.request(method.clone(), path).bearer_auth(token);
        let request = if method == Method::GET { request } else { request.json(body) };
        let response = send(request).await;
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }

    /// Signs in with a token; the session's cookie.
    pub(crate) async fn sign_in(&self, token: &str) -> String {
        let form = form_post(&self.door, "/login", &format!("token={token}"));
        let response = send(form.header("origin", self.door.origin())).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        header(&response, "set-cookie").split(';').next().expect("a first part").to_owned()
    }

    /// The settings of another text of the scenario.
    pub(crate) fn settings(&self, scenario: &str) -> Settings {
        let scenario = Scenario::parse(scenario).expect("a scenario that is read");
        scenario_settings(&scenario, self.door.state.path(), None).expect("its settings")
    }

    /// Puts them in force, as a reload does.
    pub(crate) fn reload(&self, scenario: &str) {
        self.door.agent.set_settings(self.settings(scenario));
    }

    /// Two machines' recommendations that await an answer, and a change of a third machine that can be taken back.
    pub(crate) fn things(&self) -> (String, String, String) {
        let all = self.door.agent.store().recommendations().expect("it is read");
        let is_of_a_machine = |view: &&RecommendationView| {
            view.entry.recommendation.resource.kind == Kind::Instance
                && view.state.as_str() == "awaiting_approval"
        };
        let mut machines = all.values().filter(is_of_a_machine);
        let mut next = || machines.next().expect("three machines await an answer").clone();
        let (one, two, three) = (next(), next(), next());
        (one.entry.id, two.entry.id, self.changed(&three))
    }

    fn changed(&self, view: &RecommendationView) -> String {
        let now = self.door.agent.ports().clock.now();
        let opening = Opening {
            recommendation_id: view.entry.id.clone(),
            digest: view.entry.digest.clone(),
            group: "group".to_owned(),
            zone: None,
            mode: Mode::Copilot,
            approver: Some("ada".to_owned()),
            access: Access::default(),
            keys: Vec::new(),
            agent_id: "agent".to_owned(),
            auto_undo: true,
            steps: view.entry.steps.clone(),
        };
        let change = Change::open(opening, view.entry.recommendation.clone(), now);
        let id = change.id.clone();
        let entry = Entry::Opened { change: Box::new(change) };
        self.door.agent.ledger().record(now, "ada", entry).expect("it is journalled");
        id
    }
}

/// Every route of the program, of the API and of the page, that is behind the guard.
pub(crate) fn routes() -> Vec<(Method, &'static str)> {
    let mut routes = trimtab::api::protected_routes();
    routes.extend(trimtab::api::page_routes());
    routes
}
