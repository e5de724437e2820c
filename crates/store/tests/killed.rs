//! The process is killed at any moment: what was settled is there, and the directory is free at
//! once. While it runs, nobody else gets the directory, and whoever tries hears who has it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use ferrymq_store::contract::{
    Batch, Failure, Listener, QueueId, ReadLimits, Refusal, Store, Table, Ticket,
};
use ferrymq_store::journal::{Journal, Options};
use ferrymq_store::volume::{Directory, DirectoryError};

/// Where the child finds its directory.
const DIRECTORY: &str = "FERRYMQ_STORE_DIRECTORY";

const QUEUE: QueueId = QueueId(1);

/// How many messages are in the queue at a time.
const KEPT: u64 = 100;

fn options() -> Options {
    Options { segment_bytes: 256 * 1024, ..Options::new(3) }
}

fn body(sequence: u64) -> Vec<u8> {
    (0..sequence % 900).map(|at| (at * sequence % 251) as u8).collect()
}

struct Printer;

impl Listener for Printer {
    fn settled(&self, ticket: Ticket, outcome: Result<(), &Failure>) {
        outcome.expect("the device works");
        println!("settled {}", ticket.0);
    }
}

/// What the parent starts, and kills. On its own it does nothing.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let directory = Arc::new(Directory::take(PathBuf::from(path)).unwrap());
    let (journal, _) = Journal::open(directory, &options()).unwrap();
    let listener: Arc<dyn Listener> = Arc::new(Printer);
    println!("begins with {}", journal.last_sequence() + 1);
    let mut batch = Batch::new();
    for sequence in journal.last_sequence() + 1.. {
        batch.append(QUEUE, sequence, body(sequence).into());
        batch.put(Table::Receipt, &b"latest"[..], sequence.to_be_bytes().to_vec());
        if sequence > KEPT {
            batch.acknowledge(QUEUE, sequence - KEPT);
        }
        let ticket = loop {
            match journal.submit(&mut batch, Some(listener.clone())) {
                Ok(ticket) => break ticket,
                Err(Refusal::Full) => std::thread::yield_now(),
                Err(refusal) => panic!("{refusal}"),
            }
        };
        // A few dozen are on their way.
        while ticket.0 > journal.settled().0 + 64 {
            std::thread::yield_now();
        }
    }
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DIRECTORY, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads until the child has settled `enough`; the first message that it sent, and how many it said
/// to be settled.
fn listen(child: &mut Child, enough: u64, path: &Path) -> (u64, u64) {
    let mut first = 0;
    let pid = child.id();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(begins) = line.split_once("begins with ") {
            first = begins.1.parse().unwrap();
            let taken = Directory::take(path).unwrap_err();
            assert!(matches!(taken, DirectoryError::InUse { .. }), "{taken}");
            assert!(taken.to_string().contains(&format!("process {pid}")), "{taken}");
        }
        if let Some(settled) = line.strip_prefix("settled ") {
            let settled = settled.parse().unwrap();
            if settled >= enough {
                return (first, settled);
            }
        }
    }
    panic!("the child ended on its own");
}

#[test]
fn what_was_settled_before_a_kill_is_there() {
    let path = std::env::temp_dir().join(format!("ferrymq-store-killed-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let mut random = fastrand::Rng::with_seed(1);
    for cycle in 0..6 {
        let mut child = start(&path);
        let (first, settled) = listen(&mut child, random.u64(1..2500), &path);
        child.kill().unwrap();
        child.wait().unwrap();
        let directory = Arc::new(Directory::take(&path).unwrap());
        let (journal, _) = Journal::open(directory, &options()).unwrap();
        let last = journal.last_sequence();
        assert!(last + 1 >= first + settled, "cycle {cycle}: {last} after {first} and {settled}");
        let mut messages = Vec::new();
        let all = ReadLimits { messages: usize::MAX, bytes: usize::MAX };
        journal.read(QUEUE, 0, all, &mut messages).unwrap();
        let kept: Vec<u64> = messages.iter().map(|message| message.sequence).collect();
        let expected: Vec<u64> = (last.saturating_sub(KEPT) + 1..=last).collect();
        assert_eq!(kept, expected, "cycle {cycle}");
        assert!(messages.iter().all(|message| message.body == body(message.sequence)));
        let latest = journal.get(Table::Receipt, b"latest").unwrap().unwrap();
        assert_eq!(latest, last.to_be_bytes().to_vec());
    }
    std::fs::remove_dir_all(&path).unwrap();
}
