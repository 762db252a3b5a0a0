//! The roles' files as other programs read them: CloudFormation's linter, and a parser of Terraform's language.
//!
//! They need Python 3 and a package index. Where neither answers and this is no continuous integration, it says so and
//! tests nothing. Not here: what the roles hold (`trimtab_policies::roles`).

#[path = "../../../agent/tests/python/mod.rs"]
mod python;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use trimtab_models::resource::Kind;
use trimtab_policies::{
    calls::Access,
    iam::{Request, cloudformation, statements, terraform},
    roles::{RoleTrust, Roles, guide, module, template},
};

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Reads each file, and holds its references to what it declares: a variable, a data source or a resource.
const READ_HCL: &str = "
import hcl2, json, re, sys
for name in sys.argv[1:]:
    text = open(name).read()
    tree = hcl2.loads(text)
    assert any(tree.get(block) for block in ('data', 'resource')), name
    declared = set(re.findall(r'^variable \"(\\w+)\"', text, re.M))
    used = set(re.findall(r'\\bvar\\.(\\w+)', text))
    assert used == declared, (name, used ^ declared)
    made = {'.'.join(pair) for pair in re.findall(r'^resource \"(\\w+)\" \"(\\w+)\"', text, re.M)}
    made |= {'data.' + '.'.join(pair) for pair in re.findall(r'^data \"(\\w+)\" \"(\\w+)\"', text, re.M)}
    for reference in re.findall(r'(?<![\\w.\"])((?:data\\.)?aws_\\w+\\.\\w+)', text):
        assert reference in made, (name, reference)
";

