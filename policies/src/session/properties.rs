//! What a session allows, judged by an evaluator of policies of its own: every call of the change's steps and of their undo
//! on its own resources, and no other write of the table.
//!
//! Not here: the statements themselves, by hand (`tests`).

use std::collections::BTreeSet;

use trimtab_models::recommendation::Action;

use super::*;
use crate::{
    calls::{Access, Caller, TABLE},
    change::{State, undo_steps},
    fixtures::{self, now},
    record::Event,
};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// What a request says beside its action and resource: condition keys with their values.
type Request = BTreeMap<String, Vec<String>>;

/// Whether one resource matches a pattern with `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))
        }),
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// As IAM evaluates conditions (IAM User Guide, "IAM JSON policy elements: Condition operators").
fn holds(operator: &str, wanted: &[String], found: Option<&Vec<String>>) -> bool {
    match operator {
        "StringEquals" => found.is_some_and(|found| found.iter().any(|one| wanted.contains(one))),
        "ForAllValues:StringEquals" => {
            found.is_none_or(|found| found.iter().all(|one| wanted.contains(one)))
        }
        "Bool" => found.is_some_and(|found| found == wanted),
        "Null" => found.is_none().to_string() == wanted[0],
        other => panic!("the evaluator does not know {other}"),
    }
}

/// Whether some statement allows the action on each of the resources.
fn allows(policy: &str, action: &str, resources: &[String], request: &Request) -> bool {
    let policy: Value = serde_json::from_str(policy).expect("a session policy is JSON");
    let statements = policy["Statement"].as_array().expect("it has statements");
    let none = serde_json::Map::new();
    let allows_one = |statement: &Value, resource: &String| {
        let conditions = statement["Condition"].as_object().unwrap_or(&none);
        let all_hold = conditions.iter().all(|(operator, keys)| {
            let mut keys = keys.as_object().expect("keys by name").iter();
            keys.all(|(key, wanted)| holds(operator, &texts(wanted), request.get(key)))
        });
        statement["Effect"] == "Allow"
            && texts(&statement["Action"]).iter().any(|one| one == action)
            && texts(&statement["Resource"]).iter().any(|one| matches(one, resource))
            && all_hold
    };
    resources.iter().all(|one| statements.iter().any(|statement| allows_one(statement, one)))
}

fn ec2(what: &str) -> String {
    let account = if what.starts_with("snapshot/") { "" } else { "111122223333" };
    format!("arn:aws:ec2:us-east-1:{account}:{what}")
}

/// What a step calls, and what it calls on its way back, written down here a second time.
fn calls_of(kind: &StepKind) -> Vec<&'static str> {
    match kind {
        StepKind::StopInstance { .. } | StepKind::StartInstance { .. } => {
            vec!["ec2:StopInstances", "ec2:StartInstances"]
        }
        StepKind::SetInstanceType { .. } => vec!["ec2:ModifyInstanceAttribute"],
        StepKind::AwaitStatusChecks { .. } | StepKind::AwaitCanary { .. } => Vec::new(),
        StepKind::ModifyVolume { .. } => vec!["ec2:ModifyVolume"],
        StepKind::CreateSnapshot { .. } => vec!["ec2:CreateSnapshot"],
        StepKind::DeleteVolume { .. } => vec!["ec2:DeleteVolume", "ec2:CreateVolume"],
        StepKind::RestoreVolume { .. } => vec!["ec2:CreateVolume"],
        StepKind::SetFunctionMemory { .. } => vec!["lambda:UpdateFunctionConfiguration"],
        StepKind::PublishVersion { .. } => vec!["lambda:PublishVersion"],
        StepKind::ShiftAlias { .. } | StepKind::WithdrawShare { .. } => vec!["lambda:UpdateAlias"],
        StepKind::DeregisterTarget { .. } | StepKind::RegisterTarget { .. } => {
            vec!["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]
        }
        StepKind::MarkInstance { .. } | StepKind::UnmarkInstance { .. } => {
            vec!["ec2:CreateTags", "ec2:DeleteTags"]
        }
        StepKind::SetGroupBounds { .. } | StepKind::LowerFloor { .. } => {
            vec!["autoscaling:UpdateAutoScalingGroup"]
        }
        StepKind::PutSchedule { .. } | StepKind::DeleteSchedule { .. } => vec![
            "autoscaling:PutScheduledUpdateGroupAction",
            "autoscaling:DeleteScheduledAction",
            "autoscaling:UpdateAutoScalingGroup",
        ],
        StepKind::CreateTemplateVersion { .. } => vec!["ec2:CreateLaunchTemplateVersion"],
        StepKind::RefreshInstances { .. } => {
            vec!["autoscaling:StartInstanceRefresh", "autoscaling:RollbackInstanceRefresh"]
        }
    }
}

