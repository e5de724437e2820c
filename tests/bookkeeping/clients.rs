//! Clients that outlive their brokers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use ferrymq_client::error::CommitError;
use ferrymq_client::{
    AckMode, ConnectOptions, Connection, Consumer, ConsumerOptions, OutgoingMessage, Producer,
    ProducerOptions, Session,
};
use ferrymq_openwire::destination::Destination;
use tokio::time::sleep;

use super::book::{Book, Mark, Sent, Taken};

/// How long they wait before they dial again, in milliseconds: up to so many.
const AGAIN: u64 = 40;
/// How long a receiver looks, before it looks whether it is over.
const LOOK: Duration = Duration::from_millis(250);

/// When clients end.
#[derive(Debug, Default)]
pub struct Until {
    /// Nothing more is sent.
    pub sent: AtomicBool,
    /// Nothing more is received.
    pub over: AtomicBool,
}

/// One client.
#[derive(Clone)]
pub struct Client {
    book: Arc<Book>,
    until: Arc<Until>,
    name: &'static str,
    url: String,
    options: ConnectOptions,
    random: Rng,
}

impl Client {
    /// A client of the broker at `url`; what it does follows from the seed.
    pub fn new(
        name: &'static str,
        url: String,
        options: ConnectOptions,
        (book, until): (&Arc<Book>, &Arc<Until>),
        seed: u64,
    ) -> Self {
        let random = Rng::with_seed(seed);
        Self { book: Arc::clone(book), until: Arc::clone(until), name, url, options, random }
    }

    fn is_done_sending(&self) -> bool {
        self.until.sent.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.until.over.load(Ordering::Relaxed)
    }

    async fn connect(&mut self) -> Option<Connection> {
        let options = self.options.clone().client_id(self.name);
        let connected = Connection::connect(&self.url, options).await;
        if connected.is_err() {
            sleep(Duration::from_millis(self.random.u64(5..AGAIN))).await;
        }
        connected.ok()
    }

    async fn think(&mut self) {
        sleep(Duration::from_millis(self.random.u64(0..25))).await;
    }

    /// Sends one message after the other; what is not confirmed is not sent again.
    pub async fn send(mut self, queue: &'static str) {
        let mut number = 0;
        while !self.is_done_sending() {
            let Some(connection) = self.connect().await else { continue };
            let Some(producer) = produce(&connection.session(AckMode::Auto)).await else {
                continue;
            };
            while !self.is_done_sending() {
                self.think().await;
                number += 1;
                let mark = Mark::new(queue, self.name, number);
                self.book.sent([&mark], Sent::InDoubt);
                if post(&producer, &mark).await.is_err() {
                    break;
                }
                self.book.sent([&mark], Sent::Confirmed);
            }
        }
    }

