//! Functions under Lambda's rules: `$LATEST`, the versions that are published of it, and an alias that leads to them.
//!
//! Sources: Lambda API (revision ids, one update at a time, no second version of what has not changed, weights of an
//! alias). Not here: metrics (`metrics`), and what a describe shows of the rest (`look`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_models::resource::{Alias, Function, Published};
use trimtab_policies::{
    facts::Runs,
    operations::{Failure, FailureKind, Receipt, Share},
};

use super::{
    Body, FunctionBody, World,
    metrics::{PUBLISHED_AFTER_S, duration_ms},
    perform::{failure, not_of_kind},
};
use crate::{noise::mix, timeline::Timeline};

/// The only alias that a function of the fleet has.
pub(crate) const ALIAS: &str = "live";
/// The period of a version's metrics, seconds.
const PERIOD_S: i64 = 60;

/// A version, which never changes.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) memory_mb: u32,
    pub(crate) code: u64,
    pub(crate) since_s: i64,
    pub(crate) active_s: i64,
}

/// Where an alias leads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Route {
    pub(crate) version: u64,
    pub(crate) canary: Option<(u64, u32)>,
    pub(crate) revision: u64,
}

impl Version {
    fn seen_at(&self, second: i64) -> Published {
        let state = if second < self.active_s { "Pending" } else { "Active" };
        Published {
            version: self.number.to_string(),
            memory_mb: self.memory_mb,
            code_sha256: Some(sha256(self.code)),
            state: state.to_owned(),
            differs: Vec::new(),
        }
    }
}

fn sha256(code: u64) -> String {
    format!("{code:016x}")
}

impl FunctionBody {
    /// A function that has never been changed; `aliased` has published it once.
    pub(crate) fn new(memory_mb: u32, stream: u64, aliased: bool) -> Self {
        let code = mix(stream ^ 5);
        let first = Version { number: 1, memory_mb, code, since_s: i64::MIN, active_s: i64::MIN };
        let route = Route { version: 1, canary: None, revision: mix(stream ^ 6) };
        Self {
            memory: Timeline::new(memory_mb),
            code: Timeline::new(code),
            versions: aliased.then_some(first).into_iter().collect(),
            route: aliased.then(|| Timeline::new(route)),
            updating_until_s: 0,
            revision: Timeline::new(mix(stream)),
            used_mb: 0.0,
            insights: false,
            peak_invocations: 0.0,
        }
    }

    /// Every change makes another revision.
    fn revise(&mut self, second: i64) {
        let revision = mix(*self.revision.at(second));
        self.revision.set(second, revision);
    }

    fn revision_id(&self, second: i64) -> String {
        format!("{:016x}", self.revision.at(second))
    }

    fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    fn newest(&self, second: i64) -> Option<&Version> {
        self.versions.iter().rfind(|version| version.since_s <= second)
    }

    /// The memory of what callers get, MB, each with its share of the calls.
    pub(crate) fn shares(&self, second: i64) -> Vec<(u32, f64)> {
        let Some(route) = &self.route else { return vec![(*self.memory.at(second), 1.0)] };
        let route = route.at(second);
        let shares = shares_of(route).into_iter();
        let memory = |(number, share)| Some((self.version(number)?.memory_mb, share));
        shares.filter_map(memory).collect()
    }

    /// The memory of what most callers get, MB.
    pub(crate) fn served_mb(&self, second: i64) -> u32 {
        self.shares(second).first().map_or(*self.memory.at(second), |(memory_mb, _)| *memory_mb)
    }

