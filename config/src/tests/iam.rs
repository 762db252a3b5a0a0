//! The policies and roles that a user applies are those of `trimtab connect`, letter by letter.
//!
//! `TRIMTAB_BLESS=1` writes them. Not here: what they must hold (`trimtab_policies::iam`, `trimtab_policies::roles`).

use std::{fs, path::Path};

use trimtab_models::resource::Kind;
use trimtab_policies::{
    calls::Access,
    iam::{Request, policy, statements, terraform},
    roles::{RoleTrust, Roles, guide, module, template},
};

const ACCESSES: [(Access, &str); 2] = [(Access::Read, "read"), (Access::Apply, "apply")];

#[expect(clippy::disallowed_methods, reason = "a test's own switch, which nothing else reads")]
fn is_blessing() -> bool {
    std::env::var_os("TRIMTAB_BLESS").is_some()
}

/// Holds a file to what it must be, or makes it so.
fn hold(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if is_blessing() {
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
        fs::write(&path, text).expect("the file can be written");
    }
    let shipped = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shipped == text,
        "config/{file} is out of date: TRIMTAB_BLESS=1 cargo test -p trimtab-config --lib shipped"
    );
}

#[test]
fn the_shipped_policies_are_those_of_the_command() {
    for kind in Kind::ALL {
        for (access, word) in ACCESSES {
            let statements = statements(&Request {
                kinds: [kind].into(),
                access,
                partition: "aws".to_owned(),
                account: None,
                regions: Vec::new(),
                tags: std::collections::BTreeMap::new(),
                deletes: false,
                refreshes: false,
                launch_roles: Vec::new(),
                keys: Vec::new(),
            });
            let json = serde_json::to_string_pretty(&policy(&statements)).expect("plain JSON");
            hold(&format!("iam/{kind}-{word}.json"), &(json + "\n"));
            let hcl = terraform(&format!("trimtab_{word}"), &statements);
            hold(&format!("iam/{kind}-{word}.tf"), &hcl);
        }
    }
}

/// The files for everybody: whoever applies them gives the principal and the external id that the command makes.
fn roles(trust: RoleTrust) -> Roles {
    Roles {
        name: "NAME".to_owned(),
        account: None,
        principal: None,
        trust,
        kinds: Kind::ALL.into(),
        access: Access::Read,
        partition: "aws".to_owned(),
        regions: Vec::new(),
        tags: std::collections::BTreeMap::new(),
        deletes: false,
        refreshes: false,
        launch_roles: Vec::new(),
        keys: Vec::new(),
    }
}

#[test]
fn the_shipped_roles_are_those_of_the_command() {
    let trusts = [
        ("trimtab-roles", RoleTrust::ExternalId(None)),
        ("trimtab-roles-organization", RoleTrust::Organization("o-0123456789".to_owned())),
    ];
    for (file, trust) in trusts {
        let roles = roles(trust);
        let heading = guide(&roles, &roles.how_by_cloudformation(None));
        hold(&format!("cloudformation/{file}.yaml"), &template(&roles, &heading));
        let heading = guide(&roles, &roles.how_by_terraform());
        hold(&format!("terraform/{file}.tf"), &module(&roles, &heading));
    }
}
