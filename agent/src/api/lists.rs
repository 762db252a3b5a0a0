//! The lists, in pages: recommendations, changes, the inventory and the audit log.
//!
//! Not here: single things (`queries`), and how pages follow each other (`pages`).

use std::{cmp::Reverse, ops::Bound};

use axum::{
    extract::{OriginalUri, State},
    http::HeaderMap,
    response::Response,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    recommendation::Action,
    resource::{Arn, Kind, Resource},
};

use super::{
    ApiState,
    asked::Query,
    pages::{List, PageQuery, link},
    problem::Problem,
    queries::off_thread,
    tags::{Mark, Tagged},
};
use crate::{
    agent::Agent,
    audit::{RecordView, Sought, look},
    brief::Brief,
    filter,
    view::{ChangeView, RecommendationState, RecommendationView},
};

/// `GET /api/v1/recommendations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecommendationsBody {
    /// Open ones first, then by the saving that is left after the risk, then by ARN.
    pub recommendations: Vec<RecommendationView>,
    /// Where the next page begins: give it as `after`; `null` on the last page.
    #[serde(default)]
    pub next: Option<String>,
}

/// `GET /api/v1/changes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangesBody {
    /// Newest first.
    pub changes: Vec<ChangeView>,
    /// Where the next page begins: give it as `after`; `null` on the last page.
    #[serde(default)]
    pub next: Option<String>,
}

/// `GET /api/v1/inventory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InventoryBody {
    /// In the order of the ARNs.
    pub resources: Vec<Resource>,
    /// Where the next page begins: give it as `after`; `null` on the last page.
    #[serde(default)]
    pub next: Option<String>,
}

/// `GET /api/v1/audit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditBody {
    /// The journal's records, newest first.
    pub records: Vec<RecordView>,
    /// The hash of the journal's last record: kept elsewhere, it is an anchor for `trimtab audit verify --head`.
    pub head: String,
    /// Where the next page begins: give it as `after`; `null` on the last page.
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only those that stand there.
    state: Option<RecommendationState>,
    /// Only those of resources of this kind.
    kind: Option<Kind>,
    /// Only those of this account, by its id.
    account: Option<String>,
    /// Only those of this action.
    action: Option<Action>,
    /// Only what this line takes, such as `kind=ebs-volume account=prod saving>=10 tag.team=web`; besides what the others say.
    filter: Option<String>,
    /// How many items at most, 1 to 1,000; 200 when it is not said.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
    /// The `next` of the page before; from the beginning when it is not said.
    after: Option<String>,
}

impl Filter {
    fn takes(&self, brief: &Brief) -> bool {
        self.state.is_none_or(|state| state == brief.state)
            && self.kind.is_none_or(|kind| kind == brief.resource.kind)
            && self.account.as_ref().is_none_or(|account| *account == brief.resource.account)
            && self.action.is_none_or(|action| action == brief.action)
    }
}

/// A recommendation's place: whether it is closed, the saving left after its risk, ARN and id.
type Place = (bool, i64, Arn, String);

fn is_after(brief: &Brief, place: &Place) -> bool {
    let (is_closed, rank, arn, id) = place;
    brief.order() > (*is_closed, Reverse(*rank), arn, id.as_str())
}

fn page_of_recommendations(agent: &Agent, filter: &Filter) -> Result<RecommendationsBody, Problem> {
    let query = PageQuery { limit: filter.limit, after: filter.after.clone() };
    let page = query.of::<Place>(List::Recommendations)?;
    let accounts = &agent.settings().accounts;
    let line = filter.filter.as_deref().map(|line| filter::Filter::parse(line, accounts));
    let line = line.transpose().map_err(|error| Problem::bad_request(error.to_string()))?;
    let briefs = agent.briefs();
    let taken = briefs
        .queue()
        .filter(|brief| filter.takes(brief) && line.as_ref().is_none_or(|line| line.takes(brief)));
    let following =
        taken.filter(|brief| page.after.as_ref().is_none_or(|place| is_after(brief, place)));
    let (briefs, next) = page.take(following, |brief| {
        let (is_closed, Reverse(rank), arn, id) = brief.order();
        (is_closed, rank, arn.clone(), id.to_owned())
    });
    let mut recommendations = Vec::with_capacity(briefs.len());
    for brief in briefs {
        // One at a time: whoever writes waits for none but this one.
        recommendations.extend(agent.store().recommendation(&brief.id)?);
    }
    Ok(RecommendationsBody { recommendations, next })
}

