//! Tests of the journal on real files: every cut, every flipped bit, full disks, two openers.

use std::process::Command;

use super::*;

const PAYLOADS: [&str; 5] =
    [r#"{"a":1}"#, "", r#"{"b":"two"}"#, "x", r#"{"intent":"resize","to":"m7i.large"}"#];

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn expected(count: usize) -> Vec<Entry> {
    (1..)
        .zip(PAYLOADS)
        .take(count)
        .map(|(seq, payload)| Entry { seq, payload: payload.into() })
        .collect()
}

/// A journal with all of `PAYLOADS`, in files of at most `file_bytes_max`.
fn filled(dir: &Path, file_bytes_max: u64) {
    let (mut journal, entries) = Journal::open_with(dir, file_bytes_max, Arc::new(media::Disk))
        .expect("an empty folder opens");
    assert_eq!(entries, []);
    for (seq, payload) in (1..).zip(PAYLOADS) {
        assert_eq!(journal.append_sync(payload.as_bytes()).expect("there is room"), seq);
    }
}

/// Forgets how far the journal was durable, so that the chain alone is judged.
fn forget_mark(dir: &Path) {
    fs::remove_file(mark::path(dir)).expect("an opened journal has a mark");
}

fn frame_ends() -> Vec<usize> {
    let lengths = PAYLOADS.iter().map(|payload| frame::HEADER_BYTES + payload.len());
    lengths
        .scan(0, |end, length| {
            *end += length;
            Some(*end)
        })
        .collect()
}

#[test]
fn records_come_back_and_the_chain_goes_on() {
    let dir = temp();
    filled(dir.path(), FILE_BYTES_MAX);
    let before = Journal::verify(dir.path()).expect("the chain is whole");
    let (mut journal, entries) = Journal::open(dir.path()).expect("the chain is whole");
    assert_eq!(entries, expected(5));
    assert_eq!((journal.last_seq(), journal.head_hash()), (5, before.head_hash));
    assert_eq!(journal.append_sync(b"six").expect("there is room"), 6);
    let after = Journal::verify(dir.path()).expect("the chain is whole");
    assert_eq!(after, Verified { records: 6, head_hash: journal.head_hash(), torn_tail_bytes: 0 });
    assert_ne!(after.head_hash, before.head_hash);
}

#[test]
fn an_empty_journal_is_whole() {
    let dir = temp();
    let (journal, entries) =
        Journal::open(&dir.path().join("a/journal")).expect("missing folders are made");
    assert_eq!((entries.len(), journal.last_seq()), (0, 0));
    let verified =
        Journal::verify(&dir.path().join("a/journal")).expect("nothing can be wrong yet");
    assert_eq!(verified, Verified { records: 0, head_hash: [0; 32], torn_tail_bytes: 0 });
}

#[test]
fn files_rotate_and_the_chain_crosses_them() {
    let dir = temp();
    filled(dir.path(), 120);
    let sizes: Vec<u64> = (1..=4)
        .map_while(|number| {
            fs::metadata(chain::file_path(dir.path(), number)).ok().map(|meta| meta.len())
        })
        .collect();
    assert_eq!(
        sizes,
        [55 + 48, 59 + 49, 84],
        "a record goes to the next file when it would cross the limit"
    );
    let (journal, entries) =
        Journal::open_with(dir.path(), 120, Arc::new(media::Disk)).expect("the chain is whole");
    assert_eq!(entries, expected(5));
    assert!(journal.torn_tail().is_none());
}

#[test]
fn every_cut_of_the_last_file_opens_as_a_prefix() {
    let dir = temp();
    filled(dir.path(), FILE_BYTES_MAX);
    let whole = fs::read(chain::file_path(dir.path(), 1)).expect("the file was just written");
    let ends = frame_ends();
    for cut in 0..=whole.len() {
        let dir = temp();
        fs::write(chain::file_path(dir.path(), 1), &whole[..cut]).expect("there is room");
        let kept = ends.iter().filter(|end| **end <= cut).count();
        let clean = cut == 0 || ends.contains(&cut);
        let verified =
            Journal::verify(dir.path()).expect("an unfinished record at the end is no fault");
        assert_eq!(verified.torn_tail_bytes == 0, clean, "cut at {cut}");
        let (mut journal, entries) = Journal::open(dir.path()).expect("a torn tail opens");
        assert_eq!(entries, expected(kept), "cut at {cut}");
        assert_eq!(journal.torn_tail().is_none(), clean, "cut at {cut}");
        if let Some(torn) = journal.torn_tail() {
            let copied = fs::read(&torn.copy).expect("the torn bytes were kept");
            assert_eq!(copied, &whole[torn.offset as usize..cut]);
            assert_eq!((torn.seq, torn.complete), (kept as u64 + 1, false));
        }
        assert_eq!(journal.append_sync(b"next").expect("there is room"), kept as u64 + 1);
        drop(journal);
        let (journal, entries) = Journal::open(dir.path()).expect("the cut was repaired");
        assert_eq!((entries.len(), journal.torn_tail()), (kept + 1, None));
    }
}

#[test]
fn every_cut_of_an_earlier_file_is_refused() {
    let dir = temp();
    filled(dir.path(), 120);
    let path = chain::file_path(dir.path(), 1);
    let whole = fs::read(&path).expect("the file was just written");
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("there is room");
        let error = Journal::open(dir.path()).expect_err("records in the middle are missing");
        assert!(matches!(error, JournalError::Damaged(_)), "cut at {cut}: {error:?}");
        assert_eq!(
            fs::metadata(&path).expect("the file exists").len(),
            cut as u64,
            "nothing was changed"
        );
    }
}

