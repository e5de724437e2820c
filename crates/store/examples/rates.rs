//! How quick the journal is, beside the bare device: `cargo run --release -p ferrymq-store --example
//! rates -- DIR`.
//!
//! Prints the device's own rate of 1 KiB overwrites with a sync after each; the journal's with 1 and
//! 64 producers that wait for each message; and a backlog of 2 million messages of 1 KiB: filling,
//! memory, opening, draining, and the files that are left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]
#![allow(clippy::disallowed_methods)]

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrymq_store::contract::{
    Batch, Failure, Listener, QueueId, ReadLimits, Refusal, Store, Stored, Ticket,
};
use ferrymq_store::journal::{Journal, Options};
use ferrymq_store::volume::{Directory, Volume};
use parking_lot::{Condvar, Mutex};

const SECONDS: Duration = Duration::from_secs(4);
const BACKLOG: u64 = 2_000_000;

fn main() {
    let place = std::env::args().nth(1).expect("a directory to write in");
    let place = Path::new(&place);
    std::fs::create_dir_all(place).expect("a directory");
    let payload = Bytes::from((0..1024).map(|n| (n * 31 % 251) as u8).collect::<Vec<_>>());
    let bare = bare_rate(&place.join("bare"), &payload);
    println!("device: {bare:.0} synced overwrites/s");
    for producers in [1, 8, 64] {
        let folder = place.join(format!("producers-{producers}"));
        let (rate, cpu) = journal_rate(&folder, &payload, producers);
        println!(
            "journal, {producers} producers: {rate:.0} messages/s ({:.2} of the device's), {cpu:.1} us of CPU each",
            rate / bare
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
    backlog(&place.join("backlog"), &payload);
    std::fs::remove_dir_all(place).unwrap();
}

fn bare_rate(path: &Path, payload: &[u8]) -> f64 {
    let file = std::fs::File::create(path).unwrap();
    file.write_all_at(&vec![0; 16 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < SECONDS {
        file.write_all_at(payload, (count % 16_000) * 1024).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    count as f64 / start.elapsed().as_secs_f64()
}

/// Waits for one batch at a time.
#[derive(Default)]
struct Waiter {
    settled: Mutex<Ticket>,
    changed: Condvar,
}

impl Listener for Waiter {
    fn settled(&self, ticket: Ticket, outcome: Result<(), &Failure>) {
        outcome.expect("the device works");
        *self.settled.lock() = ticket;
        self.changed.notify_one();
    }
}

impl Waiter {
    fn wait(&self, ticket: Ticket) {
        let mut settled = self.settled.lock();
        while *settled < ticket {
            self.changed.wait(&mut settled);
        }
    }
}

fn open(folder: &Path) -> Journal {
    let directory = Directory::take(folder).expect("a directory of our own");
    Journal::open(Arc::new(directory), &Options::new(1)).expect("a sound journal").0
}

/// Each producer waits for each message; acknowledgements follow a hundred behind.
fn journal_rate(folder: &Path, payload: &Bytes, producers: u32) -> (f64, f64) {
    let journal = open(folder);
    let sequence = AtomicU64::new(1);
    let count = AtomicU64::new(0);
    let (start, before) = (Instant::now(), cpu());
    std::thread::scope(|scope| {
        for producer in 0..producers {
            let (journal, sequence, count) = (&journal, &sequence, &count);
            scope.spawn(move || {
                let queue = QueueId(producer % 16);
                let waiter = Arc::new(Waiter::default());
                let mut sent = std::collections::VecDeque::new();
                let mut batch = Batch::new();
                while start.elapsed() < SECONDS {
                    let number = sequence.fetch_add(1, Ordering::Relaxed);
                    batch.append(queue, number, payload.clone());
                    sent.push_back(number);
                    if sent.len() > 100 {
                        batch.acknowledge(queue, sent.pop_front().unwrap());
                    }
                    submit(journal, &mut batch, &waiter);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (elapsed, used) = (start.elapsed().as_secs_f64(), cpu() - before);
    let count = count.load(Ordering::Relaxed) as f64;
    (count / elapsed, used * 1e6 / count)
}

fn submit(journal: &Journal, batch: &mut Batch, waiter: &Arc<Waiter>) {
    loop {
        match journal.submit(batch, Some(waiter.clone())) {
            Ok(ticket) => return waiter.wait(ticket),
            Err(Refusal::Full) => std::thread::sleep(Duration::from_millis(1)),
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

fn backlog(folder: &Path, payload: &Bytes) {
    let idle = memory();
    let journal = open(folder);
    let waiter = Arc::new(Waiter::default());
    let mut batch = Batch::new();
    let start = Instant::now();
    for sequence in 1..=BACKLOG {
        batch.append(QueueId((sequence % 16) as u32), sequence, payload.clone());
        if sequence % 1000 == 0 {
            submit(&journal, &mut batch, &waiter);
        }
    }
    let rate = BACKLOG as f64 / start.elapsed().as_secs_f64();
    println!("fill: {rate:.0} messages/s, resident {} KiB over idle", memory() - idle);
    let start = Instant::now();
    drop(journal);
    println!("close: {:?}, resident {} KiB over idle", start.elapsed(), memory() - idle);
    let start = Instant::now();
    let journal = open(folder);
    println!("open: {:?}, resident {} KiB over idle", start.elapsed(), memory() - idle);
    let start = Instant::now();
    let mut drained = 0;
    let mut from = [0_u64; 16];
    let mut read: Vec<Stored> = Vec::new();
    while drained < BACKLOG {
        for queue in 0..16 {
            let limits = ReadLimits { messages: 1024, bytes: 4 << 20 };
            journal.read(QueueId(queue), from[queue as usize], limits, &mut read).unwrap();
            for message in read.drain(..) {
                assert_eq!(message.body.len(), payload.len());
                from[queue as usize] = message.sequence + 1;
                batch.acknowledge(QueueId(queue), message.sequence);
                drained += 1;
            }
            submit(&journal, &mut batch, &waiter);
        }
    }
    let rate = BACKLOG as f64 / start.elapsed().as_secs_f64();
    println!("drain: {rate:.0} messages/s, resident {} KiB over idle", memory() - idle);
    journal.close().unwrap();
    drop(journal);
    let files = Directory::take(folder).unwrap().list().unwrap();
    println!("left: {} files", files.iter().filter(|name| name.starts_with("journal")).count());
}

/// Seconds of CPU that this process has used.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// Resident KiB.
fn memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
