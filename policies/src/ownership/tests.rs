//! Who counts as an owner, who can delegate, and what the owner is told to change.

use trimtab_models::recommendation::Action;

use super::*;
use crate::fixtures::{World, attach, candidate, group, instance, instance_mut, volume};

fn tagged(tags: &[(&str, &str)]) -> Resource {
    let mut machine = instance("i-1");
    machine.reference.tags =
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    machine
}

fn rule(key: &str, value: Option<&str>, owner: &str, delegated: bool) -> OwnershipRule {
    OwnershipRule {
        tag_key: key.to_owned(),
        tag_value: value.map(str::to_owned),
        owner: owner.to_owned(),
        delegated,
    }
}

/// Owners by kind, with a `+` where they delegated.
fn check(resource: &Resource, rules: &[OwnershipRule], expect: &[&str]) {
    let found: Vec<String> = owners(resource, &BTreeMap::new(), rules)
        .iter()
        .map(|owner| format!("{}{}", owner.kind, if owner.delegated { "+" } else { "" }))
        .collect();
    assert_eq!(found, expect, "{:?}", resource.reference.tags);
}

#[test]
fn tags_of_services_name_their_owner() {
    for (key, owner) in [
        ("aws:cloudformation:stack-name", "cloudformation"),
        ("aws:cloudformation:logical-id", "cloudformation"),
        ("aws:autoscaling:groupName", "auto-scaling"),
        ("kubernetes.io/cluster/prod", "kubernetes"),
        ("eks:cluster-name", "kubernetes"),
        ("karpenter.sh/nodepool", "karpenter"),
        ("ebs.csi.aws.com/cluster", "kubernetes"),
        ("CSIVolumeName", "kubernetes"),
        ("aws:backup:source-resource", "aws-backup"),
        ("aws:elasticmapreduce:job-flow-id", "emr"),
    ] {
        check(&tagged(&[(key, "x")]), &[], &[owner]);
    }
    check(&tagged(&[("team", "web"), ("CSIVolumeNameX", "x")]), &[], &[]);
}

#[test]
fn the_state_of_an_instance_names_owners_that_cannot_delegate() {
    let mut machine = instance("i-1");
    instance_mut(&mut machine).lifecycle = Some("spot".to_owned());
    check(&machine, &[], &["spot"]);
    instance_mut(&mut machine).operator_managed = true;
    check(&machine, &[], &["aws", "spot"]);
    instance_mut(&mut machine).group = Some("asg".to_owned());
    check(&machine, &[], &["auto-scaling", "aws", "spot"]);
    let member = tagged(&[("aws:autoscaling:groupName", "asg")]);
    let rules = [rule("aws:autoscaling:groupName", None, "auto-scaling", true)];
    check(&member, &rules, &["auto-scaling"]);
}

#[test]
fn a_configured_tag_names_an_owner_who_may_delegate() {
    let machine = tagged(&[("managed-by", "terraform")]);
    check(&machine, &[rule("managed-by", None, "terraform", false)], &["terraform"]);
    check(&machine, &[rule("managed-by", Some("terraform"), "terraform", true)], &["terraform+"]);
    check(&machine, &[rule("managed-by", Some("pulumi"), "pulumi", false)], &[]);
    let both = [
        rule("managed-by", None, "terraform", false),
        rule("managed-by", Some("terraform"), "terraform", true),
    ];
    check(&machine, &both, &["terraform+"]);
}

#[test]
fn a_stack_delegates_by_its_own_tag_only() {
    let machine = tagged(&[("aws:cloudformation:stack-name", "web"), ("free", "yes")]);
    let own = rule("aws:cloudformation:stack-name", Some("web"), "cloudformation", true);
    check(&machine, &[own], &["cloudformation+"]);
    let other = rule("aws:cloudformation:stack-name", Some("db"), "cloudformation", true);
    check(&machine, &[other], &["cloudformation"]);
    let foreign = rule("free", Some("yes"), "cloudformation", true);
    check(&machine, &[foreign], &["cloudformation+", "cloudformation"]);
}

#[test]
fn a_volume_has_the_owners_of_its_instance() {
    let machine = tagged(&[("aws:cloudformation:stack-name", "web")]);
    let mut disk = volume("vol-1");
    attach(&mut disk, "i-1");
    let world = World::new([machine, disk.clone()]);
    let found = owners(&disk, &world.inventory, &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, "cloudformation");
    assert!(found[0].via.contains("of instance i-1"), "{}", found[0].via);
}

#[test]
fn the_patch_names_each_property_with_both_values() {
    let lines = |action: Action, resource: &Resource, owner: &str| -> Vec<String> {
        patch(&candidate(action, resource).recommendation, owner)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let machine = instance("i-1");
    let resize = Action::ResizeInstance;
    assert_eq!(lines(resize, &machine, "cloudformation"), ["InstanceType: m5.xlarge -> m5.large"]);
    assert_eq!(lines(resize, &machine, "terraform"), ["instance_type: m5.xlarge -> m5.large"]);
    let expect = ["VolumeType: gp2 -> gp3", "Iops: 1500 -> 3000", "Throughput: none -> 125"];
    assert_eq!(lines(Action::MigrateVolumeType, &volume("vol-1"), "cloudformation"), expect);
    let expect = ["min_size: 4 -> 2", "max_size: 8 -> 4", "desired_capacity: 4 -> 2"];
    assert_eq!(lines(Action::TuneGroupCapacity, &group("asg"), "terraform"), expect);
    assert!(lines(Action::DeleteUnattachedVolume, &volume("vol-1"), "terraform").is_empty());
}
