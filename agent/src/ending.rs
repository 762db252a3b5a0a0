//! How the process is told to end: SIGTERM or SIGINT, and a second one that does not wait.
//!
//! Not here: what ends in which order (`daemon`), and what an engine still owes (`engine`).

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `end` at the first SIGTERM or SIGINT from now on. A second one exits at once. SIGHUP, which would end the process
/// unasked, is from now on only what whoever listens to it makes of it.
///
/// # Errors
/// When signals cannot be listened to.
pub fn listen(end: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened to")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened to")?;
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be listened to")?;
    tokio::spawn(async move { while hangup.recv().await.is_some() {} });
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        end.cancel();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::error!(
            "a second signal: exiting at once; open changes go on from the journal at the next start"
        );
        std::process::exit(1);
    });
    Ok(())
}
