//! The two roles of an account, as the files that its owner applies: one that reads, and a separate one that applies
//! changes. Both trust the agent's principal alone, and only with what says that it acts for this account.
//!
//! Not here: what the roles may do (`iam`), and where the external id comes from (`trimtab`).

mod cloudformation;
mod guide;
mod terraform;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use trimtab_models::resource::Kind;

use crate::{
    calls::Access,
    iam::{Request, Statement, statements},
};

pub use cloudformation::{quick_create_link, template};
pub use guide::{account_section, guide};
pub use terraform::module;

/// The name of the role that reads.
pub const READ_ROLE: &str = "TrimtabRead";
/// The name of the role that applies.
pub const APPLY_ROLE: &str = "TrimtabApply";

/// How long a session of the roles may last, seconds: what one taken through another role has at most (IAM User Guide,
/// "Role chaining"), and what the agent asks for.
const SESSION_S: u32 = 3_600;

/// The form of an external id that `trimtab connect` makes: 32 hex digits, with or without the dashes of a UUID.
const EXTERNAL_ID_FORM: &str = "^[0-9a-f-]{32,36}$";

/// What says that the agent acts for this account, so that nobody else can make it use the roles (the confused deputy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleTrust {
    /// A random id that only this account's section of the settings holds; `None` where whoever applies the file gives it.
    ExternalId(Option<String>),
    /// The agent's principal belongs to this AWS organization.
    Organization(String),
}

/// What the roles are made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The account's name in the settings.
    pub name: String,
    /// Its 12-digit id; `None` in a file for many accounts.
    pub account: Option<String>,
    /// The ARN that the agent has: a role or a user; `None` where whoever applies the file gives it.
    pub principal: Option<String>,
    /// What the roles demand beside it.
    pub trust: RoleTrust,
    /// The kinds of resource that are switched on at first.
    pub kinds: BTreeSet<Kind>,
    /// Whether the apply role is made at first.
    pub access: Access,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The regions; none named means all of them.
    pub regions: Vec<String>,
    /// Tags that a resource must have to be changed.
    pub tags: BTreeMap<String, String>,
    /// Whether unattached volumes may be deleted.
    pub deletes: bool,
    /// Whether the members of groups may be replaced by ones of another type.
    pub refreshes: bool,
    /// The roles that the launch templates of such groups pass to their members.
    pub launch_roles: Vec<String>,
    /// Customer keys that encrypt volumes.
    pub keys: Vec<String>,
}

impl Roles {
    /// The statements of one kind and access, as those of `trimtab connect policy`.
    fn statements(&self, kind: Kind, access: Access) -> Vec<Statement> {
        statements(&Request {
            kinds: [kind].into(),
            access,
            partition: self.partition.clone(),
            // A role reaches no other account than its own: one file does for many.
            account: None,
            regions: self.regions.clone(),
            tags: self.tags.clone(),
            deletes: self.deletes,
            refreshes: self.refreshes,
            launch_roles: self.launch_roles.clone(),
            keys: self.keys.clone(),
        })
    }

    /// The ARN of a role of the account.
    fn role_arn(&self, role: &str) -> String {
        let account = self.account.as_deref().unwrap_or("ACCOUNT");
        format!("arn:{}:iam::{account}:role/{role}", self.partition)
    }
}

const ACCESSES: [Access; 2] = [Access::Read, Access::Apply];

const fn role_name(access: Access) -> &'static str {
    match access {
        Access::Read => READ_ROLE,
        Access::Apply => APPLY_ROLE,
    }
}

const fn role_description(access: Access) -> &'static str {
    match access {
        Access::Read => "Trimtab reads with it. It changes nothing.",
        Access::Apply => {
            "Trimtab applies changes with it, in copilot and autopilot only, in a session for each change."
        }
    }
}

/// The word of the parameter that switches the apply role on.
const fn access_word(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Apply => "apply",
    }
}

/// A kind in names of resources: `Instances`.
const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Instance => "Instances",
        Kind::Volume => "Volumes",
        Kind::Function => "Functions",
        Kind::Group => "Groups",
    }
}