#[expect(
    clippy::disallowed_methods,
    reason = "continuous integration must not skip what only it can promise"
)]
fn is_continuous_integration() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// The environment's Python; `None` where there is none to be had.
fn installed() -> Option<PathBuf> {
    let folder = python::target_folder().join("roles-venv");
    match python::virtual_environment(&folder, REQUIREMENTS) {
        Ok(python) => Some(python),
        Err(error) if is_continuous_integration() => panic!("{error}"),
        Err(error) => {
            tell_skipped(&error);
            None
        }
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must not look like one that passed")]
fn tell_skipped(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

fn check(command: &mut Command) {
    let output = command.output().expect("the environment's programs start");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

/// The roles with everything switched on, and with as little as possible, by both ways of trust.
fn variants() -> Vec<Roles> {
    let rich = |trust: RoleTrust| Roles {
        name: "prod".to_owned(),
        account: Some("111122223333".to_owned()),
        principal: Some("arn:aws:iam::999988887777:role/trimtab-agent".to_owned()),
        trust,
        kinds: Kind::ALL.into(),
        access: Access::Apply,
        partition: "aws".to_owned(),
        regions: vec!["eu-west-1".to_owned(), "us-east-1".to_owned()],
        tags: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
        deletes: true,
        refreshes: true,
        launch_roles: vec!["arn:aws:iam::111122223333:role/web".to_owned()],
        keys: vec!["arn:aws:kms:eu-west-1:111122223333:key/k-1".to_owned()],
    };
    let id = "0123456789abcdef0123456789abcdef".to_owned();
    let poor = Roles {
        kinds: [Kind::Volume].into(),
        access: Access::Read,
        regions: Vec::new(),
        tags: BTreeMap::new(),
        deletes: false,
        refreshes: false,
        launch_roles: Vec::new(),
        keys: Vec::new(),
        ..rich(RoleTrust::ExternalId(None))
    };
    let organization = RoleTrust::Organization("o-0123456789".to_owned());
    vec![rich(RoleTrust::ExternalId(Some(id))), rich(organization), poor]
}

fn written(folder: &Path, files: &[(String, String)]) -> Vec<PathBuf> {
    let write = |(name, text): &(String, String)| {
        let path = folder.join(name);
        fs::write(&path, text).expect("the folder takes a file");
        path
    };
    files.iter().map(write).collect()
}

/// A policy of everything, for the forms in which `trimtab connect policy` prints one.
fn whole_policy() -> Vec<trimtab_policies::iam::Statement> {
    let roles = &variants()[0];
    statements(&Request {
        kinds: roles.kinds.clone(),
        access: Access::Apply,
        partition: roles.partition.clone(),
        account: roles.account.clone(),
        regions: roles.regions.clone(),
        tags: roles.tags.clone(),
        deletes: true,
        refreshes: true,
        launch_roles: roles.launch_roles.clone(),
        keys: roles.keys.clone(),
    })
}

#[test]
fn the_linter_finds_nothing_in_the_templates() {
    let Some(python) = installed() else { return };
    let linter = python.with_file_name("cfn-lint");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut files: Vec<(String, String)> = variants()
        .iter()
        .enumerate()
        .map(|(index, roles)| {
            let heading = guide(roles, &roles.how_by_cloudformation(None));
            (format!("{index}.yaml"), template(roles, &heading))
        })
        .collect();
    let policy = cloudformation("What Trimtab changes.", &whole_policy());
    files.push(("policy.json".to_owned(), policy.to_string()));
    let files = written(folder.path(), &files);
    check(Command::new(&linter).arg("--").args(&files));
    // It can fail: a template with a misspelt property is not let through.
    let broken =
        fs::read_to_string(&files[0]).expect("it was written").replace("RoleName:", "Rolename:");
    let broken = written(folder.path(), &[("broken.yaml".to_owned(), broken)]);
    let output = Command::new(&linter).arg("--").args(&broken).output();
    assert!(!output.expect("the linter starts").status.success());
}

#[test]
fn the_modules_are_read_and_their_references_are_declared() {
    let Some(python) = installed() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut files: Vec<(String, String)> = variants()
        .iter()
        .enumerate()
        .map(|(index, roles)| {
            (format!("{index}.tf"), module(roles, &guide(roles, &roles.how_by_terraform())))
        })
        .collect();
    files.push(("policy.tf".to_owned(), terraform("trimtab_apply", &whole_policy())));
    check(Command::new(&python).args(["-c", READ_HCL]).args(written(folder.path(), &files)));
    for (name, text) in &files {
        assert_eq!(unformatted(text), Vec::<String>::new(), "{name}");
    }
}

/// Lines that `terraform fmt` would write otherwise: an indent that is not two blanks a block, blanks at the end, two empty
/// lines together, or equals signs of neighbouring lines that do not stand below each other.
fn unformatted(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut depth, mut before): (usize, Option<(usize, usize)>) = (0, None);
    let mut was_empty = false;
    for line in text.lines() {
        let content = line.trim();
        depth -= usize::from(content == "}").min(depth);
        let indent = line.len() - line.trim_start().len();
        let expect = if content.is_empty() { 0 } else { 2 * depth };
        let equals = (!content.starts_with('#')).then(|| line.find(" = ")).flatten();
        let below = match (before, equals) {
            (Some((at, of)), Some(here)) if of == depth => at == here,
            _ => true,
        };
        if indent != expect
            || line.trim_end() != line
            || (was_empty && content.is_empty())
            || !below
        {
            wrong.push(line.to_owned());
        }
        before = equals.map(|at| (at, depth));
        was_empty = content.is_empty();
        depth += usize::from(content.ends_with('{') && !content.starts_with('#'));
    }
    wrong
}

#[test]
fn a_module_that_is_not_formatted_is_seen() {
    for wrong in
        ["a {\n b = 1\n}\n", "a {\n  b = 1\n  cc = 2\n}\n", "a = 1 \n", "a = 1\n\n\nb = 2\n"]
    {
        assert_eq!(unformatted(wrong).len(), 1, "{wrong}");
    }
    assert!(unformatted("# { x\na {\n  b  = 1\n  cc = 2\n}\n").is_empty());
}
