//! `trimtab connect`: the IAM side of an account. Policies and roles are printed for whoever owns it, asking nobody;
//! `verify` asks AWS what the roles that are there can do.
//!
//! Nothing is changed in AWS. Not here: what policies and roles hold (`trimtab_policies`).

mod roles;
mod verify;

use clap::{Args, Subcommand, ValueEnum};
use trimtab_models::resource::Kind;
use trimtab_policies::{
    calls::Access,
    iam::{Request, Statement, cloudformation, policy, statements, terraform},
};

pub(super) use roles::RolesArgs;
pub(super) use verify::VerifyArgs;

use super::{
    args::{Globals, kind},
    client::CliError,
    out::{print, print_json},
};

/// What to print or ask.
#[derive(Debug, Clone, Subcommand)]
pub enum ConnectCommand {
    /// An IAM policy for the kinds of resource and the access that you name, and for nothing else.
    Policy(PolicyArgs),
    /// The account's two roles as a CloudFormation template, with what to do with it.
    Cloudformation(RolesArgs),
    /// The account's two roles as a Terraform module, with what to do with it.
    Terraform(RolesArgs),
    /// Take the accounts' roles as the daemon would and as a stranger would, and try what they can do; changes nothing.
    Verify(VerifyArgs),
}

/// What rights are about.
#[derive(Debug, Clone, Args)]
pub struct ScopeArgs {
    /// Kinds of resource, separated by commas.
    #[arg(long, value_parser = kind, value_delimiter = ',', value_name = "KIND", required = true)]
    pub kinds: Vec<Kind>,
    /// The account's 12-digit id; without it the role's own account is meant.
    #[arg(long, value_parser = account)]
    pub account: Option<String>,
    /// Only this region; may be repeated.
    #[arg(long = "region", value_name = "REGION")]
    pub regions: Vec<String>,
    /// Change only what has this tag; may be repeated.
    #[arg(long = "tag", value_parser = tag, value_name = "KEY=VALUE")]
    pub tags: Vec<(String, String)>,
    /// Also allow unattached volumes to be deleted, after a snapshot.
    #[arg(long)]
    pub deletes: bool,
    /// Also allow the members of groups to be replaced by ones of another type.
    #[arg(long)]
    pub refreshes: bool,
    /// A role that the launch templates of such groups pass to their members; may be repeated.
    #[arg(long = "launch-role", value_parser = role, value_name = "ARN", requires = "refreshes")]
    pub launch_roles: Vec<String>,
    /// A customer key that encrypts volumes; may be repeated.
    #[arg(long = "kms-key", value_parser = key, value_name = "ARN")]
    pub keys: Vec<String>,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    #[arg(long, default_value = "aws", value_parser = ["aws", "aws-cn", "aws-us-gov"])]
    pub partition: String,
}

/// What a policy is for.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    /// What it is about.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Whether the role reads, or applies changes.
    #[arg(long, value_enum)]
    pub access: AccessChoice,
    /// The form.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
}

/// What a role does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessChoice {
    /// It reads: every mode needs it.
    Read,
    /// It applies changes: copilot and autopilot need it, in a role of its own.
    Apply,
}

/// How a policy is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A policy document.
    Json,
    /// A data source of Terraform's, with the reasons as comments.
    Terraform,
    /// A template with a managed policy, with the reasons as metadata.
    Cloudformation,
}

impl From<AccessChoice> for Access {
    fn from(choice: AccessChoice) -> Self {
        match choice {
            AccessChoice::Read => Self::Read,
            AccessChoice::Apply => Self::Apply,
        }
    }
}

pub(super) async fn run(command: ConnectCommand, globals: &Globals) -> Result<u8, CliError> {
    match command {
        ConnectCommand::Verify(args) => return verify::run(&args, globals).await,
        ConnectCommand::Policy(args) => print_policy(&args)?,
        ConnectCommand::Cloudformation(args) => {
            roles::run(&args, roles::Form::Cloudformation, globals)?;
        }
        ConnectCommand::Terraform(args) => roles::run(&args, roles::Form::Terraform, globals)?,
    }
    Ok(0)
}

fn print_policy(args: &PolicyArgs) -> Result<(), CliError> {
    let statements = statements(&request(args));
    match args.format {
        Format::Json => print_json(&policy(&statements))?,
        Format::Terraform => print(terraform(name(args.access), &statements).trim_end())?,
        Format::Cloudformation => print_json(&template(args.access, &statements))?,
    }
    Ok(())
}

const fn name(access: AccessChoice) -> &'static str {
    match access {
        AccessChoice::Read => "trimtab_read",
        AccessChoice::Apply => "trimtab_apply",
    }
}

fn template(access: AccessChoice, statements: &[Statement]) -> serde_json::Value {
    let description = match access {
        AccessChoice::Read => "What Trimtab reads. It changes nothing.",
        AccessChoice::Apply => "What Trimtab changes, in copilot and autopilot only.",
    };
    cloudformation(description, statements)
}

fn request(args: &PolicyArgs) -> Request {
    let scope = args.scope.clone();
    Request {
        kinds: scope.kinds.into_iter().collect(),
        access: args.access.into(),
        partition: scope.partition,
        account: scope.account,
        regions: scope.regions,
        tags: scope.tags.into_iter().collect(),
        deletes: scope.deletes,
        refreshes: scope.refreshes,
        launch_roles: scope.launch_roles,
        keys: scope.keys,
    }
}

fn account(text: &str) -> Result<String, String> {
    let whole = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| text.to_owned()).ok_or_else(|| "an account's id has 12 digits".to_owned())
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn key(text: &str) -> Result<String, String> {
    whole_arn(text, ("kms", "key/"))
        .ok_or_else(|| "a key's ARN, such as arn:aws:kms:eu-west-1:123456789012:key/…".to_owned())
}

fn role(text: &str) -> Result<String, String> {
    whole_arn(text, ("iam", "role/"))
        .ok_or_else(|| "a role's ARN, such as arn:aws:iam::123456789012:role/web".to_owned())
}

/// Keys and roles are named whole: a wildcard would be every one of the account.
fn whole_arn(text: &str, (service, prefix): (&str, &str)) -> Option<String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", _, found, _, _, resource] = parts.as_slice() else { return None };
    let fits = *found == service && resource.starts_with(prefix) && !text.contains(['*', '?']);
    fits.then(|| text.to_owned())
}
