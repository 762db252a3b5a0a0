//! What changes something: approve, reject, undo, adopt, stop, resume, a circuit closed, and a cycle now.
//!
//! The functions serve the API and the page alike. Not here: whether it may be (`decide`).

use std::{future::poll_fn, pin::pin, task::Poll};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use trimtab_models::resource::ResourceRef;
use trimtab_policies::{
    authority::{Right, reason_not_allowed},
    circuit::NoCircuit,
    exception::About,
};

use super::{
    ApiState,
    asked::{Body, Id},
    exceptions::require_in_scope as require_in_scope_of,
    guard::Caller,
    problem::Problem,
    queries::off_thread,
    refusals::Refusal,
    tags::Mark,
    views::CircuitView,
};
use crate::{
    decide::{self, Approval, Rejection},
    notify::TestBody,
    stage::Stage,
    view::{ChangeView, RecommendationView},
};

/// Why the caller may not use a right on a resource, by the tags that were last discovered.
pub(crate) fn reason_not_here(
    state: &ApiState,
    caller: &Caller,
    right: Right,
    resource: &ResourceRef,
) -> Option<String> {
    let inventory = state.agent.inventory();
    let known = inventory.get(&resource.arn).map_or(resource, |resource| &resource.reference);
    reason_not_allowed(&caller.person, right, Some(known))
}

/// What is not known is refused by whoever looks for it.
fn require_in_scope(
    state: &ApiState,
    caller: &Caller,
    right: Right,
    resource: Option<&ResourceRef>,
) -> Result<(), Problem> {
    match resource.and_then(|resource| reason_not_here(state, caller, right, resource)) {
        Some(reason) => Err(Problem::forbidden(reason)),
        None => Ok(()),
    }
}

fn require_recommendation_in_scope(
    state: &ApiState,
    id: &str,
    caller: &Caller,
) -> Result<(), Problem> {
    let briefs = state.agent.briefs();
    let resource = briefs.get(id).map(|brief| &brief.resource);
    require_in_scope(state, caller, Right::Decide, resource)
}

/// Lets a caller on who may decide on a recommendation now: a batch, and the review of an approval, take their time.
fn may_decide(state: &ApiState, id: &str, caller: &Caller) -> Result<(), Problem> {
    let caller = caller.again(state, Right::Decide)?;
    require_recommendation_in_scope(state, id, &caller)
}

/// Goes on with `work` only while `may` allows it, which is asked before each of its steps: what it does between two waits
/// is done by somebody who was allowed to when it began.
async fn while_allowed<T>(
    may: impl Fn() -> Result<(), Problem>,
    work: impl Future<Output = T>,
) -> Result<T, Problem> {
    let mut work = pin!(work);
    poll_fn(|context| match may() {
        Ok(()) => work.as_mut().poll(context).map(Ok),
        Err(problem) => Poll::Ready(Err(problem)),
    })
    .await
}

/// Approves a recommendation; it begins as soon as it may.
pub(crate) async fn approve(
    state: &ApiState,
    id: &str,
    caller: &Caller,
    approval: Approval,
) -> Result<RecommendationView, Problem> {
    let may = || may_decide(state, id, caller);
    let asked = while_allowed(may, decide::approve(&state.agent, id, caller.name(), approval));
    let answer = asked.await.and_then(|approved| Ok(approved?));
    let view = told(state, (caller, Right::Decide, id), answer).await?;
    (state.on_signal)(Stage::Begin);
    Ok(view)
}

/// Rejects a recommendation.
pub(crate) async fn reject(
    state: &ApiState,
    id: String,
    caller: Caller,
    rejection: Rejection,
) -> Result<RecommendationView, Problem> {
    let asked = async {
        may_decide(state, &id, &caller)?;
        if let Some((key, value)) = rejection.tag.clone() {
            require_in_scope_of(state, &caller, &About::Tag { key, value, action: None })?;
        }
        let (agent, id, by) = (state.agent.clone(), id.clone(), caller.name().to_owned());
        Ok(off_thread(move || decide::reject(&agent, &id, &by, rejection)).await??)
    };
    told(state, (&caller, Right::Decide, &id), asked.await).await
}

