//! What was forwarded and not answered when a link was lost may be at the far broker. It is held for
//! that one: no consumer elsewhere gets a second copy, unless the far broker stays away for long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;

use std::sync::Arc;
use std::time::Duration;

use ferrymq::node::Node;
use ferrymq_client::{AckMode, Connection, Consumer, ConsumerOptions, ProducerOptions};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::simulated::LinkConditions;
use simulated::{Machine, Simulation, run};
use tokio::time::{Instant, sleep};

/// No more than a bridge gets before it has settled any.
const MESSAGES: u32 = 10;

fn orders() -> Destination {
    Destination::queue("orders")
}

async fn consumer(connection: &Connection) -> Consumer {
    let session = connection.session(AckMode::Auto);
    session.consumer(ConsumerOptions::new(orders())).await.unwrap()
}

/// What comes until nothing has come for so long.
async fn all(consumer: &Consumer, silence: Duration) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(delivery) = consumer.receive_within(silence).await.unwrap() {
        numbers.push(delivery.text().unwrap().unwrap().parse().unwrap());
    }
    numbers
}

fn doubtful(node: &Node) -> u64 {
    node.status().destinations.iter().find(|one| one.address == orders()).unwrap().doubtful
}

/// Two brokers whose link is cut when messages have been forwarded: the far one has all of them and
/// no answer has come back; or, if they are `lost`, it has none.
async fn in_doubt(simulation: &Arc<Simulation>, lost: bool) -> (Machine, Machine) {
    in_doubt_beside(simulation, lost, None).await
}

/// The same, with a consumer of several queues beside the one of this: the bridge has two demands.
async fn in_doubt_beside(
    simulation: &Arc<Simulation>,
    lost: bool,
    beside: Option<&str>,
) -> (Machine, Machine) {
    let (near, far) = ("near", "far");
    let mut b = Machine::new(simulation, far, &[], 2);
    b.start().await;
    let mut a = Machine::new(simulation, near, &[far], 1);
    a.start().await;
    let reader = simulation.client("early", far).await;
    let early = consumer(&reader).await;
    let session = reader.session(AckMode::Auto);
    let beside = match beside {
        Some(names) => {
            let options = ConsumerOptions::new(Destination::queue(names));
            Some(session.consumer(options).await.unwrap())
        }
        None => None,
    };
    let writer = simulation.client("writer", near).await;
    let session = writer.session(AckMode::Auto);
    let options = ProducerOptions::to(orders()).persistent(true);
    let producer = session.producer(options).await.unwrap();
    producer.send("0").await.unwrap();
    let mut first = all(&early, Duration::from_millis(500)).await;
    if let Some(beside) = &beside {
        first.extend(all(beside, Duration::from_millis(500)).await);
    }
    assert_eq!(first, [0]);
    sleep(Duration::from_millis(100)).await;
    // The demand stays while its consumer takes nothing.
    let slow = LinkConditions { latency: Duration::from_secs(3), ..LinkConditions::default() };
    let (from, to) = if lost { (near, far) } else { (far, near) };
    simulation.network.set_direction(from, to, slow);
    for number in 1..=MESSAGES {
        producer.send(number.to_string()).await.unwrap();
    }
    let came = if lost { Vec::new() } else { (1..=MESSAGES).collect() };
    let mut gone = all(&early, Duration::from_millis(500)).await;
    if let Some(beside) = &beside {
        gone.extend(all(beside, Duration::from_millis(500)).await);
        gone.sort_unstable();
    }
    assert_eq!(gone, came);
    simulation.network.cut(near, far);
    simulation.network.set_direction(from, to, LinkConditions::default());
    sleep(Duration::from_secs(1)).await;
    (a, b)
}

/// How the sending broker ends, if it does.
#[derive(Debug, Clone, Copy)]
enum End {
    None,
    Kill,
    PowerLoss,
}

impl End {
    async fn come_over(self, machine: &mut Machine) {
        match self {
            Self::None => return,
            Self::Kill => machine.kill(),
            Self::PowerLoss => machine.lose_power(),
        }
        machine.start().await;
    }
}

#[test]
fn it_is_for_the_broker_that_may_have_it_when_that_comes_back() {
    for end in [End::None, End::Kill, End::PowerLoss] {
        for killed in [false, true] {
            run(async {
                let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
                let (mut a, mut b) = in_doubt(&simulation, false).await;
                end.come_over(&mut a).await;
                let reader = simulation.client("local", "near").await;
                let local = consumer(&reader).await;
                assert_eq!(all(&local, Duration::from_secs(5)).await, [] as [u32; 0], "{end:?}");
                if killed {
                    b.lose_power();
                    b.start().await;
                }
                simulation.network.heal("near", "far");
                let reader = simulation.client("late", "far").await;
                let late = consumer(&reader).await;
                // They were consumed there already.
                assert_eq!(all(&late, Duration::from_secs(60)).await, [] as [u32; 0]);
                assert_eq!(all(&local, Duration::from_secs(60)).await, [] as [u32; 0]);
                assert_eq!(doubtful(a.node()), 0);
                assert_eq!(a.node().status().destinations[0].waiting, 0);
            });
        }
    }
}

