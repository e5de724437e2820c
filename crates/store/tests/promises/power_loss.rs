//! Power goes at any moment, and takes any part of what was not synced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_store::contract::{Failure, Listener, Operation, Refusal, Store, Ticket};
use ferrymq_store::journal::{Journal, Options, Sync};
use ferrymq_store::volume::SimulatedDisk;

use crate::history::{Producer, State};
use crate::rig::small;

/// Remembers what was called durable.
#[derive(Default)]
pub struct Durable(AtomicU64);

impl Listener for Durable {
    fn settled(&self, ticket: Ticket, outcome: Result<(), &Failure>) {
        if outcome.is_ok() {
            self.0.store(ticket.0, Ordering::SeqCst);
        }
    }
}

/// What a broker did with a store until something happened to it.
pub struct Run {
    /// Each batch that was taken.
    pub batches: Vec<Vec<Operation>>,
    /// How many of them are known to be durable.
    pub settled: usize,
}

/// Works with a journal until it fails or has done enough.
pub fn work(journal: &Journal, producer: &mut Producer, rounds: u32) -> Run {
    let durable = Arc::new(Durable::default());
    let mut batches = Vec::new();
    'rounds: for _ in 0..rounds {
        for _ in 0..producer.random.u8(0..5) {
            let mut batch = producer.batch();
            let operations = batch.operations().to_vec();
            match journal.submit(&mut batch, Some(durable.clone())) {
                Ok(_) => batches.push(operations),
                Err(Refusal::Full) => {}
                Err(_) => break 'rounds,
            }
        }
        journal.step();
    }
    Run { batches, settled: durable.0.load(Ordering::SeqCst) as usize }
}

/// Checks that the store holds what the first few batches left, all that are durable among them;
/// returns what it holds.
pub fn check(store: &dyn Store, before: &State, run: &Run, settled: usize, about: &str) -> State {
    let found = State::of(store);
    let mut expected = before.clone();
    for (nth, batch) in run.batches.iter().enumerate() {
        if nth >= settled && expected == found {
            return found;
        }
        expected.apply(batch);
    }
    let total = run.batches.len();
    assert!(
        expected == found,
        "{about}: what is there is not what the first {settled} to {total} batches left"
    );
    found
}

fn lives(seed: u64, sync: Sync) {
    let disk = SimulatedDisk::new(seed, 2 * 1024 * 1024);
    let options = Options { sync, ..small() };
    let mut producer = Producer::new(seed);
    let mut state = State::default();
    for life in 0..4 {
        let about = format!("seed {seed}, life {life}");
        // Power may go while the journal is being opened, too.
        if producer.random.u8(0..4) == 0 {
            disk.cut_power_after(producer.random.u64(0..12));
            drop(Journal::open(Arc::new(disk.clone()), &options));
            disk.lose_power();
        }
        let opened = Journal::open(Arc::new(disk.clone()), &options);
        let (journal, _) = opened.unwrap_or_else(|error| panic!("{about}: {error}"));
        let nothing = Run { batches: Vec::new(), settled: 0 };
        check(&journal, &state, &nothing, 0, &about);
        producer.resume(&state, journal.last_sequence());
        disk.cut_power_after(producer.random.u64(0..250));
        let run = work(&journal, &mut producer, 60);
        let closed = journal.close();
        drop(journal);
        disk.lose_power();
        let opened = Journal::open(Arc::new(disk.clone()), &options);
        let (journal, _) = opened.unwrap_or_else(|error| panic!("{about}: {error}"));
        let durable = match sync {
            _ if closed.is_ok() => run.batches.len(),
            Sync::Always => run.settled,
            Sync::Interval(_) | Sync::Never => 0,
        };
        state = check(&journal, &state, &run, durable, &about);
    }
}

#[test]
fn what_was_settled_is_there_and_every_batch_is_there_whole_or_not_at_all() {
    (0..1000).for_each(|seed| lives(seed, Sync::Always));
}

#[test]
fn without_syncs_power_takes_the_latest_batches_and_no_others() {
    (0..300).for_each(|seed| lives(seed, Sync::Never));
}
