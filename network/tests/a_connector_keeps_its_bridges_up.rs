//! Connector and driver over simulated links on a paused clock: bridges come up, come back, and
//! leave in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ferrymq_network::config::NetworkConnectorConfig;
use ferrymq_network::connector::{LinkState, LinkStatus, NetworkConnector, NetworkConnectorHandle};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::clock::Clock;
use ferrymq_transport::dial::Binder;
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::handshake;
use ferrymq_transport::simulated::SimulatedNetwork;
use support::broker::{Other, Own};
use support::make::{broker_info, consumer, message};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

fn queue() -> Destination {
    Destination::queue("Q")
}

struct Site {
    network: SimulatedNetwork,
    own: Own,
}

impl Site {
    fn new() -> Self {
        Self { network: SimulatedNetwork::new(7), own: Own::default() }
    }

    /// A remote broker that listens at `host:61616`.
    async fn remote(&self, host: &str) -> (Other, JoinHandle<()>) {
        let other = Other::default();
        other.change(|remote| remote.name = host.to_owned());
        let task = self.listen(host, other.clone()).await;
        (other, task)
    }

    async fn listen(&self, host: &str, other: Other) -> JoinHandle<()> {
        let endpoint = Endpoint::tcp(host, 61616);
        let mut listener = self.network.host(host).bind(&endpoint).await.unwrap();
        tokio::spawn(async move {
            while let Ok(stream) = listener.accept().await {
                let other = other.clone();
                tokio::spawn(async move {
                    let options = WireFormatOptions::default();
                    if let Ok(link) = handshake(stream, &options, Duration::from_secs(10)).await {
                        other.serve(link).await;
                    }
                });
            }
        })
    }

    fn connect(&self, uri: &str) -> NetworkConnectorHandle {
        let config = NetworkConnectorConfig::new("NC", &uri.parse().unwrap()).unwrap();
        NetworkConnector::start(
            config,
            Arc::new(self.own.clone()),
            Arc::new(self.network.host("local")),
            Clock::starting_at(1_700_000_000_000),
            11,
            Arc::default(),
        )
    }
}

