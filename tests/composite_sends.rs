//! A message sent to a list of destinations comes to each of them once, under its own address, and
//! to none while one of them is full.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod wire;

use ferrymq::config::Limits;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use wire::{Wire, broker, limited, number_of, until};

fn queue(name: &str) -> Destination {
    Destination::queue(name)
}

async fn send_to(peer: &mut Wire, list: &Destination, number: i64) {
    let sent = peer.submit(&peer.message(list, number, 1100));
    peer.answer(sent).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gets_a_copy_that_says_where_it_was_sent() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let topic = Destination::topic("C");
    let list = queue("A,B,topic://C,A");
    for (number, from) in (1..).zip([queue("A"), queue("B"), topic.clone()]) {
        peer.consume(number, &from, 10).await;
    }
    let before = peer.message(&list, 7, 1100);
    let fields = MessageFields { persistent: true, priority: 8, ..before };
    let sent = peer.submit(&fields);
    peer.answer(sent).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let dispatch = peer.dispatch().await;
        assert_eq!(number_of(&dispatch), 7);
        let message = dispatch.message.unwrap();
        assert_eq!(message.destination(), dispatch.destination);
        assert_eq!(message.original_destination(), Some(list.clone()));
        let copy = message.to_fields().unwrap();
        let expected = MessageFields {
            destination: copy.destination.clone(),
            original_destination: copy.original_destination.clone(),
            broker_in_time: copy.broker_in_time,
            message_id: copy.message_id.clone(),
            command_id: copy.command_id,
            response_required: copy.response_required,
            ..fields.clone()
        };
        assert_eq!(copy, expected);
        assert!(message.has_id(fields.message_id.as_ref().unwrap()));
        seen.push(dispatch.destination.unwrap());
    }
    seen.sort();
    assert_eq!(seen, [queue("A"), queue("B"), topic]);
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_is_full_none_gets_it_and_its_producer_is_not_answered() {
    let node = broker(limited("queue://full", 3 * 1100)).await;
    let mut peer = Wire::opened(&node, "peer").await;
    for number in 1..=3 {
        send_to(&mut peer, &queue("full"), number).await;
    }
    let list = queue("A,full");
    let parked = peer.submit(&peer.message(&list, 4, 1100));
    // What follows it at either stays behind it; what goes elsewhere does not.
    let behind = peer.submit(&peer.message(&queue("A"), 5, 1100));
    send_to(&mut peer, &queue("B"), 6).await;
    let mut other = Wire::opened(&node, "other").await;
    other.consume(1, &queue("A"), 10).await;
    other.nothing_comes().await;
    other.consume(2, &queue("full"), 10).await;
    let first = other.dispatch().await;
    other.settle(&first);
    peer.answer(parked).await.unwrap();
    peer.answer(behind).await.unwrap();
    let mut rest = other.numbers(5).await;
    assert_eq!(rest.iter().filter(|number| **number == 4).count(), 2);
    let behind = rest.iter().position(|number| *number == 5).unwrap();
    assert!(rest[..behind].contains(&4), "in order at A: {rest:?}");
    rest.sort_unstable();
    assert_eq!(rest, [2, 3, 4, 4, 5]);
}

/// Lists that overlap, parked behind one another: all come out, in their order at each queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_wait_for_each_other_come_out_in_order() {
    let node = broker(limited("queue://*", 2 * 1100)).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let lists = ["A,B", "B,C", "C", "A,C", "B", "A,B,C", "A"];
    let mut expected = [Vec::new(), Vec::new(), Vec::new()];
    let mut answers = Vec::new();
    for number in 0..70 {
        let list = lists[usize::try_from(number).unwrap() % lists.len()];
        for (name, expected) in ["A", "B", "C"].iter().zip(&mut expected) {
            if list.contains(name) {
                expected.push(number);
            }
        }
        answers.push(peer.submit(&peer.message(&queue(list), number, 1100)));
    }
    let mut readers = Vec::new();
    for name in ["A", "B", "C"] {
        let mut reader = Wire::opened(&node, name).await;
        reader.consume(1, &queue(name), 1).await;
        readers.push(reader);
    }
    let reading = readers.into_iter().zip(expected).map(|(mut reader, expected)| {
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..expected.len() {
                let dispatch = reader.dispatch().await;
                seen.push(number_of(&dispatch));
                reader.settle(&dispatch);
            }
            assert_eq!(seen, expected);
        })
    });
    for reading in reading.collect::<Vec<_>>() {
        reading.await.unwrap();
    }
    for answer in answers {
        peer.answer(answer).await.unwrap();
    }
    until("all accounts are empty", || {
        let all = node.status().destinations;
        all.iter().all(|found| found.memory == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_with_a_bad_member_is_refused_whole() {
    let node = broker(Limits::default()).await;
    let mut peer = Wire::opened(&node, "peer").await;
    for list in ["A,B.*", "A,temp-queue://gone", ",", "A,queue://"] {
        let sent = peer.submit(&peer.message(&queue(list), 1, 1100));
        assert!(peer.answer(sent).await.is_err(), "{list}");
    }
    let many: Vec<String> = (0..2000).map(|number| format!("q{number}")).collect();
    let sent = peer.submit(&peer.message(&queue(&many.join(",")), 1, 1100));
    let refusal = peer.answer(sent).await.unwrap_err();
    assert!(refusal.message.unwrap().to_string().contains("2000 destinations at once"));
    peer.consume(1, &queue("A"), 10).await;
    peer.nothing_comes().await;
}
