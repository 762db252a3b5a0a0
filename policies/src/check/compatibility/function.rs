//! Whether a memory size reaches the callers of a function: how its alias serves it, and what publishing would ship.
//!
//! Not here: the memory size itself (`super`) and who deploys the function (`ownership`).

use trimtab_models::{
    recommendation::Evidence,
    resource::{Alias, Function, Published},
};

use super::super::Reason;
use crate::steps::{CANARY_BUDGET_S, CANARY_PERCENT, CANARY_RUNS_MIN};

/// How Lambda calls the version that is not published.
const LATEST: &str = "$LATEST";

/// What keeps a change of memory from the callers, or would bring them more than that.
pub(super) fn reasons_of_serving(function: &Function, evidence: &Evidence) -> Vec<Reason> {
    let mut reasons: Vec<String> = match function.aliases.as_slice() {
        [] => reason_versions_alone(function).into_iter().collect(),
        [alias] => reasons_of_alias(function, alias, evidence),
        several => vec![reason_several(several)],
    };
    if function.capacity_provider {
        reasons.push("a capacity provider runs it".to_owned());
    }
    reasons.into_iter().map(Reason::fail).collect()
}

/// Versions without an alias are called by their numbers, if at all, and a number never gets another memory size.
fn reason_versions_alone(function: &Function) -> Option<String> {
    let count = function.published_versions;
    (count > 0).then(|| {
        format!(
            "{count} versions are published and no alias names one: callers may use their numbers"
        )
    })
}

/// Several aliases: moving one would leave the others behind, and moving all would undo what somebody keeps apart.
fn reason_several(aliases: &[Alias]) -> String {
    let each: Vec<String> =
        aliases.iter().map(|alias| format!("{} -> {}", alias.name, alias.version)).collect();
    let each = each.join(", ");
    let is_one = aliases.iter().all(|alias| alias.version == aliases[0].version);
    if is_one {
        format!(
            "served through several aliases of one version ({each}): which of them go together cannot be told"
        )
    } else {
        format!("served through aliases of different versions ({each})")
    }
}

fn reasons_of_alias(function: &Function, alias: &Alias, evidence: &Evidence) -> Vec<String> {
    let name = &alias.name;
    if alias.version == LATEST {
        return vec![format!(
            "served through the alias `{name}`, which names {LATEST}: there would be no canary"
        )];
    }
    let mut reasons = Vec::new();
    if !alias.weights.is_empty() {
        let versions: Vec<&str> = alias.weights.keys().map(String::as_str).collect();
        let versions = versions.join(", ");
        reasons.push(format!(
            "the alias `{name}` shares its calls with version {versions}: a deployment is under way"
        ));
    }
    match &function.served {
        None => reasons.push(format!(
            "served through the alias `{name}`, whose version `{}` could not be read",
            alias.version
        )),
        Some(served) => reasons.extend(reasons_unpublished(function, served)),
    }
    match &function.provisioned {
        None => reasons.push("whether it has provisioned concurrency is not known".to_owned()),
        Some(on) if !on.is_empty() => reasons.push(format!(
            "provisioned concurrency is set on {}: a new version would need its own first",
            on.join(", ")
        )),
        Some(_) => {}
    }
    reasons.extend(reason_too_quiet(evidence));
    reasons
}

/// What publishing `$LATEST` would bring to callers beside the memory.
fn reasons_unpublished(function: &Function, served: &Published) -> Vec<String> {
    let mut reasons = Vec::new();
    let version = &served.version;
    match (&function.code_sha256, &served.code_sha256) {
        (Some(latest), Some(live)) if latest == live => {}
        (Some(_), Some(_)) => reasons.push(format!(
            "{LATEST} has other code than version {version}, which callers get: publishing would ship it"
        )),
        (_, _) => reasons.push(format!("the code of {LATEST} and version {version} cannot be compared")),
    }
    let mut parts = served.differs.clone();
    if function.memory_mb != served.memory_mb {
        parts.push(format!("memory {} MB, not {}", function.memory_mb, served.memory_mb));
    }
    if !parts.is_empty() {
        let parts = parts.join(", ");
        reasons.push(format!(
            "{LATEST} differs from version {version}, which callers get ({parts}): publishing would ship it"
        ));
    }
    reasons
}

/// Too few calls for a canary to show anything in its time.
fn reason_too_quiet(evidence: &Evidence) -> Option<String> {
    let days = f64::from(CANARY_BUDGET_S) / 86_400.0;
    let daily = evidence.invocations? as f64 / evidence.days_seen.max(1.0);
    let runs = daily * days * f64::from(CANARY_PERCENT) / 100.0;
    (runs < f64::from(CANARY_RUNS_MIN)).then(|| {
        format!(
            "{daily:.0} calls a day are too few: a canary of {CANARY_PERCENT} % would see {runs:.0} in {days:.0} days, \
             fewer than {CANARY_RUNS_MIN}"
        )
    })
}
