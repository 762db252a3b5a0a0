//! `trimtab connect cloudformation` and `terraform`: the roles of one account, with an external id made for it.
//!
//! The id is never chosen by anybody. It is kept in the account's section of `trimtab.toml` and nowhere else: asked again for
//! an account that has one there, the commands print the same. Not here: the files (`trimtab_policies::roles`).

use clap::Args;
use serde_json::json;
use trimtab_policies::roles::{
    RoleTrust, Roles, account_section, guide, module, quick_create_link, template,
};

use super::{AccessChoice, ScopeArgs};
use crate::cli::{
    args::Globals,
    client::{CliError, load},
    out::{print, print_json},
};

/// Bytes of an external id: nobody guesses it, and no two accounts get the same.
const EXTERNAL_ID_BYTES: usize = 16;

/// What roles are made for.
#[derive(Debug, Clone, Args)]
pub struct RolesArgs {
    /// What the roles are about.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Whether only the role that reads is made, or also the one that applies.
    #[arg(long, value_enum, default_value_t = AccessChoice::Read)]
    pub access: AccessChoice,
    /// The account's name in the settings.
    #[arg(long, value_parser = name)]
    pub name: String,
    /// The ARN of the role or user that the agent has.
    #[arg(long, value_parser = principal, value_name = "ARN")]
    pub principal: String,
    /// Trust this AWS organization instead of an external id: for roles in many accounts by one StackSet.
    #[arg(long, value_parser = organization, value_name = "ID", required_unless_present = "account")]
    pub organization: Option<String>,
    /// Where the template lies in S3, for a link that opens the console on it.
    #[arg(long, value_parser = template_url, value_name = "URL")]
    pub template_url: Option<String>,
}

/// The form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Cloudformation,
    Terraform,
}

pub(super) fn run(args: &RolesArgs, form: Form, globals: &Globals) -> Result<(), CliError> {
    let roles = roles(args, globals)?;
    let region = args.scope.regions.first().map_or("us-east-1", String::as_str);
    let link = args.template_url.as_deref().map(|url| quick_create_link(&roles, url, region));
    let file = match form {
        Form::Cloudformation => {
            template(&roles, &guide(&roles, &roles.how_by_cloudformation(link.as_deref())))
        }
        Form::Terraform => module(&roles, &guide(&roles, &roles.how_by_terraform())),
    };
    if globals.json {
        let external_id = match &roles.trust {
            RoleTrust::ExternalId(id) => id.clone(),
            RoleTrust::Organization(_) => None,
        };
        print_json(&json!({
            "file": file, "account_section": account_section(&roles), "external_id": external_id, "link": link,
        }))?;
    } else {
        print(&file)?;
    }
    Ok(())
}

fn roles(args: &RolesArgs, globals: &Globals) -> Result<Roles, CliError> {
    let trust = match (&args.organization, &args.scope.account) {
        (Some(id), _) => RoleTrust::Organization(id.clone()),
        (None, account) => RoleTrust::ExternalId(Some(external_id(account.as_deref(), globals)?)),
    };
    let scope = args.scope.clone();
    Ok(Roles {
        name: args.name.clone(),
        account: scope.account,
        principal: Some(args.principal.clone()),
        trust,
        kinds: scope.kinds.into_iter().collect(),
        access: args.access.into(),
        partition: scope.partition,
        regions: scope.regions,
        tags: scope.tags.into_iter().collect(),
        deletes: scope.deletes,
        refreshes: scope.refreshes,
        launch_roles: scope.launch_roles,
        keys: scope.keys,
    })
}

/// The id that the settings hold for the account, else a new one. Settings that cannot be read are an error: a second id
/// for an account would lock the agent out of it.
fn external_id(account: Option<&str>, globals: &Globals) -> Result<String, CliError> {
    if globals.config.exists() {
        let settings = load(&globals.config)?;
        let kept = account.and_then(|id| settings.account(id)?.external_id.clone());
        if let Some(kept) = kept {
            return Ok(kept);
        }
    }
    let mut bytes = [0; EXTERNAL_ID_BYTES];
    getrandom::fill(&mut bytes).map_err(CliError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn name(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let fits = text.chars().all(plain) && text.chars().any(|letter| letter.is_ascii_alphabetic());
    fits.then(|| text.to_owned())
        .ok_or_else(|| "a name of letters, digits and - _ . with a letter in it".to_owned())
}

fn principal(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let fits = match parts.as_slice() {
        ["arn", _, "iam", "", account, resource] => {
            let is_account =
                account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            let named = resource.strip_prefix("role/").or_else(|| resource.strip_prefix("user/"));
            is_account && named.is_some_and(|name| !name.is_empty() && !name.contains(['*', '?']))
        }
        _ => false,
    };
    fits.then(|| text.to_owned()).ok_or_else(|| {
        "the ARN of one role or user, such as arn:aws:iam::123456789012:role/trimtab-agent; of a session \
         (assumed-role/…) name its role, and never a whole account (root)"
            .to_owned()
    })
}

fn organization(text: &str) -> Result<String, String> {
    let id = text.strip_prefix("o-").filter(|id| (10..=32).contains(&id.len()));
    let fits = id.is_some_and(|id| {
        id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    fits.then(|| text.to_owned())
        .ok_or_else(|| "an organization's id, such as o-a1b2c3d4e5".to_owned())
}

fn template_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let in_s3 = host.is_some_and(|host| host.contains("s3") && host.contains("amazonaws.com"));
    in_s3.then(|| text.to_owned()).ok_or_else(|| {
        "CloudFormation reads templates from S3 only: https://BUCKET.s3.REGION.amazonaws.com/KEY"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_principal_organization_or_template_is_told_so() {
        for text in ["arn:aws:iam::123456789012:role/a/b", "arn:aws-cn:iam::123456789012:user/x"] {
            assert_eq!(principal(text), Ok(text.to_owned()));
        }
        for text in [
            "arn:aws:iam::123456789012:root",
            "arn:aws:sts::123456789012:assumed-role/x/y",
            "arn:aws:iam::1234:role/x",
            "arn:aws:iam::123456789012:role/*",
            "trimtab",
        ] {
            assert!(principal(text).is_err(), "{text}");
        }
        assert!(organization("o-a1b2c3d4e5").is_ok() && organization("ou-1").is_err());
        assert!(template_url("https://b.s3.eu-west-1.amazonaws.com/t.yaml").is_ok());
        assert!(template_url("http://b.s3.amazonaws.com/t").is_err());
        assert!(template_url("https://example.com/s3").is_err());
        assert!(name("prod-1").is_ok() && name("123456789012").is_err() && name("a\"b").is_err());
    }
}
