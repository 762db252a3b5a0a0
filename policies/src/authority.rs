//! Who may do what: roles, the rights that each holds, and the scope in which a person uses them.
//!
//! Not here: how somebody proves who they are (`token`, `trimtab`'s API), and what else a decision needs (`approval`, `plan`).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::resource::{Kind, ResourceRef};

/// How records name whoever holds the local token.
pub const LOCAL_NAME: &str = "operator";

/// What a person is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, decides and takes back, each in scope.
    Approver,
    /// Reads and runs the daemon, but never approves: whoever can start a change does not also allow it.
    Operator,
    /// Manages tokens, and sees nothing of the accounts.
    Admin,
}

impl Role {
    /// Every role, in the order in which reports list them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Approver, Self::Operator, Self::Admin];

    /// The word used in configuration, JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether the role holds a right.
    #[must_use]
    pub const fn holds(self, right: Right) -> bool {
        match right {
            Right::OwnSession => true,
            Right::Read => !matches!(self, Self::Admin),
            Right::Decide => matches!(self, Self::Approver),
            Right::Undo => matches!(self, Self::Approver | Self::Operator),
            Right::Stop => !matches!(self, Self::Viewer),
            Right::Resume | Right::Operate => matches!(self, Self::Operator),
            Right::ManageTokens => matches!(self, Self::Admin),
        }
    }

    /// Whether whoever has this role may be given a token of the other: one that holds no right that this one lacks.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        Right::ALL.into_iter().all(|right| self.holds(right) || !other.holds(right))
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a route of the API or the page needs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// To know who one is, and to sign out.
    OwnSession,
    /// To see recommendations, changes, the inventory, reports and the audit log.
    Read,
    /// To approve, reject and snooze.
    Decide,
    /// To take a change back.
    Undo,
    /// To set the stop switch.
    Stop,
    /// To release the stop switch.
    Resume,
    /// To ask for a cycle, to close a circuit, and to adopt a lost agent's change.
    Operate,
    /// To make, list and revoke tokens.
    ManageTokens,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 8] = [
        Self::OwnSession,
        Self::Read,
        Self::Decide,
        Self::Undo,
        Self::Stop,
        Self::Resume,
        Self::Operate,
        Self::ManageTokens,
    ];

    /// The word used in JSON and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnSession => "own-session",
            Self::Read => "read",
            Self::Decide => "decide",
            Self::Undo => "undo",
            Self::Stop => "stop",
            Self::Resume => "resume",
            Self::Operate => "operate",
            Self::ManageTokens => "manage-tokens",
        }
    }

    /// What the right allows, after "may not".
    #[must_use]
    pub const fn deed(self) -> &'static str {
        match self {
            Self::OwnSession => "sign out",
            Self::Read => "read",
            Self::Decide => "approve, reject or snooze",
            Self::Undo => "take a change back",
            Self::Stop => "set the stop switch",
            Self::Resume => "release the stop switch",
            Self::Operate => "ask for a cycle, close a circuit or adopt a change",
            Self::ManageTokens => "manage tokens",
        }
    }

    /// Whether the right is used on one resource at a time, so that a scope limits it.
    #[must_use]
    pub const fn is_scoped(self) -> bool {
        match self {
            Self::Decide | Self::Undo => true,
            Self::OwnSession
            | Self::Read
            | Self::Stop
            | Self::Resume
            | Self::Operate
            | Self::ManageTokens => false,
        }
    }
}

/// What a part of a scope takes in.
///
/// A word of its own for everything: an empty list is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Within<T: Ord> {
    /// Everything that the role allows.
    Everything,
    /// These and nothing else.
    Only(BTreeSet<T>),
}

impl<T: Ord> Within<T> {
    /// Whether nothing at all is taken in.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(items) if items.is_empty())
    }

    /// Whether `item` is taken in.
    #[must_use]
    pub fn takes(&self, item: &T) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(items) => items.contains(item),
        }
    }
}

