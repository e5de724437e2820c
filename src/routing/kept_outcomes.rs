//! How transactions ended, as a store keeps it.
//!
//! ```text
//! 1 u8 | slot u16                       a branch: its number u64 | an XATransactionId
//! 2 u8 | slot u8 | connection           commits of a connection: the page's number u64
//!                                       | forgotten i64 | committed i64, …
//! 3 u8                                  a connection was forgotten
//! ```

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::ids::{ConnectionId, XaTransactionId};
use ferrymq_openwire::text::Text;
use ferrymq_store::contract::{Batch, Table};

use super::kept_command;
use super::kept_error::{KeptError, unknown};
use super::persistence::Persistence;
use crate::transaction::{CommitPage, MOST_REMEMBERED, RecentCommits};

const BRANCH: u8 = 1;
const PAGE: u8 = 2;
const FORGOTTEN: u8 = 3;

/// Of connections with longer names nothing is kept.
const LONGEST_NAME: usize = 1024;
/// How many entries are read at once.
const AT_ONCE: usize = 1024;
/// Stands for nothing: no client numbers its transactions so.
const NONE: i64 = i64::MIN;

/// What was found in a store.
#[derive(Debug, Default)]
pub(super) struct FoundOutcomes {
    /// Commits of branches, by their numbers.
    pub(super) branches: Vec<(u64, XaTransactionId)>,
    /// Commits of connections.
    pub(super) connections: Vec<(ConnectionId, RecentCommits)>,
    /// Whether connections were forgotten.
    pub(super) has_forgotten: bool,
}

/// Whether the commits of a connection can be kept.
pub(super) fn can_be_kept(connection: &ConnectionId) -> bool {
    name(connection).len() <= LONGEST_NAME
}

/// Keeps that a branch was committed, in place of one long before it.
pub(super) fn keep_branch(number: u64, id: &XaTransactionId, batch: &mut Batch) {
    let slot = u16::try_from(number % MOST_REMEMBERED).unwrap_or_default();
    let mut key = BytesMut::with_capacity(3);
    key.put_u8(BRANCH);
    key.put_u16(slot);
    // Identifiers are bounded: they can be written.
    if let Ok(id) = kept_command::encode(&Command::XaTransactionId(id.clone())) {
        let mut value = BytesMut::with_capacity(8 + id.len());
        value.put_u64(number);
        value.put(id);
        batch.put(Table::Outcome, key.freeze(), value.freeze());
    }
}

/// Keeps what a connection has committed, in place of what it committed long before.
pub(super) fn keep_page(connection: &ConnectionId, page: &CommitPage, batch: &mut Batch) {
    if !can_be_kept(connection) {
        return;
    }
    let mut value = BytesMut::with_capacity(16 + page.committed.len() * 8);
    value.put_u64(page.number);
    value.put_i64(page.forgotten.unwrap_or(NONE));
    page.committed.iter().for_each(|transaction| value.put_i64(*transaction));
    batch.put(Table::Outcome, page_key(connection, page), value.freeze());
}

/// Forgets the commits of a connection.
pub(super) fn forget_connection(
    connection: &ConnectionId,
    commits: &RecentCommits,
    batch: &mut Batch,
) {
    for page in commits.pages() {
        batch.remove(Table::Outcome, page_key(connection, page));
    }
}

/// Keeps that connections were forgotten which may ask.
pub(super) fn keep_forgotten(batch: &mut Batch) {
    batch.put(Table::Outcome, &[FORGOTTEN][..], Bytes::new());
}

impl Persistence {
    /// What is kept of how transactions ended.
    pub(super) fn outcomes(&self) -> Result<FoundOutcomes, KeptError> {
        let mut found = FoundOutcomes::default();
        let mut pages: BTreeMap<Bytes, Vec<CommitPage>> = BTreeMap::new();
        self.each_entry(Table::Outcome, AT_ONCE, |entry| {
            let bad = || unknown("how a transaction ended", "it has another length");
            match entry.key.split_first() {
                Some((&BRANCH, _)) => found.branches.push(read_branch(&entry.value)?),
                Some((&PAGE, _)) if entry.key.len() >= 2 => {
                    let page = read_page(&entry.value).ok_or_else(bad)?;
                    // Shared with what was read; what is kept is a copy.
                    let name = Bytes::copy_from_slice(entry.key.get(2..).unwrap_or_default());
                    pages.entry(name).or_default().push(page);
                }
                Some((&FORGOTTEN, _)) => found.has_forgotten = true,
                _ => return Err(bad()),
            }
            Ok(())
        })?;
        for (name, pages) in pages {
            let name = Text::from_wire(&name)
                .map_err(|error| unknown("the name of a connection", error))?;
            let commits = RecentCommits::of_pages(pages);
            found.connections.push((ConnectionId { value: Some(name) }, commits));
        }
        Ok(found)
    }
}

fn name(connection: &ConnectionId) -> &[u8] {
    connection.value.as_ref().map_or(&[], Text::as_bytes)
}

fn page_key(connection: &ConnectionId, page: &CommitPage) -> Bytes {
    let name = name(connection);
    let mut key = BytesMut::with_capacity(2 + name.len());
    key.put_u8(PAGE);
    key.put_u8(page.slot());
    key.put(name);
    key.freeze()
}

fn read_branch(mut value: &[u8]) -> Result<(u64, XaTransactionId), KeptError> {
    let what = "a committed branch";
    let number = value.try_get_u64().map_err(|error| unknown(what, error))?;
    match kept_command::decode(value) {
        Ok(Some(Command::XaTransactionId(id))) => Ok((number, id)),
        Ok(_) => Err(unknown(what, "it has no identifier")),
        Err(error) => Err(unknown(what, error)),
    }
}

fn read_page(mut value: &[u8]) -> Option<CommitPage> {
    let number = value.try_get_u64().ok()?;
    let forgotten = Some(value.try_get_i64().ok()?).filter(|transaction| *transaction != NONE);
    let mut committed = Vec::new();
    while value.has_remaining() {
        committed.push(value.try_get_i64().ok()?);
    }
    Some(CommitPage { number, forgotten, committed })
}
