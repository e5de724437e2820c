//! Files are damaged or cut off: nothing silently wrong comes out.

use std::sync::Arc;

use ferrymq_store::contract::{Batch, Operation, QueueId, Store, Table};
use ferrymq_store::journal::inspect::verify;
use ferrymq_store::journal::{Journal, OpenError, Options, Sync};
use ferrymq_store::volume::{SimulatedDisk, Volume};

use crate::history::{Producer, State};
use crate::rig::{ALL, body, open, settle, small};

const CAPACITY: u64 = 16 * 1024 * 1024;

/// A journal of several segments, closed as it should be.
fn journal() -> (SimulatedDisk, State) {
    let disk = SimulatedDisk::new(1, CAPACITY);
    let journal = open(&disk);
    let mut producer = Producer::new(11);
    for _ in 0..60 {
        let mut batch = producer.batch();
        batch.push(Operation::Put {
            table: Table::Broker,
            key: body("latest"),
            value: body("of all"),
        });
        // One that is full for a moment only misses a batch.
        let _ = journal.submit(&mut batch, None);
    }
    let state = State::of(&journal);
    journal.close().unwrap();
    (disk, state)
}

fn copy(disk: &SimulatedDisk) -> SimulatedDisk {
    let copy = SimulatedDisk::new(1, CAPACITY);
    for name in disk.list().unwrap() {
        copy.place(&name, disk.content(&name));
    }
    copy
}

/// Everything that a store holds, or the file and the place that it cannot read.
fn read_all(store: &dyn Store) -> Result<State, String> {
    let mut state = State::default();
    for queue in store.queues() {
        let mut messages = Vec::new();
        let read = store.read(queue.queue, 0, ALL, &mut messages);
        read.map_err(|error| error.to_string())?;
        for message in messages {
            state.messages.insert((queue.queue, message.sequence), message.body);
        }
    }
    for table in Table::ALL {
        let entries = store.entries(table, None, usize::MAX).map_err(|error| error.to_string())?;
        for entry in entries {
            state.entries.insert((table, entry.key), entry.value);
        }
    }
    Ok(state)
}

/// A full segment and one more, with a little of everything.
fn two_segments() -> (SimulatedDisk, State) {
    let disk = SimulatedDisk::new(1, CAPACITY);
    let journal = open(&disk);
    for sequence in 1..=30 {
        settle(&journal, |batch| {
            batch.append(QueueId(1), sequence, vec![sequence as u8; 350].into());
            batch.put(Table::Receipt, sequence.to_be_bytes().to_vec(), body("from over there"));
        });
        settle(&journal, |batch| batch.acknowledge(QueueId(1), sequence / 2));
    }
    let state = State::of(&journal);
    journal.close().unwrap();
    (disk, state)
}

#[test]
fn every_flipped_byte_is_named_or_does_no_harm() {
    let (disk, state) = two_segments();
    assert!(verify(&disk).unwrap().is_sound());
    let (mut refused, mut unreadable, mut found, mut harmless) = (0, 0, 0, 0);
    for name in disk.list().unwrap() {
        let content = disk.content(&name);
        for at in 0..content.len() {
            // What was never written is zeros, and nothing reads it.
            let unused = content[at..].iter().take(256).all(|byte| *byte == 0);
            if unused && at % 256 != 0 {
                continue;
            }
            let damaged = copy(&disk);
            let mut bytes = content.clone();
            bytes[at] ^= 1 << (at % 8);
            damaged.place(&name, bytes);
            let verified = verify(&damaged).unwrap();
            let named = verified.findings.iter().any(|finding| {
                finding.file.as_deref() == Some(&name) && finding.what.contains(&name)
            });
            match Journal::open(Arc::new(damaged), &small()) {
                Err(error) => {
                    let about = format!("{name} at {at}: {error}");
                    assert!(error.to_string().contains(&name), "{about}");
                    assert!(named, "{about}: {verified:?}");
                    refused += 1;
                }
                Ok((journal, _)) => match read_all(&journal) {
                    Err(error) => {
                        assert!(error.contains(&name), "{name} at {at}: {error}");
                        assert!(named, "{name} at {at}: {error}, {verified:?}");
                        unreadable += 1;
                    }
                    Ok(read) => {
                        assert!(read == state, "{name} at {at}: something else is there");
                        found += u32::from(named);
                        harmless += u32::from(!named);
                    }
                },
            }
        }
    }
    assert!(refused > 1000 && unreadable > 1000 && found > 1000 && harmless > 10);
}

