//! What a configuration comes to, for `trimtab check`: who may do what, where, and where less than it seems.
//!
//! Not here: laying it out for a terminal (`trimtab`), and which rule decides for one resource (`trimtab-policies`).

use std::collections::BTreeMap;

use serde::Serialize;
use trimtab_models::recommendation::Action;
use trimtab_policies::{
    action::row_of,
    mode::{Disruption, Matcher, Mode, Rule},
    quorum::QuorumRules,
    scope::{describe, key_count},
};

use crate::settings::{Account, Cloud, Settings};

/// What a configuration comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The accounts, with the modes that are possible in each.
    pub accounts: Vec<AccountView>,
    /// What autopilot does by itself, by action.
    pub autopilot: Vec<ActionView>,
    /// The limits, by key, with their values.
    pub limits: BTreeMap<&'static str, String>,
    /// The windows, in words.
    pub windows: Vec<String>,
    /// The freezes, in words.
    pub freezes: Vec<String>,
    /// What is allowed but may surprise.
    pub warnings: Vec<String>,
}

/// An account as the configuration leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Its name; of a simulated account the id.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its regions; empty for a simulated account, whose scenario names them.
    pub regions: Vec<String>,
    /// How the daemon gets in.
    pub access: String,
    /// The highest mode that its credentials allow.
    pub ceiling: Mode,
    /// The mode where no rule matches.
    pub default: Mode,
    /// The rules that can match something in it, in the file's order.
    pub rules: Vec<RuleView>,
}

/// A rule as it works in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleView {
    /// What it matches, in words.
    pub scope: String,
    /// The mode that it gives, already lowered to the account's ceiling.
    pub mode: Mode,
}

/// An action under autopilot: as which mode it behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionView {
    /// The action.
    pub action: Action,
    /// The disruption that it causes.
    pub disruption: Disruption,
    /// Whether it is on at all.
    pub enabled: bool,
    /// The mode as which a change behaves that lowers no performance.
    pub without_decrease: Mode,
    /// The mode as which a change behaves that lowers performance.
    pub with_decrease: Mode,
    /// Why it is less than autopilot; empty where it is not.
    pub reasons: Vec<String>,
}