#[test]
fn every_flipped_bit_is_refused_or_costs_only_the_last_record() {
    let dir = temp();
    filled(dir.path(), FILE_BYTES_MAX);
    let path = chain::file_path(dir.path(), 1);
    let whole = fs::read(&path).expect("the file was just written");
    let last_start = frame_ends()[PAYLOADS.len() - 2];
    let mut opened = 0;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).expect("there is room");
        let _ = fs::remove_file(mark::path(dir.path()));
        // The length of the last record may now reach past the end: that looks like a record being written.
        match Journal::verify(dir.path()) {
            Ok(verified) => {
                assert!(verified.torn_tail_bytes > 0 && bit / 8 < last_start + 4, "bit {bit}")
            }
            Err(error) => assert_eq!(error.file, path),
        }
        match Journal::open(dir.path()) {
            Ok((journal, entries)) => {
                assert!(bit / 8 >= last_start, "bit {bit} is in the middle");
                assert_eq!(entries, expected(PAYLOADS.len() - 1), "bit {bit}");
                assert!(journal.torn_tail().is_some(), "bit {bit} went unreported");
                opened += 1;
            }
            Err(JournalError::Damaged(error)) => {
                assert!(error.offset <= (bit / 8) as u64, "bit {bit}")
            }
            Err(error) => panic!("bit {bit}: {error:?}"),
        }
    }
    assert!(opened > 0, "a damaged last record counts as torn");
}

#[test]
fn verify_names_the_first_bad_record() {
    let dir = temp();
    filled(dir.path(), 120);
    let path = chain::file_path(dir.path(), 2);
    let mut bytes = fs::read(&path).expect("the file was just written");
    let second = 59;
    bytes[second + frame::HEADER_BYTES] ^= 1;
    fs::write(&path, &bytes).expect("there is room");
    let error = Journal::verify(dir.path()).expect_err("record 4 was changed");
    assert_eq!((&error.file, error.seq, error.offset), (&path, 4, second as u64));
    assert!(matches!(error.reason, ChainReason::Checksum), "{error:?}");
    let text = error.to_string();
    for part in ["record 4", "00000002.log", "byte 59", "restore"] {
        assert!(text.contains(part), "`{part}` is not in `{text}`");
    }
}

#[test]
fn forged_and_missing_records_are_named() {
    let check = |break_it: &dyn Fn(&Path), seq: u64, wanted: fn(&ChainReason) -> bool| {
        let dir = temp();
        filled(dir.path(), 120);
        break_it(dir.path());
        let error = Journal::verify(dir.path()).expect_err("the chain is broken");
        assert!(error.seq == seq && wanted(&error.reason), "{error:?}");
        assert!(matches!(Journal::open(dir.path()), Err(JournalError::Damaged(_))));
    };
    let file = |dir: &Path, number| chain::file_path(dir, number);
    check(&|dir| fs::remove_file(file(dir, 2)).expect("it exists"), 3, |r| {
        matches!(r, ChainReason::MissingFile)
    });
    check(&|dir| fs::remove_file(file(dir, 1)).expect("it exists"), 1, |r| {
        matches!(r, ChainReason::MissingFile)
    });
    check(
        &|dir| {
            fs::write(file(dir, 3), frame::encode(&[7; 32], 5, b"forged")).expect("there is room")
        },
        5,
        |r| matches!(r, ChainReason::Previous),
    );
    check(
        &|dir| {
            fs::write(file(dir, 3), frame::encode(&[7; 32], 9, b"forged")).expect("there is room")
        },
        5,
        |r| matches!(r, ChainReason::Sequence(9)),
    );
    check(&|dir| fs::write(file(dir, 3), [0xff; 60]).expect("there is room"), 5, |r| {
        matches!(r, ChainReason::Length(_))
    });
}

