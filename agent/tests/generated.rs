//! Completions and manual pages: that they tell of every command, and that a manual page can be read.
//!
//! Not here: what the commands do (`cli.rs`).

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Output, Stdio},
};

use clap::CommandFactory;
use trimtab::cli::args::Args;

fn trimtab(args: &[&str]) -> (i32, String) {
    let Output { status, stdout, .. } =
        Command::new(env!("CARGO_BIN_EXE_trimtab")).args(args).output().expect("the binary runs");
    let text = String::from_utf8(stdout).expect("the output is UTF-8");
    (status.code().expect("it is not killed"), text)
}

/// Every command with the commands above it, such as `["changes", "undo"]`; the program itself is the empty path.
fn paths() -> BTreeSet<Vec<String>> {
    fn below(command: &clap::Command, path: &[String], found: &mut BTreeSet<Vec<String>>) {
        found.insert(path.to_vec());
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            below(one, &[path, &[one.get_name().to_owned()]].concat(), found);
        }
    }
    let mut found = BTreeSet::new();
    below(&Args::command(), &[], &mut found);
    assert!(found.len() > 30, "{found:?}");
    found
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script) = trimtab(&["completions", shell]);
        assert_eq!(code, 0, "{shell}");
        for name in paths().iter().filter_map(|path| path.last()) {
            assert!(script.contains(name.as_str()), "{shell} does not know `{name}`");
        }
    }
    assert_eq!(trimtab(&["completions", "abacus"]).0, 2);
}

#[test]
fn bash_takes_the_completions() {
    let (_, script) = trimtab(&["completions", "bash"]);
    let mut bash = Command::new("bash");
    let bash = bash.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut bash) = bash.spawn() else {
        return;
    };
    let ask = "\nCOMP_WORDS=(trimtab appr)\nCOMP_CWORD=1\n_trimtab trimtab appr trimtab\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let mut input = bash.stdin.take().expect("it is piped");
    input.write_all((script + ask).as_bytes()).expect("bash reads");
    drop(input);
    let answer = bash.wait_with_output().expect("bash ends");
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "approve");
}

#[test]
fn there_is_a_page_for_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (code, _) = trimtab(&["man", "--dir", &folder.path().display().to_string()]);
    assert_eq!(code, 0);
    for path in paths() {
        let name = [vec!["trimtab".to_owned()], path.clone()].concat().join("-");
        let file = folder.path().join(format!("{name}.1"));
        let page = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
        let args: Vec<&str> =
            std::iter::once("man").chain(path.iter().map(String::as_str)).collect();
        let (code, printed) = trimtab(&args);
        assert_eq!((code, printed.trim_end()), (0, page.trim_end()), "{name}");
        if let Some(text) = rendered(&page) {
            assert!(text.contains("SYNOPSIS") && text.contains(&name), "{name}: {text}");
        }
    }
    assert_eq!(trimtab(&["man", "fly"]).0, 2);
}

/// The page as a reader sees it, complaints of the formatter included; `None` where there is no formatter.
fn rendered(page: &str) -> Option<String> {
    let mut groff = Command::new("groff");
    let groff = groff.args(["-man", "-Tutf8", "-ww", "-P-cbou"]);
    let groff = groff.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut groff = groff.spawn().ok()?;
    let mut input = groff.stdin.take().expect("it is piped");
    input.write_all(page.as_bytes()).expect("groff reads");
    drop(input);
    let Output { status, stdout, stderr } = groff.wait_with_output().expect("groff ends");
    let complaints = String::from_utf8_lossy(&stderr);
    assert!(status.success() && !complaints.contains("error"), "{complaints}");
    Some(String::from_utf8_lossy(&stdout).into_owned())
}
