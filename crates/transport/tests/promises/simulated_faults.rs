//! Cuts, black holes and crashes look as they do in a real network.

use std::io::ErrorKind;
use std::time::Duration;

use ferrymq_transport::dial::{Binder, DialError, Dialer, Listener, Stream};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::{ConnectError, connect};
use ferrymq_transport::simulated::{LinkConditions, SimulatedNetwork};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);
const LATENCY: Duration = Duration::from_millis(10);

struct Scene {
    network: SimulatedNetwork,
    endpoint: Endpoint,
    listener: Box<dyn Listener>,
    a: Stream,
    b: Stream,
}

async fn scene() -> Scene {
    let network = SimulatedNetwork::new(1);
    let conditions = LinkConditions { latency: LATENCY, ..LinkConditions::default() };
    network.set_default_conditions(conditions);
    let endpoint = Endpoint::tcp("b", 61616);
    let mut listener = network.host("b").bind(&endpoint).await.unwrap();
    let a = network.host("a");
    let (a, b) = tokio::join!(a.dial(&endpoint), listener.accept());
    let (a, b) = (a.unwrap(), b.unwrap());
    Scene { network, endpoint, listener, a, b }
}

impl Scene {
    async fn dial(&mut self) -> Result<(Stream, Stream), DialError> {
        let dialer = self.network.host("a");
        let stream = dialer.dial(&self.endpoint).await?;
        Ok((stream, self.listener.accept().await.unwrap()))
    }

    async fn crosses(&mut self, byte: u8) {
        self.a.writer.write_u8(byte).await.unwrap();
        assert_eq!(self.b.reader.read_u8().await.unwrap(), byte);
    }
}

fn is_refused(result: Result<(Stream, Stream), DialError>) -> bool {
    matches!(result, Err(DialError::Connect { source, .. }) if source.kind() == ErrorKind::ConnectionRefused)
}

