//! The accounts and how the daemon gets into them.
//!
//! Not here: which modes their roles allow (`modes`).

use crate::{
    raw::RawAccount,
    report::Report,
    settings::{Account, Cloud, Trust},
};

const ID_FORM: &str = "12 digits in quotes, such as \"123456789012\"";
const ROLE_FORM: &str = "arn:aws:iam::ACCOUNT:role/NAME";
const REGION_FORM: &str = "a region such as eu-west-1";

/// The accounts of the file. AWS needs at least one; a scenario brings its own.
pub(super) fn accounts(
    raw: &[RawAccount],
    cloud: Option<&Cloud>,
    report: &mut Report<'_>,
) -> Vec<Account> {
    if raw.is_empty() && matches!(cloud, Some(Cloud::Aws { .. })) {
        report.missing(
            "account",
            "no account is configured, so there is nothing to look at",
            "at least one section [[account]] with name, id and regions",
        );
    }
    let mut accounts: Vec<Account> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("account[{index}]");
        let account = account(raw, &path, report);
        if !account.name.is_empty() && accounts.iter().any(|earlier| earlier.name == account.name) {
            report.refuse_text(
                &format!("{path}.name"),
                &account.name,
                "another account has this name",
                "unique names",
            );
        }
        if !account.id.is_empty() && accounts.iter().any(|earlier| earlier.id == account.id) {
            report.refuse_text(
                &format!("{path}.id"),
                &account.id,
                "another account has this id",
                "one section for each account",
            );
        }
        let same = |earlier: &&Account| earlier.external_id == account.external_id;
        let earlier = accounts.iter().find(same).filter(|_| account.external_id.is_some());
        if let Some(earlier) = earlier {
            report.refuse_text(
                &format!("{path}.external_id"),
                account.external_id.as_deref().unwrap_or_default(),
                format!("account {} has this external id: whoever knows it for one could use it for the other", earlier.name),
                "an id of its own, made by trimtab connect cloudformation or terraform",
            );
        }
        accounts.push(account);
    }
    accounts
}

fn account(raw: &RawAccount, path: &str, report: &mut Report<'_>) -> Account {
    let key = |name: &str| format!("{path}.{name}");
    let name = report.required(
        &key("name"),
        raw.name.as_ref(),
        "a name for reports and rules, such as \"prod\"",
    );
    let name = name.unwrap_or_default().to_owned();
    if is_account_id(&name) {
        report.refuse_text(
            &key("name"),
            &name,
            "a name of 12 digits would be taken for an id",
            "a name with a letter",
        );
    }
    let id = report.required(&key("id"), raw.id.as_ref(), ID_FORM).unwrap_or_default().to_owned();
    if !id.is_empty() && !is_account_id(&id) {
        report.refuse_text(&key("id"), &id, "not an account id", ID_FORM);
    }
    for (name, role) in [("role_arn", &raw.role_arn), ("apply_role_arn", &raw.apply_role_arn)] {
        if let Some(role) = role {
            check_role(&key(name), role, &id, report);
        }
    }
    let trust = trust(raw, &key, report);
    Account {
        name,
        id,
        role_arn: raw.role_arn.clone(),
        apply_role_arn: raw.apply_role_arn.clone(),
        external_id: raw.external_id.clone(),
        trust,
        regions: regions(raw.regions.as_ref(), &key("regions"), report),
    }
}

fn check_role(key: &str, role: &str, account_id: &str, report: &mut Report<'_>) {
    match role_account(role) {
        None => report.refuse_text(key, role, "not the ARN of a role", ROLE_FORM),
        Some(owner) if is_account_id(account_id) && owner != account_id => {
            let why = format!(
                "the role belongs to account {owner}, but this section is account {account_id}"
            );
            report.refuse_text(key, role, why, format!("a role of account {account_id}"));
        }
        Some(_) => {}
    }
}

fn trust(raw: &RawAccount, key: &impl Fn(&str) -> String, report: &mut Report<'_>) -> Trust {
    let words = [("external-id", Trust::ExternalId), ("organization", Trust::Organization)];
    let trust =
        report.word(&key("trust"), raw.trust.as_deref(), &words).unwrap_or(Trust::ExternalId);
    let has_role = raw.role_arn.is_some() || raw.apply_role_arn.is_some();
    match &raw.external_id {
        None if has_role && trust == Trust::ExternalId => report.missing(
            &key("external_id"),
            "missing: without it a stranger could make the daemon use the role for him",
            "the external id of the role's trust policy, or trust = \"organization\"",
        ),
        Some(id) if !is_external_id(id) => report.refuse_text(
            &key("external_id"),
            id,
            "not an external id",
            "2 to 1224 letters, digits and any of _ + = , . @ : / -",
        ),
        Some(id) if !has_role => {
            report.refuse_text(
                &key("external_id"),
                id,
                "there is no role to send it with",
                "add role_arn, or remove it",
            );
        }
        None | Some(_) => {}
    }
    if raw.trust.is_some() && !has_role {
        report.missing(
            &key("trust"),
            "there is no role that could trust",
            "add role_arn, or remove it",
        );
    }
    trust
}

fn regions(raw: Option<&Vec<String>>, key: &str, report: &mut Report<'_>) -> Vec<String> {
    let regions = report.list(key, raw, REGION_FORM);
    if raw.is_none() {
        report.missing(key, "missing", "a list of regions, such as [\"eu-west-1\"]");
    } else if regions.is_empty() {
        report.refuse(
            key,
            "[]",
            "no region, so there is nothing to look at",
            "at least one region",
        );
    }
    for (index, region) in regions.iter().enumerate() {
        if !region.trim().is_empty() && !is_region(region) {
            report.refuse_text(&format!("{key}[{index}]"), region, "not a region", REGION_FORM);
        }
    }
    regions
}

/// Twelve ASCII digits.
pub(super) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The form of every region's code: words of letters, then a number (`eu-west-1`, `us-gov-east-1`).
pub(super) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_word =
        |word: &&str| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    (2..=4).contains(&words.len())
        && words.iter().all(is_word)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The account in a role's ARN; `None` if it is none. A role's name has 1 to 64 characters, after an optional path.
fn role_account(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, "iam", "", account, resource] = parts.as_slice() else { return None };
    let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
    let name_fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    let fits = *prefix == "arn" && is_partition(partition) && is_account_id(account) && name_fits;
    fits.then_some(*account)
}

/// AWS's partitions: the standard one, China's, the US government's and the isolated ones.
pub(super) fn is_partition(text: &str) -> bool {
    text == "aws"
        || text.strip_prefix("aws-").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        })
}

/// STS's rule for `ExternalId`.
fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte))
}
