//! Who else manages a resource, and the patch that its owner would apply instead of us.
//!
//! Not here: what follows from an owner (`check`).

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    recommendation::Recommendation,
    resource::{Arn, Resource},
    spec::{PowerState, ScheduledMin, Spec},
};

use crate::{mode::SCALING_GROUP_TAG, scope::holders, settings::OwnershipRule};

/// A family of tags that its owner sets itself.
struct TagFamily {
    /// A key, or with `exact` unset how keys begin.
    key: &'static str,
    exact: bool,
    owner: &'static str,
    /// Whether the settings may delegate it; a group would replace a member that we stop.
    delegable: bool,
}

const fn family(key: &'static str, exact: bool, owner: &'static str, delegable: bool) -> TagFamily {
    TagFamily { key, exact, owner, delegable }
}

/// Tags that AWS services, Kubernetes and its storage drivers set on what they manage.
const FAMILIES: [TagFamily; 9] = [
    family("aws:cloudformation:", false, "cloudformation", true),
    family(SCALING_GROUP_TAG, true, "auto-scaling", false),
    family("kubernetes.io/", false, "kubernetes", true),
    family("eks:", false, "kubernetes", true),
    family("karpenter.sh/", false, "karpenter", true),
    family("ebs.csi.aws.com/", false, "kubernetes", true),
    family("CSIVolumeName", true, "kubernetes", true),
    family("aws:backup:", false, "aws-backup", true),
    family("aws:elasticmapreduce:", false, "emr", true),
];

/// Somebody who manages a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Owner {
    /// `cloudformation`, `terraform`, `kubernetes`, …
    pub kind: String,
    /// The owner in words, with the stack or group where known.
    pub name: String,
    /// What shows it.
    pub via: String,
    /// Whether the settings say that Trimtab may change it all the same.
    pub delegated: bool,
}

/// One property of an owner's own description of the resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchLine {
    /// The property, in the owner's spelling.
    pub property: String,
    /// The value it has.
    pub old: String,
    /// The value to set.
    pub new: String,
}

impl fmt::Display for PatchLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.property, self.old, self.new)
    }
}

/// Everybody who manages a resource; a volume also has the owners of the instances that it is attached to.
#[must_use]
pub fn owners(
    resource: &Resource,
    inventory: &BTreeMap<Arn, Resource>,
    rules: &[OwnershipRule],
) -> Vec<Owner> {
    let mut owners = own_owners(resource, rules);
    for holder in holders(resource, inventory) {
        let inherited = own_owners(holder, rules).into_iter().map(|owner| Owner {
            via: format!("{} of instance {}", owner.via, holder.id),
            ..owner
        });
        owners.extend(inherited);
    }
    owners.sort();
    owners.dedup_by(|one, other| one.kind == other.kind && one.delegated == other.delegated);
    owners
}

fn own_owners(resource: &Resource, rules: &[OwnershipRule]) -> Vec<Owner> {
    let mut owners = owners_of_state(resource);
    for (key, value) in &resource.reference.tags {
        let matching = matching_rules(rules, key, value);
        let family = FAMILIES
            .iter()
            .find(|family| key == family.key || (!family.exact && key.starts_with(family.key)));
        owners.extend(family.map(|family| owner_of_family(family, resource, key, &matching)));
        if family.is_none() {
            owners.extend(matching.iter().map(|rule| Owner {
                kind: rule.owner.clone(),
                name: rule.owner.clone(),
                via: format!("tag {key} = {value}"),
                delegated: rule.delegated,
            }));
        }
    }
    owners
}

/// The rules for a tag; one that names the value counts instead of those that name the key alone.
fn matching_rules<'r>(
    rules: &'r [OwnershipRule],
    key: &str,
    value: &str,
) -> Vec<&'r OwnershipRule> {
    let of_key = || rules.iter().filter(|rule| rule.tag_key == key);
    let exact: Vec<_> = of_key().filter(|rule| rule.tag_value.as_deref() == Some(value)).collect();
    if exact.is_empty() {
        of_key().filter(|rule| rule.tag_value.is_none()).collect()
    } else {
        exact
    }
}

