//! Space is given back.

use bytes::Bytes;
use ferrymq_store::contract::{QueueId, Store, Table};
use ferrymq_store::volume::{SimulatedDisk, Volume};

use crate::rig::{body, contents, held, open, settle, small};

const SLOW: QueueId = QueueId(1);
const QUICK: QueueId = QueueId(2);

fn files(disk: &SimulatedDisk) -> usize {
    disk.list().unwrap().len()
}

#[test]
fn a_drained_journal_keeps_five_files_at_most() {
    let disk = SimulatedDisk::new(1, 64 * 1024 * 1024);
    let journal = open(&disk);
    for sequence in 1..=2000 {
        settle(&journal, |batch| batch.append(QUICK, sequence, Bytes::from(vec![1; 1000])));
    }
    assert!(files(&disk) > 120);
    for sequence in 1..=2000 {
        settle(&journal, |batch| batch.acknowledge(QUICK, sequence));
    }
    journal.0.step();
    assert!(files(&disk) <= 5, "{} files", files(&disk));
    drop(journal);
    let journal = open(&disk);
    assert_eq!(journal.queues(), []);
    assert_eq!(journal.last_sequence(), 2000);
}

#[test]
fn one_queue_that_nobody_reads_does_not_pin_the_rest() {
    let disk = SimulatedDisk::new(1, 64 * 1024 * 1024);
    let journal = open(&disk);
    settle(&journal, |batch| batch.put(Table::Subscription, body("durable"), body("value")));
    let mut sequence = 0;
    for _ in 0..3000 {
        sequence += 2;
        settle(&journal, |batch| {
            if sequence % 100 == 0 {
                batch.append(SLOW, sequence, Bytes::from(sequence.to_string()));
            }
            batch.append(QUICK, sequence + 1, Bytes::from(vec![1; 500]));
        });
        settle(&journal, |batch| batch.acknowledge(QUICK, sequence + 1));
    }
    let bytes = files(&disk) as u32 * small().segment_bytes;
    assert!(bytes < 8 * small().segment_bytes, "{} files", files(&disk));
    let expected: Vec<u64> = (1..=60).map(|nth| nth * 100).collect();
    for journal in [journal, open(&disk)] {
        assert_eq!(held(&journal, SLOW.0), expected);
        for message in contents(&journal, SLOW.0) {
            assert_eq!(message.body, message.sequence.to_string());
        }
        assert_eq!(journal.get(Table::Subscription, b"durable"), Ok(Some(body("value"))));
        drop(journal);
    }
}

#[test]
fn what_comes_and_goes_before_it_is_written_is_not_written() {
    let disk = SimulatedDisk::new(1, 1024 * 1024);
    let journal = open(&disk);
    let before = disk.operations();
    settle(&journal, |batch| {
        for sequence in 1..=10 {
            batch.append(QUICK, sequence, Bytes::from(vec![1; 500]));
            batch.acknowledge(QUICK, sequence);
        }
    });
    assert_eq!(disk.operations(), before);
    assert_eq!(journal.last_sequence(), 10);
}
