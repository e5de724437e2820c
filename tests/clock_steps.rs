//! A machine's clock is set forward or back: nothing stands still, nothing is hurried, and messages
//! expire by what the clock shows then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod simulated;

use std::time::Duration;

use ferrymq::config::Limits;
use ferrymq_client::{AckMode, Connection, ConsumerOptions, OutgoingMessage, ProducerOptions};
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::simulated::LinkConditions;
use simulated::Simulation;
use tokio::time::{Instant, sleep};

const HOUR: i64 = 3_600_000;

async fn send(connection: &Connection, queue: &str, count: u32, ttl: Option<Duration>) {
    let session = connection.session(AckMode::Auto);
    let options = ProducerOptions::to(Destination::queue(queue));
    let producer = session.producer(options).await.unwrap();
    for number in 0..count {
        let message = OutgoingMessage::text(number.to_string());
        let message = ttl.into_iter().fold(message, OutgoingMessage::ttl);
        producer.submit(message).await.unwrap().confirmed().await.unwrap();
    }
}

/// How long a consumer takes that acknowledges after each two hundred, while the clock is set by
/// `steps`, one after each hundred.
async fn drain(steps: &[i64]) -> Duration {
    const COUNT: usize = 800;
    let simulation = Simulation::new(5, LinkConditions::default());
    let broker = simulation.broker("quay", &[], Limits::default()).await;
    let connection = simulation.client("consumer", "quay").await;
    send(&connection, "work", 800, None).await;
    let session = connection.session(AckMode::Client);
    let options = ConsumerOptions::new(Destination::queue("work"));
    let consumer = session.consumer(options).await.unwrap();
    let (began, mut steps) = (Instant::now(), steps.iter());
    for number in 0..COUNT {
        let delivery = consumer.receive_within(Duration::from_secs(2 * 3_600)).await.unwrap();
        assert_eq!(delivery.unwrap().text().unwrap(), Some(number.to_string()));
        if number % 200 == 199 {
            session.acknowledge().unwrap();
        }
        if number % 100 == 10 {
            steps.next().into_iter().for_each(|step| simulation.set_clocks_by(*step));
        }
    }
    let took = began.elapsed();
    broker.stop().await;
    took
}

#[test]
fn a_queue_goes_on_when_the_clock_is_set() {
    let usual = simulated::run(drain(&[]));
    for steps in [[-HOUR, 0], [-HOUR, HOUR], [HOUR, -HOUR], [-5_000, -5_000]] {
        let took = simulated::run(drain(&steps));
        let most = usual * 2 + Duration::from_millis(100);
        assert!(took <= most, "{steps:?}: {took:?}, without them {usual:?}");
    }
}

/// What is left of a queue's three messages after so long; expired ones are looked for by then.
async fn left(connection: &Connection, queue: &str, after: Duration) -> usize {
    sleep(after).await;
    let session = connection.session(AckMode::Auto);
    let mut options = ConsumerOptions::new(Destination::queue(queue));
    options.drop_expired = false;
    let consumer = session.consumer(options).await.unwrap();
    let mut left = 0;
    while consumer.receive_within(Duration::from_secs(5)).await.unwrap().is_some() {
        left += 1;
    }
    left
}

#[test]
fn messages_expire_by_what_the_clock_shows() {
    simulated::run(async {
        let simulation = Simulation::new(6, LinkConditions::default());
        let broker = simulation.broker("quay", &[], Limits::default()).await;
        let connection = simulation.client("client", "quay").await;
        let minute = Duration::from_secs(60);
        for (at, step) in ["back", "forward"].into_iter().zip([-HOUR, 2 * HOUR]) {
            let name = |what: &str| format!("{at}.{what}");
            send(&connection, &name("before"), 3, Some(2 * minute)).await;
            simulation.set_clocks_by(step);
            send(&connection, &name("long"), 3, Some(2 * minute)).await;
            send(&connection, &name("short"), 3, Some(minute / 2)).await;
            assert_eq!(left(&connection, &name("long"), minute).await, 3, "{at}");
            assert_eq!(left(&connection, &name("short"), Duration::ZERO).await, 0, "{at}");
            let lasts = if step < 0 { 3 } else { 0 };
            assert_eq!(left(&connection, &name("before"), 2 * minute).await, lasts, "{at}");
        }
        broker.stop().await;
    });
}
