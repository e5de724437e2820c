//! A JMS client with a `failover:` address goes on by itself when its broker comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::json;
use support::{Jms, Kind, PATIENCE, Subject, subjects};

fn failover(url: &str) -> String {
    format!("failover:({url})?initialReconnectDelay=50&maxReconnectDelay=50")
}

/// A broker and a JMS client with a producer `p` and a consumer `k` on one queue.
fn connected(kind: Kind, ack: &str) -> (Subject, Jms) {
    let broker = Subject::named(kind, "single").start();
    let mut jms = Jms::start();
    jms.connect("c", &failover(broker.url()), ack);
    jms.consume("k", "c", "queue://steady");
    jms.produce("p", "c", "queue://steady", true);
    (broker, jms)
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn producers_and_consumers_go_on_after_a_crash_of_the_broker() {
    for kind in subjects() {
        let (mut broker, mut jms) = connected(kind, "auto");
        for round in 0..3 {
            let body = format!("round {round}");
            jms.send_text("p", "c", &body);
            assert_eq!(jms.receive_text("k"), body);
            broker.kill();
            // Sent while there is no broker: it waits in the client.
            jms.call(json!({
                "op": "send", "on": "p", "session": "c.s", "body": "meanwhile",
                "background": "sending"
            }));
            broker.restart();
            let sent = jms.join("sending", PATIENCE);
            assert!(sent.is_ok(), "{kind:?}: {sent:?}");
            assert_eq!(jms.receive_text("k"), "meanwhile");
        }
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_temporary_queue_comes_back_with_its_owner() {
    for kind in subjects() {
        let (mut broker, mut jms) = connected(kind, "auto");
        jms.call(json!({"op": "temporary_queue", "as": "replies", "on": "c.s"}));
        jms.consume("k replies", "c", "replies");
        broker.kill();
        broker.restart();
        jms.connect("other", &failover(broker.url()), "auto");
        jms.call(json!({"op": "producer", "as": "p other", "on": "other.s"}));
        support::until("the queue is there again", PATIENCE, || {
            let send = json!({
                "op": "send", "on": "p other", "session": "other.s", "to": "replies",
                "body": "welcome back"
            });
            jms.attempt(send).ok()
        });
        assert_eq!(jms.receive_text("k replies"), "welcome back");
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn acknowledgements_of_what_the_new_broker_never_sent_do_no_harm() {
    for kind in subjects() {
        let (mut broker, mut jms) = connected(kind, "client");
        for body in ["one", "two"] {
            jms.send_text("p", "c", body);
        }
        assert_eq!(jms.receive_text("k"), "one");
        broker.kill();
        broker.restart();
        jms.acknowledge("k");
        jms.send_text("p", "c", "three");
        // "two" died with its broker, unless the client had it already.
        let mut body = jms.receive_text("k");
        if body == "two" {
            body = jms.receive_text("k");
        }
        assert_eq!(body, "three");
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_broker_that_stops_in_order_is_waited_for() {
    let (mut broker, mut jms) = connected(Kind::Ferry, "auto");
    broker.stop();
    broker.restart();
    jms.send_text("p", "c", "still here");
    assert_eq!(jms.receive_text("k"), "still here");
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_client_of_two_brokers_goes_from_one_to_the_other_as_they_die() {
    for kind in subjects() {
        let mut brokers = [Subject::named(kind, "a").start(), Subject::named(kind, "b").start()];
        let url = format!("failover:({},{})?randomize=false", brokers[0].url(), brokers[1].url());
        let mut jms = Jms::start();
        jms.connect("c", &url, "auto");
        jms.consume("k", "c", "queue://between");
        jms.produce("p", "c", "queue://between", true);
        jms.send_text("p", "c", "first");
        assert_eq!(jms.receive_text("k"), "first");
        for round in 0..6 {
            let (at, other) = (round % 2, (round + 1) % 2);
            brokers[at].kill();
            let body = format!("round {round}");
            let begun = tokio::time::Instant::now();
            jms.send_text("p", "c", &body);
            assert!(begun.elapsed().as_secs() < 1, "{kind:?}: {:?}", begun.elapsed());
            assert_eq!(jms.receive_text("k"), body, "{kind:?}, from {}", brokers[other].url());
            brokers[at].restart();
        }
    }
}

/// Two brokers that bridge to each other and guide their clients.
fn guiding() -> [support::Ferry; 2] {
    let ports = [support::free_port(), support::free_port()];
    [("a", ports[0], ports[1]), ("b", ports[1], ports[0])].map(|(name, own, other)| {
        support::Ferry::named(name)
            .configured(&format!(
                "[[transport_connector]]\nuri = \"tcp://127.0.0.1:{own}\"\n\
                 update_cluster_clients = true\nrebalance_cluster_clients = true\n\
                 [[network_connector]]\nname = \"to-other\"\nuri = \
                 \"static:(tcp://127.0.0.1:{other})?initialReconnectDelay=100\""
            ))
            .admin()
            .start()
    })
}

fn clients(broker: &support::Ferry) -> u64 {
    support::get(&broker.admin(), "/api/v1/cluster").json()["clients"].as_u64().unwrap()
}

fn know_each_other(brokers: &[support::Ferry; 2]) {
    for broker in brokers {
        support::until("the other broker is known", PATIENCE, || {
            let cluster = support::get(&broker.admin(), "/api/v1/cluster").json();
            (cluster["brokers"][0]["balances"] == true).then_some(())
        });
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_client_that_knows_one_broker_is_handed_over_to_the_other_when_it_stops() {
    let [a, b] = guiding();
    let brokers = [a, b];
    know_each_other(&brokers);
    let mut jms = Jms::start();
    jms.connect("c", &failover(brokers[0].url()), "auto");
    jms.consume("k", "c", "queue://handed");
    jms.produce("p", "c", "queue://handed", true);
    jms.send_text("p", "c", "before");
    assert_eq!(jms.receive_text("k"), "before");
    let [a, b] = brokers;
    a.terminate();
    support::until("the client is there", PATIENCE, || (clients(&b) == 1).then_some(()));
    jms.send_text("p", "c", "after");
    assert_eq!(jms.receive_text("k"), "after");
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn clients_of_a_broker_that_has_too_many_go_to_one_that_has_none() {
    let brokers = guiding();
    know_each_other(&brokers);
    let mut jms = Jms::start();
    for number in 0..8 {
        jms.connect(&format!("c{number}"), &failover(brokers[0].url()), "auto");
    }
    support::until("they are even", PATIENCE, || {
        (clients(&brokers[0]) == 4 && clients(&brokers[1]) == 4).then_some(())
    });
    for number in 0..8 {
        let (connection, producer) = (format!("c{number}"), format!("p{number}"));
        jms.produce(&producer, &connection, "queue://evened", true);
        jms.send_text(&producer, &connection, "still here");
    }
    jms.consume("k", "c0", "queue://evened");
    for _ in 0..8 {
        assert_eq!(jms.receive_text("k"), "still here");
    }
}

/// How often a broker is killed; more with FERRYMQ_FAILOVER_ROUNDS.
fn rounds() -> usize {
    let asked = std::env::var("FERRYMQ_FAILOVER_ROUNDS").ok();
    asked.map_or(4, |rounds| rounds.parse().expect("a number of rounds"))
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_brokers_confirmed_that_keep_messages_outlives_their_kills() {
    let keeping = |name: &str| {
        let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("jms-failover-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let table = format!("[broker]\ndata_dir = \"{}\"", folder.display());
        support::Ferry::named(name).configure(&table).start()
    };
    let mut brokers = [keeping("a"), keeping("b")];
    let urls = [brokers[0].url().to_owned(), brokers[1].url().to_owned()];
    let mut jms = Jms::start();
    let list = format!("failover:({},{})?randomize=false", urls[0], urls[1]);
    jms.connect("c", &list, "auto");
    jms.produce("p", "c", "queue://kept", true);
    let (over, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let (mut sent, mut longest) = (0, std::time::Duration::ZERO);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..rounds() {
                let broker = &mut brokers[round % 2];
                let goal = count.load(Ordering::Relaxed) + 40;
                support::until("messages flow", PATIENCE, || {
                    (count.load(Ordering::Relaxed) >= goal).then_some(())
                });
                broker.process.kill();
                broker.restart();
            }
            over.store(true, Ordering::Relaxed);
        });
        // One is always there, or was a moment ago.
        while !over.load(Ordering::Relaxed) {
            let begun = tokio::time::Instant::now();
            jms.send_text("p", "c", &sent.to_string());
            longest = longest.max(begun.elapsed());
            sent += 1;
            count.store(sent, Ordering::Relaxed);
        }
    });
    // Each broker has what it confirmed; what one of them did not, the other may have, too.
    let mut counts = std::collections::BTreeMap::<u32, u32>::new();
    for (number, url) in urls.iter().enumerate() {
        let connection = format!("r{number}");
        jms.connect(&connection, url, "auto");
        jms.consume(&format!("k{number}"), &connection, "queue://kept");
        loop {
            let patience = std::time::Duration::from_millis(700);
            let message = jms.receive_within(&format!("k{number}"), patience);
            let Some(body) = message["body"].as_str() else { break };
            *counts.entry(body.parse().expect("a number")).or_default() += 1;
        }
    }
    let lost: Vec<u32> = (0..sent).filter(|number| !counts.contains_key(number)).collect();
    let doubled = counts.values().filter(|count| **count > 1).count();
    println!(
        "{} rounds, {sent} messages, {doubled} at both brokers, longest {longest:?}",
        rounds()
    );
    assert!(lost.is_empty(), "lost of {sent}: {lost:?}");
    assert!(doubled <= rounds(), "more than were in doubt: {doubled}");
    assert!(longest.as_secs() < 1, "a send took {longest:?}");
}