    /// Fills in what a describe at `second` shows of it.
    pub(crate) fn show(&self, function: &mut Function, second: i64) {
        function.memory_mb = *self.memory.at(second);
        function.code_sha256 = Some(sha256(*self.code.at(second)));
        function.revision_id = Some(self.revision_id(second));
        let updating = second < self.updating_until_s;
        function.last_update_status = if updating { "InProgress" } else { "Successful" }.to_owned();
        let Some(route) = &self.route else { return };
        let route = route.at(second);
        let weight =
            |(number, percent): (u64, u32)| (number.to_string(), f64::from(percent) / 100.0);
        function.aliases = vec![Alias {
            name: ALIAS.to_owned(),
            version: route.version.to_string(),
            weights: route.canary.map(weight).into_iter().collect(),
            revision_id: Some(format!("{:016x}", route.revision)),
        }];
        function.served = self.version(route.version).map(|version| version.seen_at(second));
        function.newest = self.newest(second).map(|version| version.seen_at(second));
        function.provisioned = Some(Vec::new());
        let published = self.versions.iter().filter(|version| version.since_s <= second).count();
        function.published_versions = u32::try_from(published).unwrap_or(u32::MAX);
    }

    /// Somebody else deploys: other code and memory and, behind an alias, a version that it then leads to. A share that
    /// another version has stays, because an update of an alias leaves what it does not name (Lambda API, `UpdateAlias`).
    pub(crate) fn deploy(&mut self, second: i64, memory_mb: u32) {
        self.memory.set(second, memory_mb);
        let code = mix(*self.code.at(second));
        self.code.set(second, code);
        self.revise(second);
        let Some(route) = &mut self.route else { return };
        let number = self.versions.iter().map(|version| version.number).max().unwrap_or(0) + 1;
        let deployed = Version { number, memory_mb, code, since_s: second, active_s: second };
        self.versions.push(deployed);
        let Route { canary, revision, .. } = *route.at(second);
        route.set(second, Route { version: number, canary, revision: mix(revision) });
    }

    fn reason_busy(
        &self,
        (call, id): (&str, &str),
        revision: Option<&str>,
        now_s: i64,
    ) -> Option<Failure> {
        let message = if now_s < self.updating_until_s {
            "ResourceConflictException: an update is in progress"
        } else if revision.is_some_and(|revision| revision != self.revision_id(now_s)) {
            "PreconditionFailedException: the revision is another"
        } else {
            return None;
        };
        Some(failure(FailureKind::Conflict, call, id, message))
    }
}

/// The versions that a route leads to, each with its share of the calls; the one that it names first.
fn shares_of(route: &Route) -> Vec<(u64, f64)> {
    let canary = route.canary.map(|(number, percent)| (number, f64::from(percent) / 100.0));
    let rest = 1.0 - canary.map_or(0.0, |(_, share)| share);
    std::iter::once((route.version, rest)).chain(canary).collect()
}

