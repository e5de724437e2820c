//! The records of a group: what it changes.

use bytes::Bytes;

use super::bytes::Cursor;
use crate::contract::{Holders, QueueId, Table};

/// Bytes before each body: its checksum.
pub(in crate::journal) const BODY_PREFIX: usize = 4;

const APPEND: u8 = 1;
const APPEND_SHARED: u8 = 2;
const ACKNOWLEDGE: u8 = 3;
const CLEAR: u8 = 4;
const PUT: u8 = 5;
const REMOVE: u8 = 6;

/// One change. The bodies of appended messages and put entries stand in the group in the order of
/// their records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::journal) enum Record {
    Append { holders: Holders, sequence: u64, length: u32 },
    Acknowledge { queue: QueueId, sequence: u64 },
    Clear { queue: QueueId },
    Put { table: Table, key: Bytes, length: u32 },
    Remove { table: Table, key: Bytes },
}

/// Writes records one after the other.
#[derive(Debug, Default)]
pub(in crate::journal) struct RecordWriter {
    pub(in crate::journal) bytes: Vec<u8>,
    /// The queue of the acknowledgements that were written last, where their count stands, and the
    /// count.
    run: Option<(QueueId, usize, u32)>,
}

impl RecordWriter {
    pub(in crate::journal) fn clear(&mut self) {
        self.bytes.clear();
        self.run = None;
    }

    pub(in crate::journal) fn append(&mut self, holders: &Holders, sequence: u64, length: u32) {
        self.run = None;
        match holders {
            Holders::One(queue) => {
                self.bytes.push(APPEND);
                self.bytes.extend_from_slice(&queue.0.to_le_bytes());
            }
            Holders::Several(queues) => {
                self.bytes.push(APPEND_SHARED);
                // A batch with more is refused.
                self.bytes.extend_from_slice(&(queues.len() as u16).to_le_bytes());
                for queue in queues.iter() {
                    self.bytes.extend_from_slice(&queue.0.to_le_bytes());
                }
            }
        }
        self.bytes.extend_from_slice(&sequence.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    /// Acknowledgements of one queue in a row share a record.
    pub(in crate::journal) fn acknowledge(&mut self, queue: QueueId, sequence: u64) {
        let (place, count) = match self.run {
            Some((of, place, count)) if of == queue => (place, count + 1),
            _ => {
                self.bytes.push(ACKNOWLEDGE);
                self.bytes.extend_from_slice(&queue.0.to_le_bytes());
                let place = self.bytes.len();
                self.bytes.extend_from_slice(&[0; 4]);
                (place, 1)
            }
        };
        self.run = Some((queue, place, count));
        if let Some(field) = self.bytes.get_mut(place..place + 4) {
            field.copy_from_slice(&count.to_le_bytes());
        }
        self.bytes.extend_from_slice(&sequence.to_le_bytes());
    }

    pub(in crate::journal) fn clear_queue(&mut self, queue: QueueId) {
        self.run = None;
        self.bytes.push(CLEAR);
        self.bytes.extend_from_slice(&queue.0.to_le_bytes());
    }

    pub(in crate::journal) fn put(&mut self, table: Table, key: &[u8], length: u32) {
        self.key(PUT, table, key);
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    pub(in crate::journal) fn remove(&mut self, table: Table, key: &[u8]) {
        self.key(REMOVE, table, key);
    }

    fn key(&mut self, kind: u8, table: Table, key: &[u8]) {
        self.run = None;
        self.bytes.extend_from_slice(&[kind, table.number()]);
        // A batch with a longer one is refused.
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(key);
    }
}

/// Reads records one after the other. Ends early, and then [is not whole](Records::is_whole), where
/// they make no sense.
#[derive(Debug)]
pub(in crate::journal) struct Records<'a> {
    rest: Cursor<'a>,
    /// Acknowledgements of the record that is being read.
    run: Option<(QueueId, u32)>,
    broken: bool,
}

impl<'a> Records<'a> {
    pub(in crate::journal) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: Cursor(bytes), run: None, broken: false }
    }

    /// Whether all was read and understood.
    pub(in crate::journal) fn is_whole(&self) -> bool {
        !self.broken && self.run.is_none() && self.rest.0.is_empty()
    }

    fn read(&mut self) -> Option<Record> {
        if let Some((queue, left)) = self.run {
            self.run = (left > 1).then_some((queue, left - 1));
            return Some(Record::Acknowledge { queue, sequence: self.rest.u64()? });
        }
        match self.rest.u8()? {
            APPEND => {
                let holders = Holders::One(QueueId(self.rest.u32()?));
                self.appended(holders)
            }
            APPEND_SHARED => {
                let count = usize::from(self.rest.u16()?);
                let mut queues = Cursor(self.rest.take(count * 4)?);
                let holders = std::iter::from_fn(|| queues.u32().map(QueueId)).collect();
                self.appended(Holders::Several(holders))
            }
            ACKNOWLEDGE => {
                let queue = QueueId(self.rest.u32()?);
                let count = self.rest.u32().filter(|count| *count > 0)?;
                self.run = Some((queue, count));
                self.read()
            }
            CLEAR => Some(Record::Clear { queue: QueueId(self.rest.u32()?) }),
            PUT => {
                let (table, key) = self.key()?;
                Some(Record::Put { table, key, length: self.rest.u32()? })
            }
            REMOVE => {
                let (table, key) = self.key()?;
                Some(Record::Remove { table, key })
            }
            _ => None,
        }
    }

    fn appended(&mut self, holders: Holders) -> Option<Record> {
        let sequence = self.rest.u64()?;
        Some(Record::Append { holders, sequence, length: self.rest.u32()? })
    }

    fn key(&mut self) -> Option<(Table, Bytes)> {
        let table = Table::from_number(self.rest.u8()?)?;
        let length = usize::from(self.rest.u16()?);
        Some((table, Bytes::copy_from_slice(self.rest.take(length)?)))
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.broken || (self.rest.0.is_empty() && self.run.is_none()) {
            return None;
        }
        let record = self.read();
        self.broken = record.is_none();
        record
    }
}