impl Settings {
    /// What the configuration comes to.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        Explanation {
            accounts: self.account_views(),
            autopilot: Action::ALL.iter().map(|action| self.action_view(*action)).collect(),
            limits: self.limit_views(),
            windows: self.window_views(),
            freezes: self.freeze_views(),
            warnings: self.warnings(),
        }
    }

    /// What is allowed but may surprise; nothing that keeps the daemon from running.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let modes = &self.policy.modes;
        let mut warnings = Vec::new();
        for (index, rule) in modes.rules.iter().enumerate() {
            warnings.extend(self.rule_warnings(index, rule));
        }
        let acts = self.may_act();
        if acts && self.policy.windows.is_empty() {
            warnings.push(
                "no [[window]] is configured: changes may begin at any time outside a freeze"
                    .to_owned(),
            );
        }
        if self.uses(Mode::Autopilot) {
            warnings.extend(self.cap_warning());
        }
        let limits = &self.policy.limits;
        for (key, budget) in [
            ("limits.disruptive_per_hour", limits.disruptive_per_hour),
            ("limits.other_per_hour", limits.other_per_hour),
            ("limits.disruptive_in_flight", limits.disruptive_in_flight),
        ] {
            if acts && budget == 0 {
                warnings.push(format!("{key} = 0 allows no such change at all"));
            }
        }
        if let Cloud::Aws { endpoint_url: Some(url) } = &self.cloud {
            warnings.push(format!(
                "cloud.endpoint_url is set: every call goes to {url} and not to AWS"
            ));
        }
        warnings
    }

    fn rule_warnings(&self, index: usize, rule: &Rule) -> Vec<String> {
        let scope = words(&rule.matcher);
        let mut warnings = Vec::new();
        if let Some(region) = &rule.matcher.region
            && !self.accounts.is_empty()
            && !self.accounts.iter().any(|account| account.regions.contains(region))
        {
            warnings.push(format!(
                "modes.rule[{index}] ({scope}) matches nothing: no account lists region {region}"
            ));
        }
        let modes = &self.policy.modes;
        let untrusted = rule.matcher.tags.keys().find(|key| !modes.trusted_tag_keys.contains(*key));
        if let Some(key) = untrusted.filter(|_| rule.mode < modes.default) {
            warnings.push(format!(
                "modes.rule[{index}] ({scope}) lowers the mode by the tag {key}: whoever may remove it raises the mode again"
            ));
        }
        warnings.extend(self.group_warning(index, rule));
        if let Some(action) = rule
            .matcher
            .action
            .filter(|action| self.policy.limits.disabled_actions.contains(action))
            && rule.mode > Mode::Datapilot
        {
            warnings.push(format!("modes.rule[{index}] ({scope}) has no effect: limits.disabled_actions lists {action}"));
        }
        warnings
    }

    /// A group named by a tag is a tag in disguise, and raises only with the same trust.
    fn group_warning(&self, index: usize, rule: &Rule) -> Option<String> {
        let modes = &self.policy.modes;
        rule.matcher.group.as_ref().filter(|_| rule.mode > modes.default)?;
        let key = self
            .policy
            .limits
            .group_tag
            .as_ref()
            .filter(|key| !modes.trusted_tag_keys.contains(key))?;
        Some(format!(
            "modes.rule[{index}] ({}) raises nothing that is in the group by the tag {key}, which is not in \
             modes.trusted_tag_keys",
            words(&rule.matcher)
        ))
    }

    fn cap_warning(&self) -> Option<String> {
        let capped: Vec<String> = Action::ALL
            .iter()
            .map(|action| self.action_view(*action))
            .filter(|view| view.enabled && view.with_decrease < Mode::Autopilot)
            .map(|view| {
                let part = if view.without_decrease == Mode::Autopilot {
                    " (where it lowers performance)"
                } else {
                    ""
                };
                format!("{}{part}", view.action)
            })
            .collect();
        if capped.is_empty() {
            return None;
        }
        let caps = &self.policy.modes.autopilot;
        Some(format!(
            "autopilot behaves as copilot for {}: autopilot.max_disruption = \"{}\", autopilot.allow_decrease = {}",
            capped.join(", "),
            caps.max_disruption,
            caps.allow_decrease,
        ))
    }

    /// Whether any resource could be changed at all.
    fn may_act(&self) -> bool {
        self.uses(Mode::Copilot) || self.uses(Mode::Autopilot)
    }

    fn uses(&self, mode: Mode) -> bool {
        self.policy.modes.default == mode
            || self.policy.modes.rules.iter().any(|rule| rule.mode == mode)
    }

    fn account_views(&self) -> Vec<AccountView> {
        let listed = self.accounts.iter().map(|account| {
            let ceiling = account.ceiling();
            self.account_view(
                &account.name,
                &account.id,
                &account.regions,
                (access(account), ceiling),
            )
        });
        let ceilings = &self.policy.modes.ceilings;
        let simulated =
            ceilings.iter().filter(|(id, _)| self.account(id).is_none()).map(|(id, ceiling)| {
                self.account_view(id, id, &[], ("simulated".to_owned(), *ceiling))
            });
        listed.chain(simulated).collect()
    }

    fn account_view(
        &self,
        name: &str,
        id: &str,
        regions: &[String],
        entry: (String, Mode),
    ) -> AccountView {
        let (access, ceiling) = entry;
        let modes = &self.policy.modes;
        let rules = modes
            .rules
            .iter()
            .filter(|rule| rule.matcher.account.as_deref().is_none_or(|account| account == id))
            .filter(|rule| {
                rule.matcher.arn.as_deref().is_none_or(|arn| arn.split(':').nth(4) == Some(id))
            })
            .map(|rule| RuleView { scope: words(&rule.matcher), mode: rule.mode.min(ceiling) })
            .collect();
        AccountView {
            name: name.to_owned(),
            id: id.to_owned(),
            regions: regions.to_vec(),
            access,
            ceiling,
            default: modes.default.min(ceiling),
            rules,
        }
    }

    fn action_view(&self, action: Action) -> ActionView {
        let caps = self.policy.modes.autopilot;
        let row = row_of(action);
        let disruption = row.disruption;
        let mut reasons = Vec::new();
        if row.always_approval {
            reasons.push("it always needs an approval".to_owned());
        } else if disruption > caps.max_disruption {
            reasons.push(format!(
                "its disruption, {disruption}, is above autopilot.max_disruption = \"{}\"",
                caps.max_disruption
            ));
        }
        let as_mode = |capped: bool| if capped { Mode::Copilot } else { Mode::Autopilot };
        let without_decrease = as_mode(!reasons.is_empty());
        if !caps.allow_decrease {
            reasons.push("autopilot.allow_decrease is false".to_owned());
        }
        ActionView {
            action,
            disruption,
            enabled: !self.policy.limits.disabled_actions.contains(&action),
            without_decrease,
            with_decrease: as_mode(!reasons.is_empty()),
            reasons,
        }
    }

    fn limit_views(&self) -> BTreeMap<&'static str, String> {
        let (limits, evidence, approvals) =
            (&self.policy.limits, &self.policy.evidence, &self.policy.approvals);
        let max_risk =
            evidence.max_risk.map_or_else(|| "not weighed".to_owned(), |risk| risk.to_string());
        let disabled =
            limits.disabled_actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        BTreeMap::from([
            ("approvals.expiry_days", approvals.expiry_days.to_string()),
            ("approvals.plan_expiry_hours", approvals.plan_expiry_hours.to_string()),
            ("approvals.undo_days", approvals.undo_days.to_string()),
            ("approvals.exception_days", approvals.exception_days.to_string()),
            ("approvals.quorum", quorum_words(&approvals.quorum)),
            ("sizing.preset: highest risk", max_risk),
            ("evidence.min_days", evidence.min_days.to_string()),
            ("evidence.min_days_decrease", evidence.min_days_decrease.to_string()),
            ("limits.barred_days", limits.barred_days.to_string()),
            ("limits.cooldown_days", limits.cooldown_days.to_string()),
            ("limits.disabled_actions", disabled),
            ("limits.disruptive_in_flight", limits.disruptive_in_flight.to_string()),
            ("limits.disruptive_per_hour", limits.disruptive_per_hour.to_string()),
            ("limits.group_ratio", limits.group_ratio.to_string()),
            ("limits.max_step_ratio", evidence.max_step_ratio.to_string()),
            ("limits.min_change_ratio", evidence.min_change_ratio.to_string()),
            ("limits.min_saving_usd_monthly", evidence.min_saving.dollars().to_string()),
            ("limits.other_per_hour", limits.other_per_hour.to_string()),
        ])
    }

    fn window_views(&self) -> Vec<String> {
        let view = |window: &trimtab_policies::settings::Window| {
            let days: Vec<String> =
                window.days.iter().map(|day| format!("{day:?}").to_lowercase()).collect();
            let zone = window
                .time_zone
                .as_ref()
                .and_then(jiff::tz::TimeZone::iana_name)
                .unwrap_or("closed");
            let (days, scope) = (days.join(", "), words(&window.matcher));
            format!(
                "{}: {scope}: {days} {:.5} to {:.5} {zone}",
                window.name,
                window.from.to_string(),
                window.until.to_string()
            )
        };
        self.policy.windows.iter().map(view).collect()
    }

    fn freeze_views(&self) -> Vec<String> {
        let view = |freeze: &trimtab_policies::settings::Freeze| {
            format!(
                "{}: {}: {} to {}",
                freeze.name,
                words(&freeze.matcher),
                freeze.from,
                freeze.until
            )
        };
        self.policy.freezes.iter().map(view).collect()
    }
}

/// How many must approve, and above what.
fn quorum_words(rules: &QuorumRules) -> String {
    let saving = rules.above_saving.map(|bound| format!("above a saving of {bound} a month"));
    let risk = rules.above_risk.map(|bound| format!("above a risk of {bound}"));
    let destroys = Some("for what is destructive where two may approve".to_owned());
    let when: Vec<String> = [destroys, saving, risk].into_iter().flatten().collect();
    format!("{}: {}", rules.count, when.join(", "))
}

fn access(account: &Account) -> String {
    match (&account.role_arn, &account.apply_role_arn) {
        (None, None) => "the daemon's own credentials".to_owned(),
        (Some(read), None) => format!("reads as {read}; cannot write"),
        (None, Some(apply)) => {
            format!("reads with the daemon's own credentials, writes as {apply}")
        }
        (Some(read), Some(apply)) => format!("reads as {read}, writes as {apply}"),
    }
}

/// A matcher in words: its keys and values, or `everything`.
fn words(matcher: &Matcher) -> String {
    if key_count(matcher) == 0 { "everything".to_owned() } else { describe(matcher) }
}