#[test]
fn a_rewritten_record_breaks_the_chain_even_with_a_right_checksum() {
    let dir = temp();
    filled(dir.path(), FILE_BYTES_MAX);
    let path = chain::file_path(dir.path(), 1);
    let mut bytes = fs::read(&path).expect("the file was just written");
    bytes[..frame_ends()[0]].copy_from_slice(&frame::encode(&[0; 32], 1, br#"{"a":2}"#));
    fs::write(&path, &bytes).expect("there is room");
    let error =
        Journal::verify(dir.path()).expect_err("record 2 does not continue the forged record 1");
    assert!(error.seq == 2 && matches!(error.reason, ChainReason::Previous), "{error:?}");
}

#[test]
fn durable_records_that_are_missing_at_the_end_are_told() {
    let ends = frame_ends();
    let dir = temp();
    filled(dir.path(), FILE_BYTES_MAX);
    let path = chain::file_path(dir.path(), 1);
    let whole = fs::read(&path).expect("the file was just written");
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("there is room");
        let kept = ends.iter().filter(|end| **end <= cut).count() as u64;
        let error = Journal::verify(dir.path()).expect_err("records are missing");
        assert_eq!((error.seq, &error.file), (kept + 1, &path), "cut at {cut}");
        assert!(matches!(error.reason, ChainReason::Lost(5)), "cut at {cut}: {error:?}");
        let error = Journal::open(dir.path()).expect_err("records are missing");
        assert!(matches!(error, JournalError::Damaged(_)), "cut at {cut}: {error:?}");
        assert_eq!(fs::metadata(&path).expect("it is there").len(), cut as u64, "nothing is cut");
    }
    fs::remove_file(&path).expect("it is there");
    assert!(Journal::open(dir.path()).is_err(), "a missing file is no new journal");
    fs::write(&path, &whole).expect("there is room");
    forget_mark(dir.path());
    assert_eq!(Journal::open(dir.path()).expect("the chain is whole").1.len(), 5);
}

#[test]
fn a_damaged_mark_never_hides_a_loss_and_is_mended() {
    let dir = temp();
    filled(dir.path(), FILE_BYTES_MAX);
    let path = mark::path(dir.path());
    let whole = fs::read(&path).expect("an opened journal has a mark");
    for byte in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x10;
        fs::write(&path, &bytes).expect("there is room");
        assert!(mark::read(dir.path()) >= 4, "byte {byte}: the other slot still counts");
        drop(Journal::open(dir.path()).expect("the chain is whole"));
        assert_eq!(mark::read(dir.path()), 5, "byte {byte}");
    }
}

#[test]
fn a_blank_tail_is_torn() {
    let dir = temp();
    filled(dir.path(), FILE_BYTES_MAX);
    let path = chain::file_path(dir.path(), 1);
    let mut bytes = fs::read(&path).expect("the file was just written");
    bytes.extend([0; 4096]);
    fs::write(&path, &bytes).expect("there is room");
    let (journal, entries) = Journal::open(dir.path()).expect("a file that only grew is torn");
    assert_eq!((entries.len(), journal.torn_tail().is_some()), (5, true));
}

#[test]
fn a_second_opener_is_refused_by_name() {
    let dir = temp();
    let (journal, _) = Journal::open(dir.path()).expect("an empty folder opens");
    let error = Journal::open(dir.path()).expect_err("the folder is in use");
    assert!(
        matches!(&error, JournalError::Locked { dir: locked } if locked == dir.path()),
        "{error:?}"
    );
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    Journal::verify(dir.path()).expect("reading needs no lock");
    drop(journal);
    Journal::open(dir.path()).expect("the lock goes with the journal");
}

