//! Schemathesis asks the API whatever its document allows and forbids: nothing breaks, and nothing is answered that is not
//! documented.
//!
//! Needs Python 3 and a package index; where they are missing it is skipped, except in continuous integration.

use std::process::Command;

use trimtab::api::protected_routes;

use crate::{
    door::{Door, runtime},
    python::{target_folder, virtual_environment},
};

/// The packages of the virtual environment, each with its version.
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// Cases of each operation: the coverage phase adds one for each border of each parameter.
const EXAMPLES: &str = "12";
/// The same cases each time.
const SEED: &str = "7";
/// What each answer is held to.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth";

#[expect(clippy::disallowed_methods, reason = "who runs a test is told by its own environment")]
fn is_continuous_integration() -> bool {
    std::env::var_os("CI").is_some()
}

#[expect(clippy::print_stderr, reason = "a skipped test must not look like one that passed")]
fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

#[test]
fn whatever_is_asked_is_answered_as_documented() {
    let folder = target_folder().join("schemathesis-venv");
    let python = match virtual_environment(&folder, REQUIREMENTS) {
        Ok(python) => python,
        Err(reason) if is_continuous_integration() => panic!("{reason}"),
        Err(reason) => return skip(&reason),
    };
    let door = runtime().block_on(Door::open(false, true));
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(python)
        .current_dir(scratch.path())
        .args(["-m", "schemathesis.cli", "run"])
        .arg(format!("http://{}/openapi.json", door.address))
        .arg(format!("--header=Authorization: Bearer {}", door.token))
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", EXAMPLES, "--seed", SEED, "--request-timeout", "20"])
        // A stream of events does not end; `events` reads it.
        .args(["--exclude-path", "/api/v1/events", "--no-color", "--continue-on-failure"])
        .output()
        .expect("the virtual environment's Python starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{errors}");
    let tested = told.split("Tested: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let tested: Option<usize> = tested.and_then(|count| count.parse().ok());
    // All that need a token but the stream.
    let least = protected_routes().len() - 1;
    assert!(tested >= Some(least), "not {least} operations:\n{told}\n{errors}");
}
