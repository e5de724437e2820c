//! What a topology file says, and what is wrong with one.

use crate::document::problem::Problems;
use crate::document::source::Source;
use crate::topology::load::load;
use crate::topology::render;
use crate::topology::spec::{Kind, Topology};

pub(super) fn source(text: &str) -> Source {
    Source::file("net.toml", text)
}

fn loaded(text: &str) -> Topology {
    load(&source(text)).unwrap()
}

pub(super) fn shown(problems: &Problems) -> Vec<String> {
    let shown = problems.0.iter().map(|problem| {
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let place = &problem.place;
        format!("{}:{}: {}{hint}", place.line, place.column, problem.what)
    });
    shown.collect()
}

const PAIR: &str =
    "[topology]\nname = \"pair\"\n[[broker]]\nname = \"london\"\n[[broker]]\nname = \"paris\"\n";

#[test]
fn a_topology_is_brokers_links_and_workloads() {
    let topology = loaded(
        r#"
[topology]
name = "two-sites"
[[broker]]
name = "london"
listen = "tcp://0.0.0.0:61617"
capacity = { messages_per_second = 80000 }
[[broker]]
name = "paris"
[[broker]]
name = "legacy"
kind = "activemq"
url = "tcp://legacy:61616?wireFormat.maxInactivityDuration=0"
[[link]]
from = "paris"
to = ["london", "legacy"]
excluded = ["queue://local.>"]
networkTTL = 3
[[link]]
from = "legacy"
to = "paris"
[[producer]]
at = "london"
to = "queue://orders"
rate = 500
size = "2KiB"
count = 10
[[consumer]]
at = "paris"
from = "topic://prices.>"
"#,
    );
    assert_eq!(topology.name, "two-sites");
    let addresses: Vec<String> =
        topology.brokers.iter().map(|broker| broker.endpoint.to_string()).collect();
    assert_eq!(
        addresses,
        [
            "tcp://0.0.0.0:61617",
            "tcp://127.0.0.1:61618",
            "tcp://legacy:61616?wireFormat.maxInactivityDuration=0"
        ]
    );
    assert_eq!(topology.brokers[0].messages_per_second, Some(80000.0));
    assert_eq!(topology.brokers[2].kind, Kind::ActiveMq);
    let connector = &topology.links[0].connector;
    assert_eq!(connector.name, "to-london-legacy");
    let remotes: Vec<String> =
        connector.remotes.endpoints().iter().map(ToString::to_string).collect();
    assert_eq!(
        remotes,
        ["tcp://127.0.0.1:61617", "tcp://legacy:61616?wireFormat.maxInactivityDuration=0"]
    );
    assert_eq!((connector.message_ttl, connector.consumer_ttl), (3, 3));
    assert_eq!(connector.excluded.len(), 1);
    // A connector of an ActiveMQ broker has ActiveMQ's default.
    assert_eq!(topology.links[1].connector.message_ttl, 1);
    let producer = &topology.producers[0];
    assert_eq!((producer.rate, producer.size, producer.count), (500.0, 2048, Some(10)));
    assert_eq!(topology.consumers[0].from.to_string(), "topic://prices.>");
    assert_eq!(render::links(&topology), ["london <-- paris", "paris  <=> legacy"]);
    assert_eq!(
        render::summary(&topology),
        "topology two-sites: 3 brokers, 2 links, 1 producer, 1 consumer"
    );
}

#[test]
fn a_group_is_brokers_with_numbers_and_its_name_means_all_of_them() {
    let topology = loaded(
        "[[broker]]\nname = \"hub\"\n[[broker_group]]\nname = \"edge\"\ncount = 3\n\
         [[link]]\nfrom = \"edge\"\nto = \"hub\"\n[[link]]\nfrom = \"hub\"\nto = \"edge\"\n\
         [[link]]\nname = \"mesh\"\nfrom = \"edge\"\nto = \"edge\"\n\
         [[consumer]]\nat = \"edge\"\nfrom = \"q\"\n[[producer]]\nat = \"edge-2\"\nto = \"q\"",
    );
    let names: Vec<&str> = topology.brokers.iter().map(|broker| broker.name.as_str()).collect();
    assert_eq!(names, ["hub", "edge-1", "edge-2", "edge-3"]);
    let links: Vec<(usize, Vec<usize>)> = topology
        .links
        .iter()
        .map(|link| (link.from.0, link.to.iter().map(|to| to.0).collect()))
        .collect();
    assert_eq!(
        links,
        [
            (1, vec![0]),
            (2, vec![0]),
            (3, vec![0]),
            (0, vec![1, 2, 3]),
            (1, vec![2, 3]),
            (2, vec![1, 3]),
            (3, vec![1, 2]),
        ]
    );
    assert_eq!(topology.consumers.len(), 3);
    assert_eq!(topology.producers[0].at.0, 2);
    assert_eq!(topology.name, "net", "the file's name");
}

