//! The names of a topology: what stands for which brokers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ferrymq_transport::names::nearest;

use crate::document::located::Located;
use crate::document::names::Name;
use crate::document::reader::Reader;

use super::spec::BrokerIndex;

/// The brokers that each name stands for: itself, or the members of a group.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_name: BTreeMap<String, Vec<BrokerIndex>>,
}

impl Members {
    /// Gives `name` to these brokers; a name that is taken is reported.
    pub(super) fn declare(
        &mut self,
        name: &Located<Name>,
        brokers: Vec<BrokerIndex>,
        reader: &mut Reader<'_>,
    ) {
        self.declare_as(name.as_str().to_owned(), name, brokers, reader);
    }

    /// Gives a name that follows from `declared` (a member's of a group) to these brokers.
    pub(super) fn declare_as(
        &mut self,
        name: String,
        declared: &Located<Name>,
        brokers: Vec<BrokerIndex>,
        reader: &mut Reader<'_>,
    ) {
        match self.by_name.entry(name) {
            Entry::Vacant(free) => {
                free.insert(brokers);
            }
            Entry::Occupied(taken) => reader.report(
                &declared.span,
                format!("a second broker is called `{}`", taken.key()),
                Some("names are unique in a network".to_owned()),
            ),
        }
    }

    /// The brokers that a name stands for; an unknown name is reported.
    pub(super) fn find(&self, name: &Located<Name>, reader: &mut Reader<'_>) -> Vec<BrokerIndex> {
        if let Some(brokers) = self.by_name.get(name.as_str()) {
            return brokers.clone();
        }
        let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        let hint = match nearest(name.as_str(), &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "the topology has no brokers".to_owned(),
            None => format!("brokers are {}", known.join(", ")),
        };
        reader.report(&name.span, format!("no broker is called `{name}`"), Some(hint));
        Vec::new()
    }
}