    /// Sends several messages at once, to some of the queues, or takes them back.
    pub async fn send_in_transactions<const N: usize>(mut self, queues: [&'static str; N]) {
        let mut number = 0;
        while !self.is_done_sending() {
            let Some(connection) = self.connect().await else { continue };
            let session = connection.session(AckMode::Transacted);
            let Some(producer) = produce(&session).await else { continue };
            while !self.is_done_sending() {
                self.think().await;
                let mut marks = Vec::new();
                for _ in 0..self.random.u32(1..5) {
                    number += 1;
                    let queue = queues[self.random.usize(..N)];
                    marks.push(Mark::new(queue, self.name, number));
                }
                self.book.group(marks.clone());
                self.book.sent(&marks, Sent::InDoubt);
                let mut posted = true;
                for mark in &marks {
                    posted &= post(&producer, mark).await.is_ok();
                }
                let undo = !posted || self.random.u8(..8) == 0;
                let ended = if undo { session.rollback().await } else { session.commit().await };
                match ended {
                    Ok(()) if undo => self.book.sent(&marks, Sent::Undone),
                    Ok(()) => self.book.sent(&marks, Sent::Confirmed),
                    Err(CommitError::RolledBack(_)) => self.book.sent(&marks, Sent::Undone),
                    Err(_) => break,
                }
            }
        }
    }

    /// Makes the durable subscription of a topic that it will receive from.
    pub async fn subscribe(mut self, topic: &'static str) {
        loop {
            let Some(connection) = self.connect().await else { continue };
            if self.consume(&connection.session(AckMode::Auto), topic).await.is_some() {
                return;
            }
        }
    }

    /// Receives a few messages at a time, and commits them or takes that back.
    pub async fn receive(mut self, queue: &'static str, in_order: bool) {
        while !self.is_over() {
            let Some(connection) = self.connect().await else { continue };
            let session = connection.session(AckMode::Transacted);
            let Some(consumer) = self.consume(&session, queue).await else { continue };
            while !self.is_over() {
                let Ok(marks) = self.some(&consumer, queue, in_order).await else { break };
                let undo = self.random.u8(..8) == 0;
                if !self.end(&session, &marks, undo).await {
                    break;
                }
            }
        }
    }

    /// Passes on what comes from one queue to another: both in one transaction.
    pub async fn relay(mut self, from: &'static str, to: &'static str) {
        while !self.is_over() {
            let Some(connection) = self.connect().await else { continue };
            let session = connection.session(AckMode::Transacted);
            let Some(consumer) = self.consume(&session, from).await else { continue };
            let Some(producer) = produce(&session).await else { continue };
            while !self.is_over() {
                let Ok(marks) = self.some(&consumer, from, true).await else { break };
                let queue = to.to_owned();
                let copies: Vec<Mark> = marks
                    .iter()
                    .map(|mark| Mark { queue: queue.clone(), ..mark.clone() })
                    .collect();
                let mut posted = true;
                for copy in &copies {
                    posted &= post(&producer, copy).await.is_ok();
                }
                let undo = !posted || self.random.u8(..8) == 0;
                if !undo {
                    // Before it is asked: a copy may come before the answer does.
                    self.book.sent(&copies, Sent::InDoubt);
                }
                if !self.end(&session, &marks, undo).await {
                    break;
                }
            }
        }
    }

    async fn consume(&mut self, session: &Session, queue: &str) -> Option<Consumer> {
        let prefetch = [1, 10, 100][self.random.usize(..3)];
        let options = ConsumerOptions::new(destination(queue)).prefetch(prefetch);
        let options = if is_topic(queue) { options.durable(queue) } else { options };
        session.consumer(options).await.ok()
    }

    /// The next few messages; none after a while.
    async fn some(
        &mut self,
        consumer: &Consumer,
        queue: &str,
        in_order: bool,
    ) -> Result<Vec<Mark>, ferrymq_client::error::ReceiveError> {
        let mut marks = Vec::new();
        for nth in 0..self.random.usize(1..6) {
            let wait = if nth == 0 { LOOK } else { Duration::from_millis(5) };
            let Some(delivery) = consumer.receive_within(wait).await? else { break };
            let text = delivery.text().expect("a text").expect("not empty");
            let mark = Mark::read(queue, &text);
            self.book.saw(&mark, in_order);
            marks.push(mark);
        }
        Ok(marks)
    }

    /// Ends a transaction that received these; false if the connection is of no use any more.
    async fn end(&self, session: &Session, marks: &[Mark], undo: bool) -> bool {
        if undo {
            return session.rollback().await.is_ok();
        }
        self.book.taken(marks, Taken::InDoubt);
        match session.commit().await {
            Ok(()) => self.book.taken(marks, Taken::Done),
            Err(CommitError::RolledBack(_)) => self.book.taken(marks, Taken::Seen),
            Err(_) => return false,
        }
        true
    }
}

/// Some of what the tests call queues are topics with one durable subscription.
fn is_topic(queue: &str) -> bool {
    queue.starts_with("news")
}

fn destination(queue: &str) -> Destination {
    if is_topic(queue) { Destination::topic(queue) } else { Destination::queue(queue) }
}

async fn produce(session: &Session) -> Option<Producer> {
    session.producer(ProducerOptions::anywhere().persistent(true)).await.ok()
}

async fn post(producer: &Producer, mark: &Mark) -> Result<(), ferrymq_client::error::SendError> {
    let queue = destination(&mark.queue);
    producer.send_to(&queue, OutgoingMessage::text(mark.text())).await
}