#[test]
fn mistakes_are_named_with_place_and_way_out() {
    let table: &[(&str, &[&str])] = &[
        (
            "[[link]]\nfrom = \"lodnon\"\nto = [\"paris\", \"rome\"]",
            &[
                "8:8: no broker is called `lodnon` (did you mean `london`?)",
                "9:16: no broker is called `rome` (brokers are london, paris)",
            ],
        ),
        (
            "[[link]]\nfrom = \"london\"\nto = \"rome\"",
            &["9:6: no broker is called `rome` (brokers are london, paris)"],
        ),
        (
            "[[link]]\nfrom = \"london\"\nto = \"paris\"\nlatency = \"12ms\"",
            &[
                "10:1: `latency` cannot be used: it models a link for simulation, which is not supported yet",
            ],
        ),
        (
            "[[link]]\nfrom = \"london\"\nto = \"paris\"\nuseCompression = true",
            &["10:1: `useCompression` cannot be used: bodies cross as they are"],
        ),
        (
            "[[link]]\nfrom = \"london\"\nto = \"london\"",
            &["9:6: the link leads from `london` to itself"],
        ),
        (
            "[[link]]\nfrom = \"london\"\nto = [\"paris\", \"paris\"]",
            &["9:16: `paris` is in the list twice"],
        ),
        (
            "[[link]]\nfrom = \"london\"\nto = \"paris\"\n[[link]]\nfrom = \"london\"\nto = \"paris\"",
            &[
                "10:1: `london` has a link called `to-paris` already (give each link of a broker its own `name`)",
            ],
        ),
        (
            "[[broker]]\nname = \"paris\"",
            &["8:8: a second broker is called `paris` (names are unique in a network)"],
        ),
        (
            "[[broker]]\nname = \"a\"\nlisten = \"tcp://127.0.0.1:7000\"\n[[broker]]\nname = \"b\"\nlisten = \"tcp://0.0.0.0:7000\"",
            &["12:10: `a` has this address, too (give each its own port)"],
        ),
        (
            "[[broker]]\nname = \"a\"\nlisten = \"tcp://127.0.0.1:0\"",
            &[
                "9:10: the links of a topology need a port that is known beforehand (leave out `listen` for the next free one)",
            ],
        ),
        (
            "[[broker]]\nname = \"a\"\nlisten = \"ssl://127.0.0.1:7000\"",
            &["9:11: `ssl` is nothing to listen on yet (write tcp://127.0.0.1:7000)"],
        ),
        (
            "[[broker]]\nname = \"a\"\nkind = \"activemq\"",
            &["8:8: `url` is missing: where is `a` reached? (write `url = \"tcp://HOST:PORT\"`)"],
        ),
        (
            "[[broker]]\nname = \"a\"\nkind = \"activmq\"",
            &["9:9: unknown kind of broker `activmq` (did you mean `activemq`?)"],
        ),
        (
            "[[broker_group]]\nname = \"edge\"\ncount = 0",
            &["9:9: a group has from 1 to 2000 brokers"],
        ),
        (
            "[[producer]]\nat = \"paris\"\nto = \"queue://orders.>\"\nrate = 0",
            &[
                "9:22: `>` is for consumers (a producer sends to one destination)",
                "10:8: expected messages per second: a number above 0, at most 10 million",
            ],
        ),
        (
            "[[producer]]\nat = \"paris\"\nto = \"queue://a\"\nsize = 100",
            &["10:8: a size needs a unit (did you mean \"100B\" or \"100MiB\"?)"],
        ),
        (
            "[[consumer]]\nat = \"paris\"\nfrom = \"quue://a\"",
            &["9:9: `quue://` is no kind of destination; did you mean `queue://`?"],
        ),
        (
            "[[client]]\nfailover = \"x\"\n[[fault]]\nat = \"1s\"\n[[links]]\n",
            &[
                "7:3: `client` cannot be used: clients that fail over from broker to broker are not supported yet",
                "9:3: `fault` cannot be used: faults are for simulation, which is not supported yet",
                "11:3: unknown table `links` (did you mean `link`?)",
            ],
        ),
    ];
    for (text, expected) in table {
        let problems = load(&source(&format!("{PAIR}{text}"))).unwrap_err();
        assert_eq!(shown(&problems), *expected, "of {text}");
    }
}
