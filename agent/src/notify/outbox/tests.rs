//! Tests of the outbox: order, gathering, pauses, an end to them, room, and what a crash leaves.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_409_600 + seconds).expect("a time")
}

fn notice(event: NotifyEvent, key: &str, seconds: i64) -> Notice {
    Notice::new(event, key, at(seconds), format!("{event} {key}"))
}

fn all() -> BTreeSet<NotifyEvent> {
    NotifyEvent::ALL.into_iter().collect()
}

fn setback() -> Setback {
    Setback { reason: "it is down".to_owned(), pause: None }
}

struct Bench {
    folder: tempfile::TempDir,
    outbox: Outbox,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let outbox = Outbox::open(folder.path(), "ops", 0);
        Self { folder, outbox }
    }

    /// What a process finds that starts after this one died.
    fn after_a_crash(&self) -> Outbox {
        Outbox::open(self.folder.path(), "ops", 99)
    }

    fn record(&mut self, seq: u64, event: NotifyEvent, seconds: i64) {
        let notices = [(seq, notice(event, &format!("record:{seq}"), seconds))];
        self.outbox.take_records(&notices, seq, &all(), at(seconds)).expect("a folder with room");
    }
}

#[test]
fn records_are_told_once_whatever_is_read_again() {
    let mut bench = Bench::new();
    bench.record(3, NotifyEvent::ChangeStuck, 0);
    bench.record(3, NotifyEvent::ChangeStuck, 0);
    bench.record(2, NotifyEvent::ChangeStuck, 0);
    assert_eq!(bench.outbox.view().pending, 1);
    let mut after = bench.after_a_crash();
    assert_eq!((after.seq(), after.view().pending), (3, 1));
    let message = after.begin(at(0)).expect("it is critical and sent at once");
    after.delivered(&message.id, None, at(1)).expect("a folder with room");
    let mut again = bench.after_a_crash();
    let notices = [(3, notice(NotifyEvent::ChangeStuck, "record:3", 0))];
    again.take_records(&notices, 3, &all(), at(2)).expect("a folder with room");
    assert_eq!(again.view().pending, 0, "what was delivered is not told again");
}

#[test]
fn a_crash_between_sending_and_noting_sends_again_with_the_same_id() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::MachineOff, 0);
    let sent = bench.outbox.begin(at(0)).expect("it is due");
    let mut after = bench.after_a_crash();
    let again = after.begin(at(60)).expect("nobody noted that it arrived");
    assert_eq!((again.id, again.notices), (sent.id, sent.notices));
    assert_eq!(again.attempts, 2);
}

#[test]
fn a_crash_before_the_outbox_is_written_makes_the_same_message() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::MachineOff, 0);
    let sent = bench.outbox.begin(at(0)).expect("it is due").id;
    fs::remove_file(bench.folder.path().join("ops.json")).expect("it was written");
    let mut after = Outbox::open(bench.folder.path(), "ops", 0);
    let notices = [(1, notice(NotifyEvent::MachineOff, "record:1", 0))];
    after.take_records(&notices, 1, &all(), at(9)).expect("a folder with room");
    assert_eq!(after.begin(at(9)).map(|message| message.id), Some(sent));
}

#[test]
fn more_of_the_same_is_gathered_until_it_is_sent() {
    let mut bench = Bench::new();
    for seq in 1..=30 {
        bench.record(seq, NotifyEvent::ChangeBegun, 0);
    }
    bench.record(31, NotifyEvent::ChangeKept, 5);
    assert_eq!(bench.outbox.begin(at(29)), None, "more may come");
    let message = bench.outbox.begin(at(30)).expect("it is due");
    assert_eq!((message.count, message.notices.len(), message.unlisted()), (30, 20, 10));
    assert_eq!(message.title(), "30 changes were begun");
    bench.record(32, NotifyEvent::ChangeBegun, 30);
    assert_eq!(bench.outbox.view().pending, 3, "what is being sent stays as it is");
}

