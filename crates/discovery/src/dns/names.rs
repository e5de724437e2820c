//! What is known of names, and when to ask again: a plain machine, told answers and the time.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use tokio::time::Instant;

use super::config::{DnsConfig, DnsName};
use super::order::{Record, arrange};
use crate::known::{Absent, Known, Remote};

/// Brokers of one name; more are left out.
pub(super) const MOST_RECORDS: usize = 256;

/// What a name server says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) records: Vec<Record>,
    /// For how long it holds.
    pub(super) time_to_live: Duration,
}

/// The names of a `dns:(…)` address and the last answer for each.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<Asked>,
    min_refresh: Duration,
    max_refresh: Duration,
    retry_delay: Duration,
    discovered: Options,
    random: Rng,
}

#[derive(Debug)]
struct Asked {
    name: DnsName,
    /// In the order in which they are used; none before the first answer.
    records: Option<Vec<Record>>,
    due: Instant,
    failing: bool,
}

impl Names {
    /// All names are due at once.
    pub(super) fn new(config: &DnsConfig, seed: u64, now: Instant) -> Self {
        let asked =
            |name: &DnsName| Asked { name: name.clone(), records: None, due: now, failing: false };
        Self {
            names: config.names.iter().map(asked).collect(),
            min_refresh: config.min_refresh,
            max_refresh: config.max_refresh,
            retry_delay: config.retry_delay,
            discovered: config.discovered.clone(),
            random: Rng::with_seed(seed),
        }
    }

    /// The name to ask for next, its place, and when it is due.
    pub(super) fn next(&self) -> Option<(usize, &DnsName, Instant)> {
        let names = self.names.iter().enumerate();
        names.map(|(at, asked)| (at, &asked.name, asked.due)).min_by_key(|(.., due)| *due)
    }

    /// Takes in an answer; whether names that failed before work again.
    pub(super) fn answered(&mut self, at: usize, answer: Answer, now: Instant) -> bool {
        let Some(asked) = self.names.get_mut(at) else { return false };
        let refresh = answer.time_to_live.clamp(self.min_refresh, self.max_refresh);
        asked.due = now + refresh;
        let mut records = answer.records;
        records.sort();
        records.dedup();
        // Whom that leaves out does not change from one answer to the next.
        records.truncate(MOST_RECORDS);
        let mut before = asked.records.clone().unwrap_or_default();
        before.sort();
        if asked.records.is_none() || before != records {
            asked.records = Some(arrange(records, &mut self.random));
        }
        std::mem::take(&mut asked.failing)
    }

    /// There is no answer: the last one stays. Whether that is news.
    pub(super) fn failed(&mut self, at: usize, now: Instant) -> bool {
        let Some(asked) = self.names.get_mut(at) else { return false };
        asked.due = now + self.retry_delay;
        !std::mem::replace(&mut asked.failing, true)
    }

    /// Who is there now.
    pub(super) fn known(&self) -> Known {
        let mut seen = BTreeSet::new();
        let records = self.names.iter().flat_map(|asked| asked.records.iter().flatten());
        let endpoints = records.map(|record| Endpoint {
            options: self.discovered.clone(),
            ..Endpoint::tcp(record.host.clone(), record.port)
        });
        let present = endpoints.filter(|endpoint| seen.insert(endpoint.authority()));
        let answered = self.names.iter().all(|asked| asked.records.is_some());
        Known {
            present: present.map(Remote::at).collect(),
            absent: if answered { Absent::Gone } else { Absent::Silent { gone: Vec::new() } },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uri: &str) -> (Names, Instant) {
        let uri: ferrymq_transport::uri::Uri = uri.parse().unwrap();
        let ferrymq_transport::uri::Uri::Composite(composite) = uri else { panic!("a list") };
        let mut options = composite.options.clone();
        let config = DnsConfig::new(&composite, &mut options).unwrap();
        let now = Instant::now();
        (Names::new(&config, 7, now), now)
    }

    fn answer(hosts: &[&str], seconds: u64) -> Answer {
        let record =
            |host: &&str| Record { priority: 0, weight: 0, host: (*host).to_owned(), port: 61616 };
        Answer {
            records: hosts.iter().map(record).collect(),
            time_to_live: Duration::from_secs(seconds),
        }
    }

    fn present(names: &Names) -> BTreeSet<String> {
        names.known().present.iter().map(ToString::to_string).collect()
    }

    fn set(hosts: &[&str]) -> BTreeSet<String> {
        hosts.iter().map(|host| format!("tcp://{host}:61616")).collect()
    }

    #[test]
    fn an_answer_holds_for_its_time_to_live_within_bounds() {
        let (mut names, mut now) = names("dns:(a:61616)?minRefresh=2000&maxRefresh=60000");
        for (time_to_live, due) in [(30, 30), (0, 2), (1, 2), (86_400, 60)] {
            names.answered(0, answer(&["10.0.0.1"], time_to_live), now);
            let (_, _, next) = names.next().unwrap();
            assert_eq!(next, now + Duration::from_secs(due), "TTL {time_to_live}");
            now = next;
        }
    }

    #[test]
    fn additions_and_removals_are_followed_and_a_failure_keeps_the_last_answer() {
        let (mut names, now) = names("dns:(a:61616)");
        assert_eq!(names.known(), Known::nobody_yet(), "nothing is known before an answer");
        assert!(names.failed(0, now), "the first failure is news");
        assert!(!names.failed(0, now), "the next one is not");
        assert!(names.answered(0, answer(&["10.0.0.1", "10.0.0.2"], 1), now), "and this is");
        assert_eq!(present(&names), set(&["10.0.0.1", "10.0.0.2"]));
        assert!(!names.answered(0, answer(&["10.0.0.2", "10.0.0.3"], 1), now));
        assert_eq!(present(&names), set(&["10.0.0.2", "10.0.0.3"]));
        assert_eq!(names.known().absent, Absent::Gone, "the others were removed");
        assert!(names.failed(0, now));
        assert_eq!(names.next().unwrap().2, now + Duration::from_secs(5));
        assert_eq!(present(&names), set(&["10.0.0.2", "10.0.0.3"]));
    }

    #[test]
    fn of_several_names_the_one_that_is_due_is_asked_for() {
        let (mut names, now) = names("dns:(a:61616,b:61616)");
        names.answered(0, answer(&["10.0.0.1"], 10), now);
        assert_eq!(names.next().unwrap().0, 1);
        assert_eq!(names.known().absent, Absent::Silent { gone: vec![] }, "b may know others");
        names.answered(1, answer(&["10.0.0.1", "10.0.0.9"], 20), now);
        assert_eq!(names.next().unwrap().0, 0);
        assert_eq!(present(&names), set(&["10.0.0.1", "10.0.0.9"]), "each once");
    }

    #[test]
    fn the_same_answer_keeps_its_order_and_a_huge_one_is_cut() {
        let (mut names, now) = names("dns:(a:61616)");
        let hosts: Vec<String> = (0..600).map(|n| format!("h{n}")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        names.answered(0, answer(&hosts, 1), now);
        let first = names.known();
        assert_eq!(first.present.len(), MOST_RECORDS);
        let turned: Vec<&str> = hosts.iter().rev().copied().collect();
        names.answered(0, answer(&turned, 1), now);
        assert_eq!(names.known(), first);
    }
}
