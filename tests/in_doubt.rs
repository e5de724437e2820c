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

/// Two brokers whose link is cut when the far one has all messages and no answer has come back.
async fn in_doubt(simulation: &Arc<Simulation>) -> (Machine, Machine) {
    let (near, far) = ("near", "far");
    let mut b = Machine::new(simulation, far, &[], 2);
    b.start().await;
    let mut a = Machine::new(simulation, near, &[far], 1);
    a.start().await;
    let reader = simulation.client("early", far).await;
    let early = consumer(&reader).await;
    let writer = simulation.client("writer", near).await;
    let session = writer.session(AckMode::Auto);
    let options = ProducerOptions::to(orders()).persistent(true);
    let producer = session.producer(options).await.unwrap();
    producer.send("0").await.unwrap();
    assert_eq!(early.receive().await.unwrap().unwrap().text().unwrap().unwrap(), "0");
    sleep(Duration::from_millis(100)).await;
    // The demand stays while its consumer takes nothing.
    let slow = LinkConditions { latency: Duration::from_secs(3), ..LinkConditions::default() };
    simulation.network.set_direction(far, near, slow);
    for number in 1..=MESSAGES {
        producer.send(number.to_string()).await.unwrap();
    }
    assert_eq!(all(&early, Duration::from_millis(500)).await, (1..=MESSAGES).collect::<Vec<_>>());
    simulation.network.cut(near, far);
    simulation.network.set_direction(far, near, LinkConditions::default());
    sleep(Duration::from_secs(1)).await;
    (a, b)
}

#[test]
fn it_is_for_the_broker_that_may_have_it_when_that_comes_back() {
    for killed in [false, true] {
        run(async {
            let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
            let (a, mut b) = in_doubt(&simulation).await;
            let reader = simulation.client("local", "near").await;
            let local = consumer(&reader).await;
            assert_eq!(all(&local, Duration::from_secs(5)).await, [] as [u32; 0]);
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

#[test]
fn it_is_sent_on_in_the_end_and_counted() {
    run(async {
        let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
        let (a, _b) = in_doubt(&simulation).await;
        let reader = simulation.client("local", "near").await;
        let local = consumer(&reader).await;
        let start = Instant::now();
        let numbers = all(&local, Duration::from_secs(60)).await;
        assert_eq!(numbers, (1..=MESSAGES).collect::<Vec<_>>());
        let waited = start.elapsed() - Duration::from_secs(60);
        assert!((25..31).contains(&waited.as_secs()), "{waited:?}");
        assert_eq!(doubtful(a.node()), u64::from(MESSAGES));
    });
}

#[test]
fn what_was_not_forwarded_is_not_held() {
    run(async {
        let simulation = Arc::new(Simulation::new(1, LinkConditions::default()));
        let (a, _b) = in_doubt(&simulation).await;
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
