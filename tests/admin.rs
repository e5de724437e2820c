//! What a broker does can be seen over HTTP: by people (`ferrymq status`), by programs (JSON), by
//! collectors (Prometheus), and by nobody whom it is not meant for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use ferrymq::admin::AdminServer;
use ferrymq::config::{AdminAddress, BrokerConfig, Flags, load};
use ferrymq::node::{Node, World};
use ferrymq_client::{OutgoingMessage, ProducerOptions};
use ferrymq_transport::clock::Clock;
use ferrymq_transport::pace::Pace;
use ferrymq_transport::tcp::Tcp;
use serde_json::Value;
use support::{
    Ended, Ferry, Native, PATIENCE, Process, ferrymq_command, free_port, get, numbers, raw_http,
    until,
};

/// Runs the program to its end.
fn run(arguments: &[&str]) -> Ended {
    Process::spawn("ferrymq", ferrymq_command(arguments)).ended()
}

/// The part of an answer that `find` finds, as soon as it does.
fn seen<T>(what: &str, admin: &str, path: &str, find: impl Fn(&Value) -> Option<T>) -> T {
    until(what, PATIENCE, || find(&get(admin, path).json()))
}

fn list<'v>(answer: &'v Value, name: &str) -> &'v Vec<Value> {
    answer[name].as_array().unwrap_or_else(|| panic!("no list {name} in {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_shows_what_happens() {
    let paris = Ferry::named("paris").admin().start();
    let to_paris = format!("static:({})", paris.url());
    let london = Ferry::named("london").network(&to_paris).admin().start();
    let (at_london, at_paris) =
        (Native::connect(london.url()).await, Native::connect(paris.url()).await);
    let consumer = at_paris.consumer("queue://orders").await;
    at_london.send_numbers("queue://orders", 0, 10).await;
    at_london.send_numbers("queue://left", 0, 7).await;
    assert_eq!(numbers(&consumer, 10).await, (0..10).collect::<Vec<_>>());
    let admin = london.admin();

    let broker = get(&admin, "/api/v1/broker").json();
    assert_eq!((&broker["name"], &broker["state"]), (&"london".into(), &"ready".into()));
    assert_eq!(broker["listening"], serde_json::json!([london.url()]));
    assert!(broker["memory_used_bytes"].as_u64() >= Some(7 * 1_024), "{broker}");
    assert!(broker["memory_limit_bytes"].as_u64() > broker["memory_used_bytes"].as_u64());
    assert!(broker["started_unix_ms"].as_i64() > Some(1_700_000_000_000), "{broker}");
    assert_eq!(broker["messages"]["enqueued"], 17, "{broker}");

    let link = seen("all were confirmed", &admin, "/api/v1/links", |answer| {
        let link = list(answer, "links")[0].clone();
        (link["forwarded"] == 10 && link["in_flight"] == 0).then_some(link)
    });
    assert_eq!((&link["state"], &link["reason"]), (&"live".into(), &Value::Null), "{link}");
    assert_eq!(link["remote_broker"]["name"], "paris", "{link}");
    assert_eq!((&link["remote_uri"], &link["demands"]), (&paris.url().into(), &1.into()));
    assert_eq!(link["next_try_in_ms"], Value::Null, "{link}");
    // Ten bodies of a digit went out, each in a command with its headers; as many answers came.
    assert!(link["bytes_sent"].as_u64() > Some(1_000), "{link}");
    assert!(link["bytes_received"].as_u64() > Some(100), "{link}");
    assert!(link["heard_ms_ago"].is_u64(), "{link}");
    let metrics = get(&admin, "/metrics").body;
    for family in ["link_bytes_total", "link_heard_age_seconds", "link_proven_age_seconds"] {
        let sample =
            format!("ferrymq_{family}{{connector=\"network\",remote_uri=\"{}\"", paris.url());
        assert!(metrics.contains(&sample), "{sample} is not in\n{metrics}");
    }

    let destinations = get(&admin, "/api/v1/destinations").json();
    let first = &list(&destinations, "destinations")[0];
    assert_eq!((&first["address"], &first["waiting"]), (&"queue://left".into(), &7.into()));
    assert_eq!((&first["kind"], &first["name"]), (&"queue".into(), &"left".into()));
    let one = get(&admin, "/api/v1/destinations?limit=1").json();
    assert_eq!(list(&one, "destinations").len(), 1);
    assert_eq!(one["total"], destinations["total"]);

    let connections = get(&admin, "/api/v1/connections").json();
    let client = list(&connections, "connections").iter().find(|one| one["kind"] == "client");
    let client = client.expect("the client's connection");
    assert_eq!((&client["messages_in"], &client["consumers"]), (&17.into(), &0.into()), "{client}");
    assert!(client["client_id"].is_string() && client["remote"].is_string(), "{client}");
    let own = list(&connections, "connections").iter().find(|one| one["kind"] == "in_process");
    let own = own.expect("the near end of the own bridge");
    assert_eq!((&own["consumers"], &own["messages_out"]), (&1.into(), &10.into()), "{own}");

    let network = get(&admin, "/api/v1/network").json();
    assert_eq!(network["broker"]["name"], "london");
    assert_eq!(list(&network, "bridges_to")[0]["remote_broker"]["name"], "paris", "{network}");
    assert_eq!(list(&network, "bridged_from").len(), 0, "{network}");
    let beyond = get(&paris.admin(), "/api/v1/network").json();
    assert_eq!(list(&beyond, "bridged_from")[0]["broker"], network["broker"], "{beyond}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_leave_the_list_when_they_end() {
    let broker = Ferry::named("a").admin().start();
    let admin = broker.admin();
    let client = Native::connect(broker.url()).await;
    let total = |answer: &Value| answer["total"].as_u64();
    seen("it is there", &admin, "/api/v1/connections", |one| (total(one) == Some(1)).then_some(()));
    drop(client);
    seen("it is gone", &admin, "/api/v1/connections", |one| (total(one) == Some(0)).then_some(()));
}

#[test]
fn a_link_that_is_down_says_why_and_when_it_is_tried_again() {
    let nobody = format!("tcp://127.0.0.1:{}", free_port());
    let uri = format!("static:({nobody})?initialReconnectDelay=600000&maxReconnectDelay=600000");
    let broker = Ferry::named("lonely").network(&uri).admin().start();
    let link = seen("it was tried", &broker.admin(), "/api/v1/links", |answer| {
        let link = list(answer, "links")[0].clone();
        (link["state"] == "waiting_to_retry").then_some(link)
    });
    assert!(link["reason"].as_str().is_some_and(|reason| reason.contains("refused")), "{link}");
    assert!(link["next_try_in_ms"].as_u64() > Some(60_000), "{link}");
    assert_eq!(link["remote_broker"], Value::Null);
}

/// One sample of a metrics text: its name, its labels as written, its value.
fn samples(text: &str) -> Vec<(String, String, f64)> {
    let (mut helped, mut typed) = (BTreeSet::new(), BTreeMap::new());
    let mut last = String::new();
    let mut samples = Vec::new();
    for line in text.lines() {
        let name_is_valid = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a help");
            assert!(name_is_valid(name) && !help.is_empty(), "{line}");
            assert!(helped.insert(name.to_owned()), "a second time: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(helped.contains(name), "no HELP before {line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(matches!(kind, "counter" | "gauge"), "{line}");
            assert!(typed.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            last = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let (name, labels) = match series.split_once('{') {
                Some((name, rest)) => (name, rest.strip_suffix('}').expect("an end of labels")),
                None => (series, ""),
            };
            assert_eq!(name, last, "samples stand under their TYPE: {line}");
            let value: f64 = value.parse().expect("a number");
            samples.push((name.to_owned(), labels.to_owned(), value));
        }
    }
    let series: BTreeSet<_> = samples.iter().map(|(name, labels, _)| (name, labels)).collect();
    assert_eq!(series.len(), samples.len(), "a series stands twice in\n{text}");
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_a_prometheus_text_of_broker_destinations_and_links() {
    let far = Ferry::named("far").start();
    let near = Ferry::named("near").network(&format!("static:({})", far.url())).admin().start();
    let client = Native::connect(near.url()).await;
    client.send_numbers("queue://a \"quoted\" name", 0, 3).await;
    client.send_numbers("topic://nobody", 0, 2).await;
    seen("the link is live", &near.admin(), "/api/v1/links", |answer| {
        (list(answer, "links")[0]["state"] == "live").then_some(())
    });
    let answer = get(&near.admin(), "/metrics");
    assert!(answer.has_header("content-type", "text/plain; version=0.0.4; charset=utf-8"));
    let samples = samples(&answer.body);
    let value = |name: &str, labels: &str| {
        let found = samples.iter().find(|(one, its, _)| one == name && its == labels);
        found.unwrap_or_else(|| panic!("no {name}{{{labels}}} in\n{}", answer.body)).2
    };
    assert_eq!(value("ferrymq_ready", ""), 1.0);
    assert_eq!(value("ferrymq_messages_enqueued_total", ""), 5.0);
    let quoted = r#"destination="queue://a \"quoted\" name""#;
    assert_eq!(value("ferrymq_destination_waiting_messages", quoted), 3.0);
    assert_eq!(value("ferrymq_destination_enqueued_total", quoted), 3.0);
    assert_eq!(value("ferrymq_destination_waiting_messages", r#"destination="other""#), 0.0);
    assert_eq!(value("ferrymq_destinations_cut", ""), 0.0);
    assert_eq!(value("ferrymq_connections", r#"kind="client""#), 1.0);
    let link = format!(r#"connector="network",remote_uri="{}""#, far.url());
    assert_eq!(value("ferrymq_link_up", &link), 1.0);
    assert_eq!(value("ferrymq_link_info", &format!(r#"{link},remote_broker="far""#)), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_at_destinations_that_are_gone_stays_in_the_totals() {
    let broker = Ferry::named("a").admin().start();
    let admin = broker.admin();
    let client = Native::connect(broker.url()).await;
    let replies = client.connection.temporary_queue().await.expect("a temporary queue");
    let address = replies.destination().to_string();
    let producer =
        client.session.producer(ProducerOptions::to(replies.destination().clone())).await.unwrap();
    for _ in 0..3 {
        producer.send(OutgoingMessage::text("x")).await.expect("it is sent");
    }
    let there = |answer: &Value| {
        list(answer, "destinations").iter().any(|one| one["address"] == address.as_str())
    };
    seen("it is there", &admin, "/api/v1/destinations", |one| there(one).then_some(()));
    let total = |text: &str| {
        let samples = samples(text);
        let found = samples.iter().find(|(name, ..)| name == "ferrymq_messages_enqueued_total");
        found.expect("the total").2
    };
    until("all were taken", PATIENCE, || {
        (total(&get(&admin, "/metrics").body) == 3.0).then_some(())
    });
    let body = get(&admin, "/metrics").body;
    assert!(!body.contains(&address), "a collector keeps what it saw: {body}");
    let sum = "ferrymq_destination_waiting_messages{destination=\"temporary\"} 3\n";
    assert!(body.contains(sum), "{body}");
    drop((producer, replies, client));
    seen("it is gone", &admin, "/api/v1/destinations", |one| (!there(one)).then_some(()));
    assert_eq!(total(&get(&admin, "/metrics").body), 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_destinations_than_a_collector_takes_are_added_up() {
    let broker = Ferry::named("many").admin().start();
    let client = Native::connect(broker.url()).await;
    for number in 0..1_005 {
        client.send_numbers(&format!("queue://q{number:04}"), 0, 1).await;
    }
    let samples = samples(&get(&broker.admin(), "/metrics").body);
    let of = |name: &'static str| samples.iter().filter(move |(one, ..)| one == name);
    let value = |name, labels: &str| of(name).find(|(_, its, _)| its == labels).unwrap().2;
    assert_eq!(value("ferrymq_destinations_cut", ""), 5.0);
    assert_eq!(value("ferrymq_destination_waiting_messages", r#"destination="other""#), 5.0);
    assert_eq!(of("ferrymq_destination_enqueued_total").count(), 1_000);
    assert_eq!(value("ferrymq_messages_enqueued_total", ""), 1_005.0);
}

#[test]
fn requests_that_name_a_foreign_host_are_refused() {
    let setup = Ferry::named("a").admin().configure("[admin]\nhost_names = [\"london.example\"]");
    let broker = setup.start();
    let admin = broker.admin();
    let asked = |head: &str| {
        let request = format!("{head}\r\n\r\n");
        let answer = raw_http(&admin, request.as_bytes()).expect("an answer");
        assert_eq!(answer.status != 200, answer.body.contains("\"error\""), "{answer:?}");
        answer.status
    };
    for path in ["/api/v1/broker", "/api/v1/network"] {
        for (host, status) in [
            ("localhost:8161", 200),
            ("127.0.0.1", 200),
            ("[::1]:1", 200),
            ("london.example:8161", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example:8161", 403),
            ("a@localhost", 400),
        ] {
            assert_eq!(asked(&format!("GET {path} HTTP/1.1\r\nHost: {host}")), status, "{host}");
        }
        let foreign = format!("GET http://evil.example{path} HTTP/1.1\r\nHost: localhost");
        assert_eq!(asked(&foreign), 403);
        assert_eq!(asked(&format!("GET {path} HTTP/1.0")), 400);
    }
}

#[test]
fn only_known_pages_are_answered_and_nothing_can_be_changed() {
    let broker = Ferry::named("a").admin().start();
    let admin = broker.admin();
    assert_eq!(get(&admin, "/healthz").status, 200);
    assert_eq!(get(&admin, "/api/v1/secrets").status, 404);
    assert_eq!(get(&admin, "/api/v1/destinations?limit=many").status, 400);
    assert_eq!(get(&admin, "/api/v1/destinations?limti=1").status, 400);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let request = format!("{method} /api/v1/broker HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(raw_http(&admin, request.as_bytes()).unwrap().status, 405, "{method}");
    }
    let answer = get(&admin, "/api/v1/broker");
    assert!(answer.has_header("cache-control", "no-store"), "{answer:?}");
    assert!(answer.has_header("x-content-type-options", "nosniff"), "{answer:?}");
}

#[test]
fn large_requests_are_refused_and_idle_ones_block_nobody() {
    let broker = Ferry::named("a").admin().start();
    let admin = broker.admin();
    let long = "x".repeat(64 * 1024);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n");
    if let Some(answer) = raw_http(&admin, request.as_bytes()) {
        assert_eq!(answer.status, 431, "{answer:?}");
    }
    let body = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(raw_http(&admin, body.as_bytes()).unwrap().status, 413);
    // Many more than are served at a time, and none says what it wants: they give way, well before
    // the five seconds are over that they have.
    let address = admin.strip_prefix("http://").unwrap();
    let idle: Vec<TcpStream> = (0..600).map(|_| TcpStream::connect(address).unwrap()).collect();
    let asked = tokio::time::Instant::now();
    assert_eq!(get(&admin, "/healthz").status, 200);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_told_before_and_after_and_liveness_always() {
    let address = AdminAddress { port: 0, ..AdminAddress::default() };
    let admin = AdminServer::start(&address, &[]).await.unwrap();
    let url = format!("http://{}", admin.address());
    let ask = |path: &'static str| {
        let url = url.clone();
        async move { tokio::task::spawn_blocking(move || get(&url, path)).await.unwrap() }
    };
    assert_eq!(ask("/healthz").await.status, 200);
    let ready = ask("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (503, "starting\n"));
    assert_eq!(ask("/api/v1/broker").await.status, 503);
    assert!(ask("/metrics").await.body.contains("\nferrymq_ready 0\n"));

    let node = Node::start(configuration(), world()).await.unwrap();
    admin.ready(node.watch());
    let ready = ask("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
    assert_eq!(ask("/api/v1/broker").await.json()["state"], "ready");

    admin.stopping();
    node.stop().await;
    let ready = ask("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (503, "stopping\n"));
    assert_eq!(ask("/api/v1/broker").await.json()["state"], "stopping");
    assert_eq!(ask("/healthz").await.status, 200);
    admin.stop().await;
    assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err());
}

fn configuration() -> BrokerConfig {
    let listen = vec!["tcp://127.0.0.1:0".to_owned()];
    load(None, &Flags { listen, ..Flags::default() }).unwrap()
}

fn world() -> World {
    World {
        dialer: Arc::new(Tcp),
        binder: Arc::new(Tcp),
        clock: Clock::system(),
        seed: 1,
        store: None,
        spool: None,
        pace: Pace::default(),
    }
}

#[test]
fn an_admin_address_that_was_asked_for_and_is_in_use_ends_the_broker() {
    let first = Ferry::named("first").admin().start();
    let taken = first.admin();
    let taken = taken.strip_prefix("http://").unwrap();
    let listen = ["--listen", "tcp://127.0.0.1:0"];
    let ended = run(&[&["broker", "--name", "second", "--admin", taken], &listen[..]].concat());
    let message = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(1), "{message}");
    assert!(message.contains(taken) && message.contains("in use"), "{message}");
    assert!(!ended.stdout.iter().any(|line| line == "ready"));
}

#[test]
fn brokers_that_nobody_told_share_a_machine() {
    let start = |name: &str| {
        let arguments = ["broker", "--name", name, "--listen", "tcp://127.0.0.1:0"];
        let process = Process::spawn(name, ferrymq_command(&arguments));
        process.stdout_line("ready", 0, PATIENCE, |line| line == "ready");
        process
    };
    // Whoever has the default address, at most one of these got it, and the other says so.
    let both = [start("first"), start("second")];
    let without = both.iter().filter(|one| !one.stdout().iter().any(|line| line.contains("http")));
    let mut some = false;
    for process in without {
        process.log_line("why there is no admin API", |line| {
            line.contains("127.0.0.1:8161") && line.contains("--admin")
        });
        some = true;
    }
    assert!(some, "two brokers have one address");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_the_broker_and_what_waits_where() {
    let broker = Ferry::named("london").admin().start();
    let client = Native::connect(broker.url()).await;
    for number in 0..25 {
        client.send_numbers(&format!("queue://q{number:02}"), 0, number + 1).await;
    }
    let shown = run(&["status", "--admin", &broker.admin()]);
    let text = shown.stdout.join("\n");
    assert_eq!(shown.code(), Some(0), "{:?}", shown.stderr);
    assert!(shown.stdout[0].starts_with("broker london is ready, up for "), "{text}");
    let heading = shown.stdout.iter().position(|line| line.starts_with("DESTINATION")).unwrap();
    assert!(shown.stdout[heading + 1].starts_with("queue://q24"), "{text}");
    assert_eq!(shown.stdout[heading + 21], "… and 5 more", "{text}");

    let json = run(&["status", "--json", "--admin", &broker.admin()]);
    assert_eq!((json.code(), json.stdout.len()), (Some(0), 1), "{json:?}");
    let all: Value = serde_json::from_str(&json.stdout[0]).expect("JSON");
    assert_eq!(all["broker"]["name"], "london");
    assert_eq!(list(&all["destinations"], "destinations").len(), 25);
    assert_eq!(all["connections"]["total"], 1);
}

#[test]
fn status_without_a_broker_fails_and_names_the_address() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let ended = run(&["status", "--admin", &nobody]);
    let message = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(1), "{message}");
    assert!(message.contains(&nobody) && message.contains("refused"), "{message}");
    // What speaks another protocol is no admin API either.
    let broker = Ferry::named("a").start();
    let ended = run(&["status", "--admin", &broker.url().replace("tcp://", "http://")]);
    assert_eq!(ended.code(), Some(1), "{:?}", ended.stderr);
    assert!(ended.stderr.join("\n").contains("admin address"), "{:?}", ended.stderr);
    assert_eq!(run(&["status", "--admin", "tcp://127.0.0.1:1"]).code(), Some(2));
}