#[test]
fn however_much_of_the_last_segment_is_cut_off_all_before_is_there() {
    // Each group's length after it was written, and what was there then.
    let disk = SimulatedDisk::new(1, CAPACITY);
    let journal = open(&disk);
    let mut producer = Producer::new(5);
    let mut states = vec![State::of(&journal)];
    for _ in 0..25 {
        let mut batch = producer.batch();
        batch.append(QueueId(9), 1_000_000 + states.len() as u64, body("at least this"));
        journal.submit(&mut batch, None).unwrap();
        states.push(State::of(&journal));
    }
    let names = disk.list().unwrap();
    let last = (names.iter())
        .filter(|name| disk.content(name)[..8] == *b"FERRYJNL")
        .max_by_key(|name| disk.content(name)[12])
        .unwrap();
    let content = disk.content(last);
    let mut reached = Vec::new();
    for length in 0..=content.len() {
        if length % 7 != 0 && content[length.saturating_sub(300)..].iter().all(|byte| *byte == 0) {
            continue;
        }
        let cut = copy(&disk);
        cut.place(last, content[..length].to_vec());
        let (journal, _) = Journal::open(Arc::new(cut.clone()), &small())
            .unwrap_or_else(|error| panic!("cut at {length}: {error}"));
        let found = State::of(&journal);
        let nth = states.iter().rposition(|state| *state == found);
        let nth = nth.unwrap_or_else(|| panic!("cut at {length}: what is there never was"));
        assert!(reached.last() <= Some(&nth), "cut at {length}: less than with less");
        reached.push(nth);
        // It goes on from there.
        let mut batch = Batch::new();
        batch.append(QueueId(9), 2_000_000, body("afterwards"));
        journal.submit(&mut batch, None).unwrap();
        drop(journal);
        cut.lose_power();
        let (journal, opened) = Journal::open(Arc::new(cut), &small()).unwrap();
        assert_eq!(opened.torn, None);
        assert_eq!(journal.queue(QueueId(9)).last, Some(2_000_000));
    }
    assert_eq!(reached.last(), Some(&(states.len() - 1)));
    reached.dedup();
    assert!(reached.len() > 3, "several groups are in the last segment: {reached:?}");
}

/// Of two groups that were written and not synced, the first is torn and the second is there. What is
/// written in place of the first has its length and its number, so that the second seems to follow.
#[test]
fn what_stood_behind_a_torn_write_never_comes_back() {
    let disk = SimulatedDisk::new(1, CAPACITY);
    let options = Options { sync: Sync::Never, ..small() };
    let (journal, _) = Journal::open(Arc::new(disk.clone()), &options).unwrap();
    let append = |journal: &Journal, sequence| {
        let mut batch = Batch::new();
        batch.append(QueueId(1), sequence, body("of the same length"));
        journal.submit(&mut batch, None).unwrap();
        journal.step();
    };
    (1..=3).for_each(|sequence| append(&journal, sequence));
    let left = copy(&disk);
    drop(journal);
    let name = (left.list().unwrap().into_iter())
        .find(|name| left.content(name).starts_with(b"FERRYJNL"))
        .unwrap();
    let mut content = left.content(&name);
    let groups: Vec<usize> =
        (0..content.len() - 4).filter(|at| content[*at..].starts_with(b"FGRP")).collect();
    assert_eq!(groups.len(), 3);
    content[groups[1] + 70] ^= 1;
    left.place(&name, content);
    let (journal, opened) = Journal::open(Arc::new(left.clone()), &options).unwrap();
    let torn = opened.torn.expect("it is told");
    assert_eq!((torn.file, torn.offset), (name, groups[1] as u64));
    append(&journal, 4);
    // The process ends without a word.
    let after = copy(&left);
    drop(journal);
    let (journal, _) = Journal::open(Arc::new(after), &options).unwrap();
    let mut kept = Vec::new();
    journal.read(QueueId(1), 0, ALL, &mut kept).unwrap();
    assert_eq!(kept.iter().map(|message| message.sequence).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn another_format_is_refused_by_name() {
    let (disk, _) = journal();
    let name = disk.list().unwrap().remove(0);
    let mut content = disk.content(&name);
    content[8] = 2;
    disk.place(&name, content);
    let error = Journal::open(Arc::new(disk), &small()).unwrap_err();
    assert_eq!(error, OpenError::Version { file: name.clone(), version: 2 });
    let said = format!("{name} has format 2; this program reads and writes format 1 only");
    assert_eq!(error.to_string(), said);
}

#[test]
fn files_of_two_journals_are_not_mixed() {
    let (disk, _) = journal();
    let other = SimulatedDisk::new(1, CAPACITY);
    let options = Options { identity: 8, ..small() };
    drop(Journal::open(Arc::new(other.clone()), &options).unwrap());
    disk.place("journal-999999.segment", other.content("journal-000001.segment"));
    let error = Journal::open(Arc::new(disk), &small()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let (disk, _) = journal();
    let is_needed = |name: &&String| disk.content(name)[..8] == *b"FERRYJNL";
    let names = disk.list().unwrap();
    let mut missed = 0;
    for name in names.iter().filter(is_needed) {
        let without = SimulatedDisk::new(1, CAPACITY);
        for other in names.iter().filter(|other| *other != name) {
            without.place(other, disk.content(other));
        }
        match Journal::open(Arc::new(without), &small()) {
            Err(error) => {
                assert!(matches!(error, OpenError::Missing { .. }), "{error}");
                missed += 1;
            }
            Ok((_, opened)) => assert!(opened.segments > 0),
        }
    }
    assert!(missed > 1, "{missed}");
}
