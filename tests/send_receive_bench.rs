//! What the client commands promise beyond their exit codes: nothing is acknowledged before it is
//! printed, every kind of body and header arrives, and bench tells the truth about its own run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Ended, Ferry, PATIENCE, Process, ferrymq_command};

fn command(broker: &Ferry, arguments: &[&str]) -> Command {
    let mut command = ferrymq_command(arguments);
    command.env("FERRYMQ_URL", broker.url());
    command
}

fn run(broker: &Ferry, arguments: &[&str]) -> Ended {
    let mut process = Process::spawn("ferrymq", command(broker, arguments));
    process.close_stdin();
    process.ended()
}

/// Runs to success, and gives what was printed.
fn done(broker: &Ferry, arguments: &[&str]) -> Vec<String> {
    let ended = run(broker, arguments);
    assert_eq!(ended.code(), Some(0), "{arguments:?}: {:?}", ended.stderr);
    ended.stdout
}

fn objects(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn what_could_not_be_printed_is_not_acknowledged() {
    let broker = Ferry::named("quay").start();
    done(&broker, &["send", "q", "hello", "--count", "3"]);
    let mut receiver = command(&broker, &["receive", "q", "--count", "3", "--timeout", "10s"]);
    receiver.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut receiver = receiver.spawn().expect("the program runs");
    // Nobody reads what it prints.
    drop(receiver.stdout.take());
    let ended = receiver.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(complaint.contains("not acknowledged"), "{complaint}");

    let again = done(&broker, &["receive", "q", "--count", "3", "--timeout", "10s", "--json"]);
    let again = objects(&again);
    assert_eq!(again.len(), 3);
    assert!(again.iter().all(|message| message["redelivered"] == json!(true)), "{again:?}");
}

#[test]
fn with_all_at_the_end_a_receiver_that_dies_takes_nothing_and_one_that_is_told_to_stop_does() {
    let broker = Ferry::named("quay").start();
    done(&broker, &["send", "q", "hello", "--count", "5"]);
    for (signal, left) in [("KILL", 5), ("INT", 0)] {
        let receiver = command(&broker, &["receive", "q", "--ack", "client"]);
        let receiver = Process::spawn("ferrymq receive", receiver);
        receiver.stdout_line("the fifth message", 4, PATIENCE, |line| line == "hello");
        receiver.signal(signal);
        let code = receiver.ended().code();
        assert_eq!(code, if signal == "KILL" { None } else { Some(0) });
        let after = run(&broker, &["receive", "q", "--ack", "client", "--timeout", "300ms"]);
        assert_eq!(after.stdout.len(), left, "after {signal}");
        done(&broker, &["send", "q", "hello", "--count", "5"]);
    }
}

#[test]
fn one_by_one_or_in_groups_only_what_was_taken_is_settled() {
    let broker = Ferry::named("quay").start();
    done(&broker, &["send", "q", "hello", "--count", "5"]);
    for settle in ["auto", "individual"] {
        let arguments = ["receive", "q", "--count", "2", "--timeout", "10s", "--ack", settle];
        assert_eq!(done(&broker, &arguments).len(), 2);
    }
    assert_eq!(done(&broker, &["receive", "q", "--timeout", "300ms"]).len(), 1);
}

#[test]
fn headers_properties_and_bodies_arrive_as_they_were_sent() {
    let broker = Ferry::named("quay").start();
    let sent = done(
        &broker,
        &[
            "send",
            "queue://full",
            "größer",
            "--property",
            "port=Hamburg",
            "--property",
            "n:long=-5",
            "--property",
            "ok:bool=true",
            "--correlation-id",
            "c7",
            "--reply-to",
            "topic://answers",
            "--type",
            "order",
            "--priority",
            "9",
            "--ttl",
            "1h",
            "--non-persistent",
            "--json",
        ],
    );
    let summary = &objects(&sent)[0];
    assert_eq!((&summary["sent"], &summary["bytes"]), (&json!(1), &json!(8)));
    let lines = done(&broker, &["receive", "full", "--count", "1", "--timeout", "10s", "--json"]);
    let message = &objects(&lines)[0];
    for (key, wanted) in [
        ("destination", json!("queue://full")),
        ("body", json!("größer")),
        ("kind", json!("text")),
        ("properties", json!({ "port": "Hamburg", "n": -5, "ok": true })),
        ("correlation_id", json!("c7")),
        ("reply_to", json!("topic://answers")),
        ("type", json!("order")),
        ("priority", json!(9)),
        ("persistent", json!(false)),
        ("redelivered", json!(false)),
    ] {
        assert_eq!(message[key], wanted, "{key} of {message}");
    }
    let lifetime = message["expiration"].as_i64().unwrap() - message["timestamp"].as_i64().unwrap();
    assert_eq!(lifetime, 3_600_000);
}

#[test]
fn bytes_from_a_file_and_lines_that_are_not_text_arrive_as_they_are() {
    let broker = Ferry::named("quay").start();
    let path = format!("{}/body.bin", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, b"\x00\xff\xfe\n\x01").expect("a writable file");
    done(&broker, &["send", "bin", "--file", &path]);
    let lines = done(&broker, &["receive", "bin", "--count", "1", "--timeout", "10s", "--json"]);
    let message = &objects(&lines)[0];
    assert_eq!(
        (&message["kind"], &message["encoding"], &message["body"]),
        (&json!("bytes"), &json!("base64"), &json!("AP/+CgE="))
    );

    let mut sender = command(&broker, &["send", "bin", "--lines"]);
    let mut sender = sender.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it runs");
    sender.stdin.take().unwrap().write_all(b"text\n\xff\n\nlast").expect("it reads");
    assert!(sender.wait().expect("it ends").success());
    let lines = done(&broker, &["receive", "bin", "--count", "4", "--timeout", "10s", "--json"]);
    let bodies: Vec<_> = objects(&lines).iter().map(|message| message["body"].clone()).collect();
    assert_eq!(bodies, ["text", "/w==", "", "last"]);

    done(&broker, &["send", "bin", "text", "--bytes"]);
    let lines = done(&broker, &["receive", "bin", "--count", "1", "--timeout", "10s", "--json"]);
    assert_eq!(objects(&lines)[0]["kind"], "bytes");
}

#[test]
fn raw_bodies_come_as_they_are() {
    let broker = Ferry::named("raw").start();
    for body in ["one", "two\n"] {
        done(&broker, &["send", "raw", body]);
    }
    let receive = ["receive", "raw", "--count", "2", "--timeout", "10s", "--raw"];
    let output = command(&broker, &receive).output().expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "onetwo\n");
}

