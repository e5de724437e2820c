//! Durable subscriptions cross bridges between FerryMQ and ActiveMQ, in either role. Each promise is
//! also run between two ActiveMQ brokers, as far as ActiveMQ keeps it: that proves the expectation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{ActiveMq, Ferry, Jms, Kind, PATIENCE, Proxy, Subject, get, until};

macro_rules! promises {
    ($($promise:ident)*) => {
        promises! { @pair ferrymq_to_ferrymq, Kind::Ferry, Kind::Ferry, $($promise)* }
        promises! { @pair activemq_to_ferrymq, Kind::ActiveMq, Kind::Ferry, $($promise)* }
        promises! { @pair ferrymq_to_activemq, Kind::Ferry, Kind::ActiveMq, $($promise)* }
        promises! { @pair activemq_to_activemq, Kind::ActiveMq, Kind::ActiveMq, $($promise)* }
    };
    (@pair $pair:ident, $a:expr, $b:expr, $($promise:ident)*) => {
        mod $pair {
            use super::support::Kind;
            $(
                #[test]
                #[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
                fn $promise() {
                    super::$promise($a, $b);
                }
            )*
        }
    };
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn demand_passes_through_an_activemq_in_the_middle_and_ends_with_it() {
    let c = Ferry::named("C").admin().start();
    let b = ActiveMq::named("B").connect(c.url()).flag("--ttl", "3").start();
    let uri = format!("static:({})?initialReconnectDelay=100&maxReconnectDelay=100", b.url());
    let a = Ferry::named("A").admin().network(&uri).start();
    let (a, c) = (Subject::Ferry(a), Subject::Ferry(c));
    let mut jms = Jms::start();
    jms.connect("sender", a.url(), "auto");
    jms.produce("p", "sender", TOPIC, true);
    let away = json!({"as": "away", "url": c.url(), "client_id": "away"});
    jms.connect_with(away.clone(), "auto");
    jms.subscribe("k", "away", "sub", TOPIC);
    kept(&a, 1);
    jms.close("away");
    jms.send_many("p", "sender", 0, 100);
    jms.connect_with(away, "auto");
    jms.subscribe("k", "away", "sub", TOPIC);
    jms.receive_run("k", 0, 100);
    jms.close("k");
    jms.unsubscribe("away", "sub");
    kept(&c, 0);
    kept(&a, 0);
}

promises! {
    a_durable_subscriber_beyond_a_bridge_misses_nothing_while_it_or_the_link_is_away
    what_was_unsubscribed_while_the_link_was_down_is_gone_when_it_is_up
    over_a_duplex_link_nothing_is_missed_in_either_direction
}

const TOPIC: &str = "topic://news";

/// Two brokers, a bridge from A to B over a wire that can fail, and clients.
struct Pair {
    a: Subject,
    b: Subject,
    wire: Proxy,
    b_url: String,
    jms: Jms,
}

impl Pair {
    fn start(a: Kind, b: Kind) -> Self {
        Self::linked(a, b, false)
    }

    fn linked(a: Kind, b: Kind, duplex: bool) -> Self {
        let b = match b {
            Kind::ActiveMq => Subject::ActiveMq(ActiveMq::named("B").start()),
            Kind::Ferry => Subject::Ferry(Ferry::named("B").admin().start()),
        };
        let b_url = b.url().to_owned();
        let port = b_url.rsplit(':').next().unwrap().parse().unwrap();
        let wire = Proxy::to(port);
        let a = match a {
            Kind::ActiveMq => {
                let setup = ActiveMq::named("A").connect(&wire.url());
                let setup = setup.flag("--include", "topic://>").flag("--sync", "true");
                let setup = setup.flag("--duplex", &duplex.to_string());
                Subject::ActiveMq(setup.start())
            }
            Kind::Ferry => {
                let uri = format!(
                    "static:({})?initialReconnectDelay=100&maxReconnectDelay=100",
                    wire.url()
                );
                let toml = format!(
                    "[[network_connector]]\nname = \"link\"\nuri = \"{uri}\"\nduplex = {duplex}"
                );
                Subject::Ferry(Ferry::named("A").admin().configure(&toml).start())
            }
        };
        let mut jms = Jms::start();
        jms.connect("sender", a.url(), "auto");
        jms.produce("p", "sender", TOPIC, true);
        Self { a, b, wire, b_url, jms }
    }

    /// The durable subscriber at B takes up its subscription.
    fn come(&mut self) {
        let call = json!({"as": "away", "url": self.b_url, "client_id": "away"});
        self.jms.connect_with(call, "auto");
        self.jms.subscribe("k", "away", "sub", TOPIC);
    }

    fn leave(&mut self) {
        self.jms.close("away");
    }

    fn send(&mut self, first: u32, count: u32) {
        self.jms.send_many("p", "sender", first, count);
    }

    /// Sends at A until something comes to the subscriber, which is there.
    fn established(&mut self) {
        until("demand crosses", PATIENCE, || {
            self.jms.send_many("p", "sender", 1_000_000, 1);
            let came = self.jms.receive_within("k", Duration::from_millis(100));
            (!came.is_null()).then_some(())
        });
        while !self.jms.receive_within("k", Duration::from_millis(300)).is_null() {}
    }

    fn outage(&mut self, meanwhile: impl FnOnce(&mut Self)) {
        let before = self.wire.accepted();
        self.wire.go_down();
        meanwhile(self);
        self.wire.come_up();
        self.wire.accepts_another(before);
    }

    fn kept(&self, subscriptions: usize) {
        kept(&self.a, subscriptions);
    }
}

/// Waits until a broker has this many durable subscriptions; an ActiveMQ cannot be seen into.
fn kept(broker: &Subject, subscriptions: usize) {
    if let Subject::Ferry(broker) = broker {
        until("durable subscriptions", PATIENCE, || {
            let all = get(&broker.admin(), "/api/v1/subscriptions").json();
            (all["total"] == subscriptions).then_some(())
        });
    }
}

fn a_durable_subscriber_beyond_a_bridge_misses_nothing_while_it_or_the_link_is_away(
    a: Kind,
    b: Kind,
) {
    let mut pair = Pair::start(a, b);
    pair.come();
    pair.established();
    pair.kept(1);
    pair.leave();
    pair.send(0, 100);
    pair.come();
    pair.jms.receive_run("k", 0, 100);
    pair.outage(|pair| pair.send(100, 100));
    pair.jms.receive_run("k", 100, 100);
    pair.leave();
    pair.outage(|pair| pair.send(200, 100));
    pair.come();
    pair.jms.receive_run("k", 200, 100);
    pair.jms.nothing_comes("k");
    pair.kept(1);
    pair.jms.close("k");
    pair.jms.unsubscribe("away", "sub");
    pair.kept(0);
}

fn what_was_unsubscribed_while_the_link_was_down_is_gone_when_it_is_up(a: Kind, b: Kind) {
    let mut pair = Pair::start(a, b);
    pair.come();
    pair.established();
    pair.jms.close("k");
    pair.outage(|pair| {
        pair.send(0, 10);
        pair.jms.unsubscribe("away", "sub");
    });
    pair.kept(0);
    // What A kept for the former subscription does not come to one of the same name.
    pair.leave();
    pair.come();
    pair.established();
    pair.send(10, 10);
    pair.jms.receive_run("k", 10, 10);
}

fn over_a_duplex_link_nothing_is_missed_in_either_direction(a: Kind, b: Kind) {
    let mut pair = Pair::linked(a, b, true);
    pair.come();
    pair.established();
    // The same the other way: a subscriber at A, and a sender at B.
    let (url_a, url_b) = (pair.a.url().to_owned(), pair.b_url.clone());
    let back = json!({"as": "back", "url": url_a, "client_id": "back"});
    pair.jms.connect_with(back.clone(), "auto");
    pair.jms.subscribe("kb", "back", "sub", "topic://back");
    pair.jms.connect("far", &url_b, "auto");
    pair.jms.produce("pb", "far", "topic://back", true);
    until("demand crosses back", PATIENCE, || {
        pair.jms.send_many("pb", "far", 1_000_000, 1);
        let came = pair.jms.receive_within("kb", Duration::from_millis(100));
        (!came.is_null()).then_some(())
    });
    while !pair.jms.receive_within("kb", Duration::from_millis(300)).is_null() {}
    pair.leave();
    pair.jms.close("back");
    pair.outage(|pair| {
        pair.send(0, 50);
        pair.jms.send_many("pb", "far", 0, 50);
    });
    pair.come();
    pair.jms.connect_with(back, "auto");
    pair.jms.subscribe("kb", "back", "sub", "topic://back");
    pair.jms.receive_run("k", 0, 50);
    pair.jms.receive_run("kb", 0, 50);
    for consumer in ["k", "kb"] {
        pair.jms.nothing_comes(consumer);
        pair.jms.close(consumer);
    }
    pair.outage(|pair| {
        pair.jms.unsubscribe("away", "sub");
        pair.jms.unsubscribe("back", "sub");
    });
    pair.kept(0);
    kept(&pair.b, 0);
}
