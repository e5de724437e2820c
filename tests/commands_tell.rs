//! Client commands say what they wait for and what came of a run that was cut short; and durable
//! subscriptions can be made, used and ended on the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Ended, Ferry, PATIENCE, Process, ferrymq_command, get, until};

fn start(broker: &Ferry, arguments: &[&str]) -> Process {
    let mut command = ferrymq_command(arguments);
    command.env("FERRYMQ_URL", broker.url());
    let mut process = Process::spawn("ferrymq", command);
    process.close_stdin();
    process
}

fn run(broker: &Ferry, arguments: &[&str]) -> Ended {
    start(broker, arguments).ended()
}

/// Runs to success, and gives what was printed.
fn done(broker: &Ferry, arguments: &[&str]) -> Vec<String> {
    let ended = run(broker, arguments);
    assert_eq!(ended.code(), Some(0), "{arguments:?}: {:?}", ended.stderr);
    ended.stdout
}

/// The report of a bench that was cut short, and what it complained of.
fn partial(ended: &Ended) -> (Value, String) {
    let complaint = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(1), "{complaint}");
    let line = ended.stdout.last().unwrap_or_else(|| panic!("no report: {complaint}"));
    (serde_json::from_str(line).expect("a JSON object"), complaint)
}

/// Waits until the broker has had some more messages, and got rid of them.
fn until_it_flows(broker: &Ferry) {
    let taken = || {
        let answer = get(&broker.admin(), "/api/v1/broker").json();
        answer["messages"]["acknowledged"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    };
    let before = taken();
    until("messages flow", PATIENCE, || (taken() > before + 100).then_some(()));
}

#[test]
fn a_bench_that_is_stopped_prints_what_it_has() {
    let broker = Ferry::named("quay").admin().start();
    let bench = start(&broker, &["bench", "load", "--duration", "10m", "--json"]);
    until_it_flows(&broker);
    bench.signal("INT");
    let (report, _) = partial(&bench.ended());
    assert_eq!(report["ended_early"], json!("stopped before the end"));
    assert!(report["received"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["lost"], json!(0), "{report}");
}

#[test]
fn a_bench_whose_broker_dies_prints_what_it_has() {
    let mut broker = Ferry::named("quay").admin().start();
    let bench = start(&broker, &["bench", "load", "--duration", "10m", "--json"]);
    until_it_flows(&broker);
    broker.process.kill();
    let (report, complaint) = partial(&bench.ended());
    assert!(report["ended_early"].as_str().unwrap().contains("connection lost"), "{report}");
    assert!(report["sent"].as_u64().unwrap() > 0, "{report}");
    assert!(complaint.contains("connection lost"), "{complaint}");
    broker.restart();
    let text = start(&broker, &["bench", "load", "--duration", "10m"]);
    until_it_flows(&broker);
    text.signal("INT");
    let ended = text.ended();
    assert!(ended.stdout[0].contains("a part of what was asked for"), "{:?}", ended.stdout);
}

#[test]
fn a_send_that_waits_for_room_says_so_and_goes_on() {
    let broker =
        Ferry::named("small").configure("[system_usage]\nmemory_limit = \"64KiB\"\n").start();
    let body = "x".repeat(10_000);
    let send = start(&broker, &["send", "full", &body, "--count", "20"]);
    send.log_line("why it waits", |line| {
        line.contains("the broker takes no more messages to queue://full")
    });
    let received = done(&broker, &["receive", "full", "--count", "20", "--timeout", "20s"]);
    assert_eq!(received.len(), 20);
    send.log_line("that it goes on", |line| line.contains("going on"));
    assert_eq!(send.ended().code(), Some(0));
}

#[test]
fn a_durable_subscription_is_made_used_and_ended() {
    let broker = Ferry::named("quay").start();
    let as_reader = ["--client-id", "reader", "--durable", "news"];
    let receive = |more: &[&str]| {
        let mut arguments = vec!["receive", "topic://news"];
        arguments.extend(as_reader);
        arguments.extend(more);
        run(&broker, &arguments)
    };
    // Nothing is there yet; the subscription is, from then on.
    assert_eq!(receive(&["--timeout", "200ms"]).code(), Some(3));
    done(&broker, &["send", "topic://news", "missed", "--count", "3"]);
    let came = receive(&["--count", "2", "--timeout", "10s"]);
    assert_eq!((came.code(), came.stdout.len()), (Some(0), 2), "{:?}", came.stderr);
    let rest = receive(&["--count", "1", "--timeout", "10s"]);
    assert_eq!((rest.code(), rest.stdout), (Some(0), vec!["missed".to_owned()]));

    let waiting =
        start(&broker, &["receive", "topic://news", "--client-id", "reader", "--durable", "news"]);
    done(&broker, &["send", "topic://news", "seen"]);
    waiting.stdout_line("the message", 0, PATIENCE, |line| line == "seen");
    // Who uses it keeps it, and keeps the client id.
    let busy = run(&broker, &["unsubscribe", "news", "--client-id", "reader"]);
    assert_eq!(busy.code(), Some(1), "{:?}", busy.stderr);
    waiting.signal("INT");
    assert_eq!(waiting.ended().code(), Some(0));
    done(&broker, &["unsubscribe", "news", "--client-id", "reader"]);
    done(&broker, &["send", "topic://news", "to nobody"]);
    assert_eq!(receive(&["--timeout", "200ms"]).code(), Some(3), "it is a new one");
    let unknown = run(&broker, &["unsubscribe", "nothing", "--client-id", "reader"]);
    assert_eq!(unknown.code(), Some(1));
    let queue = run(&broker, &["receive", "q", "--client-id", "reader", "--durable", "news"]);
    assert_eq!(queue.code(), Some(1));
    assert!(queue.stderr.join("\n").contains("only topics"), "{:?}", queue.stderr);
}

#[test]
fn a_connector_to_the_broker_itself_is_warned_of() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("to-itself-{}.toml", std::process::id()));
    let text = "[[transport_connector]]\nuri = \"tcp://127.0.0.1:7000\"\n[[network_connector]]\n\
                uri = \"static:(tcp://localhost:7000)\"\n";
    std::fs::write(&path, text).expect("the temporary folder takes a file");
    let mut process =
        Process::spawn("ferrymq", ferrymq_command(&["check", path.to_str().unwrap()]));
    process.close_stdin();
    let checked = process.ended();
    assert_eq!(checked.code(), Some(0));
    let said = checked.stderr.join("\n");
    assert!(said.contains("4:7: warning: `network` leads back to this broker"), "{said}");
    assert!(checked.stdout.join("\n").contains("ok, 1 warning"), "{:?}", checked.stdout);
}