#[test]
fn what_matters_most_goes_first_and_does_not_wait() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeKept, 0);
    bench.record(2, NotifyEvent::ChangeUndone, 40);
    bench.record(3, NotifyEvent::ChangeStuck, 80);
    bench.record(4, NotifyEvent::CircuitOpened, 80);
    let mut order = Vec::new();
    while let Some(message) = bench.outbox.begin(at(80)) {
        bench.outbox.delivered(&message.id, None, at(80)).expect("a folder with room");
        order.push(message.event);
    }
    let expect = [
        NotifyEvent::ChangeStuck,
        NotifyEvent::CircuitOpened,
        NotifyEvent::ChangeUndone,
        NotifyEvent::ChangeKept,
    ];
    assert_eq!(order, expect);
}

#[test]
fn what_is_so_is_told_when_it_begins_and_again_when_it_begins_anew() {
    let mut bench = Bench::new();
    let mut look = |is_so: bool, seconds: i64| {
        let standing = is_so.then(|| {
            let notice = notice(NotifyEvent::DiskFull, &format!("disk-full:{seconds}"), seconds);
            ("disk-full".to_owned(), Some(notice))
        });
        let standing = standing.into_iter().collect();
        bench.outbox.take_standing("onsets", &standing, &all(), at(seconds)).expect("room");
        bench.outbox.view().pending
    };
    let pending = [(true, 0), (true, 1), (false, 2), (false, 3), (true, 4)]
        .map(|(is_so, seconds)| look(is_so, seconds));
    assert_eq!(pending, [1, 1, 1, 1, 2]);
    let after = bench.after_a_crash();
    assert!(after.is_told("onsets", "disk-full"));
}

#[test]
fn pauses_double_from_five_seconds_to_an_hour_and_end_after_three_days() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeStuck, 0);
    let (mut now, mut pauses) = (at(0), Vec::new());
    while let Some(message) = bench.outbox.begin(now) {
        bench.outbox.failed(&message.id, setback(), now).expect("a folder with room");
        let Some(next) = bench.outbox.next_at() else { break };
        assert_eq!(bench.outbox.begin(next - SignedDuration::from_millis(1)), None);
        pauses.push(next.duration_since(now).as_secs_f64());
        now = next;
    }
    for (index, pause) in pauses.iter().enumerate() {
        let whole = (5.0 * 2_f64.powi(index.min(12) as i32)).min(3_600.0);
        assert!((pause / whole - 1.0).abs() <= 0.2 + 1e-9, "{index}: {pause} of {whole}");
    }
    let total: f64 = pauses.iter().sum();
    assert!((259_200.0..=259_200.0 + 4_320.0).contains(&total), "{total} s");
    let view = bench.outbox.view();
    assert_eq!((view.pending, view.given_up), (0, 1));
    assert_eq!(view.last_error.as_deref(), Some("it is down"));
    assert_eq!(bench.after_a_crash().view(), view);
}

#[test]
fn after_time_away_what_waits_is_tried_before_it_is_given_up() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeStuck, 0);
    let week = 7 * 86_400;
    let mut after = bench.after_a_crash();
    let message = after.begin(at(week)).expect("it waits");
    after.failed(&message.id, setback(), at(week)).expect("a folder with room");
    assert_eq!(after.view().pending, 1);
    let notices = [(2, notice(NotifyEvent::ChangeStuck, "record:2", 0))];
    after.take_records(&notices, 2, &all(), at(week)).expect("a folder with room");
    assert_eq!(after.view().pending, 1, "but what happened a week ago is no news");
}

