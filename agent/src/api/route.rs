//! One row of a table of routes: a path, who may come through it, and who answers.
//!
//! A row without a right cannot be written. Not here: the tables themselves (`api`, `web`) and who somebody is (`guard`).

use axum::{
    Router,
    http::Method,
    middleware::from_fn_with_state,
    routing::{MethodRouter, get, post},
};
use trimtab_policies::authority::Right;

use super::{ApiState, guard};

/// One row of a table of routes.
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// What a caller needs to be let through.
    pub(crate) right: Right,
    handler: MethodRouter<ApiState>,
}

impl Row {
    /// What is asked for by GET.
    pub(crate) fn get<H, T>(right: Right, path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, ApiState>,
        T: 'static,
    {
        Self { method: Method::GET, path, right, handler: get(handler) }
    }

    /// What is done by POST.
    pub(crate) fn post<H, T>(right: Right, path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, ApiState>,
        T: 'static,
    {
        Self { method: Method::POST, path, right, handler: post(handler) }
    }
}

/// Which way callers come: it decides how they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Programs get a problem.
    Api,
    /// People get a page.
    Page,
}

/// The rows behind the guard, each with the right that it needs.
pub(crate) fn guarded(rows: Vec<Row>, state: &ApiState, way: Way) -> Router<ApiState> {
    rows.into_iter().fold(Router::new(), |router, row| {
        let gate = guard::Gate { state: state.clone(), right: row.right, way };
        let handler = row.handler.route_layer(from_fn_with_state(gate, guard::admit));
        router.route(row.path, handler)
    })
}
