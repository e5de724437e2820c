//! The disk, or the journal's share of it, is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use ferrymq_store::contract::{Observer, QueueId, Refusal, Store};
use ferrymq_store::journal::{Journal, Options};
use ferrymq_store::volume::SimulatedDisk;

use crate::rig::{Stepped, held, open, settle, small, try_settle};

const QUEUE: QueueId = QueueId(1);

#[derive(Default)]
struct Told(AtomicU32);

impl Observer for Told {
    fn room(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Fills it; returns the last message that it took.
fn fill(journal: &Stepped, from: u64) -> u64 {
    for sequence in from.. {
        let append = |batch: &mut ferrymq_store::contract::Batch| {
            batch.append(QUEUE, sequence, Bytes::from(vec![sequence as u8; 1000]));
        };
        match try_settle(journal, append) {
            Ok(()) => {}
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Full);
                return sequence - 1;
            }
        }
        assert!(sequence < 10_000, "it is never full");
    }
    unreachable!()
}

fn refuses_to_keep_and_takes_what_forgets(journal: &Stepped) {
    let told = Arc::new(Told::default());
    journal.watch(told.clone());
    let last = fill(journal, 1);
    assert!(last > 50, "{last}");
    assert!(!journal.has_room(1000));
    assert_eq!(told.0.load(Ordering::SeqCst), 0);
    // In an order that frees no segment for long.
    for sequence in (1..=last).rev() {
        settle(journal, |batch| batch.acknowledge(QUEUE, sequence));
    }
    assert!(told.0.load(Ordering::SeqCst) > 0);
    assert_eq!(held(journal, QUEUE.0), [0; 0]);
    let more = fill(journal, last + 1);
    assert!(more - last > 50, "it has as much room as before: {more}");
    for sequence in last + 1..=more {
        settle(journal, |batch| batch.acknowledge(QUEUE, sequence));
    }
    assert!(journal.has_room(1000));
}

#[test]
fn a_full_disk_refuses_to_keep_and_takes_what_forgets() {
    let disk = SimulatedDisk::new(1, 320 * 1024);
    refuses_to_keep_and_takes_what_forgets(&open(&disk));
}

#[test]
fn a_full_share_refuses_to_keep_and_takes_what_forgets() {
    let disk = SimulatedDisk::new(1, 64 * 1024 * 1024);
    let options = Options { disk_limit: 320 * 1024, ..small() };
    let journal = Journal::open(Arc::new(disk), &options).unwrap().0;
    refuses_to_keep_and_takes_what_forgets(&Stepped(journal));
}

#[test]
fn a_full_disk_loses_nothing_over_a_restart() {
    let disk = SimulatedDisk::new(1, 320 * 1024);
    let journal = open(&disk);
    let last = fill(&journal, 1);
    drop(journal);
    disk.lose_power();
    let journal = open(&disk);
    assert_eq!(held(&journal, QUEUE.0), (1..=last).collect::<Vec<_>>());
    for sequence in 1..=last {
        settle(&journal, |batch| batch.acknowledge(QUEUE, sequence));
    }
    fill(&journal, last + 1);
}

#[test]
fn a_message_larger_than_a_segment_gets_one_of_its_own() {
    let disk = SimulatedDisk::new(1, 1024 * 1024);
    let journal = open(&disk);
    let large = Bytes::from(vec![7; 100_000]);
    let append = |batch: &mut ferrymq_store::contract::Batch| {
        batch.append(QUEUE, 1, large.clone());
    };
    assert_eq!(try_settle(&journal, append), Err(Refusal::Full), "its file must be made first");
    journal.0.step();
    settle(&journal, append);
    settle(&journal, |batch| batch.append(QUEUE, 2, Bytes::from_static(b"small")));
    drop(journal);
    disk.lose_power();
    let journal = open(&disk);
    assert_eq!(held(&journal, QUEUE.0), [1, 2]);
    assert_eq!(crate::rig::contents(&journal, QUEUE.0)[0].body, large);
}

#[test]
fn a_share_of_any_size_takes_what_is_soon_forgotten() {
    for segments in 0..8 {
        let disk = SimulatedDisk::new(1, 64 * 1024 * 1024);
        let options = Options { disk_limit: segments * 16 * 1024, ..small() };
        let journal = Stepped(Journal::open(Arc::new(disk), &options).unwrap().0);
        // It stays, and with it the segment that it is in, or what it is moved to.
        settle(&journal, |batch| batch.append(QUEUE, 1, Bytes::from_static(b"stays")));
        for sequence in 2..500 {
            let mut tries = 0;
            while let Err(refusal) = try_settle(&journal, |batch| {
                batch.append(QUEUE, sequence, Bytes::from(vec![7; 1000]));
            }) {
                assert_eq!(refusal, Refusal::Full);
                assert!(tries < 20, "{segments} segments: nothing fits after {sequence}");
                journal.0.step();
                tries += 1;
            }
            settle(&journal, |batch| batch.acknowledge(QUEUE, sequence));
        }
        assert_eq!(held(&journal, QUEUE.0), [1]);
    }
}
