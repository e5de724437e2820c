//! `ferrymq store` looks at a data directory that no broker has open: what it says, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferrymq_store::contract::{Batch, QueueId, Store, Table};
use ferrymq_store::journal::{Drive, Journal, Options};
use ferrymq_store::volume::Directory;
use support::{Ended, Process, ferrymq_command};

fn store(command: &str, path: &Path) -> Ended {
    let arguments = ["store", command, path.to_str().expect("a path in UTF-8")];
    let mut process = Process::spawn("ferrymq", ferrymq_command(&arguments));
    process.close_stdin();
    process.ended()
}

/// A data directory in which one queue, which nobody reads, keeps the first of several segments.
fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("store_tools").join(name);
    let _ = std::fs::remove_dir_all(&path);
    let journal = open(&path);
    let mut batch = Batch::new();
    let mut submit = |fill: &dyn Fn(&mut Batch)| {
        fill(&mut batch);
        journal.submit(&mut batch, None).expect("there is room");
        journal.step();
    };
    for (queue, name) in [(1, "slow"), (2, "quick")] {
        submit(&|batch| {
            batch.put(Table::Queue, Table::queue_key(QueueId(queue)).to_vec(), name.as_bytes());
        });
    }
    submit(&|batch| batch.append(QueueId(1), 1, vec![1; 3000].into()));
    for sequence in 2..30 {
        submit(&|batch| batch.append(QueueId(2), sequence, vec![2; 3000].into()));
    }
    // Not so many that the journal would move the rest itself.
    for sequence in 2..8 {
        submit(&|batch| batch.acknowledge(QueueId(2), sequence));
    }
    journal.close().expect("the device works");
    path
}

fn open(path: &Path) -> Journal {
    let directory = Arc::new(Directory::take(path).expect("a directory of our own"));
    let options = Options { segment_bytes: 16 * 1024, drive: Drive::Steps, ..Options::new(1) };
    Journal::open(directory, &options).expect("a sound journal").0
}

#[test]
fn a_sound_journal_is_called_so_and_a_damaged_file_is_named_with_the_place() {
    let path = directory("verify");
    let ended = store("verify", &path);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.stdout[0].contains("sound"), "{ended:?}");
    let file = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|file| std::fs::read(file).unwrap().get(12) == Some(&1))
        .expect("the first segment");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let ended = store("verify", &path);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let named = format!("{} is damaged at offset", file.display());
    assert!(ended.stdout[0].starts_with(&named), "{ended:?}");
}

#[test]
fn what_keeps_the_oldest_files_stands_first() {
    let ended = store("stats", &directory("stats"));
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let queues: Vec<&str> = (ended.stdout.iter())
        .skip_while(|line| !line.starts_with("QUEUE"))
        .skip(1)
        .take(2)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(queues, ["slow", "quick"], "{ended:?}");
}

#[test]
fn packing_keeps_all_and_gives_files_back() {
    let path = directory("compact");
    let ended = store("compact", &path);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let journal = open(&path);
    assert_eq!(journal.queue(QueueId(1)).messages, 1);
    assert_eq!(journal.queue(QueueId(2)).first, Some(8));
    assert_eq!(journal.queue(QueueId(2)).messages, 22);
}

#[test]
fn a_directory_in_use_or_without_a_journal_is_refused() {
    let path = directory("refused");
    let journal = open(&path);
    let ended = store("verify", &path);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let holder = format!("in use by process {}", std::process::id());
    assert!(ended.stderr[0].contains(&holder), "{ended:?}");
    drop(journal);
    let nowhere = path.join("nowhere");
    let ended = store("compact", &nowhere);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stderr[0].contains("there is no journal in"), "{ended:?}");
    assert!(!nowhere.exists());
}
