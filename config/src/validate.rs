//! Raw values to settings: reads as a table of contents, one file for each part of the rules.
//!
//! Everything that is wrong is collected; settings come out only if nothing is. Not here: types and unknown keys
//! (`layer`), which the parser has already refused.

mod accounts;
mod approvers;
mod gate;
mod matching;
mod modes;
mod notify;
mod oidc;
mod running;
mod sizing;
mod times;

use std::path::Path;

use trimtab_policies::settings::Policy;

pub use oidc::is_unread_on_the_way;
pub(crate) use running::DEFAULT_STATE_DIR;

use crate::{
    places::Places,
    problem::Problem,
    raw::RawFile,
    report::Report,
    settings::{ApiSettings, Settings},
};

/// The settings, or everything that is wrong. Relative paths are taken from `folder`.
pub(crate) fn validate(
    raw: &RawFile,
    places: &Places,
    folder: &Path,
) -> Result<Settings, Vec<Problem>> {
    let mut report = Report::new(places);
    let settings = build(raw, &mut report, folder);
    let problems = report.into_problems();
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        Some(_) | None => Err(problems),
    }
}

/// `None` only with a problem noted: some values have no default to stand in.
fn build(raw: &RawFile, report: &mut Report<'_>, folder: &Path) -> Option<Settings> {
    let agent = running::agent(&raw.agent, report);
    let cloud = running::cloud(&raw.cloud, report, folder);
    let accounts = accounts::accounts(&raw.account, cloud.as_ref(), report);
    let schedule = running::schedule(&raw.schedule, report);
    let interval_s = schedule.as_ref().map(|(_, interval_s)| *interval_s);
    let collect = running::collect(&raw.collect, interval_s, report);
    let pricing = sizing::pricing(&raw.pricing, report, folder);
    let sizing = sizing::sizing(&raw.sizing, &collect, &pricing, report);
    let evidence = gate::evidence(raw, &collect, &sizing, report);
    let known = matching::Known::new(&accounts, cloud.as_ref());
    let modes = modes::modes(raw, &accounts, &known, report);
    let approvers = approvers::approvers(&raw.approver, &modes, &known, report);
    let policy = Policy {
        modes,
        evidence,
        limits: gate::limits(&raw.limits, report),
        windows: times::windows(&raw.window, &known, report),
        freezes: times::freezes(&raw.freeze, &known, report),
        ownership: gate::ownership(&raw.ownership, report),
        approvals: gate::approvals(&raw.approvals, &approvers, &collect, report),
        health: gate::health(&raw.health, report),
        protected: gate::protected(&raw.protected, report),
        autonomy: gate::autonomy(&raw.autonomy, report),
    };
    let api = ApiSettings {
        oidc: oidc::oidc(raw, report, folder),
        ..running::api(&raw.api, &agent, report, folder)
    };
    let telemetry = running::telemetry(&raw.telemetry, report);
    let store = running::store(&raw.store, &collect, report);
    let notify = notify::notify(&raw.notify, report, folder);
    let (schedule, _) = schedule?;
    let cloud = cloud?;
    Some(Settings {
        agent,
        accounts,
        cloud,
        schedule,
        collect,
        sizing,
        pricing,
        policy,
        approvers,
        api,
        telemetry,
        store,
        notify,
    })
}
