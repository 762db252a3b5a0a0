//! The policies under `config/iam/` are those of `trimtab connect policy`, letter by letter.
//!
//! Not here: what they must hold (`trimtab_policies::iam`).

use std::{fs, path::Path};

use trimtab_models::resource::Kind;
use trimtab_policies::{
    calls::Access,
    iam::{Request, policy, statements, terraform},
};

#[test]
fn the_shipped_policies_are_those_of_the_command() {
    for kind in Kind::ALL {
        for (access, word) in [(Access::Read, "read"), (Access::Apply, "apply")] {
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
            let hcl = terraform(&format!("trimtab_{word}"), &statements);
            for (format, ending, text) in [("json", "json", json + "\n"), ("terraform", "tf", hcl)]
            {
                let file = format!("config/iam/{kind}-{word}.{ending}");
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&file);
                let shipped = fs::read_to_string(&path).unwrap_or_default();
                assert!(
                    shipped == text,
                    "{file} is out of date: trimtab connect policy --kinds {kind} --access {word} --format {format} > {file}"
                );
            }
        }
    }
}
