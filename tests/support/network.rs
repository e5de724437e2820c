//! Five brokers in a shape, as processes, and consumers that come, go and flap on them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ferrymq_client::{AckMode, ConnectOptions, Connection, ConsumerOptions, OutgoingMessage};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::activemq::ActiveMq;
use super::ferrymq::Ferry;
use super::http::get;
use super::native::{Native, destination};
use super::subject::{Kind, Subject, free_port};
use super::wait::{PATIENCE, until};

/// Which brokers are joined, by their numbers.
pub type Shape = &'static [(usize, usize)];

pub const CHAIN: Shape = &[(0, 1), (1, 2), (2, 3), (3, 4)];
pub const RING: Shape = &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)];
pub const TREE: Shape = &[(0, 1), (0, 2), (1, 3), (1, 4)];
pub const MESH: Shape =
    &[(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)];

/// Nothing has come for so long: it is stuck. Longer than the longest hold-down.
const STUCK: Duration = Duration::from_secs(60);

/// How often each number was consumed.
pub type Consumed = BTreeMap<u32, u32>;

/// Brokers `b0`, `b1`, …, each joined to its neighbours in both directions: by a duplex connector of
/// the one or by two one-way connectors, in turn.
pub struct Network {
    brokers: Vec<Subject>,
}

impl Network {
    pub fn start(shape: Shape, kinds: &[Kind]) -> Self {
        let ports: Vec<u16> = kinds.iter().map(|_| free_port()).collect();
        let brokers = kinds.iter().enumerate().map(|(at, kind)| {
            let mut dials = Vec::new();
            for (number, (one, other)) in shape.iter().enumerate() {
                let duplex = number % 2 == 1;
                if at == *one {
                    dials.push((*other, duplex));
                } else if at == *other && !duplex {
                    dials.push((*one, false));
                }
            }
            let dials: Vec<(String, bool)> = dials
                .into_iter()
                .map(|(to, duplex)| (format!("tcp://127.0.0.1:{}", ports[to]), duplex))
                .collect();
            match kind {
                Kind::Ferry => Subject::Ferry(ferry(at, ports[at], &dials)),
                Kind::ActiveMq => Subject::ActiveMq(activemq(at, ports[at], &dials)),
            }
        });
        Self { brokers: brokers.collect() }
    }

    pub fn url(&self, at: usize) -> &str {
        self.brokers[at].url()
    }

    pub fn urls(&self) -> Arc<[String]> {
        self.brokers.iter().map(|broker| broker.url().to_owned()).collect()
    }

    pub fn admins(&self) -> Vec<String> {
        let ferry = self.brokers.iter().filter_map(|broker| match broker {
            Subject::Ferry(ferry) => Some(ferry.admin()),
            Subject::ActiveMq(_) => None,
        });
        ferry.collect()
    }

    /// Waits until every connector of a FerryMQ broker has its link.
    pub fn joined(&self) {
        for admin in self.admins() {
            until("all links are up", PATIENCE, || {
                let answer = get(&admin, "/api/v1/links").json();
                let links = answer["links"].as_array()?;
                links.iter().all(|link| link["state"] == "live").then_some(())
            });
        }
        for broker in self.activemqs() {
            until("all of ActiveMQ's links are up", PATIENCE, || {
                let state = broker.state();
                state["links"].as_array()?.iter().all(|count| *count == 1).then_some(())
            });
        }
    }

    fn activemqs(&self) -> impl Iterator<Item = &ActiveMq> {
        self.brokers.iter().filter_map(|broker| match broker {
            Subject::ActiveMq(broker) => Some(broker),
            Subject::Ferry(_) => None,
        })
    }

    /// How many demands all links of FerryMQ brokers have together.
    pub fn demands(&self) -> u64 {
        let all = self.admins().into_iter().map(|admin| {
            let answer = get(&admin, "/api/v1/links").json();
            let links = answer["links"].as_array().expect("a list").clone();
            links.iter().map(|link| link["demands"].as_u64().unwrap_or(0)).sum::<u64>()
        });
        all.sum()
    }

    /// How many messages of the queue are at each FerryMQ broker: waiting, and dispatched.
    pub fn left(&self, queue: &str) -> Vec<(u64, u64)> {
        let left = |admin: String| {
            let answer = get(&admin, "/api/v1/destinations").json();
            let found = answer["destinations"].as_array().expect("a list").clone();
            let found = found.into_iter().find(|one| one["address"] == queue);
            found.map_or((0, 0), |one| {
                (one["waiting"].as_u64().unwrap_or(0), one["in_flight"].as_u64().unwrap_or(0))
            })
        };
        self.admins().into_iter().map(left).collect()
    }

