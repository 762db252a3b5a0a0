//! What the policies allow, by hand for each kind, and that they follow the table of calls.

use super::*;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k-1";

fn request(kinds: &[Kind], access: Access) -> Request {
    Request {
        kinds: kinds.iter().copied().collect(),
        access,
        partition: "aws".to_owned(),
        account: Some("111122223333".to_owned()),
        regions: vec!["eu-west-1".to_owned()],
        tags: BTreeMap::new(),
        deletes: false,
        refreshes: false,
        launch_roles: Vec::new(),
        keys: Vec::new(),
    }
}

fn found<'a>(statements: &'a [Statement], action: &str) -> Vec<&'a Statement> {
    let has = |one: &&Statement| one.actions.iter().any(|each| each == action);
    statements.iter().filter(has).collect()
}

fn condition(statement: &Statement, operator: &str, key: &str) -> Vec<String> {
    let keys = statement.conditions.get(operator);
    keys.and_then(|keys| keys.get(key)).cloned().unwrap_or_default()
}

#[test]
fn every_call_has_one_row_for_each_target_and_a_reason() {
    for call in TABLE {
        let same = |other: &&Call| other.action == call.action && other.target == call.target;
        assert_eq!(TABLE.iter().filter(same).count(), 1, "{call:?}");
        assert!(!call.why.is_empty() && !call.kinds.is_empty(), "{call:?}");
    }
}

#[test]
fn reads_change_nothing() {
    let statements = statements(&request(&Kind::ALL, Access::Read));
    for action in statements.iter().flat_map(|one| &one.actions) {
        let verb = action.split(':').nth(1).expect("service and verb");
        let reads = ["Describe", "List", "Get"].iter().any(|word| verb.starts_with(word));
        assert!(reads, "{action}");
    }
    assert!(statements.iter().all(|one| one.effect == "Allow"));
}

#[test]
fn a_policy_serves_the_kinds_asked_for_and_no_others() {
    for kind in Kind::ALL {
        for access in [Access::Read, Access::Apply] {
            let statements = statements(&request(&[kind], access));
            let allowed: BTreeSet<&str> = statements
                .iter()
                .filter(|one| one.effect == "Allow")
                .flat_map(|one| one.actions.iter().map(String::as_str))
                .collect();
            let of_kind = |call: &&Call| {
                call.access == access
                    && call.kinds.contains(&kind)
                    && call.switch == Switch::Always
                    && !matches!(call.target, Target::Key | Target::LaunchRole)
            };
            let expect: BTreeSet<&str> =
                TABLE.iter().filter(of_kind).map(|call| call.action).collect();
            assert_eq!(allowed, expect, "{kind} {access:?}");
        }
    }
}

#[test]
fn an_instance_can_be_retyped_and_nothing_else_of_it_set() {
    let mut request = request(&[Kind::Instance], Access::Apply);
    request.tags.insert("team".to_owned(), "web".to_owned());
    let statements = statements(&request);
    let modify = found(&statements, "ec2:ModifyInstanceAttribute");
    assert_eq!(modify[0].resources, ["arn:aws:ec2:*:111122223333:instance/*"]);
    assert_eq!(condition(modify[0], "StringEquals", "ec2:Attribute"), ["InstanceType"]);
    assert_eq!(condition(modify[0], "StringEquals", "aws:ResourceTag/team"), ["web"]);
    assert_eq!(condition(modify[0], "StringEquals", "aws:RequestedRegion"), ["eu-west-1"]);
    let tags = found(&statements, "ec2:CreateTags");
    let keys = condition(tags[0], "ForAllValues:StringEquals", "aws:TagKeys");
    assert_eq!(keys, ["trimtab:change", "trimtab:was"]);
    assert_eq!(condition(tags[0], "Null", "aws:TagKeys"), ["false"], "no tag would be every tag");
    let other = statements.iter().find(|one| one.sid == "NoOtherAttributes").expect("a deny");
    assert_eq!((other.effect, other.actions.len()), ("Deny", 1));
    assert_eq!(condition(other, "StringNotEquals", "ec2:Attribute"), ["InstanceType"]);
}

/// Both a snapshot and a restored volume carry the mark from their first moment: without the tag the call is refused.
#[test]
fn what_a_deletion_makes_may_be_marked_as_it_is_made_and_not_later() {
    let volumes = request(&[Kind::Volume], Access::Apply);
    assert!(found(&statements(&volumes), "ec2:CreateTags").is_empty());
    let statements = statements(&Request { deletes: true, ..volumes });
    let told: Vec<_> = found(&statements, "ec2:CreateTags")
        .into_iter()
        .filter(|one| one.effect == "Allow")
        .map(|one| (one.resources[0].as_str(), condition(one, "StringEquals", "ec2:CreateAction")))
        .collect();
    let call = |name: &str| vec![name.to_owned()];
    let expect = [
        ("arn:aws:ec2:*:111122223333:volume/*", call("CreateVolume")),
        ("arn:aws:ec2:*::snapshot/*", call("CreateSnapshot")),
    ];
    assert_eq!(told, expect);
}

#[test]
fn what_trimtab_never_does_is_denied_for_each_kind() {
    for kind in Kind::ALL {
        let statements = statements(&request(&[kind], Access::Apply));
        let denied = statements.iter().find(|one| one.sid == "NoDeletes").expect("a deny");
        assert_eq!(denied.effect, "Deny");
        let named = |call: &&Call| denied.actions.iter().any(|action| action == call.action);
        let called: Vec<&Call> = TABLE.iter().filter(named).collect();
        assert!(called.iter().all(|call| call.switch == Switch::Deletes), "{kind}: {called:?}");
    }
}

