//! Virtual environments of Python for the tests that run a program of somebody else's.
//!
//! Each lives in the build's target folder, made once and made again when its requirements change. Not here: what runs in
//! them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Makes the virtual environment in `folder` unless it is there with these requirements (the text of pip's file), and
/// returns its Python.
///
/// A lock on a file beside it lets one test process build while the others wait. The stamp is written last, so that an
/// interrupted build is made again.
pub(crate) fn virtual_environment(folder: &Path, requirements: &str) -> Result<PathBuf, String> {
    let said = |what: &str| {
        let folder = folder.display().to_string();
        let what = what.to_owned();
        move |error: std::io::Error| format!("failed to {what} `{folder}`: {error}")
    };
    fs::create_dir_all(folder.parent().expect("the folder has a parent"))
        .map_err(said("make the parent of"))?;
    let lock =
        File::create(folder.with_extension("lock")).map_err(said("make the lock file of"))?;
    lock.lock().map_err(said("lock"))?;

    let python = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|built| built == requirements) && python.exists() {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(said("remove the outdated"))?;
    }
    install(folder, &python, requirements)?;
    fs::write(&stamp, requirements).map_err(said("stamp"))?;
    Ok(python)
}

/// The build's target folder: the one that holds this test's own temporary folder.
pub(crate) fn target_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo puts the temporary folder inside the target folder")
        .to_owned()
}

fn install(folder: &Path, python: &Path, requirements: &str) -> Result<(), String> {
    let wanted = folder.with_extension("txt");
    fs::write(&wanted, requirements)
        .map_err(|error| format!("failed to write `{}`: {error}", wanted.display()))?;
    run(
        Command::new("python3").args(["-m", "venv"]).arg(folder),
        "`python3` with its `venv` module is needed: install Python 3.10 or newer \
         (Debian and Ubuntu: apt-get install python3 python3-venv)",
    )?;
    run(
        Command::new(python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&wanted),
        "what the test runs is installed with pip: make a package index reachable (PIP_INDEX_URL)",
    )
}

/// Runs a command to its end; the error names the command, what it wrote and what to do.
fn run(command: &mut Command, what_to_do: &str) -> Result<(), String> {
    let outcome = command.stdin(Stdio::null()).output();
    let name = command.get_program().to_string_lossy().into_owned();
    match outcome {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { status, stderr, stdout }) => Err(format!(
            "`{name}` ended with {status}\n{}{}{what_to_do}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        )),
        Err(error) => Err(format!("failed to run `{name}`: {error}; {what_to_do}")),
    }
}
