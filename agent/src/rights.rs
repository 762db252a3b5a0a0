//! Whether the roles that apply changes can still do so: asked at the start and once a day, on what is there.
//!
//! Where a kind can no longer be changed in an account, its mode falls to datapilot there, with the refusal as the reason, and
//! rises again by itself once the rights are back. Each change's own rights are asked for besides, before it begins. Not here:
//! what else a role can do (`connection`).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use trimtab_config::Account;
use trimtab_models::resource::{Detail, Kind, Resource};
use trimtab_policies::{
    facts::Permission,
    mode::EXCLUDE_TAG,
    operations::FailureKind,
    settings::Policy,
    steps::{Bounds, Step, StepKind},
};

use crate::{
    agent::Agent,
    connection::Asked,
    ports::{Act, Place},
};

/// How long an answer holds.
const AGE: SignedDuration = SignedDuration::from_hours(24);
/// Resources that are asked about before a kind counts as lost: a role that is limited by tags refuses those without them.
const SAMPLES: usize = 5;

/// What the roles have lost, by account and kind, each with why.
type Lost = BTreeMap<String, BTreeMap<Kind, String>>;

/// What is known of the rights.
#[derive(Debug, Default)]
pub struct Rights(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    asked_at: Option<Timestamp>,
    lost: Lost,
}

impl Rights {
    /// The policy with the modes lowered where rights are lost.
    #[must_use]
    pub fn lowered(&self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        policy.modes.reduced.clone_from(&self.lock().lost);
        policy
    }

    /// Asks again at the next turn: the settings have changed.
    pub fn forget(&self) {
        self.lock().asked_at = None;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for the rights of every account with a role that applies, unless they are known since less than a day.
pub async fn refresh_rights(agent: &Agent, now: Timestamp) {
    let Some(act) = agent.ports().act else { return };
    let asked_at = agent.rights.lock().asked_at;
    if asked_at.is_some_and(|at| now.duration_since(at) < AGE) {
        return;
    }
    let settings = agent.settings();
    let wanted = |account: &&Account| {
        account.apply_role_arn.is_some() && Asked::of(&settings, account).wants_apply
    };
    let mut lost = Lost::new();
    for account in settings.accounts.iter().filter(wanted) {
        let before = agent.rights.lock().lost.get(&account.id).cloned().unwrap_or_default();
        let found = lost_in(agent, act.as_ref(), (account, &before), now).await;
        if !found.is_empty() {
            lost.insert(account.id.clone(), found);
        }
    }
    let mut known = agent.rights.lock();
    report(&known.lost, &lost);
    *known = Known { asked_at: Some(now), lost };
}

/// What the account's role cannot do. A kind of which nothing was answered stays as it was before.
async fn lost_in(
    agent: &Agent,
    act: &dyn Act,
    (account, before): (&Account, &BTreeMap<Kind, String>),
    now: Timestamp,
) -> BTreeMap<Kind, String> {
    let inventory = agent.inventory();
    let mut lost = BTreeMap::new();
    for kind in Kind::ALL {
        let of_kind = inventory.values().filter(|resource| {
            let reference = &resource.reference;
            reference.account == account.id
                && reference.kind == kind
                && !reference.tags.contains_key(EXCLUDE_TAG)
        });
        let mut answer = before.get(&kind).cloned();
        for resource in of_kind.take(SAMPLES) {
            match may_change(act, resource).await {
                Some(Ok(())) => {
                    answer = None;
                    break;
                }
                Some(Err(why)) => {
                    answer =
                        Some(format!("its role that applies lost a right ({why}; asked {now:.0})"));
                }
                None => {}
            }
        }
        lost.extend(answer.map(|why| (kind, why)));
    }
    lost
}

/// Whether the role may change this resource as its kind is changed; `None` where nobody can tell.
async fn may_change(act: &dyn Act, resource: &Resource) -> Option<Result<(), String>> {
    let place = Place {
        account: resource.reference.account.clone(),
        region: resource.reference.region.clone(),
    };
    match act.permission(&place, &sample_steps(resource)).await {
        Ok(Permission::Allowed) => Some(Ok(())),
        Ok(Permission::Denied { operation, message }) => {
            Some(Err(format!("{operation}: {message}")))
        }
        Err(failure) if failure.kind == FailureKind::Denied => Some(Err(failure.to_string())),
        Err(failure) => {
            tracing::info!(arn = %resource.reference.arn, %failure, "its rights could not be asked for");
            None
        }
    }
}

/// Steps as changes of the kind take them, which would change nothing.
fn sample_steps(resource: &Resource) -> Vec<Step> {
    let id = || resource.id.clone();
    let kinds = match &resource.detail {
        Detail::Instance(instance) => {
            let instance_type = || instance.instance_type.clone();
            let ladder = vec![instance_type()];
            vec![
                StepKind::StopInstance { instance_id: id(), instance_type: instance_type() },
                StepKind::SetInstanceType { instance_id: id(), from: instance_type(), ladder },
            ]
        }
        Detail::Volume(volume) => {
            let spec = || volume.spec.clone();
            vec![StepKind::ModifyVolume { volume_id: id(), from: spec(), to: spec() }]
        }
        Detail::Function(function) => {
            let memory_mb = function.served_memory_mb();
            let (from_mb, to_mb) = (memory_mb, memory_mb);
            vec![StepKind::SetFunctionMemory { function_name: id(), from_mb, to_mb, behind: None }]
        }
        Detail::Group(group) => {
            let (min_size, max_size) = (group.min_size, group.max_size);
            let bounds = Bounds { min_size, max_size, desired_capacity: None };
            vec![StepKind::SetGroupBounds { group_name: id(), from: bounds, to: bounds }]
        }
    };
    let step = |kind| Step { name: "rights".to_owned(), kind, budget_s: 0, undo: String::new() };
    kinds.into_iter().map(step).collect()
}

/// Tells what has changed since the last time.
fn report(before: &Lost, now: &Lost) {
    let is_known = |in_all: &Lost, account: &str, kind: Kind| {
        in_all.get(account).is_some_and(|kinds| kinds.contains_key(&kind))
    };
    for (account, kinds) in now {
        for (kind, why) in kinds.iter().filter(|(kind, _)| !is_known(before, account, **kind)) {
            tracing::warn!(account, %kind, why, "rights are lost: datapilot there until they are back");
        }
    }
    for (account, kinds) in before {
        for kind in kinds.keys().filter(|kind| !is_known(now, account, **kind)) {
            tracing::info!(account, %kind, "rights are back: the configured mode holds again");
        }
    }
}
