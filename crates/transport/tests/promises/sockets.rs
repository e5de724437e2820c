//! What is particular to TCP.

use ferrymq_transport::dial::{Binder, DialError, Dialer};
use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::tcp::Tcp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn greets(listen: &str, dial_host: &str) {
    let mut listener = Tcp.bind(&listen.parse().unwrap()).await.unwrap();
    let endpoint = Endpoint::tcp(dial_host, listener.endpoint().port);
    let (dialed, accepted) = tokio::join!(Tcp.dial(&endpoint), listener.accept());
    let mut dialed = dialed.unwrap_or_else(|error| panic!("{listen}: {error}"));
    let mut accepted = accepted.unwrap();
    dialed.writer.write_all(b"hello").await.unwrap();
    let mut greeting = [0; 5];
    accepted.reader.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello");
    // Both ends name themselves as addresses that parse.
    for address in [&dialed.peer.remote, &dialed.peer.local] {
        address.parse::<Endpoint>().unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(dialed.peer.local, accepted.peer.remote);
}

#[tokio::test]
async fn ipv6_literals_work() {
    greets("tcp://[::1]:0", "::1").await;
}

#[tokio::test]
async fn every_interface_is_both_protocols() {
    greets("tcp://[::]:0", "::1").await;
    greets("tcp://[::]:0", "127.0.0.1").await;
    greets("tcp://0.0.0.0:0", "127.0.0.1").await;
}

#[tokio::test]
async fn names_work() {
    greets("tcp://localhost:0", "localhost").await;
    greets("tcp://localhost:0", "127.0.0.1").await;
}

#[tokio::test]
async fn socket_options_are_accepted_on_both_ends() {
    let options = "keepAlive=false&tcpNoDelay=false&socketBufferSize=32768";
    let listen = format!("tcp://127.0.0.1:0?{options}&backlog=10&maximumConnections=5");
    let mut listener = Tcp.bind(&listen.parse().unwrap()).await.unwrap();
    let port = listener.endpoint().port;
    let endpoint: Endpoint = format!("tcp://127.0.0.1:{port}?{options}").parse().unwrap();
    let (dialed, accepted) = tokio::join!(Tcp.dial(&endpoint), listener.accept());
    let (mut dialed, mut accepted) = (dialed.unwrap(), accepted.unwrap());
    dialed.writer.write_all(b"x").await.unwrap();
    assert_eq!(accepted.reader.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_named() {
    let endpoint = Endpoint::tcp("no-such-host.invalid", 61616);
    let error = Tcp.dial(&endpoint).await.unwrap_err();
    assert!(matches!(error, DialError::Resolve { .. }), "{error}");
    assert!(error.to_string().contains("\"no-such-host.invalid\""), "{error}");
}

#[tokio::test]
async fn a_cancelled_accept_loses_nobody() {
    let mut listener = Tcp.bind(&Endpoint::tcp("127.0.0.1", 0)).await.unwrap();
    let endpoint = listener.endpoint();
    for _ in 0..20 {
        let dial = Tcp.dial(&endpoint);
        tokio::select! {
            biased;
            accepted = listener.accept() => panic!("accepted {accepted:?} before anybody dialed"),
            () = tokio::task::yield_now() => {}
        }
        let (dialed, accepted) = tokio::join!(dial, listener.accept());
        assert_eq!(dialed.unwrap().peer.local, accepted.unwrap().peer.remote);
    }
}
