//! What filters take, and what they refuse.

use std::collections::BTreeMap;

use trimtab_config::{Account, Trust};

use super::*;
use crate::brief::tests::brief;

fn accounts() -> Vec<Account> {
    vec![Account {
        name: "prod".to_owned(),
        id: "111122223333".to_owned(),
        role_arn: None,
        apply_role_arn: None,
        external_id: None,
        trust: Trust::ExternalId,
        regions: vec!["us-east-1".to_owned()],
    }]
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, &accounts())
}

/// A machine of the account `prod` that saves 10 dollars at a risk of 0.1, with two tags.
fn machine() -> Brief {
    let mut machine = brief(Some(10.0), Some(0.1));
    machine.resource.account = "111122223333".to_owned();
    machine.resource.region = "us-east-1".to_owned();
    let tags = [("team", "web"), ("Name", "my web")];
    machine.resource.tags = BTreeMap::from(tags.map(|(key, value)| (key.into(), value.into())));
    machine.sought_in = "i-0abc\nmy web".to_owned();
    machine
}

#[test]
fn what_a_filter_takes() {
    let machine = machine();
    for (text, takes) in [
        ("account=prod", true),
        ("account=111122223333", true),
        ("kind=ec2-instance region=us-east-1 action=resize-instance mode=copilot", true),
        ("kind=ebs-volume", false),
        ("mode=autopilot", false),
        ("saving>=10", true),
        ("saving>=$10.00 saving<=10", true),
        ("saving>10", false),
        ("saving<10", false),
        ("risk<=0.1", true),
        ("risk<=10%", true),
        ("risk<0.1", false),
        ("risk=10%", true),
        ("tag.team=web", true),
        ("tag=team", true),
        ("tag=team=web", true),
        ("tag=team tag=Name", true),
        ("tag=team tag=owner", false),
        ("tag.team=data", false),
        ("tag.owner=web", false),
        ("tag=owner", false),
        ("tag.Name=\"my web\"", true),
        ("  q=WEB\ttag.team=web ", true),
        ("q=database", false),
        ("state=awaiting_approval", true),
        ("state=open", true),
        ("state=all", true),
        ("state=rejected", false),
    ] {
        let filter = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.takes(&machine), takes, "{text}");
        assert_eq!(names_states(text), text.starts_with("state"), "{text}");
    }
}

#[test]
fn what_is_not_known_meets_no_comparison() {
    let unknown = brief(None, None);
    for text in ["saving>=-1000", "saving<1000", "risk<=1", "risk>=0", "risk=0"] {
        assert!(!parse(text).expect(text).takes(&unknown), "{text}");
    }
}

#[test]
fn what_is_refused() {
    for (text, told) in [
        ("", "empty is not everything"),
        ("  \t ", "empty is not everything"),
        ("web", "not KEY=VALUE"),
        ("kind=", "not KEY=VALUE"),
        ("=web", "not KEY=VALUE"),
        ("\"\"", "not KEY=VALUE"),
        ("colour=red", "knows no `colour`"),
        ("tag.=web", "knows no `tag.`"),
        ("kind>=ebs-volume", "takes `=` only"),
        ("kind=ebs-volumes", "ec2-instance, ebs-volume"),
        ("account=production", "prod (111122223333)"),
        ("region=us-east-2", "us-east-1"),
        ("action=explode", "resize-instance"),
        ("mode=auto", "autopilot"),
        ("state=done", "awaiting_approval"),
        ("saving>=ten", "dollars a month"),
        ("saving>=nan", "dollars a month"),
        ("risk<=1.5", "a probability"),
        ("risk<=nan", "a probability"),
        ("kind=ebs-volume kind=ec2-instance", "`kind` twice"),
        ("tag.Name=\"my web", "does not close it"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}
