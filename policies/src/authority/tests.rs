//! Every role with every right, and scopes.

use trimtab_models::resource::Arn;

use super::*;

/// The matrix of the roles, as the design has it: a column for each role in the order of [`Role::ALL`].
const MATRIX: [(Right, [bool; 4]); 8] = [
    (Right::OwnSession, [true, true, true, true]),
    (Right::Read, [true, true, true, false]),
    (Right::Decide, [false, true, false, false]),
    (Right::Undo, [false, true, true, false]),
    (Right::Stop, [false, true, true, true]),
    (Right::Resume, [false, false, true, false]),
    (Right::Operate, [false, false, true, false]),
    (Right::ManageTokens, [false, false, false, true]),
];

fn person(role: Role, scope: Scope) -> Person {
    Person { name: "ada".to_owned(), role, lent: BTreeSet::new(), scope }
}

fn machine(account: &str, tags: &[(&str, &str)]) -> ResourceRef {
    ResourceRef {
        arn: Arn(format!("arn:aws:ec2:eu-west-1:{account}:instance/i-0a")),
        kind: Kind::Instance,
        account: account.to_owned(),
        region: "eu-west-1".to_owned(),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    }
}

#[test]
fn every_role_with_every_right() {
    assert_eq!(MATRIX.map(|(right, _)| right), Right::ALL);
    for (right, columns) in MATRIX {
        for (role, holds) in Role::ALL.into_iter().zip(columns) {
            let reason = reason_not_allowed(&person(role, Scope::everything()), right, None);
            assert_eq!(reason.is_none(), holds, "{role} {}", right.as_str());
            if let Some(reason) = reason {
                assert!(
                    reason.contains("ada")
                        && reason.contains(role.as_str())
                        && reason.contains(right.deed()),
                    "{reason}"
                );
            }
        }
    }
}

#[test]
fn a_token_carries_no_more_than_its_holder() {
    for (holder, covered) in [
        (Role::Viewer, &[Role::Viewer][..]),
        (Role::Approver, &[Role::Viewer, Role::Approver]),
        (Role::Operator, &[Role::Viewer, Role::Operator]),
        (Role::Admin, &[Role::Admin]),
    ] {
        let found: Vec<Role> = Role::ALL.into_iter().filter(|role| holder.covers(*role)).collect();
        assert_eq!(found, covered, "{holder}");
    }
}

#[test]
fn the_local_token_steps_back_as_others_come() {
    let nobody = Approvers::new();
    let ada = Approver { name: "ada".to_owned(), role: Role::Admin, scope: Scope::everything() };
    let somebody = Approvers::from([(ada.name.clone(), ada)]);
    for (approvers, admin_in_force, decides, manages) in [
        (&nobody, false, true, true),
        (&nobody, true, true, true),
        (&somebody, false, false, true),
        (&somebody, true, false, false),
    ] {
        let local = Person::local(approvers, admin_in_force);
        let rights = (local.holds(Right::Decide), local.holds(Right::ManageTokens));
        assert_eq!(rights, (decides, manages));
        assert!(local.holds(Right::Resume) && local.holds(Right::Read));
    }
}

#[test]
fn scopes_limit_acting_and_not_reading() {
    let only = |items: &[&str]| Within::Only(items.iter().map(|item| (*item).to_owned()).collect());
    let kinds = |kinds: &[Kind]| Within::Only(kinds.iter().copied().collect());
    let tags = |pairs: &[(&str, &str)]| {
        Within::Only(
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        )
    };
    let all = Scope::everything;
    let ours = machine("111111111111", &[("team", "web"), ("stage", "prod")]);
    for (scope, inside) in [
        (all(), true),
        (Scope { accounts: only(&["111111111111"]), ..all() }, true),
        (Scope { accounts: only(&["222222222222"]), ..all() }, false),
        (Scope { accounts: only(&[]), ..all() }, false),
        (Scope { kinds: kinds(&[Kind::Instance, Kind::Volume]), ..all() }, true),
        (Scope { kinds: kinds(&[Kind::Volume]), ..all() }, false),
        (Scope { kinds: kinds(&[]), ..all() }, false),
        (Scope { tags: tags(&[("team", "web")]), ..all() }, true),
        (Scope { tags: tags(&[("team", "web"), ("stage", "prod")]), ..all() }, true),
        (Scope { tags: tags(&[("team", "web"), ("stage", "test")]), ..all() }, false),
        (Scope { tags: tags(&[("team", "Web")]), ..all() }, false),
        (Scope { tags: tags(&[("owner", "web")]), ..all() }, false),
        (Scope { tags: tags(&[]), ..all() }, false),
    ] {
        let approver = person(Role::Approver, scope.clone());
        for right in Right::ALL.into_iter().filter(|right| Role::Approver.holds(*right)) {
            let reason = reason_not_allowed(&approver, right, Some(&ours));
            assert_eq!(
                reason.is_none(),
                inside || !right.is_scoped(),
                "{scope:?} {right:?}: {reason:?}"
            );
        }
    }
}
