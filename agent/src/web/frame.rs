//! What every page has around it: where one is, the account's time, and the stop switch.
//!
//! Not here: the pages themselves.

use crate::{api::ApiState, words};
use trimtab_config::Cloud;

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Overview,
    Recommendations,
    Changes,
    Inventory,
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
    pub(crate) links: Vec<Link>,
}

const PAGES: [(Here, &str, &str); 5] = [
    (Here::Overview, "/", "Overview"),
    (Here::Recommendations, "/recommendations", "Recommendations"),
    (Here::Changes, "/changes", "Changes"),
    (Here::Inventory, "/inventory", "Inventory"),
    (Here::Audit, "/audit", "Audit log"),
];

impl Frame {
    pub(crate) fn new(state: &ApiState, here: Here) -> Self {
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
            links: PAGES.map(link).into(),
        }
    }
}
