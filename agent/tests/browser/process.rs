//! Programs that run beside the test and end with it.
//!
//! Not here: what they are asked.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// A program that prints nothing for so long does not start any more.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Whether a program is installed.
pub(crate) fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A running program with a temporary folder of its own.
pub(crate) struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    _scratch: TempDir,
}

impl Running {
    /// Starts `program`.
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = Command::new(program);
        command.args(arguments).env("TMPDIR", scratch.path()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program is installed");
        let stdout = child.stdout.take().expect("its output is piped");
        let (sender, lines) = channel();
        // Read to the end, or the program would wait for its reader.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        Self { name: program.to_owned(), child, lines, _scratch: scratch }
    }

    /// Waits for a line that `wanted` takes something from.
    pub(crate) fn wait_for_line(&mut self, wanted: impl Fn(&str) -> Option<String>) -> String {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(SILENCE_MAX) {
            if let Some(found) = wanted(&line) {
                return found;
            }
            seen.push(line);
        }
        panic!("`{}` did not say what was waited for, but: {seen:#?}", self.name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