/// The resources that AWS evaluates for a call on the thing named `id`, and what the request says.
fn asked(change: &Change, action: &str, id: &str) -> (Vec<String>, Request) {
    let own = change.recommendation.resource.arn.0.replace("x-1", id);
    let request = |key: &str, values: &[&str]| {
        Request::from([(key.to_owned(), values.iter().map(|one| (*one).to_owned()).collect())])
    };
    let none = Request::new;
    let template = || {
        let all = change.steps.iter().map(|progress| &progress.step.kind);
        let mut named = all.filter_map(|kind| {
            let StepKind::CreateTemplateVersion { template_id, .. } = kind else { return None };
            Some(template_id.clone())
        });
        let template = named.next_back().unwrap_or_else(|| "lt-1".to_owned());
        if id == "x-1" { template } else { id.to_owned() }
    };
    match action {
        "ec2:ModifyInstanceAttribute" => {
            (vec![ec2(&format!("instance/{id}"))], request("ec2:Attribute", &["InstanceType"]))
        }
        "ec2:CreateTags" | "ec2:DeleteTags" => (
            vec![ec2(&format!("instance/{id}"))],
            request(TAG_KEYS, &["trimtab:change", "trimtab:was"]),
        ),
        "ec2:StopInstances" | "ec2:StartInstances" => {
            (vec![ec2(&format!("instance/{id}"))], none())
        }
        "ec2:ModifyVolume" | "ec2:DeleteVolume" => (vec![ec2(&format!("volume/{id}"))], none()),
        "ec2:CreateSnapshot" => {
            (vec![ec2("snapshot/snap-9"), ec2(&format!("volume/{id}"))], none())
        }
        "ec2:CreateVolume" => (vec![ec2("snapshot/snap-9"), ec2("volume/vol-new")], none()),
        "ec2:CreateLaunchTemplateVersion" => {
            (vec![ec2(&format!("launch-template/{}", template()))], none())
        }
        // Whatever else there is names the resource by its own ARN.
        _ => (vec![own], none()),
    }
}

fn changes() -> Vec<Change> {
    let of = |action: Action| {
        let candidate = fixtures::candidate(action, &fixtures::resource_for(action, "x-1"));
        let mut change = fixtures::change(&candidate, "x-1", State::Queued, now());
        change.zone = Some("us-east-1a".to_owned());
        change.keys = vec![KEY.to_owned()];
        change
    };
    Action::ALL.map(of).into()
}

/// The change on its way back, after every step was done.
fn back(change: &Change) -> Change {
    let mut back = change.clone();
    for progress in change.steps.clone() {
        let created_id = Some("4".to_owned());
        back.apply(now(), &Event::Done { step: progress.step.name, created_id });
    }
    let (reason, steps) = ("asked for".to_owned(), undo_steps(&back));
    back.apply(now(), &Event::UndoBegun { reason, steps });
    back
}

#[test]
fn a_session_allows_its_steps_and_their_undo_and_no_other_write_of_the_table() {
    for change in changes() {
        let back = back(&change);
        let steps = change.steps.iter().chain(&back.undo_steps);
        let needed: BTreeSet<&str> =
            steps.flat_map(|progress| calls_of(&progress.step.kind)).collect();
        assert!(!needed.is_empty());
        let action = change.recommendation.action;
        let policies = [
            Session::of(&change, &change.steps[0].step.name).policy(),
            Session::of(&back, &back.undo_steps[0].step.name).policy(),
        ];
        for policy in &policies {
            for row in TABLE {
                if row.access == Access::Read || row.caller == Caller::Aws {
                    continue;
                }
                let (resources, request) = asked(&change, row.action, "x-1");
                let allowed = allows(policy, row.action, &resources, &request);
                assert_eq!(allowed, needed.contains(row.action), "{action}: {}", row.action);
                let (others, request) = asked(&change, row.action, "x-2");
                // A volume that is restored has no id yet.
                let of_other = row.action != "ec2:CreateVolume"
                    && allows(policy, row.action, &others, &request);
                assert!(!of_other, "{action}: {} on another resource", row.action);
                let elsewhere: Vec<String> =
                    resources.iter().map(|one| one.replace("us-east-1", "eu-west-1")).collect();
                let allowed = allows(policy, row.action, &elsewhere, &request);
                assert!(!allowed, "{action}: {} in another region", row.action);
            }
            for row in TABLE.iter().filter(|row| row.access == Access::Read) {
                let (resources, request) = asked(&change, row.action, "x-1");
                assert!(!allows(policy, row.action, &resources, &request), "{action}: it reads");
            }
        }
    }
}

#[test]
fn conditions_let_nothing_else_through() {
    let machine = [ec2("instance/x-1")];
    let resize =
        changes().into_iter().find(|one| one.recommendation.action == Action::ResizeInstance);
    let resize = resize.expect("every action has a change");
    let policy = Session::of(&resize, &resize.steps[0].step.name).policy();
    let with = |key: &str, values: &[&str]| {
        Request::from([(key.to_owned(), values.iter().map(|one| (*one).to_owned()).collect())])
    };
    let table = [
        ("ec2:ModifyInstanceAttribute", with("ec2:Attribute", &["UserData"])),
        ("ec2:ModifyInstanceAttribute", Request::new()),
        ("ec2:CreateTags", with(TAG_KEYS, &["trimtab:change", "team"])),
        ("ec2:DeleteTags", with(TAG_KEYS, &["trimtab:exclude"])),
        // No tag named is every tag removed.
        ("ec2:DeleteTags", Request::new()),
    ];
    for (action, request) in &table {
        assert!(!allows(&policy, action, &machine, request), "{action} {request:?}");
    }
    let via = with("kms:ViaService", &["ec2.us-east-1.amazonaws.com"]);
    assert!(!allows(&policy, "kms:CreateGrant", &[KEY.to_owned()], &via), "a grant for anybody");
    let mut via = via;
    via.insert("kms:GrantIsForAWSResource".to_owned(), vec!["true".to_owned()]);
    assert!(allows(&policy, "kms:CreateGrant", &[KEY.to_owned()], &via));
    assert!(!allows(&policy, "kms:CreateGrant", &[KEY.replace("1234abcd", "other")], &via));
    assert!(!allows(&policy, "kms:CreateGrant", &[KEY.to_owned()], &Request::new()));
}
