//! A sync fails: nothing is called durable any more.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ferrymq_store::contract::{
    Batch, Failure, Listener, Observer, QueueId, Refusal, Store, Ticket,
};
use ferrymq_store::journal::{Drive, Journal, Options};
use ferrymq_store::volume::SimulatedDisk;

use crate::history::{Producer, State};
use crate::power_loss::{check, work};
use crate::rig::{Heard, PATIENCE, body, open, settle, small};

#[test]
fn whoever_waits_hears_of_it_and_nothing_is_taken_afterwards() {
    let disk = SimulatedDisk::new(1, 1024 * 1024);
    let journal = open(&disk);
    settle(&journal, |batch| batch.append(QueueId(1), 1, body("before")));
    disk.fail_sync_after(0);
    let (heard, outcomes) = Heard::new();
    let mut batch = Batch::new();
    batch.append(QueueId(1), 2, body("during"));
    let ticket = journal.submit(&mut batch, Some(heard)).unwrap();
    let (told, outcome) = outcomes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(told, ticket);
    let failure = outcome.unwrap_err().to_string();
    assert!(failure.starts_with("cannot sync journal-"), "{failure}");
    assert!(journal.settled() < ticket);
    batch.append(QueueId(1), 3, Bytes::new());
    let refusal = journal.submit(&mut batch, None).unwrap_err();
    assert!(matches!(refusal, Refusal::Failed(_)), "{refusal}");
    assert!(journal.close().is_err());
}

/// After a failed sync the system may hold in memory what never reaches the device, and a later sync
/// says nothing. Whoever opens the journal then must not build on it.
#[test]
fn what_was_read_back_after_it_survives_a_later_loss_of_power() {
    for seed in 0..200 {
        let disk = SimulatedDisk::new(seed, 2 * 1024 * 1024);
        let mut producer = Producer::new(seed);
        let mut state = State::default();
        for life in 0..3 {
            let about = format!("seed {seed}, life {life}");
            disk.fail_sync_after(producer.random.u64(0..40));
            let Ok((journal, _)) = Journal::open(Arc::new(disk.clone()), &small()) else {
                disk.restart_process();
                continue;
            };
            producer.resume(&state, journal.last_sequence());
            let run = work(&journal, &mut producer, 30);
            drop(journal);
            disk.restart_process();
            let opened = Journal::open(Arc::new(disk.clone()), &small());
            let (journal, _) = opened.unwrap_or_else(|error| panic!("{about}: {error}"));
            state = check(&journal, &state, &run, run.settled, &about);
            producer.resume(&state, journal.last_sequence());
            let after = work(&journal, &mut producer, 5);
            assert_eq!(after.settled, after.batches.len());
            drop(journal);
            disk.lose_power();
            let opened = Journal::open(Arc::new(disk.clone()), &small());
            let (journal, _) = opened.unwrap_or_else(|error| panic!("{about}: {error}"));
            state = check(&journal, &state, &after, after.settled, &about);
        }
    }
}

struct Clumsy;

impl Listener for Clumsy {
    fn settled(&self, _ticket: Ticket, _outcome: Result<(), &Failure>) {
        panic!("on purpose");
    }
}

struct Told(Mutex<Sender<Failure>>);

impl Observer for Told {
    fn failed(&self, failure: &Failure) {
        self.0.lock().unwrap().send(failure.clone()).unwrap();
    }
}

#[test]
fn a_listener_that_panics_ends_the_journal_and_all_are_told() {
    let disk = SimulatedDisk::new(1, 1024 * 1024);
    let options = Options { drive: Drive::Threads, ..small() };
    let (journal, _) = Journal::open(Arc::new(disk), &options).unwrap();
    let (sender, told) = channel();
    journal.watch(Arc::new(Told(Mutex::new(sender))));
    let mut batch = Batch::new();
    batch.append(QueueId(1), 1, body("x"));
    journal.submit(&mut batch, Some(Arc::new(Clumsy))).unwrap();
    told.recv_timeout(PATIENCE).expect("the observer is told");
    batch.append(QueueId(1), 2, body("x"));
    assert!(matches!(journal.submit(&mut batch, None), Err(Refusal::Failed(_))));
    assert!(journal.close().is_err());
}
