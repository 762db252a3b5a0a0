//! Writes on instances: power, type and marks, under EC2's rules.
//!
//! Source: EC2 user guide (stop before a change of type; a tag is deleted only with the value given). Not here: every other kind
//! (`perform`).

use std::collections::BTreeMap;

use trimtab_models::{catalog::ApiWord, resource::InstanceState};
use trimtab_policies::{
    mark::Mark,
    operations::{Failure, FailureKind, Receipt},
};

use super::{
    Body, World,
    perform::{failure, not_of_kind},
};

impl World {
    pub(super) fn stop(
        &mut self,
        id: &str,
        call: &str,
        now_s: i64,
        draw: f64,
    ) -> Result<Receipt, Failure> {
        let instance = self.entity(id, call)?.resource.instance();
        if instance.is_some_and(|instance| instance.lifecycle.as_deref() == Some("spot")) {
            let message = "UnsupportedOperation: a one-time Spot instance cannot be stopped";
            return Err(failure(FailureKind::Rejected, call, id, message));
        }
        let Body::Instance(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        match body.states.at(now_s) {
            InstanceState::Running => {
                body.states.set(now_s, InstanceState::Stopping);
                body.states.then(now_s + 30 + (90.0 * draw) as i64, InstanceState::Stopped);
                body.reasons.set(now_s, Some("Client.UserInitiatedShutdown".to_owned()));
                Ok(Receipt::default())
            }
            InstanceState::Stopping | InstanceState::Stopped => Ok(Receipt::default()),
            InstanceState::Pending | InstanceState::ShuttingDown | InstanceState::Terminated => {
                Err(failure(
                    FailureKind::Conflict,
                    call,
                    id,
                    "IncorrectInstanceState: it cannot be stopped now",
                ))
            }
        }
    }

    pub(super) fn start(
        &mut self,
        id: &str,
        call: &str,
        now_s: i64,
        draw: f64,
    ) -> Result<Receipt, Failure> {
        let no_capacity = self.faults.no_capacity.clone();
        let over_quota = match &self.entity(id, call)?.body {
            Body::Instance(body) => self.reason_over_quota(id, body.types.at(now_s), now_s),
            Body::Volume(_) | Body::Function(_) | Body::Group(_) => None,
        };
        let falls_back =
            self.faults.falls_back.get(id).is_some_and(|until| now_s < until.as_second());
        let settles = if falls_back { InstanceState::Stopped } else { InstanceState::Running };
        let Body::Instance(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        match body.states.at(now_s) {
            InstanceState::Running | InstanceState::Pending => Ok(Receipt::default()),
            InstanceState::Stopped => {
                let name = body.types.at(now_s).clone();
                if no_capacity.get(&name).is_some_and(|until| now_s < until.as_second()) {
                    let message =
                        format!("InsufficientInstanceCapacity: no capacity for {name} now");
                    return Err(failure(FailureKind::Capacity, call, id, &message));
                }
                if let Some(message) = over_quota {
                    let limit = FailureKind::Limit { until: None };
                    return Err(failure(limit, call, id, &message));
                }
                body.states.set(now_s, InstanceState::Pending);
                let settled_s = now_s + 20 + (40.0 * draw) as i64;
                body.states.then(settled_s, settles);
                body.reasons.set(now_s, None);
                if settles == InstanceState::Stopped {
                    // EC2's words where the key of a volume cannot be used.
                    let reason = "Client.InternalError".to_owned();
                    body.reasons.then(settled_s, Some(reason));
                }
                Ok(Receipt::default())
            }
            InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated => {
                Err(failure(
                    FailureKind::Conflict,
                    call,
                    id,
                    "IncorrectInstanceState: it cannot be started now",
                ))
            }
        }
    }

    pub(super) fn set_type(
        &mut self,
        id: &str,
        call: &str,
        name: &str,
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let rejected = |message: &str| Err(failure(FailureKind::Rejected, call, id, message));
        let Some(row) = self.catalog.instance_type(name) else {
            return rejected(&format!("InvalidInstanceAttributeValue: {name} is no instance type"));
        };
        let architectures = row.architectures.clone();
        if let Some(instance) = self.entity(id, call)?.resource.instance()
            && !architectures.iter().any(|one| one.as_str() == instance.architecture)
        {
            return rejected(&format!(
                "InvalidInstanceAttributeValue: {name} does not run {} images",
                instance.architecture
            ));
        }
        let Body::Instance(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        if *body.states.at(now_s) != InstanceState::Stopped {
            return Err(failure(
                FailureKind::Conflict,
                call,
                id,
                "IncorrectInstanceState: it is not stopped",
            ));
        }
        body.types.set(now_s, name.to_owned());
        Ok(Receipt::default())
    }

    pub(super) fn tag(
        &mut self,
        id: &str,
        call: &str,
        mark: &Mark,
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let tags = mark.tags().map(|(key, value)| (key.to_owned(), value));
        self.set_tags(id, call, now_s, |all| all.extend(tags))
    }

    pub(super) fn untag(
        &mut self,
        id: &str,
        call: &str,
        mark: &Mark,
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let tags = mark.tags();
        let is_meant = |key: &String, value: &String| {
            tags.iter().any(|(name, given)| name == key && given == value)
        };
        self.set_tags(id, call, now_s, |all| all.retain(|key, value| !is_meant(key, value)))
    }

    fn set_tags(
        &mut self,
        id: &str,
        call: &str,
        now_s: i64,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<Receipt, Failure> {
        let Body::Instance(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let mut tags = body.marks.at(now_s).clone();
        change(&mut tags);
        body.marks.set(now_s, tags);
        Ok(Receipt::default())
    }
}