#[test]
fn no_other_demand_of_the_lost_link_makes_it_certain() {
    for beside in ["orders,other", ">"] {
        run(async {
            let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
            let (a, _b) = in_doubt_beside(&simulation, false, Some(beside)).await;
            let reader = simulation.client("local", "near").await;
            let local = consumer(&reader).await;
            assert_eq!(all(&local, Duration::from_secs(5)).await, [] as [u32; 0], "{beside}");
            simulation.network.heal("near", "far");
            assert_eq!(all(&local, Duration::from_secs(60)).await, [] as [u32; 0], "{beside}");
            assert_eq!(a.node().status().destinations[0].waiting, 0);
        });
    }
}

#[test]
fn it_is_settled_at_once_although_nobody_is_left_there() {
    for end in [End::None, End::Kill, End::PowerLoss] {
        for lost in [false, true] {
            run(async {
                let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
                let (mut a, _b) = in_doubt(&simulation, lost).await;
                end.come_over(&mut a).await;
                let reader = simulation.client("local", "near").await;
                let local = consumer(&reader).await;
                simulation.network.heal("near", "far");
                let start = Instant::now();
                let silence = Duration::from_secs(8);
                let numbers = all(&local, silence).await;
                let owed = if lost { (1..=MESSAGES).collect() } else { Vec::new() };
                assert_eq!(numbers, owed, "{end:?}");
                let waited = start.elapsed() - silence;
                assert!(waited.as_secs() < 5, "{waited:?} {end:?}");
                assert_eq!(doubtful(a.node()), 0);
                assert_eq!(a.node().status().destinations[0].waiting, 0);
            });
        }
    }
}

#[test]
fn it_is_sent_on_in_the_end_and_counted() {
    for end in [End::None, End::Kill, End::PowerLoss] {
        run(async {
            let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
            let (mut a, _b) = in_doubt(&simulation, false).await;
            end.come_over(&mut a).await;
            let reader = simulation.client("local", "near").await;
            let local = consumer(&reader).await;
            let start = Instant::now();
            let numbers = all(&local, Duration::from_secs(60)).await;
            assert_eq!(numbers, (1..=MESSAGES).collect::<Vec<_>>());
            let waited = start.elapsed() - Duration::from_secs(60);
            assert!((25..31).contains(&waited.as_secs()), "{waited:?} {end:?}");
            assert_eq!(doubtful(a.node()), u64::from(MESSAGES));
        });
    }
}

#[test]
fn what_was_not_forwarded_is_not_held() {
    for end in [End::None, End::Kill] {
        run(async {
            let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
            let (mut a, _b) = in_doubt(&simulation, false).await;
            end.come_over(&mut a).await;
            let writer = simulation.client("later", "near").await;
            let session = writer.session(AckMode::Auto);
            let options = ProducerOptions::to(orders()).persistent(true);
            let producer = session.producer(options).await.unwrap();
            producer.send("100").await.unwrap();
            let reader = simulation.client("local", "near").await;
            let local = consumer(&reader).await;
            assert_eq!(all(&local, Duration::from_secs(5)).await, [100]);
            assert_eq!(doubtful(a.node()), 0);
        });
    }
}

#[test]
fn a_backlog_that_was_kept_before_anybody_wanted_it_is_marked_before_it_goes() {
    for seed in 0..40 {
        run(async {
            let conditions =
                LinkConditions { latency: Duration::from_micros(50), ..LinkConditions::default() };
            let simulation = Arc::new(Simulation::new(seed, conditions));
            let mut b = Machine::new(&simulation, "far", &[], 2);
            b.start().await;
            let mut a = Machine::new(&simulation, "near", &["far"], seed);
            a.start().await;
            let writer = simulation.client("writer", "near").await;
            let session = writer.session(AckMode::Auto);
            let options = ProducerOptions::to(orders()).persistent(true);
            let producer = session.producer(options).await.unwrap();
            for number in 1..=MESSAGES {
                producer.send(number.to_string()).await.unwrap();
            }
            let reader = simulation.client("early", "far").await;
            let early = consumer(&reader).await;
            // It ends as soon as anything has crossed, at the latest.
            let first = early.receive_within(Duration::from_micros(seed * 100)).await.unwrap();
            a.lose_power();
            simulation.network.cut("near", "far");
            a.start().await;
            let reader = simulation.client("local", "near").await;
            let local = consumer(&reader).await;
            let text = |delivery: Option<ferrymq_client::Delivery>| {
                delivery.map(|delivery| delivery.text().unwrap().unwrap().parse::<u32>().unwrap())
            };
            let mut numbers: Vec<u32> = text(first).into_iter().collect();
            numbers.extend(all(&early, Duration::from_secs(2)).await);
            simulation.network.heal("near", "far");
            numbers.extend(all(&local, Duration::from_secs(20)).await);
            numbers.extend(all(&early, Duration::from_secs(20)).await);
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=MESSAGES).collect::<Vec<_>>(), "seed {seed}");
            assert_eq!(doubtful(a.node()), 0);
        });
    }
}
