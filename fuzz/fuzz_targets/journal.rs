//! A journal whose bytes were changed in any way opens or is refused, and never makes the program
//! fall over; what opens can be read, or says that it cannot.
#![no_main]

use std::sync::Arc;

use ferrymq_store::contract::{Batch, QueueId, ReadLimits, Store, Table};
use ferrymq_store::journal::inspect::verify;
use ferrymq_store::journal::{Drive, Journal, Options};
use ferrymq_store::volume::{SimulatedDisk, Volume};
use libfuzzer_sys::fuzz_target;

fn options() -> Options {
    Options { segment_bytes: 16 * 1024, drive: Drive::Steps, ..Options::new(1) }
}

/// A disk with a journal of two segments.
fn sound() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1, 1 << 20);
    let (journal, _) = Journal::open(Arc::new(disk.clone()), &options()).expect("a new journal");
    let mut batch = Batch::new();
    for sequence in 1..=30 {
        batch.append(QueueId(1), sequence, vec![1; 400].into());
        batch.put(Table::Receipt, vec![sequence as u8], vec![2; 20]);
        batch.acknowledge(QueueId(1), sequence / 2);
        journal.submit(&mut batch, None).expect("there is room");
        journal.step();
    }
    drop(journal);
    disk
}

fuzz_target!(|data: &[u8]| {
    let disk = sound();
    let names = disk.list().expect("a list");
    // Each change: which file, where, and what.
    for change in data.chunks_exact(4) {
        let name = &names[usize::from(change[0]) % names.len()];
        let mut content = disk.content(name);
        let at = usize::from(u16::from_le_bytes([change[1], change[2]]));
        if let Some(byte) = content.get_mut(at) {
            *byte = change[3];
        }
        disk.place(name, content);
    }
    verify(&disk).expect("the device works");
    if let Ok((journal, _)) = Journal::open(Arc::new(disk), &options()) {
        let all = ReadLimits { messages: usize::MAX, bytes: usize::MAX };
        let _ = journal.read(QueueId(1), 0, all, &mut Vec::new());
        for table in Table::ALL {
            let _ = journal.entries(table, None, usize::MAX);
        }
    }
});