/// Begins to take a change back.
pub(crate) async fn undo(
    state: &ApiState,
    id: String,
    caller: Caller,
) -> Result<ChangeView, Problem> {
    let asked = async {
        let resource = {
            let ledger = state.agent.ledger();
            let change = ledger.book().changes().get(&id);
            change.map(|change| change.recommendation.resource.clone())
        };
        require_in_scope(state, &caller, Right::Undo, resource.as_ref())?;
        let (agent, id, by) = (state.agent.clone(), id.clone(), caller.name().to_owned());
        off_thread(move || {
            decide::undo(&agent, &id, &by)?;
            let change = agent.ledger().book().changes().get(&id).map(ChangeView::from);
            change.ok_or(decide::DecideError::Unknown { what: "change", id })
        })
        .await?
        .map_err(Problem::from)
    };
    let change = told(state, (&caller, Right::Undo, &id), asked.await).await?;
    (state.on_open_change)();
    Ok(change)
}

/// An answer as it is; one that refuses is kept in the audit log with who asked and what for.
pub(super) async fn told<T>(
    state: &ApiState,
    (caller, right, what): (&Caller, Right, &str),
    answer: Result<T, Problem>,
) -> Result<T, Problem> {
    if let Err(problem) = &answer
        && problem.is_refusal()
    {
        let refusal = Refusal { right, what: what.to_owned(), reason: problem.detail.clone() };
        state.note_refusal(caller.name(), refusal).await;
    }
    answer
}

/// Begins to bring back the machine of a change whose agent is lost.
async fn adopt(state: &ApiState, id: &str, caller: &Caller) -> Result<ChangeView, Problem> {
    let change = crate::adopt::adopt(&state.agent, id, caller.name()).await?;
    (state.on_open_change)();
    Ok(ChangeView::from(&change))
}

/// Sets the stop switch.
pub(crate) async fn stop(state: &ApiState, caller: Caller, reason: String) -> Result<(), Problem> {
    let agent = state.agent.clone();
    Ok(off_thread(move || decide::stop(&agent, caller.name(), &reason)).await??)
}

/// Releases the stop switch; what is approved is looked at again.
pub(crate) async fn resume(state: &ApiState, caller: Caller) -> Result<(), Problem> {
    let agent = state.agent.clone();
    off_thread(move || decide::resume(&agent, caller.name())).await??;
    (state.on_signal)(Stage::Begin);
    Ok(())
}

