//! What a session may do, by hand for each action, and that it covers every call of a change and nothing else.

use trimtab_models::recommendation::Action;

use super::*;
use crate::{
    change::{State, undo_steps},
    fixtures::{self, now},
    record::Event,
};

/// A session policy may have 2,048 characters at most (STS API reference, AssumeRole).
const POLICY_MAX: usize = 2_048;
const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn change(action: Action, keys: &[&str]) -> Change {
    let candidate = fixtures::candidate(action, &fixtures::resource_for(action, "x-1"));
    let mut change = fixtures::change(&candidate, "x-1", State::Queued, now());
    change.zone = Some("us-east-1a".to_owned());
    change.keys = keys.iter().map(|key| (*key).to_owned()).collect();
    change
}

/// Each right as `actions on resources if conditions`.
fn told(change: &Change) -> Vec<String> {
    let step = &change.steps[0].step.name;
    let tell = |right: &Right| {
        let conditions: Vec<String> =
            right.conditions.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let told = format!("{} on {}", right.actions.join(","), right.resources.join(","));
        if conditions.is_empty() { told } else { format!("{told} if {}", conditions.join(",")) }
    };
    Session::of(change, step).rights.iter().map(tell).collect()
}

#[test]
fn a_resize_may_power_and_retype_its_machine() {
    let machine = "arn:aws:ec2:us-east-1:111122223333:instance/x-1";
    let expect = [
        format!(
            "ec2:CreateTags,ec2:DeleteTags on {machine} if aws:TagKeys=trimtab:change,trimtab:was"
        ),
        format!("ec2:ModifyInstanceAttribute on {machine} if ec2:Attribute=InstanceType"),
        format!("ec2:StartInstances,ec2:StopInstances on {machine}"),
    ];
    assert_eq!(told(&change(Action::ResizeInstance, &[])), expect);
}

#[test]
fn the_keys_of_its_volumes_are_the_only_keys() {
    let told = told(&change(Action::StopIdleInstance, &[KEY]));
    let via = "kms:ViaService=ec2.us-east-1.amazonaws.com";
    let expect = [
        format!("kms:CreateGrant on {KEY} if kms:GrantIsForAWSResource=true,{via}"),
        format!("kms:DescribeKey on {KEY} if {via}"),
    ];
    assert_eq!(told[1..], expect, "{told:#?}");
}

#[test]
fn a_restored_volume_also_gets_a_data_key_of_its_own() {
    let told = told(&change(Action::DeleteUnattachedVolume, &[KEY]));
    let uses = "kms:Decrypt,kms:DescribeKey,kms:GenerateDataKeyWithoutPlaintext,kms:ReEncryptFrom,kms:ReEncryptTo";
    let expect = format!("{uses} on {KEY} if kms:ViaService=ec2.us-east-1.amazonaws.com");
    assert_eq!(told.last(), Some(&expect), "{told:#?}");
}

#[test]
fn a_deletion_may_snapshot_delete_and_restore() {
    let volume = "arn:aws:ec2:us-east-1:111122223333:volume";
    let snapshots = "arn:aws:ec2:us-east-1::snapshot/*";
    let expect = [
        format!("ec2:CreateSnapshot on {snapshots},{volume}/x-1"),
        format!("ec2:CreateTags on {volume}/* if ec2:CreateAction=CreateVolume"),
        format!("ec2:CreateTags on {snapshots} if ec2:CreateAction=CreateSnapshot"),
        format!("ec2:CreateVolume on {snapshots},{volume}/*"),
        format!("ec2:DeleteVolume on {volume}/x-1"),
    ];
    assert_eq!(told(&change(Action::DeleteUnattachedVolume, &[])), expect);
}

#[test]
fn functions_and_groups_are_named_by_their_own_arn() {
    let function = "arn:aws:lambda:us-east-1:111122223333:function:x-1";
    assert_eq!(
        told(&change(Action::TuneFunctionMemory, &[])),
        [format!("lambda:UpdateFunctionConfiguration on {function}")]
    );
    let group =
        "arn:aws:autoscaling:us-east-1:111122223333:autoScalingGroup:1:autoScalingGroupName/x-1";
    assert_eq!(
        told(&change(Action::TuneGroupCapacity, &[])),
        [format!("autoscaling:UpdateAutoScalingGroup on {group}")]
    );
}

