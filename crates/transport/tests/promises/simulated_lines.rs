//! Simulated lines have the latency, the bandwidth and the order that they were given.

use std::time::Duration;

use ferrymq_transport::dial::{Binder, Dialer, Stream};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::simulated::{LinkConditions, SimulatedNetwork};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

const MS: Duration = Duration::from_millis(1);

fn line(latency: Duration) -> LinkConditions {
    LinkConditions { latency, ..LinkConditions::default() }
}

async fn connected(network: &SimulatedNetwork, from: &str, to: &str) -> (Stream, Stream) {
    let (dialer, binder) = (network.host(from), network.host(to));
    let mut listener = binder.bind(&Endpoint::tcp(to, 0)).await.unwrap();
    let endpoint = listener.endpoint();
    let (dialed, accepted) = tokio::join!(dialer.dial(&endpoint), listener.accept());
    (dialed.unwrap(), accepted.unwrap())
}

#[tokio::test(start_paused = true)]
async fn bytes_take_their_time_in_each_direction() {
    let network = SimulatedNetwork::new(1);
    network.set_direction("a", "b", line(12 * MS));
    network.set_direction("b", "a", line(30 * MS));
    let started = Instant::now();
    let (mut a, mut b) = connected(&network, "a", "b").await;
    assert_eq!(started.elapsed(), 42 * MS, "a dial is a round trip");
    let started = Instant::now();
    a.writer.write_u8(1).await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO, "a write that fits does not wait");
    b.reader.read_u8().await.unwrap();
    assert_eq!(started.elapsed(), 12 * MS);
    b.writer.write_u8(2).await.unwrap();
    a.reader.read_u8().await.unwrap();
    assert_eq!(started.elapsed(), 42 * MS);
}

#[tokio::test(start_paused = true)]
async fn the_default_holds_for_pairs_that_have_nothing_else() {
    let network = SimulatedNetwork::new(1);
    network.set_conditions("a", "b", line(5 * MS));
    network.set_default_conditions(line(50 * MS));
    for (to, round_trip) in [("b", 10 * MS), ("c", 100 * MS), ("a", Duration::ZERO)] {
        let started = Instant::now();
        connected(&network, "a", to).await;
        assert_eq!(started.elapsed(), round_trip, "a to {to}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_narrow_line_is_shared_by_its_streams() {
    let network = SimulatedNetwork::new(1);
    let narrow = LinkConditions { bandwidth: Some(100_000), ..line(10 * MS) };
    network.set_conditions("a", "b", narrow);
    let (mut first, mut first_end) = connected(&network, "a", "b").await;
    let (mut second, mut second_end) = connected(&network, "a", "b").await;
    let started = Instant::now();
    first.writer.write_all(&[1; 100_000]).await.unwrap();
    second.writer.write_all(&[2; 50_000]).await.unwrap();
    let mut bytes = vec![0; 100_000];
    first_end.reader.read_exact(&mut bytes[..1000]).await.unwrap();
    assert!(started.elapsed() < 30 * MS, "bytes arrive as they are sent, not all at the end");
    first_end.reader.read_exact(&mut bytes[1000..]).await.unwrap();
    assert_eq!(started.elapsed(), 1010 * MS);
    second_end.reader.read_exact(&mut bytes[..50_000]).await.unwrap();
    assert_eq!(started.elapsed(), 1510 * MS);
    // The other direction is another line.
    let started = Instant::now();
    first_end.writer.write_all(&[3; 1000]).await.unwrap();
    first.reader.read_exact(&mut bytes[..1000]).await.unwrap();
    assert_eq!(started.elapsed(), 20 * MS);
}

#[tokio::test(start_paused = true)]
async fn jitter_delays_but_never_reorders() {
    let network = SimulatedNetwork::new(1);
    network.set_conditions("a", "b", LinkConditions { jitter: 50 * MS, ..line(10 * MS) });
    let (mut a, mut b) = connected(&network, "a", "b").await;
    let writer = tokio::spawn(async move {
        for number in 0..1000_u32 {
            a.writer.write_u32(number).await.unwrap();
            tokio::time::sleep(MS).await;
        }
        a
    });
    let (mut arrivals, started) = (Vec::new(), Instant::now());
    for number in 0..1000 {
        assert_eq!(b.reader.read_u32().await.unwrap(), number);
        arrivals.push(started.elapsed());
    }
    let gaps: Vec<Duration> = arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().any(|gap| *gap > 3 * MS), "some bytes were delayed");
    let last = arrivals.last().unwrap();
    assert!((1009 * MS..1062 * MS).contains(last), "{last:?}");
    writer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_stops_the_writer() {
    let network = SimulatedNetwork::new(1);
    network.set_conditions("a", "b", LinkConditions { buffer: 10_000, ..line(MS) });
    let (mut a, mut b) = connected(&network, "a", "b").await;
    let mut written = 0;
    while let Ok(count) = timeout(100 * MS, a.writer.write(&[0; 3000])).await {
        written += count.unwrap();
    }
    assert_eq!(written, 10_000);
    let mut bytes = [0; 4000];
    b.reader.read_exact(&mut bytes).await.unwrap();
    let more = timeout(100 * MS, a.writer.write(&[0; 9000])).await.unwrap().unwrap();
    assert_eq!(more, 4000);
}

/// What an observer sees of random traffic between three hosts.
async fn traffic(seed: u64) -> Vec<(Duration, usize, usize)> {
    let network = SimulatedNetwork::new(seed);
    let conditions = LinkConditions { jitter: 20 * MS, bandwidth: Some(1_000_000), ..line(5 * MS) };
    network.set_default_conditions(conditions);
    let started = Instant::now();
    let (seen, mut sightings) = tokio::sync::mpsc::channel(10_000);
    let mut tasks = tokio::task::JoinSet::new();
    for (number, (from, to)) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "b")].iter().enumerate()
    {
        let (mut dialed, mut accepted) = connected(&network, from, to).await;
        tasks.spawn(async move {
            for size in 1..200 {
                dialed.writer.write_all(&vec![0; size * 7]).await.unwrap();
                tokio::time::sleep(MS).await;
            }
        });
        let seen = seen.clone();
        tasks.spawn(async move {
            let mut bytes = vec![0; 1000];
            loop {
                match accepted.reader.read(&mut bytes).await.unwrap() {
                    0 => return,
                    count => seen.send((started.elapsed(), number, count)).await.unwrap(),
                }
            }
        });
    }
    tasks.join_all().await;
    drop(seen);
    let mut all = Vec::new();
    while let Some(sighting) = sightings.recv().await {
        all.push(sighting);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_outcome() {
    let first = traffic(42).await;
    assert!(first.len() > 500);
    assert_eq!(first, traffic(42).await);
    assert_ne!(first, traffic(43).await);
}
