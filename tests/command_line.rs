//! What scripts may rely on: exit codes, where output goes, the `ready` line, signals, and errors
//! that name the place and the nearest valid name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use support::{Ended, Ferry, PATIENCE, Process, RawPeer, ferrymq_command, free_port};

/// Runs the program to its end.
fn run(arguments: &[&str]) -> Ended {
    let mut process = Process::spawn("ferrymq", ferrymq_command(arguments));
    process.close_stdin();
    process.ended()
}

/// A file with this content; the name must be used by one test only.
fn file(name: &str, content: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("command_line");
    std::fs::create_dir_all(&folder).expect("a folder for files");
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a writable file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The run was refused as bad usage or configuration, and its message holds all of `wanted`.
fn refused(ended: &Ended, wanted: &[&str]) {
    let message = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(2), "{message}");
    for part in wanted {
        assert!(message.contains(part), "no {part:?} in:\n{message}");
    }
}

#[test]
fn without_arguments_one_screen_of_help_is_printed() {
    let ended = run(&[]);
    let help = [ended.stdout, ended.stderr].concat();
    for command in ["broker", "up", "check", "send", "receive", "status", "bench"] {
        assert!(help.iter().any(|line| line.trim_start().starts_with(command)), "no {command}");
    }
    assert!(help.len() <= 40, "{} lines are more than a screen", help.len());
}

#[test]
fn an_unknown_command_or_flag_is_bad_usage_and_the_nearest_is_named() {
    refused(&run(&["recieve", "queue://q"]), &["recieve", "receive"]);
    refused(&run(&["broker", "--lisen", "tcp://127.0.0.1:0"]), &["--lisen", "--listen"]);
}

#[test]
fn a_bad_address_is_refused_before_anything_starts() {
    for (flag, address, wanted) in [
        ("--listen", "tcp://127.0.0.1:high", "high"),
        ("--listen", "tcq://127.0.0.1:0", "tcp"),
        ("--listen", "tcp://127.0.0.1:0?wireFormat.maxFrameSiz=1000", "wireFormat.maxFrameSize"),
        ("--network", "static:(tcp://127.0.0.1:1", "static:(tcp://127.0.0.1:1"),
        ("--network", "statik:(tcp://127.0.0.1:1)", "static"),
        ("--network", "static:(tcp://127.0.0.1:1)?maxReconectDelay=5", "maxReconnectDelay"),
    ] {
        refused(&run(&["broker", flag, address]), &[wanted]);
    }
}

#[test]
fn a_mistake_in_a_configuration_is_named_with_file_line_column_and_the_nearest_name() {
    let mistakes = [
        ("unknown_key.toml", "[broker]\nnme = \"x\"\n", "2:1", "name"),
        ("wrong_type.toml", "[broker]\nname = 7\n", "2:8", "name"),
        ("no_toml.toml", "[broker\n", "1:8", ""),
        (
            "bad_uri.toml",
            "[[network_connector]]\nname = \"n\"\nuri = \"static:(tcp://a:b)\"\n",
            "3:",
            "static:(tcp://a:b)",
        ),
        (
            "unknown_in_list.toml",
            "[[network_connector]]\nname = \"n\"\nuri = \"static:(tcp://a:1)\"\nduplexx = true\n",
            "4:1",
            "duplex",
        ),
    ];
    for (name, content, place, nearest) in mistakes {
        let path = file(name, content);
        let place = format!("{path}:{place}");
        refused(&run(&["broker", &path]), &[&place, nearest]);
        refused(&run(&["check", &path]), &[&place, nearest]);
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    refused(&run(&["broker", "no/such/file.toml"]), &["no/such/file.toml"]);
    refused(&run(&["check", "no/such/file.toml"]), &["no/such/file.toml"]);
}

#[test]
fn every_example_is_in_order_and_says_how_to_run_it() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/topologies");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the examples are there") {
        let path = entry.expect("a readable folder").path();
        let text = std::fs::read_to_string(&path).expect("a readable example");
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(text.starts_with('#'), "{name} opens with a picture");
        let command = format!("up examples/topologies/{name}");
        assert!(text.contains(&command), "{name} names the command that runs it");
        let ended = run(&["check", path.to_str().expect("a path in UTF-8")]);
        assert_eq!(ended.code(), Some(0), "{name}: {:?}", ended.stderr);
        seen += 1;
    }
    assert!(seen >= 3, "{seen} examples");
}

