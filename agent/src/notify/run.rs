//! Looks for what is to be told, and empties the outboxes: one task that looks, and one for each receiver.
//!
//! Not here: what is told (`happened`, `standing`, `digest`) and how (`courier`).

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc::Receiver as Records},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trimtab_config::NotifyEvent;
use trimtab_policies::record::Record;

use super::{
    Courier, Notice, OutboxError, Post, Told, digest,
    happened::notice_of,
    standing::{self, Onsets, Standing},
};
use crate::{agent::Agent, brief::Briefs, journal::Journal, ports::Clock};

/// The pause between two looks: what a person is told may come so much later.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often approvals are looked at whose end comes nearer: a day before is not a matter of minutes.
const EXPIRY_EVERY: SignedDuration = SignedDuration::from_mins(15);

/// Tells until the token is cancelled. What is not told by then is told after the next start.
pub async fn run(agent: Arc<Agent>, token: CancellationToken) {
    let Some(mut watch) = off_thread(move || Watch::start(agent)).await else { return };
    let (mut couriers, tracker) = (token.child_token(), TaskTracker::new());
    let mut anew = true;
    loop {
        if anew {
            couriers.cancel();
            couriers = token.child_token();
            send_all(&watch.agent, &couriers, &tracker);
        }
        tokio::select! {
            biased;
            () = token.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let Some((looked, changed)) = off_thread(move || watch.look_again()).await else { break };
        (watch, anew) = (looked, changed);
    }
    tracker.close();
    tracker.wait().await;
}

/// Runs what waits for the disk away from the threads that answer requests; `None` when the runtime ends.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(%error, "notifications stopped");
            None
        }
    }
}

/// What has been looked at so far.
#[derive(Debug)]
pub struct Watch {
    agent: Arc<Agent>,
    records: Records<Record>,
    /// The last record that was taken in.
    seq: u64,
    onsets: Onsets,
    briefs: Option<Arc<Briefs>>,
    circuits_seq: Option<u64>,
    /// When approvals that run out were last looked at.
    expiry_at: Option<Timestamp>,
}

impl Watch {
    /// Begins: opens the outboxes, and takes in what the journal says since each was last told.
    #[must_use]
    pub fn start(agent: Arc<Agent>) -> Self {
        let (records, seq) = {
            let mut ledger = agent.ledger();
            (ledger.follow(), ledger.last_seq())
        };
        agent.notifier.put(&agent.settings().notify, seq);
        let watch = Self {
            agent,
            records,
            seq,
            onsets: Onsets::default(),
            briefs: None,
            circuits_seq: None,
            expiry_at: None,
        };
        watch.catch_up();
        watch
    }

    /// Reads what happened while this process did not run.
    fn catch_up(&self) {
        let told = self.agent.notifier.told();
        let Some(from) = told.posts.iter().map(|post| post.outbox().seq()).min() else { return };
        if from >= self.seq {
            return;
        }
        let mut records = Vec::new();
        let read = Journal::read(&self.agent.state_dir().join("journal"), |seq, _, payload| {
            if seq > from && seq <= self.seq {
                // The ledger has read it too, so that it is a record.
                records.extend(serde_json::from_slice(payload).ok().map(|record| (seq, record)));
            }
        });
        if let Err(error) = read {
            tracing::error!(%error, "what happened since the last start cannot be told: the journal cannot be read");
        }
        self.take_records(&told, &records, self.seq);
    }

    fn look_again(mut self) -> (Self, bool) {
        let changed = self.agent.notifier.put(&self.agent.settings().notify, self.seq);
        self.look();
        (self, changed)
    }

    /// Takes in what is new since the last look.
    pub fn look(&mut self) {
        let told = self.agent.notifier.told();
        let mut records = Vec::new();
        while let Ok(record) = self.records.try_recv() {
            // Records are followed from `seq` on, without holes.
            self.seq += 1;
            records.push((self.seq, record));
        }
        if told.posts.is_empty() {
            return;
        }
        let now = self.agent.ports().clock.now();
        if !records.is_empty() {
            self.take_records(&told, &records, self.seq);
        }
        self.look_around(&told, now);
        digests(&self.agent, &told, now);
        told.posts.iter().for_each(|post| post.wake.notify_one());
    }

    fn take_records(&self, told: &Told, records: &[(u64, Record)], seq: u64) {
        let notices: Vec<(u64, Notice)> = {
            let ledger = self.agent.ledger();
            let book = ledger.book();
            let notices = records
                .iter()
                .filter_map(|(seq, record)| Some((*seq, notice_of(*seq, record, book)?)));
            notices.collect()
        };
        let now = self.agent.ports().clock.now();
        for post in &told.posts {
            kept(post.outbox().take_records(&notices, seq, &post.receiver.events, now));
        }
    }

