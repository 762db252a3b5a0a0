//! What the document says of each route: its words, its query, its body and its answers.
//!
//! Not here: how the document is made of it (`document`), and the fields of bodies, which stand at their types.

use axum::http::StatusCode;

use super::{
    actions::{
        ApproveBody, CircuitBody, NotifyTestBody, RejectBody, SignalledBody, StopBody, StoppedBody,
    },
    document::Told,
    exceptions::{ExceptionBody, ExceptionsBody, RenewBody},
    lists::{AuditBody, AuditQuery, ChangesBody, Filter, InventoryBody, RecommendationsBody},
    pages::PageQuery,
    queries::{ExplainQuery, ReportQuery},
    report::ReportView,
    tokens::{CreatedToken, TokenBody, TokensBody},
    views::{CircuitView, ExplainView, MeView, StatusView},
};
use crate::{
    audit::RecordView,
    except::ExceptionView,
    notify::TestBody,
    view::{ChangeView, RecommendationView},
};

const CONFLICT: StatusCode = StatusCode::CONFLICT;
const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;

pub(super) fn me() -> Told {
    Told::answers::<MeView>("Who asks, and what they may.")
}

pub(super) fn tokens() -> Told {
    Told::answers::<TokensBody>("Every token, without its secret.")
}

pub(super) fn create_token() -> Told {
    Told::answers_with::<CreatedToken>(
        StatusCode::CREATED,
        "Make a token. Its secret is in this answer and nowhere else.",
    )
    .body::<TokenBody>()
    .may(CONFLICT)
}

pub(super) fn revoke_token() -> Told {
    Told::answers::<TokensBody>("Revoke a token by its id, or all of somebody's by their name.")
}

pub(super) fn status() -> Told {
    Told::answers::<StatusView>("What the daemon does, and how much is open.")
}

pub(super) fn recommendations() -> Told {
    Told::answers::<RecommendationsBody>("Recommendations, in pages.").query::<Filter>().tagged()
}

pub(super) fn recommendation() -> Told {
    Told::answers::<RecommendationView>("A recommendation with all it rests on.").tagged()
}

pub(super) fn approve() -> Told {
    Told::answers::<RecommendationView>(
        "Approve a recommendation: it is reviewed on fresh facts, and begins as soon as it may.",
    )
    .body::<ApproveBody>()
    .if_match()
    .may(CONFLICT)
}

pub(super) fn reject() -> Told {
    Told::answers::<RecommendationView>("Reject a recommendation, for now or until a time.")
        .body::<RejectBody>()
        .if_match()
        .may(CONFLICT)
}

pub(super) fn changes() -> Told {
    Told::answers::<ChangesBody>("Changes, newest first, in pages.").query::<PageQuery>().tagged()
}

pub(super) fn change() -> Told {
    Told::answers::<ChangeView>("A change with its steps and what came of it.").tagged()
}

pub(super) fn undo() -> Told {
    Told::answers::<ChangeView>("Begin to take a change back.").if_match().may(CONFLICT)
}

pub(super) fn adopt() -> Told {
    Told::answers::<ChangeView>("Begin to bring back the machine of a change whose agent is lost.")
        .may(CONFLICT)
}

pub(super) fn inventory() -> Told {
    Told::answers::<InventoryBody>("Every resource as the last cycle saw it, in pages.")
        .query::<PageQuery>()
        .tagged()
}

pub(super) fn audit() -> Told {
    Told::answers::<AuditBody>("The journal's records, newest first, in pages.")
        .query::<AuditQuery>()
        .tagged()
}

pub(super) fn events() -> Told {
    Told::streams::<RecordView>(
        "The journal's records as they are written: `change`, `recommendation` and `daemon` events, whose id is the record's number.",
    )
    .may(StatusCode::BAD_REQUEST)
}

pub(super) fn explain() -> Told {
    Told::answers::<ExplainView>("Which rule decides the modes of a resource.")
        .query::<ExplainQuery>()
        .may(NOT_FOUND)
}

pub(super) fn report() -> Told {
    Told::answers::<ReportView>("What was found, done, saved and withheld in a time.")
        .query::<ReportQuery>()
}

pub(super) fn circuit() -> Told {
    Told::answers::<CircuitView>("Where too much went wrong.")
}

pub(super) fn circuit_reset() -> Told {
    Told::answers::<CircuitView>("Close an open circuit.").body::<CircuitBody>().may(NOT_FOUND)
}

pub(super) fn exceptions() -> Told {
    Told::answers::<ExceptionsBody>("What is left alone, by whom and until when.")
}

pub(super) fn create_exception() -> Told {
    Told::answers_with::<ExceptionView>(
        StatusCode::CREATED,
        "Leave a resource, or everything with a tag, alone until a time.",
    )
    .body::<ExceptionBody>()
    .may(CONFLICT)
    .may(NOT_FOUND)
}

pub(super) fn renew_exception() -> Told {
    Told::answers::<ExceptionView>("Let an exception hold on.").body::<RenewBody>().may(CONFLICT)
}

pub(super) fn end_exception() -> Told {
    Told::answers::<ExceptionView>("End an exception.").may(CONFLICT)
}

pub(super) fn stop() -> Told {
    Told::answers::<StoppedBody>("Set the stop switch: no change begins until it is released.")
        .body::<StopBody>()
}

pub(super) fn resume() -> Told {
    Told::answers::<StoppedBody>("Release the stop switch.")
}

pub(super) fn cycle() -> Told {
    Told::answers_with::<SignalledBody>(StatusCode::ACCEPTED, "Ask for a cycle now.")
}

pub(super) fn notify_test() -> Told {
    Told::answers::<TestBody>("Send a test message to the receivers of notifications.")
        .body::<NotifyTestBody>()
        .may(NOT_FOUND)
}

pub(super) fn health() -> Told {
    Told::says("Whether the daemon answers.", "text/plain")
}

pub(super) fn ready() -> Told {
    Told::says("Whether a cycle has ended since the start.", "text/plain")
        .may(StatusCode::SERVICE_UNAVAILABLE)
}

pub(super) fn metrics() -> Told {
    Told::says("Counts for Prometheus, which from this machine needs no token.", "text/plain")
        .free_on_this_machine()
}

pub(super) fn openapi() -> Told {
    Told::answers::<serde_json::Map<String, serde_json::Value>>("This document.")
}
