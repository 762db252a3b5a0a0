//! One answer to several recommendations: first a page that shows what would happen, then the answer.
//!
//! Each is approved by its own digest, as it was shown: what has changed meanwhile is refused by itself. Not here: what an
//! answer does (`decide`).

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    Form,
    extract::{
        Query,
        rejection::{FormRejection, QueryRejection},
    },
    http::StatusCode,
    response::Response,
};
use trimtab_models::money::Usd;
use trimtab_policies::{authority::Right, mode::Disruption};

use super::{
    forms::{Meaning, time},
    frame::{Frame, Here, Visit},
    list::ROWS,
    page, problem_page, shown,
};
use crate::{
    api::{self, Problem, reason_not_here},
    decide::Rejection,
    view::{RecommendationState, RecommendationView},
    words,
};

type Pairs = Vec<(String, String)>;

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Approve,
    Reject,
}

fn values<'a>(pairs: &'a Pairs, key: &'a str) -> impl Iterator<Item = &'a str> {
    pairs.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
}

fn value<'a>(pairs: &'a Pairs, key: &'a str) -> &'a str {
    values(pairs, key).next().unwrap_or_default()
}

fn answer_of(pairs: &Pairs) -> Result<Answer, Problem> {
    match value(pairs, "verdict") {
        "approve" => Ok(Answer::Approve),
        "reject" => Ok(Answer::Reject),
        other => {
            Err(Problem::bad_request(format!("`verdict` is `{other}`, not approve or reject")))
        }
    }
}

/// Each once; none is an error, because an empty selection is not all of them.
fn chosen(pairs: &Pairs, key: &str) -> Result<BTreeSet<String>, Problem> {
    let chosen: BTreeSet<_> = values(pairs, key).map(str::to_owned).collect();
    match chosen.len() {
        0 => Err(Problem::bad_request("nothing is selected: go back and select some")),
        1..=ROWS => Ok(chosen),
        many => Err(Problem::bad_request(format!("{many} are selected: at most {ROWS} at once"))),
    }
}

/// A recommendation that is to be answered.
#[derive(Debug)]
struct ReviewRow {
    id: String,
    digest: String,
    name: String,
    action: String,
    from: String,
    to: String,
    saving: String,
    risk: String,
    disruption: String,
    begins: String,
    /// The steps, each with its undo.
    steps: Vec<(String, String)>,
}

#[derive(Debug, Template)]
#[template(path = "review.html")]
struct ReviewPage {
    frame: Frame,
    approves: bool,
    rows: Vec<ReviewRow>,
    left_out: Vec<String>,
    saving: String,
    disruptive: usize,
}

pub(super) async fn review(visit: Visit, pairs: Result<Query<Pairs>, QueryRejection>) -> Response {
    match pairs {
        Ok(Query(pairs)) => shown(move || review_page(&visit, &pairs)).await,
        Err(rejection) => problem_page(Problem::bad_request(rejection.body_text())),
    }
}

fn review_page(visit: &Visit, pairs: &Pairs) -> Result<ReviewPage, Problem> {
    let approves = answer_of(pairs)? == Answer::Approve;
    let (mut views, mut left_out) = (Vec::new(), Vec::new());
    for id in chosen(pairs, "id")? {
        match visit.state.agent.store().recommendation(&id)? {
            Some(view) => match reason_left_out(visit, &view, approves) {
                Some(reason) => left_out.push(reason),
                None => views.push(view),
            },
            None => left_out.push(format!("{id}: there is no such recommendation any more")),
        }
    }
    let saving: Usd = views.iter().filter_map(|view| view.entry.recommendation.saving).sum();
    let is_disruptive = |view: &&RecommendationView| {
        Disruption::of(view.entry.recommendation.action) > Disruption::Brief
    };
    Ok(ReviewPage {
        frame: Frame::new(visit, Here::Recommendations),
        approves,
        saving: saving.to_string(),
        disruptive: views.iter().filter(is_disruptive).count(),
        rows: views.iter().map(review_row).collect(),
        left_out,
    })
}

