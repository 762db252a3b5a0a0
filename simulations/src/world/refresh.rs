//! Launch templates and instance refreshes: versions, checkpoints, baking and rolling back.
//!
//! Sources: EC2 and Auto Scaling API references (a version is found by its description; one refresh at a time; the group
//! takes the version on when the refresh ends). Members keep their ids here: nothing hangs on them. Not here: bounds and
//! schedules (`group`).

use trimtab_models::resource::{InstanceState, LaunchTemplate, Refresh};
use trimtab_policies::{
    operations::{Failure, FailureKind, Receipt},
    steps::Rollout,
};

use super::{
    Body, GroupBody, World,
    perform::{failure, not_of_kind},
};
use crate::timeline::Timeline;

/// A refresh looks for members to replace this long after its start, seconds.
const PENDING_S: i64 = 60;
/// Launching, warming up and terminating one wave, seconds.
const WAVE_S: i64 = 300;
/// Rolling back what was replaced, seconds.
const ROLLBACK_S: i64 = 300;

/// A version of a launch template.
#[derive(Debug, Clone)]
pub(crate) struct TemplateVersion {
    pub(crate) number: u64,
    pub(crate) instance_type: String,
    pub(crate) mark: String,
}

/// A refresh with its planned future.
#[derive(Debug, Clone)]
pub(crate) struct RefreshBody {
    pub(crate) id: String,
    pub(crate) version: u64,
    from_version: u64,
    started_s: i64,
    status: Timeline<&'static str>,
}

/// The launch template of a group, its versions and its refreshes.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) versions: Vec<TemplateVersion>,
    /// The version that the group names.
    pub(crate) number: Timeline<u64>,
    /// The type of the members; while a refresh runs, that of the last wave.
    pub(crate) types: Timeline<String>,
    pub(crate) refreshes: Vec<RefreshBody>,
}

impl Template {
    pub(crate) fn new(id: String, instance_type: &str) -> Self {
        let instance_type = instance_type.to_owned();
        let first = TemplateVersion {
            number: 1,
            instance_type: instance_type.clone(),
            mark: String::new(),
        };
        Self {
            id,
            versions: vec![first],
            number: Timeline::new(1),
            types: Timeline::new(instance_type),
            refreshes: Vec::new(),
        }
    }

    fn type_of(&self, number: u64) -> Option<&str> {
        let version = self.versions.iter().find(|version| version.number == number)?;
        Some(&version.instance_type)
    }

    /// As a describe shows it.
    pub(crate) fn seen_at(&self, second: i64) -> LaunchTemplate {
        let number = *self.number.at(second);
        LaunchTemplate {
            id: self.id.clone(),
            version: number.to_string(),
            number: Some(number),
            instance_type: self.type_of(number).map(str::to_owned),
        }
    }

    /// The newest refresh as a describe shows it.
    pub(crate) fn newest_refresh(&self, second: i64) -> Option<Refresh> {
        let newest = self.refreshes.iter().rfind(|refresh| refresh.started_s <= second)?;
        Some(Refresh {
            id: newest.id.clone(),
            status: (*newest.status.at(second)).to_owned(),
            started_at: jiff::Timestamp::from_second(newest.started_s).ok(),
            template_id: Some(self.id.clone()),
            version: Some(newest.version.to_string()),
            reason: None,
        })
    }

    /// Somebody brings another type in by a version and a refresh of their own, which ends at once.
    pub(crate) fn force(&mut self, second: i64, instance_type: &str) {
        let number = self.versions.iter().map(|one| one.number).max().unwrap_or(0) + 1;
        let from_version = *self.number.at(second);
        let instance_type = instance_type.to_owned();
        self.number.set(second, number);
        self.types.set(second, instance_type.clone());
        if let Some(last) = self.refreshes.last_mut() {
            last.status.set(second, "Cancelled");
        }
        let status = Timeline::new("Successful");
        let id = format!("refresh-of-others-{number}");
        self.refreshes.push(RefreshBody {
            id,
            version: number,
            from_version,
            started_s: second,
            status,
        });
        self.versions.push(TemplateVersion { number, instance_type, mark: String::new() });
    }

    fn open_refresh(&self, second: i64) -> bool {
        self.newest_refresh(second).is_some_and(|newest| !newest.has_ended())
    }
}

impl GroupBody {
    /// The type of most members at `second`.
    pub(crate) fn type_at(&self, second: i64) -> &str {
        self.template.types.at(second)
    }
}

impl World {
    fn template_mut(&mut self, id: &str, call: &str) -> Result<&mut Template, Failure> {
        let mut templates =
            self.entities.values_mut().filter_map(|entity| match &mut entity.body {
                Body::Group(body) => Some(&mut body.template),
                Body::Instance(_) | Body::Volume(_) | Body::Function(_) => None,
            });
        templates.find(|template| template.id == id).ok_or_else(|| {
            failure(FailureKind::NotFound, call, id, "InvalidLaunchTemplateId.NotFound")
        })
    }

