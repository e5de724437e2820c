//! The project's own client in the shape that tests want: destinations as texts, bodies as texts,
//! failures as panics.

use std::time::Duration;

use ferrymq_client::{AckMode, ConnectOptions, Connection, Consumer, ConsumerOptions, Producer};
use ferrymq_client::{OutgoingMessage, ProducerOptions, Session};
use ferrymq_openwire::destination::Destination;

use super::wait::PATIENCE;

/// How long a receive waits to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(200);

/// A connection to a broker, with a session that acknowledges by itself.
pub struct Native {
    pub connection: Connection,
    pub session: Session,
}

/// `queue://NAME` or `topic://NAME`.
pub fn destination(text: &str) -> Destination {
    match text.split_once("://") {
        Some(("queue", name)) => Destination::queue(name),
        Some(("topic", name)) => Destination::topic(name),
        _ => panic!("{text} is neither queue://NAME nor topic://NAME"),
    }
}

impl Native {
    pub async fn connect(url: &str) -> Self {
        Self::with_mode(url, AckMode::Auto).await
    }

    pub async fn with_mode(url: &str, mode: AckMode) -> Self {
        let connection = Connection::connect(url, ConnectOptions::system()).await;
        let connection = connection.unwrap_or_else(|e| panic!("cannot connect to {url}: {e}"));
        let session = connection.session(mode);
        Self { connection, session }
    }

    pub async fn consumer(&self, from: &str) -> Consumer {
        let options = ConsumerOptions::new(destination(from));
        self.session.consumer(options).await.expect("a consumer")
    }

    pub async fn producer(&self, to: &str) -> Producer {
        let options = ProducerOptions::to(destination(to)).persistent(true);
        self.session.producer(options).await.expect("a producer")
    }

    /// Sends the numbers `first..first + count` as texts; each is on the broker when this returns.
    pub async fn send_numbers(&self, to: &str, first: u32, count: u32) {
        let producer = self.producer(to).await;
        let mut receipts = Vec::new();
        for number in first..first + count {
            let message = OutgoingMessage::text(number.to_string());
            receipts.push(producer.submit(message).await.expect("a way out"));
        }
        for receipt in receipts {
            receipt.confirmed().await.expect("a confirmation");
        }
    }
}

/// The text of the next message within `patience`.
pub async fn text_within(consumer: &Consumer, patience: Duration) -> Option<String> {
    let delivery = consumer.receive_within(patience).await.expect("a living consumer")?;
    Some(delivery.text().expect("a readable body").expect("a text"))
}

/// The text of the next message, which must come.
pub async fn text(consumer: &Consumer) -> String {
    text_within(consumer, PATIENCE).await.expect("a message")
}

/// The numbers of the next `count` messages, which must come.
pub async fn numbers(consumer: &Consumer, count: u32) -> Vec<u32> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(text(consumer).await.parse().expect("a number"));
    }
    numbers
}

pub async fn nothing_comes(consumer: &Consumer) {
    let came = text_within(consumer, SILENCE).await;
    assert_eq!(came, None, "nothing was to come");
}