    /// What every FerryMQ broker answers when asked why messages of the queue wait.
    pub fn explained(&self, queue: &str) -> String {
        let name = queue.strip_prefix("queue://").expect("a queue");
        let mut all = format!("left (waiting, dispatched): {:?}\n", self.left(queue));
        for admin in self.admins() {
            let broker = get(&admin, "/api/v1/broker").json();
            writeln!(all, "{}", broker["messages"]).expect("a string takes all");
            let answer = get(&admin, &format!("/api/v1/explain?queue={name}"));
            writeln!(all, "{admin}: {}", answer.body).expect("a string takes all");
        }
        for broker in self.activemqs() {
            writeln!(all, "{}: {}", broker.url(), broker.state()).expect("a string takes all");
        }
        all
    }
}

/// Its links bear with a machine that stands still: what is in doubt when a link is lost may come
/// twice, and that is another promise.
fn ferry(at: usize, port: u16, dials: &[(String, bool)]) -> Ferry {
    let mut setup = Ferry::named(&format!("b{at}")).port(port).admin();
    for (number, (url, duplex)) in dials.iter().enumerate() {
        setup = setup.configure(&format!(
            "[[network_connector]]\nname = \"c{number}\"\nduplex = {duplex}\n\
             link_timeout = \"60s\"\n\
             uri = \"static:({url})?initialReconnectDelay=50&maxReconnectDelay=100\"\n"
        ));
    }
    setup.start()
}

/// With what ActiveMQ's guide says of such networks: enough hops, and what was carried to where no
/// consumer is left may go back.
fn activemq(at: usize, port: u16, dials: &[(String, bool)]) -> ActiveMq {
    let mut setup = ActiveMq::named(&format!("b{at}")).port(port);
    for (url, duplex) in dials {
        setup = setup.connect(url).flag("--ttl", "10").flag("--duplex", &duplex.to_string());
        setup = setup.flag("--suppress-queue", "true").flag("--decrease-priority", "true");
    }
    // Otherwise 5.17 drops what returns as a second copy. So it does with what returns before it has
    // forgotten that it forwarded it: without a delay messages end in the dead letters of ActiveMQ
    // brokers that are joined to each other.
    let delay = number_from("FERRYMQ_REPLAY_DELAY").unwrap_or(5_000).to_string();
    setup = setup.flag("--replay-delay", &delay).flag("--audit", "false");
    // What had to wait for that is looked at again only then.
    setup.flag("--scan-ms", "1000").start()
}

/// A number out of the environment.
pub fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Consumers that come, go and flap at random brokers while `messages` numbers come from random
/// brokers; in the end one that stays. Returns how often each number was consumed, when all have come
/// and nothing more does.
pub async fn churn(network: &Network, queue: &str, messages: u32, seed: u64) -> Consumed {
    const PRODUCERS: u32 = 4;
    let urls = network.urls();
    let consumed = Arc::new(Mutex::new(Consumed::new()));
    let sent = Arc::new(AtomicBool::new(false));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut producers = tokio::task::JoinSet::new();
    for number in 0..PRODUCERS {
        let url = urls[random.usize(..urls.len())].clone();
        let range = number * messages / PRODUCERS..(number + 1) * messages / PRODUCERS;
        producers.spawn(produce(url, queue.to_owned(), range, random.fork()));
    }
    let mut wanderers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let wanderer = Wanderer {
            urls: Arc::clone(&urls),
            queue: queue.to_owned(),
            consumed: Arc::clone(&consumed),
            sent: Arc::clone(&sent),
            random: random.fork(),
        };
        wanderers.spawn(wanderer.wander());
    }
    while let Some(ended) = producers.join_next().await {
        ended.expect("a producer");
    }
    sent.store(true, Ordering::Relaxed);
    let mut visits = 0;
    while let Some(ended) = wanderers.join_next().await {
        visits += ended.expect("a wanderer");
    }
    let at = random.usize(..urls.len());
    eprintln!(
        "{visits} visits; {} of {messages} consumed, the rest at b{at}; left {:?}",
        consumed.lock().len(),
        network.left(queue)
    );
    let client = visitor(&urls[at], AckMode::Auto).await;
    let last = client.consumer(queue).await;
    while consumed.lock().len() < messages as usize {
        let delivery = last.receive_within(STUCK).await.expect("a living consumer");
        let Some(delivery) = delivery else {
            let have = consumed.lock().len();
            let missing = missing(&consumed.lock(), messages);
            let why = network.explained(queue);
            let held = held(&urls, queue).await;
            panic!(
                "{have} of {messages} came, to b{at} last; consumers at each broker in turn got \
                 {held:?} after all; missing {missing:?}; {why}"
            );
        };
        note(&consumed, &delivery);
    }
    while let Some(delivery) = last.receive_within(Duration::from_secs(1)).await.expect("open") {
        note(&consumed, &delivery);
    }
    until("all brokers are empty", PATIENCE, || {
        network.left(queue).iter().all(|left| *left == (0, 0)).then_some(())
    });
    let consumed = consumed.lock();
    consumed.clone()
}

