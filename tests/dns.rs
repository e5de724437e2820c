//! Brokers that a name server knows are bridged, those that it removes are let go, and while it does
//! not answer nothing changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_discovery::agent::{Agent, Discovery, Surroundings};
use ferrymq_discovery::known::Known;
use ferrymq_discovery::own::Own;
use support::{
    Ferry, NameServer, Native, PATIENCE, free_port, links, nothing_comes, numbers, text_within,
    until_linked,
};

const SERVICE: &str = "_openwire._tcp.test";

fn agent(uri: &str, seed: u64) -> Discovery {
    let (agent, _) = Agent::new(&uri.parse().unwrap()).unwrap();
    agent.start(Surroundings { own: Own::default(), seed })
}

async fn next(agent: &mut Discovery) -> Arc<Known> {
    tokio::time::timeout(PATIENCE, agent.changed()).await.expect("a change")
}

fn hosts(known: &Known) -> Vec<String> {
    let addresses = known.present.iter().flat_map(|remote| remote.addresses());
    addresses.map(|endpoint| endpoint.host.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_service_come_by_priority_and_by_lot_in_proportion_to_their_weights() {
    let server = NameServer::start();
    server.time_to_live(3600);
    let records = [(10, 30, "heavy.test", 1), (10, 10, "light.test", 2), (20, 9, "last.test", 3)];
    server.service(SERVICE, &records);
    let uri = format!("dns:({SERVICE})?server={}", server.address());
    let mut first: BTreeMap<String, u32> = BTreeMap::new();
    for seed in 0..200 {
        let known = next(&mut agent(&uri, seed)).await;
        let hosts = hosts(&known);
        assert_eq!((hosts.len(), hosts[2].as_str()), (3, "last.test"));
        *first.entry(hosts[0].clone()).or_default() += 1;
    }
    // Three of four; the seeds are always the same, so this is no matter of luck.
    assert!((130..170).contains(&first["heavy.test"]), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_asked_for_again_when_its_time_to_live_is_over() {
    let server = NameServer::start();
    server.time_to_live(1);
    server.host("brokers.test", &["127.0.0.1", "127.0.0.2"]);
    let uri = format!("dns:(brokers.test:61616)?server={}&minRefresh=10", server.address());
    let mut agent = agent(&uri, 1);
    assert_eq!(hosts(&*next(&mut agent).await).len(), 2);
    server.host("brokers.test", &["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    assert_eq!(hosts(&*next(&mut agent).await).len(), 3);
    // Of each turn the first question; the second one is for IPv6.
    let asked = server.asked("brokers.test");
    let turns: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let long = turns.iter().filter(|pause| **pause > Duration::from_millis(500)).count();
    assert!(long >= 1 && turns.len() <= 4, "asked after {turns:?}");
    assert!(
        turns.iter().all(
            |pause| *pause < Duration::from_millis(100) || *pause >= Duration::from_millis(950)
        ),
        "{turns:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_drained_and_let_go_and_a_failing_server_changes_nothing() {
    let server = NameServer::start();
    let (port, other) = (free_port(), free_port());
    // One of them is the broker that asks.
    let all = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    server.host("brokers.test", &all);
    let start = |name: &str, host: &str| Ferry::named(name).at(host, port).admin().start();
    let (b, c) = (start("b", "127.0.0.2"), start("c", "127.0.0.3"));
    let d = Ferry::named("d").at("127.0.0.1", other).start();
    let uri = format!(
        "dns:(brokers.test:{port},{SERVICE})?server={}&minRefresh=50&retryDelay=50&timeout=200",
        server.address()
    );
    server.service(SERVICE, &[(1, 1, "localhost", port), (1, 1, "localhost", other)]);
    server.host("localhost", &["127.0.0.1"]);
    let a = Ferry::named("a").at("127.0.0.1", port).network(&uri).admin().start();
    until_linked("a", PATIENCE, &["b", "c", "d"], || links(&a.admin()));
    drop(d);
    server.service(SERVICE, &[(1, 1, "localhost", port)]);
    until_linked("a", PATIENCE, &["b", "c"], || links(&a.admin()));

    let (at_a, at_c) = (Native::connect(a.url()).await, Native::connect(c.url()).await);
    let far = at_c.consumer("queue://drained").await;
    at_a.send_numbers("queue://drained", 0, 10).await;
    assert_eq!(numbers(&far, 10).await, (0..10).collect::<Vec<_>>());
    let sending = tokio::spawn(async move {
        at_a.send_numbers("queue://drained", 10, 2000).await;
        at_a
    });
    server.host("brokers.test", &["127.0.0.2", "127.0.0.1"]);
    until_linked("a", PATIENCE, &["b"], || links(&a.admin()));
    let at_a = sending.await.expect("all are sent");
    let near = at_a.consumer("queue://drained").await;
    let mut got: Vec<u32> = Vec::new();
    for consumer in [&far, &near] {
        while let Some(text) = text_within(consumer, Duration::from_secs(2)).await {
            got.push(text.parse().expect("a number"));
        }
    }
    got.sort_unstable();
    assert_eq!(got, (10..2010).collect::<Vec<_>>(), "each once, here or there");

    // The name is gone, then nobody answers: b stays, and is still served.
    server.remove("brokers.test");
    a.process.log_line("what is wrong", |line| line.contains("no such name"));
    server.silent(true);
    let asked = server.asked("brokers.test").len();
    support::until("it is asked in vain", PATIENCE, || {
        (server.asked("brokers.test").len() > asked + 2).then_some(())
    });
    until_linked("a", PATIENCE, &["b"], || links(&a.admin()));
    let at_b = Native::connect(b.url()).await;
    let far = at_b.consumer("queue://kept").await;
    at_a.send_numbers("queue://kept", 0, 1).await;
    assert_eq!(numbers(&far, 1).await, [0]);
    nothing_comes(&far).await;
    server.silent(false);
    server.host("brokers.test", &all);
    until_linked("a", PATIENCE, &["b", "c"], || links(&a.admin()));
}
