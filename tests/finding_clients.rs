//! Clients find their brokers by what a name server, a file, a registry or a multicast group tells,
//! and follow it while they run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ferrymq_client::{AckMode, ConnectOptions, Connection, ConnectionEvent, Observer};
use ferrymq_openwire::destination::Destination;
use parking_lot::Mutex;
use support::{Ended, Ferry, NameServer, Native, PATIENCE, Process, ferrymq_command, text_within};

const SERVICE: &str = "_openwire._tcp.test";

/// What happened to a connection, in words.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    fn observer(&self) -> Observer {
        let events = self.clone();
        Observer::new(move |event| {
            if !matches!(event, ConnectionEvent::Trying { .. } | ConnectionEvent::Failed { .. }) {
                events.0.lock().push(event.to_string());
            }
        })
    }

    async fn wait_for(&self, what: &str) {
        let seen = async {
            while !self.0.lock().iter().any(|event| event.contains(what)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, seen).await;
        assert!(in_time.is_ok(), "no \"{what}\" in {:?}", self.0.lock());
    }
}

async fn connect(url: &str) -> (Connection, Events) {
    let events = Events::default();
    let options = ConnectOptions::system().observer(events.observer());
    let connecting = tokio::time::timeout(PATIENCE, Connection::connect(url, options));
    let connection = connecting.await.expect("in time").expect("a broker is found");
    (connection, events)
}

async fn until_at(connection: &Connection, url: &str) {
    let there = async {
        while connection.address().as_deref() != Some(url) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, there).await;
    assert!(in_time.is_ok(), "at {:?} and not {url}", connection.address());
}

/// A file of this test.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

