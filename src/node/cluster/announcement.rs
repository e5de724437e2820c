//! What a broker tells the others about itself.

use std::fmt::Write;

/// The topic of announcements. Brokers more than one bridge away are known as far as it may cross.
pub(in crate::node) const TOPIC: &str = "FerryMQ.Cluster";
/// The first line, which a later form of announcements would change.
const HEAD: &str = "ferrymq-cluster 1";
/// The longest text that is looked at.
const LONGEST: usize = 2048;
/// The longest name and the longest address.
const LONGEST_VALUE: usize = 300;

/// What a broker tells the others about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct Announcement {
    /// Its name.
    pub(in crate::node) name: String,
    /// Where clients reach it.
    pub(in crate::node) url: String,
    /// How many clients it has that could go elsewhere.
    pub(in crate::node) clients: usize,
    /// Whether it wants its share of clients.
    pub(in crate::node) balances: bool,
    /// Whether it is about to stop.
    pub(in crate::node) leaves: bool,
}

impl Announcement {
    /// As a message's text.
    pub(in crate::node) fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\nname={}\nurl={}\n", self.name, self.url);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "clients={}\nbalances={}\nleaves={}",
            self.clients, self.balances, self.leaves
        );
        text
    }

    /// From a message's text, which may be anybody's.
    pub(in crate::node) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(HEAD).filter(|_| text.len() <= LONGEST)?;
        let value = |key: &str| {
            let mut lines = rest.lines().filter_map(|line| line.split_once('='));
            let value = lines.find(|(name, _)| *name == key)?.1;
            (value.len() <= LONGEST_VALUE && !value.contains(char::is_control)).then_some(value)
        };
        Some(Self {
            name: value("name").filter(|name| !name.is_empty())?.to_owned(),
            url: address(value("url")?)?,
            clients: value("clients")?.parse::<u32>().ok()? as usize,
            balances: value("balances")?.parse().ok()?,
            leaves: value("leaves")?.parse().ok()?,
        })
    }
}

/// An address that clients can be given: one, without options, and no comma to hide others behind.
pub(in crate::node) fn address(text: &str) -> Option<String> {
    let endpoint: ferrymq_transport::endpoint::Endpoint = text.parse().ok()?;
    let bare = endpoint.bare().to_string();
    (bare.len() <= LONGEST_VALUE && !bare.contains(',')).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let told = Announcement {
            name: "london".to_owned(),
            url: "tcp://london:61616".to_owned(),
            clients: 7,
            balances: true,
            leaves: false,
        };
        assert_eq!(Announcement::read(&told.to_text()), Some(told));
    }

    #[test]
    fn what_others_write_is_not_believed_blindly() {
        let good =
            "ferrymq-cluster 1\nname=a\nurl=tcp://a:1\nclients=1\nbalances=true\nleaves=false";
        assert!(Announcement::read(good).is_some());
        for (from, to) in [
            ("ferrymq-cluster 1", "ferrymq-cluster"),
            ("name=a", "name="),
            ("tcp://a:1", "tcp://a:1,tcp://evil:2"),
            ("tcp://a:1", "not an address"),
            ("clients=1", "clients=-1"),
            ("clients=1", "clients=99999999999"),
            ("true", "perhaps"),
        ] {
            assert_eq!(Announcement::read(&good.replacen(from, to, 1)), None, "{to}");
        }
        let long = good.replacen("name=a", &format!("name={}", "a".repeat(301)), 1);
        assert_eq!(Announcement::read(&long), None);
    }
}
