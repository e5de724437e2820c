//! FerryMQ's brokers and ActiveMQ's find each other in a multicast group, on an Ethernet of the
//! test's own; and so do their clients, on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{
    ActiveMq, Ferry, Host, Jms, Lan, Links, Native, PATIENCE, ferrymq_command, links_of, numbers,
    until,
};

fn links_on(host: &Host, broker: &Ferry) -> Links {
    let admin = broker.admin();
    let asked = host.run(&ferrymq_command(&["status", "--json", "--admin", &admin])).output();
    let answer: serde_json::Value =
        serde_json::from_slice(&asked.expect("the command runs").stdout).expect("JSON");
    links_of(&answer["links"])
}

fn ferry(host: &Host, arguments: &[&str]) -> std::process::Output {
    host.run(&ferrymq_command(arguments)).output().expect("the command runs")
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_mixed_set_of_brokers_forms_a_network() {
    let Some(lan) = Lan::new(3) else { return };
    let [one, two, three] = lan.hosts() else { panic!("three hosts") };
    let find = "multicast://default?initialReconnectDelay=200";
    let start = |host: &Host, name: &str| {
        let setup = Ferry::named(name).announce("multicast://default").network(find).admin();
        setup.on(host).start()
    };
    let (a, b) = (start(one, "a"), start(two, "b"));
    let theirs = || {
        let setup = ActiveMq::named("theirs").flag("--announce", "multicast://default");
        setup.flag("--discover", "multicast://default").on(three).start()
    };
    let mut activemq = theirs();
    let both = |with: &[&str]| {
        for (host, broker, other) in [(one, &a, "b"), (two, &b, "a")] {
            let mut live = vec![other.to_owned()];
            live.extend(with.iter().map(|name| (*name).to_owned()));
            let wanted = Links { live, down: Vec::new() };
            until(&format!("linked to {wanted:?}"), PATIENCE, || {
                (links_on(host, broker) == wanted).then_some(())
            });
        }
    };
    both(&["theirs"]);
    // Both ways: what is sent at ActiveMQ reaches a consumer at FerryMQ, and the other way round.
    let urls = [(one, "tcp://127.0.0.1:61616"), (three, "tcp://10.77.0.3:61616")];
    for ((from, at), (to, there)) in [(urls[0], urls[1]), (urls[1], urls[0])] {
        let sent = ferry(from, &["send", "queue://mixed", "over the group", "--url", at]);
        assert!(sent.status.success(), "{sent:?}");
        let received = ferry(
            to,
            &["receive", "queue://mixed", "--count", "1", "--timeout", "20s", "--url", there],
        );
        let said = String::from_utf8_lossy(&received.stdout).into_owned();
        assert!(said.contains("over the group"), "{received:?}");
    }
    activemq.process.kill();
    both(&[]);
    activemq = theirs();
    both(&["theirs"]);
    drop(activemq);
}

/// A group on the loopback interface that no other run of this test hears, in Java's spelling.
fn group(name: &str) -> String {
    let id = std::process::id();
    format!("multicast://default?group={name}-{id}&networkInterface=lo&joinNetworkInterface=lo")
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_jms_client_finds_its_brokers_in_a_group() {
    let find = group("jms");
    let announce = find.replace("&joinNetworkInterface=lo", "&keepAliveInterval=100");
    let mut first = Ferry::named("first").announce(&announce).start();
    let mut jms = Jms::start();
    let options = "initialReconnectDelay=50&maxReconnectDelay=100";
    jms.connect("c", &format!("discovery:({find})?{options}"), "auto");
    jms.consume("k", "c", "queue://found");
    jms.produce("p", "c", "queue://found", true);
    jms.send_text("p", "c", "at the first");
    assert_eq!(jms.receive_text("k"), "at the first");
    first.process.kill();
    let _second = Ferry::named("second").announce(&announce).start();
    jms.send_text("p", "c", "at the second");
    assert_eq!(jms.receive_text("k"), "at the second");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn the_rust_client_finds_activemq_in_a_group() {
    let group = group("rust");
    let _theirs = ActiveMq::named("theirs").flag("--announce", &group).start();
    let native = Native::connect(&format!("discovery:({group})")).await;
    native.send_numbers("queue://found", 7, 1).await;
    let consumer = native.consumer("queue://found").await;
    assert_eq!(numbers(&consumer, 1).await, [7]);
}