fn reason_left_out(visit: &Visit, view: &RecommendationView, approves: bool) -> Option<String> {
    let resource = &view.entry.recommendation.resource;
    let name = words::name(resource, &view.entry.recommendation.resource_id);
    if let Some(reason) = reason_not_here(&visit.state, &visit.caller, Right::Decide, resource) {
        return Some(format!("{name}: {reason}"));
    }
    let state = view.state.as_str().replace('_', " ");
    let takes = if approves {
        view.state == RecommendationState::AwaitingApproval
    } else {
        view.state.is_open()
    };
    let wanted = if approves { "does not wait for an approval" } else { "is not open" };
    (!takes).then(|| format!("{name}: it {wanted}, it is {state} ({})", view.entry.mode))
}

fn review_row(view: &RecommendationView) -> ReviewRow {
    let recommendation = &view.entry.recommendation;
    let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
    ReviewRow {
        id: view.entry.id.clone(),
        digest: view.entry.digest.clone(),
        name: words::name(&recommendation.resource, &recommendation.resource_id),
        action: recommendation.action.to_string(),
        from,
        to,
        saving: words::saving(recommendation.saving),
        risk: words::risk(recommendation),
        disruption: words::disruption(recommendation),
        begins: words::begins(view).unwrap_or_else(|| "when nothing holds it back".to_owned()),
        steps: view.entry.steps.iter().map(|step| (step.name.clone(), step.undo.clone())).collect(),
    }
}

/// What became of one answer.
#[derive(Debug)]
struct AnswerRow {
    id: String,
    said: String,
    refused: bool,
}

#[derive(Debug, Template)]
#[template(path = "answered.html")]
struct AnsweredPage {
    frame: Frame,
    done: usize,
    refused: usize,
    verb: &'static str,
    rows: Vec<AnswerRow>,
}

pub(super) async fn decide(visit: Visit, pairs: Result<Form<Pairs>, FormRejection>) -> Response {
    let pairs = match pairs {
        Ok(Form(pairs)) => pairs,
        Err(rejection) => return problem_page(Problem::bad_request(rejection.body_text())),
    };
    // A page that is closed, or waited for too long, does not end the answers in the middle.
    let answers = tokio::spawn(async move { answered(&visit, &pairs).await });
    match answers.await {
        Ok(Ok(template)) => page(StatusCode::OK, &template),
        Ok(Err(problem)) => problem_page(problem),
        Err(panicked) => problem_page(Problem::internal(panicked)),
    }
}

/// Answers each by itself: one that is refused does not keep the others.
async fn answered(visit: &Visit, pairs: &Pairs) -> Result<AnsweredPage, Problem> {
    let Visit { state, caller } = visit;
    let answer = answer_of(pairs)?;
    let reason = match answer {
        Answer::Approve => value(pairs, "reason").to_owned(),
        Answer::Reject => api::given_reason(value(pairs, "reason"))?,
    };
    let until = time(value(pairs, "until"))?;
    let meaning = meaning(pairs, &reason);
    let mut rows = Vec::new();
    for pick in chosen(pairs, "pick")? {
        let (id, digest) = pick.split_once(':').unwrap_or((&pick, ""));
        let answered = match answer {
            Answer::Approve => {
                let approval = meaning.approval(digest.to_owned())?;
                api::approve(state, id, caller, approval).await
            }
            Answer::Reject => {
                let rejection = Rejection { reason: reason.clone(), until, tag: None };
                api::reject(state, id.to_owned(), caller.clone(), rejection).await
            }
        };
        rows.push(match answered {
            Ok(view) => AnswerRow { id: id.to_owned(), said: said(&view), refused: false },
            Err(problem) => AnswerRow { id: id.to_owned(), said: problem.detail, refused: true },
        });
    }
    let refused = rows.iter().filter(|row| row.refused).count();
    Ok(AnsweredPage {
        frame: Frame::new(visit, Here::Recommendations),
        done: rows.len() - refused,
        refused,
        verb: if answer == Answer::Approve { "approved" } else { "rejected" },
        rows,
    })
}

fn meaning(pairs: &Pairs, reason: &str) -> Meaning {
    let ticked = |key| values(pairs, key).next().map(str::to_owned);
    Meaning {
        now: ticked("now"),
        at: value(pairs, "at").to_owned(),
        auto_undo: ticked("auto_undo"),
        reason: reason.to_owned(),
    }
}

fn said(view: &RecommendationView) -> String {
    let recommendation = &view.entry.recommendation;
    let name = words::name(&recommendation.resource, &recommendation.resource_id);
    let begins =
        words::begins(view).map_or_else(String::new, |begins| format!(", begins {begins}"));
    format!("{name}: {}{begins}", view.decided.as_deref().unwrap_or("decided"))
}
