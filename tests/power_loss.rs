//! What two bridged brokers confirmed outlives any loss of power, and crosses the link once: whole
//! brokers in one process, each with its journal on a simulated disk, live through power losses (what
//! was not synced is gone, torn or out of order), failed syncs, kills and cut links, while clients
//! send, commit, receive and relay at both, share a queue, and have durable subscriptions here and beyond
//! the bridge.
//!
//! A seed decides everything. `FERRYMQ_SEED` runs one; `FERRYMQ_SEEDS=N` runs so many, on all
//! processors (1000 take a few minutes).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bookkeeping;
mod simulated;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bookkeeping::{Book, Client, Until};
use fastrand::Rng;
use ferrymq_client::{
    AckMode, Connection, ConsumerOptions, OutgoingMessage, ProducerOptions, Session,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::simulated::LinkConditions;
use parking_lot::Mutex;
use simulated::{Machine, Simulation, address, run};
use tokio::time::{Instant, sleep, timeout};

/// Seeds of a run that nobody asked more of.
const SEEDS: u64 = 40;
/// By when everything must have arrived after the last failure, on the brokers' clock.
const SETTLED: Duration = Duration::from_secs(300);

/// What goes through which queue.
const RELAYED: &[(&str, &str)] = &[("in", "out")];

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What came of a seed.
struct Outcome {
    confirmed: usize,
    history: Vec<String>,
    faults: Vec<String>,
}

/// One machine's lives.
async fn lives(machine: &mut Machine, mut random: Rng, book: &Book) {
    for _ in 0..random.usize(2..5) {
        let soon = Duration::from_millis(random.u64(20..700));
        match random.u8(..6) {
            // Within an operation of the disk.
            0 | 1 => machine.disk.cut_power_after(random.u64(0..150)),
            2 => machine.disk.fail_sync_after(random.u64(0..60)),
            _ => {}
        }
        if random.u8(..4) == 0 {
            // What it was told may happen while it starts, or be noticed by the next life only.
            machine.stop().await;
            machine.start().await;
        }
        let broken = timeout(soon, machine.broken()).await.is_ok();
        let down = machine.disk.is_down();
        book.note(format!("broken {broken}, down {down}"));
        match random.u8(..6) {
            _ if down => machine.lose_power(),
            kind if broken => {
                // Its store has failed: it ends by itself.
                machine.stop().await;
                if kind < 3 {
                    machine.disk.lose_power();
                }
            }
            0 | 1 => machine.kill(),
            2 => machine.stop().await,
            _ => machine.lose_power(),
        }
        sleep(Duration::from_millis(random.u64(0..300))).await;
        machine.start().await;
    }
}

/// Links that break meanwhile.
async fn weather(simulation: &Simulation, mut random: Rng) {
    const LINKS: &[(&str, &str)] = &[
        ("a", "b"),
        ("a", "b"),
        ("sender-a", "a"),
        ("sender-b", "b"),
        ("batches", "a"),
        ("relay", "b"),
        ("receiver-a", "a"),
        ("reporter-a", "a"),
        ("reader-a", "a"),
        ("receiver-b", "b"),
    ];
    for _ in 0..random.usize(0..5) {
        sleep(Duration::from_millis(random.u64(100..600))).await;
        let (one, other) = LINKS[random.usize(..LINKS.len())];
        simulation.network.cut(one, other);
        sleep(Duration::from_millis(random.u64(0..300))).await;
        simulation.network.heal(one, other);
    }
}

async fn story(seed: u64) -> Outcome {
    let mut random = Rng::with_seed(seed);
    let conditions = LinkConditions {
        latency: Duration::from_millis(random.u64(1..4)),
        jitter: Duration::from_millis(random.u64(0..3)),
        ..LinkConditions::default()
    };
    let simulation = Arc::new(Simulation::new(seed, conditions));
    let (book, until) = (Arc::<Book>::default(), Arc::<Until>::default());
    let mut a = Machine::new(&simulation, "a", &["b"], random.u64(..));
    let mut b = Machine::new(&simulation, "b", &["a"], random.u64(..));
    a.start().await;
    b.start().await;

    let mut client = |name: &'static str, broker| {
        let options = simulation.options(name);
        Client::new(name, address(broker), options, (&book, &until), random.u64(..))
    };
    client("reader-a", "a").subscribe("news-a").await;
    client("reader-b", "b").subscribe("news-b").await;
    while a.node().watch().durable_subscriptions().len() < 2 {
        sleep(Duration::from_millis(20)).await;
    }
    let clients = vec![
        tokio::spawn(client("reporter-a", "a").send("news-b")),
        tokio::spawn(client("reader-a", "a").receive("news-a", true)),
        tokio::spawn(client("reader-b", "b").receive("news-b", true)),
        tokio::spawn(client("sender-a", "a").send("to-b")),
        tokio::spawn(client("receiver-b", "b").receive("to-b", true)),
        tokio::spawn(client("sender-b", "b").send("in")),
        tokio::spawn(client("relay", "a").relay("in", "out")),
        tokio::spawn(client("receiver-out", "b").receive("out", true)),
        tokio::spawn(client("batches", "a").send_in_transactions(["both", "to-b", "news-a"])),
        tokio::spawn(client("receiver-both-a", "a").receive("both", false)),
        tokio::spawn(client("receiver-both-b", "b").receive("both", false)),
    ];
    tokio::join!(
        lives(&mut a, random.fork(), &book),
        lives(&mut b, random.fork(), &book),
        weather(&simulation, random.fork()),
    );
    simulation.network.heal_all();
    sleep(Duration::from_millis(200)).await;
    until.sent.store(true, Ordering::Relaxed);
    // Everything arrives: nothing is left at either broker, and nothing happens any more.
    let start = Instant::now();
    let mut quiet = 0;
    while quiet < 4 && start.elapsed() < SETTLED {
        let before = book.length();
        sleep(Duration::from_millis(500)).await;
        let left = [&a, &b].map(|machine| {
            let queues = machine.node().status().destinations.into_iter();
            let queues = queues.filter(|one| one.address.kind().is_queue());
            let durables = machine.node().watch().durable_subscriptions().into_iter();
            queues.map(|one| one.waiting + one.in_flight).sum::<usize>()
                + durables.map(|one| one.waiting + one.in_flight).sum::<usize>()
        });
        let left: usize = left.into_iter().sum();
        quiet = if left == 0 && book.length() == before { quiet + 1 } else { 0 };
    }
    let left = left_at(&[&a, &b]);
    until.over.store(true, Ordering::Relaxed);
    for client in clients {
        timeout(SETTLED, client).await.expect("a client ends").expect("it does not panic");
    }
    a.stop().await;
    b.stop().await;
    let mut faults = book.judge(RELAYED);
    if quiet < 4 {
        faults.push(format!("something does not arrive, or does not rest: {left}"));
    }
    Outcome { confirmed: book.confirmed(), history: book.history(), faults }
}

