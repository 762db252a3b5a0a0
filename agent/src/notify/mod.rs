//! Notifications: whoever is configured is told of state changes by webhook, Slack or mail, beside the page and the log.
//!
//! What the journal says ([`happened`]) and what is so now ([`standing`]) goes into one outbox for each receiver
//! ([`outbox`]), and a task for each receiver empties it ([`run`]): none waits for another, and the daemon for none. Not
//! here: any decision; nothing ever comes in this way.

mod courier;
mod digest;
mod happened;
mod mail;
mod notice;
mod outbox;
mod run;
mod slack;
mod standing;
#[cfg(test)]
mod tests;
mod webhook;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_config::{NotifyEvent, NotifySettings, Receiver};

pub use courier::{Courier, SendError};
pub use notice::{Message, Notice};
pub use outbox::{Outbox, OutboxError, OutboxView, Setback};
pub use run::{Watch, run};
pub use webhook::{EVENT_HEADER, SIGNATURE_HEADER, signature};

/// A receiver with what it is still to be told.
#[derive(Debug)]
pub(crate) struct Post {
    receiver: Receiver,
    outbox: Arc<Mutex<Outbox>>,
    /// Something may be due.
    wake: tokio::sync::Notify,
}

impl Post {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everybody who is told, as the settings in force say.
#[derive(Debug)]
pub struct Notifier {
    /// Where the outboxes are.
    dir: PathBuf,
    now: Mutex<Arc<Told>>,
}

/// The receivers of one set of settings.
#[derive(Debug, Default)]
struct Told {
    settings: Option<NotifySettings>,
    posts: Vec<Arc<Post>>,
}

impl Notifier {
    /// Nobody, with outboxes in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, now: Mutex::default() }
    }

    fn told(&self) -> Arc<Told> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts settings in force; a receiver that is new is told what happens after record `seq`. Tells whether anything changed.
    pub(crate) fn put(&self, settings: &NotifySettings, seq: u64) -> bool {
        let before = self.told();
        if before.settings.as_ref() == Some(settings) {
            return false;
        }
        let posts = settings.receivers.iter().map(|receiver| {
            let known = before.posts.iter().find(|post| post.receiver.name == receiver.name);
            let outbox = known.map_or_else(
                || Arc::new(Mutex::new(Outbox::open(&self.dir, &receiver.name, seq))),
                |post| Arc::clone(&post.outbox),
            );
            Arc::new(Post { receiver: receiver.clone(), outbox, wake: tokio::sync::Notify::new() })
        });
        let told = Told { settings: Some(settings.clone()), posts: posts.collect() };
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(told);
        true
    }

    /// How every receiver stands.
    #[must_use]
    pub fn views(&self) -> Vec<ReceiverView> {
        let view = |post: &Arc<Post>| ReceiverView {
            name: post.receiver.name.clone(),
            channel: post.receiver.channel.as_str().to_owned(),
            events: post.receiver.events.iter().copied().collect(),
            outbox: post.outbox().view(),
        };
        self.told().posts.iter().map(view).collect()
    }

    /// Sends a test message to the receiver of this name, or to all, past their outboxes; `None` where there is none.
    pub async fn test(
        &self,
        name: Option<&str>,
        by: &str,
        now: Timestamp,
    ) -> Option<Vec<TestView>> {
        let told = self.told();
        let asked =
            told.posts.iter().filter(|post| name.is_none_or(|name| post.receiver.name == name));
        let sending = asked.map(|post| test_one(post, told.page_url(), by, now));
        let tested: Vec<TestView> = futures::future::join_all(sending).await;
        (!tested.is_empty()).then_some(tested)
    }
}

impl Told {
    fn page_url(&self) -> Option<&str> {
        self.settings.as_ref().and_then(|settings| settings.page_url.as_deref())
    }
}

async fn test_one(post: &Post, page_url: Option<&str>, by: &str, now: Timestamp) -> TestView {
    let receiver = &post.receiver;
    let notice = Notice::new(
        NotifyEvent::Test,
        format!("test:{}:{now}", receiver.name),
        now,
        "Trimtab reaches you",
    );
    let notice =
        notice.detail("Asked for by", by).detail("Receiver", receiver.name.clone()).path("/");
    let message = Message::of(&receiver.name, notice, now, now);
    let sent = match Courier::new() {
        Ok(courier) => courier.send(receiver, &message, page_url, now).await,
        Err(error) => Err(error),
    };
    TestView {
        name: receiver.name.clone(),
        channel: receiver.channel.as_str().to_owned(),
        error: sent.unwrap_or_else(|error| Some(error.into_setback().reason)),
    }
}

/// A receiver, in `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiverView {
    /// Its name.
    pub name: String,
    /// `webhook`, `slack` or `email`.
    pub channel: String,
    /// What it is told.
    #[schemars(with = "Vec<String>")]
    pub events: Vec<NotifyEvent>,
    /// How its outbox stands.
    #[serde(flatten)]
    pub outbox: OutboxView,
}

/// What came of a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestView {
    /// The receiver.
    pub name: String,
    /// `webhook`, `slack` or `email`.
    pub channel: String,
    /// Why it did not arrive; `None` where it did.
    pub error: Option<String>,
}

/// `POST /api/v1/notify/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestBody {
    /// Each receiver that was asked for.
    pub receivers: Vec<TestView>,
}
