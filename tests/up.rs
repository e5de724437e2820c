//! `ferrymq up` runs a whole topology: its brokers, its bridges, its producers and consumers; it
//! shows the bridges come up and count, and stops cleanly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::PathBuf;

use support::{Ended, PATIENCE, Process, RawPeer, ferrymq_command, free_port};

/// A topology file; the name must be used by one test only.
fn file(name: &str, content: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("up");
    std::fs::create_dir_all(&folder).expect("a folder for files");
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a writable file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// One of the examples, on other ports than those that its readers expect.
fn example(name: &str, ports: &[(u16, u16)]) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/topologies");
    let mut text = std::fs::read_to_string(folder.join(name)).expect("the example");
    for (written, used) in ports {
        text = text.replace(&format!(":{written}\""), &format!(":{used}\""));
    }
    text
}

fn run(arguments: &[&str]) -> Ended {
    Process::spawn("ferrymq", ferrymq_command(arguments)).ended()
}

fn refused(arguments: &[&str], code: i32, wanted: &str) {
    let ended = run(arguments);
    let message = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(code), "{message}");
    assert!(message.contains(wanted), "no {wanted:?} in:\n{message}");
}

/// The number after `part`, in a line of counters: `3 s: waiting 0, a -> b 17, …`.
fn counter(line: &str, part: &str) -> u64 {
    let rest = line.split_once(part).map_or("", |(_, rest)| rest.trim_start());
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[test]
fn the_pair_carries_its_messages_and_stops_when_told() {
    let ports = [(61616, free_port()), (61617, free_port())];
    let path = file("pair.toml", &example("pair.toml", &ports));
    let up = Process::spawn("ferrymq up", ferrymq_command(&["up", &path]));
    for (name, port) in [("a", ports[0].1), ("b", ports[1].1)] {
        let address = format!("broker {name} listens on tcp://127.0.0.1:{port}");
        up.stdout_line("the address", 0, PATIENCE, |line| line == address);
    }
    let (after_ready, _) = up.stdout_line("ready", 0, PATIENCE, |line| line == "ready");
    RawPeer::negotiated(ports[0].1);
    RawPeer::negotiated(ports[1].1);
    for link in ["link a -> b: live", "link b -> a: live"] {
        up.stdout_line(link, after_ready, PATIENCE, |line| line.starts_with(link));
    }
    up.stdout_line("counters of what crossed", after_ready, PATIENCE, |line| {
        counter(line, "a -> b") >= 5 && counter(line, "queue://demo received at b") >= 5
    });
    up.signal("INT");
    let ended = up.ended();
    assert_eq!(ended.code(), Some(0), "{:?}", ended.stderr);
    let lost = |line: &&String| line.contains("down");
    assert_eq!(ended.stdout.iter().find(lost), None, "no broker sees the others fail");
}

#[test]
fn a_line_is_crossed_by_queues_and_topics() {
    let ports = [(61616, free_port()), (61617, free_port()), (61618, free_port())];
    let path = file("line.toml", &example("line.toml", &ports));
    let up = Process::spawn("ferrymq up", ferrymq_command(&["up", &path]));
    up.stdout_line("counters at the far end", 0, PATIENCE, |line| {
        let received = |what: &str| counter(line, &format!("{what} received at paris"));
        received("queue://orders") >= 5 && received("topic://prices.>") >= 2
    });
    up.signal("TERM");
    assert_eq!(up.ended().code(), Some(0));
}

#[test]
fn parts_of_a_topology_run_apart_and_find_each_other() {
    let ports = [(61616, free_port()), (61617, free_port())];
    let path = file("apart.toml", &example("pair.toml", &ports));
    let a = Process::spawn("ferrymq up a", ferrymq_command(&["up", &path, "--only", "a"]));
    let expected =
        format!("`b` is not started here; it is expected at tcp://127.0.0.1:{}", ports[1].1);
    a.stdout_line("the note", 0, PATIENCE, |line| line == expected);
    a.stdout_line("the link", 0, PATIENCE, |line| line.starts_with("link a -> b: down"));
    let b = Process::spawn("ferrymq up b", ferrymq_command(&["up", &path, "--only", "b"]));
    b.stdout_line("messages from a", 0, PATIENCE, |line| {
        counter(line, "queue://demo received at b") >= 5
    });
    let lines = b.stdout();
    assert!(!lines.iter().any(|line| line.contains("sent at a")), "a's producer is not b's");
}

#[test]
fn what_cannot_be_run_is_refused() {
    let pair = example("pair.toml", &[(61616, free_port()), (61617, free_port())]);
    let good = file("good.toml", &pair);
    refused(&["up", &good, "--only", "c"], 2, "no broker is called `c`");
    refused(&["up", "no/such.toml"], 2, "no/such.toml");

    let typo = file("typo.toml", &pair.replace("[[link]]\nfrom = \"b\"", "[[link]]\nfrom = \"c\""));
    refused(&["up", &typo], 2, "typo.toml:");
    refused(&["check", &typo], 2, "no broker is called `c`");

    let broker = file("broker.toml", "[broker]\nname = \"x\"\n");
    refused(&["up", &broker], 2, "run: ferrymq broker");
    refused(&["broker", &good], 2, "run: ferrymq up");
}

#[test]
fn what_cannot_work_is_an_error_of_check_and_what_is_doubtful_is_not() {
    let pair = example("pair.toml", &[]);
    let one_way = pair.replace("[[link]]\nfrom = \"b\"\nto = \"a\"\n", "");
    assert_ne!(one_way, pair);
    let doubtful = file("doubtful.toml", &one_way);
    refused(&["check", &doubtful], 0, "warning: requests from `a` to `b` would get no reply");
    let shut = one_way.replace("to = \"b\"\n", "to = \"b\"\nexcluded = [\"queue://demo\"]\n");
    let shut = file("shut.toml", &shut);
    refused(
        &["check", &shut],
        2,
        "error: queue://demo from `a` does not reach the consumer on `b`",
    );
}

#[test]
fn a_port_in_use_ends_it_with_one_and_no_broker_is_left() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let free = free_port();
    let path = file("taken.toml", &example("pair.toml", &[(61616, free), (61617, port)]));
    refused(&["up", &path], 1, &format!("tcp://127.0.0.1:{port}"));
    assert!(std::net::TcpStream::connect(("127.0.0.1", free)).is_err(), "a is gone, too");
}
