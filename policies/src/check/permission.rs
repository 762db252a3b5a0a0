//! `permission`: the role can make every call of the steps and of their undo.
//!
//! Not here: asking AWS (`trimtab`), and what a mode allows (`mode`).

use super::{Reason, Subject, compatibility::rights_of_refresh, result};
use crate::{
    facts::Permission,
    plan::{CheckName, CheckResult, Moment},
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let fact = &subject.facts().permission;
    match (subject.context.moment, fact) {
        (Moment::Proposal, None) => {
            result(CheckName::Permission, None, "asked before the first write")
        }
        (Moment::Proposal | Moment::Approval | Moment::FirstWrite, _) => {
            let reason = match subject.fact(fact, "whether the role may do this") {
                Err(missing) => Some(missing),
                Ok(Permission::Allowed) => None,
                Ok(Permission::Denied { operation, message }) => {
                    Some(Reason::fail(format!("the role may not call {operation}: {message}")))
                }
            };
            let mut kinds = subject.candidate.steps.iter().map(|step| &step.kind);
            let beside = kinds.find_map(rights_of_refresh);
            let beside = beside.map_or_else(String::new, |rights| format!("; {rights}"));
            let pass = format!("the role may do every step and its undo{beside}");
            result(CheckName::Permission, reason, pass)
        }
    }
}
