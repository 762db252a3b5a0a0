//! The page of exceptions: what is left alone until when, which of it is due for review, and the forms to make, renew and end one.
//!
//! Not here: what an exception withholds (`trimtab_policies::exception`) and who may make one (`api`).

use askama::Template;
use axum::{
    Form,
    extract::{Path, rejection::FormRejection},
    response::Response,
};
use serde::Deserialize;
use trimtab_models::recommendation::Action;

use super::{
    forms::{answer, time},
    frame::{Frame, Here, Visit},
    problem_page, shown,
};
use crate::{
    api::{self, ExceptionBody, Problem},
    except::{ExceptionView, exceptions},
    words,
};

/// Where every form of this page leads back to.
const BACK: &str = "/exceptions";

/// An exception in the tables.
#[derive(Debug)]
struct Row {
    id: String,
    about: String,
    reason: String,
    by: String,
    at: String,
    until: String,
    state: &'static str,
    withholds: u64,
    /// Whether a person has ended it or let it go.
    is_over: bool,
}

#[derive(Debug, Template)]
#[template(path = "exceptions.html")]
struct ExceptionsPage {
    frame: Frame,
    due: Vec<Row>,
    others: Vec<Row>,
    actions: Vec<String>,
    days: String,
}

pub(super) async fn list(visit: Visit) -> Response {
    shown(move || Ok(page(&visit))).await
}

fn page(visit: &Visit) -> ExceptionsPage {
    let agent = &visit.state.agent;
    let (due, others): (Vec<_>, Vec<_>) = exceptions(agent).into_iter().partition(|it| it.is_due);
    ExceptionsPage {
        frame: Frame::new(visit, Here::Exceptions),
        due: due.iter().map(row).collect(),
        others: others.iter().map(row).collect(),
        actions: Action::ALL.iter().map(ToString::to_string).collect(),
        days: agent.settings().policy.approvals.exception_days.to_string(),
    }
}

fn row(view: &ExceptionView) -> Row {
    let exception = &view.exception;
    let state = match (&exception.ended, view.is_in_force) {
        (Some(_), _) => "ended by a person",
        (None, true) => "in force",
        (None, false) => "has ended",
    };
    Row {
        id: exception.id.clone(),
        about: view.words.clone(),
        reason: exception.reason.clone(),
        by: exception.by.clone(),
        at: words::time(exception.at),
        until: words::time(exception.until),
        state,
        withholds: view.withholds,
        is_over: exception.ended.is_some(),
    }
}

/// A new exception, as the form says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AddForm {
    arn: String,
    tag_key: String,
    tag_value: String,
    action: String,
    until: String,
    reason: String,
}

impl AddForm {
    fn body(self) -> Result<ExceptionBody, Problem> {
        let action =
            match self.action.as_str() {
                "" => None,
                name => {
                    let found = Action::ALL.into_iter().find(|action| action.to_string() == name);
                    Some(found.ok_or_else(|| {
                        Problem::bad_request(format!("there is no action `{name}`"))
                    })?)
                }
            };
        let tagged = !self.tag_key.trim().is_empty() || !self.tag_value.is_empty();
        Ok(ExceptionBody {
            arn: self.arn,
            tag_key: self.tag_key,
            tag_value: tagged.then_some(self.tag_value),
            action,
            until: time(&self.until)?,
            reason: self.reason,
        })
    }
}

pub(super) async fn add(visit: Visit, form: Result<Form<AddForm>, FormRejection>) -> Response {
    let body = match form {
        Ok(Form(form)) => form.body(),
        Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
    };
    match body {
        Ok(body) => answer(api::except(&visit.state, visit.caller, body).await, BACK),
        Err(problem) => problem_page(problem),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RenewForm {
    until: String,
}

pub(super) async fn renew(
    visit: Visit,
    Path(id): Path<String>,
    Form(form): Form<RenewForm>,
) -> Response {
    match time(&form.until) {
        Ok(until) => {
            answer(api::renew_exception(&visit.state, visit.caller, id, until).await, BACK)
        }
        Err(problem) => problem_page(problem),
    }
}

pub(super) async fn end(visit: Visit, Path(id): Path<String>) -> Response {
    answer(api::end_exception(&visit.state, visit.caller, id).await, BACK)
}