#[tokio::test(start_paused = true)]
async fn a_cut_resets_both_ends_and_refuses_until_healed() {
    let mut scene = scene().await;
    scene.a.writer.write_all(b"lost").await.unwrap();
    scene.network.cut("b", "a");
    for end in [&mut scene.a, &mut scene.b] {
        let error = end.reader.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = end.writer.write_u8(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
    assert!(is_refused(scene.dial().await));
    scene.network.heal("a", "b");
    let (a, b) = scene.dial().await.unwrap();
    (scene.a, scene.b) = (a, b);
    scene.crosses(7).await;
}

#[tokio::test(start_paused = true)]
async fn a_cut_wakes_those_who_wait() {
    let Scene { network, mut a, mut b, .. } = scene().await;
    let reading = tokio::spawn(async move { a.reader.read_u8().await });
    let writing = tokio::spawn(async move { b.writer.write_all(&[0; 2 << 20]).await });
    sleep(MS).await;
    assert!(!reading.is_finished() && !writing.is_finished());
    network.cut("a", "b");
    let elapsed = Instant::now();
    assert!(reading.await.unwrap().is_err());
    assert!(writing.await.unwrap().is_err());
    assert_eq!(elapsed.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_cut_concerns_two_hosts_only() {
    let mut scene = scene().await;
    scene.network.cut("a", "c");
    scene.network.cut("c", "b");
    scene.crosses(1).await;
    assert!(scene.dial().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn refusal_leaves_what_is_connected() {
    let mut scene = scene().await;
    scene.network.refuse("a", "b");
    assert!(is_refused(scene.dial().await));
    scene.crosses(1).await;
    scene.network.heal_all();
    assert!(scene.dial().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_swallows_silently_and_what_it_swallowed_comes_after_healing() {
    let mut scene = scene().await;
    scene.a.writer.write_all(b"before").await.unwrap();
    sleep(LATENCY).await;
    scene.a.writer.write_all(b"underway").await.unwrap();
    scene.network.black_hole("a", "b");
    scene.a.writer.write_all(b"within").await.unwrap();
    let mut before = [0; 6];
    scene.b.reader.read_exact(&mut before).await.unwrap();
    assert_eq!(&before, b"before", "what had arrived can be read");
    let hour = Duration::from_secs(3600);
    assert!(timeout(hour, scene.b.reader.read_u8()).await.is_err());
    assert!(timeout(hour, scene.a.reader.read_u8()).await.is_err(), "nobody is told");
    scene.network.heal("a", "b");
    let healed = Instant::now();
    let mut rest = [0; 14];
    scene.b.reader.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"underwaywithin");
    assert_eq!(healed.elapsed(), LATENCY);
    scene.crosses(1).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_black_hole_writers_write_until_their_buffer_is_full() {
    let mut scene = scene().await;
    scene.network.black_hole("a", "b");
    let mut written = 0;
    while let Ok(count) =
        timeout(Duration::from_secs(60), scene.a.writer.write(&[0; 64 << 10])).await
    {
        written += count.unwrap();
    }
    assert_eq!(written, LinkConditions::default().buffer);
}

#[tokio::test(start_paused = true)]
async fn dials_into_a_black_hole_hang_until_it_heals() {
    let mut scene = scene().await;
    scene.network.black_hole("a", "b");
    assert!(timeout(Duration::from_secs(600), scene.dial()).await.is_err());
    let network = scene.network.clone();
    let dialing = tokio::spawn(async move { scene.dial().await.map(|_| Instant::now()) });
    sleep(Duration::from_secs(5)).await;
    network.heal("a", "b");
    let healed = Instant::now();
    assert_eq!(dialing.await.unwrap().unwrap() - healed, 2 * LATENCY);
}

#[tokio::test(start_paused = true)]
async fn a_dial_has_its_connection_timeout() {
    let scene = scene().await;
    scene.network.black_hole("a", "b");
    let a = scene.network.host("a");
    let started = Instant::now();
    let endpoint = scene.endpoint.clone().with_option("connectionTimeout", "5000");
    let error = connect(&a, &endpoint).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error}");
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    let endless = scene.endpoint.clone().with_option("connectionTimeout", "0");
    assert!(timeout(Duration::from_secs(3600), connect(&a, &endless)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_noticed_when_the_news_arrives() {
    let mut scene = scene().await;
    scene.b.writer.write_all(b"last words").await.unwrap();
    sleep(5 * MS).await;
    scene.network.crash("b");
    assert!(scene.b.reader.read_u8().await.is_err(), "a crashed host notices at once");
    assert!(scene.listener.accept().await.is_err());
    let mut words = [0; 10];
    scene.a.reader.read_exact(&mut words).await.unwrap();
    let crashed = Instant::now();
    assert!(scene.a.reader.read_u8().await.is_err());
    assert_eq!(crashed.elapsed(), 5 * MS);
    let a = scene.network.host("a");
    assert!(a.dial(&scene.endpoint).await.is_err());
    // It starts again, on the same port.
    scene.listener = scene.network.host("b").bind(&scene.endpoint).await.unwrap();
    (scene.a, scene.b) = scene.dial().await.unwrap();
    scene.crosses(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_behind_a_black_hole_is_noticed_after_healing() {
    let mut scene = scene().await;
    scene.network.black_hole("a", "b");
    scene.network.crash("b");
    assert!(timeout(Duration::from_secs(600), scene.a.reader.read_u8()).await.is_err());
    scene.network.heal("a", "b");
    let error = timeout(2 * LATENCY, scene.a.reader.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn loopback_is_private_and_has_no_faults() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = (network.host("a"), network.host("b"));
    let mut private = a.bind(&Endpoint::tcp("127.0.0.1", 1)).await.unwrap();
    let mut public = a.bind(&Endpoint::tcp("0.0.0.0", 2)).await.unwrap();
    network.cut("a", "b");
    network.heal("a", "b");
    for (host, port, reached) in [("localhost", 1, true), ("a", 1, true), ("a", 2, true)] {
        assert_eq!(a.dial(&Endpoint::tcp(host, port)).await.is_ok(), reached, "a to {host}:{port}");
    }
    for (host, port, reached) in [("localhost", 2, false), ("a", 1, false), ("a", 2, true)] {
        assert_eq!(b.dial(&Endpoint::tcp(host, port)).await.is_ok(), reached, "b to {host}:{port}");
    }
    private.accept().await.unwrap();
    public.accept().await.unwrap();
    let error = a.dial(&Endpoint::tcp("nowhere", 1)).await.unwrap_err();
    assert!(matches!(error, DialError::Resolve { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_refuses() {
    let network = SimulatedNetwork::new(1);
    let (a, b) = (network.host("a"), network.host("b"));
    let mut listener = b.bind(&"tcp://b:1?backlog=2".parse().unwrap()).await.unwrap();
    let endpoint = Endpoint::tcp("b", 1);
    let _waiting = (a.dial(&endpoint).await.unwrap(), a.dial(&endpoint).await.unwrap());
    assert!(a.dial(&endpoint).await.is_err());
    listener.accept().await.unwrap();
    assert!(a.dial(&endpoint).await.is_ok());
}
