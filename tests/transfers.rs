//! Messages are moved, tried again and dropped from the command line, and it says how many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::{Properties, Value};
use support::ferrymq_command;
use wire::{Wire, broker, number_of};

/// Runs the program beside the broker; its exit code and what it printed.
async fn run(node: &Node, arguments: &[&str]) -> (i32, String) {
    let url = format!("tcp://127.0.0.1:{}", node.listening()[0].port);
    let mut command = ferrymq_command(arguments);
    command.args(["--url", &url, "--idle", "300ms"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(printed).unwrap().trim().to_owned())
}

/// A peer that has sent messages 1 to `count` to `queue`, with their numbers in a property.
async fn filled(node: &Node, queue: &Destination, count: i64) -> Wire {
    let mut peer = Wire::opened(node, "peer").await;
    for number in 1..=count {
        let mut properties = Properties::default();
        properties.insert("n", Value::Long(number));
        let fields = MessageFields {
            persistent: true,
            correlation_id: Some("kept".into()),
            marshalled_properties: Some(properties.encode()),
            ..peer.message(queue, number, 2048)
        };
        let sent = peer.submit(&fields);
        peer.answer(sent).await.unwrap();
    }
    peer
}

/// Refuses what comes next.
async fn refuse(peer: &mut Wire, count: usize) {
    const POISON: i8 = 1;
    for _ in 0..count {
        let id = peer.dispatch().await.message.unwrap().message_id();
        let ack = MessageAck {
            first_message_id: id.clone(),
            last_message_id: id,
            ..peer.ack(1, POISON, 1, 1, 1)
        };
        peer.ask(ack.into()).await.unwrap();
    }
}

async fn found(peer: &mut Wire, consumer: i64, queue: &Destination) -> Vec<i64> {
    peer.consume(consumer, queue, 1000).await;
    let mut found = Vec::new();
    while let Some(dispatch) = peer.dispatch_soon().await {
        let message = dispatch.message.as_ref().unwrap();
        assert_eq!(message.correlation_id().unwrap(), "kept");
        found.push(number_of(&dispatch));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_selected_messages_are_moved_and_the_others_stay() {
    let node = broker(Limits::default()).await;
    let (from, to) = (Destination::queue("from"), Destination::queue("to"));
    let mut peer = filled(&node, &from, 10).await;
    let selected = ["move", "from", "--to", "to", "--where", "n > 4", "--batch", "2"];
    let dry = [&selected[..], &["--dry-run"]].concat();
    let would = "would have moved 6 messages of queue://from to queue://to".to_owned();
    assert_eq!(run(&node, &dry).await, (0, would));
    let some = [&selected[..], &["--limit", "5"]].concat();
    let moved = "moved 5 messages of queue://from to queue://to".to_owned();
    assert_eq!(run(&node, &some).await, (0, moved));
    let moved = "moved 1 message of queue://from to queue://to".to_owned();
    assert_eq!(run(&node, &selected).await, (0, moved));
    assert_eq!(found(&mut peer, 1, &from).await, [1, 2, 3, 4]);
    assert_eq!(found(&mut peer, 2, &to).await, [5, 6, 7, 8, 9, 10]);
    let (code, _) = run(&node, &["move", "from", "--to", "from"]).await;
    assert_eq!(code, 2);
    let (code, _) = run(&node, &["move", "topic://from", "--to", "to"]).await;
    assert_eq!(code, 2);
    let (code, complaint) = run(&node, &["move", "to", "--to-origin", "--where", "n >"]).await;
    assert_eq!(code, 1, "{complaint}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_tried_again_where_they_died() {
    let node = broker(Limits::default()).await;
    let (queue, dead) = (Destination::queue("orders"), Destination::queue("ActiveMQ.DLQ"));
    let mut peer = filled(&node, &queue, 3).await;
    peer.consume(1, &queue, 10).await;
    peer.numbers(3).await;
    peer.ask(peer.ack(1, 1, 1, 2, 2).into()).await.unwrap();
    let moved = "moved 2 messages of queue://ActiveMQ.DLQ to where they were sent first".to_owned();
    assert_eq!(run(&node, &["retry"]).await, (0, moved));
    for number in [1, 2] {
        let dispatch = peer.dispatch().await;
        assert_eq!((number_of(&dispatch), dispatch.redelivery_counter), (number, 0));
        let message = dispatch.message.unwrap();
        assert_eq!(message.original_destination(), None);
        let properties = message.properties().unwrap();
        assert_eq!(properties.get("dlqDeliveryFailureCause"), None);
        assert_eq!(properties.get("n"), Some(&Value::Long(number)));
    }
    assert!(found(&mut peer, 2, &dead).await.is_empty());
    // What does not say where it was sent first is left, and named.
    let sent = peer.submit(&peer.message(&Destination::queue("odd"), 9, 2048));
    peer.answer(sent).await.unwrap();
    let (code, said) = run(&node, &["retry", "odd"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("does not say where it was sent first"), "{said}");
    peer.consume(3, &Destination::queue("odd"), 10).await;
    assert_eq!(peer.number().await.0, 9);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moves_comes_to_an_end() {
    let node = broker(Limits::default()).await;
    let (queue, dead) = (Destination::queue("orders.new"), Destination::queue("ActiveMQ.DLQ"));
    let mut peer = filled(&node, &queue, 5).await;
    for (from, to) in [("orders.>", "orders.old"), ("a,orders.new", "b,orders.new"), (">", "b")] {
        let (code, said) = run(&node, &["move", from, "--to", to]).await;
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("it would be moved again, for ever"), "{said}");
    }
    let moved = "moved 5 messages of queue://orders.> to queue://old".to_owned();
    assert_eq!(run(&node, &["move", "orders.>", "--to", "old"]).await, (0, moved));
    let moved = "moved 5 messages of queue://old to where they were sent first".to_owned();
    assert_eq!(run(&node, &["move", "old", "--to-origin"]).await, (0, moved));
    // What is tried again and refused again is tried once.
    peer.consume(1, &queue, 10).await;
    refuse(&mut peer, 5).await;
    let refusing = tokio::spawn(async move {
        refuse(&mut peer, 5).await;
        peer
    });
    let moved = "moved 5 messages of queue://ActiveMQ.DLQ to where they were sent first".to_owned();
    assert_eq!(run(&node, &["retry", "--batch", "2"]).await, (0, moved));
    let mut peer = refusing.await.unwrap();
    assert_eq!(found(&mut peer, 2, &dead).await.len(), 5);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_purged_of_what_is_selected() {
    let node = broker(Limits::default()).await;
    let queue = Destination::queue("q");
    let mut peer = filled(&node, &queue, 5).await;
    let dropped = "dropped 3 messages of queue://q".to_owned();
    assert_eq!(run(&node, &["purge", "q", "--where", "n < 4"]).await, (0, dropped));
    assert_eq!(found(&mut peer, 1, &queue).await, [4, 5]);
    node.stop().await;
}
