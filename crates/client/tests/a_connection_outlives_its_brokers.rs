//! A connection to a list of brokers goes on at another one with all that lives in it, and nothing
//! that was sent is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod fake_broker;

use std::sync::Arc;
use std::time::Duration;

use ferrymq_client::error::{ConnectError, ReceiveError, SendError};
use ferrymq_client::{
    AckMode, ConnectOptions, Connection, ConnectionEvent, ConsumerOptions, IdSource, Observer,
    OutgoingMessage, Producer, ProducerOptions, Session,
};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::ConnectionControl;
use ferrymq_openwire::destination::Destination;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::simulated::SimulatedNetwork;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use fake_broker::{FakeBroker, Harbour, brief};

const AB: &str = "failover:(tcp://a:1,tcp://b:1)?randomize=false";

/// Three brokers and a client that may reach them.
struct World {
    network: SimulatedNetwork,
    a: Harbour,
    b: Harbour,
    /// Of which nobody is told, unless a test does.
    c: Harbour,
    events: mpsc::Receiver<ConnectionEvent>,
    options: ConnectOptions,
}

impl World {
    async fn new() -> Self {
        let network = SimulatedNetwork::new(1);
        let (a, b) = (Harbour::open(&network, "a").await, Harbour::open(&network, "b").await);
        let c = Harbour::open(&network, "c").await;
        let (tell, events) = mpsc::channel(1000);
        let clock = Clock::starting_at(1_700_000_000_000);
        let dialer = Arc::new(network.host("client"));
        let options = ConnectOptions::new(dialer, clock, IdSource::new("test", 1, 1))
            .observer(Observer::new(move |event| drop(tell.try_send(event.clone()))));
        Self { network, a, b, c, events, options }
    }

    fn connecting(&self, url: &str) -> tokio::task::JoinHandle<Result<Connection, ConnectError>> {
        let (url, options) = (url.to_owned(), self.options.clone());
        tokio::spawn(async move { Connection::connect(&url, options).await })
    }

    /// A client of broker a.
    async fn connected(&mut self, url: &str) -> (Connection, FakeBroker) {
        let connecting = self.connecting(url);
        let (broker, info) = self.a.accept().await;
        assert!(info.fault_tolerant && !info.failover_reconnect);
        (connecting.await.unwrap().unwrap(), broker)
    }

    fn take_events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok()).map(|event| event.to_string()).collect()
    }
}

fn queue() -> Destination {
    Destination::queue("Q")
}

async fn producer(session: &Session, broker: &mut FakeBroker) -> Arc<Producer> {
    let opening = tokio::spawn({
        let session = session.clone();
        async move { session.producer(ProducerOptions::to(queue())).await }
    });
    broker.serve_until("ProducerInfo").await;
    Arc::new(opening.await.unwrap().unwrap())
}

async fn consumer(session: &Session, broker: &mut FakeBroker) -> ferrymq_client::Consumer {
    let opening = tokio::spawn({
        let session = session.clone();
        async move { session.consumer(queue()).await }
    });
    broker.serve_until("ConsumerInfo").await;
    opening.await.unwrap().unwrap()
}

fn sending(
    producer: &Arc<Producer>,
    text: &'static str,
) -> tokio::task::JoinHandle<Result<(), SendError>> {
    let producer = Arc::clone(producer);
    tokio::spawn(async move { producer.send(text).await })
}

fn control(change: impl FnOnce(&mut ConnectionControl)) -> Command {
    let mut control = ConnectionControl::default();
    change(&mut control);
    Command::from(control)
}

