//! Three brokers in a line, A, B and C, of mixed kinds, joined by one-way connectors in both directions
//! or by duplex ones: what is sent at one end comes to the other, by way of the middle, and what a
//! consumer leaves behind comes back. Each promise is also run with ActiveMQ brokers only: that proves
//! the expectation itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use support::{ActiveMq, Deadline, Ferry, Jms, Kind, PATIENCE, Subject, free_port, get, until};

use Kind::{ActiveMq as Active, Ferry as Ferrymq};

/// How the brokers are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    /// Two one-way connectors between neighbours.
    OneWay,
    /// A dials B and B dials C: the one in the middle has both roles.
    Duplex,
}

/// What the ActiveMQ brokers are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Options {
    /// Nothing: one hop, nothing goes back.
    Defaults,
    /// What ActiveMQ's guide says of networks: hops enough, and what was carried to where nobody is
    /// left may go back, for which the audit must be off.
    OfTheGuide,
}

/// Three brokers and a JMS client with a connection to each.
struct Line {
    brokers: Vec<Subject>,
    jms: Jms,
}

const NAMES: [&str; 3] = ["A", "B", "C"];

impl Line {
    fn start(kinds: [Kind; 3], links: Links, options: Options) -> Self {
        let ports: Vec<u16> = kinds.iter().map(|_| free_port()).collect();
        let brokers = (0..3).map(|at| {
            let before = (links == Links::OneWay && at > 0).then(|| at - 1);
            let after = (at < 2).then_some(at + 1);
            let dialled = before.into_iter().chain(after);
            let urls: Vec<String> =
                dialled.map(|to| format!("tcp://127.0.0.1:{}", ports[to])).collect();
            let duplex = links == Links::Duplex;
            match kinds[at] {
                Kind::Ferry => Subject::Ferry(ferry(at, ports[at], &urls, duplex)),
                Kind::ActiveMq => {
                    Subject::ActiveMq(activemq(at, ports[at], &urls, duplex, options))
                }
            }
        });
        let brokers: Vec<Subject> = brokers.collect();
        let mut jms = Jms::start();
        for (broker, name) in brokers.iter().zip(NAMES) {
            jms.connect(name, broker.url(), "auto");
        }
        let mut line = Self { brokers, jms };
        for (from, to) in [("A", "B"), ("B", "A"), ("B", "C"), ("C", "B")] {
            line.bridged(from, to);
        }
        line
    }

    /// Waits until a bridge runs, by sending to a queue of its own that has a consumer beyond it.
    fn bridged(&mut self, from: &str, to: &str) {
        let queue = format!("queue://bridged.{from}.{to}");
        self.jms.consume("k bridged", to, &queue);
        self.jms.produce("p bridged", from, &queue, false);
        self.jms.send_text("p bridged", from, "across");
        assert_eq!(self.jms.receive_within("k bridged", PATIENCE)["body"], "across");
        self.jms.close("k bridged");
    }

    fn queues_keep_their_order(&mut self) {
        let jms = &mut self.jms;
        for (from, to) in [("A", "C"), ("C", "A")] {
            for persistent in [true, false] {
                let queue = format!("queue://work.{from}.{persistent}");
                jms.consume("k", to, &queue);
                jms.produce("p", from, &queue, persistent);
                jms.send_many("p", from, 0, 1_000);
                jms.receive_run("k", 0, 1_000);
                jms.nothing_comes("k");
                jms.close("k");
            }
        }
    }

