//! What rules, windows and freezes match: names become ids, words become kinds and actions.
//!
//! Not here: what follows from a match (`modes`, `times`).

use std::collections::BTreeSet;

use trimtab_models::{
    recommendation::Action,
    resource::{Arn, Kind},
};
use trimtab_policies::mode::Matcher;

use super::accounts::{is_account_id, is_partition, is_region};
use crate::{
    raw::RawMatcher,
    report::Report,
    settings::{Account, Cloud},
};

const ARN_FORM: &str = "arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE";

/// What a matcher may name.
#[derive(Debug)]
pub(super) struct Known<'a> {
    accounts: &'a [Account],
    /// A scenario's accounts are known only to the scenario; any id may be one.
    any_account_id: bool,
}

impl<'a> Known<'a> {
    pub(super) fn new(accounts: &'a [Account], cloud: Option<&Cloud>) -> Self {
        Self { accounts, any_account_id: !matches!(cloud, Some(Cloud::Aws { .. })) }
    }

    fn id_of(&self, name_or_id: &str) -> Option<String> {
        let known = self
            .accounts
            .iter()
            .find(|account| account.name == name_or_id || account.id == name_or_id);
        match known {
            Some(account) => Some(account.id.clone()),
            None if self.any_account_id && is_account_id(name_or_id) => Some(name_or_id.to_owned()),
            None => None,
        }
    }

    /// The ids of the accounts of a list; what is no account is refused.
    pub(super) fn ids_of(
        &self,
        written: &[String],
        key: &str,
        report: &mut Report<'_>,
    ) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for (index, name) in written.iter().enumerate() {
            match self.id_of(name) {
                Some(id) => {
                    ids.insert(id);
                }
                None => {
                    let key = format!("{key}[{index}]");
                    report.refuse_text(&key, name, "no such account", self.allowed());
                }
            }
        }
        ids
    }

    fn allowed(&self) -> String {
        let names: Vec<&str> = self.accounts.iter().map(|account| account.name.as_str()).collect();
        let ids = if self.any_account_id { "a 12-digit account id" } else { "their ids" };
        if names.is_empty() { ids.to_owned() } else { format!("{}, or {ids}", names.join(", ")) }
    }
}

/// The validated matcher. An empty one is the caller's business.
pub(super) fn matcher(
    raw: &RawMatcher,
    path: &str,
    known: &Known<'_>,
    report: &mut Report<'_>,
) -> Matcher {
    let key = |name: &str| format!("{path}.{name}");
    let account = raw.account.as_ref().map(|written| {
        known.id_of(written).unwrap_or_else(|| {
            report.refuse_text(&key("account"), written, "no such account", known.allowed());
            written.clone()
        })
    });
    if let Some(region) = raw.region.as_ref().filter(|region| !is_region(region)) {
        report.refuse_text(&key("region"), region, "not a region", "a region such as eu-west-1");
    }
    if let Some(arn) = &raw.arn {
        check_arn(&key("arn"), arn, known, report);
    }
    for (tag, value) in raw.tags.iter().flatten().filter(|(tag, _)| tag.trim().is_empty()) {
        report.refuse_text(
            &key("tags"),
            &format!("{tag} = {value}"),
            "a tag's key is empty",
            "KEY = \"VALUE\"",
        );
    }
    if raw.tags.as_ref().is_some_and(std::collections::BTreeMap::is_empty) {
        report.refuse(
            &key("tags"),
            "{}",
            "no tag, so it matches nothing",
            "at least one tag, or remove the key",
        );
    }
    let matcher = Matcher {
        account,
        region: raw.region.clone(),
        kind: report.word(
            &key("kind"),
            raw.kind.as_deref(),
            &Kind::ALL.map(|kind| (kind.as_str(), kind)),
        ),
        arn: raw.arn.clone(),
        tags: raw.tags.clone().unwrap_or_default(),
        group: report.optional(&key("group"), raw.group.as_ref(), "a group's name"),
        action: report.word(&key("action"), raw.action.as_deref(), &actions()),
    };
    if let (Some(kind), Some(action)) = (matcher.kind, matcher.action)
        && kind_of(action) != kind
    {
        let why = format!("nothing can match: the action concerns {} only", kind_of(action));
        report.refuse_text(&key("kind"), kind.as_str(), why, kind_of(action).as_str());
    }
    matcher
}

/// Every action by its word.
pub(super) fn actions() -> [(&'static str, Action); Action::ALL.len()] {
    Action::ALL.map(|action| (action.as_str(), action))
}

/// An ARN that could be a resource's.
pub(super) fn arn(key: &str, text: &str, report: &mut Report<'_>) -> Option<Arn> {
    if account_of(text).is_none() {
        report.refuse_text(key, text, "not the ARN of a resource", ARN_FORM);
        return None;
    }
    Some(Arn(text.to_owned()))
}

/// The account in an ARN; `None` if the text is none, or has wildcards, which nothing here expands.
pub(super) fn account_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, _, account, resource] = parts.as_slice() else { return None };
    let fits = is_partition(partition)
        && !service.is_empty()
        && is_account_id(account)
        && !resource.is_empty()
        && !arn.contains(['*', '?'])
        && !arn.contains(char::is_whitespace);
    fits.then_some(*account)
}

fn check_arn(key: &str, text: &str, known: &Known<'_>, report: &mut Report<'_>) {
    match account_of(text) {
        None => report.refuse_text(key, text, "not the ARN of a resource", ARN_FORM),
        Some(account) if known.id_of(account).is_none() => {
            report.refuse_text(
                key,
                text,
                format!("account {account} is not configured"),
                known.allowed(),
            );
        }
        Some(_) => {}
    }
}

/// The kind that an action concerns.
pub(super) const fn kind_of(action: Action) -> Kind {
    match action {
        Action::ResizeInstance | Action::StopIdleInstance => Kind::Instance,
        Action::MigrateVolumeType | Action::TuneVolume | Action::DeleteUnattachedVolume => {
            Kind::Volume
        }
        Action::TuneFunctionMemory => Kind::Function,
        Action::TuneGroupCapacity | Action::ScheduleGroup | Action::ResizeGroupInstances => {
            Kind::Group
        }
    }
}
