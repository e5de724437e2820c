//! Who is there, as far as a discovery agent knows.

use std::fmt;

use ferrymq_transport::endpoint::Endpoint;

/// A broker to be reached: at one address or, of a `masterslave:` list, at the first of several
/// that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    first: Endpoint,
    others: Vec<Endpoint>,
}

/// Who is there. An agent replaces all of it whenever something changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Those who are there, the preferred ones first.
    pub present: Vec<Remote>,
    /// What that says about all others.
    pub absent: Absent,
}

/// Which of those who are not listed are known to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// All of them: the list is complete. A link to one of them ends in good order.
    Gone,
    /// These have taken their leave. Of others nothing was heard for a while, which need not mean
    /// much: nobody dials them any more, and a link to one of them may live for as long as it does.
    Silent {
        /// Who has taken leave.
        gone: Vec<Remote>,
    },
}

impl Remote {
    /// A broker with one address.
    pub fn at(endpoint: Endpoint) -> Self {
        Self { first: endpoint, others: Vec::new() }
    }

    /// A broker that is at the first of several addresses which answers; none without addresses.
    pub fn at_first_of(endpoints: Vec<Endpoint>) -> Option<Self> {
        let mut endpoints = endpoints.into_iter();
        let first = endpoints.next()?;
        Some(Self { first, others: endpoints.collect() })
    }

    /// Its addresses, in the order in which they are tried; at least one.
    pub fn addresses(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// How many addresses it has.
    pub fn address_count(&self) -> usize {
        1 + self.others.len()
    }

    /// What tells it from others: its addresses without their options.
    pub fn key(&self) -> String {
        self.to_string()
    }
}

impl Known {
    /// Nobody so far, which says nothing about anybody.
    pub fn nobody_yet() -> Self {
        Self { present: Vec::new(), absent: Absent::Silent { gone: Vec::new() } }
    }

    /// Exactly these.
    pub fn exactly(present: Vec<Remote>) -> Self {
        Self { present, absent: Absent::Gone }
    }
}

/// The addresses without their options, as logs and status show them.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.others.is_empty() {
            return self.first.bare().fmt(f);
        }
        f.write_str("masterslave:(")?;
        for (position, endpoint) in self.addresses().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            write!(f, "{comma}{}", endpoint.bare())?;
        }
        f.write_str(")")
    }
}