/// Asks for a cycle.
pub(crate) fn cycle(state: &ApiState) {
    (state.on_signal)(Stage::Cycle);
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApproveBody {
    /// The digest that the approver saw; a recommendation with another one is not meant.
    digest: Option<String>,
    /// Why.
    reason: Option<String>,
    /// Do not wait for a quiet time.
    now: bool,
    /// Begin at this time instead of a quiet one.
    at: Option<Timestamp>,
    /// Take it back without asking again, should it turn out badly.
    auto_undo: bool,
}

pub(super) async fn post_approve(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Id(id): Id,
    Body(ApproveBody { digest, reason, now, at, auto_undo }): Body<ApproveBody>,
) -> Result<Json<RecommendationView>, Problem> {
    let fresh = require_recommendation(&state, &headers, &id).await;
    told(&state, (&caller, Right::Decide, &id), fresh).await?;
    let approval = Approval { digest, reason, now, begin_at: at, auto_undo };
    Ok(Json(approve(&state, &id, &caller, approval).await?))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RejectBody {
    /// Why; a rejection without a reason is refused.
    reason: String,
    /// Until when everything for this resource and action is withheld, at most a year; without it this size, as long as the
    /// settings say.
    until: Option<Timestamp>,
    /// Everything with this tag is meant, for the same action.
    for_tag: Option<TagBody>,
}

/// A tag.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TagBody {
    /// Its key.
    key: String,
    /// Its exact value.
    value: String,
}

pub(super) async fn post_reject(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Id(id): Id,
    Body(RejectBody { reason, until, for_tag }): Body<RejectBody>,
) -> Result<Json<RecommendationView>, Problem> {
    let reason = given_reason(&reason)?;
    let fresh = require_recommendation(&state, &headers, &id).await;
    told(&state, (&caller, Right::Decide, &id), fresh).await?;
    let tag = for_tag.map(|tag| (tag.key, tag.value));
    Ok(Json(reject(&state, id, caller, Rejection { reason, until, tag }).await?))
}

/// Lets a decision through that is about the recommendation as it is now, where `If-Match` says what it is about.
///
/// One that is not there is left to the decision itself.
async fn require_recommendation(
    state: &ApiState,
    headers: &HeaderMap,
    id: &str,
) -> Result<(), Problem> {
    let (agent, known) = (state.agent.clone(), id.to_owned());
    let found = off_thread(move || agent.store().recommendation(&known)).await??;
    found.map_or(Ok(()), |view| {
        Mark::recommendation(&view).require(headers, &format!("recommendation `{id}`"))
    })
}

/// A rejection without a reason teaches nobody anything.
pub(crate) fn given_reason(reason: &str) -> Result<String, Problem> {
    match reason.trim() {
        "" => Err(Problem::bad_request("a no needs a reason: give `reason`")),
        reason => Ok(reason.to_owned()),
    }
}

pub(super) async fn post_undo(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<Json<ChangeView>, Problem> {
    let known = state.agent.ledger().book().changes().get(&id).map(ChangeView::from);
    if let Some(view) = known {
        let fresh = Mark::change(&view).require(&headers, &format!("change `{id}`"));
        told(&state, (&caller, Right::Undo, &id), fresh).await?;
    }
    Ok(Json(undo(&state, id, caller).await?))
}

pub(super) async fn post_adopt(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<ChangeView>, Problem> {
    Ok(Json(adopt(&state, &id, &caller).await?))
}

/// Where the stop switch stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StoppedBody {
    /// Who set it, and why; `null` when it is not set.
    stopped: Option<String>,
}

/// What was asked of the daemon.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SignalledBody {
    /// The stage that runs next.
    signalled: &'static str,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StopBody {
    /// Why.
    reason: Option<String>,
}

pub(super) async fn post_stop(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(StopBody { reason }): Body<StopBody>,
) -> Result<Json<StoppedBody>, Problem> {
    stop(&state, caller, reason.unwrap_or_else(|| "no reason given".to_owned())).await?;
    Ok(Json(StoppedBody { stopped: state.agent.stopped() }))
}

pub(super) async fn post_resume(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<StoppedBody>, Problem> {
    resume(&state, caller).await?;
    Ok(Json(StoppedBody { stopped: state.agent.stopped() }))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CircuitBody {
    /// The circuit, as the list of open ones names it.
    scope: String,
}

pub(super) async fn post_circuit_reset(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(CircuitBody { scope }): Body<CircuitBody>,
) -> Result<Json<CircuitView>, Problem> {
    let circuit =
        scope.parse().map_err(|error: NoCircuit| Problem::bad_request(error.to_string()))?;
    let agent = state.agent.clone();
    off_thread(move || decide::reset_circuit(&agent, circuit, caller.name())).await??;
    Ok(Json(CircuitView::of(&state.agent)))
}

pub(super) async fn post_cycle(State(state): State<ApiState>) -> (StatusCode, Json<SignalledBody>) {
    cycle(&state);
    (StatusCode::ACCEPTED, Json(SignalledBody { signalled: Stage::Cycle.as_str() }))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NotifyTestBody {
    /// The name of a receiver, instead of all.
    receiver: Option<String>,
}

pub(super) async fn post_notify_test(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(NotifyTestBody { receiver }): Body<NotifyTestBody>,
) -> Result<Json<TestBody>, Problem> {
    let now = state.agent.ports().clock.now();
    let tested = state.agent.notifier.test(receiver.as_deref(), caller.name(), now).await;
    let receivers = tested.ok_or_else(|| {
        let named = receiver.map_or_else(String::new, |name| format!(" `{name}`"));
        Problem::not_found(format!(
            "there is no receiver{named}: `trimtab status` lists them, [notify] of the configuration names them"
        ))
    })?;
    Ok(Json(TestBody { receivers }))
}
