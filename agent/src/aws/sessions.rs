//! The session of a change: the apply role, narrowed to the steps of this change and their undo.
//!
//! Not here: what a session may do (`trimtab_policies::session`) and the role's own session for dry runs (`credentials`).

use std::sync::Arc;

use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use jiff::{SignedDuration, Timestamp};
use trimtab_policies::operations::{Failure, FailureKind};
use trimtab_policies::session::Session;

use super::{AccountAccess, Clients, Purpose, Shared, error, rate};
use crate::ports::Place;

/// How long a session lasts: the longest that a role may give to one taken through another role (IAM User Guide, "Role
/// chaining").
const SESSION_S: i32 = 3_600;
/// What a session policy may have at most, characters (STS API reference, AssumeRole).
const POLICY_MAX: usize = 2_048;

/// A session that was taken.
#[derive(Debug)]
pub(super) struct Held {
    session: Session,
    clients: Arc<Clients>,
    expires_at: Timestamp,
}

impl Shared {
    /// The clients of a change's session: the one held where it lasts long enough, else one taken now. Without a role,
    /// the agent's own credentials, which no policy can narrow.
    pub(super) async fn session(
        &self,
        place: &Place,
        session: &Session,
    ) -> Result<Arc<Clients>, Failure> {
        let access = self.access(place)?;
        let Some(role) = Purpose::Write.role(access) else {
            return self.clients(place, Purpose::Write).await;
        };
        let now = self.clock.now();
        let found = self.held(session, now).await;
        let enough = later(now, session.outlives_s);
        if let Some((clients, expires_at)) = &found
            && *expires_at >= enough
        {
            return Ok(Arc::clone(clients));
        }
        if i64::from(session.outlives_s) > i64::from(SESSION_S) {
            return Err(too_short(role, session));
        }
        match (self.take(place, (access, role), session).await, found) {
            (Ok(clients), _) => {
                // STS gives exactly what is asked for or nothing; by our own clock, which began to count before it did.
                let expires_at = later(now, SESSION_S.unsigned_abs());
                let clients = Arc::new(clients);
                let taken =
                    Held { session: session.clone(), clients: Arc::clone(&clients), expires_at };
                self.sessions.lock().await.insert(session.name.clone(), taken);
                Ok(clients)
            }
            // What a held session can still carry is not given up for one that cannot be taken: it may be the start of
            // a machine.
            (Err(failure), Some((clients, _))) if !session.is_disruptive() => {
                tracing::warn!(session = session.name, %failure, "no new session: the held one is used to its end");
                Ok(clients)
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// The clients of the session that a change holds, and until when. The lock is never held over a call: an account whose
    /// STS is slow must not keep the machines of another one off.
    async fn held(&self, session: &Session, now: Timestamp) -> Option<(Arc<Clients>, Timestamp)> {
        let mut sessions = self.sessions.lock().await;
        sessions.retain(|_, one| one.expires_at > now);
        let held = sessions.get(&session.name).filter(|one| session.is_served_by(&one.session))?;
        Some((Arc::clone(&held.clients), held.expires_at))
    }

    async fn take(
        &self,
        place: &Place,
        (access, role): (&AccountAccess, &str),
        session: &Session,
    ) -> Result<Clients, Failure> {
        let policy = session.policy();
        if policy.len() > POLICY_MAX {
            let message = format!(
                "the rights of this change take {} characters, a session policy has {POLICY_MAX} at most",
                policy.len()
            );
            return Err(error::new(FailureKind::Rejected, ASSUME, role, message));
        }
        let own = self.connect_with(place, access, Purpose::Write, None).await;
        let call = own.sts.assume_role().role_arn(role).role_session_name(&session.name);
        let call = call.set_external_id(access.external_id.clone());
        let call = call.policy(policy).duration_seconds(SESSION_S);
        let send = |watch| call.customize().interceptor(watch).send();
        let answer = own.call(&rate::ASSUME_ROLE, role, send).await?;
        let missing = || error::incomplete(ASSUME, role, "credentials");
        let given = answer.credentials.ok_or_else(missing)?;
        let credentials = Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            None,
            "trimtab",
        );
        let provider = Some(SharedCredentialsProvider::new(credentials));
        Ok(self.connect_with(place, access, Purpose::Write, provider).await)
    }
}

const ASSUME: &str = rate::ASSUME_ROLE.call;

fn later(now: Timestamp, seconds: u32) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

fn too_short(role: &str, session: &Session) -> Failure {
    let message = format!(
        "a session lasts {SESSION_S} s at most, this step and those after it may take {} s",
        session.outlives_s
    );
    error::new(FailureKind::Denied, ASSUME, role, message)
}