/// An owner that its own tag shows is delegated by a rule for that very tag only: another tag could be set by anybody.
fn owner_of_family(
    family: &TagFamily,
    resource: &Resource,
    key: &str,
    matching: &[&OwnershipRule],
) -> Owner {
    let stack =
        resource.tag("aws:cloudformation:stack-name").filter(|_| family.owner == "cloudformation");
    let group = resource.tag(SCALING_GROUP_TAG).filter(|_| key == SCALING_GROUP_TAG);
    let name = match (stack, group) {
        (Some(stack), _) => format!("cloudformation stack `{stack}`"),
        (None, Some(group)) => format!("auto-scaling group `{group}`"),
        (None, None) => family.owner.to_owned(),
    };
    Owner {
        kind: family.owner.to_owned(),
        name,
        via: format!("tag {key}"),
        delegated: family.delegable
            && !matching.is_empty()
            && matching.iter().all(|rule| rule.delegated),
    }
}

/// Owners that the resource's own state shows; none of them can be delegated.
fn owners_of_state(resource: &Resource) -> Vec<Owner> {
    let Some(instance) = resource.instance() else {
        return Vec::new();
    };
    let owner = |kind: &str, name: String, via: &str| Owner {
        kind: kind.to_owned(),
        name,
        via: via.to_owned(),
        delegated: false,
    };
    let group = instance.group.as_ref().map(|group| {
        let name = format!("auto-scaling group `{group}`");
        owner("auto-scaling", name, "its membership")
    });
    let spot = (instance.lifecycle.as_deref() == Some("spot"))
        .then(|| owner("spot", "the spot market".to_owned(), "its life cycle"));
    let operator = instance
        .operator_managed
        .then(|| owner("aws", "another AWS service".to_owned(), "Operator.Managed"));
    [group, spot, operator].into_iter().flatten().collect()
}

/// What the owner would change instead: each property with its old and new value, in CloudFormation's or Terraform's spelling.
#[must_use]
pub fn patch(recommendation: &Recommendation, owner_kind: &str) -> Vec<PatchLine> {
    let cloudformation = owner_kind == "cloudformation";
    if let Spec::Schedule { scheduled } = &recommendation.desired {
        return scheduled.iter().map(|one| patch_of_schedule(one, cloudformation)).collect();
    }
    let old = properties(&recommendation.expected);
    let new = properties(&recommendation.desired);
    old.into_iter()
        .zip(new)
        .filter(|((_, old), (_, new))| old != new)
        .map(|(([theirs, terraform], old), (_, new))| PatchLine {
            property: (if cloudformation { theirs } else { terraform }).to_owned(),
            old,
            new,
        })
        .collect()
}

/// A scheduled action is a resource of its own, in CloudFormation and in Terraform.
fn patch_of_schedule(one: &ScheduledMin, cloudformation: bool) -> PatchLine {
    let (resource, recurrence, min) = if cloudformation {
        ("AWS::AutoScaling::ScheduledAction", "Recurrence", "MinSize")
    } else {
        ("aws_autoscaling_schedule", "recurrence", "min_size")
    };
    PatchLine {
        property: format!("{resource} {}", one.name),
        old: "none".to_owned(),
        new: format!("{recurrence} \"{}\" (UTC), {min} {}", one.recurrence, one.min_size),
    }
}

/// The properties of a spec, by CloudFormation's and Terraform's names.
fn properties(spec: &Spec) -> Vec<([&'static str; 2], String)> {
    let number = |value: &Option<u32>| value.map_or_else(|| "none".to_owned(), |v| v.to_string());
    match spec {
        Spec::Instance { instance_type, state } => {
            let state = match state {
                PowerState::Running => "running",
                PowerState::Stopped => "stopped",
            };
            vec![
                (["InstanceType", "instance_type"], instance_type.clone()),
                (["State", "state"], state.to_owned()),
            ]
        }
        Spec::Volume(volume) => vec![
            (["VolumeType", "type"], volume.volume_type.clone()),
            (["Iops", "iops"], number(&volume.iops)),
            (["Throughput", "throughput"], number(&volume.throughput_mibps)),
        ],
        Spec::Function { memory_mb } => {
            vec![(["MemorySize", "memory_size"], memory_mb.to_string())]
        }
        Spec::Group { min_size, max_size, desired_capacity } => vec![
            (["MinSize", "min_size"], min_size.to_string()),
            (["MaxSize", "max_size"], max_size.to_string()),
            (["DesiredCapacity", "desired_capacity"], desired_capacity.to_string()),
        ],
        Spec::Members { member_type } => vec![(
            ["LaunchTemplateData.InstanceType", "aws_launch_template instance_type"],
            member_type.clone(),
        )],
        Spec::Gone { .. } | Spec::Schedule { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
