//! What the roles' files hold, by hand, and that they hold it for every kind and access.

use super::*;

const PRINCIPAL: &str = "arn:aws:iam::999988887777:role/trimtab-agent";
const EXTERNAL_ID: &str = "0123456789abcdef0123456789abcdef";

fn roles(trust: RoleTrust) -> Roles {
    Roles {
        name: "prod".to_owned(),
        account: Some("111122223333".to_owned()),
        principal: Some(PRINCIPAL.to_owned()),
        trust,
        kinds: [Kind::Instance, Kind::Function].into(),
        access: Access::Apply,
        partition: "aws".to_owned(),
        regions: vec!["eu-west-1".to_owned()],
        tags: BTreeMap::new(),
        deletes: false,
        refreshes: false,
        launch_roles: Vec::new(),
        keys: Vec::new(),
    }
}

fn with_id() -> Roles {
    roles(RoleTrust::ExternalId(Some(EXTERNAL_ID.to_owned())))
}

#[test]
fn both_files_demand_the_external_id_and_make_a_policy_for_each_kind_and_access() {
    let files = [template(&with_id(), &[]), module(&with_id(), &[])];
    for file in &files {
        for word in [PRINCIPAL, EXTERNAL_ID, "sts:ExternalId", "3600", READ_ROLE, APPLY_ROLE] {
            assert!(file.contains(word), "{word} is not in\n{file}");
        }
        assert!(!file.contains("aws:PrincipalOrgID"));
        assert!(!file.contains("\"iam:PassRole\""), "no role is named");
    }
    for access in ACCESSES {
        for kind in Kind::ALL {
            let name = format!("\n  {}{}:\n", role_name(access), plural(kind));
            assert_eq!(files[0].matches(&name).count(), 1, "{name}");
            let name = kind.as_str().replace('-', "_");
            let word = access_word(access);
            let name = format!("resource \"aws_iam_policy\" \"trimtab_{word}_{name}\"");
            assert_eq!(files[1].matches(&name).count(), 1, "{name}");
        }
    }
}

#[test]
fn an_organization_is_trusted_instead_where_it_is_named() {
    let organization = roles(RoleTrust::Organization("o-0123456789".to_owned()));
    for file in [template(&organization, &[]), module(&organization, &[])] {
        assert!(file.contains("aws:PrincipalOrgID") && file.contains("o-0123456789"));
        assert!(!file.to_lowercase().contains("externalid"), "{file}");
    }
    assert!(account_section(&organization).contains("trust = \"organization\"\n"));
}

#[test]
fn the_section_to_paste_keeps_the_id_and_names_the_roles() {
    let expect = format!(
        "[[account]]\nname = \"prod\"\nid = \"111122223333\"\n\
         role_arn = \"arn:aws:iam::111122223333:role/TrimtabRead\"\n\
         apply_role_arn = \"arn:aws:iam::111122223333:role/TrimtabApply\"\n\
         external_id = \"{EXTERNAL_ID}\"\nregions = [\"eu-west-1\"]\n"
    );
    assert_eq!(account_section(&with_id()), expect);
    let reads = Roles { access: Access::Read, ..with_id() };
    assert!(!account_section(&reads).contains("apply_role_arn"));
}

#[test]
fn the_link_fills_the_parameters_in() {
    let link = quick_create_link(&with_id(), "https://b.s3.amazonaws.com/t.yaml", "eu-west-1");
    let expect = format!(
        "https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stacks/create/review?\
         templateURL=https%3A%2F%2Fb.s3.amazonaws.com%2Ft.yaml&stackName=trimtab-roles&\
         param_Principal=arn%3Aaws%3Aiam%3A%3A999988887777%3Arole%2Ftrimtab-agent&param_ExternalId={EXTERNAL_ID}&\
         param_Access=apply&param_Instances=true&param_Volumes=false&param_Functions=true&param_Groups=false"
    );
    assert_eq!(link, expect);
}

#[test]
fn the_head_is_comments_and_says_what_to_do() {
    let roles = with_id();
    let heading = guide(&roles, &roles.how_by_cloudformation(Some("https://link")));
    let file = template(&roles, &heading);
    let head: Vec<&str> = file.lines().take_while(|line| line.starts_with('#')).collect();
    assert_eq!(head.len(), heading.len());
    let head = head.join("\n");
    for word in [
        "EKS",
        "instance profile",
        "IAM user",
        "create-stack-set",
        "https://link",
        "verify --account prod",
    ] {
        assert!(head.contains(word), "{word} is not in\n{head}");
    }
    assert!(head.contains(EXTERNAL_ID), "the section to paste holds it");
}
