//! The asking side: the two ports of a daemon whose account another process serves.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream as BlockingStream,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use trimtab_models::{
    catalog::{InstanceType, VcpuQuota},
    resource::{Kind, Registration, Resource, ResourceRef},
};
use trimtab_policies::{
    facts::{Alarm, InstanceStatus, Permission, Runs, Target},
    operations::{Failure, FailureKind, Operation, Receipt},
    session::Session,
    steps::Step,
};

use super::{Ask, Hello, SentSeries};
use crate::ports::{
    Act, FetchedSeries, Made, MadeThing, Observe, Place, Ports, Protection, RunsQuery, SeriesQuery,
};

/// An account at the other end of a socket.
#[derive(Debug, Clone)]
pub struct Remote {
    socket: PathBuf,
}

/// Connects to the account that is served at `socket`; returns its ports and what it says of itself.
///
/// # Errors
/// When nobody answers there, or something else does.
pub fn connect(socket: &Path) -> anyhow::Result<(Ports, Hello)> {
    let mut stream = BlockingStream::connect(socket)?;
    stream.write_all(&serde_json::to_vec(&Ask::Hello)?)?;
    stream.shutdown(Shutdown::Write)?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let hello: Result<Hello, Failure> =
        serde_json::from_slice(&text).context("what answers there is no served account")?;
    let hello = hello?;
    let remote = Arc::new(Remote { socket: socket.to_owned() });
    let ports = Ports {
        observe: Arc::clone(&remote) as Arc<dyn Observe>,
        act: Some(remote),
        clock: Arc::new(hello.clock),
    };
    Ok((ports, hello))
}

impl Remote {
    async fn ask<T: DeserializeOwned>(&self, ask: Ask) -> Result<T, Failure> {
        let answer = self.send(&ask).await.map_err(|error| Failure {
            // The question may have arrived: like a call to AWS whose answer was lost.
            kind: FailureKind::Uncertain,
            call: "served:Ask".to_owned(),
            target: self.socket.display().to_string(),
            message: error.to_string(),
        })?;
        let answer: Result<T, Failure> =
            serde_json::from_slice(&answer).map_err(|error| Failure {
                kind: FailureKind::Uncertain,
                call: "served:Ask".to_owned(),
                target: self.socket.display().to_string(),
                message: format!("the answer ends early or is not understood: {error}"),
            })?;
        answer
    }

    async fn send(&self, ask: &Ask) -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(&serde_json::to_vec(ask)?).await?;
        stream.shutdown().await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        Ok(text)
    }
}

#[async_trait]
impl Observe for Remote {
    async fn discover(&self, place: &Place, kind: Kind) -> Result<Vec<Resource>, Failure> {
        self.ask(Ask::Discover(place.clone(), kind)).await
    }

    async fn describe(&self, resource: &ResourceRef, id: &str) -> Result<Resource, Failure> {
        self.ask(Ask::Describe(Box::new(resource.clone()), id.to_owned())).await
    }

    async fn series(
        &self,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure> {
        let sent: SentSeries = self.ask(Ask::Series(place.clone(), queries.to_vec())).await?;
        Ok(sent.into())
    }

    async fn instance_status(
        &self,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        self.ask(Ask::InstanceStatus(place.clone(), instance_id.to_owned())).await
    }

    async fn protection(&self, place: &Place, instance_id: &str) -> Result<Protection, Failure> {
        self.ask(Ask::Protection(place.clone(), instance_id.to_owned())).await
    }

    async fn alarms(
        &self,
        resource: &ResourceRef,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Alarm>, Failure> {
        self.ask(Ask::Alarms(Box::new(resource.clone()), id.to_owned(), names.to_vec())).await
    }

    async fn offered(
        &self,
        place: &Place,
        zone: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure> {
        self.ask(Ask::Offered(place.clone(), zone.to_owned(), types.to_vec())).await
    }

    async fn vcpu_limit(&self, place: &Place, quota: VcpuQuota) -> Result<u32, Failure> {
        self.ask(Ask::VcpuLimit(place.clone(), quota)).await
    }

    async fn modifications(
        &self,
        place: &Place,
        volume_id: &str,
    ) -> Result<Vec<Timestamp>, Failure> {
        self.ask(Ask::Modifications(place.clone(), volume_id.to_owned())).await
    }

    async fn marked(
        &self,
        place: &Place,
        made: Made,
        mark: &str,
    ) -> Result<Option<MadeThing>, Failure> {
        self.ask(Ask::Marked(place.clone(), made, mark.to_owned())).await
    }

    async fn instance_types(&self, place: &Place) -> Result<Vec<InstanceType>, Failure> {
        self.ask(Ask::InstanceTypes(place.clone())).await
    }

    async fn registrations(
        &self,
        place: &Place,
    ) -> Result<BTreeMap<String, Vec<Registration>>, Failure> {
        self.ask(Ask::Registrations(place.clone())).await
    }

    async fn targets(&self, place: &Place, group_arn: &str) -> Result<Vec<Target>, Failure> {
        self.ask(Ask::Targets(place.clone(), group_arn.to_owned())).await
    }

    async fn runs(
        &self,
        place: &Place,
        query: &RunsQuery,
    ) -> Result<BTreeMap<String, Runs>, Failure> {
        self.ask(Ask::Runs(place.clone(), query.clone())).await
    }

    async fn caller(&self, place: &Place) -> Result<String, Failure> {
        self.ask(Ask::Caller(place.clone())).await
    }
}

#[async_trait]
impl Act for Remote {
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        self.ask(Ask::Perform(place.clone(), session.clone(), operation.clone())).await
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        self.ask(Ask::Permission(place.clone(), steps.to_vec())).await
    }
}