#[test]
fn a_port_in_use_is_named_and_the_exit_code_is_one() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = format!("tcp://{}", taken.local_addr().expect("an address"));
    let ended = run(&["broker", "--name", "late", "--listen", &address]);
    let message = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(1), "{message}");
    let port = address.rsplit(':').next().expect("a port");
    assert!(message.contains(port) && message.contains("another process"), "{message}");
    assert!(!ended.stdout.iter().any(|line| line == "ready"));
}

#[test]
fn ready_is_one_line_of_its_own_and_then_every_listener_accepts() {
    let ports = [free_port(), free_port()];
    let listen = ports.map(|port| format!("tcp://127.0.0.1:{port}"));
    let arguments = ["broker", "--name", "two", "--listen", &listen[0], "--listen", &listen[1]];
    let process = Process::spawn("ferrymq two", ferrymq_command(&arguments));
    process.stdout_line("ready", 0, PATIENCE, |line| line == "ready");
    for (port, address) in ports.into_iter().zip(&listen) {
        RawPeer::negotiated(port);
        let named = process.stdout().iter().any(|line| line.contains(address.as_str()));
        assert!(named, "{address} is not in {:?}", process.stdout());
    }
    assert_eq!(process.stdout().iter().filter(|line| *line == "ready").count(), 1);
}

#[test]
fn an_unreachable_peer_does_not_delay_ready() {
    let nobody = format!("static:(tcp://127.0.0.1:{})", free_port());
    let broker = Ferry::named("lonely").network(&nobody).start();
    RawPeer::negotiated(broker.port());
}

#[test]
fn a_signal_to_stop_ends_it_with_exit_code_zero() {
    for signal in ["TERM", "INT"] {
        let broker = Ferry::named("polite").start();
        let mut peer = RawPeer::negotiated(broker.port());
        broker.process.signal(signal);
        assert!(peer.is_cut_off(PATIENCE), "{signal}: the peer is told");
        let ended = broker.process.ended();
        assert_eq!(ended.code(), Some(0), "{signal}: {:?}", ended.stderr);
    }
}

#[test]
fn after_a_crash_it_starts_again_at_once_on_the_same_port() {
    let mut broker = Ferry::named("phoenix").start();
    let mut peers: Vec<RawPeer> = (0..20).map(|_| RawPeer::negotiated(broker.port())).collect();
    broker.process.kill();
    broker.restart();
    assert!(peers.iter_mut().all(|peer| peer.is_cut_off(PATIENCE)));
    RawPeer::negotiated(broker.port());
}

#[test]
fn what_is_sent_is_received_and_a_vain_wait_has_its_own_exit_code() {
    let broker = Ferry::named("post").start();
    let url = broker.url().to_owned();
    let sent = run(&["send", "queue://letters", "hello there", "--url", &url]);
    assert_eq!(sent.code(), Some(0), "{:?}", sent.stderr);
    let receive = ["receive", "queue://letters", "--count", "1", "--timeout", "200ms", "--url"];
    let received = run(&[&receive[..], &[&url]].concat());
    assert_eq!(received.code(), Some(0), "{:?}", received.stderr);
    assert_eq!(received.stdout, ["hello there"]);
    let nothing = run(&[&receive[..], &[&url]].concat());
    assert_eq!(nothing.code(), Some(3), "{:?}", nothing.stderr);
    assert_eq!(nothing.stdout, Vec::<String>::new());
}

#[test]
fn lines_of_standard_input_become_messages_and_json_tells_all_about_them() {
    let broker = Ferry::named("post").start();
    let url = broker.url().to_owned();
    let send = ["send", "lines", "--lines", "--url", &url];
    let process = Process::spawn("ferrymq send", ferrymq_command(&send));
    for line in ["one", "two", "größer"] {
        process.write_line(line);
    }
    assert_eq!(process.ended().code(), Some(0));
    let receive =
        ["receive", "queue://lines", "--json", "--count", "3", "--timeout", "10s", "--url", &url];
    let received = run(&receive);
    assert_eq!(received.code(), Some(0), "{:?}", received.stderr);
    let bodies: Vec<serde_json::Value> = received
        .stdout
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|message| message["body"].clone())
        .collect();
    assert_eq!(bodies, ["one", "two", "größer"]);
}