/// What waits where.
fn left_at(machines: &[&Machine]) -> String {
    let mut all = String::new();
    for machine in machines {
        let status = machine.node().status();
        for one in status.destinations.iter().filter(|one| one.address.kind().is_queue()) {
            let (waiting, in_flight, consumers) = (one.waiting, one.in_flight, one.consumers);
            let name = machine.node().name();
            all += &format!(
                "\n    {name}/{}: {waiting} wait, {in_flight} in flight, {consumers} consumers",
                one.address
            );
        }
        for one in machine.node().watch().durable_subscriptions() {
            let (waiting, in_flight) = (one.waiting, one.in_flight);
            all += &format!("\n    {}: {waiting} wait, {in_flight} in flight", one.address);
        }
    }
    all
}

/// Runs seeds on all processors; what went wrong, by seed.
fn run_all(seeds: std::ops::Range<u64>) -> Vec<(u64, Vec<String>)> {
    let next = AtomicU64::new(seeds.start);
    let (wrong, confirmed) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    // A story that panics is as wrong as one with faults, and the others go on.
                    match std::panic::catch_unwind(|| run(story(seed))) {
                        Ok(outcome) => {
                            confirmed.fetch_add(outcome.confirmed, Ordering::Relaxed);
                            if !outcome.faults.is_empty() {
                                wrong.lock().push((seed, outcome.faults));
                            }
                        }
                        Err(_) => wrong.lock().push((seed, vec!["it panicked".to_owned()])),
                    }
                }
            });
        }
    });
    println!("seeds {seeds:?}: {} messages confirmed", confirmed.into_inner());
    wrong.into_inner()
}

