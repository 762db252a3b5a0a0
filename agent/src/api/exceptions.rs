//! Exceptions over the API: listed, made, renewed and ended.
//!
//! Not here: what an exception withholds (`trimtab_policies::exception`) and how it is journalled (`except`).

use axum::{Extension, Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{recommendation::Action, resource::Arn};
use trimtab_policies::{
    authority::{Right, Scope, Within},
    exception::About,
};

use super::{
    ApiState,
    actions::{given_reason, reason_not_here, told},
    asked::{Body, Id},
    guard::Caller,
    problem::Problem,
    queries::off_thread,
};
use crate::except::{self, ExceptionView};

/// `GET /api/v1/exceptions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionsBody {
    /// Those due for review first, then those in force.
    pub exceptions: Vec<ExceptionView>,
}

pub(super) async fn get_exceptions(
    State(state): State<ApiState>,
) -> Result<Json<ExceptionsBody>, Problem> {
    let exceptions = off_thread(move || except::exceptions(&state.agent)).await?;
    Ok(Json(ExceptionsBody { exceptions }))
}

/// What a new exception is about: one resource, or every resource that carries a tag.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExceptionBody {
    /// The ARN of the resource that is left alone; or the tag.
    pub(crate) arn: String,
    /// The key of the tag.
    pub(crate) tag_key: String,
    /// Its exact value.
    pub(crate) tag_value: Option<String>,
    /// The action; absent: every action.
    pub(crate) action: Option<Action>,
    /// Until when, at most a year; absent: as long as the settings say.
    pub(crate) until: Option<Timestamp>,
    /// Why.
    pub(crate) reason: String,
}

impl ExceptionBody {
    fn about(&self) -> Result<About, Problem> {
        let action = self.action;
        match (self.arn.trim(), self.tag_key.trim(), &self.tag_value) {
            ("", "", None) => Err(Problem::bad_request(
                "name what is left alone: `arn`, or `tag_key` and `tag_value`",
            )),
            (arn, "", None) => Ok(About::Resource { arn: Arn(arn.to_owned()), action }),
            ("", key, Some(value)) if !key.is_empty() => {
                Ok(About::Tag { key: key.to_owned(), value: value.clone(), action })
            }
            _ => Err(Problem::bad_request("give `arn`, or `tag_key` and `tag_value`, not both")),
        }
    }
}

pub(super) async fn post_exceptions(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<ExceptionBody>,
) -> Result<(StatusCode, Json<ExceptionView>), Problem> {
    Ok((StatusCode::CREATED, Json(add(&state, caller, asked).await?)))
}

/// Makes an exception.
pub(crate) async fn add(
    state: &ApiState,
    caller: Caller,
    asked: ExceptionBody,
) -> Result<ExceptionView, Problem> {
    let about = asked.about()?;
    let reason = given_reason(&asked.reason)?;
    let what = about.words();
    let made = async {
        require_in_scope(state, &caller, &about)?;
        let (agent, by) = (state.agent.clone(), caller.name().to_owned());
        Ok(off_thread(move || except::except(&agent, &by, about, asked.until, &reason)).await??)
    };
    told(state, (&caller, Right::Decide, &what), made.await).await
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RenewBody {
    /// Until when, at most a year; absent: as long as the settings say.
    until: Option<Timestamp>,
}

pub(super) async fn post_renew(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Body(RenewBody { until }): Body<RenewBody>,
) -> Result<Json<ExceptionView>, Problem> {
    Ok(Json(renew(&state, caller, id, until).await?))
}

/// Lets an exception hold on.
pub(crate) async fn renew(
    state: &ApiState,
    caller: Caller,
    id: String,
    until: Option<Timestamp>,
) -> Result<ExceptionView, Problem> {
    let what = id.clone();
    let renewed = async {
        require_known_in_scope(state, &caller, &id)?;
        let (agent, by) = (state.agent.clone(), caller.name().to_owned());
        Ok(off_thread(move || except::renew(&agent, &by, &id, until)).await??)
    };
    told(state, (&caller, Right::Decide, &what), renewed.await).await
}

pub(super) async fn post_end(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<ExceptionView>, Problem> {
    Ok(Json(end(&state, caller, id).await?))
}

/// Ends an exception.
pub(crate) async fn end(
    state: &ApiState,
    caller: Caller,
    id: String,
) -> Result<ExceptionView, Problem> {
    let what = id.clone();
    let ended = async {
        require_known_in_scope(state, &caller, &id)?;
        let (agent, by) = (state.agent.clone(), caller.name().to_owned());
        Ok(off_thread(move || except::end(&agent, &by, &id)).await??)
    };
    told(state, (&caller, Right::Decide, &what), ended.await).await
}

/// What is not known is refused by whoever looks for it.
fn require_known_in_scope(state: &ApiState, caller: &Caller, id: &str) -> Result<(), Problem> {
    let about = {
        let ledger = state.agent.ledger();
        ledger.book().exceptions().get(id).map(|exception| exception.about.clone())
    };
    about.map_or(Ok(()), |about| require_in_scope(state, caller, &about))
}

/// Nobody leaves alone, or takes up again, what they could not decide on.
///
/// What cannot be looked at, because it is gone or reaches over all resources with a tag, takes a scope that holds everything,
/// or that very tag.
pub(super) fn require_in_scope(
    state: &ApiState,
    caller: &Caller,
    about: &About,
) -> Result<(), Problem> {
    let scope = &caller.person.scope;
    let known = match about {
        About::Proposal { .. } => None,
        About::Tag { key, value, .. } => {
            let tags = &scope.tags;
            let is_theirs = match tags {
                Within::Everything => true,
                // Of several tags a resource must carry all; one of them alone reaches further.
                Within::Only(pairs) => {
                    pairs.len() == 1 && pairs.contains(&(key.clone(), value.clone()))
                }
            };
            let anywhere = Scope { tags: tags.clone(), ..Scope::everything() } == *scope;
            if is_theirs && anywhere {
                return Ok(());
            }
            return Err(Problem::forbidden(format!(
                "the tag {key} = {value} may be on what is not in the scope of {}: except single resources, or ask \
                 somebody whose scope holds all of them",
                caller.name()
            )));
        }
        About::Desired { arn, .. } | About::Resource { arn, .. } => {
            state.agent.inventory().get(arn).map(|resource| resource.reference.clone())
        }
    };
    let reason = match known {
        Some(resource) => reason_not_here(state, caller, Right::Decide, &resource),
        None if *scope == Scope::everything() => None,
        None => Some(format!(
            "the last cycle saw no such resource, and the scope of {} does not hold everything",
            caller.name()
        )),
    };
    reason.map_or(Ok(()), |reason| Err(Problem::forbidden(reason)))
}
