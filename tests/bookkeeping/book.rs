//! What producers and consumers know, and whether it fits together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use parking_lot::Mutex;

/// A message: where it was sent, by whom, and its number there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub queue: String,
    pub producer: String,
    pub number: u32,
}

impl Mark {
    pub fn new(queue: &str, producer: &str, number: u32) -> Self {
        Self { queue: queue.to_owned(), producer: producer.to_owned(), number }
    }

    /// From the text of a message that came out of `queue`.
    pub fn read(queue: &str, text: &str) -> Self {
        let (producer, number) = text.rsplit_once(' ').expect("a producer and a number");
        Self::new(queue, producer, number.parse().expect("a number"))
    }

    pub fn text(&self) -> String {
        format!("{} {}", self.producer, self.number)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.queue, self.producer, self.number)
    }
}

/// What a producer was told of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is safe.
    Confirmed,
    /// Nothing: it may be there or not.
    InDoubt,
    /// It has been undone.
    Undone,
}

/// How far consumers are with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Received, and to be received again.
    Seen,
    /// Nobody knows whether its consumption was committed.
    InDoubt,
    /// Consumed for good.
    Done,
}

/// All that was seen.
#[derive(Debug, Default)]
pub struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    sent: BTreeMap<Mark, Sent>,
    taken: BTreeMap<Mark, Taken>,
    /// What was sent in one transaction.
    groups: Vec<BTreeSet<Mark>>,
    /// The highest number that came first, by queue and producer.
    highest: BTreeMap<(String, String), u32>,
    /// Everything, in the order in which it happened.
    history: Vec<String>,
    faults: Vec<String>,
}

impl Book {
    pub fn sent<'a>(&self, marks: impl IntoIterator<Item = &'a Mark>, sent: Sent) {
        let mut pages = self.0.lock();
        for mark in marks {
            pages.note(format!("{mark} {sent:?}"));
            // What was in doubt and is sent anew (a relay's) is as good as the last word on it.
            pages.sent.insert(mark.clone(), sent);
        }
    }

    /// These belong together: all of them or none.
    pub fn group(&self, marks: impl IntoIterator<Item = Mark>) {
        self.0.lock().groups.push(marks.into_iter().collect());
    }

    /// A consumer got a message. `in_order`: of a queue that has one consumer.
    pub fn saw(&self, mark: &Mark, in_order: bool) {
        let mut pages = self.0.lock();
        pages.note(format!("{mark} seen"));
        match pages.taken.insert(mark.clone(), Taken::Seen) {
            Some(Taken::Done) => pages.fault(format!("{mark} came again after it was consumed")),
            Some(Taken::Seen | Taken::InDoubt) => {}
            None if in_order => {
                let line = (mark.queue.clone(), mark.producer.clone());
                let highest = pages.highest.insert(line, mark.number);
                if let Some(highest) = highest.filter(|highest| *highest > mark.number) {
                    pages.fault(format!("{mark} came after {highest}"));
                }
            }
            None => {}
        }
    }

    pub fn taken<'a>(&self, marks: impl IntoIterator<Item = &'a Mark>, taken: Taken) {
        let mut pages = self.0.lock();
        for mark in marks {
            pages.note(format!("{mark} taken {taken:?}"));
            pages.taken.insert(mark.clone(), taken);
        }
    }

    pub fn note(&self, event: String) {
        self.0.lock().note(event);
    }

    /// How much has happened.
    pub fn length(&self) -> usize {
        self.0.lock().history.len()
    }

    pub fn history(&self) -> Vec<String> {
        self.0.lock().history.clone()
    }

    /// How many messages were confirmed.
    pub fn confirmed(&self) -> usize {
        self.0.lock().sent.values().filter(|sent| **sent == Sent::Confirmed).count()
    }

    /// All that does not fit, now that everything has arrived. What is confirmed in the queue `from` of
    /// `relayed` must have come out of `to`, too.
    pub fn judge(&self, relayed: &[(&str, &str)]) -> Vec<String> {
        let pages = self.0.lock();
        let mut faults = pages.faults.clone();
        let taken = |mark: &Mark| pages.taken.get(mark).copied();
        for (mark, sent) in &pages.sent {
            match (sent, taken(mark)) {
                (Sent::Confirmed, None) => faults.push(format!("{mark} is lost")),
                (Sent::Undone, Some(_)) => faults.push(format!("{mark} was undone, and came")),
                _ => {}
            }
            let relay = relayed.iter().find(|(from, _)| *from == mark.queue);
            if let Some((_, to)) = relay
                && (*sent == Sent::Confirmed || taken(mark) == Some(Taken::Done))
            {
                let copy = Mark { queue: (*to).to_owned(), ..mark.clone() };
                if taken(&copy).is_none() {
                    faults.push(format!("{copy} is lost, whose original was consumed for it"));
                }
            }
        }
        for (mark, taken) in &pages.taken {
            if *taken == Taken::Seen {
                faults.push(format!("{mark} was not consumed, and did not come again"));
            }
            if !pages.sent.contains_key(mark) {
                faults.push(format!("{mark} was never sent"));
            }
        }
        for group in &pages.groups {
            let came = group.iter().filter(|mark| taken(mark).is_some()).count();
            if came != 0 && came != group.len() {
                faults.push(format!("a transaction came in part: {came} of {group:?}"));
            }
        }
        faults
    }
}

impl Pages {
    fn note(&mut self, event: String) {
        self.history.push(event);
    }

    fn fault(&mut self, fault: String) {
        self.history.push(format!("FAULT {fault}"));
        self.faults.push(fault);
    }
}
