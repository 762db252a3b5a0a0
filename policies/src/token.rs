//! Tokens: what is known of each, and as whom its holder comes in now.
//!
//! A token is known by its SHA-256 and the visible part in front. What it carries is decided at each request, so that a
//! revocation, a person taken out of the configuration and a lowered role count at once. Not here: the secret itself (`trimtab`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::authority::{Approvers, Person, Right, Role};

/// What a record says of a token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// Its visible part, which names it; unique.
    pub id: String,
    /// SHA-256 of the whole token, in hex: a random secret needs no slower hash.
    pub sha256: String,
    /// Whose it is.
    pub name: String,
    /// The role that it carries.
    pub role: Role,
    /// When it ends; `None` until it is revoked.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// A token with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What was made.
    #[serde(flatten)]
    pub new: NewToken,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it was revoked, and by whom.
    #[serde(default)]
    pub revoked: Option<(Timestamp, String)>,
    /// When it was first used on the last day on which it was used.
    #[serde(default)]
    pub used_at: Option<Timestamp>,
}

/// Every token ever made, by id.
pub type Tokens = BTreeMap<String, Token>;

impl Token {
    /// A token as it is made.
    #[must_use]
    pub fn made(new: NewToken, created_at: Timestamp, created_by: &str) -> Self {
        let created_by = created_by.to_owned();
        Self { new, created_at, created_by, revoked: None, used_at: None }
    }

    /// Why it lets nobody in at this time, if it does not.
    #[must_use]
    pub fn reason_dead(&self, approvers: &Approvers, now: Timestamp) -> Option<String> {
        let NewToken { id, name, role, expires_at, .. } = &self.new;
        if let Some((at, by)) = &self.revoked {
            return Some(format!("token {id} was revoked by {by} at {at}: have a new one made"));
        }
        if let Some(at) = expires_at.filter(|at| *at <= now) {
            return Some(format!("token {id} expired at {at}: have a new one made"));
        }
        let Some(approver) = approvers.get(name) else {
            return Some(format!(
                "token {id} is {name}'s, whom no [[approver]] of the configuration names any more"
            ));
        };
        (!approver.role.covers(*role)).then(|| {
            format!(
                "token {id} carries the role {role}, and {name} has only the role {} by now: have a new one made",
                approver.role
            )
        })
    }

    /// As whom its holder comes in.
    ///
    /// # Errors
    /// The reason why it lets nobody in.
    pub fn holder(&self, approvers: &Approvers, now: Timestamp) -> Result<Person, String> {
        if let Some(reason) = self.reason_dead(approvers, now) {
            return Err(reason);
        }
        let scope = approvers.get(&self.new.name).map(|approver| approver.scope.clone());
        let scope = scope.ok_or_else(|| format!("{} is not configured", self.new.name))?;
        let lent = std::collections::BTreeSet::new();
        Ok(Person { name: self.new.name.clone(), role: self.new.role, lent, scope })
    }
}

/// Whether somebody else than the holder of the local token can make tokens now.
#[must_use]
pub fn admin_in_force(tokens: &Tokens, approvers: &Approvers, now: Timestamp) -> bool {
    tokens.values().any(|token| {
        token.new.role.holds(Right::ManageTokens) && token.reason_dead(approvers, now).is_none()
    })
}

/// Why no token of a role may be made for a name, if none may.
#[must_use]
pub fn reason_not_creatable(
    approvers: &Approvers,
    (name, role): (&str, Role),
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<String> {
    let Some(approver) = approvers.get(name) else {
        return Some(format!(
            "no [[approver]] of the configuration is named `{name}`: add one, and let the daemon reload"
        ));
    };
    if !approver.role.covers(role) {
        return Some(format!(
            "{name} has the role {} in the configuration, which does not cover {role}: ask for that role, or change it there",
            approver.role
        ));
    }
    let at = expires_at.filter(|at| *at <= now)?;
    Some(format!("the token would have expired at {at} already: name a later time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Approver, Scope};

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 86_400).expect("within the calendar")
    }

    fn people(people: &[(&str, Role)]) -> Approvers {
        let one = |(name, role): &(&str, Role)| {
            let name = (*name).to_owned();
            (name.clone(), Approver { name, role: *role, scope: Scope::everything() })
        };
        people.iter().map(one).collect()
    }

    fn token(name: &str, role: Role) -> Token {
        let new = NewToken {
            id: format!("ttp_{name}"),
            sha256: String::new(),
            name: name.to_owned(),
            role,
            expires_at: Some(at(30)),
        };
        Token::made(new, at(1), "operator")
    }

    #[test]
    fn what_a_token_carries_is_decided_now() {
        let ada = people(&[("ada", Role::Approver)]);
        let revoked =
            Token { revoked: Some((at(2), "bob".to_owned())), ..token("ada", Role::Approver) };
        for (token, approvers, day, expect) in [
            (token("ada", Role::Approver), &ada, 29, Ok(Role::Approver)),
            (token("ada", Role::Viewer), &ada, 29, Ok(Role::Viewer)),
            (token("ada", Role::Approver), &ada, 30, Err("expired")),
            (token("ada", Role::Approver), &people(&[]), 2, Err("any more")),
            (
                token("ada", Role::Approver),
                &people(&[("ada", Role::Viewer)]),
                2,
                Err("only the role viewer"),
            ),
            (
                token("ada", Role::Approver),
                &people(&[("ada", Role::Operator)]),
                2,
                Err("only the role operator"),
            ),
            (token("ada", Role::Viewer), &people(&[("ada", Role::Operator)]), 2, Ok(Role::Viewer)),
            (revoked, &ada, 2, Err("revoked by bob")),
        ] {
            let found = token.holder(approvers, at(day));
            match expect {
                Ok(role) => assert_eq!(found.map(|person| person.role), Ok(role)),
                Err(word) => {
                    assert!(found.clone().is_err_and(|why| why.contains(word)), "{found:?}")
                }
            }
        }
    }

    #[test]
    fn an_admin_is_in_force_while_the_token_is_good_for_something() {
        let admin = people(&[("root", Role::Admin)]);
        let tokens = |token: Token| Tokens::from([(token.new.id.clone(), token)]);
        for (tokens, approvers, day, expect) in [
            (Tokens::new(), &admin, 2, false),
            (tokens(token("root", Role::Admin)), &admin, 2, true),
            (tokens(token("root", Role::Admin)), &admin, 30, false),
            (tokens(token("root", Role::Admin)), &people(&[]), 2, false),
            (tokens(token("root", Role::Admin)), &people(&[("root", Role::Viewer)]), 2, false),
            (tokens(token("root", Role::Viewer)), &people(&[("root", Role::Viewer)]), 2, false),
        ] {
            assert_eq!(admin_in_force(&tokens, approvers, at(day)), expect);
        }
    }

    #[test]
    fn tokens_are_made_for_people_of_the_configuration() {
        let ada = people(&[("ada", Role::Operator)]);
        for (name, role, expires, refused) in [
            ("ada", Role::Operator, None, None),
            ("ada", Role::Viewer, Some(at(3)), None),
            ("ada", Role::Approver, None, Some("does not cover approver")),
            ("ada", Role::Admin, None, Some("does not cover admin")),
            ("eve", Role::Viewer, None, Some("no [[approver]]")),
            ("ada", Role::Viewer, Some(at(2)), Some("already")),
        ] {
            let reason = reason_not_creatable(&ada, (name, role), expires, at(2));
            match refused {
                None => assert_eq!(reason, None),
                Some(word) => {
                    assert!(reason.clone().is_some_and(|why| why.contains(word)), "{reason:?}")
                }
            }
        }
    }
}