#[test]
fn a_message_that_is_not_taken_holds_no_other_back() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeKept, 0);
    let mut now = 30;
    // For an hour the receiver answers this one with 500: it waits for ever longer.
    for _ in 0..9 {
        let first = bench.outbox.begin(at(now)).expect("it is due");
        bench.outbox.failed(&first.id, setback(), at(now)).expect("a folder with room");
        let next = bench.outbox.next_at().expect("it is tried again");
        now = next.as_second() - at(0).as_second() + 1;
    }
    let first = bench.outbox.begin(at(now)).expect("it is due");
    bench.outbox.failed(&first.id, setback(), at(now)).expect("a folder with room");
    bench.record(2, NotifyEvent::ChangeStuck, now);
    bench.record(3, NotifyEvent::ChangeUndone, now);
    let critical = bench.outbox.begin(at(now)).expect("it goes at once");
    assert_eq!(critical.event, NotifyEvent::ChangeStuck);
    bench.outbox.delivered(&critical.id, None, at(now)).expect("a folder with room");
    let newer = bench.outbox.begin(at(now + 30)).expect("it goes when it is gathered");
    assert_eq!(newer.event, NotifyEvent::ChangeUndone);
    bench.outbox.failed(&newer.id, setback(), at(now + 30)).expect("a folder with room");
    assert_eq!(bench.outbox.begin(at(now + 33)), None, "each has its own pauses");
}

#[test]
fn of_equals_what_was_tried_least_goes_first() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeStuck, 0);
    let poison = bench.outbox.begin(at(0)).expect("it is due");
    bench.outbox.failed(&poison.id, setback(), at(0)).expect("a folder with room");
    bench.record(2, NotifyEvent::ChangeStuck, 60);
    let newer = bench.outbox.begin(at(60)).expect("both are due");
    assert_ne!(newer.id, poison.id, "the one that nobody has tried");
}

#[test]
fn who_did_not_take_it_is_told_with_what_arrived() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeStuck, 0);
    let message = bench.outbox.begin(at(0)).expect("it is due");
    let refused = Some("not taken for b@example.com".to_owned());
    bench.outbox.delivered(&message.id, refused.clone(), at(1)).expect("a folder with room");
    let view = bench.after_a_crash().view();
    assert_eq!((view.pending, view.last_success_at, view.last_error), (0, Some(at(1)), refused));
}

#[test]
fn a_receiver_may_ask_for_a_longer_pause() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeStuck, 0);
    let message = bench.outbox.begin(at(0)).expect("it is due");
    let slow = Setback { pause: Some(SignedDuration::from_secs(120)), ..setback() };
    bench.outbox.failed(&message.id, slow, at(0)).expect("a folder with room");
    assert_eq!(bench.outbox.next_at(), Some(at(120)));
    bench.record(2, NotifyEvent::ChangeKept, 0);
    assert_eq!(bench.outbox.begin(at(119)), None, "it asked for it, whatever is sent");
    bench.record(3, NotifyEvent::MachineOff, 119);
    let critical = bench.outbox.begin(at(119)).expect("a machine that is off does not wait");
    assert_eq!(critical.event, NotifyEvent::MachineOff);
}

#[test]
fn a_full_outbox_drops_the_oldest_of_the_least_importance_and_tells_how_many() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeStuck, 0);
    for seq in 2..=250 {
        bench.record(seq, NotifyEvent::ChangeKept, 60 * seq as i64);
    }
    let view = bench.outbox.view();
    assert_eq!((view.pending, view.dropped), (200, 50));
    let now = 60 * 300;
    let first = bench.outbox.begin(at(now)).expect("they wait");
    assert_eq!((first.event, first.dropped_before), (NotifyEvent::ChangeStuck, 50));
    let mut after = bench.after_a_crash();
    let again = after.begin(at(now)).expect("it waits");
    assert_eq!(again.dropped_before, 50, "the number is told until it has arrived");
    after.delivered(&again.id, None, at(now)).expect("a folder with room");
    let next = after.begin(at(now)).expect("they wait");
    assert_eq!((next.notices[0].key.as_str(), next.dropped_before), ("record:52", 0));
}

#[test]
fn a_damaged_outbox_is_set_aside_and_said_so() {
    let mut bench = Bench::new();
    bench.record(1, NotifyEvent::ChangeStuck, 0);
    let path = bench.folder.path().join("ops.json");
    fs::write(&path, "{\"seq\": 4,").expect("the file can be written");
    let after = bench.after_a_crash();
    let view = after.view();
    assert_eq!((after.seq(), view.pending), (99, 0));
    assert!(view.last_error.is_some_and(|error| error.contains("is damaged")));
    assert!(bench.folder.path().join("ops.damaged").exists());
}
