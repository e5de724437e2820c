//! The same code sees the same over sockets and in a simulation.

use std::sync::Arc;

use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::dial::{BindError, Binder, DialError, Dialer};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::handshake::{connect, handshake};
use ferrymq_transport::link::{Link, LinkError};
use ferrymq_transport::simulated::SimulatedNetwork;
use ferrymq_transport::tcp::Tcp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::links::*;

/// Somewhere to listen and somebody to dial from.
struct World {
    dialer: Arc<dyn Dialer>,
    binder: Arc<dyn Binder>,
    host: &'static str,
}

fn tcp() -> World {
    World { dialer: Arc::new(Tcp), binder: Arc::new(Tcp), host: "127.0.0.1" }
}

fn simulated() -> World {
    let network = SimulatedNetwork::new(1);
    World { dialer: Arc::new(network.host("a")), binder: Arc::new(network.host("b")), host: "b" }
}

/// Each test runs in both worlds.
macro_rules! in_both_worlds {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            #[tokio::test]
            async fn over_tcp() {
                super::$test(super::tcp()).await;
            }

            #[tokio::test(start_paused = true)]
            async fn in_a_simulation() {
                super::$test(super::simulated()).await;
            }
        }
    )* };
}

in_both_worlds! {
    commands_come_back,
    bytes_before_the_end_are_delivered,
    writing_to_someone_who_left_fails,
    nobody_listens,
    a_port_is_taken_until_its_listener_is_gone,
    a_foreign_address,
    misspelt_options,
    other_schemes,
}

async fn commands_come_back(world: World) {
    let mut listener = world.binder.bind(&Endpoint::tcp(world.host, 0)).await.unwrap();
    let endpoint = listener.endpoint();
    assert_ne!(endpoint.port, 0);
    let echo = tokio::spawn(async move {
        let stream = listener.accept().await.unwrap();
        let link = handshake(stream, &WireFormatOptions::default(), DEADLINE).await.unwrap();
        let remote = link.peer.remote.clone();
        let Link { mut receiver, outbox, pump, .. } = link;
        let pump = tokio::spawn(pump.run());
        let mut batch = Vec::new();
        loop {
            match receiver.receive(&mut batch).await {
                Ok(()) => assert!(outbox.push_all(&mut batch)),
                Err(LinkError::Closed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        drop(receiver);
        pump.await.unwrap().unwrap();
        remote
    });
    let link = connect(&*world.dialer, &endpoint).await.unwrap();
    assert_eq!(link.peer.remote, endpoint.to_string());
    let local = link.peer.local.clone();
    let mut link = Running::new(link);
    link.outbox.push_all(&mut (0..10_000).map(|id| sized(id, 500)).collect());
    link.outbox.close();
    assert_eq!(ids(&link.receive(10_000).await), (0..10_000).collect::<Vec<_>>());
    assert!(matches!(link.failure().await, LinkError::Closed));
    link.pump.await.unwrap().unwrap();
    assert_eq!(echo.await.unwrap(), local);
}

async fn bytes_before_the_end_are_delivered(world: World) {
    let mut listener = world.binder.bind(&Endpoint::tcp(world.host, 0)).await.unwrap();
    let endpoint = listener.endpoint();
    let (dialed, accepted) = tokio::join!(world.dialer.dial(&endpoint), listener.accept());
    let (mut dialed, mut accepted) = (dialed.unwrap(), accepted.unwrap());
    dialed.writer.write_all(&[7; 10_000]).await.unwrap();
    drop(dialed.writer);
    let mut bytes = Vec::new();
    accepted.reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, [7; 10_000]);
    // The other direction goes on.
    accepted.writer.write_all(b"still here").await.unwrap();
    accepted.writer.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    dialed.reader.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"still here");
}

async fn writing_to_someone_who_left_fails(world: World) {
    let mut listener = world.binder.bind(&Endpoint::tcp(world.host, 0)).await.unwrap();
    let endpoint = listener.endpoint();
    let (dialed, accepted) = tokio::join!(world.dialer.dial(&endpoint), listener.accept());
    let mut dialed = dialed.unwrap();
    drop(accepted.unwrap());
    assert_eq!(dialed.reader.read(&mut [0; 10]).await.unwrap(), 0);
    // The news may take a few writes.
    let error = loop {
        if let Err(error) = dialed.writer.write_all(&[0; 1000]).await {
            break error;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    };
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    assert!(matches!(error.kind(), BrokenPipe | ConnectionReset), "{error}");
}

async fn nobody_listens(world: World) {
    let listener = world.binder.bind(&Endpoint::tcp(world.host, 0)).await.unwrap();
    let endpoint = listener.endpoint();
    drop(listener);
    let error = world.dialer.dial(&endpoint).await.unwrap_err();
    let DialError::Connect { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
}

async fn a_port_is_taken_until_its_listener_is_gone(world: World) {
    let listener = world.binder.bind(&Endpoint::tcp(world.host, 0)).await.unwrap();
    let endpoint = listener.endpoint();
    let Err(error) = world.binder.bind(&endpoint).await else { panic!("bound twice") };
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {endpoint}: another process listens there; choose another port or stop it"
        )
    );
    drop(listener);
    assert!(world.binder.bind(&endpoint).await.is_ok());
}

async fn a_foreign_address(world: World) {
    // TEST-NET-1 is nobody's, and no simulated host has that name.
    let Err(error) = world.binder.bind(&Endpoint::tcp("192.0.2.1", 0)).await else { panic!() };
    assert!(matches!(error, BindError::NotLocal { .. }), "{error}");
}

async fn misspelt_options(world: World) {
    let endpoint = Endpoint::tcp(world.host, 1).with_option("wireFormat.maxFramSize", "1");
    let Err(error) = world.binder.bind(&endpoint).await else { panic!() };
    assert!(error.to_string().contains("did you mean \"wireFormat.maxFrameSize\"?"), "{error}");
    let error = world.dialer.dial(&endpoint).await.unwrap_err();
    assert!(error.to_string().contains("did you mean \"wireFormat.maxFrameSize\"?"), "{error}");
}

async fn other_schemes(world: World) {
    let endpoint = Endpoint { scheme: "ssl".to_owned(), ..Endpoint::tcp(world.host, 1) };
    let Err(error) = world.binder.bind(&endpoint).await else { panic!() };
    assert!(matches!(error, BindError::Scheme { .. }), "{error}");
    let error = world.dialer.dial(&endpoint).await.unwrap_err();
    assert!(matches!(error, DialError::Scheme { .. }), "{error}");
}
