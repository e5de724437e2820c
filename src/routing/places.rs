//! Places for answers to questions from other brokers, before the news of them.

use std::collections::{HashMap, VecDeque};

use ferrymq_openwire::destination::Destination;

/// How many there are at most.
const MOST: usize = 10_000;
/// How many bytes their names may have.
const MOST_NAME_BYTES: usize = 4 * 1024 * 1024;
/// How long each waits for the news of it, in milliseconds.
const PATIENCE: i64 = 10_000;

/// Temporary destinations of other brokers that were made here because a bridge brought a question
/// to be answered there, until a bridge tells of them and so owns them.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// When each was made.
    made: HashMap<Destination, i64>,
    /// In the order in which they were made. One that is owned by now is passed over.
    order: VecDeque<(i64, Destination)>,
    name_bytes: usize,
}

impl Places {
    /// Adds one; false if there are too many.
    pub(super) fn add(&mut self, address: &Destination, now: i64) -> bool {
        // Mostly the news comes soon.
        while let Some((made, first)) = self.order.front()
            && self.made.get(first) != Some(made)
        {
            self.pass_over();
        }
        let length = length(address);
        if self.order.len() >= MOST || self.name_bytes + length > MOST_NAME_BYTES {
            return false;
        }
        self.name_bytes += length;
        self.made.insert(address.clone(), now);
        self.order.push_back((now, address.clone()));
        true
    }

    /// Somebody owns it, or it is gone: it is a destination like others. False if it is none of
    /// these places.
    pub(super) fn remove(&mut self, address: &Destination) -> bool {
        self.made.remove(address).is_some()
    }

    /// One that nobody told of in time.
    pub(super) fn take_overdue(&mut self, now: i64) -> Option<Destination> {
        while let Some((made, _)) = self.order.front()
            && now >= made.saturating_add(PATIENCE)
        {
            let (made, address) = self.pass_over()?;
            if self.made.get(&address) == Some(&made) {
                self.made.remove(&address);
                return Some(address);
            }
        }
        None
    }

    fn pass_over(&mut self) -> Option<(i64, Destination)> {
        let (made, address) = self.order.pop_front()?;
        self.name_bytes -= length(&address);
        Some((made, address))
    }
}

fn length(address: &Destination) -> usize {
    address.name().as_bytes().len()
}