#[test]
fn a_record_above_the_maximum_is_refused_and_harmless() {
    let dir = temp();
    let (mut journal, _) = Journal::open(dir.path()).expect("an empty folder opens");
    let error = journal.append(&vec![b'x'; PAYLOAD_BYTES_MAX + 1]).expect_err("one byte too many");
    assert!(
        matches!(error, JournalError::TooLarge { bytes } if bytes == PAYLOAD_BYTES_MAX + 1),
        "{error:?}"
    );
    assert_eq!(journal.append_sync(&vec![b'x'; PAYLOAD_BYTES_MAX]).expect("the maximum fits"), 1);
    drop(journal);
    let (_, entries) = Journal::open(dir.path()).expect("the chain is whole");
    assert_eq!(entries[0].payload.len(), PAYLOAD_BYTES_MAX);
}

/// Lets every further write fail as on a full disk.
pub(crate) fn fill_disk(journal: &mut Journal) {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("the device exists");
    journal.settled.file = Box::new(full);
}

#[test]
fn a_failed_write_or_sync_poisons_until_reopened() {
    let dir = temp();
    let (mut journal, _) = Journal::open(dir.path()).expect("an empty folder opens");
    journal.append_sync(b"one").expect("there is room");
    // The kernel's always-full device answers every write with "no space left" and cannot be synced.
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("the device exists");
    let disk = std::mem::replace(&mut journal.settled.file, Box::new(full()));
    assert!(matches!(journal.append(b"two"), Err(JournalError::Io { operation: "append to", .. })));
    journal.settled.file = disk;
    assert!(matches!(journal.append(b"two"), Err(JournalError::Poisoned { .. })));
    assert!(matches!(journal.sync(), Err(JournalError::Poisoned { .. })));
    drop(journal);

    let (mut journal, entries) = Journal::open(dir.path()).expect("reopening starts from the disk");
    assert_eq!(entries.len(), 1);
    journal.append(b"two").expect("there is room");
    let disk = std::mem::replace(&mut journal.settled.file, Box::new(full()));
    assert!(matches!(journal.sync(), Err(JournalError::Io { operation: "sync", .. })));
    journal.settled.file = disk;
    assert!(!journal.is_mendable(), "what a failed sync left nobody knows");
    assert!(matches!(journal.mend(), Err(JournalError::Poisoned { .. })));
    assert!(matches!(journal.append_sync(b"three"), Err(JournalError::Poisoned { .. })));
}

/// A file system of 64 KiB, unmounted when dropped; `None` where mounting is not allowed.
pub(crate) struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    pub(crate) fn mount() -> Option<Self> {
        let dir = temp();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(dir.path())
            .output()
            .ok()?
            .status;
        status.success().then_some(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes room: 256 KiB.
    pub(crate) fn grow(&self) {
        let mut remount = Command::new("mount");
        let status = remount.args(["-o", "remount,size=256k"]).arg(self.path()).status();
        assert!(status.expect("the command was found before").success());
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).status().expect("what mounts can unmount");
    }
}

#[test]
fn a_full_disk_closes_the_journal_and_loses_nothing() {
    let Some(disk) = TinyDisk::mount() else {
        return;
    };
    let dir = disk.path().join("journal");
    let (mut journal, _) = Journal::open(&dir).expect("an empty folder opens");
    let payload = vec![b'x'; 5_000];
    let mut written = 0;
    let error = loop {
        match journal.append_sync(&payload) {
            Ok(seq) => written = seq,
            Err(error) => break error,
        }
        assert!(written < 20, "64 KiB cannot hold 20 records");
    };
    assert!(matches!(error, JournalError::Io { operation: "append to", .. }), "{error:?}");
    assert!(
        matches!(journal.append(b"small"), Err(JournalError::Poisoned { .. })),
        "a smaller one must not slip in"
    );
    assert!(journal.mend().is_err(), "the torn bytes cannot be copied aside yet");
    drop(journal);
    assert!(
        Journal::open(&dir).is_err(),
        "the torn bytes cannot be copied aside yet: closed until there is room"
    );
    disk.grow();
    let (mut journal, entries) = Journal::open(&dir).expect("with room again the journal opens");
    assert_eq!(entries.len() as u64, written);
    assert!(journal.torn_tail().is_some_and(|torn| torn.seq == written + 1));
    assert_eq!(journal.append_sync(b"small").expect("there is room"), written + 1);
}
