//! The people: who may decide and run things, and where.
//!
//! Not here: what each role may (`trimtab-policies`) and how somebody proves who they are (`trimtab`).

use std::collections::BTreeMap;

use trimtab_models::resource::Kind;
use trimtab_policies::{
    approval::identity,
    authority::{Approver, Approvers, LOCAL_NAME, Right, Role, Scope, Within},
    mode::{Matcher, Mode, Modes},
};

use super::matching::{Known, account_of, kind_of};
use crate::{raw::RawApprover, report::Report};

const ROLES: [(&str, Role); Role::ALL.len()] = [
    (Role::Viewer.as_str(), Role::Viewer),
    (Role::Approver.as_str(), Role::Approver),
    (Role::Operator.as_str(), Role::Operator),
    (Role::Admin.as_str(), Role::Admin),
];
const NAME_FORM: &str =
    "1 to 64 of letters, digits and . _ - + @, such as \"ada\" or \"ada@example.com\"";
/// The longest name: an e-mail address fits, and a line of the audit log stays a line.
const NAME_CHARS_MAX: usize = 64;
/// What records name by these words is no person.
const RESERVED: [&str; 2] = ["trimtab", LOCAL_NAME];

/// Every `[[approver]]`.
pub(super) fn approvers(
    raw: &[RawApprover],
    modes: &Modes,
    known: &Known<'_>,
    report: &mut Report<'_>,
) -> Approvers {
    let mut approvers = Approvers::new();
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("approver[{index}]");
        let name = name(raw, &path, report);
        if raw.role.is_none() {
            report.missing(&format!("{path}.role"), "missing", "viewer, approver, operator, admin");
        }
        let role = report.word(&format!("{path}.role"), raw.role.as_deref(), &ROLES);
        let scope = scope(raw, &path, known, report);
        refuse_scope_without_use(role, &scope, &path, report);
        refuse_untrusted_tags(&scope, modes, &path, report);
        let (Some(name), Some(role)) = (name, role) else { continue };
        if approvers.keys().any(|other| identity(other) == identity(&name)) {
            let why = "somebody else has this name, or it is the same person twice";
            report.refuse_text(&format!("{path}.name"), &name, why, "each name once");
        }
        approvers.insert(name.clone(), Approver { name, role, scope });
    }
    if !raw.is_empty() {
        refuse_unapprovable(modes, &approvers, report);
    }
    approvers
}

fn name(raw: &RawApprover, path: &str, report: &mut Report<'_>) -> Option<String> {
    let key = format!("{path}.name");
    let name = report.required(&key, raw.name.as_ref(), NAME_FORM)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
    if name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
        report.refuse_text(&key, name, "not a name that a record can bear", NAME_FORM);
        return None;
    }
    if RESERVED.contains(&identity(name).as_str()) {
        let why = "records name the daemon or the holder of the local token by it";
        report.refuse_text(&key, name, why, "another name");
        return None;
    }
    Some(name.to_owned())
}

fn scope(raw: &RawApprover, path: &str, known: &Known<'_>, report: &mut Report<'_>) -> Scope {
    let accounts = raw.accounts.as_ref().map(|written| {
        let key = format!("{path}.accounts");
        report.list(&key, Some(written), "an account's name or id");
        known.ids_of(written, &key, report)
    });
    let kinds = raw.kinds.as_ref().map(|written| {
        let key = format!("{path}.kinds");
        report.list(&key, Some(written), "a kind");
        let words = Kind::ALL.map(|kind| (kind.as_str(), kind));
        let kind = |(index, word): (usize, &String)| {
            report.word(&format!("{key}[{index}]"), Some(word), &words)
        };
        written.iter().enumerate().filter_map(kind).collect()
    });
    Scope {
        accounts: accounts.map_or(Within::Everything, Within::Only),
        kinds: kinds.map_or(Within::Everything, Within::Only),
        tags: raw
            .tags
            .as_ref()
            .map_or(Within::Everything, |tags| Within::Only(tags.clone().into_iter().collect())),
    }
}

/// A scope limits decisions and undo; a viewer and an admin have neither, and would be thought limited.
fn refuse_scope_without_use(
    role: Option<Role>,
    scope: &Scope,
    path: &str,
    report: &mut Report<'_>,
) {
    let Some(role) = role.filter(|role| !role.holds(Right::Decide) && !role.holds(Right::Undo))
    else {
        return;
    };
    for (key, is_given) in [
        ("accounts", scope.accounts != Within::Everything),
        ("kinds", scope.kinds != Within::Everything),
        ("tags", scope.tags != Within::Everything),
    ] {
        if is_given {
            let why = format!(
                "a scope limits who decides or takes back, which the role {role} never does"
            );
            report.missing(&format!("{path}.{key}"), why, "remove it");
        }
    }
}

/// Who can tag must not be able to bring a resource within somebody's reach.
fn refuse_untrusted_tags(scope: &Scope, modes: &Modes, path: &str, report: &mut Report<'_>) {
    let Within::Only(tags) = &scope.tags else { return };
    for (key, value) in tags.iter().filter(|(key, _)| !modes.trusted_tag_keys.contains(key)) {
        report.refuse_text(
            &format!("{path}.tags"),
            &format!("{key} = {value}"),
            format!("whoever may set the tag {key} could bring a resource within this scope by it"),
            format!("control who may set it (an SCP), then add {key} to modes.trusted_tag_keys; or scope without tags"),
        );
    }
}

/// Where copilot is asked for, somebody must be able to approve, once people are configured at all.
fn refuse_unapprovable(modes: &Modes, approvers: &Approvers, report: &mut Report<'_>) {
    let what =
        "nobody with the role approver has it in scope, so nothing of it could ever be approved";
    let allowed = "add an [[approver]] whose scope holds it, or set datapilot";
    let everything = Matcher::default();
    if modes.default == Mode::Copilot && !is_approvable(&everything, approvers) {
        report.refuse_text("modes.default", "copilot", what, allowed);
    }
    for (index, rule) in modes.rules.iter().enumerate() {
        if rule.mode == Mode::Copilot && !is_approvable(&rule.matcher, approvers) {
            report.refuse_text(&format!("modes.rule[{index}].mode"), "copilot", what, allowed);
        }
    }
}

/// Whether somebody may approve something that the matcher can match.
fn is_approvable(matcher: &Matcher, approvers: &Approvers) -> bool {
    let account = matcher.account.as_deref().or_else(|| account_of(matcher.arn.as_deref()?));
    let kind = matcher.kind.or_else(|| matcher.action.map(kind_of));
    let agrees = |tags: &BTreeMap<String, String>, (key, value): &(String, String)| {
        tags.get(key).is_none_or(|matched| matched == value)
    };
    approvers.values().any(|approver| {
        let Scope { accounts, kinds, tags } = &approver.scope;
        let tagged = match tags {
            Within::Everything => true,
            Within::Only(pairs) => pairs.iter().all(|pair| agrees(&matcher.tags, pair)),
        };
        let is_nothing = accounts.is_nothing() || kinds.is_nothing() || tags.is_nothing();
        approver.role.holds(Right::Decide)
            && !is_nothing
            && account.is_none_or(|account| accounts.takes(&account.to_owned()))
            && kind.is_none_or(|kind| kinds.takes(&kind))
            && tagged
    })
}
