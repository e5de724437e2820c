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

const FEW: &str = "FERRYMQ_TEST_FEW_DESCRIPTORS";

/// Runs itself again in a process that may open few files.
#[cfg(target_os = "linux")]
#[test]
fn a_shortage_of_descriptors_is_waited_out_without_spinning() {
    if std::env::var_os(FEW).is_some() {
        return tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(in_shortage());
    }
    let status = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "sockets::a_shortage_of_descriptors_is_waited_out_without_spinning"])
        .env(FEW, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[cfg(target_os = "linux")]
async fn in_shortage() {
    use std::fs::File;
    use std::time::Duration;
    use tokio::time::timeout;

    let mut listener = Tcp.bind(&Endpoint::tcp("127.0.0.1", 0)).await.unwrap();
    let port = listener.endpoint().port;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let mut processor_time = ProcessorTime::new();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let dialed = socket.connect(address).await.unwrap();
    let before = processor_time.ticks();
    assert!(timeout(Duration::from_millis(500), listener.accept()).await.is_err());
    let spent = processor_time.ticks() - before;
    assert!(spent < 10, "half a second of waiting cost {spent} hundredths of processor time");
    drop(files);
    let accepted = timeout(Duration::from_secs(60), listener.accept()).await.unwrap().unwrap();
    assert_eq!(accepted.peer.remote, format!("tcp://{}", dialed.local_addr().unwrap()));
}

/// Reads what this process has used, from a file that is opened while that is still possible.
#[cfg(target_os = "linux")]
struct ProcessorTime {
    stat: std::fs::File,
}

#[cfg(target_os = "linux")]
impl ProcessorTime {
    fn new() -> Self {
        Self { stat: std::fs::File::open("/proc/self/stat").unwrap() }
    }

    /// In hundredths of a second.
    fn ticks(&mut self) -> u64 {
        use std::io::{Read, Seek};
        let mut text = String::new();
        self.stat.rewind().unwrap();
        self.stat.read_to_string(&mut text).unwrap();
        let after_name = text.rsplit(')').next().unwrap();
        // utime and stime are fields 14 and 15; the name is the second.
        after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap())
            .sum()
    }
}
