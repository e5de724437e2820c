//! What a transport connector tells its clients about other brokers.

use regex_automata::Input;
use regex_automata::dfa::{Automaton, dense};
use regex_automata::util::syntax;

/// What a transport connector tells its clients about other brokers.
#[derive(Debug, Clone)]
pub struct ClusterClients {
    /// Whether they learn which brokers there are.
    pub update: bool,
    /// Whether some are sent to brokers that have fewer.
    pub rebalance: bool,
    /// Whether they learn of brokers that are gone, too.
    pub update_on_remove: bool,
    /// Of which brokers they learn, by name; of all without it.
    pub filter: Option<NameFilter>,
    /// How many of them are sent elsewhere in a second, at most.
    pub rate: u32,
}

impl Default for ClusterClients {
    fn default() -> Self {
        Self { update: false, rebalance: false, update_on_remove: false, filter: None, rate: 10 }
    }
}

impl ClusterClients {
    /// Whether there is anything to tell.
    pub fn is_on(&self) -> bool {
        self.update || self.rebalance
    }

    /// Whether clients learn of a broker of this name.
    pub fn admits(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(name))
    }
}

/// Names of brokers: regular expressions, one of which a name must match as a whole.
#[derive(Debug, Clone)]
pub struct NameFilter {
    expressions: Vec<dense::DFA<Vec<u32>>>,
}

/// A machine for an expression takes no more memory than this.
const MOST_MEMORY: usize = 1024 * 1024;

impl NameFilter {
    /// Reads expressions between commas, as ActiveMQ's `updateClusterFilter` has them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let listed = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        let compiled = listed.map(|expression| {
            dense::Builder::new()
                .configure(
                    dense::Config::new()
                        .dfa_size_limit(Some(MOST_MEMORY))
                        .determinize_size_limit(Some(MOST_MEMORY)),
                )
                .syntax(syntax::Config::new().unicode(false).utf8(false))
                .build(&format!("^(?:{expression})$"))
                .map_err(|_| format!("`{expression}` is not a regular expression"))
        });
        Ok(Self { expressions: compiled.collect::<Result<_, _>>()? })
    }

    fn matches(&self, name: &str) -> bool {
        let found = |expression: &dense::DFA<Vec<u32>>| {
            matches!(expression.try_search_fwd(&Input::new(name)), Ok(Some(_)))
        };
        self.expressions.iter().any(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_match_one_expression_as_a_whole() {
        let filter = Some(NameFilter::parse(r"north\d+, south-(a|b)").unwrap());
        let clients = ClusterClients { filter, ..ClusterClients::default() };
        for (name, admitted) in [
            ("north7", true),
            ("south-a", true),
            ("north", false),
            ("my-north7", false),
            ("", false),
        ] {
            assert_eq!(clients.admits(name), admitted, "{name}");
        }
        assert!(ClusterClients::default().admits("anyone"));
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused() {
        for text in ["a(", "[0-9]{1000}{1000}", "x**y{2000}{2000}"] {
            assert!(NameFilter::parse(text).is_err(), "{text}");
        }
    }
}
