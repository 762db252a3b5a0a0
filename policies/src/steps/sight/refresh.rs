//! How the steps of an instance refresh sort what they see: the version it brings in, and how far it has come.
//!
//! A refresh is told by the version that it brings in, which only this change makes, so that none needs a mark. Not here:
//! a group's bounds and schedule (`group`).

use jiff::{SignedDuration, Timestamp};
use trimtab_models::resource::{Group, LaunchTemplate, Refresh, Resource};

use super::{Seen, Sight};

/// How far the clocks of both sides may lie apart when a refresh is told from one that was there before.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(120);

/// The versions of a launch template between which a refresh goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions<'a> {
    pub(super) template_id: &'a str,
    pub(super) from: u64,
    /// `None` while the version that the change made is not known.
    pub(super) to: Option<u64>,
    /// Whether it takes an earlier refresh of this change back.
    pub(super) is_back: bool,
}

fn template_of<'a>(
    resource: &'a Resource,
    id: &str,
) -> Result<(&'a Group, &'a LaunchTemplate), Sight> {
    let group = resource.group().ok_or_else(|| Sight::Foreign("it is no group".to_owned()))?;
    let template = group.launch_template.as_ref().filter(|one| one.id == id);
    let template =
        template.ok_or_else(|| Sight::Foreign("its launch template is another".to_owned()))?;
    Ok((group, template))
}

fn number_of(template: &LaunchTemplate) -> Result<u64, Sight> {
    template
        .number
        .ok_or_else(|| Sight::Unknown("the launch template could not be read".to_owned()))
}

fn foreign_version(live: u64) -> Sight {
    Sight::Foreign(format!("its launch template is at version {live}, which this change never set"))
}

pub(super) fn create_version(
    resource: &Resource,
    seen: &Seen,
    template_id: &str,
    source_version: u64,
) -> Sight {
    let sorted = template_of(resource, template_id).and_then(|(group, template)| {
        let live = number_of(template)?;
        if let Some(refresh) = group.refresh.as_ref().filter(|one| !one.has_ended()) {
            return Err(foreign_refresh(refresh));
        }
        Ok(match &seen.made {
            _ if live != source_version => foreign_version(live),
            None => Sight::Unknown("the new version could not be looked up".to_owned()),
            Some(None) => Sight::Ready,
            Some(Some(_)) => Sight::Done,
        })
    });
    sorted.unwrap_or_else(|sight| sight)
}

fn foreign_refresh(refresh: &Refresh) -> Sight {
    Sight::Foreign(format!("somebody else's instance refresh is {}", refresh.status))
}

pub(super) fn refresh(
    resource: &Resource,
    versions: &Versions<'_>,
    attempted_at: Option<Timestamp>,
) -> Sight {
    let sorted = template_of(resource, versions.template_id).and_then(|(group, template)| {
        let live = number_of(template)?;
        let to = versions
            .to
            .ok_or_else(|| Sight::Unknown("the version to bring in is not known".to_owned()))?;
        let sight = group.refresh.as_ref().and_then(|newest| {
            if newest.brings(versions.template_id, to) && is_ours(newest, versions, attempted_at) {
                return sight_of_ours(newest, live == to);
            }
            if versions.is_back && newest.brings(versions.template_id, versions.from) {
                return sight_of_forward(newest, live == to);
            }
            (!newest.has_ended()).then(|| foreign_refresh(newest))
        });
        Ok(sight.unwrap_or_else(|| sight_without(live, to, versions)))
    });
    sorted.unwrap_or_else(|sight| sight)
}

/// Whether a refresh that brings the version in is this step's. Forward it must be, because nobody else knows the version;
/// back, somebody may have brought the old version in long before.
fn is_ours(refresh: &Refresh, versions: &Versions<'_>, attempted_at: Option<Timestamp>) -> bool {
    let since = attempted_at.and_then(|at| at.checked_sub(CLOCKS_APART).ok());
    !versions.is_back
        || !refresh.has_ended()
        || since.zip(refresh.started_at).is_some_and(|(since, started)| started >= since)
}

/// How this step's own refresh stands; `in_force` says whether the group is at its version.
fn sight_of_ours(refresh: &Refresh, in_force: bool) -> Option<Sight> {
    let reason = refresh.reason.as_deref().unwrap_or("no reason given");
    Some(match refresh.status.as_str() {
        "Successful" if in_force => Sight::Done,
        // The group takes the version on a moment after the refresh has ended.
        "Pending" | "InProgress" | "Baking" | "RollbackInProgress" | "Successful" => {
            Sight::InProgress
        }
        "Failed" | "RollbackFailed" => {
            Sight::Failed(format!("Auto Scaling calls the refresh {}: {reason}", refresh.status))
        }
        "RollbackSuccessful" => {
            Sight::Failed(format!("Auto Scaling rolled the refresh back: {reason}"))
        }
        "Cancelling" | "Cancelled" => Sight::Foreign("somebody cancelled the refresh".to_owned()),
        other => Sight::Unknown(format!("the refresh is `{other}`")),
    })
}

/// How the refresh that is to be taken back stands: rolled back while it runs, followed by another one afterwards.
fn sight_of_forward(refresh: &Refresh, in_force: bool) -> Option<Sight> {
    match refresh.status.as_str() {
        "RollbackInProgress" => Some(Sight::InProgress),
        "RollbackSuccessful" if in_force => Some(Sight::Done),
        "Cancelling" | "Cancelled" => {
            Some(Sight::Foreign("somebody cancelled the refresh".to_owned()))
        }
        "Pending" | "InProgress" | "Baking" | "Successful" | "Failed" | "RollbackFailed"
        | "RollbackSuccessful" => Some(Sight::Ready),
        other => Some(Sight::Unknown(format!("the refresh is `{other}`"))),
    }
}

/// No refresh of this change is to be seen.
fn sight_without(live: u64, to: u64, versions: &Versions<'_>) -> Sight {
    if live == to && versions.is_back {
        Sight::Done
    } else if live == versions.from {
        Sight::Ready
    } else {
        foreign_version(live)
    }
}