/// Where a person may act. It limits acting, not reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// Accounts, by their 12-digit ids.
    pub accounts: Within<String>,
    /// Kinds of resources.
    pub kinds: Within<Kind>,
    /// Tags, all of which the resource must carry with exactly these values.
    pub tags: Within<(String, String)>,
}

impl Scope {
    /// Everything that the role allows.
    #[must_use]
    pub const fn everything() -> Self {
        Self { accounts: Within::Everything, kinds: Within::Everything, tags: Within::Everything }
    }

    /// Why a resource is outside, if it is.
    #[must_use]
    pub fn reason_outside(&self, reference: &ResourceRef) -> Option<String> {
        if !self.accounts.takes(&reference.account) {
            return Some(format!("account {} is not in their scope", reference.account));
        }
        if !self.kinds.takes(&reference.kind) {
            return Some(format!("the kind {} is not in their scope", reference.kind));
        }
        let Within::Only(tags) = &self.tags else { return None };
        if tags.is_empty() {
            return Some("their scope lists no tags, which is nothing".to_owned());
        }
        let missing = tags.iter().find(|(key, value)| reference.tags.get(key) != Some(value));
        missing
            .map(|(key, value)| format!("it does not carry the tag {key} = {value} of their scope"))
    }
}

/// A person of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approver {
    /// The name that records bear.
    pub name: String,
    /// What they are for.
    pub role: Role,
    /// Where they may act.
    pub scope: Scope,
}

/// Everybody of the configuration, by name.
pub type Approvers = BTreeMap<String, Approver>;

/// Whoever asks, once it is known who that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name that records bear.
    pub name: String,
    /// Their role, as far as what they came with carries it.
    pub role: Role,
    /// Rights beyond the role: the local token's, while nobody else could.
    pub lent: BTreeSet<Right>,
    /// Where they may act.
    pub scope: Scope,
}

impl Person {
    /// Whoever holds the local token: everything while nobody is configured, then an operator.
    ///
    /// While no admin token is in force it also makes tokens, because nobody else could make the first.
    #[must_use]
    pub fn local(approvers: &Approvers, admin_in_force: bool) -> Self {
        let lent: &[Right] = match (approvers.is_empty(), admin_in_force) {
            (true, _) => &[Right::Decide, Right::ManageTokens],
            (false, false) => &[Right::ManageTokens],
            (false, true) => &[],
        };
        Self {
            name: LOCAL_NAME.to_owned(),
            role: Role::Operator,
            lent: lent.iter().copied().collect(),
            scope: Scope::everything(),
        }
    }

    /// A person as the configuration has them.
    #[must_use]
    pub fn configured(approver: &Approver) -> Self {
        let Approver { name, role, scope } = approver.clone();
        Self { name, role, lent: BTreeSet::new(), scope }
    }

    /// Whether the person holds a right, somewhere.
    #[must_use]
    pub fn holds(&self, right: Right) -> bool {
        self.role.holds(right) || self.lent.contains(&right)
    }
}

/// Why a person may not use a right, on a resource where it is used on one; names who, what and what to do.
#[must_use]
pub fn reason_not_allowed(
    person: &Person,
    right: Right,
    resource: Option<&ResourceRef>,
) -> Option<String> {
    let Person { name, role, .. } = person;
    if !person.holds(right) {
        let able = Role::ALL.into_iter().filter(|role| role.holds(right));
        let able = able.map(Role::as_str).collect::<Vec<_>>().join(" or ");
        return Some(format!(
            "{name} has the role {role} and may not {}: ask somebody with the role {able}, or have [[approver]] changed \
             in the configuration",
            right.deed()
        ));
    }
    let outside = resource.filter(|_| right.is_scoped())?;
    let reason = person.scope.reason_outside(outside)?;
    Some(format!(
        "{name} has the role {role} and may not {} here: {reason}; ask somebody whose scope holds {}",
        right.deed(),
        outside.arn
    ))
}

#[cfg(test)]
mod tests;