    pub(crate) fn create_version(
        &mut self,
        id: &str,
        call: &str,
        (source, instance_type, mark): (u64, &str, &str),
    ) -> Result<Receipt, Failure> {
        if self.catalog.instance_type(instance_type).is_none() {
            let message = "InvalidParameterValue: there is no such instance type";
            return Err(failure(FailureKind::Rejected, call, id, message));
        }
        let template = self.template_mut(id, call)?;
        if template.type_of(source).is_none() {
            let message = "InvalidLaunchTemplateId.VersionNotFound";
            return Err(failure(FailureKind::Rejected, call, id, message));
        }
        // The client token makes a second call for the same change the first one.
        let number = match template.versions.iter().find(|version| version.mark == mark) {
            Some(version) => version.number,
            None => {
                let number = template.versions.iter().map(|one| one.number).max().unwrap_or(0) + 1;
                let (instance_type, mark) = (instance_type.to_owned(), mark.to_owned());
                template.versions.push(TemplateVersion { number, instance_type, mark });
                number
            }
        };
        Ok(Receipt { created_id: Some(number.to_string()) })
    }

    /// The version of a launch template that carries `mark`.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn marked_version(
        &mut self,
        template_id: &str,
        mark: &str,
    ) -> Result<Option<(String, String)>, Failure> {
        let call = "ec2:DescribeLaunchTemplateVersions";
        self.refuse(call, template_id, false)?;
        let template = self.template_mut(template_id, call)?;
        let found = template.versions.iter().find(|version| version.mark == mark);
        Ok(found.map(|version| (version.number.to_string(), "available".to_owned())))
    }

    pub(crate) fn start_refresh(
        &mut self,
        id: &str,
        call: &str,
        (version, rollout, auto_rollback): (u64, &Rollout, bool),
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let no_capacity = self.faults.no_capacity.clone();
        let refresh_id = format!("refresh-{}", self.calls);
        let Body::Group(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let template = &mut body.template;
        if template.open_refresh(now_s) {
            let message = "InstanceRefreshInProgress: another refresh runs";
            return Err(failure(FailureKind::Conflict, call, id, message));
        }
        let Some(name) = template.type_of(version).map(str::to_owned) else {
            let message = "ValidationError: there is no such version";
            return Err(failure(FailureKind::Rejected, call, id, message));
        };
        let from_version = *template.number.at(now_s);
        let mut status = Timeline::new("Pending");
        status.set(now_s, "Pending");
        status.then(now_s + PENDING_S, "InProgress");
        let lacks = no_capacity.get(&name).is_some_and(|until| now_s < until.as_second());
        if lacks {
            // An hour without progress fails a refresh.
            let failed_s = now_s + 3_600;
            if auto_rollback {
                status.then(failed_s, "RollbackInProgress");
                status.then(failed_s + ROLLBACK_S, "RollbackSuccessful");
            } else {
                status.then(failed_s, "Failed");
            }
        } else {
            let waves = i64::try_from(rollout.checkpoints_percent.len().max(1)).unwrap_or(1);
            let baked_s = now_s
                + PENDING_S
                + WAVE_S * waves
                + i64::from(rollout.checkpoint_delay_s) * (waves - 1);
            let ended_s = baked_s + i64::from(rollout.bake_s);
            status.then(baked_s, "Baking");
            status.then(ended_s, "Successful");
            template.number.then(ended_s, version);
            template.types.then(baked_s, name.clone());
        }
        let refresh =
            RefreshBody { id: refresh_id.clone(), version, from_version, started_s: now_s, status };
        template.refreshes.push(refresh);
        self.retype_members(id, now_s);
        Ok(Receipt { created_id: Some(refresh_id) })
    }

    pub(crate) fn roll_back(
        &mut self,
        id: &str,
        call: &str,
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let Body::Group(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let template = &mut body.template;
        let open = template.open_refresh(now_s);
        let refresh = template.refreshes.last_mut().filter(|_| open);
        let Some(refresh) = refresh else {
            let message = "ActiveInstanceRefreshNotFound: no refresh runs";
            return Err(failure(FailureKind::Conflict, call, id, message));
        };
        if *refresh.status.at(now_s) == "RollbackInProgress" {
            return Ok(Receipt::default());
        }
        refresh.status.set(now_s, "RollbackInProgress");
        refresh.status.then(now_s + ROLLBACK_S, "RollbackSuccessful");
        let from = refresh.from_version;
        let name = template.type_of(from).unwrap_or_default().to_owned();
        template.number.set(now_s, from);
        template.types.set(now_s, name);
        self.retype_members(id, now_s);
        Ok(Receipt::default())
    }

    /// Lets the members that are resources of their own follow the group's type.
    fn retype_members(&mut self, id: &str, now_s: i64) {
        let Some(entity) = self.entities.get(id) else { return };
        let Body::Group(body) = &entity.body else { return };
        let types = body.template.types.clone();
        let is_member = |instance: &trimtab_models::resource::Instance| {
            instance.group.as_deref() == Some(id) && instance.state == InstanceState::Running
        };
        for member in self.entities.values_mut() {
            let belongs = member.resource.instance().is_some_and(is_member);
            if let (true, Body::Instance(member)) = (belongs, &mut member.body) {
                let until_s = types.settled_at().map_or(now_s, |settled| settled.max(now_s));
                member.types.set(now_s, types.at(now_s).clone());
                member.types.then(until_s, types.at(until_s).clone());
            }
        }
    }
}
