//! A disk that is full in the middle of changes: a limit on the size of the daemon's files stands for it, which nobody needs to
//! be root for.
//!
//! Not here: the journal on a file system that is truly full (its own tests, where mounting is allowed).

use std::{fs, process::Command, time::Duration};

use jiff::Timestamp;
use trimtab::{journal::Journal, ledger::Ledger};
use trimtab_policies::record::Entry;

use crate::{
    campaign::Campaign,
    process::{Daemon, now},
};

/// Above what any other file of the state folder grows to here, bytes: only the journal meets the limit.
const PADDING: usize = 24 << 20;
/// A record of this size is below the journal's largest.
const RECORD: usize = 900 << 10;
/// Room for some intents, and not for all that is approved.
const ROOM: u64 = 60 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_that_the_journal_does_not_take_and_room_is_all_it_needs() {
    let mut campaign = Campaign::new(77);
    let mut daemon = campaign.folder.start();
    daemon.cycled(|| campaign.folder.log()).await;
    assert!(daemon.terminate().success(), "{}", campaign.folder.log());
    let journal = campaign.folder.state().join("journal");
    pad(&journal);
    let size = fs::metadata(journal.join("00000001.log")).expect("it is there").len();

    let daemon = limited(&campaign, size + ROOM);
    let is_full = |campaign: &Campaign| campaign.folder.log().contains("cannot go on");
    let until = now() + Duration::from_secs(240);
    while !is_full(&campaign) {
        campaign.decide(&daemon).await;
        campaign.witness.look();
        assert!(now() < until, "the journal never met its limit:\n{}", campaign.folder.log());
    }
    // A short record may still fit where a long one did not: what counts is that each call has one.
    campaign.witness.look();
    assert_eq!(campaign.witness.violations(), Vec::<String>::new());
    assert!(campaign.witness.states().values().any(|state| state.is_open()), "in the middle");

    // Room again: the same process goes on.
    let limit = ["--fsize=unlimited", "--pid", &daemon.id()].map(str::to_owned);
    assert!(Command::new("prlimit").args(limit).status().expect("it is there").success());
    campaign.finish(daemon).await;
    assert_eq!(campaign.witness.violations(), Vec::<String>::new());
}

/// Makes the journal the largest file by far.
fn pad(journal: &std::path::Path) {
    let mut ledger = Ledger::open(journal).expect("a whole journal");
    for _ in 0..PADDING / RECORD {
        let entry = Entry::Configured { digest: "0".repeat(RECORD) };
        ledger.record(Timestamp::UNIX_EPOCH, "padding", entry).expect("there is room");
    }
    drop(ledger);
    Journal::verify(journal).expect("a whole journal");
}

/// A daemon that no file may grow beyond `bytes` for, until the limit is raised again, which needs no right. A write that would is an error, not a signal.
fn limited(campaign: &Campaign, bytes: u64) -> Daemon {
    let daemon = campaign.folder.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec prlimit --fsize=\"$0\":unlimited \"$@\""])
        .arg(bytes.to_string());
    command.arg(daemon.get_program()).args(daemon.get_args());
    campaign.folder.start_as(command)
}
