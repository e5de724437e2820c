//! Prepared branches of distributed transactions, as a store keeps them.
//!
//! A branch is a head and, after it, each of the persistent messages that it sends. What it has
//! acknowledged stays where it is kept, and the head names it.
//!
//! ```text
//! key      the branch's number u64 | part u32: 0 is the head
//! head     1 u8 | phase u8 | since i64 | messages u32 | held u32
//!          | held times (queue u32 | sequence u64) | a TransactionInfo
//! message  its image
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::TransactionInfo;
use ferrymq_openwire::error::EncodeError;
use ferrymq_openwire::ids::TransactionId;
use ferrymq_openwire::message::Message;
use ferrymq_store::contract::{Batch, QueueId, Table};

use super::kept_command;
use super::kept_error::{KeptError, unknown};
use super::persistence::{Origin, Persistence};
use crate::transaction::{BranchSnapshot, Phase};

/// The version of a head.
const VERSION: u8 = 1;
/// How many parts are read at once: some are messages of any size.
const AT_ONCE: usize = 16;

/// What the store has of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeptBranch {
    number: u64,
    messages: u32,
}

/// A branch that was found in the store.
#[derive(Debug)]
pub(super) struct FoundBranch {
    pub(super) branch: BranchSnapshot,
    pub(super) kept: KeptBranch,
    /// What it has acknowledged.
    pub(super) held: Vec<Origin>,
    /// What it sends.
    pub(super) messages: Vec<Message>,
}

impl KeptBranch {
    /// Keeps a branch, which has acknowledged what `held` names and sends `messages`.
    pub(super) fn keep<'a>(
        branch: &BranchSnapshot,
        held: &[Origin],
        messages: impl Iterator<Item = &'a Message>,
        batch: &mut Batch,
    ) -> Result<Self, EncodeError> {
        let mut kept = Self { number: branch.number, messages: 0 };
        for message in messages {
            kept.messages += 1;
            batch.put(Table::Prepared, key(kept.number, kept.messages), message.image());
        }
        batch.put(Table::Prepared, key(kept.number, 0), head(branch, kept.messages, held)?);
        Ok(kept)
    }

    /// An operator has ended it: what it did is forgotten, and that it ended so is kept.
    pub(super) fn decide(
        self,
        branch: &BranchSnapshot,
        batch: &mut Batch,
    ) -> Result<(), EncodeError> {
        self.forget(batch);
        batch.put(Table::Prepared, key(branch.number, 0), head(branch, 0, &[])?);
        Ok(())
    }

    /// Forgets it.
    pub(super) fn forget(self, batch: &mut Batch) {
        for part in 0..=self.messages {
            batch.remove(Table::Prepared, key(self.number, part));
        }
    }

    /// What the store has of a branch that an operator has ended.
    pub(super) fn decided(branch: &BranchSnapshot) -> Self {
        Self { number: branch.number, messages: 0 }
    }
}

impl Persistence {
    /// The branches that are kept, in the order in which they began.
    pub(super) fn branches(&self) -> Result<Vec<FoundBranch>, KeptError> {
        let mut found: Vec<FoundBranch> = Vec::new();
        self.each_entry(Table::Prepared, AT_ONCE, |entry| {
            let bad = |reason| unknown("a prepared transaction", reason);
            let mut key = &entry.key[..];
            let (Ok(number), Ok(part), []) = (key.try_get_u64(), key.try_get_u32(), key) else {
                return Err(bad("its key is not of twelve bytes"));
            };
            if part == 0 {
                found.push(read_head(number, &entry.value)?);
                return Ok(());
            }
            let branch = found.last_mut().filter(|last| {
                last.kept.number == number && last.messages.len() + 1 == part as usize
            });
            let branch = branch.ok_or_else(|| bad("a part of it is missing"))?;
            let message = Message::from_image(&entry.value)
                .map_err(|error| unknown("a message of a prepared transaction", error))?;
            branch.messages.push(message);
            Ok(())
        })?;
        if found.iter().any(|branch| branch.messages.len() != branch.kept.messages as usize) {
            return Err(unknown("a prepared transaction", "a message of it is missing"));
        }
        Ok(found)
    }
}

fn key(number: u64, part: u32) -> Bytes {
    let mut key = BytesMut::with_capacity(12);
    key.put_u64(number);
    key.put_u32(part);
    key.freeze()
}

fn head(branch: &BranchSnapshot, messages: u32, held: &[Origin]) -> Result<Bytes, EncodeError> {
    let info = TransactionInfo {
        connection_id: Some(branch.connection.clone()),
        transaction_id: Some(TransactionId::Xa(branch.id.clone())),
        ..TransactionInfo::default()
    };
    let info = kept_command::encode(&info.into())?;
    let mut head = BytesMut::with_capacity(18 + held.len() * 12 + info.len());
    head.put_u8(VERSION);
    head.put_u8(match branch.phase {
        // One that takes work is not kept.
        Phase::Active | Phase::Prepared => 0,
        Phase::HeuristicallyCommitted => 1,
        Phase::HeuristicallyRolledBack => 2,
    });
    head.put_i64(branch.since);
    head.put_u32(messages);
    head.put_u32(u32::try_from(held.len()).unwrap_or(u32::MAX));
    for Origin { queue, sequence } in held {
        head.put_u32(queue.0);
        head.put_u64(*sequence);
    }
    head.put(info);
    Ok(head.freeze())
}

fn read_head(number: u64, mut head: &[u8]) -> Result<FoundBranch, KeptError> {
    let what = "a prepared transaction";
    let short = |_| unknown(what, "its head is too short");
    let version = head.try_get_u8().map_err(short)?;
    if version != VERSION {
        return Err(unknown(what, format!("its head is of version {version}")));
    }
    let phase = match head.try_get_u8().map_err(short)? {
        0 => Phase::Prepared,
        1 => Phase::HeuristicallyCommitted,
        2 => Phase::HeuristicallyRolledBack,
        other => return Err(unknown(what, format!("it has no phase {other}"))),
    };
    let since = head.try_get_i64().map_err(short)?;
    let messages = head.try_get_u32().map_err(short)?;
    let count = head.try_get_u32().map_err(short)?;
    let mut held = Vec::new();
    for _ in 0..count {
        let queue = QueueId(head.try_get_u32().map_err(short)?);
        held.push(Origin { queue, sequence: head.try_get_u64().map_err(short)? });
    }
    let info = match kept_command::decode(head) {
        Ok(Some(Command::TransactionInfo(info))) => *info,
        Ok(_) => return Err(unknown(what, "it has no identifier")),
        Err(error) => return Err(unknown(what, error)),
    };
    let TransactionInfo { connection_id, transaction_id, .. } = info;
    let (Some(connection), Some(TransactionId::Xa(id))) = (connection_id, transaction_id) else {
        return Err(unknown(what, "its identifier is of another kind"));
    };
    Ok(FoundBranch {
        branch: BranchSnapshot { id, number, phase, connection, since },
        kept: KeptBranch { number, messages },
        held,
        messages: Vec::new(),
    })
}
