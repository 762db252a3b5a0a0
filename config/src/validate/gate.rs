//! The gate's numbers: how much must be known, how much may change, and who is left alone.
//!
//! Not here: modes (`modes`) and times (`times`).

use trimtab_models::{
    money::Usd,
    recommendation::Action,
    sizing::settings::{RiskRule, SizingSettings},
};
use trimtab_policies::{
    action::disabled_by_default,
    authority::{Approvers, Right},
    exception,
    quorum::QuorumRules,
    settings::{Approvals, Autonomy, EvidenceRules, HealthRules, Limits, OwnershipRule, Protected},
};

use super::matching::{actions, arn};
use crate::{
    raw::{RawApprovals, RawAutonomy, RawFile, RawHealth, RawLimits, RawOwnership, RawProtected},
    report::Report,
    settings::CollectSettings,
};

/// The evidence rules, which stand in `[evidence]` and, as far as they say which changes are worth making, in
/// `[limits]`.
pub(super) fn evidence(
    raw: &RawFile,
    collect: &CollectSettings,
    sizing: &SizingSettings,
    report: &mut Report<'_>,
) -> EvidenceRules {
    let (known, worth) = (&raw.evidence, &raw.limits);
    let min_days = report.number("evidence.min_days", known.min_days, 14.0, 1.0..=455.0);
    let min_days_decrease = report.number(
        "evidence.min_days_decrease",
        known.min_days_decrease,
        28.0_f64.max(min_days),
        min_days..=455.0,
    );
    let lookback_days = f64::from(collect.lookback_days);
    if min_days > lookback_days {
        let why = format!(
            "the look-back holds only {lookback_days} days, so nothing would ever be recommended"
        );
        report.refuse(
            "evidence.min_days",
            min_days,
            why,
            format!("at most collect.lookback_days = {lookback_days}"),
        );
    }
    let saving = report.number(
        "limits.min_saving_usd_monthly",
        worth.min_saving_usd_monthly,
        1.0,
        0.0..=1_000_000.0,
    );
    EvidenceRules {
        collection_interval_s: collect.interval_s,
        min_coverage_ratio: report.number(
            "evidence.min_coverage_ratio",
            known.min_coverage_ratio,
            0.9,
            0.0..=1.0,
        ),
        min_days,
        min_days_decrease,
        min_invocations: known.min_invocations.unwrap_or(1_000),
        min_invocation_days: report.whole(
            "evidence.min_invocation_days",
            known.min_invocation_days,
            14,
            0..=collect.lookback_days,
        ),
        max_risk: sizing.risk.map(RiskRule::highest),
        min_change_ratio: report.number(
            "limits.min_change_ratio",
            worth.min_change_ratio,
            0.1,
            0.0..=1.0,
        ),
        min_saving: Usd::from_dollars(saving)
            .expect("a million dollars is far within an amount's range"),
        max_step_ratio: report.number(
            "limits.max_step_ratio",
            worth.max_step_ratio,
            0.5,
            0.0..=1.0,
        ),
    }
}

/// `[limits]`, the budgets. A budget of 0 allows nothing.
pub(super) fn limits(raw: &RawLimits, report: &mut Report<'_>) -> Limits {
    let mut whole = |name: &str, value, default, most| {
        report.whole(&format!("limits.{name}"), value, default, 0..=most)
    };
    let disruptive_per_hour = whole("disruptive_per_hour", raw.disruptive_per_hour, 4, 10_000);
    let other_per_hour = whole("other_per_hour", raw.other_per_hour, 20, 10_000);
    let disruptive_in_flight = whole("disruptive_in_flight", raw.disruptive_in_flight, 3, 10_000);
    // AWS allows four modifications of a volume in a rolling day.
    let volume_modifications_per_day =
        whole("volume_modifications_per_day", raw.volume_modifications_per_day, 4, 4);
    Limits {
        group_tag: report.optional("limits.group_tag", raw.group_tag.as_ref(), "a tag's key"),
        group_ratio: report.number("limits.group_ratio", raw.group_ratio, 0.1, 0.0..=1.0),
        disruptive_per_hour,
        other_per_hour,
        disruptive_in_flight,
        cooldown_days: report.number("limits.cooldown_days", raw.cooldown_days, 7.0, 0.0..=365.0),
        barred_days: report.number("limits.barred_days", raw.barred_days, 30.0, 0.0..=365.0),
        volume_modifications_per_day,
        unattached_days: report.number(
            "limits.unattached_days",
            raw.unattached_days,
            30.0,
            1.0..=3_650.0,
        ),
        recurring_days: report.number(
            "limits.recurring_days",
            raw.recurring_days,
            7.0,
            0.1..=365.0,
        ),
        recurring_cycles: report.whole(
            "limits.recurring_cycles",
            raw.recurring_cycles,
            200,
            2..=100_000,
        ),
        disabled_actions: disabled(raw.disabled_actions.as_ref(), report),
    }
}

/// `[autonomy]`.
pub(super) fn autonomy(raw: &RawAutonomy, report: &mut Report<'_>) -> Autonomy {
    Autonomy {
        enabled: raw.enabled.unwrap_or(false),
        // Without any failure among 20 the upper bound is 9.8 %, with one 14.9 %.
        min_outcomes: report.whole("autonomy.min_outcomes", raw.min_outcomes, 20, 1..=10_000),
        max_failure_ratio: report.number(
            "autonomy.max_failure_ratio",
            raw.max_failure_ratio,
            0.15,
            0.001..=0.5,
        ),
        regain_outcomes: report.whole(
            "autonomy.regain_outcomes",
            raw.regain_outcomes,
            5,
            1..=1_000,
        ),
        explore: raw.explore.unwrap_or(false),
    }
}

