//! What `check` finds in a topology that could be started.

use super::loading::source;
use crate::document::problem::Severity;
use crate::topology::check::check;
use crate::topology::load::load;

/// `error 7: what (hint)`, with the line.
fn findings(text: &str) -> Vec<String> {
    let source = source(text);
    let topology = load(&source).unwrap();
    let found = check(&topology, &source).into_iter().map(|problem| {
        let hint = problem.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{} {}: {}{hint}", problem.severity, problem.place.line, problem.what)
    });
    found.collect()
}

fn brokers(names: &[&str]) -> String {
    names.iter().map(|name| format!("[[broker]]\nname = \"{name}\"\n")).collect()
}

fn link(from: &str, to: &str, more: &str) -> String {
    format!("[[link]]\nfrom = \"{from}\"\nto = \"{to}\"\n{more}\n")
}

fn both(one: &str, other: &str) -> String {
    link(one, other, "") + &link(other, one, "")
}

fn work(from: &str, to: &str, destination: &str) -> String {
    format!(
        "[[producer]]\nat = \"{from}\"\nto = \"{destination}\"\n\
         [[consumer]]\nat = \"{to}\"\nfrom = \"{destination}\"\n"
    )
}

#[test]
fn nothing_is_wrong_with_two_brokers_that_are_linked_both_ways() {
    let text = brokers(&["a", "b"]) + &both("a", "b") + &work("a", "b", "queue://q");
    assert_eq!(findings(&text), [""; 0]);
}

#[test]
fn a_consumer_that_no_link_leads_to() {
    let text = brokers(&["a", "b"]) + &link("b", "a", "") + &work("a", "b", "queue://q");
    assert_eq!(
        findings(&text),
        ["error 12: queue://q from `a` does not reach the consumer on `b` \
          (links lead only from `b` to `a`, and a link carries messages from its `from` to its `to`)"]
    );
    let text = brokers(&["a", "b", "c"]) + &both("a", "c") + &work("a", "b", "topic://t");
    assert_eq!(
        findings(&text),
        [
            "warning 4: no link has anything to do with `b`",
            "error 18: topic://t from `a` does not reach the consumer on `b` (no links lead from `a` to `b`)",
        ]
    );
}

#[test]
fn filters_and_hop_limits_are_named_at_their_link() {
    let filtered = brokers(&["a", "b"])
        + &link("a", "b", "excluded = [\"queue://local.>\"]")
        + &link("b", "a", "")
        + &work("a", "b", "queue://local.x");
    assert_eq!(
        findings(&filtered),
        ["error 5: queue://local.x from `a` does not reach the consumer on `b` \
          (link `to-b` of `a` keeps it out: `excluded` has `queue://local.>`)"]
    );
    let not_included = filtered.replace("excluded", "dynamically_included").replace("local.x", "x");
    assert_eq!(
        findings(&not_included),
        ["error 5: queue://x from `a` does not reach the consumer on `b` \
          (link `to-b` of `a` keeps it out: `dynamically_included` does not have it)"]
    );
    let limited = brokers(&["a", "b", "c"])
        + &link("a", "b", "network_ttl = 1")
        + &link("b", "c", "network_ttl = 1")
        + &both("c", "a")
        + &work("b", "a", "queue://back")
        + &work("a", "c", "queue://q").replace("\"a\"", "\"b\"");
    // b - c - a has one hop too many for demand: a's consumer is two hops from b.
    assert_eq!(
        findings(&limited.replace("[[consumer]]\nat = \"c\"", "[[consumer]]\nat = \"b\"")),
        ["error 11: queue://back from `b` does not reach the consumer on `a` \
             (link `to-c` of `b` ignores demand that is 1 hops away: `consumer_ttl` is 1, and has to be at least 2)",]
    );
}

