//! Brokers guide their clients: which brokers there are, where to go when one stops, and back when
//! one returns, none of it by all at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::{AckMode, ConnectOptions, Connection, ConnectionEvent, Observer};
use ferrymq_openwire::destination::Destination;
use parking_lot::Mutex;
use support::{Ferry, FerrySetup, free_port};
use tokio::time::{Instant, sleep, timeout};

/// How many clients there are; more with FERRYMQ_HERD.
fn herd() -> usize {
    let asked = std::env::var("FERRYMQ_HERD").ok();
    asked.map_or(90, |clients| clients.parse().expect("a number of clients"))
}

/// Brokers that bridge to each of their neighbours, as `links` has it, and guide their clients.
fn brokers<const N: usize>(links: &[(usize, usize)], guiding: &str) -> [Ferry; N] {
    let ports: [u16; N] = std::array::from_fn(|_| free_port());
    std::array::from_fn(|own| {
        let to = |one: usize| format!("tcp://127.0.0.1:{}", ports[one]);
        let mut configuration =
            format!("[[transport_connector]]\nuri = \"{}\"\n{guiding}\n", to(own));
        for (from, other) in links.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]) {
            if from == own {
                configuration.push_str(&format!(
                    "[[network_connector]]\nname = \"to-{other}\"\nuri = \"static:({})\
                     ?initialReconnectDelay=100&maxReconnectDelay=300\"\n",
                    to(other)
                ));
            }
        }
        let setup: FerrySetup = Ferry::named(["a", "b", "c"][own]);
        setup.configured(&configuration).admin().start()
    })
}

const GUIDING: &str = "update_cluster_clients = true\nrebalance_cluster_clients = true\n\
                       update_cluster_clients_on_remove = true\nrebalance_rate = 40";

/// When which client was connected where.
type Log = Arc<Mutex<Vec<(Instant, String)>>>;

async fn client(url: &str, log: &Log) -> Connection {
    let log = Arc::clone(log);
    let observer = Observer::new(move |event| {
        if let ConnectionEvent::Connected { address, .. } = event {
            log.lock().push((Instant::now(), address.clone()));
        }
    });
    let connecting = Connection::connect(url, ConnectOptions::system().observer(observer));
    timeout(Duration::from_secs(20), connecting).await.expect("in time").expect("a broker runs")
}

fn counts(clients: &[Connection]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for client in clients {
        *counts.entry(client.address().unwrap_or_else(|| "nowhere".to_owned())).or_insert(0) += 1;
    }
    counts
}