/// The undo asks for no right that the way there does not have: one session serves both.
#[test]
fn the_undo_is_covered_and_the_policy_fits() {
    for action in Action::ALL {
        let mut change = change(action, &[KEY, KEY, KEY]);
        let forward = Session::of(&change, &change.steps[0].step.name);
        for progress in change.steps.clone() {
            // The number of a launch template's version, where the step makes one.
            let created_id = Some("4".to_owned());
            change.apply(now(), &Event::Done { step: progress.step.name, created_id });
        }
        let (reason, steps) = ("asked for".to_owned(), undo_steps(&change));
        change.apply(now(), &Event::UndoBegun { reason, steps });
        let back = Session::of(&change, &change.undo_steps[0].step.name);
        assert_eq!(back.rights, forward.rights, "{action}");
        assert!(forward.policy().len() <= POLICY_MAX, "{action}: {}", forward.policy());
        assert_eq!(forward.name, change.id);
    }
}

/// What a step in trouble takes back at once goes on in the session of the way there: it may be the start of a machine. What
/// is taken back later has one of its own.
#[test]
fn a_later_undo_takes_a_new_session_and_one_at_once_does_not() {
    let change = change(Action::ResizeInstance, &[]);
    let forward = Session::of(&change, &change.steps[0].step.name);
    for applied in [false, true] {
        let mut change = change.clone();
        let last = if applied { change.steps.len() } else { 2 };
        for progress in change.steps.clone().into_iter().take(last) {
            change.apply(now(), &Event::Done { step: progress.step.name, created_id: None });
        }
        if applied {
            change.apply(now(), &Event::Applied);
        }
        let (reason, steps) = ("asked for".to_owned(), undo_steps(&change));
        change.apply(now(), &Event::UndoBegun { reason, steps });
        let back = Session::of(&change, &change.undo_steps[0].step.name);
        assert_eq!(back.is_served_by(&forward), !applied, "applied: {applied}");
        let last = change.undo_steps.last().expect("there is a way back");
        assert!(
            Session::of(&change, &last.step.name).is_served_by(&back),
            "one for the whole undo"
        );
        assert_eq!(back.name, change.id, "CloudTrail tells which change it was");
    }
}

/// A stop, a type and a start take 600, 300 and 600 s at most; what comes after them keeps no machine off.
#[test]
fn a_session_outlasts_the_time_in_which_the_machine_is_off() {
    let resize = change(Action::ResizeInstance, &[]);
    let table = [("stop", 1_500), ("set-type", 120), ("start", 120)];
    for (step, outlives_s) in table {
        assert_eq!(Session::of(&resize, step).outlives_s, outlives_s, "{step}");
    }
    let tune = change(Action::TuneVolume, &[]);
    assert_eq!(Session::of(&tune, "modify-volume").outlives_s, 120);
}

#[test]
fn a_policy_is_what_iam_reads() {
    let change = change(Action::TuneFunctionMemory, &[]);
    let expect = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["lambda:UpdateFunctionConfiguration"],
            "Resource": ["arn:aws:lambda:us-east-1:111122223333:function:x-1"],
        }],
    });
    let policy: Value =
        serde_json::from_str(&Session::of(&change, "set-memory").policy()).expect("JSON");
    assert_eq!(policy, expect);
    let resize = self::change(Action::ResizeInstance, &[]);
    let policy: Value = serde_json::from_str(&Session::of(&resize, "mark").policy()).expect("JSON");
    let only_marks = serde_json::json!({
        "ForAllValues:StringEquals": { "aws:TagKeys": ["trimtab:change", "trimtab:was"] },
        "Null": { "aws:TagKeys": "false" },
    });
    assert_eq!(policy["Statement"][0]["Condition"], only_marks);
}
