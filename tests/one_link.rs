//! Between two brokers there is one link of a kind: a dead one is replaced at once, a second one is
//! refused in so many words, and two that cross become one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{
    Deadline, Ferry, Native, PATIENCE, Proxy, free_port, get, nothing_comes, numbers, text,
    text_within, until,
};

fn connector(name: &str, urls: &str, more: &str) -> String {
    format!(
        "[[network_connector]]\nname = \"{name}\"\n{more}\n\
         uri = \"static:({urls})?initialReconnectDelay=50&maxReconnectDelay=500\"\n"
    )
}

fn links(broker: &Ferry) -> Vec<Value> {
    get(&broker.admin(), "/api/v1/links").json()["links"].as_array().expect("a list").clone()
}

fn in_state(broker: &Ferry, state: &str) -> Vec<Value> {
    links(broker).into_iter().filter(|link| link["state"] == state).collect()
}

/// Waits until what is sent at `from` arrives at `to`.
async fn bridged(from: &Native, to: &Native) {
    let consumer = to.consumer("queue://bridged").await;
    from.send_numbers("queue://bridged", 0, 1).await;
    text(&consumer).await;
}

/// Waits until one of the two brokers has the link and the other one stands by.
fn converged(a: &Ferry, b: &Ferry) {
    until("one link is left of two", PATIENCE, || {
        let made = |broker: &Ferry| {
            let live = in_state(broker, "live");
            let by =
                live.iter().map(|link| link["made_by"].as_str().unwrap_or_default().to_owned());
            (by.collect::<Vec<_>>(), in_state(broker, "standby").len())
        };
        let both = (made(a), made(b));
        let link = (vec!["connector".to_owned()], 0);
        let back = (vec!["peer".to_owned()], 1);
        (both == (link.clone(), back.clone()) || both == (back, link)).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_duplex_connectors_that_cross_become_one_link_again_and_again() {
    let (port_a, port_b) = (free_port(), free_port());
    let (wire_ab, wire_ba) = (Proxy::to(port_b), Proxy::to(port_a));
    let start = |name: &str, port, wire: &Proxy| {
        let connector = connector(&format!("of-{name}"), &wire.url(), "duplex = true");
        Ferry::named(name).admin().port(port).configure(&connector)
    };
    let setups = [start("a", port_a, &wire_ab), start("b", port_b, &wire_ba)];
    let [a, b] = setups.map(|setup| std::thread::spawn(move || setup.start()));
    let (a, b) = (a.join().unwrap(), b.join().unwrap());
    for round in 0..5 {
        converged(&a, &b);
        let standby = [&a, &b].into_iter().find_map(|broker| in_state(broker, "standby").pop());
        let standby = standby.unwrap();
        let reason = standby["reason"].as_str().unwrap();
        assert!(reason.starts_with("standby: linked by the peer's connector"), "{reason}");
        let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
        for (from, to) in [(&at_a, &at_b), (&at_b, &at_a)] {
            let topic = format!("topic://news.{round}");
            let consumer = to.consumer(&topic).await;
            bridged(from, to).await;
            from.send_numbers(&topic, 0, 20).await;
            // Two links would bring each twice.
            assert_eq!(numbers(&consumer, 20).await, (0..20).collect::<Vec<_>>());
            nothing_comes(&consumer).await;
        }
        wire_ab.cut();
        wire_ba.cut();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_only_its_dialler_knows_to_be_dead_is_replaced_at_once() {
    for duplex in [false, true] {
        let b = Ferry::named("b").admin().start();
        let wire = Proxy::to(b.port());
        // Without keep-alives b does not notice; a does, by its proofs of life.
        let url = format!("{}?wireFormat.maxInactivityDuration=0", wire.url());
        let more = format!("duplex = {duplex}\nlink_timeout = \"1s\"");
        let a = Ferry::named("a").admin().configure(&connector("line", &url, &more)).start();
        let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
        bridged(&at_a, &at_b).await;
        let before = wire.accepted();
        wire.go_deaf();
        until("a gives the link up", PATIENCE, || in_state(&a, "live").is_empty().then_some(()));
        wire.hear_again();
        let soon = Deadline::after(Duration::from_secs(5));
        wire.accepts_another(before);
        bridged(&at_a, &at_b).await;
        assert!(!soon.passed(), "the new link waited for the old one's end");
        until("b has let go of the old link", PATIENCE, || {
            let answer = get(&b.admin(), "/api/v1/connections").json();
            let bridges = answer["connections"].as_array().unwrap().iter();
            (bridges.filter(|one| one["kind"] == "broker").count() == 1).then_some(())
        });
        assert_eq!(links(&b).len(), usize::from(duplex));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_link_under_one_name_is_refused_and_both_ends_say_so() {
    for duplex in [false, true] {
        let b = Ferry::named("b").start();
        let (one, other) = (Proxy::to(b.port()), Proxy::to(b.port()));
        let urls = format!("{},{}", one.url(), other.url());
        let connector = connector("line", &urls, &format!("duplex = {duplex}"));
        let a = Ferry::named("a").admin().configure(&connector).start();
        let waiting = until("one is up and one is not", PATIENCE, || {
            let up = in_state(&a, "live").len() == 1;
            in_state(&a, "waiting_to_retry").pop().filter(|_| up)
        });
        let told = "a link to broker 'b' under the name 'line' is up already";
        assert!(waiting["reason"].as_str().unwrap().contains(told), "{waiting}");
        b.process.log_line("why it was refused", |line| line.contains(told));
        let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
        let consumer = at_b.consumer("topic://once").await;
        bridged(&at_a, &at_b).await;
        at_a.send_numbers("topic://once", 0, 20).await;
        assert_eq!(numbers(&consumer, 20).await, (0..20).collect::<Vec<_>>());
        nothing_comes(&consumer).await;
        // When the link is lost, either address will do.
        one.cut();
        other.cut();
        bridged(&at_a, &at_b).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connectors_of_different_names_carry_different_destinations_side_by_side() {
    let b = Ferry::named("b").start();
    let orders = connector("orders", b.url(), "duplex = true\ndynamically_included = [\"orders\"]");
    let prices = connector("prices", b.url(), "duplex = true\ndynamically_included = [\"prices\"]");
    let a = Ferry::named("a").admin().configure(&orders).configure(&prices).start();
    until("both are up", PATIENCE, || (in_state(&a, "live").len() == 2).then_some(()));
    let (at_a, at_b) = (Native::connect(a.url()).await, Native::connect(b.url()).await);
    for queue in ["queue://orders", "queue://prices"] {
        let consumer = at_b.consumer(queue).await;
        at_a.send_numbers(queue, 0, 10).await;
        assert_eq!(numbers(&consumer, 10).await, (0..10).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_brokers_of_one_name_are_told_apart_and_told_so() {
    let b = Ferry::named("b").start();
    let start = || {
        Ferry::named("same").admin().configure(&connector("line", b.url(), "duplex = true")).start()
    };
    let first = start();
    until("the first is up", PATIENCE, || in_state(&first, "live").pop());
    let second = start();
    let refused =
        until("the second is refused", PATIENCE, || in_state(&second, "waiting_to_retry").pop());
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("give each broker a name of its own"), "{reason}");
    b.process.log_line("the same name", |line| line.contains("give each"));
    let (at_first, at_b) = (Native::connect(first.url()).await, Native::connect(b.url()).await);
    bridged(&at_first, &at_b).await;
    let consumer = at_b.consumer("queue://undisturbed").await;
    at_first.send_numbers("queue://undisturbed", 0, 1).await;
    assert!(text_within(&consumer, PATIENCE).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_on_a_copy_of_anothers_data_is_told_that_it_is_one() {
    let folder = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("one-link-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder.to_str().unwrap().to_owned()
    };
    let keeping = |name: &str, folder: &str| {
        Ferry::named(name).admin().configure(&format!("[broker]\ndata_dir = \"{folder}\""))
    };
    let (original, copy) = (folder("original"), folder("copy"));
    keeping("a", &original).start().terminate();
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&original).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), std::path::Path::new(&copy).join(file.file_name())).unwrap();
    }
    let a = keeping("a", &original).start();
    let b = keeping("b", &copy).network(&format!("static:({})", a.url())).start();
    let reason = until("the link says why", PATIENCE, || {
        let links = get(&b.admin(), "/api/v1/links").json();
        links["links"][0]["reason"].as_str().map(str::to_owned)
    });
    assert!(reason.contains("a copy of the other's data directory"), "{reason}");
    assert!(reason.contains(a.url()), "{reason}");
    drop((a, b));
    for folder in [original, copy] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}