/// Waits for a condition in virtual time.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(300);
    while !holds() {
        assert!(Instant::now() < give_up, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn is_live(status: &LinkStatus) -> bool {
    matches!(status.state, LinkState::Live { .. })
}

async fn until_live(connector: &NetworkConnectorHandle) {
    until("all links live", || connector.status().iter().all(is_live)).await;
}

#[tokio::test(start_paused = true)]
async fn messages_cross_and_the_status_counts_them() {
    let site = Site::new();
    let (remote, _listening) = site.remote("remote").await;
    let connector = site.connect("static:(tcp://remote:61616)");
    until_live(&connector).await;
    for number in 1..=20 {
        site.own.change(|own| own.publish(&queue(), message(&queue(), number)));
    }
    remote.change(|remote| remote.add_consumer(consumer("client", 1, &queue())));
    until("all crossed", || site.own.state.lock().acked.len() == 20).await;
    assert_eq!(remote.state.lock().accepted, (1..=20).collect::<Vec<_>>());
    until("the status says so", || connector.status()[0].forwarded == 20).await;
    let status = &connector.status()[0];
    assert_eq!(status.remote_uri, "tcp://remote:61616");
    let remote = status.remote_broker.as_ref().map(|remote| remote.name.as_str());
    assert_eq!(remote, Some("remote"));
    assert_eq!((status.in_flight, status.demands, status.refused), (0, 1, 0));
    assert_eq!(status.last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_bridge_comes_back_after_every_cut_and_loses_nothing() {
    let site = Site::new();
    let (remote, _listening) = site.remote("remote").await;
    let connector = site.connect("static:(tcp://remote:61616)?initialReconnectDelay=100");
    until_live(&connector).await;
    remote.change(|remote| remote.add_consumer(consumer("client", 1, &queue())));
    for round in 0..10 {
        for number in 1..=20 {
            let number = round * 20 + number;
            site.own.change(|own| own.publish(&queue(), message(&queue(), number)));
        }
        sleep(Duration::from_millis(u64::try_from(round).unwrap())).await;
        site.network.cut("local", "remote");
        until("down", || !is_live(&connector.status()[0])).await;
        site.network.heal("local", "remote");
        until_live(&connector).await;
    }
    until("all crossed", || site.own.state.lock().acked.len() == 200).await;
    assert!(connector.status()[0].last_error.is_some(), "what went wrong last stays visible");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_returns_is_bridged_again_and_one_that_never_came_is_tried_ever_more_slowly()
{
    let site = Site::new();
    let connector = site.connect("static:(tcp://remote:61616)");
    let mut delays = Vec::new();
    let mut last = None;
    until("down to the longest delay", || {
        if let LinkState::WaitingToRetry { reason, until } = &connector.status()[0].state
            && last != Some(*until)
        {
            assert!(reason.contains("\"remote\""), "{reason}");
            delays.push((*until - Instant::now()).as_secs_f64());
            last = Some(*until);
        }
        delays.len() == 7
    })
    .await;
    for (delay, longest) in delays.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]) {
        assert!(*delay <= longest && *delay > longest * 0.75, "{delays:?}");
    }
    let (_remote, _listening) = site.remote("remote").await;
    until_live(&connector).await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_lived_is_redialled_soon() {
    let site = Site::new();
    let connector = site.connect("static:(tcp://remote:61616)");
    sleep(Duration::from_secs(100)).await;
    let (_remote, _listening) = site.remote("remote").await;
    until_live(&connector).await;
    sleep(Duration::from_secs(6)).await;
    site.network.cut("local", "remote");
    until("down", || !is_live(&connector.status()[0])).await;
    let LinkState::WaitingToRetry { until, .. } = connector.status()[0].state.clone() else {
        panic!("{:?}", connector.status()[0].state)
    };
    assert!(until - Instant::now() <= Duration::from_secs(1), "the delays start anew");
}

/// How long until the next attempt at most.
fn delay(connector: &NetworkConnectorHandle) -> Duration {
    match &connector.status()[0].state {
        LinkState::WaitingToRetry { until, .. } => *until - Instant::now(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_lived_shortly_is_redialled_soon_once() {
    let site = Site::new();
    let connector = site.connect("static:(tcp://remote:61616)");
    sleep(Duration::from_secs(100)).await;
    let (_remote, _listening) = site.remote("remote").await;
    for (longest, least) in [(1, 0), (2, 1), (4, 2), (8, 4)] {
        until_live(&connector).await;
        site.network.cut("local", "remote");
        until("down", || !is_live(&connector.status()[0])).await;
        let range = Duration::from_secs(least)..=Duration::from_secs(longest);
        let delay = delay(&connector);
        assert!(range.contains(&delay), "{delay:?} is not in {range:?}");
        site.network.heal("local", "remote");
    }
}

#[tokio::test(start_paused = true)]
async fn every_member_has_its_own_bridge_and_a_deaf_one_delays_nobody() {
    let site = Site::new();
    let (first, _a) = site.remote("first").await;
    let endpoint = Endpoint::tcp("deaf", 61616);
    let mut deaf = site.network.host("deaf").bind(&endpoint).await.unwrap();
    let _deaf = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(stream) = deaf.accept().await {
            kept.push(stream);
        }
    });
    let started = Instant::now();
    let connector = site.connect("static:(tcp://deaf:61616,tcp://first:61616,tcp://nobody:61616)");
    until("the good one is live", || is_live(&connector.status()[1])).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    first.change(|remote| remote.add_consumer(consumer("client", 1, &queue())));
    site.own.change(|own| own.publish(&queue(), message(&queue(), 1)));
    until("crossed", || first.state.lock().accepted == [1]).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    until("the deaf one is left", || {
        matches!(connector.status()[0].state, LinkState::WaitingToRetry { .. })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_noticed_and_left() {
    let site = Site::new();
    let (remote, _listening) = site.remote("remote").await;
    let connector = site.connect(
        "static:(tcp://remote:61616?wireFormat.maxInactivityDuration=2000\
         &wireFormat.maxInactivityDurationInitalDelay=1000)",
    );
    until_live(&connector).await;
    remote.change(|remote| remote.add_consumer(consumer("client", 1, &queue())));
    site.network.black_hole("local", "remote");
    let hole = Instant::now();
    until("noticed", || !is_live(&connector.status()[0])).await;
    assert!(hole.elapsed() < Duration::from_secs(6), "{:?}", hole.elapsed());
    site.network.heal("local", "remote");
    until_live(&connector).await;
    site.own.change(|own| own.publish(&queue(), message(&queue(), 1)));
    until("crossed", || remote.state.lock().accepted == [1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_way_back_to_the_same_broker_is_retried_slowly() {
    let site = Site::new();
    let endpoint = Endpoint::tcp("mirror", 61616);
    let mut listener = site.network.host("mirror").bind(&endpoint).await.unwrap();
    let mirror = tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let options = WireFormatOptions::default();
            let link = handshake(stream, &options, Duration::from_secs(10)).await.unwrap();
            link.outbox.push(broker_info("local"));
            tokio::spawn(link.pump.run());
            let mut receiver = link.receiver;
            tokio::spawn(async move { while receiver.receive(&mut Vec::new()).await.is_ok() {} });
        }
    });
    let connector = site.connect("static:(tcp://mirror:61616)");
    until("left", || matches!(connector.status()[0].state, LinkState::WaitingToRetry { .. })).await;
    let LinkState::WaitingToRetry { reason, until: due } = connector.status()[0].state.clone()
    else {
        panic!()
    };
    assert!(reason.contains("leads back to this broker"), "{reason}");
    assert!(due - Instant::now() > Duration::from_secs(29));
    // Later somebody else answers there.
    mirror.abort();
    let _ = mirror.await;
    let (_remote, _listening) = site.remote("mirror").await;
    until_live(&connector).await;
}

#[tokio::test(start_paused = true)]
async fn told_to_give_up_it_does_and_says_so() {
    let site = Site::new();
    let connector =
        site.connect("static:(tcp://nobody:61616)?maxReconnectAttempts=3&initialReconnectDelay=10");
    until("given up", || matches!(connector.status()[0].state, LinkState::GivenUp { .. })).await;
    connector.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_takes_leave_of_both_brokers() {
    let site = Site::new();
    let (remote, _listening) = site.remote("remote").await;
    let connector = site.connect("tcp://remote:61616");
    until_live(&connector).await;
    remote.change(|remote| remote.add_consumer(consumer("client", 1, &queue())));
    site.own.change(|own| own.publish(&queue(), message(&queue(), 1)));
    until("crossed", || site.own.state.lock().acked.len() == 1).await;
    let stopping = Instant::now();
    connector.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(1));
    until("the subscription is gone", || site.own.state.lock().consumers.is_empty()).await;
    let said = |command: &ferrymq_openwire::command::Command| command.wire_name();
    until("the remote heard goodbye", || {
        remote.state.lock().seen.last().map(said) == Some("ShutdownInfo")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_outcome() {
    let outcome = || async {
        let site = Site::new();
        let connector = site.connect("static:(tcp://a:61616,tcp://b:61616)");
        let started = Instant::now();
        sleep(Duration::from_secs(20)).await;
        let states = connector.status().into_iter().map(|status| match status.state {
            LinkState::WaitingToRetry { until, .. } => until - started,
            other => panic!("{other:?}"),
        });
        let states = states.collect::<Vec<_>>();
        connector.stop().await;
        states
    };
    let (first, second) = (outcome().await, outcome().await);
    assert_eq!(first, second);
    assert_ne!(first[0], first[1], "links do not dial in step");
}

#[tokio::test(start_paused = true)]
async fn one_deaf_peer_of_ten_delays_nobody() {
    let site = Site::new();
    let mut listening = Vec::new();
    for number in 1..10 {
        listening.push(site.remote(&format!("remote{number}")).await);
    }
    // It is accepted by its system, and says nothing.
    let deaf = site.network.host("remote0").bind(&Endpoint::tcp("remote0", 61616)).await.unwrap();
    let members: Vec<String> =
        (0..10).map(|number| format!("tcp://remote{number}:61616")).collect();
    let start = Instant::now();
    let connector = site.connect(&format!("static:({})", members.join(",")));
    until("nine are up", || connector.status().iter().filter(|link| is_live(link)).count() == 9)
        .await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    until("the tenth is left", || {
        matches!(connector.status()[0].state, LinkState::WaitingToRetry { .. })
    })
    .await;
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_noticed_within_the_timeout_and_carries_again_soon_after_its_end() {
    let site = Site::new();
    let (_remote, _listening) = site.remote("remote").await;
    let connector = site.connect("static:(tcp://remote:61616)?maxReconnectDelay=1000");
    until_live(&connector).await;
    for seconds in [1, 15, 40, 65] {
        // Ten seconds is what a link has unless it is told otherwise.
        const TIMEOUT: Duration = Duration::from_secs(10);
        sleep(Duration::from_secs(7)).await;
        site.network.black_hole("local", "remote");
        let hole = Instant::now();
        if seconds > 10 {
            until("noticed", || !is_live(&connector.status()[0])).await;
            assert!(hole.elapsed() <= TIMEOUT, "{:?}", hole.elapsed());
        }
        tokio::time::sleep_until(hole + Duration::from_secs(seconds)).await;
        site.network.heal("local", "remote");
        let healed = Instant::now();
        until("up and proven again", || {
            let status = &connector.status()[0];
            is_live(status) && status.proven > Some(healed)
        })
        .await;
        let backoff = Duration::from_secs(1);
        assert!(healed.elapsed() <= TIMEOUT + backoff, "{seconds} s: {:?}", healed.elapsed());
    }
}

/// Of `masterslave:` only one is bridged: the first that answers, in their order each time.
#[tokio::test(start_paused = true)]
async fn of_a_master_and_its_slave_the_one_that_answers_is_bridged() {
    let site = Site::new();
    let (_slave, _listening) = site.remote("slave").await;
    let connector = site.connect(
        "masterslave:(tcp://master:61616,tcp://slave:61616)?initialReconnectDelay=100\
         &useExponentialBackOff=false",
    );
    until_live(&connector).await;
    assert_eq!(connector.status().len(), 1);
    assert_eq!(connector.status()[0].remote_uri, "tcp://slave:61616");
    let (_master, _listening) = site.remote("master").await;
    site.network.cut("local", "slave");
    until("the master is", || connector.status()[0].remote_uri == "tcp://master:61616").await;
    until_live(&connector).await;
    site.network.heal("local", "slave");
    site.network.cut("local", "master");
    until("the slave is", || connector.status()[0].remote_uri == "tcp://slave:61616").await;
    until_live(&connector).await;
    assert_eq!(connector.status().len(), 1);
}

/// A master that answers and comes to nothing does not keep the link from its slave.
#[tokio::test(start_paused = true)]
async fn a_master_with_which_a_bridge_comes_to_nothing_is_passed_over() {
    let site = Site::new();
    let endpoint = Endpoint::tcp("master", 61616);
    let mut listener = site.network.host("master").bind(&endpoint).await.unwrap();
    let _mute = tokio::spawn(async move {
        // It agrees on the wire format and says nothing more.
        while let Ok(stream) = listener.accept().await {
            let options = WireFormatOptions::default();
            drop(handshake(stream, &options, Duration::from_secs(10)).await);
        }
    });
    let (_slave, _listening) = site.remote("slave").await;
    let connector = site
        .connect("masterslave:(tcp://master:61616,tcp://slave:61616)?initialReconnectDelay=100");
    until_live(&connector).await;
    assert_eq!(connector.status()[0].remote_uri, "tcp://slave:61616");
}
