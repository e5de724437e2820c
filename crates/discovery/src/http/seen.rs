//! Who is there, from what registries answer: a plain machine, told answers and the time.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::Options;
use tokio::time::Instant;

use crate::found::dialled;
use crate::known::{Absent, Known, Remote};
use crate::own::Own;

/// Brokers that are known at a time; more are left out.
pub(super) const MOST_SERVICES: usize = 1024;

/// The brokers that some registry names, and when one last did.
#[derive(Debug)]
pub(super) struct Seen {
    own: Own,
    discovered: Options,
    /// For so long a broker stays that no registry names any more: one that has just started anew
    /// knows nobody until all have registered again.
    kept: Duration,
    services: BTreeMap<String, (Endpoint, Instant)>,
}

impl Seen {
    pub(super) fn new(own: Own, discovered: Options, update_interval: Duration) -> Self {
        Self { own, discovered, kept: update_interval * 3 / 2, services: BTreeMap::new() }
    }

    /// Takes in what all registries that answered have said, of one turn. Without any, nothing
    /// changes.
    pub(super) fn take_in(
        &mut self,
        answers: &[String],
        is_local: impl Fn(std::net::IpAddr) -> bool,
        now: Instant,
    ) {
        if answers.is_empty() {
            return;
        }
        for line in answers.iter().flat_map(|answer| answer.lines()) {
            let Ok(endpoint) = dialled(line.trim(), &self.discovered) else { continue };
            let key = endpoint.bare().to_string();
            if let Some((_, named)) = self.services.get_mut(&key) {
                *named = now;
            } else if self.services.len() < MOST_SERVICES
                && !self.own.includes(&endpoint, &is_local)
            {
                self.services.insert(key, (endpoint, now));
            }
        }
        let kept = self.kept;
        self.services.retain(|_, (_, named)| now.saturating_duration_since(*named) < kept);
    }

    /// Who is there now.
    pub(super) fn known(&self) -> Known {
        Known {
            present: self.services.values().map(|(found, _)| Remote::at(found.clone())).collect(),
            absent: Absent::Silent { gone: Vec::new() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_any_registry_names_is_there_and_a_registry_that_forgot_all_takes_nobody_away() {
        let interval = Duration::from_secs(10);
        let own = Own::new(vec!["tcp://127.0.0.1:9".parse().unwrap()]);
        let mut seen = Seen::new(own, Options::new(), interval);
        let start = Instant::now();
        let mut turn = |number: u32, answers: &[&str]| {
            let answers: Vec<String> = answers.iter().map(|text| (*text).to_owned()).collect();
            seen.take_in(&answers, |address| address.is_loopback(), start + interval * number);
            let present = seen.known().present;
            present.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let both = "tcp://a:1 tcp://b:1";
        assert_eq!(turn(0, &["tcp://a:1\r\ntcp://127.0.0.1:9\n", "tcp://b:1\nrubbish\n\n"]), both);
        assert_eq!(turn(1, &[]), both, "nobody answers");
        assert_eq!(turn(2, &["tcp://a:1\ntcp://b:1", ""]), both, "one was started anew");
        assert_eq!(turn(3, &[""]), both, "the other one, too");
        assert_eq!(turn(4, &["tcp://b:1"]), "tcp://b:1", "a does not register any more");
        let many: String = (0..3000).map(|number| format!("tcp://h{number}:1\n")).collect();
        assert_eq!(turn(5, &[&many]).split(' ').count(), MOST_SERVICES);
    }
}