/// What destroys is off unless the file says otherwise.
fn disabled(
    raw: Option<&Vec<String>>,
    report: &mut Report<'_>,
) -> std::collections::BTreeSet<Action> {
    let Some(words) = raw else { return disabled_by_default() };
    report.list("limits.disabled_actions", Some(words), "an action");
    words
        .iter()
        .enumerate()
        .filter_map(|(index, word)| {
            report.word(&format!("limits.disabled_actions[{index}]"), Some(word), &actions())
        })
        .collect()
}

/// `[health]`.
pub(super) fn health(raw: &RawHealth, report: &mut Report<'_>) -> HealthRules {
    HealthRules {
        stop_alarms: report.list("health.stop_alarms", raw.stop_alarms.as_ref(), "an alarm's name"),
    }
}

/// Every `[[ownership]]`.
pub(super) fn ownership(raw: &[RawOwnership], report: &mut Report<'_>) -> Vec<OwnershipRule> {
    raw.iter()
        .enumerate()
        .filter_map(|(index, raw)| {
            let key = |name: &str| format!("ownership[{index}].{name}");
            let tag_key = report.required(&key("tag_key"), raw.tag_key.as_ref(), "a tag's key");
            let owner = report.required(
                &key("owner"),
                raw.owner.as_ref(),
                "an owner such as \"terraform\"",
            );
            Some(OwnershipRule {
                tag_key: tag_key?.to_owned(),
                tag_value: raw.tag_value.clone(),
                owner: owner?.to_owned(),
                delegated: raw.delegated.unwrap_or(false),
            })
        })
        .collect()
}

/// `[approvals]`. A proposal must live longer than the time between two cycles, which renew it.
pub(super) fn approvals(
    raw: &RawApprovals,
    approvers: &Approvers,
    collect: &CollectSettings,
    report: &mut Report<'_>,
) -> Approvals {
    let interval_hours = f64::from(collect.interval_s) / 3_600.0;
    let default_hours = 48.0_f64.max(2.0 * interval_hours);
    let plan_expiry_hours = report.number(
        "approvals.plan_expiry_hours",
        raw.plan_expiry_hours,
        default_hours,
        1.0..=8_760.0,
    );
    if plan_expiry_hours < interval_hours {
        report.refuse(
            "approvals.plan_expiry_hours",
            plan_expiry_hours,
            "every proposal would expire before the next cycle confirms it",
            format!(
                "at least {interval_hours}, the longest time between two cycles of schedule.cycle"
            ),
        );
    }
    let approvals = Approvals {
        expiry_days: report.number("approvals.expiry_days", raw.expiry_days, 7.0, 0.01..=90.0),
        plan_expiry_hours,
        undo_days: report.number("approvals.undo_days", raw.undo_days, 30.0, 0.0..=365.0),
        quorum: quorum(raw, report),
        approvers: approvers.clone(),
        exception_days: report.number(
            "approvals.exception_days",
            raw.exception_days,
            90.0,
            1.0..=exception::LONGEST_DAYS as f64,
        ),
    };
    refuse_out_of_reach(&approvals, report);
    approvals
}

/// When one yes is not enough.
fn quorum(raw: &RawApprovals, report: &mut Report<'_>) -> QuorumRules {
    let saving = raw.quorum_above_saving_usd_monthly.map(|dollars| {
        let key = "approvals.quorum_above_saving_usd_monthly";
        report.number(key, Some(dollars), 0.0, 0.0..=1e9)
    });
    let risk = raw.quorum_above_risk;
    QuorumRules {
        count: report.whole("approvals.quorum", raw.quorum, 2, 1..=5),
        above_saving: saving.and_then(Usd::from_dollars),
        above_risk: risk
            .map(|risk| report.number("approvals.quorum_above_risk", Some(risk), 0.0, 0.0..=1.0)),
    }
}

/// Refuses rules that take more people than may approve at all: nothing above them could ever be approved.
fn refuse_out_of_reach(approvals: &Approvals, report: &mut Report<'_>) {
    let approvers = &approvals.approvers;
    let able = approvers.values().filter(|one| one.role.holds(Right::Decide)).count();
    // Where nobody is configured, whoever holds the local token is one person.
    let able = if approvers.is_empty() { 1 } else { able };
    let QuorumRules { count, above_saving, above_risk } = approvals.quorum;
    let applies = above_saving.is_some() || above_risk.is_some() || able > 1;
    if applies && count as usize > able {
        report.refuse(
            "approvals.quorum",
            count,
            format!("it can never be met: {able} may approve"),
            format!("1 to {able}, or more [[approver]] with the role approver"),
        );
    }
}

/// `[protected]`.
pub(super) fn protected(raw: &RawProtected, report: &mut Report<'_>) -> Protected {
    let arns = report.list("protected.arns", raw.arns.as_ref(), "an ARN");
    let arns = arns
        .iter()
        .enumerate()
        .filter_map(|(index, text)| arn(&format!("protected.arns[{index}]"), text, report))
        .collect();
    let own_instance_id = raw.own_instance_id.clone();
    if let Some(id) = own_instance_id.as_deref().filter(|id| !is_instance_id(id)) {
        report.refuse_text(
            "protected.own_instance_id",
            id,
            "not an instance's id",
            "\"i-\" and 8 or 17 hex digits",
        );
    }
    Protected { arns, own_instance_id }
}

fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-").is_some_and(|hex| {
        matches!(hex.len(), 8 | 17) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}
