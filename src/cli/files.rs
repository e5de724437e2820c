//! The files that commands are given.

use std::fs;
use std::path::Path;

use ferrymq_network::document::load::top_level;
use ferrymq_network::document::source::Source;

/// What a file describes, by the tables that stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One broker's configuration.
    Broker,
    /// A network of brokers.
    Topology,
}

/// Reads a file; the error is for the user.
pub(super) fn read(path: &Path) -> Result<Source, String> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok(Source::file(name, text)),
        Err(error) => Err(format!("cannot read {name}: {error}")),
    }
}

/// What the file describes. What is like neither is taken for a broker's configuration, whose
/// loading says what is wrong.
pub(super) fn kind(source: &Source) -> Kind {
    const LISTS: [&str; 6] = ["broker", "broker_group", "link", "producer", "consumer", "fault"];
    let is_topology = |(key, listed): &(String, bool)| {
        key == "topology" || (*listed && LISTS.contains(&key.as_str()))
    };
    if top_level(source).iter().any(is_topology) { Kind::Topology } else { Kind::Broker }
}

/// Refuses a file of the other kind, naming the command that takes it.
pub(super) fn expect(kind_wanted: Kind, source: &Source, path: &Path) -> Result<(), String> {
    let path = path.display();
    match (kind_wanted, kind(source)) {
        (Kind::Broker, Kind::Topology) => {
            Err(format!("{path} describes a topology, not a broker; run: ferrymq up {path}"))
        }
        (Kind::Topology, Kind::Broker) if !top_level(source).is_empty() => {
            Err(format!("{path} describes a broker, not a topology; run: ferrymq broker {path}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_tell_what_a_file_describes() {
        for (text, expected) in [
            ("[broker]\nname = \"a\"", Kind::Broker),
            ("[[transport_connector]]\nuri = \"tcp://a:1\"", Kind::Broker),
            ("", Kind::Broker),
            ("[topology]", Kind::Topology),
            ("[[broker]]\nname = \"a\"", Kind::Topology),
            ("[[link]]", Kind::Topology),
            ("= not toml", Kind::Broker),
        ] {
            assert_eq!(kind(&Source::file("x.toml", text)), expected, "{text}");
        }
    }
}