impl World {
    pub(super) fn set_memory(
        &mut self,
        (id, call): (&str, &str),
        memory_mb: u32,
        revision: Option<&str>,
        (now_s, draw): (i64, f64),
    ) -> Result<Receipt, Failure> {
        let Body::Function(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        if !(128..=10_240).contains(&memory_mb) {
            let message =
                format!("InvalidParameterValueException: {memory_mb} MB is not within 128–10240");
            return Err(failure(FailureKind::Rejected, call, id, &message));
        }
        if let Some(refusal) = body.reason_busy((call, id), revision, now_s) {
            return Err(refusal);
        }
        body.memory.set(now_s, memory_mb);
        body.updating_until_s = now_s + 1 + (4.0 * draw) as i64;
        body.revise(now_s);
        Ok(Receipt::default())
    }

    pub(super) fn publish(
        &mut self,
        (id, call): (&str, &str),
        (code_sha256, revision): (&str, Option<&str>),
        (now_s, draw): (i64, f64),
    ) -> Result<Receipt, Failure> {
        let Body::Function(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        if let Some(refusal) = body.reason_busy((call, id), revision, now_s) {
            return Err(refusal);
        }
        let (memory_mb, code) = (*body.memory.at(now_s), *body.code.at(now_s));
        if sha256(code) != code_sha256 {
            let message =
                "InvalidParameterValueException: CodeSHA256 is different from current CodeSHA256";
            return Err(failure(FailureKind::Rejected, call, id, message));
        }
        let newest = body.newest(now_s);
        let number = match newest.filter(|one| (one.memory_mb, one.code) == (memory_mb, code)) {
            Some(same) => same.number,
            None => {
                let number = newest.map_or(1, |newest| newest.number + 1);
                let active_s = now_s + 2 + (20.0 * draw) as i64;
                let since_s = now_s;
                body.versions.push(Version { number, memory_mb, code, since_s, active_s });
                number
            }
        };
        Ok(Receipt { created_id: Some(number.to_string()) })
    }

    pub(super) fn set_alias(
        &mut self,
        (id, call): (&str, &str),
        alias: &str,
        (version, canary, revision): (&str, Option<&Share>, Option<&str>),
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let Body::Function(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let known = |number: &str| number.parse().ok().filter(|one| body.version(*one).is_some());
        let unknown = || failure(FailureKind::NotFound, call, id, "ResourceNotFoundException");
        let version = known(version).ok_or_else(unknown)?;
        let canary = match canary {
            None => None,
            Some(share) => Some((known(&share.version).ok_or_else(unknown)?, share.percent)),
        };
        let route = body.route.as_mut().filter(|_| alias == ALIAS).ok_or_else(unknown)?;
        let live = route.at(now_s).revision;
        if revision.is_some_and(|revision| revision != format!("{live:016x}")) {
            let message = "PreconditionFailedException: the revision is another";
            return Err(failure(FailureKind::Conflict, call, id, message));
        }
        if canary.is_some_and(|(number, percent)| number == version || percent > 100) {
            let message = "InvalidParameterValueException: the weights are not valid";
            return Err(failure(FailureKind::Rejected, call, id, message));
        }
        route.set(now_s, Route { version, canary, revision: mix(live) });
        Ok(Receipt::default())
    }

    /// Sets an empty routing configuration and nothing else: the version that the alias names stays.
    pub(super) fn withdraw_share(
        &mut self,
        (id, call): (&str, &str),
        (alias, revision): (&str, &str),
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let Body::Function(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        let route = body.route.as_ref().filter(|_| alias == ALIAS);
        let version = route.map(|route| route.at(now_s).version.to_string());
        let Some(version) = version else {
            return Err(failure(FailureKind::NotFound, call, id, "ResourceNotFoundException"));
        };
        self.set_alias((id, call), alias, (&version, None, Some(revision)), now_s)
    }

    /// What the runs of each version came to, of the calls through an alias in `[from_s, until_s)`.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn runs(
        &mut self,
        id: &str,
        versions: &[String],
        (from_s, until_s): (i64, i64),
        now: Timestamp,
    ) -> Result<BTreeMap<String, Runs>, Failure> {
        self.let_others_act(now);
        self.refuse("cloudwatch:GetMetricData", id, false)?;
        let hidden = self.faults.silent.contains(id) || self.faults.flat_zero.contains(id);
        let entity = self.entity(id, "cloudwatch:GetMetricData")?;
        let mut all: BTreeMap<String, Runs> =
            versions.iter().map(|version| (version.clone(), Runs::default())).collect();
        let Body::Function(body) = &entity.body else { return Ok(all) };
        let Some(route) = body.route.as_ref().filter(|_| !hidden) else { return Ok(all) };
        let until_s = until_s.min(now.as_second() - PUBLISHED_AFTER_S - PERIOD_S);
        let mut second = from_s;
        while second < until_s {
            let calls = body.peak_invocations * entity.demand.at(second) * PERIOD_S as f64 / 300.0;
            for (number, share) in shares_of(route.at(second)) {
                let memory_mb = body.version(number).map(|version| version.memory_mb);
                if let (Some(runs), Some(memory_mb)) = (all.get_mut(&number.to_string()), memory_mb)
                {
                    let killed = body.used_mb > f64::from(memory_mb);
                    runs.runs += calls * share;
                    runs.failed += if killed { calls * share } else { 0.0 };
                    runs.total_ms += calls * share * duration_ms(memory_mb);
                }
            }
            second += PERIOD_S;
        }
        Ok(all)
    }

    /// A function as it truly is: what a describe would show without lag.
    #[must_use]
    pub fn true_function(&self, id: &str, now: Timestamp) -> Option<Function> {
        self.truly(id, now)?.function().cloned()
    }
}