#[test]
fn a_client_without_a_broker_fails_with_one_and_names_the_address() {
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let mut command: Command = ferrymq_command(&["send", "q", "hello"]);
    command.env("FERRYMQ_URL", &address);
    let ended = Process::spawn("ferrymq send", command).ended();
    let message = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(1), "{message}");
    assert!(message.contains(&address), "{message}");
}

#[test]
fn every_example_of_a_broker_is_in_order() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).expect("the examples are there") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let ended = run(&["check", path.to_str().expect("a path in UTF-8")]);
        assert_eq!(ended.code(), Some(0), "{}: {:?}", path.display(), ended.stderr);
        checked += 1;
    }
    assert!(checked >= 6, "an example for each agent, and one for every setting");
}

/// The first lines of what `check` says of a file: places and mistakes.
fn mistakes(name: &str, content: &str) -> Vec<String> {
    let path = file(name, content);
    let ended = run(&["check", &path]);
    assert_eq!(ended.code(), Some(2), "{:?}", ended.stderr);
    let told = ended.stderr.iter().filter_map(|line| line.strip_prefix(&format!("{path}:")));
    let mut told: Vec<String> =
        told.map(|line| line.replace(" error: ", " ").trim().to_owned()).collect();
    assert_eq!(told.pop(), Some(format!("{} errors", told.len())));
    told
}

#[test]
fn every_mistake_is_told_at_once_and_once() {
    // What is wrong with single settings does not hide what is wrong between them.
    let broker = "[broker]\nname = \"a\"\nname = \"b\"\n\
                  [[transport_connector]]\nuri = \"tcp://a:1\"\nuse_jmx = true\n\
                  [[transport_connector]]\nuri = \"tcp://a:1\"\n\
                  [[network_connector]]\nuri = \"tcp//b:1\"\n\
                  [[network_connector]]\nuri = \"static:(tcp://b:1,tcp://b:1)\"\n\
                  excluded = [\"queue//x\"]\n";
    assert_eq!(
        mistakes("many-mistakes.toml", broker),
        [
            "3:1: duplicate key",
            "6:1: unknown key `use_jmx` in [[transport_connector]]",
            "8:7: `openwire` listens there already",
            "10:8: the address starts with no scheme: write tcp://b:1",
            "12:8: tcp://b:1 is listed twice; a bridge needs it once",
            "13:14: `queue//x`: write `queue://x`",
        ]
    );
    let topology = "[[broker]]\nname = \"a\"\n[[broker]]\nname = \"b\"\n\
                    [[link]]\nfrom = \"a\"\nto = [\"c\"]\nduplx = true\n\
                    [[consumer]]\nat = \"x\"\nfrom = \"q,,r\"\n\
                    [[consumer]]\nat = \"y\"\nfrom = \"q\"\n";
    assert_eq!(
        mistakes("many-in-a-topology.toml", topology),
        [
            "7:7: no broker is called `c`",
            "8:1: unknown key `duplx` in [[link]]",
            "11:9: `q,,r` names several destinations; list them one by one",
            "13:6: no broker is called `y`",
        ]
    );
    // A broker that is left out for a mistake in it is not missed by those who name it.
    let without = "[[broker]]\nname = \"a b\"\n[[link]]\nfrom = \"a b\"\nto = [\"c\"]\n";
    assert!(mistakes("left-out.toml", without).iter().all(|line| !line.contains("is called")));
    // Two producers of one queue on one broker that do not reach it are one finding.
    let doubled = "[[broker]]\nname = \"a\"\n[[broker]]\nname = \"b\"\n\
                   [[link]]\nfrom = \"a\"\nto = [\"b\"]\n\
                   [[producer]]\nat = \"b\"\nto = \"queue://x\"\n\
                   [[producer]]\nat = \"b\"\nto = \"queue://x\"\n\
                   [[consumer]]\nat = \"a\"\nfrom = \"queue://x\"\n";
    let ended = run(&["check", &file("doubled.toml", doubled)]);
    let said = ended.stderr.iter().filter(|line| line.contains("does not reach the consumer"));
    assert_eq!(said.count(), 1, "{:?}", ended.stderr);
}
