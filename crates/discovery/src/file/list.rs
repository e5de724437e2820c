//! What a file lists, and which of its states count: a plain machine, told what was read.

use std::collections::BTreeSet;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use ferrymq_transport::settings::ConnectionSettings;

use crate::error::AgentError;
use crate::known::Remote;
use crate::list::member;

/// More bytes than this are not read.
pub(super) const LONGEST: u64 = 1 << 20;
/// More brokers than this are a mistake.
const MOST: usize = 1024;

/// What a line has that it should not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct LineError {
    pub(super) line: usize,
    pub(super) what: String,
}

/// The states of a file that were read, and those that count.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// What the present list was made from.
    counts: Option<Vec<u8>>,
    /// What was read last.
    read: Option<Vec<u8>>,
}

/// What a reading leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing: it is as before, or somebody may be writing it.
    Nothing,
    /// There is a new list.
    List(Vec<Remote>),
    /// It cannot be made sense of, and the last list is kept. Said once for each such state.
    Broken(LineError),
}

impl Listed {
    /// Takes in what was read.
    pub(super) fn take_in(&mut self, bytes: Vec<u8>, discovered: &Options) -> Reading {
        let settled = self.counts.is_none() || self.read.as_ref() == Some(&bytes);
        let known = self.counts.as_ref() == Some(&bytes);
        if !settled || known {
            self.read = Some(bytes);
            return Reading::Nothing;
        }
        let parsed = parse(&bytes, discovered);
        self.read = Some(bytes.clone());
        self.counts = Some(bytes);
        match parsed {
            Ok(remotes) => Reading::List(remotes),
            Err(error) => Reading::Broken(error),
        }
    }

    /// There was nothing to read.
    pub(super) fn missing(&mut self) {
        self.read = None;
    }
}

fn parse(bytes: &[u8], discovered: &Options) -> Result<Vec<Remote>, LineError> {
    let mut seen = BTreeSet::new();
    let mut remotes = Vec::new();
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        let wrong = |what: String| LineError { line: number, what };
        let text = std::str::from_utf8(line).map_err(|_| wrong("not UTF-8".to_owned()))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let endpoint: Endpoint = text
            .parse()
            .map_err(|error: ferrymq_transport::uri::UriError| wrong(error.to_string()))?;
        let mut endpoint =
            member(&endpoint).map_err(|error: AgentError| wrong(error.to_string()))?;
        for (name, value) in discovered.iter() {
            if endpoint.options.get(name).is_none() {
                endpoint.options.insert(name, value);
            }
        }
        ConnectionSettings::for_dialing(&endpoint).map_err(|error| wrong(error.to_string()))?;
        if !seen.insert(endpoint.bare().to_string()) {
            return Err(wrong(format!("{} is listed twice", endpoint.bare())));
        }
        if remotes.len() == MOST {
            return Err(wrong(format!("more than {MOST} brokers")));
        }
        remotes.push(Remote::at(endpoint));
    }
    Ok(remotes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(reading: Reading) -> Vec<String> {
        match reading {
            Reading::List(remotes) => remotes.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn take_in(listed: &mut Listed, text: &str) -> Reading {
        listed.take_in(text.as_bytes().to_vec(), &Options::new())
    }

    #[test]
    fn a_change_counts_when_two_readings_agree() {
        let mut listed = Listed::default();
        let first = take_in(&mut listed, "# ours\n\ntcp://a:1\r\n  tcp://b:2?keepAlive=false\n");
        assert_eq!(list(first), ["tcp://a:1", "tcp://b:2"], "the first counts at once");
        // Somebody writes it anew, and we look in between.
        assert_eq!(take_in(&mut listed, ""), Reading::Nothing);
        assert_eq!(take_in(&mut listed, "tcp://a:1\ntcp"), Reading::Nothing);
        assert_eq!(take_in(&mut listed, "tcp://a:1\ntcp://c:3"), Reading::Nothing);
        assert_eq!(list(take_in(&mut listed, "tcp://a:1\ntcp://c:3")), ["tcp://a:1", "tcp://c:3"]);
        assert_eq!(take_in(&mut listed, "tcp://a:1\ntcp://c:3"), Reading::Nothing);
        assert_eq!(take_in(&mut listed, ""), Reading::Nothing);
        assert_eq!(list(take_in(&mut listed, "")), Vec::<String>::new(), "nobody is a list, too");
    }

    #[test]
    fn what_is_wrong_is_told_once_with_its_line() {
        let mut listed = Listed::default();
        take_in(&mut listed, "tcp://a:1");
        let broken = "tcp://a:1\n\ntcp//b:2";
        assert_eq!(take_in(&mut listed, broken), Reading::Nothing);
        let Reading::Broken(error) = take_in(&mut listed, broken) else { panic!("it is broken") };
        assert_eq!(error.line, 3);
        assert!(error.what.contains("write tcp://b:2"), "{error}");
        assert_eq!(take_in(&mut listed, broken), Reading::Nothing);
        listed.missing();
        assert_eq!(take_in(&mut listed, broken), Reading::Nothing);
        take_in(&mut listed, "tcp://a:1");
        assert_eq!(list(take_in(&mut listed, "tcp://a:1")), ["tcp://a:1"]);
    }

    #[test]
    fn every_mistake_is_named() {
        let of = |text: &[u8]| parse(text, &Options::new()).unwrap_err();
        assert_eq!(of(b"tcp://a:1\n\xff").line, 2);
        for (text, word) in [
            ("tcp://a", "port is missing"),
            ("failover:(tcp://a:1)", "one address is needed"),
            ("multicast://default", "multicast"),
            ("tcp://a:1?keepAliv=true", "did you mean \"keepAlive\"?"),
            ("tcp://a:1\ntcp://a:1?keepAlive=true", "listed twice"),
        ] {
            let error = of(text.as_bytes());
            assert!(error.to_string().contains(word), "{error}");
        }
        let many: String = (0..2000).map(|number| format!("tcp://h{number}:1\n")).collect();
        assert_eq!(of(many.as_bytes()).line, MOST + 1);
    }

    #[test]
    fn options_of_the_address_are_handed_down() {
        let discovered: Options = [("keepAlive", "false")].into_iter().collect();
        let remotes = parse(b"tcp://a:1\ntcp://b:1?keepAlive=true", &discovered).unwrap();
        let shown: Vec<String> =
            remotes.iter().flat_map(Remote::addresses).map(ToString::to_string).collect();
        assert_eq!(shown, ["tcp://a:1?keepAlive=false", "tcp://b:1?keepAlive=true"]);
    }
}