fn note(consumed: &Mutex<Consumed>, delivery: &ferrymq_client::Delivery) {
    let number = delivery.text().expect("a body").expect("a text").parse().expect("a number");
    *consumed.lock().entry(number).or_default() += 1;
}

/// Sends in bursts of many sizes, each confirmed.
async fn produce(
    url: String,
    queue: String,
    mut numbers: std::ops::Range<u32>,
    mut random: fastrand::Rng,
) {
    let client = visitor(&url, AckMode::Auto).await;
    let producer = client.producer(&queue).await;
    while !numbers.is_empty() {
        let mut receipts = Vec::new();
        for number in numbers.by_ref().take(random.usize(1..200)) {
            let message = OutgoingMessage::text(number.to_string());
            receipts.push(producer.submit(message).await.expect("a way out"));
        }
        for receipt in receipts {
            receipt.confirmed().await.expect("a confirmation");
        }
        sleep(Duration::from_millis(random.u64(0..150))).await;
    }
    client.connection.close().await.expect("an orderly end");
}

/// Connects to a broker that may be slow to answer, as the machine is.
async fn visitor(url: &str, mode: AckMode) -> Native {
    for _ in 0..5 {
        if let Ok(connection) = Connection::connect(url, ConnectOptions::system()).await {
            let session = connection.session(mode);
            return Native { connection, session };
        }
    }
    Native::with_mode(url, mode).await
}

/// Who visits one broker after the other.
struct Wanderer {
    urls: Arc<[String]>,
    queue: String,
    consumed: Arc<Mutex<Consumed>>,
    sent: Arc<AtomicBool>,
    random: fastrand::Rng,
}

impl Wanderer {
    /// Until all is sent, and some more. How many visits that were.
    async fn wander(mut self) -> u32 {
        let mut visits = 0;
        while visits < 8 || !self.sent.load(Ordering::Relaxed) {
            visits += 1;
            if self.random.u8(..4) == 0 {
                self.flap().await;
            } else {
                self.visit().await;
            }
            sleep(Duration::from_millis(self.random.u64(0..100))).await;
        }
        visits
    }

    fn options(&mut self) -> ConsumerOptions {
        let prefetch = [1, 10, 100, 1_000][self.random.usize(..4)];
        ConsumerOptions::new(destination(&self.queue)).prefetch(prefetch)
    }

    /// Consumes for a while and goes with what it has not taken.
    async fn visit(&mut self) {
        let url = &self.urls[self.random.usize(..self.urls.len())];
        let client = visitor(url, AckMode::Auto).await;
        let consumer = client.session.consumer(self.options()).await.expect("a consumer");
        let longest = if self.random.bool() { 30 } else { 600 };
        let most = self.random.u32(..600);
        let stay = tokio::time::Instant::now() + Duration::from_millis(self.random.u64(0..longest));
        let slow = self.random.bool();
        for _ in 0..most {
            let now = tokio::time::Instant::now();
            let Some(left) = stay.checked_duration_since(now) else { break };
            let Some(delivery) = consumer.receive_within(left).await.expect("open") else { break };
            note(&self.consumed, &delivery);
            if slow {
                sleep(Duration::from_millis(1)).await;
            }
        }
        if self.random.bool() {
            consumer.close();
        }
        client.connection.close().await.expect("an orderly end");
    }

    /// Comes, holds what it gets, settles none of it, and is gone without waiting for anything.
    async fn flap(&mut self) {
        let url = &self.urls[self.random.usize(..self.urls.len())];
        let client = visitor(url, AckMode::Individual).await;
        let consumer = client.session.consumer(self.options()).await.expect("a consumer");
        for _ in 0..self.random.u8(..5) {
            let soon = Duration::from_millis(self.random.u64(0..20));
            let _ = consumer.receive_within(soon).await.expect("open");
        }
    }
}

/// What a consumer at each broker gets after all.
async fn held(urls: &[String], queue: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    for url in urls {
        let client = visitor(url, AckMode::Auto).await;
        let consumer = client.consumer(queue).await;
        let mut count = 0;
        while consumer.receive_within(Duration::from_secs(3)).await.expect("open").is_some() {
            count += 1;
        }
        counts.push(count);
    }
    counts
}

fn missing(consumed: &Consumed, messages: u32) -> Vec<u32> {
    (0..messages).filter(|number| !consumed.contains_key(number)).collect()
}
