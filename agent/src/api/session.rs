//! Sessions of the page: random ids in memory, each known by its hash, over after half an hour without a request, twelve hours
//! in all, or a restart.
//!
//! A session remembers what it was opened with, and carries what that carries now. Not here: the cookie (`guard`, `web`)
//! and what a credential carries (`who`).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    token::{digest, new_secret},
    who::Credential,
};

/// A page that nobody has looked at for so long is left alone.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// A working day with some room; nothing prolongs it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(12 * 3_600);
/// Open sessions at once; the one that was used least lately gives way.
const SESSIONS_MAX: usize = 64;

/// A session that is open.
#[derive(Debug)]
struct Session {
    credential: Credential,
    opened: Instant,
    seen: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.opened + LIFETIME || now >= self.seen + IDLE
    }
}

/// Every session that is open.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: Mutex<BTreeMap<[u8; 32], Session>>,
}

impl Sessions {
    /// Opens a session for what somebody came with, and returns its id: a new one each time, so that none can be foisted on
    /// anybody.
    pub(crate) fn open(&self, credential: Credential) -> Result<String, getrandom::Error> {
        let id = new_secret("")?;
        let now = Instant::now();
        let mut open = self.lock();
        open.retain(|_, session| !session.is_over(now));
        while open.len() >= SESSIONS_MAX {
            let stalest = open.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key);
            let Some(stalest) = stalest else { break };
            open.remove(&stalest);
        }
        open.insert(digest(&id), Session { credential, opened: now, seen: now });
        Ok(id)
    }

    /// What an open session was opened with; asking keeps it from idling.
    pub(crate) fn credential(&self, id: &str) -> Option<Credential> {
        let now = Instant::now();
        let mut open = self.lock();
        let key = digest(id);
        let session = open.get_mut(&key)?;
        if session.is_over(now) {
            open.remove(&key);
            return None;
        }
        session.seen = now;
        Some(session.credential.clone())
    }

    /// Whether a session is open; asking prolongs nothing.
    pub(crate) fn is_open(&self, id: &str) -> bool {
        let now = Instant::now();
        self.lock().get(&digest(id)).is_some_and(|session| !session.is_over(now))
    }

    /// Ends a session.
    pub(crate) fn close(&self, id: &str) {
        self.lock().remove(&digest(id));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &Sessions) -> String {
        sessions.open(Credential::Local).expect("random bytes")
    }

    fn holds(sessions: &Sessions, id: &str) -> bool {
        sessions.credential(id).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_itself_by_a_word_or_for_lack_of_room() {
        let sessions = Sessions::default();
        let second = Duration::from_secs(1);
        let first = open(&sessions);
        assert!(holds(&sessions, &first) && !holds(&sessions, ""));
        tokio::time::advance(IDLE - second).await;
        assert!(holds(&sessions, &first), "a request came in time");
        tokio::time::advance(IDLE - second).await;
        assert!(holds(&sessions, &first), "and the time began again with it");
        tokio::time::advance(IDLE).await;
        assert!(!holds(&sessions, &first), "nobody looked");

        let busy = open(&sessions);
        for _ in 0..(LIFETIME.as_secs() / 60 - 1) {
            tokio::time::advance(60 * second).await;
            assert!(holds(&sessions, &busy));
        }
        tokio::time::advance(60 * second).await;
        assert!(!holds(&sessions, &busy), "nothing prolongs it beyond twelve hours");

        let left = open(&sessions);
        tokio::time::advance(IDLE - second).await;
        assert!(sessions.is_open(&left));
        tokio::time::advance(second).await;
        assert!(!sessions.is_open(&left), "asking whether it is open is no use of it");
        let left = open(&sessions);
        sessions.close(&left);
        assert!(!holds(&sessions, &left) && !sessions.is_open(&left));
        let crowded_out = open(&sessions);
        for _ in 0..SESSIONS_MAX {
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_ne!(open(&sessions), crowded_out, "ids are new each time");
        }
        assert!(!holds(&sessions, &crowded_out));
    }
}