#[test]
fn nothing_that_was_confirmed_is_lost_or_comes_twice_whatever_the_disk_does() {
    if let Some(seed) = from_environment("FERRYMQ_SEED") {
        let outcome = run(story(seed));
        println!("{}", outcome.history.join("\n"));
        assert!(outcome.faults.is_empty(), "seed {seed}:\n{}", outcome.faults.join("\n"));
        return;
    }
    let first = from_environment("FERRYMQ_FIRST_SEED").unwrap_or(0);
    let count = from_environment("FERRYMQ_SEEDS").unwrap_or(SEEDS);
    let mut wrong = run_all(first..first + count);
    wrong.sort();
    for (seed, faults) in &wrong {
        println!("FERRYMQ_SEED={seed}: {} faults, such as\n  {}", faults.len(), faults[0]);
    }
    assert!(wrong.is_empty(), "{} of {count} seeds went wrong", wrong.len());
}

#[test]
fn a_seed_leads_to_one_history() {
    for seed in [3, 4] {
        let (one, other) = (run(story(seed)), run(story(seed)));
        assert!(one.confirmed > 50, "only {} messages were confirmed", one.confirmed);
        assert!(one.history == other.history, "seed {seed} has two histories");
    }
}

/// What a consumer has got, while its transaction is open, before and after the power was lost.
async fn seen_twice(topic: bool, operations: u64) -> [Vec<String>; 2] {
    let simulation = Arc::new(Simulation::new(operations, LinkConditions::default()));
    let mut machine = Machine::new(&simulation, "a", &[], operations);
    machine.start().await;
    let to = if topic { Destination::topic("news") } else { Destination::queue("orders") };
    let mut seen = [Vec::new(), Vec::new()];
    for (life, seen) in seen.iter_mut().enumerate() {
        let options = simulation.options("reader").client_id("reader");
        let reading = Connection::connect(&address("a"), options).await.unwrap();
        let options = ConsumerOptions::new(to.clone());
        let options = if topic { options.durable("reader") } else { options };
        let consumer = reading.session(AckMode::Transacted).consumer(options).await.unwrap();
        if life == 0 {
            let writing = simulation.client("writer", "a").await;
            let session = writer_of(&writing, &to).await;
            machine.disk.cut_power_after(operations);
            tokio::spawn(async move {
                let _ = session.commit().await;
                drop(writing);
            });
        }
        while let Ok(Some(delivery)) = consumer.receive_within(Duration::from_millis(300)).await {
            seen.push(delivery.text().unwrap().unwrap());
        }
        if life == 0 {
            machine.lose_power();
            machine.start().await;
        }
    }
    seen
}

/// A session whose open transaction has sent three messages.
async fn writer_of(connection: &Connection, to: &Destination) -> Session {
    let session = connection.session(AckMode::Transacted);
    let producer = session.producer(ProducerOptions::anywhere().persistent(true)).await.unwrap();
    for number in 1..=3 {
        producer.send_to(to, OutgoingMessage::text(number.to_string())).await.unwrap();
    }
    session
}

#[test]
fn nobody_gets_what_a_transaction_sent_before_it_is_safe() {
    for topic in [false, true] {
        let mut came = [0, 0];
        for operations in 0..40 {
            let [before, after] = run(seen_twice(topic, operations));
            assert!(before.is_empty() || before == after, "{before:?} and {after:?}, {operations}");
            assert!(after.is_empty() || after == ["1", "2", "3"], "{after:?}");
            came[0] += usize::from(!before.is_empty());
            came[1] += usize::from(!after.is_empty());
        }
        assert!(came[0] > 0 && came[1] < 40, "{came:?}: power is lost before and after");
    }
}