    /// What is so now. What is dear to look at is looked at when it may have changed.
    fn look_around(&mut self, told: &Told, now: Timestamp) {
        let agent = Arc::clone(&self.agent);
        let briefs = agent.briefs();
        if !self.briefs.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &briefs)) {
            let knowing = |key: &str| {
                let knows = |post: &&Arc<Post>| post.outbox().is_told("waiting", key);
                told.posts.iter().filter(knows).count()
            };
            let waiting = standing::waiting(&briefs, knowing, told.posts.len());
            put(told, "waiting", &waiting, now);
            put(told, "lacking", &standing::lacking(&briefs, now), now);
            self.expiry_at = None;
            self.briefs = Some(Arc::clone(&briefs));
        }
        if self.circuits_seq != Some(self.seq) {
            put(told, "circuits", &standing::circuits(&agent), now);
            self.circuits_seq = Some(self.seq);
        }
        if self.expiry_at.is_none_or(|at| now.duration_since(at) >= EXPIRY_EVERY) {
            put(told, "expiring", &standing::expiring(&agent, &briefs, now), now);
            self.expiry_at = Some(now);
        }
        put(told, "machines", &standing::machines_off(&agent, now), now);
        put(told, "onsets", &self.onsets.look(&agent, now), now);
    }
}

fn put(told: &Told, place: &str, standing: &Standing, now: Timestamp) {
    for post in &told.posts {
        kept(post.outbox().take_standing(place, standing, &post.receiver.events, now));
    }
}

/// What cannot be written is kept in memory, and told from there.
fn kept(written: Result<(), OutboxError>) {
    if let Err(error) = written {
        tracing::error!(
            error = format!("{:#}", anyhow::Error::from(error)),
            "an outbox is kept in memory only"
        );
    }
}

/// Makes the digests that are due. The first of a receiver is at the first of its hours after it was configured.
fn digests(agent: &Agent, told: &Told, now: Timestamp) {
    let Some(settings) = &told.settings else { return };
    let wants = |events: &BTreeSet<NotifyEvent>| events.contains(&NotifyEvent::DailyDigest);
    for post in told.posts.iter().filter(|post| wants(&post.receiver.events)) {
        let last = post.outbox().digest_at();
        let digest = match last {
            None => None,
            Some(last)
                if digest::is_due(last, settings.digest_hour, &settings.digest_zone, now) =>
            {
                Some(digest::digest(agent, last, now))
            }
            Some(_) => continue,
        };
        kept(post.outbox().put_digest(digest, now));
    }
}

/// Starts a task for each receiver.
fn send_all(agent: &Arc<Agent>, token: &CancellationToken, tracker: &TaskTracker) {
    let told = agent.notifier.told();
    if told.posts.is_empty() {
        return;
    }
    let courier = match Courier::new() {
        Ok(courier) => courier,
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(error, "nothing can be sent");
            return;
        }
    };
    for post in &told.posts {
        let (agent, told, post) = (Arc::clone(agent), Arc::clone(&told), Arc::clone(post));
        let (courier, token) = (courier.clone(), token.clone());
        tracker.spawn(async move {
            loop {
                let clock = agent.ports().clock;
                tokio::select! {
                    biased;
                    // A message in flight is sent again after the next start, with the same id.
                    () = token.cancelled() => return,
                    () = post.send_or_wait(&courier, told.page_url(), clock.as_ref()) => {}
                }
            }
        });
    }
}

impl Post {
    async fn send_or_wait(
        self: &Arc<Self>,
        courier: &Courier,
        page_url: Option<&str>,
        clock: &dyn Clock,
    ) {
        if self.send_one(courier, page_url, clock).await {
            return;
        }
        let next_at = self.outbox().next_at();
        let due = async {
            match next_at {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.wake.notified() => {}
            () = due => {}
        }
    }

    /// Sends what is due, one message; tells whether anything was.
    pub(super) async fn send_one(
        self: &Arc<Self>,
        courier: &Courier,
        page_url: Option<&str>,
        clock: &dyn Clock,
    ) -> bool {
        let (post, now) = (Arc::clone(self), clock.now());
        let Some(message) = off_thread(move || post.outbox().begin(now)).await.flatten() else {
            return false;
        };
        let sent = courier.send(&self.receiver, &message, page_url, now).await;
        let (post, now) = (Arc::clone(self), clock.now());
        off_thread(move || {
            let mut outbox = post.outbox();
            kept(match sent {
                Ok(refused) => outbox.delivered(&message.id, refused, now),
                Err(error) => outbox.failed(&message.id, error.into_setback(), now),
            });
        })
        .await;
        true
    }
}
