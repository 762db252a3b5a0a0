//! `trimtab approve` and `reject`: what is meant, what will happen, a person's yes, and what became of each.
//!
//! Each is answered by itself: one that is refused does not keep the others back. Not here: how it looks (`review`).

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    args::Picked,
    client::{CliError, Client},
    confirm::confirm,
    out::{note, print, print_error, print_json},
    review, show, shown,
};
use crate::{api::Problem, filter::names_states, view::RecommendationView};

/// What a person says to recommendations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Approve,
    Reject,
}

impl Answer {
    /// As the path of the API has it.
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }

    /// Which state a filter means that names none.
    const fn state(self) -> &'static str {
        match self {
            Self::Approve => "awaiting_approval",
            Self::Reject => "open",
        }
    }
}

/// An answer to some recommendations.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) answer: Answer,
    pub(super) picked: Picked,
    /// The API's body, without a digest.
    pub(super) body: Value,
    /// Whether nobody is to be asked.
    pub(super) yes: bool,
}

/// What did not happen, and why.
#[derive(Debug, Serialize)]
struct Refused {
    id: String,
    problem: Option<Problem>,
    error: String,
}

/// What became of all of them.
#[derive(Debug, Default, Serialize)]
struct Answered {
    recommendations: Vec<RecommendationView>,
    refused: Vec<Refused>,
    #[serde(skip)]
    code: u8,
}

impl Answered {
    /// A refusal by policy weighs more than a failure: the worst code is the command's.
    fn refuse(&mut self, id: &str, error: &CliError) {
        print_error(error);
        self.code = self.code.max(error.exit_code());
        let problem =
            if let CliError::Problem(problem) = error { Some(problem.clone()) } else { None };
        self.refused.push(Refused { id: id.to_owned(), problem, error: error.to_string() });
    }
}

/// Answers what is meant. The code is 0 when all of it was answered, 3 when policy refused any, 1 when any failed.
pub(super) async fn run(
    client: &Client,
    answering: &Answering,
    json: bool,
) -> Result<u8, CliError> {
    let mut answered = Answered::default();
    let views = meant(client, answering, &mut answered).await?;
    if views.is_empty() {
        if let Some(filter) = &answering.picked.filter {
            note(&format!(
                "nothing matches `{filter}`: there is nothing to {}",
                answering.answer.verb()
            ));
        }
    } else {
        consent(answering, &views, json)?;
        each(client, answering, views, json, &mut answered).await;
    }
    if json {
        print_json(&answered)?;
    }
    Ok(answered.code)
}

/// The recommendations that are meant, as they stand now.
async fn meant(
    client: &Client,
    answering: &Answering,
    answered: &mut Answered,
) -> Result<Vec<RecommendationView>, CliError> {
    if let Some(filter) = &answering.picked.filter {
        let query = [("filter", with_state(filter, answering.answer))];
        return client.recommendations(&query).await;
    }
    let mut views: Vec<RecommendationView> = Vec::new();
    for id in &answering.picked.ids {
        if views.iter().any(|view| view.entry.id == *id) {
            continue;
        }
        match client.get(&["recommendations", id], &[]).await {
            Ok(view) => views.push(view),
            Err(error @ CliError::Problem(_)) => answered.refuse(id, &error),
            Err(error) => return Err(error),
        }
    }
    Ok(views)
}

/// A filter that names no state means what can be answered so.
fn with_state(filter: &str, answer: Answer) -> String {
    if names_states(filter) {
        return filter.to_owned();
    }
    format!("{filter} state={}", answer.state())
}

/// Shows what will happen and asks, unless the yes was given beforehand. A rejection of named ones begins nothing, and is
/// neither shown nor asked for.
fn consent(
    answering: &Answering,
    views: &[RecommendationView],
    json: bool,
) -> Result<(), CliError> {
    let named = answering.picked.filter.is_none();
    if answering.answer == Answer::Reject && named {
        return Ok(());
    }
    let text = review::recommendations(answering.answer, views, &answering.body);
    shown(&text, json)?;
    let these = match views.len() {
        1 => "this one".to_owned(),
        many => format!("these {many}"),
    };
    let verb = answering.answer.verb();
    confirm(&format!("{}{} {these}?", verb[..1].to_uppercase(), &verb[1..]), answering.yes)
}

async fn each(
    client: &Client,
    answering: &Answering,
    views: Vec<RecommendationView>,
    json: bool,
    answered: &mut Answered,
) {
    let verb = answering.answer.verb();
    for view in views {
        let id = &view.entry.id;
        let mut body = answering.body.clone();
        if answering.answer == Answer::Approve {
            body["digest"] = json!(view.entry.digest);
        }
        match client.post::<RecommendationView>(&["recommendations", id, verb], &body).await {
            Ok(view) => {
                if !json && let Err(error) = print(&show::answered(&view)) {
                    print_error(&error);
                    answered.code = answered.code.max(1);
                }
                answered.recommendations.push(view);
            }
            Err(error) => answered.refuse(id, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_means_what_can_be_answered() {
        let cases = [
            ("kind=ebs-volume", Answer::Approve, "kind=ebs-volume state=awaiting_approval"),
            ("kind=ebs-volume", Answer::Reject, "kind=ebs-volume state=open"),
            ("state=approved kind=ebs-volume", Answer::Reject, "state=approved kind=ebs-volume"),
            ("q=\"a state=b\"", Answer::Reject, "q=\"a state=b\" state=open"),
        ];
        for (filter, answer, meant) in cases {
            assert_eq!(with_state(filter, answer), meant);
        }
    }
}
