//! Sessions of the page: random ids in memory, each known by its hash, over after twelve hours or a restart.
//!
//! Not here: the cookie and who gets one (`guard`, `web`).

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::token::{digest, new_secret};

/// A working day with some room; nothing prolongs it.
const LIFETIME: Duration = Duration::from_secs(12 * 3_600);
/// Open sessions at once; the oldest gives way.
const SESSIONS_MAX: usize = 64;

/// Every session that is open.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    ends: Mutex<BTreeMap<[u8; 32], Instant>>,
}

impl Sessions {
    /// Opens a session and returns its id.
    pub(crate) fn open(&self) -> Result<String, getrandom::Error> {
        let id = new_secret("")?;
        let now = Instant::now();
        let mut ends = self.lock();
        ends.retain(|_, end| *end > now);
        while ends.len() >= SESSIONS_MAX {
            let Some(oldest) = ends.iter().min_by_key(|(_, end)| **end).map(|(key, _)| *key) else {
                break;
            };
            ends.remove(&oldest);
        }
        ends.insert(digest(&id), now + LIFETIME);
        Ok(id)
    }

    /// Whether a session is open.
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.lock().get(&digest(id)).is_some_and(|end| *end > Instant::now())
    }

    /// Ends a session.
    pub(crate) fn close(&self, id: &str) {
        self.lock().remove(&digest(id));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Instant>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_itself_by_a_word_or_for_lack_of_room() {
        let sessions = Sessions::default();
        let first = sessions.open().expect("random bytes");
        assert!(sessions.holds(&first) && !sessions.holds(""));
        tokio::time::advance(LIFETIME - Duration::from_secs(1)).await;
        assert!(sessions.holds(&first));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!sessions.holds(&first));
        let second = sessions.open().expect("random bytes");
        sessions.close(&second);
        assert!(!sessions.holds(&second));
        let third = sessions.open().expect("random bytes");
        for _ in 0..SESSIONS_MAX {
            tokio::time::advance(Duration::from_millis(1)).await;
            sessions.open().expect("random bytes");
        }
        assert!(!sessions.holds(&third));
    }
}
