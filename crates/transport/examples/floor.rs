//! What the machine itself charges for one hop between two brokers: `cargo run --release -p
//! ferrymq-transport --example floor -- [--rate N] [--sync DIR]`.
//!
//! Four processes stand in a line: a producer, two relays and a consumer. The relays do what no
//! broker can leave out, and nothing else: near reads a message and writes it on, far does the same
//! and answers near; the consumer acknowledges each message to far. The producer sends `--rate`
//! messages a second (1,000 if absent). With `--sync` it sends one at a time instead, and both relays
//! overwrite 1 KiB of a file there and sync it before they go on, as for a persistent message; near
//! answers the producer then.
//!
//! Prints the median from producer to consumer, and the CPU that each relay took for a message: a
//! broker that answers each message by itself cannot be below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The bytes of a forwarded 1 KiB message, of a JMS client's acknowledgement and of a `Response`.
const MESSAGE: usize = 1300;
const ACKNOWLEDGEMENT: usize = 211;
const ANSWER: usize = 14;
const MESSAGES: usize = 10_000;
const DEFAULT_RATE: u64 = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        arguments.iter().position(|one| one == flag).map(|at| arguments[at + 1].clone())
    };
    let disk = after("--sync").map(PathBuf::from);
    let next = || after("--next").expect("the port of the next one");
    match after("--role").as_deref() {
        Some("near") => near(&connect(&next()), disk.as_deref()),
        Some("far") => far(disk.as_deref()),
        Some("consumer") => consumer(&connect(&next())),
        Some(other) => panic!("there is no role {other}"),
        None => {
            let rate = after("--rate").map_or(DEFAULT_RATE, |rate| rate.parse().expect("a number"));
            line_up(rate, disk.as_deref());
        }
    }
}

/// Starts everybody, from the end of the line on, and is the producer.
fn line_up(rate: u64, disk: Option<&Path>) {
    let (far, far_port) = start("far", None, disk);
    // Far takes its peers in this order.
    let (near, near_port) = start("near", Some(&far_port), disk);
    let (consumer, _) = start("consumer", Some(&far_port), None);
    produce(connect(&near_port), rate, disk.is_some());
    for (name, child) in [("consumer", consumer), ("near", near), ("far", far)] {
        let said = child.wait_with_output().expect("it ends").stdout;
        print!("{name:8} {}", String::from_utf8_lossy(&said));
    }
}

/// Starts one, and reads its first line: the port that it listens on, if it does.
fn start(role: &str, next: Option<&str>, disk: Option<&Path>) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--role", role]).stdout(Stdio::piped());
    if let Some(port) = next {
        command.args(["--next", port]);
    }
    if let Some(disk) = disk {
        command.arg("--sync").arg(disk);
    }
    let mut child = command.spawn().expect("it starts");
    let mut said = String::new();
    while !said.ends_with('\n') {
        let mut byte = [0];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut byte).expect("its port");
        said.push(char::from(byte[0]));
    }
    (child, said.trim().to_owned())
}

fn produce(mut near: TcpStream, rate: u64, synchronous: bool) {
    let mut message = [0; MESSAGE];
    let began = Instant::now();
    for number in 0..MESSAGES as u64 {
        if !synchronous {
            let due = began + Duration::from_micros(number * 1_000_000 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        message[..8].copy_from_slice(&nanos().to_le_bytes());
        near.write_all(&message).expect("near is there");
        if synchronous {
            near.read_exact(&mut [0; ANSWER]).expect("near answers");
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!("producer {:.0} messages/s", MESSAGES as f64 / took);
}

fn near(far: &TcpStream, disk: Option<&Path>) {
    let listener = listen();
    let producer = accept(&listener);
    discard(far);
    relay(&producer, far, disk.map(|disk| disk.join("near")).as_deref(), disk.is_some());
}

fn far(disk: Option<&Path>) {
    let listener = listen();
    let near = accept(&listener);
    let consumer = accept(&listener);
    discard(&consumer);
    relay(&near, &consumer, disk.map(|disk| disk.join("far")).as_deref(), true);
}

fn consumer(mut far: &TcpStream) {
    println!("ready");
    let mut message = [0; MESSAGE];
    let mut took = Vec::with_capacity(MESSAGES);
    while took.len() < MESSAGES {
        far.read_exact(&mut message).expect("far is there");
        let sent = u64::from_le_bytes(message[..8].try_into().expect("eight bytes"));
        took.push(nanos().saturating_sub(sent));
        far.write_all(&[0; ACKNOWLEDGEMENT]).expect("far is there");
    }
    took.sort_unstable();
    println!("p50 {:.0} us", took[MESSAGES / 2] as f64 / 1000.0);
}

/// Passes on what comes, until nothing comes any more.
fn relay(mut from: &TcpStream, mut to: &TcpStream, file: Option<&Path>, answers: bool) {
    let file = file.map(|path| {
        let file = File::create(path).expect("a file");
        file.write_all_at(&vec![0; 16 << 20], 0).expect("room");
        file.sync_all().expect("it is kept");
        file
    });
    let mut buffer = vec![0; 64 * 1024];
    let mut place = 0;
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        if read == 0 {
            break;
        }
        if let Some(file) = &file {
            file.write_all_at(&buffer[..1024.min(read)], place % (16 << 20)).expect("room");
            file.sync_data().expect("it is kept");
            place += 1024;
        }
        // Who has all it wants goes.
        let _ = to.write_all(&buffer[..read]);
        if answers {
            let _ = from.write_all(&[0; ANSWER]);
        }
    }
    println!("{:.1} us of CPU a message", cpu_micros() / MESSAGES as f64);
}

/// Reads what need not be understood.
fn discard(peer: &TcpStream) {
    let mut peer = peer.try_clone().expect("another handle");
    std::thread::spawn(move || while peer.read(&mut [0; 4096]).unwrap_or(0) > 0 {});
}

fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    listener
}

fn accept(listener: &TcpListener) -> TcpStream {
    undelayed(listener.accept().expect("a peer").0)
}

fn connect(port: &str) -> TcpStream {
    undelayed(TcpStream::connect(format!("127.0.0.1:{port}")).expect("it listens"))
}

fn undelayed(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Of one clock that all processes share.
fn nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    u64::try_from(since.as_nanos()).expect("it is not that late")
}

/// What all threads of this process have used, those that have ended included.
fn cpu_micros() -> f64 {
    /// Linux tells in hundredths of a second.
    const TICK_MICROS: f64 = 10_000.0;
    let said = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // The name of the program may have spaces in it; it is in parentheses.
    let (_, fields) = said.rsplit_once(')').expect("a name");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|one| one.parse::<f64>());
    ticks.map(|ticks| ticks.expect("a number")).sum::<f64>() * TICK_MICROS
}
