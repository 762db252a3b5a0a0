//! What every page has around it: where one is, who one is and may do, the account's time, and the stop switch.
//!
//! What a person may not do is not offered to them; that it is refused all the same is `api`'s. Not here: the pages themselves.

use axum::{extract::FromRequestParts, http::request::Parts};
use trimtab_config::Cloud;
use trimtab_policies::authority::{Person, Right};

use crate::{
    api::{ApiState, Caller, Problem},
    words,
};

/// A request for a page: what handlers share, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) state: ApiState,
    pub(crate) caller: Caller,
}

impl FromRequestParts<ApiState> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| {
            Problem::internal(anyhow::anyhow!("the page `{}` has no guard", parts.uri.path()))
        })?;
        Ok(Self { state: state.clone(), caller })
    }
}

/// What the page offers to whoever reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct May {
    pub(crate) decide: bool,
    pub(crate) stop: bool,
    pub(crate) resume: bool,
    pub(crate) operate: bool,
}

impl May {
    fn of(person: &Person) -> Self {
        Self {
            decide: person.holds(Right::Decide),
            stop: person.holds(Right::Stop),
            resume: person.holds(Right::Resume),
            operate: person.holds(Right::Operate),
        }
    }
}

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Overview,
    Recommendations,
    Changes,
    Inventory,
    Exceptions,
    Audit,
}

/// A link of the navigation.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) is_here: bool,
    /// How many things wait there for a person; nothing where none does.
    pub(crate) waiting: Option<usize>,
}

/// The frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) version: &'static str,
    pub(crate) now: String,
    pub(crate) simulated: bool,
    pub(crate) stopped: Option<String>,
    pub(crate) open_page: bool,
    /// Who is signed in, and as what.
    pub(crate) who: String,
    pub(crate) may: May,
    pub(crate) links: Vec<Link>,
}

const PAGES: [(Here, &str, &str); 6] = [
    (Here::Overview, "/", "Overview"),
    (Here::Recommendations, "/recommendations", "Recommendations"),
    (Here::Changes, "/changes", "Changes"),
    (Here::Inventory, "/inventory", "Inventory"),
    (Here::Exceptions, "/exceptions", "Exceptions"),
    (Here::Audit, "/audit", "Audit log"),
];

impl Frame {
    pub(crate) fn new(visit: &Visit, here: Here) -> Self {
        let Visit { state, caller } = visit;
        let agent = &state.agent;
        let awaiting = agent.briefs().awaiting();
        let link = |(page, path, name): (Here, &'static str, &'static str)| Link {
            path,
            name,
            is_here: page == here,
            waiting: (page == Here::Recommendations && awaiting > 0).then_some(awaiting),
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            now: words::time(agent.ports().clock.now()),
            simulated: match &agent.settings().cloud {
                Cloud::Aws { .. } => false,
                Cloud::Simulated { .. } | Cloud::Served { .. } => true,
            },
            stopped: agent.stopped(),
            open_page: state.is_open_page(),
            who: match &caller.person {
                local if local.holds(Right::Decide) && local.holds(Right::Resume) => {
                    local.name.clone()
                }
                Person { name, role, .. } => format!("{name}, {role}"),
            },
            may: May::of(&caller.person),
            links: PAGES.map(link).into(),
        }
    }
}
