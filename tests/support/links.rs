//! The links of a broker, as its admin API shows them.

use std::time::Duration;

use serde_json::Value;

use super::http::get;
use super::wait::until;

/// Where links lead, by whether they are live.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Links {
    pub live: Vec<String>,
    pub down: Vec<String>,
}

/// The links of the broker whose admin API is at `admin`, by the names of their remote brokers, or by
/// their addresses while nobody has answered there.
pub fn links(admin: &str) -> Links {
    links_of(&get(admin, "/api/v1/links").json())
}

/// The same from an answer of the admin API.
pub fn links_of(answer: &Value) -> Links {
    let mut links = Links::default();
    for link in answer["links"].as_array().expect("a list of links") {
        let name = link["remote_broker"]["name"].as_str().or(link["remote_uri"].as_str());
        let name = name.expect("a broker or an address").to_owned();
        if link["state"] == "live" { &mut links.live } else { &mut links.down }.push(name);
    }
    links.live.sort();
    links.down.sort();
    links
}

/// Waits until a broker has live links to exactly these, and no others.
pub fn until_linked(who: &str, within: Duration, wanted: &[&str], ask: impl Fn() -> Links) {
    let live = wanted.iter().map(|name| (*name).to_owned()).collect();
    let wanted = Links { live, down: Vec::new() };
    until(&format!("{who} is linked to {wanted:?}"), within, || (ask() == wanted).then_some(()));
}