fn write(file: &PathBuf, brokers: &[&Ferry]) {
    let urls: Vec<&str> = brokers.iter().map(|broker| broker.url()).collect();
    std::fs::write(file, urls.join("\n")).expect("the temporary folder takes a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_follows_dns_and_leaves_a_removed_broker_in_good_order() {
    let server = NameServer::start();
    let (mut a, mut b) = (Ferry::named("a").start(), Ferry::named("b").start());
    let (at_a, at_b) = ((1, 1, "127.0.0.1", a.port()), (2, 1, "127.0.0.1", b.port()));
    server.service(SERVICE, &[at_b, at_a]);
    let url = format!(
        "discovery:(dns:({SERVICE})?server={}&minRefresh=50&retryDelay=50&timeout=200)",
        server.address()
    );
    let (connection, events) = connect(&url).await;
    assert_eq!(connection.address().as_deref(), Some(a.url()), "priorities count");

    let session = connection.session(AckMode::Auto);
    let producer = session.producer(&Destination::queue("moved")).await.expect("a producer");
    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                producer.send(sent.to_string()).await.expect("no send fails");
                sent += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            sent
        }
    });
    server.service(SERVICE, &[at_b]);
    events.wait_for("it is listed no more").await;
    until_at(&connection, b.url()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.store(true, Ordering::Relaxed);
    let sent: u32 = sending.await.expect("it has not panicked");
    let mut got: Vec<u32> = Vec::new();
    for broker in [&a, &b] {
        let native = Native::connect(broker.url()).await;
        let consumer = native.consumer("queue://moved").await;
        let before = got.len();
        while let Some(text) = text_within(&consumer, Duration::from_millis(500)).await {
            got.push(text.parse().expect("a number"));
        }
        assert!(got.len() > before, "some were sent to each");
    }
    got.sort_unstable();
    assert_eq!(got, (0..sent).collect::<Vec<u32>>(), "each once, at one or the other");

    // The name is gone, then nobody answers: the last answer leads back to the broker.
    server.remove(SERVICE);
    b.process.kill();
    events.wait_for(&format!("lost {}", b.url())).await;
    server.silent(true);
    b.restart();
    until_at(&connection, b.url()).await;

    server.silent(false);
    server.service(SERVICE, &[at_a, at_b]);
    a.process.kill();
    a.restart();
    b.process.kill();
    until_at(&connection, a.url()).await;
    connection.close().await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_is_there_as_soon_as_a_broker_announces_itself() {
    let id = std::process::id();
    let group = format!("multicast://default?group=clients-{id}&interface=127.0.0.1");
    let announce = format!("{group}&keepAliveInterval=50");
    // Waits grow to half a minute; who is found is not waited for.
    let url = format!("discovery:({announce})?initialReconnectDelay=30000");
    let connecting = tokio::spawn({
        let url = url.clone();
        async move { connect(&url).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!connecting.is_finished());
    let mut first = Ferry::named("first").announce(&announce).start();
    let (connection, _) = connecting.await.expect("it has not panicked");
    assert_eq!(connection.address().as_deref(), Some(first.url()));

    let (other, events) = connect(&format!("failover:({announce})?maxReconnectDelay=50")).await;
    first.process.kill();
    events.wait_for("lost").await;
    let second = Ferry::named("second").announce(&announce).start();
    until_at(&other, second.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_follows_a_file_that_is_rewritten_while_it_runs() {
    let (mut a, b) = (Ferry::named("a").start(), Ferry::named("b").start());
    let file = file("brokers");
    write(&file, &[&a]);
    let url = format!("discovery:(file:{}?pollInterval=20)", file.display());
    let (connection, events) = connect(&url).await;
    assert_eq!(connection.address().as_deref(), Some(a.url()));
    write(&file, &[&a, &b]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(connection.address().as_deref(), Some(a.url()), "who is added draws nobody away");
    a.process.kill();
    until_at(&connection, b.url()).await;
    a.restart();
    write(&file, &[&a]);
    events.wait_for("it is listed no more").await;
    until_at(&connection, a.url()).await;
    // A list of nobody, or none at all, drives nobody away.
    write(&file, &[]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    std::fs::remove_file(&file).expect("it is there");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(connection.address().as_deref(), Some(a.url()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_asks_registries() {
    let registrar =
        Ferry::named("registrar").configure("[admin]\ndiscovery_registry = true\n").admin().start();
    let registry = format!("{}/discovery-registry/quay", registrar.admin());
    let announce = format!("{registry}?updateInterval=50");
    let a = Ferry::named("a").announce(&announce).start();
    let dead = format!("http://127.0.0.1:1/discovery-registry/quay,{registry}");
    let url = format!("discovery:(http:({dead})?updateInterval=50)?maxReconnectDelay=50");
    let (connection, _) = connect(&url).await;
    assert_eq!(connection.address().as_deref(), Some(a.url()));
    let b = Ferry::named("b").announce(&announce).start();
    assert_eq!(a.terminate().code(), Some(0));
    until_at(&connection, b.url()).await;
}

fn run(arguments: &[&str]) -> Ended {
    let mut process = Process::spawn("ferrymq", ferrymq_command(arguments));
    process.close_stdin();
    process.ended()
}

#[test]
fn commands_find_brokers_too() {
    let broker = Ferry::named("found").start();
    let file = file("for-commands");
    write(&file, &[&broker]);
    let url = format!("discovery:(file:{})", file.display());
    let sent = run(&["send", "queue://q", "hello", "--url", &url]);
    assert_eq!(sent.code(), Some(0), "{:?}", sent.stderr);
    let received = run(&["receive", "q", "--count", "1", "--timeout", "10s", "--url", &url]);
    assert_eq!(received.code(), Some(0), "{:?}", received.stderr);
    assert!(received.stdout.iter().any(|line| line.contains("hello")), "{:?}", received.stdout);

    write(&file, &[]);
    let once = format!("{url}?startupMaxReconnectAttempts=1");
    let failed = run(&["send", "q", "hello", "--url", &once]);
    assert_eq!(failed.code(), Some(1));
    assert!(failed.stderr.join("\n").contains("no broker is found"), "{:?}", failed.stderr);
}

#[test]
fn what_finds_nobody_is_refused_by_name() {
    for (url, said) in [
        ("fanout:(multicast://default)", "`fanout:` is not supported"),
        ("discovery:(zeroconf:_activemq.broker.)", "`zeroconf:` is not supported"),
        ("discovery:(tcp://127.0.0.1:1)", "takes an agent"),
        ("discovery:(multicast://default?groop=x)", "did you mean \"group\"?"),
        ("multicast://default", "write discovery:(multicast://default)"),
        ("dns:(_openwire._tcp.test)", "write discovery:(dns:(_openwire._tcp.test))"),
    ] {
        let refused = run(&["send", "q", "hello", "--url", url]);
        assert_eq!(refused.code(), Some(2), "{url}");
        assert!(refused.stderr.join("\n").contains(said), "{url}: {:?}", refused.stderr);
    }
}