pub(super) async fn recommendations(
    State(state): State<ApiState>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let made = off_thread(move || {
        let body = page_of_recommendations(&state.agent, &filter)?;
        let next = body.next.as_deref().map(|next| link(&uri, next));
        Ok::<_, Problem>(Tagged::of(&body, &Mark::none())?.linked(next))
    });
    Ok(made.await??.respond(&headers))
}

fn page_of_changes(agent: &Agent, query: &PageQuery) -> Result<ChangesBody, Problem> {
    let page = query.of::<(Timestamp, String)>(List::Changes)?;
    let ledger = agent.ledger();
    let mut all: Vec<_> = ledger.book().changes().values().collect();
    all.sort_by(|one, other| (other.opened_at, &one.id).cmp(&(one.opened_at, &other.id)));
    let is_after = |opened_at: Timestamp, id: &str| {
        page.after.as_ref().is_none_or(|(at, after)| (*at, id) > (opened_at, after.as_str()))
    };
    let following = all.into_iter().filter(|change| is_after(change.opened_at, &change.id));
    let (changes, next) = page.take(following, |change| (change.opened_at, change.id.clone()));
    Ok(ChangesBody { changes: changes.into_iter().map(ChangeView::from).collect(), next })
}

pub(super) async fn changes(
    State(state): State<ApiState>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let made = off_thread(move || {
        let body = page_of_changes(&state.agent, &query)?;
        let next = body.next.as_deref().map(|next| link(&uri, next));
        Ok::<_, Problem>(Tagged::of(&body, &Mark::none())?.linked(next))
    });
    Ok(made.await??.respond(&headers))
}

pub(super) async fn inventory(
    State(state): State<ApiState>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let made = off_thread(move || {
        let page = query.of::<Arn>(List::Inventory)?;
        let all = state.agent.inventory();
        let from = page.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let following = all.range((from, Bound::Unbounded)).map(|(_, resource)| resource);
        let (resources, next) = page.take(following, |resource| resource.reference.arn.clone());
        let link = next.as_deref().map(|next| link(&uri, next));
        let body = InventoryBody { resources: resources.into_iter().cloned().collect(), next };
        Ok::<_, Problem>(Tagged::of(&body, &Mark::none())?.linked(link))
    });
    Ok(made.await??.respond(&headers))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// Only records that mention this: a person, an id, an ARN, a word.
    q: Option<String>,
    /// How many items at most, 1 to 1,000; 200 when it is not said.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
    /// The `next` of the page before; from the newest when it is not said.
    after: Option<String>,
}

fn page_of_records(agent: &Agent, query: &AuditQuery) -> Result<AuditBody, Problem> {
    let page = PageQuery { limit: query.limit, after: query.after.clone() };
    let page = page.of::<u64>(List::Audit)?;
    let sought = Sought {
        before: page.after.unwrap_or(u64::MAX),
        text: query.q.as_deref().unwrap_or_default().trim().to_lowercase(),
        limit: page.limit,
    };
    let found = look(agent.state_dir(), &sought).map_err(Problem::internal)?;
    let oldest = found.records.last().filter(|_| found.has_older);
    Ok(AuditBody {
        next: oldest.map(|record| page.cursor(&record.seq)),
        head: crate::audit::hex(&found.chain.head_hash),
        records: found.records,
    })
}

pub(super) async fn audit(
    State(state): State<ApiState>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let made = off_thread(move || {
        let body = page_of_records(&state.agent, &query)?;
        let next = body.next.as_deref().map(|next| link(&uri, next));
        Ok::<_, Problem>(Tagged::of(&body, &Mark::none())?.linked(next))
    });
    Ok(made.await??.respond(&headers))
}
