//! Starts moto, the emulator that stands for EC2, Lambda, Auto Scaling, STS and IAM, as a process of its own.
//!
//! Not here: how its virtual environment is made (`python`), and what moto lacks; `proxy` plays that.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::python::{target_folder, virtual_environment};

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