async fn until(what: &str, seconds: u64, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(seconds), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn cluster(broker: &Ferry) -> serde_json::Value {
    support::get(&broker.admin(), "/api/v1/cluster").json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_learn_of_brokers_that_lie_beyond_others() {
    let mut brokers: [Ferry; 3] = brokers(&[(0, 1), (1, 2)], GUIDING);
    let [a, b, c] = [0, 1, 2].map(|one| brokers[one].url().to_owned());
    let log = Log::default();
    until("a knows c", 20, || cluster(&brokers[0])["brokers"].as_array().unwrap().len() == 2).await;
    let far = cluster(&brokers[0])["brokers"].as_array().unwrap().clone();
    let near: Vec<bool> = [&b, &c]
        .map(|url| {
            far.iter().find(|one| one["url"] == **url).expect("it is listed")["near"] == true
        })
        .to_vec();
    assert_eq!(near, [true, false]);
    // It is told of a alone.
    let client = client(&format!("failover:({a})"), &log).await;
    sleep(Duration::from_millis(300)).await;
    brokers[1].process.kill();
    brokers[0].process.kill();
    until("the client is at c", 20, || client.address().as_ref() == Some(&c)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_that_lost_its_broker_spreads_and_evens_out_when_it_returns() {
    let mut brokers: [Ferry; 3] = brokers(&[(0, 1), (1, 2), (0, 2)], GUIDING);
    let urls = [0, 1, 2].map(|one| brokers[one].url().to_owned());
    let list = format!("failover:({})", urls.join(","));
    let log = Log::default();
    let mut clients = Vec::new();
    for _ in 0..herd() {
        clients.push(client(&list, &log).await);
    }
    let even = |clients: &[Connection]| {
        let counts = counts(clients);
        let share = herd() as f64 / 3.0;
        urls.iter()
            .all(|url| (counts.get(url).copied().unwrap_or(0) as f64 - share).abs() <= share * 0.1)
    };
    until("they are spread evenly", 60, || even(&clients)).await;
    println!("at first {:?}", counts(&clients));

    let memory: Vec<u64> =
        brokers[..2].iter().map(|broker| broker.process.status_number("VmRSS")).collect();
    log.lock().clear();
    let killed = Instant::now();
    brokers[2].process.kill();
    until("all are somewhere", 20, || {
        let counts = counts(&clients);
        !counts.contains_key(&urls[2]) && !counts.contains_key("nowhere")
    })
    .await;
    let back = killed.elapsed();
    println!("after the death {:?} within {back:?}", counts(&clients));
    assert!(back < Duration::from_secs(5), "{back:?}");
    for (broker, before) in brokers[..2].iter().zip(memory) {
        let now = broker.process.status_number("VmRSS");
        println!("memory {before} kB, then {now} kB");
        assert!(now < before + 20 * 1024, "{before} kB, then {now} kB");
    }

    tokio::task::block_in_place(|| brokers[2].restart());
    log.lock().clear();
    let returned = Instant::now();
    until("they are even again", 60, || even(&clients)).await;
    println!("after the return {:?} within {:?}", counts(&clients), returned.elapsed());
    sleep(Duration::from_secs(3)).await;
    assert!(even(&clients), "it stays: {:?}", counts(&clients));
    let moves = log.lock().clone();
    let busiest = moves
        .iter()
        .map(|(start, _)| {
            moves
                .iter()
                .filter(|(at, _)| at >= start && *at < *start + Duration::from_secs(1))
                .count()
        })
        .max()
        .unwrap_or(0);
    println!("{} moves, {busiest} in the busiest second", moves.len());
    // Two brokers send at most 40 a second each.
    assert!(busiest <= 90, "{busiest} clients moved within a second");
    assert!(moves.len() <= herd() * 6 / 10, "{} moves of {} clients", moves.len(), herd());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_hands_its_clients_over_first() {
    let mut brokers: [Ferry; 2] = brokers(&[(0, 1)], "update_cluster_clients = true");
    let (a, b) = (brokers[0].url().to_owned(), brokers[1].url().to_owned());
    until("they know each other", 20, || {
        cluster(&brokers[0])["brokers"].as_array().unwrap().len() == 1
    })
    .await;
    let log = Log::default();
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(client(&format!("failover:({a})"), &log).await);
    }
    let queue = Destination::queue("handed over");
    let receiver = client(&format!("failover:({b})"), &log).await;
    let consumer = receiver.session(AckMode::Auto).consumer(&queue).await.unwrap();
    let producer = clients[0].session(AckMode::Auto).producer(&queue).await.unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..500 {
            producer.send(number.to_string()).await.expect("nothing is in doubt");
            sleep(Duration::from_millis(4)).await;
        }
    });
    brokers[0].process.signal("TERM");
    until("all are at the other broker", 20, || counts(&clients).get(&b) == Some(&20)).await;
    sending.await.unwrap();
    let mut numbers = Vec::new();
    while numbers.len() < 500 {
        let message = consumer.receive_within(Duration::from_secs(10)).await.unwrap();
        let message = message.unwrap_or_else(|| panic!("only {} came", numbers.len()));
        numbers.push(message.text().unwrap().unwrap().parse::<i32>().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..500).collect::<Vec<_>>(), "each once");
    support::until("it has stopped", support::PATIENCE, || {
        (!brokers[0].process.is_running()).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_learn_only_of_brokers_that_pass_the_filter() {
    let guiding = "update_cluster_clients = true\nupdate_cluster_filter = \"x.*,b\"";
    let mut brokers: [Ferry; 3] = brokers(&[(0, 1), (0, 2)], guiding);
    let [a, b, c] = [0, 1, 2].map(|one| brokers[one].url().to_owned());
    until("a knows both", 20, || cluster(&brokers[0])["brokers"].as_array().unwrap().len() == 2)
        .await;
    let log = Log::default();
    let client = client(&format!("failover:({a})"), &log).await;
    // Of b it has learnt, and goes there.
    sleep(Duration::from_millis(300)).await;
    brokers[0].process.kill();
    until("the client is at b", 20, || client.address().as_ref() == Some(&b)).await;
    brokers[1].process.kill();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(client.address(), None, "c is not for clients: {c}");
    tokio::task::block_in_place(|| brokers[0].restart());
    until("the client is at a", 20, || client.address().as_ref() == Some(&a)).await;
}
