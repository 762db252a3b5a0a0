//! What happens, as it happens: the journal's records as server-sent events.
//!
//! The id of an event is its record's number. A reader who was away names the last one that it saw and gets the rest from
//! the journal's files. Nobody waits for readers: one that falls behind is dropped and comes again. Not here: what records
//! say (`audit`).

use std::{
    collections::VecDeque,
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Extension, State},
    http::{HeaderMap, HeaderName},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::stream;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::{Instant, sleep_until},
};

use super::{ApiState, problem::Problem, queries::off_thread, serve::Ending};
use crate::{
    audit::{RecordView, look_after},
    ledger::News,
};

/// Readers at once: each keeps a connection, and a machine serves few people and scripts.
pub(super) const STREAMS_MAX: usize = 32;
/// A comment in a silent stream, so that neither end takes the other for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream ends by itself after this, and its reader comes again: whoever may no longer look is then told so.
const LIFETIME: Duration = Duration::from_secs(600);
/// When to come again after a stream has ended.
const RECONNECT: Duration = Duration::from_secs(2);
/// Records that are read from the files at once.
const BATCH: usize = 500;
/// The last event that a reader saw.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) async fn events(
    State(state): State<ApiState>,
    Extension(ending): Extension<Ending>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| {
        Problem::too_many(
            format!("{STREAMS_MAX} readers follow the events already: end one of them"),
            RECONNECT,
        )
    })?;
    // Heard first, so that nothing falls between the files and what is told from now on.
    let (live, known) = {
        let ledger = state.agent.ledger();
        (ledger.news(), ledger.last_seq())
    };
    let told = seen(&headers, known)?;
    let feed = Feed {
        state_dir: state.agent.state_dir().to_owned(),
        told,
        known,
        backlog: VecDeque::new(),
        live,
        ending,
        ends: Instant::now() + LIFETIME,
        _permit: permit,
    };
    let events = stream::unfold(feed, |mut feed| async {
        let view = feed.next().await?;
        Some((Ok::<_, Infallible>(event(&view)), feed))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// The last record that the reader has seen; the newest where it does not say.
fn seen(headers: &HeaderMap, known: u64) -> Result<u64, Problem> {
    let Some(given) = headers.get(LAST_EVENT_ID) else { return Ok(known) };
    let given = String::from_utf8_lossy(given.as_bytes());
    given.trim().parse().ok().filter(|seq| *seq <= known).ok_or_else(|| {
        Problem::bad_request(format!(
            "Last-Event-ID = `{given}` is no event of this journal, whose last is {known}: leave it out to begin there"
        ))
    })
}

fn event(view: &RecordView) -> Event {
    let kind = match (&view.change_id, &view.recommendation_id) {
        (Some(_), _) => "change",
        (None, Some(_)) => "recommendation",
        (None, None) => "daemon",
    };
    let event = Event::default().id(view.seq.to_string()).event(kind).retry(RECONNECT);
    // Serialized texts hold no line break, which is all that an event's data may not hold.
    event.data(serde_json::to_string(view).unwrap_or_default())
}

/// What one reader still gets.
struct Feed {
    state_dir: PathBuf,
    /// The last record that was told.
    told: u64,
    /// The last record that is known to be in the files.
    known: u64,
    backlog: VecDeque<RecordView>,
    live: broadcast::Receiver<News>,
    ending: Ending,
    ends: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// The next record; `None` ends the stream.
    async fn next(&mut self) -> Option<RecordView> {
        loop {
            if self.ending.is_cancelled() || self.ends <= Instant::now() {
                return None;
            }
            if let Some(view) = self.backlog.pop_front() {
                self.told = view.seq;
                return Some(view);
            }
            if self.told < self.known {
                self.backlog = read(self.state_dir.clone(), self.told).await?;
                continue;
            }
            let news = tokio::select! {
                biased;
                () = self.ending.cancelled() => return None,
                () = sleep_until(self.ends) => return None,
                // One that has fallen behind reads the rest from the files when it comes again.
                news = self.live.recv() => news.ok()?,
            };
            if news.seq > self.told {
                self.told = news.seq;
                self.known = news.seq;
                return Some(RecordView::of(news.seq, &news.record));
            }
        }
    }
}

/// The records after one; `None` where there are none or they cannot be read, which the log says.
async fn read(state_dir: PathBuf, told: u64) -> Option<VecDeque<RecordView>> {
    let look = move || look_after(Path::new(&state_dir), told, BATCH);
    match off_thread(look).await.ok()? {
        Ok(records) => Some(VecDeque::from(records)).filter(|records| !records.is_empty()),
        Err(error) => {
            tracing::error!(%error, "a stream of events ends: the journal cannot be read");
            None
        }
    }
}
