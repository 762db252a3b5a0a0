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

use super::{
    ApiState,
    document::{Told, ToldRoute},
    guard, limits,
};

/// One row of a table of routes.
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// What a caller needs to be let through.
    pub(crate) right: Right,
    handler: MethodRouter<ApiState>,
    told: Option<Told>,
}

impl Row {
    /// What is asked for by GET.
    pub(crate) fn get<H, T>(right: Right, path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, ApiState>,
        T: 'static,
    {
        Self { method: Method::GET, path, right, handler: get(handler), told: None }
    }

    /// What is done by POST.
    pub(crate) fn post<H, T>(right: Right, path: &'static str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, ApiState>,
        T: 'static,
    {
        Self { method: Method::POST, path, right, handler: post(handler), told: None }
    }
}

impl Row {
    /// The same with what the API's document says of it.
    pub(super) fn told(self, told: Told) -> Self {
        Self { told: Some(told), ..self }
    }

    /// What the document says of it; `None` for a page.
    pub(super) fn into_told(self) -> Option<ToldRoute> {
        let (method, path, right) = (self.method, self.path, Some(self.right));
        self.told.map(|told| ToldRoute { method, path, right, told })
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
        let gauge = limits::Gauge { state: state.clone(), way };
        let handler = match row.right {
            // Whoever has asked for too much may still stop.
            Right::Stop => row.handler,
            Right::OwnSession
            | Right::Read
            | Right::Decide
            | Right::Undo
            | Right::Resume
            | Right::Operate
            | Right::ManageTokens => {
                row.handler.route_layer(from_fn_with_state(gauge, limits::count))
            }
        };
        router.route(row.path, handler.route_layer(from_fn_with_state(gate, guard::admit)))
    })
}
