//! Starts moto, the emulator that stands for EC2, Lambda, Auto Scaling, STS and IAM, as a process of its own.
//!
//! It lives in a virtual environment under the build's target folder, made once and made again when
//! `requirements.txt` changes. Not here: what moto lacks; `proxy` plays that.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The packages of the virtual environment, each with its version.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// How long moto may take until it listens; it needs half a second on an idle machine.
const START_MAX: Duration = Duration::from_secs(60);

/// What runs in the virtual environment. Port 0 lets the system choose a free port, which moto prints. Reading the
/// standard input ends when the parent dies, however it dies: no emulator outlives its tests.
const SERVE: &str = "
import os, sys, threading
def leave_with_parent():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=leave_with_parent, daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', '0'])
";

/// A running emulator with an empty account; it stops when this value is dropped.
#[derive(Debug)]
pub(crate) struct Moto {
    process: Child,
    url: String,
}

impl Moto {
    /// Makes the virtual environment if needed, starts moto on a free loopback port and waits until it listens.
    ///
    /// Panics with what to do when Python is missing, the packages cannot be installed or moto does not start.
    pub(crate) async fn start() -> Self {
        tokio::task::spawn_blocking(|| start().unwrap_or_else(|error| panic!("{error}")))
            .await
            .expect("the start of moto panics only with its own message")
    }

    /// The address of the emulator itself, past the proxy: calls made here are not counted and obey no rules.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // A process that has already ended cannot be killed, and that is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start() -> Result<Moto, String> {
    let python = virtual_environment(&target_folder().join("moto-venv"), REQUIREMENTS)?;
    let mut process = Command::new(&python)
        .args(["-c", SERVE])
        // moto makes calls of its own through boto3; no profile of the person who runs the tests may leak in.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("failed to start moto with `{}`: {error}", python.display()))?;
    let stderr = process.stderr.take().expect("the pipe was asked for above");
    match listening_url(stderr) {
        Ok(url) => Ok(Moto { process, url }),
        Err(log) => {
            let _ = process.kill();
            let _ = process.wait();
            Err(format!("moto did not listen within {START_MAX:?}; it wrote:\n{log}"))
        }
    }
}

/// Reads moto's log until it names its address, then goes on reading so that the pipe never fills up.
///
/// The error is everything it wrote.
fn listening_url(log: impl std::io::Read + Send + 'static) -> Result<String, String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // Nobody listens once the address is known.
            let _ = sender.send(line);
        }
    });
    let mut seen = String::new();
    while let Ok(line) = receiver.recv_timeout(START_MAX) {
        if let Some(start) = line.find("http://127.0.0.1:") {
            return Ok(line[start..].trim_end().to_owned());
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    Err(seen)
}

/// The build's target folder: the one that holds this test's own temporary folder.
fn target_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo puts the temporary folder inside the target folder")
        .to_owned()
}

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

fn install(folder: &Path, python: &Path, requirements: &str) -> Result<(), String> {
    let wanted = folder.with_extension("txt");
    fs::write(&wanted, requirements)
        .map_err(|error| format!("failed to write `{}`: {error}", wanted.display()))?;
    run(
        Command::new("python3").args(["-m", "venv"]).arg(folder),
        "the wire tests need `python3` with its `venv` module: install Python 3.10 or newer \
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
        "the wire tests install moto with pip: make a package index reachable (PIP_INDEX_URL), or run \
         the tests that need no wire with `cargo test --workspace --no-default-features`",
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