#[test]
fn a_queue_with_another_consumer_is_only_doubtful() {
    let text = brokers(&["a", "b"])
        + &link("b", "a", "")
        + &work("a", "b", "queue://q")
        + "[[consumer]]\nat = \"a\"\nfrom = \"queue://>\"\n";
    let found = findings(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("warning 12: queue://q from `a` does not reach"), "{found:?}");
}

#[test]
fn replies_need_a_way_back() {
    let text = brokers(&["a", "b"]) + &link("a", "b", "") + &work("a", "b", "queue://q");
    assert_eq!(
        findings(&text),
        ["warning 9: requests from `a` to `b` would get no reply \
          (links lead only from `a` to `b`, and a link carries messages from its `from` to its `to`)"]
    );
    let shut = text + &link("b", "a", "bridge_temp_destinations = false");
    assert_eq!(
        findings(&shut),
        ["warning 15: requests from `a` to `b` would get no reply \
          (link `to-a` of `b` keeps it out: `bridge_temp_destinations` is false)"]
    );
}

#[test]
fn a_broker_that_everything_passes_is_a_single_point_of_failure() {
    let star = brokers(&["hub", "a", "b"])
        + &both("a", "hub")
        + &both("b", "hub")
        + &work("a", "b", "queue://q")
        + &work("b", "a", "topic://t");
    assert_eq!(
        findings(&star),
        ["warning 2: `hub` is a single point of failure \
          (without it queue://q does not get from `a` to `b`, and another way is cut)"]
    );
    let ring = star + &both("a", "b");
    assert_eq!(findings(&ring), [""; 0]);
}

#[test]
fn rates_are_compared_with_what_brokers_and_consumers_can() {
    let text = brokers(&["a", "b"])
        .replace("name = \"b\"", "name = \"b\"\ncapacity = { messages_per_second = 150 }")
        + &both("a", "b")
        + &work("a", "b", "queue://q").replace("queue://q\"\n[[", "queue://q\"\nrate = 200\n[[")
        + "rate = 100\n";
    assert_eq!(
        findings(&text),
        [
            "warning 4: `b` would carry more than it can (about 200 messages a second pass it, it can 150)",
            "warning 14: queue://q grows without end (200 messages a second are sent, 100 are consumed)",
        ]
    );
}

#[test]
fn a_destination_that_only_one_side_knows_is_probably_misspelt() {
    let text = brokers(&["a", "b"])
        + &both("a", "b")
        + &work("a", "b", "queue://orders")
            .replace("from = \"queue://orders", "from = \"queue://order");
    assert_eq!(
        findings(&text),
        [
            "warning 13: nobody consumes queue://orders (a consumer wants `queue://order`)",
            "warning 16: nothing is sent to queue://order",
        ]
    );
}

#[test]
fn findings_of_a_large_group_are_counted() {
    let text = "[[broker]]\nname = \"hub\"\n[[broker_group]]\nname = \"edge\"\ncount = 50\n"
        .to_owned()
        + &link("edge", "hub", "")
        + "[[producer]]\nat = \"hub\"\nto = \"topic://t\"\n[[consumer]]\nat = \"edge\"\nfrom = \"topic://t\"\n";
    let found = findings(&text);
    assert_eq!(found.len(), 5, "{found:#?}");
    assert!(found.iter().all(|finding| finding.starts_with("error 13: ")));
    assert_eq!(found[4], "error 13: 46 more like this");
}

#[test]
fn a_large_mesh_is_checked_quickly() {
    let text = "[[broker_group]]\nname = \"m\"\ncount = 120\n[[link]]\nfrom = \"m\"\nto = \"m\"\nnetwork_ttl = 2\n\
         [[producer]]\nat = \"m-1\"\nto = \"topic://t\"\n[[consumer]]\nat = \"m\"\nfrom = \"topic://t\"\n";
    let source = source(text);
    let topology = load(&source).unwrap();
    let errors = check(&topology, &source);
    assert!(errors.iter().all(|problem| problem.severity == Severity::Warning), "{errors:?}");
}
