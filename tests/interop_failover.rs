//! A JMS client that was told to fail over finds its broker again, and goes on as if nothing had
//! been.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Jms, Subject, subjects};

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn producers_and_consumers_go_on_after_their_broker_was_killed_and_came_back() {
    for kind in subjects() {
        let mut broker = Subject::named(kind, "single").start();
        let mut jms = Jms::start();
        let url = format!("failover:({})?maxReconnectDelay=200", broker.url());
        jms.connect("c", &url, "auto");
        jms.produce("p", "c", "queue://orders", true);
        jms.consume("r", "c", "queue://orders");
        jms.send_many("p", "c", 0, 10);
        jms.receive_run("r", 0, 10);
        for round in 1..=3 {
            broker.kill();
            broker.restart();
            // The first of these waits until the client has its broker back.
            jms.send_many("p", "c", round * 10, 10);
            jms.receive_run("r", round * 10, 10);
        }
        jms.nothing_comes("r");
    }
}
