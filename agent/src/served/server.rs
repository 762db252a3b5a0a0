//! The serving side: answers one question a connection, until it is dropped.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};
use trimtab_models::catalog::Catalog;
use trimtab_policies::operations::{Failure, FailureKind};
use trimtab_simulations::{scenario::Scenario, world::World};

use super::{Ask, Hello, SentSeries};
use crate::{
    clock::SharedClock,
    ports::{Act, Observe},
    simulated::Simulated,
};

/// An account to be served.
#[derive(Debug, Clone)]
pub struct Account {
    /// What it says of itself.
    pub hello: Hello,
    /// Reads.
    pub observe: Arc<dyn Observe>,
    /// Writes.
    pub act: Arc<dyn Act>,
}

/// Serves the account of a scenario until SIGINT ends it.
///
/// # Errors
/// When the socket cannot be made.
pub async fn run(
    scenario: &Scenario,
    seed: u64,
    (speed, socket): (f64, &Path),
) -> anyhow::Result<()> {
    let clock = SharedClock::new(scenario.start, speed);
    let world = World::new(scenario, seed, Catalog::embedded());
    let simulated = Arc::new(Simulated::new(world, Arc::new(clock)));
    let hello = Hello {
        account: scenario.account.clone(),
        regions: scenario.regions.clone(),
        start: scenario.start,
        clock,
    };
    let listener = UnixListener::bind(socket).with_context(|| {
        format!("`{}` cannot be served at: remove what is there, or name another", socket.display())
    })?;
    let account =
        Account { hello, observe: Arc::clone(&simulated) as Arc<dyn Observe>, act: simulated };
    tokio::select! {
        biased;
        ended = tokio::signal::ctrl_c() => ended?,
        () = serve(listener, account) => {}
    }
    Ok(std::fs::remove_file(socket)?)
}

/// Answers every question. A question that was read is carried out, whether or not anybody still waits for the answer.
pub async fn serve(listener: UnixListener, account: Account) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let account = account.clone();
                tokio::spawn(async move {
                    if let Err(error) = talk(stream, &account).await {
                        tracing::debug!(%error, "whoever asked has gone");
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "a connection was not taken"),
        }
    }
}

async fn talk(mut stream: UnixStream, account: &Account) -> std::io::Result<()> {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await?;
    let answer = match serde_json::from_slice(&text) {
        Ok(ask) => answer(account, ask).await,
        Err(error) => Err(failure(&error)),
    };
    stream.write_all(&serde_json::to_vec(&answer)?).await?;
    stream.shutdown().await
}

async fn answer(account: &Account, ask: Ask) -> Result<Value, Failure> {
    let (observe, act) = (&account.observe, &account.act);
    match ask {
        Ask::Hello => told(Ok(&account.hello)),
        Ask::Discover(place, kind) => told(observe.discover(&place, kind).await),
        Ask::Describe(resource, id) => told(observe.describe(&resource, &id).await),
        Ask::Series(place, queries) => {
            told(observe.series(&place, &queries).await.map(SentSeries::from))
        }
        Ask::InstanceStatus(place, id) => told(observe.instance_status(&place, &id).await),
        Ask::Protection(place, id) => told(observe.protection(&place, &id).await),
        Ask::Alarms(resource, id, names) => told(observe.alarms(&resource, &id, &names).await),
        Ask::VcpuLimit(place, quota) => told(observe.vcpu_limit(&place, quota).await),
        Ask::Offered(place, zone, types) => told(observe.offered(&place, &zone, &types).await),
        Ask::Modifications(place, id) => told(observe.modifications(&place, &id).await),
        Ask::Marked(place, made, mark) => told(observe.marked(&place, made, &mark).await),
        Ask::InstanceTypes(place) => told(observe.instance_types(&place).await),
        Ask::Caller(place) => told(observe.caller(&place).await),
        Ask::Registrations(place) => told(observe.registrations(&place).await),
        Ask::Runs(place, query) => told(observe.runs(&place, &query).await),
        Ask::Targets(place, group_arn) => told(observe.targets(&place, &group_arn).await),
        Ask::Perform(place, session, operation) => {
            told(act.perform(&place, &session, &operation).await)
        }
        Ask::Permission(place, steps) => told(act.permission(&place, &steps).await),
    }
}

fn told<T: Serialize>(answer: Result<T, Failure>) -> Result<Value, Failure> {
    serde_json::to_value(answer?).map_err(|error| failure(&error))
}

fn failure(error: &serde_json::Error) -> Failure {
    Failure {
        kind: FailureKind::Rejected,
        call: "served:Ask".to_owned(),
        target: "account".to_owned(),
        message: error.to_string(),
    }
}