#[test]
fn only_as_much_is_taken_as_was_asked_for() {
    let broker = Ferry::named("quay").start();
    for number in ["1", "2", "3"] {
        done(&broker, &["send", "few", number]);
    }
    let receive = ["receive", "few", "--count", "1", "--timeout", "10s"];
    assert_eq!(done(&broker, &receive), ["1"]);
    assert_eq!(done(&broker, &receive), ["2"]);
    let lines = done(&broker, &[&receive[..], &["--json"]].concat());
    assert_eq!(objects(&lines)[0]["redelivered"], json!(false), "it was never out before");
}

#[test]
fn bad_arguments_are_refused_before_anything_is_tried() {
    let broker = Ferry::named("quay").start();
    for (arguments, wanted) in [
        (&["send", "topik://q", "x"][..], "topic://"),
        (&["send", "q", "x", "--property", "n:itn=3"], "int"),
        (&["send", "q", "x", "--priority", "10"], "priority"),
        (&["send", "q", "--file", "no/such/file"], "no/such/file"),
        (&["receive", "q", "--timeout", "5"], "unit"),
        (&["receive", "q", "--url", "failover:(tcp://a:1)?randomise=false"], "\"randomize\""),
        (&["bench", "--size", "8"], "--size"),
        (&["bench", "--rate", "0"], "--rate"),
        (&["bench", "--rate", "-5"], "--rate must be above 0"),
        (&["bench", "--queue", "a,,b"], "an empty name in the list"),
        (&["send", "a,,b", "x"], "an empty name in the list \"a,,b\""),
        (&["send", "q", "x", "--count", "-1"], "a whole number from 1 on is needed"),
        (&["send", "q", "x", "--count", "0"], "a whole number from 1 on is needed"),
        (&["receive", "q", "--count", "-1"], "a whole number from 1 on is needed"),
        (&["receive", "q", "--timeout", "-5s"], "--timeout"),
        (&["bench", "--size", "-1"], "--size"),
        (&["receive", "topic://t", "--durable", "news"], "--client-id"),
        (&["unsubscribe", "news"], "--client-id"),
    ] {
        let ended = run(&broker, arguments);
        let complaint = ended.stderr.join("\n");
        assert_eq!(ended.code(), Some(2), "{arguments:?}: {complaint}");
        assert!(complaint.contains(wanted), "{arguments:?}: {complaint}");
    }
}