#[tokio::test(start_paused = true)]
async fn everything_that_lives_is_told_to_the_next_broker_under_its_old_names() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let session = connection.session(AckMode::Auto);
    let consumer = consumer(&session, &mut a).await;
    let _producer = producer(&session, &mut a).await;
    let making = tokio::spawn({
        let connection = connection.clone();
        async move { connection.temporary_queue().await }
    });
    a.serve_until("DestinationInfo").await;
    let temporary = making.await.unwrap().unwrap();
    let closed = producer(&session, &mut a).await;
    closed.close();

    a.cut();
    let (mut b, info) = world.b.accept().await;
    assert!(info.failover_reconnect && info.fault_tolerant);
    assert_eq!(info.connection_id.as_ref(), Some(connection.id()));
    let Command::DestinationInfo(made) = b.serve().await else { panic!() };
    assert_eq!(made.destination.as_ref(), Some(temporary.destination()));
    assert!(brief(&b.serve().await).contains("SessionInfo"));
    assert!(brief(&b.serve().await).contains("ProducerInfo"));
    let Command::ConsumerInfo(told) = b.serve().await else { panic!() };
    assert_eq!(told.consumer_id.as_ref(), Some(consumer.id()));
    assert_eq!(told.prefetch_size, 1000);

    b.dispatch(consumer.id(), &queue(), [1]);
    assert!(consumer.receive().await.unwrap().is_some());
    assert_eq!(connection.address().as_deref(), Some("tcp://b:1"));
    let events = world.take_events();
    let expected = [
        "trying tcp://a:1",
        "connected to tcp://a:1",
        "lost tcp://a:1: the peer closed the link",
        "trying tcp://b:1",
        "reconnected to tcp://b:1",
    ];
    assert_eq!(events, expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_confirmed_is_sent_again_as_the_same_message() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let session = connection.session(AckMode::Auto);
    let producer = producer(&session, &mut a).await;
    let confirmed = sending(&producer, "one");
    a.serve_until("Message").await;
    confirmed.await.unwrap().unwrap();
    let in_doubt = sending(&producer, "two");
    let Command::Message(first) = a.next().await else { panic!() };

    world.network.crash("a");
    let (mut b, _) = world.b.accept().await;
    let Command::Message(again) = b.serve_until("Message").await else { panic!() };
    assert_eq!(again.message_id(), first.message_id());
    assert_eq!(again.message_id().unwrap().producer_sequence_id, 2);
    in_doubt.await.unwrap().unwrap();
    let next = sending(&producer, "three");
    let Command::Message(next_message) = b.serve().await else { panic!() };
    assert_eq!(next_message.message_id().unwrap().producer_sequence_id, 3, "and only once");
    next.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn sends_wait_for_a_broker_and_go_in_order() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let producer = producer(&connection.session(AckMode::Auto), &mut a).await;
    for host in ["a", "b"] {
        world.network.cut("client", host);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(connection.address(), None);
    let waiting = sending(&producer, "durable");
    let one_way = tokio::spawn({
        let producer = Arc::clone(&producer);
        async move { producer.send(OutgoingMessage::text("fleeting").persistent(false)).await }
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished() && !one_way.is_finished());

    world.network.heal_all();
    let (mut b, _) = timeout(Duration::from_secs(31), world.b.accept()).await.unwrap();
    for number in [1, 2] {
        let Command::Message(message) = b.serve_until("Message").await else { panic!() };
        assert_eq!(message.message_id().unwrap().producer_sequence_id, number);
    }
    waiting.await.unwrap().unwrap();
    one_way.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_too_long_fails_and_the_connection_lives_on() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(&format!("{AB}&timeout=3000")).await;
    let producer = producer(&connection.session(AckMode::Auto), &mut a).await;
    world.network.cut("client", "a");
    world.network.cut("client", "b");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let since = Instant::now();
    let error = sending(&producer, "late").await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::NoBroker { .. }), "{error}");
    assert!(error.to_string().contains("3s"), "{error}");
    assert_eq!(since.elapsed().as_secs(), 3);

    world.network.heal_all();
    let (mut b, _) = world.b.accept().await;
    let sent = sending(&producer, "in time");
    let Command::Message(message) = b.serve_until("Message").await else { panic!() };
    assert_eq!(message.message_id().unwrap().producer_sequence_id, 1, "no number was used up");
    sent.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_the_attempts_are_spent_everyone_learns_why() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(&format!("{AB}&maxReconnectAttempts=2")).await;
    let session = connection.session(AckMode::Auto);
    let consumer = consumer(&session, &mut a).await;
    let producer = producer(&session, &mut a).await;
    let receiving = tokio::spawn(async move { consumer.receive().await });
    let in_doubt = sending(&producer, "in doubt");
    assert!(matches!(a.next().await, Command::Message(_)));
    world.network.cut("client", "a");
    world.network.cut("client", "b");
    assert!(matches!(receiving.await.unwrap(), Err(ReceiveError::Lost { .. })));
    let error = in_doubt.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no broker in 2 passes over the list"), "{error}");
    assert!(matches!(sending(&producer, "late").await.unwrap(), Err(SendError::Lost { .. })));
    assert!(world.take_events().last().unwrap().starts_with("gave up: "));

    let error = world.connecting(&format!("{AB}&startupMaxReconnectAttempts=1")).await.unwrap();
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::GaveUp { passes: 1, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_was_settled_before_the_break_is_not_received_again() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let session = connection.session(AckMode::Auto);
    let consumer = consumer(&session, &mut a).await;
    a.dispatch(consumer.id(), &queue(), [1, 2, 3]);
    assert!(consumer.receive().await.unwrap().is_some());
    assert!(consumer.receive().await.unwrap().is_some());
    // Its acknowledgements are lost with the broker; the third message was not received.
    world.network.crash("a");
    let (mut b, _) = world.b.accept().await;
    b.serve_until("ConsumerInfo").await;
    b.dispatch(consumer.id(), &queue(), [1, 2, 3, 4]);
    for number in [3, 4] {
        let delivery = consumer.receive().await.unwrap().unwrap();
        assert_eq!(delivery.message_id().unwrap().producer_sequence_id, number);
    }
    let acks = [b.next().await, b.next().await, b.next().await, b.next().await];
    let acks: Vec<String> = acks.iter().map(brief).collect();
    let kinds = ["type 4 -..1", "type 4 -..2", "type 2 3..3", "type 2 4..4"];
    assert!(acks.iter().zip(kinds).all(|(ack, kind)| ack.contains(kind)), "{acks:?}");
    assert!(consumer.try_receive().unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_late_acknowledgement_settles_what_comes_again() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let session = connection.session(AckMode::Individual);
    let consumer = consumer(&session, &mut a).await;
    a.dispatch(consumer.id(), &queue(), [1, 2, 3]);
    let mut received = Vec::new();
    while received.len() < 3 {
        received.push(consumer.receive().await.unwrap().unwrap());
    }
    a.cut();
    let (mut b, _) = world.b.accept().await;
    b.serve_until("ConsumerInfo").await;
    received[0].ack().unwrap();
    b.dispatch(consumer.id(), &queue(), [1, 2, 3]);
    assert!(brief(&b.next().await).contains("type 4 -..1"), "as it comes");
    received[1].ack().unwrap();
    assert!(brief(&b.next().await).contains("type 4 -..2"), "though it is here");
    let again = consumer.receive().await.unwrap().expect("nobody settled it");
    assert_eq!(again.message_id().unwrap().producer_sequence_id, 3);
    received[2].ack().unwrap();
    again.ack().unwrap();
    assert!(brief(&b.next().await).contains("type 4 -..3"));
    assert!(consumer.try_receive().unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_the_next_broker_refuses_ends_and_is_not_asked_for_again() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let session = connection.session(AckMode::Auto);
    let consumer = consumer(&session, &mut a).await;
    a.cut();
    let (mut b, _) = world.b.accept().await;
    b.serve().await;
    let asked = b.next().await;
    b.refuse(&asked, "javax.jms.InvalidDestinationException", "not here");
    let error = consumer.receive().await.unwrap_err();
    assert!(matches!(error, ReceiveError::ClosedByBroker { .. }), "{error}");
    assert!(connection.next_error().await.unwrap().message.contains("not here"));
    b.cut();
    let (mut a, _) = world.a.accept().await;
    assert!(brief(&a.next().await).contains("SessionInfo"));
    a.complain("x", "nothing more is asked for");
    assert!(connection.next_error().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_sent_on_leaves_nothing_in_doubt() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let producer = producer(&connection.session(AckMode::Auto), &mut a).await;
    let under_way = sending(&producer, "one");
    let Command::Message(message) = a.next().await else { panic!() };
    a.push(control(|control| control.reconnect_to = Some("tcp://b:1".into())));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let meanwhile = sending(&producer, "two");
    a.respond(&Command::Message(message));
    under_way.await.unwrap().unwrap();
    assert!(brief(&a.next().await).contains("RemoveInfo"));
    assert!(brief(&a.next().await).contains("ShutdownInfo"));
    assert!(a.try_next().await.is_none());
    let (mut b, info) = world.b.accept().await;
    assert!(info.failover_reconnect);
    let Command::Message(message) = b.serve_until("Message").await else { panic!() };
    assert_eq!(message.message_id().unwrap().producer_sequence_id, 2);
    meanwhile.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_list_of_the_broker_leads_to_brokers_that_nobody_configured() {
    let mut world = World::new().await;
    let (_connection, a) = world.connected("failover:(tcp://a:1)").await;
    a.push(control(|control| control.connected_brokers = Some("tcp://a:1,tcp://b:1".into())));
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.network.crash("a");
    world.b.accept().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_of_the_broker_is_not_followed_where_that_is_not_wanted() {
    let mut world = World::new().await;
    let (_connection, a) = world.connected("failover:(tcp://a:1)?updateURIsSupported=false").await;
    a.push(control(|control| control.connected_brokers = Some("tcp://a:1,tcp://b:1".into())));
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.network.crash("a");
    assert!(tokio::time::timeout(Duration::from_secs(300), world.b.accept()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_preferred_broker_is_gone_back_to() {
    let mut world = World::new().await;
    world.network.cut("client", "a");
    let connecting = world.connecting(&format!("{AB}&priorityBackup=true"));
    let (mut b, _) = world.b.accept().await;
    let connection = connecting.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.network.heal_all();
    let (_a, _) = timeout(Duration::from_secs(31), world.a.accept()).await.unwrap();
    assert!(brief(&b.next().await).contains("RemoveInfo"), "it left in order");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(connection.address().as_deref(), Some("tcp://a:1"));
}

#[tokio::test(start_paused = true)]
async fn a_spare_link_takes_over_without_dialling() {
    let mut world = World::new().await;
    let (connection, a) = world.connected(&format!("{AB}&backup=true")).await;
    let mut b = world.b.link().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.network.refuse("client", "b");
    let since = Instant::now();
    a.cut();
    assert!(b.let_in().await.failover_reconnect);
    assert!(since.elapsed() < Duration::from_millis(5), "{:?}", since.elapsed());
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(connection.address().as_deref(), Some("tcp://b:1"));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_swallows_everything_holds_nobody_up() {
    let mut world = World::new().await;
    world.network.black_hole("client", "a");
    let since = Instant::now();
    let connecting = world.connecting(AB);
    world.b.accept().await;
    connecting.await.unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_no_other_attempt_could_mend_is_said_at_once() {
    let mut world = World::new().await;
    let connecting = world.connecting(AB);
    let mut a = world.a.link().await;
    let info = a.next().await;
    a.refuse(&info, "javax.jms.InvalidClientIDException", "taken");
    let error = connecting.await.unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");

    let error = world.connecting("failover:(ssl://a:1,amqp://b:1)").await.unwrap().unwrap_err();
    assert!(error.to_string().contains("scheme"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_broker_can_be_closed() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(AB).await;
    let producer = producer(&connection.session(AckMode::Auto), &mut a).await;
    world.network.cut("client", "a");
    world.network.cut("client", "b");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let waiting = sending(&producer, "never");
    tokio::time::sleep(Duration::from_secs(1)).await;
    connection.close().await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(SendError::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn messages_that_nobody_confirms_are_sent_again_where_that_is_wanted() {
    let mut world = World::new().await;
    let (connection, mut a) = world.connected(&format!("{AB}&trackMessages=true")).await;
    let producer = producer(&connection.session(AckMode::Auto), &mut a).await;
    producer.send(OutgoingMessage::text("fleeting").persistent(false)).await.unwrap();
    assert!(matches!(a.next().await, Command::Message(_)));
    a.cut();
    let (mut b, _) = world.b.accept().await;
    let Command::Message(again) = b.serve_until("Message").await else { panic!() };
    assert_eq!(again.message_id().unwrap().producer_sequence_id, 1);
}

#[tokio::test(start_paused = true)]
async fn of_messages_that_nobody_confirms_the_latest_are_kept_as_far_as_they_fit() {
    let mut world = World::new().await;
    let (connection, mut a) =
        world.connected(&format!("{AB}&trackMessages=true&maxCacheSize=5500")).await;
    let producer = producer(&connection.session(AckMode::Auto), &mut a).await;
    for _ in 0..3 {
        let message = OutgoingMessage::text("x".repeat(1_200)).persistent(false);
        producer.send(message).await.unwrap();
        assert!(matches!(a.next().await, Command::Message(_)));
    }
    a.cut();
    let (mut b, _) = world.b.accept().await;
    let Command::Message(again) = b.serve_until("Message").await else { panic!() };
    assert_eq!(again.message_id().unwrap().producer_sequence_id, 2, "the first had to go");
}

#[tokio::test(start_paused = true)]
async fn spare_links_are_kept_to_as_many_brokers_as_are_asked_for() {
    let mut world = World::new().await;
    let url =
        "failover:(tcp://a:1,tcp://b:1,tcp://c:1)?randomize=false&backup=true&backupPoolSize=2";
    let (connection, a) = world.connected(url).await;
    let (mut b, mut c) = (world.b.link().await, world.c.link().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    for host in ["a", "b", "c"] {
        world.network.refuse("client", host);
    }
    a.cut();
    // Both are there; which is taken first does not matter.
    let (first, mut second) = tokio::select! {
        _ = b.let_in() => (b, c),
        _ = c.let_in() => (c, b),
    };
    let since = Instant::now();
    first.cut();
    assert!(second.let_in().await.failover_reconnect);
    assert!(since.elapsed() < Duration::from_millis(5), "{:?}", since.elapsed());
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(connection.address().is_some());
}

/// A file of addresses, and the options that name it.
fn file(name: &str, text: &str) -> (std::path::PathBuf, String) {
    let path = std::env::temp_dir().join(format!("ferrymq-{name}-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let options = format!("updateURIsURL=file:{}", path.display());
    (path, options)
}

#[tokio::test(start_paused = true)]
async fn a_file_of_addresses_is_followed_while_connected() {
    let mut world = World::new().await;
    let (path, options) = file("moves", "tcp://a:1");
    let (_connection, mut a) = world.connected(&format!("{AB}&{options}")).await;
    std::fs::write(&path, "tcp://c:1,\ntcp://b:1\n").unwrap();
    let (mut c, _) = timeout(Duration::from_secs(5), world.c.accept()).await.unwrap();
    assert!(brief(&a.next().await).contains("RemoveInfo"), "it left in order");
    // What makes no sense changes nothing.
    std::fs::write(&path, "tcp//b").unwrap();
    assert!(timeout(Duration::from_secs(5), c.next()).await.is_err());
    std::fs::remove_file(&path).unwrap();
    assert!(timeout(Duration::from_secs(5), c.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_file_of_addresses_need_not_move_a_connection() {
    let mut world = World::new().await;
    let (path, options) = file("stays", "tcp://a:1");
    let url = format!("{AB}&{options}&rebalanceUpdateURIs=false");
    let (_connection, mut a) = world.connected(&url).await;
    std::fs::write(&path, "tcp://c:1").unwrap();
    assert!(timeout(Duration::from_secs(5), a.next()).await.is_err(), "it stays");
    a.cut();
    world.c.accept().await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn durable_subscriptions_are_taken_along_each_with_what_it_settled() {
    let mut world = World::new().await;
    world.options = world.options.clone().client_id("reader");
    let (connection, mut a) = world.connected(AB).await;
    let session = connection.session(AckMode::Auto);
    let topic = Destination::topic("T");
    let mut consumers = Vec::new();
    for name in ["one", "two"] {
        let opening = tokio::spawn({
            let (session, options) = (session.clone(), ConsumerOptions::new(topic.clone()));
            async move { session.consumer(options.durable(name)).await }
        });
        a.serve_until("ConsumerInfo").await;
        consumers.push(opening.await.unwrap().unwrap());
    }
    let [one, two] = consumers.as_slice() else { panic!() };
    a.dispatch(one.id(), &topic, [1]);
    assert!(one.receive().await.unwrap().is_some());
    world.network.crash("a");
    let (mut b, _) = world.b.accept().await;
    for name in ["one", "two"] {
        let Command::ConsumerInfo(told) = b.serve_until("ConsumerInfo").await else { panic!() };
        assert_eq!(told.subscription_name, Some(name.into()));
        assert_eq!(told.prefetch_size, 100);
    }
    // What the one settled comes again: it is its copy alone that was.
    b.dispatch(one.id(), &topic, [1, 2]);
    b.dispatch(two.id(), &topic, [1, 2]);
    let mut got = Vec::new();
    for (consumer, count) in [(one, 1), (two, 2)] {
        for _ in 0..count {
            let delivery = consumer.receive().await.unwrap().unwrap();
            got.push(delivery.message_id().unwrap().producer_sequence_id);
        }
        assert!(consumer.try_receive().unwrap().is_none());
    }
    assert_eq!(got, [2, 1, 2]);
}