    fn topics_keep_their_order(&mut self) {
        let jms = &mut self.jms;
        for (from, to) in [("A", "C"), ("C", "A")] {
            let topic = format!("topic://news.{from}");
            jms.consume("k", to, &topic);
            jms.consume("k near", "B", &topic);
            jms.produce("p", from, &topic, false);
            for consumer in ["k", "k near"] {
                until("demand for the topic has travelled", PATIENCE, || {
                    jms.send_text("p", from, "is anybody there?");
                    let came = jms.receive_within(consumer, Duration::from_millis(200));
                    (!came.is_null()).then_some(())
                });
            }
            jms.send_text("p", from, "the last question");
            for consumer in ["k", "k near"] {
                while jms.receive_text(consumer) != "the last question" {}
            }
            jms.send_many("p", from, 0, 1_000);
            for consumer in ["k", "k near"] {
                jms.receive_run(consumer, 0, 1_000);
                jms.nothing_comes(consumer);
                jms.close(consumer);
            }
        }
    }

    fn a_durable_subscriber_misses_nothing_while_it_is_away(&mut self) {
        let jms = &mut self.jms;
        let (topic, url) = ("topic://chronicle", self.brokers[2].url().to_owned());
        let away = json!({"as": "away", "url": url, "client_id": "away"});
        jms.connect_with(away.clone(), "auto");
        jms.subscribe("k", "away", "sub", topic);
        jms.produce("p", "A", topic, true);
        until("demand has travelled", PATIENCE, || {
            jms.send_text("p", "A", "is anybody there?");
            let came = jms.receive_within("k", Duration::from_millis(200));
            (!came.is_null()).then_some(())
        });
        jms.send_text("p", "A", "the last question");
        while jms.receive_text("k") != "the last question" {}
        jms.close("away");
        jms.send_many("p", "A", 0, 500);
        jms.connect_with(away, "auto");
        jms.subscribe("k", "away", "sub", topic);
        jms.receive_run("k", 0, 500);
        jms.close("k");
        jms.unsubscribe("away", "sub");
        jms.close("away");
    }

    fn questions_are_answered(&mut self) {
        let jms = &mut self.jms;
        for (from, to) in [(0, 2), (2, 0)] {
            let (asks, service) = (NAMES[from], format!("queue://service.{to}"));
            jms.connect("server", self.brokers[to].url(), "auto");
            jms.call(json!({
                "op": "respond", "on": "server.s", "connection": "server", "from": service
            }));
            let session = format!("{asks}.s");
            jms.call(json!({"op": "temporary_queue", "as": "replies", "on": session}));
            jms.consume("k", asks, "replies");
            jms.produce("p", asks, &service, false);
            jms.until_answered("p", asks, "replies", "k");
            for number in 0..20 {
                let body = format!("question {number}");
                let id = jms.ask("p", asks, "replies", &body);
                let reply = jms.receive("k");
                assert_eq!((&reply["body"], &reply["correlation_id"]), (&body.into(), &id));
            }
            jms.close("server");
            jms.close("k");
        }
    }

    /// A consumer at C takes some and leaves; one at A gets the rest.
    fn what_a_consumer_leaves_behind_comes_back(&mut self) {
        const MESSAGES: u32 = 200;
        let jms = &mut self.jms;
        let queue = "queue://orders";
        jms.produce("p", "A", queue, true);
        jms.send_many("p", "A", 0, MESSAGES);
        jms.connect("guest", self.brokers[2].url(), "auto");
        jms.consume("k", "guest", queue);
        let mut seen = BTreeSet::new();
        for _ in 0..20 {
            seen.insert(jms.receive("k")["id"].to_string());
        }
        jms.close("guest");
        jms.consume("k", "A", queue);
        let deadline = Deadline::after(2 * PATIENCE);
        let mut again = 0;
        while seen.len() < MESSAGES as usize {
            assert!(!deadline.passed(), "{} of {MESSAGES} came", seen.len());
            let message = jms.receive_within("k", Duration::from_millis(500));
            if !message.is_null() {
                let new = seen.insert(message["id"].to_string());
                again += u32::from(!new);
            }
        }
        assert_eq!(again, 0);
        jms.close("k");
    }
}

