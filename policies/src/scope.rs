//! What a rule matches, and to which group a resource belongs.
//!
//! Not here: which of several matching rules wins (`mode`, `window`).

use std::collections::BTreeMap;

use trimtab_models::{
    recommendation::Action,
    resource::{Arn, Kind, Resource, ResourceRef},
};

use crate::{mode::Matcher, settings::Limits};

/// What a matcher is held against.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The resource.
    pub reference: &'a ResourceRef,
    /// Its group, from [`group_of`].
    pub group: &'a str,
    /// The action.
    pub action: Action,
}

/// How many keys a matcher has; each tag counts as one.
#[must_use]
pub fn key_count(matcher: &Matcher) -> usize {
    [
        matcher.account.is_some(),
        matcher.region.is_some(),
        matcher.kind.is_some(),
        matcher.arn.is_some(),
        matcher.group.is_some(),
        matcher.action.is_some(),
    ]
    .into_iter()
    .filter(|given| *given)
    .count()
        + matcher.tags.len()
}

/// Whether every key of the matcher matches. A matcher without keys matches nothing: there is no "all" by absence.
#[must_use]
pub fn matches(matcher: &Matcher, target: &Target<'_>) -> bool {
    let reference = target.reference;
    let agrees =
        |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
    key_count(matcher) > 0
        && agrees(&matcher.account, &reference.account)
        && agrees(&matcher.region, &reference.region)
        && agrees(&matcher.arn, &reference.arn.0)
        && agrees(&matcher.group, target.group)
        && matcher.kind.is_none_or(|kind| kind == reference.kind)
        && matcher.action.is_none_or(|action| action == target.action)
        && matcher.tags.iter().all(|(key, value)| reference.tags.get(key) == Some(value))
}

/// The keys of a matcher in words, such as `account = 123456789012, tag team = web`.
#[must_use]
pub fn describe(matcher: &Matcher) -> String {
    let fixed = [
        ("account", matcher.account.clone()),
        ("region", matcher.region.clone()),
        ("kind", matcher.kind.map(|kind| kind.to_string())),
        ("arn", matcher.arn.clone()),
        ("group", matcher.group.clone()),
        ("action", matcher.action.map(|action| action.to_string())),
    ];
    let keys =
        fixed.into_iter().filter_map(|(key, value)| value.map(|value| format!("{key} = {value}")));
    let tags = matcher.tags.iter().map(|(key, value)| format!("tag {key} = {value}"));
    keys.chain(tags).collect::<Vec<_>>().join(", ")
}

/// The group of a resource: the Auto Scaling group, else the value of the group tag, else the resource itself (its ARN).
///
/// A volume is in the Auto Scaling group of the instance that it is attached to.
#[must_use]
pub fn group_of(
    resource: &Resource,
    inventory: &BTreeMap<Arn, Resource>,
    limits: &Limits,
) -> String {
    scaling_group_of(resource, inventory)
        .or_else(|| resource.tag(limits.group_tag.as_deref()?).map(str::to_owned))
        .unwrap_or_else(|| resource.reference.arn.0.clone())
}

/// The name of the Auto Scaling group that a resource is, is a member of, or is attached to a member of.
pub(crate) fn scaling_group_of(
    resource: &Resource,
    inventory: &BTreeMap<Arn, Resource>,
) -> Option<String> {
    match resource.reference.kind {
        Kind::Group => Some(resource.id.clone()),
        Kind::Instance => resource.instance()?.group.clone(),
        Kind::Volume => {
            holders(resource, inventory).find_map(|instance| instance.instance()?.group.clone())
        }
        Kind::Function => None,
    }
}

/// The instances in the inventory that a volume is attached to.
pub(crate) fn holders<'a>(
    volume: &'a Resource,
    inventory: &'a BTreeMap<Arn, Resource>,
) -> impl Iterator<Item = &'a Resource> {
    let attachments = volume.volume().map_or(&[][..], |v| &v.attachments);
    attachments
        .iter()
        .filter_map(|attachment| neighbour(volume, &attachment.instance_id, inventory))
}

/// The resource with this id in the account and region of `resource`.
///
/// EC2's ARNs differ in their last part only, so the neighbour's is tried first; the inventory is searched where that fails.
fn neighbour<'a>(
    resource: &Resource,
    id: &str,
    inventory: &'a BTreeMap<Arn, Resource>,
) -> Option<&'a Resource> {
    let place = resource.reference.arn.0.rsplit_once(':').map(|(place, _)| place);
    let direct = place.and_then(|place| inventory.get(&Arn(format!("{place}:instance/{id}"))));
    direct.or_else(|| {
        inventory.values().find(|other| {
            other.id == id
                && other.reference.account == resource.reference.account
                && other.reference.region == resource.reference.region
        })
    })
}