/// What could reach further than Trimtab itself says so, in the same row as its limit.
#[test]
fn every_limit_that_stands_in_the_way_of_something_names_it() {
    for call in TABLE {
        let limited = match call.limit {
            Limit::InstanceTypeOnly
            | Limit::MarkOnly
            | Limit::FromTemplate
            | Limit::ToEc2
            | Limit::GrantViaEc2 => true,
            Limit::Free | Limit::AtCreation(_) | Limit::ViaEc2 => false,
        };
        assert!(!limited || call.escalation.is_some(), "{call:?}");
    }
}

/// A managed policy may have 6,144 characters, white space aside (IAM User Guide, "IAM and AWS STS quotas").
#[test]
fn a_policy_of_one_kind_fits_into_a_managed_policy() {
    for kind in Kind::ALL {
        for access in [Access::Read, Access::Apply] {
            let whole = Request {
                deletes: true,
                refreshes: true,
                launch_roles: vec!["arn:aws:iam::111122223333:role/web".to_owned()],
                keys: vec![KEY.to_owned(); 3],
                tags: [("team".to_owned(), "web".to_owned())].into(),
                ..request(&[kind], access)
            };
            let text = policy(&statements(&whole)).to_string();
            assert!(text.len() <= 6_144, "{kind} {access:?}: {}", text.len());
        }
    }
}

#[test]
fn what_is_excluded_or_not_switched_on_is_denied() {
    let volumes = request(&[Kind::Volume], Access::Apply);
    let closed = statements(&volumes);
    let excluded = closed.iter().find(|one| one.sid == "Excluded").expect("a deny");
    assert_eq!(excluded.effect, "Deny");
    assert_eq!(condition(excluded, "Null", "aws:ResourceTag/trimtab:exclude"), ["false"]);
    assert_eq!(excluded.actions, ["ec2:ModifyVolume"]);
    let machines = statements(&request(&[Kind::Instance], Access::Apply));
    let start = found(&machines, "ec2:StartInstances");
    assert!(start.iter().all(|one| one.effect == "Allow"), "what was stopped may always start");
    let delete = found(&closed, "ec2:DeleteVolume");
    assert_eq!(delete.iter().map(|one| one.effect).collect::<Vec<_>>(), ["Deny"]);
    let open = statements(&Request { deletes: true, ..volumes });
    let delete = found(&open, "ec2:DeleteVolume");
    let effects: Vec<&str> = delete.iter().map(|one| one.effect).collect();
    assert_eq!(effects, ["Allow", "Deny"], "the deny is that of the tag");
}

#[test]
fn only_named_roles_are_passed_and_only_for_refreshes() {
    const ROLE: &str = "arn:aws:iam::111122223333:role/web";
    let closed = request(&[Kind::Group], Access::Apply);
    for action in ["ec2:RunInstances", "iam:PassRole", "autoscaling:StartInstanceRefresh"] {
        assert!(found(&statements(&closed), action).is_empty(), "{action}");
    }
    let without = statements(&Request { refreshes: true, ..closed.clone() });
    assert!(found(&without, "iam:PassRole").is_empty(), "no role is named");
    let launch_roles = vec![ROLE.to_owned()];
    let open = statements(&Request { refreshes: true, launch_roles, ..closed });
    let pass = found(&open, "iam:PassRole");
    assert_eq!(pass[0].resources, [ROLE]);
    assert_eq!(condition(pass[0], "StringEquals", "iam:PassedToService"), ["ec2.amazonaws.com"]);
    let run = found(&open, "ec2:RunInstances");
    assert_eq!(condition(run[0], "Null", "ec2:LaunchTemplate"), ["false"]);
}

#[test]
fn keys_are_those_named() {
    let mut request = request(&[Kind::Instance], Access::Apply);
    assert!(found(&statements(&request), "kms:CreateGrant").is_empty());
    request.keys = vec![KEY.to_owned()];
    let statements = statements(&request);
    let grant = found(&statements, "kms:CreateGrant");
    assert_eq!(grant[0].resources, [KEY]);
    assert_eq!(condition(grant[0], "Bool", "kms:GrantIsForAWSResource"), ["true"]);
    let via = condition(grant[0], "StringLike", "kms:ViaService");
    assert_eq!(via, ["ec2.eu-west-1.amazonaws.com"]);
}

#[test]
fn statement_ids_are_unique_letters_and_digits() {
    for access in [Access::Read, Access::Apply] {
        let all = request(&Kind::ALL, access);
        let statements = statements(&Request { deletes: true, keys: vec![KEY.to_owned()], ..all });
        let ids: BTreeSet<&str> = statements.iter().map(|one| one.sid.as_str()).collect();
        assert_eq!(ids.len(), statements.len());
        let plain = |id: &&str| id.chars().all(|letter| letter.is_ascii_alphanumeric());
        assert!(ids.iter().all(plain), "{ids:?}");
    }
}

#[test]
fn terraform_reads_as_it_was_meant() {
    let statement = Statement::new("Keys", "Allow", &["kms:DescribeKey"])
        .on(["arn:aws:kms:*:1:key/${odd}".to_owned()])
        .when("Bool", "kms:GrantIsForAWSResource", ["true"])
        .because("it is needed");
    let statement = Statement { escalations: vec!["the key".to_owned()], ..statement };
    let expect = r#"data "aws_iam_policy_document" "trimtab" {
  # it is needed
  # Escalation: the key
  statement {
    sid       = "Keys"
    effect    = "Allow"
    actions   = ["kms:DescribeKey"]
    resources = ["arn:aws:kms:*:1:key/$${odd}"]

    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }
}
"#;
    assert_eq!(terraform("trimtab", &[statement]), expect);
}
