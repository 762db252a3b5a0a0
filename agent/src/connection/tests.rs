//! What a connection comes to, by hand for each thing that can be wrong with one.

use super::*;

const ACCOUNT: &str = "111122223333";
const ROLE: &str = "arn:aws:iam::111122223333:role/TrimtabApply";

fn asked(wants_apply: bool) -> Asked {
    Asked {
        name: "prod".to_owned(),
        account: ACCOUNT.to_owned(),
        regions: vec!["eu-west-1".to_owned()],
        partition: "aws".to_owned(),
        wants_apply,
    }
}

fn failed(kind: FailureKind) -> Failure {
    Failure {
        kind,
        call: "sts:AssumeRole".to_owned(),
        target: ROLE.to_owned(),
        message: "no".to_owned(),
    }
}

fn call(access: Access, action: &str, answer: Result<(), Failure>) -> CallAnswer {
    CallAnswer { access, region: "eu-west-1".to_owned(), action: action.to_owned(), answer }
}

fn role(access: Access, as_configured: Result<(), Failure>) -> RoleAnswers {
    let refused = || Err(failed(FailureKind::Denied));
    let strangers = ["without an external id", "with a wrong external id"];
    let strangers = strangers.map(|how| (how.to_owned(), refused())).into();
    RoleAnswers { access, arn: ROLE.to_owned(), as_configured, strangers }
}

fn whole() -> Answers {
    Answers {
        caller: Ok(ACCOUNT.to_owned()),
        roles: vec![role(Access::Read, Ok(())), role(Access::Apply, Ok(()))],
        calls: vec![
            call(Access::Read, "ec2:DescribeInstances", Ok(())),
            call(Access::Apply, "ec2:StopInstances", Ok(())),
        ],
        user_data: Some(false),
    }
}

fn check(wants_apply: bool, change: impl Fn(&mut Answers), expect: Status) -> Connection {
    let mut answers = whole();
    change(&mut answers);
    let connection = judge(&asked(wants_apply), &answers, Timestamp::UNIX_EPOCH);
    assert_eq!(connection.status, expect, "{connection:#?}");
    assert_eq!(connection.reasons.is_empty(), expect == Status::Connected);
    connection
}

#[test]
fn what_works_is_connected_and_the_rest_of_the_table_was_not_asked() {
    let connection = check(true, |_| {}, Status::Connected);
    assert_eq!(connection.services.len(), 2);
    assert_eq!(connection.services[0].works, ["ec2:DescribeInstances"]);
    let left = &connection.services[1].not_asked;
    assert!(left.contains(&"ec2:ModifyVolume".to_owned()), "{left:?}");
    assert!(!left.contains(&"ec2:StopInstances".to_owned()));
    assert!(!left.contains(&"ec2:DescribeVolumes".to_owned()), "that is the other role's");
}

#[test]
fn a_role_that_a_stranger_can_take_is_refused_whatever_else_works() {
    for (at, how) in [(0, "without an external id"), (1, "with a wrong external id")] {
        let open = |answers: &mut Answers| answers.roles[0].strangers[at].1 = Ok(());
        let connection = check(false, open, Status::Unsafe);
        assert!(connection.reasons[0].contains(how), "{:?}", connection.reasons);
        assert!(connection.reasons[0].contains("sts:ExternalId"));
    }
}

#[test]
fn user_data_that_may_be_replaced_is_refused() {
    check(true, |answers| answers.user_data = Some(true), Status::Unsafe);
    check(true, |answers| answers.user_data = None, Status::Connected);
}

#[test]
fn a_role_that_cannot_be_taken_and_a_strangers_account_close_it() {
    let denied = || Err(failed(FailureKind::Denied));
    check(false, |answers| answers.roles[0].as_configured = denied(), Status::Closed);
    check(false, |answers| answers.caller = Ok("999988887777".to_owned()), Status::Closed);
    check(false, |answers| answers.caller = Err(failed(FailureKind::Uncertain)), Status::Closed);
}

#[test]
fn what_the_modes_do_not_need_may_be_missing() {
    let without_stop = |answers: &mut Answers| {
        answers.calls[1].answer = Err(failed(FailureKind::Denied));
    };
    check(false, without_stop, Status::Connected);
    let connection = check(true, without_stop, Status::Incomplete);
    assert_eq!(connection.reasons, ["ec2:StopInstances in eu-west-1"]);
    let missing = &connection.services[1].missing[0];
    assert_eq!(missing.statements[0]["Action"], serde_json::json!(["ec2:StopInstances"]));
    let arn = format!("arn:aws:ec2:*:{ACCOUNT}:instance/*");
    assert_eq!(missing.statements[0]["Resource"], serde_json::json!([arn]));
    let without_role = |answers: &mut Answers| {
        answers.roles[1].as_configured = Err(failed(FailureKind::Denied));
    };
    check(false, without_role, Status::Connected);
    check(true, without_role, Status::Incomplete);
}

#[test]
fn what_was_not_answered_is_neither_there_nor_missing() {
    let throttled = |answers: &mut Answers| {
        answers.calls[0].answer = Err(failed(FailureKind::Throttled));
    };
    let connection = check(true, throttled, Status::Incomplete);
    let service = &connection.services[0];
    assert_eq!((service.works.len(), service.missing.len(), service.unknown.len()), (0, 0, 1));
}

#[test]
fn whoever_may_ask_and_finds_nothing_has_the_right() {
    let nothing = |answers: &mut Answers| {
        answers.calls[0].answer = Err(failed(FailureKind::NotFound));
    };
    assert_eq!(check(true, nothing, Status::Connected).services[0].works.len(), 1);
}
