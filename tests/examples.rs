//! The examples show every way to find a broker, with every option, and all of them are in order.
//! (That the configurations and topologies pass `ferrymq check` is tried in `command_line.rs`.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use ferrymq_client::failover::{FAILOVER_OPTIONS, FailoverList};
use ferrymq_discovery::agent::FINDING;
use ferrymq_discovery::multicast::{ANNOUNCE_OPTIONS, LISTEN_OPTIONS};
use ferrymq_discovery::{dns, file, http};
use ferrymq_network::discovery::redial::REDIAL_OPTIONS;
use ferrymq_transport::uri::Uri;

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn client_urls() -> Vec<String> {
    let text = std::fs::read_to_string(examples().join("client-urls.txt")).expect("a text");
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn every_address_for_clients_is_accepted() {
    let mut agents = Vec::new();
    let urls = client_urls();
    for url in &urls {
        match url.parse().unwrap_or_else(|error| panic!("{error}")) {
            Uri::Endpoint(endpoint) => assert_eq!(endpoint.scheme, "tcp"),
            Uri::Composite(list) => {
                let list = FailoverList::new(&list).unwrap_or_else(|error| panic!("{error}"));
                agents.extend(list.agents.iter().map(|agent| agent.title()));
            }
        }
    }
    for scheme in FINDING {
        assert!(agents.contains(&scheme), "no address for clients has {scheme}:");
    }
}

#[test]
fn every_option_of_every_agent_is_shown() {
    let mut shown = client_urls().join("\n");
    for entry in std::fs::read_dir(examples()).expect("the examples are there") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            shown.push_str(&std::fs::read_to_string(path).expect("a text"));
        }
    }
    let all = [
        FAILOVER_OPTIONS,
        ANNOUNCE_OPTIONS,
        LISTEN_OPTIONS,
        dns::OPTIONS,
        file::OPTIONS,
        http::OPTIONS,
        REDIAL_OPTIONS,
    ];
    for option in all.into_iter().flatten() {
        let written = |mark: &str| shown.contains(&format!("{mark}{}=", option.name));
        assert!(written("?") || written("&"), "no example shows {}", option.name);
    }
    for scheme in FINDING {
        assert!(shown.contains(&format!("uri = \"{scheme}:")), "no connector uses {scheme}:");
    }
}
