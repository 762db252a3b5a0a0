//! What happens, as it happens: the journal's records as server-sent events.
//!
//! The id of an event is its record's number. A reader who was away names the last one that it saw and gets the rest from
//! the journal's files. Nobody waits for readers: one that falls behind is dropped and comes again. Not here: what records
//! say (`audit`).

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    sync::broadcast,
    time::{Instant, sleep_until},
};
use trimtab_policies::authority::Right;

use super::{ApiState, guard::Caller, problem::Problem, queries::off_thread, serve::Ending};
use crate::{
    audit::{RecordView, look_on},
    journal::Place,
    ledger::News,
};

/// Readers at once: each keeps a connection, and a machine serves few people and scripts.
const STREAMS_MAX: usize = 32;
/// Readers at once of one caller: a page, a script or two, and one that was cut off and is not missed yet.
const STREAMS_OF_ONE_MAX: usize = 4;
/// A comment in a silent stream, so that neither end takes the other for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream ends by itself after this, and its reader comes again.
const LIFETIME: Duration = Duration::from_secs(600);
/// How often it is asked in a silent stream whether its reader still may look; before each event it is asked anyway.
const ASKED_EVERY: Duration = Duration::from_secs(3);
/// When to come again after a stream has ended.
const RECONNECT: Duration = Duration::from_secs(2);
/// Records that are read from the files at once.
const BATCH: usize = 500;
/// The last event that a reader saw.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many readers each caller has.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<BTreeMap<String, usize>>,
}

impl Streams {
    /// Lets one more reader in, until the seat is dropped.
    fn take(self: &Arc<Self>, caller: &str) -> Result<Seat, Problem> {
        let mut open = self.lock();
        let all: usize = open.values().sum();
        let theirs = open.get(caller).copied().unwrap_or_default();
        if theirs >= STREAMS_OF_ONE_MAX {
            let why =
                format!("{caller} follows the events {theirs} times already: end one of them");
            return Err(Problem::too_many(why, RECONNECT));
        }
        if all >= STREAMS_MAX {
            let why = format!("{all} readers follow the events already: end one of them");
            return Err(Problem::too_many(why, RECONNECT));
        }
        open.insert(caller.to_owned(), theirs + 1);
        Ok(Seat { streams: Arc::clone(self), caller: caller.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The seat of one reader.
#[derive(Debug)]
struct Seat {
    streams: Arc<Streams>,
    caller: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        if let Some(theirs) = open.get_mut(&self.caller) {
            *theirs -= 1;
            if *theirs == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

pub(super) async fn events(
    State(state): State<ApiState>,
    Extension(ending): Extension<Ending>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seat = state.streams.take(caller.name())?;
    // Heard first, so that nothing falls between the files and what is told from now on.
    let (live, known) = {
        let ledger = state.agent.ledger();
        (ledger.news(), ledger.last_seq())
    };
    let told = seen(&headers, known)?;
    let feed = Feed {
        state_dir: state.agent.state_dir().to_owned(),
        place: Place::default(),
        told,
        known,
        backlog: VecDeque::new(),
        live,
        ending,
        ends: Instant::now() + LIFETIME,
        may: Box::new(move || caller.again(&state, Right::Read).is_ok()),
        _seat: seat,
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
    /// Where the journal's files are read on.
    place: Place,
    /// The last record that was told.
    told: u64,
    /// The last record that is known to be in the files.
    known: u64,
    backlog: VecDeque<RecordView>,
    live: broadcast::Receiver<News>,
    ending: Ending,
    ends: Instant,
    /// Whether the reader may still look.
    may: Box<dyn Fn() -> bool + Send>,
    _seat: Seat,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Feed {
    /// The next record; `None` ends the stream.
    async fn next(&mut self) -> Option<RecordView> {
        loop {
            if self.ending.is_cancelled() || self.ends <= Instant::now() || !(self.may)() {
                return None;
            }
            if let Some(view) = self.backlog.pop_front() {
                self.told = view.seq;
                return Some(view);
            }
            if self.told < self.known {
                self.read().await?;
                continue;
            }
            let asked_again = self.ends.min(Instant::now() + ASKED_EVERY);
            let news = tokio::select! {
                biased;
                () = self.ending.cancelled() => return None,
                // One that has fallen behind reads the rest from the files when it comes again.
                news = self.live.recv() => news.ok()?,
                () = sleep_until(asked_again) => continue,
            };
            if news.seq > self.told && (self.may)() {
                self.told = news.seq;
                self.known = news.seq;
                return Some(RecordView::of(news.seq, &news.record));
            }
        }
    }

    /// Reads the next records from the files; `None` where there are none or they cannot be read, which the log says.
    async fn read(&mut self) -> Option<()> {
        let (state_dir, mut place, told) = (self.state_dir.clone(), self.place.clone(), self.told);
        let look = move || {
            let records = look_on(Path::new(&state_dir), &mut place, told, BATCH);
            records.map(|records| (records, place))
        };
        match off_thread(look).await.ok()? {
            Ok((records, place)) => {
                self.place = place;
                self.backlog = VecDeque::from(records);
                (!self.backlog.is_empty()).then_some(())
            }
            Err(error) => {
                tracing::error!(%error, "a stream of events ends: the journal cannot be read");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn seats_are_few_and_few_of_them_are_one_callers() {
        let streams = Arc::new(Streams::default());
        let mut seats: Vec<Seat> = Vec::new();
        for caller in 0..STREAMS_MAX / STREAMS_OF_ONE_MAX {
            let name = caller.to_string();
            seats.extend((0..STREAMS_OF_ONE_MAX).map(|_| streams.take(&name).expect("a seat")));
            let refused = streams.take(&name).expect_err("one too many");
            assert_eq!((refused.status, refused.retry_after_s), (429, Some(2)));
            assert!(refused.detail.starts_with(&format!("{caller} follows the events 4 times")));
        }
        assert!(streams.take("bob").is_err(), "all seats are taken");
        seats.truncate(1);
        assert!(streams.take("bob").is_ok());
        drop(seats);
        assert!(streams.lock().is_empty(), "nobody is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_ends_soon_after_its_reader_may_not_look_any_more() {
        let (sender, live) = broadcast::channel(1);
        let may = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&may);
        let mut feed = Feed {
            state_dir: PathBuf::new(),
            place: Place::default(),
            told: 7,
            known: 7,
            backlog: VecDeque::new(),
            live,
            ending: Ending::never(),
            ends: Instant::now() + LIFETIME,
            may: Box::new(move || asked.load(Ordering::SeqCst)),
            _seat: Arc::new(Streams::default()).take("ada").expect("a seat"),
        };
        let began = Instant::now();
        let later = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            may.store(false, Ordering::SeqCst);
        };
        let (told, ()) = tokio::join!(feed.next(), later);
        assert!(told.is_none());
        let lasted = began.elapsed() - Duration::from_secs(60);
        assert!(lasted <= ASKED_EVERY, "it went on for {lasted:?}");
        drop(sender);
    }
}