fn ferry(at: usize, port: u16, dials: &[String], duplex: bool) -> Ferry {
    let connectors = dials.iter().enumerate().map(|(number, url)| {
        format!(
            "[[network_connector]]\nname = \"c{number}\"\nduplex = {duplex}\n\
             uri = \"static:({url})?initialReconnectDelay=50&maxReconnectDelay=100\"\n"
        )
    });
    let setup = Ferry::named(NAMES[at]).port(port).admin();
    connectors.fold(setup, |setup, connector| setup.configure(&connector)).start()
}

fn activemq(at: usize, port: u16, dials: &[String], duplex: bool, options: Options) -> ActiveMq {
    let mut setup = ActiveMq::named(NAMES[at]).port(port);
    for url in dials {
        setup = setup.connect(url).flag("--duplex", &duplex.to_string());
        if options == Options::OfTheGuide {
            setup = setup.flag("--ttl", "3").flag("--decrease-priority", "true");
        }
    }
    if options == Options::OfTheGuide {
        setup = setup.flag("--replay", "true").flag("--audit", "false");
    }
    setup.start()
}

macro_rules! lines {
    ($($name:ident: $kinds:expr, $links:expr;)*) => {$(
        #[test]
        #[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
        fn $name() {
            let mut line = Line::start($kinds, $links, Options::OfTheGuide);
            line.queues_keep_their_order();
            line.topics_keep_their_order();
            line.a_durable_subscriber_misses_nothing_while_it_is_away();
            line.questions_are_answered();
            line.what_a_consumer_leaves_behind_comes_back();
        }
    )*};
}

lines! {
    an_activemq_in_the_middle_of_one_way_links: [Ferrymq, Active, Ferrymq], Links::OneWay;
    an_activemq_in_the_middle_of_duplex_links: [Ferrymq, Active, Ferrymq], Links::Duplex;
    a_ferrymq_in_the_middle_of_one_way_links: [Active, Ferrymq, Active], Links::OneWay;
    a_ferrymq_in_the_middle_of_duplex_links: [Active, Ferrymq, Active], Links::Duplex;
    activemq_only_over_one_way_links: [Active; 3], Links::OneWay;
    activemq_only_over_duplex_links: [Active; 3], Links::Duplex;
}

/// With ActiveMQ's default of one hop a message crosses one link of an ActiveMQ broker and no more.
/// Nothing is drawn to where it would be stranded: it waits where it was sent, for a consumer that it
/// can reach.
fn what_cannot_get_all_the_way_stays_where_it_is(kinds: [Kind; 3]) {
    let mut line = Line::start(kinds, Links::OneWay, Options::Defaults);
    let jms = &mut line.jms;
    jms.consume("far", "C", "queue://orders");
    // Demand of the neighbours has travelled when this has.
    jms.consume("near", "C", "queue://later");
    jms.produce("p later", "B", "queue://later", true);
    jms.send_many("p later", "B", 0, 1);
    jms.receive_run("near", 0, 1);
    jms.produce("p", "A", "queue://orders", true);
    jms.send_many("p", "A", 0, 100);
    jms.nothing_comes("far");
    if let Subject::Ferry(a) = &line.brokers[0] {
        let answer = get(&a.admin(), "/api/v1/explain?queue=orders").json();
        let mut considered = answer["considered"].as_array().unwrap().iter();
        let link = considered.find(|one| one["name"] == "c0 -> B").unwrap();
        assert_eq!(link["verdict"], "not_passed_on", "{link}");
    }
    jms.consume("k", "A", "queue://orders");
    jms.receive_run("k", 0, 100);
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn with_default_hops_nothing_is_stranded_at_an_activemq_in_the_middle() {
    what_cannot_get_all_the_way_stays_where_it_is([Ferrymq, Active, Ferrymq]);
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn with_default_hops_nothing_is_stranded_at_a_ferrymq_in_the_middle() {
    what_cannot_get_all_the_way_stays_where_it_is([Active, Ferrymq, Active]);
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn with_default_hops_nothing_is_stranded_between_activemq_brokers() {
    what_cannot_get_all_the_way_stays_where_it_is([Active; 3]);
}