#[test]
fn bench_accounts_for_every_message() {
    let broker = Ferry::named("quay").start();
    // A message of somebody else waits in the queue.
    done(&broker, &["send", "load.0", "who is this?"]);
    let lines = done(
        &broker,
        &[
            "bench",
            "load",
            "--dests",
            "2",
            "--producers",
            "3",
            "--consumers",
            "4",
            "--messages",
            "3000",
            "--size",
            "100",
            "--json",
        ],
    );
    let report = &objects(&lines)[0];
    for (key, wanted) in [
        ("sent", 3000),
        ("received", 3000),
        ("lost", 0),
        ("duplicated", 0),
        ("out_of_order", 0),
        ("foreign", 1),
    ] {
        assert_eq!(report[key], json!(wanted), "{key} of {report}");
    }
    let lines = done(
        &broker,
        &["bench", "--topic", "news", "--consumers", "3", "--messages", "1000", "--json"],
    );
    assert_eq!(objects(&lines)[0]["received"], json!(3000), "each consumer receives each message");
}

#[test]
fn bench_shares_connections_and_commits() {
    let broker = Ferry::named("quay").start();
    let arguments = ["bench", "--producers", "5", "--consumers", "3", "--connections", "2"];
    let more = ["--transacted", "7", "--messages", "1000", "--persistent", "--json"];
    let report = &objects(&done(&broker, &[&arguments[..], &more].concat()))[0];
    for (key, wanted) in [("sent", 1000), ("received", 1000), ("lost", 0), ("out_of_order", 0)] {
        assert_eq!(report[key], json!(wanted), "{key} of {report}");
    }
    // What is not committed reaches nobody: the outstanding must not be all uncommitted.
    let ended = run(&broker, &["bench", "--transacted", "6000"]);
    let complaint = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(2), "{complaint}");
    assert!(complaint.contains("--transacted"), "{complaint}");
}

#[test]
fn bench_says_when_messages_are_lost() {
    let broker = Ferry::named("quay").start();
    // Another consumer takes its share of the queue.
    let mut thief = command(&broker, &["receive", "robbed", "--count", "10", "--prefetch", "1"]);
    let mut thief = thief.stdout(Stdio::null()).stdin(Stdio::null()).spawn().expect("it runs");
    // It is there once a message of ours reaches it; whoever is quicker may take it.
    let mut lost = 0;
    while lost == 0 {
        let ended =
            run(&broker, &["bench", "robbed", "--messages", "200", "--drain", "300ms", "--json"]);
        let report = &objects(&ended.stdout)[0];
        lost = report["lost"].as_u64().unwrap();
        assert_eq!(ended.code(), Some(i32::from(lost > 0)), "{report}");
        assert_eq!(report["received"].as_u64().unwrap() + lost, 200, "{report}");
    }
    thief.kill().expect("it runs still, or has taken its ten");
    thief.wait().expect("it ends");
}
