//! The rules of the house that no compiler knows, checked over the repository's own files.
//!
//! Not here: what lints (`.clippy.toml`, `[workspace.lints]`) and `.deny.toml` already refuse.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The members, each allowed to use only those before it.
const MEMBERS: [&str; 5] = ["models", "policies", "config", "simulations", "agent"];

/// Lines of a source file without its tests; a longer one is two ideas.
const LINES_MAX: usize = 500;

/// What stands at the top besides hidden entries and what Cargo builds.
const TOP: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "agent",
    "config",
    "models",
    "policies",
    "simulations",
];

/// All that the pure crates may depend on: nothing that does I/O, logs, or reads a clock by itself.
///
/// `schemars` describes their types in the API's document, as `serde` writes them.
const PURE: [(&str, &[&str]); 3] = [
    (
        "models",
        &[
            "jiff",
            "linfa",
            "linfa-clustering",
            "linfa-elasticnet",
            "ndarray",
            "schemars",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
        ],
    ),
    (
        "policies",
        &[
            "croner",
            "jiff",
            "schemars",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "trimtab-models",
        ],
    ),
    (
        "simulations",
        &[
            "jiff",
            "rand",
            "rand_pcg",
            "serde",
            "serde_json",
            "thiserror",
            "toml",
            "trimtab-models",
            "trimtab-policies",
        ],
    ),
];

fn root() -> PathBuf {
    let agent = Path::new(env!("CARGO_MANIFEST_DIR"));
    agent.parent().expect("the agent is a folder of the workspace").to_owned()
}

/// Every Rust file of the members with its path from the root and its text.
fn sources() -> BTreeMap<String, String> {
    let root = root();
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = MEMBERS.iter().map(|member| root.join(member)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a member's folder can be read") {
            let path = entry.expect("its entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("source files are UTF-8");
                let path = path.strip_prefix(&root).expect("it was found below the root");
                found.insert(path.to_string_lossy().into_owned(), text);
            }
        }
    }
    assert!(found.len() > 100, "only {} source files were found", found.len());
    found
}

/// Whether a file holds tests or benches only.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches"))
}

/// Lines up to the tests that stand at a file's end.
fn lines_without_tests(text: &str) -> usize {
    let inline = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    let lines: Vec<&str> = text.lines().collect();
    lines.windows(2).position(inline).unwrap_or(lines.len())
}

/// Fails with one line for each offence.
fn none_of(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

/// The dependencies of one section of a member's `Cargo.toml`.
fn dependencies(member: &str, section: &str) -> BTreeSet<String> {
    let path = root().join(member).join("Cargo.toml");
    let text = fs::read_to_string(&path).expect("every member has a Cargo.toml");
    let manifest: toml::Table = text.parse().expect("Cargo has read it already");
    let section = manifest.get(section).and_then(toml::Value::as_table);
    section.map(|section| section.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path)
        .collect();
    none_of(&silent, "these files do not open with `//!`");
}

#[test]
fn no_source_file_outgrows_its_idea() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, lines_without_tests(&text)))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    none_of(&long, "these files have more than 500 lines without their tests");
}

#[test]
fn the_main_function_only_hands_over() {
    let main = sources().remove("agent/src/main.rs").expect("the agent is a program");
    assert!(main.lines().count() <= 100, "agent/src/main.rs has more than 100 lines");
}

#[test]
fn members_use_only_those_before_them() {
    for (position, member) in MEMBERS.iter().enumerate() {
        // `config` and `simulations` stand side by side.
        let before = if *member == "simulations" { 2 } else { position };
        let allowed: BTreeSet<String> =
            MEMBERS[..before].iter().map(|member| format!("trimtab-{member}")).collect();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used = dependencies(member, section);
            let wrong: Vec<String> = used
                .into_iter()
                .filter(|name| name.starts_with("trimtab") && !allowed.contains(name))
                .collect();
            none_of(&wrong, &format!("{member} may not use"));
        }
    }
}

#[test]
fn the_pure_crates_depend_on_nothing_that_acts() {
    for (member, allowed) in PURE {
        let found = dependencies(member, "dependencies");
        let foreign: Vec<String> =
            found.into_iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        none_of(&foreign, &format!("{member}/Cargo.toml: allow them here with a reason, or not"));
        assert!(dependencies(member, "build-dependencies").is_empty(), "{member} builds with code");
    }
}

#[test]
fn the_pure_crates_document_all_they_offer() {
    for (member, _) in PURE {
        let library = &sources()[&format!("{member}/src/lib.rs")];
        assert!(library.contains("#![deny(missing_docs)]"), "{member}/src/lib.rs lacks the lint");
    }
}

#[test]
fn the_sdk_has_one_door() {
    let this = "agent/tests/architecture.rs";
    let doors = ["agent/src/aws/", "agent/src/aws.rs", "agent/tests/wire/"];
    let outside: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| path != this && !doors.iter().any(|door| path.starts_with(door)))
        .filter(|(_, text)| {
            code(text).any(|line| line.contains("aws_sdk_") || line.contains("aws_config"))
        })
        .map(|(path, _)| path)
        .collect();
    none_of(&outside, "only agent/src/aws and agent/tests/wire may speak to the SDK");
}

#[test]
fn libraries_print_nothing() {
    let macros = ["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("];
    let loud: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .flat_map(|(path, text)| {
            let lines = code(&text).filter(|line| macros.iter().any(|name| line.contains(name)));
            lines.map(|line| format!("{path}: {}", line.trim())).collect::<Vec<_>>()
        })
        .collect();
    none_of(&loud, "output goes through agent/src/cli/out.rs, what happened through tracing");
}

#[test]
fn nobody_is_left_to_do_it_later() {
    let marks = ["TODO", "FIXME", "XXX", "HACK", "#[ignore", "unimplemented!", "todo!"];
    let owed: Vec<String> = sources()
        .into_iter()
        .filter(|(path, _)| path != "agent/tests/architecture.rs")
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(path, _)| path)
        .collect();
    none_of(&owed, "these files hold unfinished work or a test that is not run");
}

#[test]
fn the_repository_is_tidy_at_the_top() {
    let entries = fs::read_dir(root()).expect("the repository's folder can be read");
    let foreign: Vec<String> = entries
        .map(|entry| entry.expect("its entries can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target" && !TOP.contains(&name.as_str()))
        .collect();
    none_of(&foreign, "these entries do not belong at the top");
}

/// A file's lines without those that are comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}
