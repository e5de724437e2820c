//! What a consumer tells the broker, compared with what JMS clients were recorded to send.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_openwire::command::Command;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};
use tokio::time::Instant;

use super::held::{AckKind, Held};
use super::redelivery::RedeliveryPolicy;
use super::state::{ConsumerState, Ended, Handed, Now, Overrun, Settling, Taken, Terms};
use crate::error::ConnectionLost;

/// Type, first, last and count of an acknowledgement; messages by their producer's numbers.
type Ack = (AckKind, Option<i64>, i64, i32);

struct Bench {
    state: ConsumerState,
    started: Instant,
    epoch_millis: i64,
}

impl Bench {
    fn new(settling: Settling, prefetch: usize) -> Self {
        Self::with_redelivery(settling, prefetch, RedeliveryPolicy::default())
    }

    fn with_redelivery(settling: Settling, prefetch: usize, redelivery: RedeliveryPolicy) -> Self {
        let session = SessionId::new(&ConnectionId::new("ID:test:1"), 1);
        let id = ConsumerId::new(&session, 1);
        let terms = Terms {
            id,
            settling,
            redelivery,
            drop_expired: true,
            windows: 1,
            audited_as: None,
            audit: None,
        };
        Self {
            state: ConsumerState::new(terms, prefetch),
            started: Instant::now(),
            epoch_millis: 1_000_000,
        }
    }

    fn dispatch(&mut self, numbers: impl IntoIterator<Item = i64>) {
        let mut held = numbers.into_iter().map(|number| held(number, "Q", 0)).collect();
        self.state.accept(&mut held, &mut Vec::new()).unwrap();
    }

    fn now(&self) -> Now {
        Now { instant: self.started, epoch_millis: self.epoch_millis }
    }

    fn take(&mut self, max: usize) -> (Vec<Handed>, Vec<Ack>) {
        let mut handed = Vec::new();
        let mut acks = Vec::new();
        self.state.take(max, self.now(), &mut handed, &mut acks);
        (handed, acks.iter().map(shown).collect())
    }

    /// Receives one by one; what is acknowledged meanwhile.
    fn receive(&mut self, count: usize) -> Vec<Ack> {
        let mut all = Vec::new();
        for _ in 0..count {
            let (handed, acks) = self.take(1);
            assert_eq!(handed.len(), 1);
            all.extend(acks);
        }
        all
    }

    fn step<R>(
        &mut self,
        step: impl FnOnce(&mut ConsumerState, &mut Vec<Command>) -> R,
    ) -> Vec<Ack> {
        let mut acks = Vec::new();
        step(&mut self.state, &mut acks);
        acks.iter().map(shown).collect()
    }
}

fn held(number: i64, queue: &str, expiration: i64) -> Held {
    let session = SessionId::new(&ConnectionId::new("ID:sender:1"), 1);
    let mut id = MessageId::new(ProducerId::new(&session, 1), number);
    // The broker's numbers differ from the producer's.
    id.broker_sequence_id = 100 + number;
    let fields = MessageFields {
        message_id: Some(id),
        destination: Some(Destination::queue(queue)),
        expiration,
        ..MessageFields::default()
    };
    Held {
        serial: 0,
        message: Arc::new(Message::from_fields(&fields).unwrap()),
        destination: Destination::queue(queue),
        redeliveries: 0,
        reported: false,
    }
}

fn shown(command: &Command) -> Ack {
    let Command::MessageAck(ack) = command else { panic!("not an ack: {command:?}") };
    let kind = match ack.ack_type {
        0 => AckKind::Delivered,
        1 => AckKind::Poison,
        2 => AckKind::Standard,
        3 => AckKind::Redelivered,
        4 => AckKind::Individual,
        6 => AckKind::Expired,
        other => panic!("ack type {other}"),
    };
    let number = |id: &MessageId| id.producer_sequence_id;
    (
        kind,
        ack.first_message_id.as_ref().map(number),
        number(ack.last_message_id.as_ref().unwrap()),
        ack.message_count,
    )
}

fn numbers(handed: &[Handed]) -> Vec<i64> {
    handed.iter().map(|handed| handed.received.message_id().unwrap().producer_sequence_id).collect()
}

#[test]
fn auto_settles_each_message_as_it_is_received() {
    let mut bench = Bench::new(Settling::Each, 1000);
    bench.dispatch(1..=3);
    let each = |n| (AckKind::Standard, Some(n), n, 1);
    assert_eq!(bench.receive(3), [each(1), each(2), each(3)]);
}

#[test]
fn auto_settles_what_is_received_together_as_one_range() {
    let mut bench = Bench::new(Settling::Each, 1000);
    bench.dispatch(1..=5);
    let (handed, acks) = bench.take(4);
    assert_eq!(numbers(&handed), [1, 2, 3, 4]);
    assert_eq!(acks, [(AckKind::Standard, Some(1), 4, 4)]);
}

#[test]
fn dups_ok_settles_in_ranges_of_half_the_prefetch_and_the_rest_at_close() {
    // Recorded: prefetch 4, five messages.
    let mut bench = Bench::new(Settling::Ranges, 4);
    bench.dispatch(1..=4);
    assert_eq!(
        bench.receive(4),
        [(AckKind::Standard, Some(1), 2, 2), (AckKind::Standard, Some(3), 4, 2)]
    );
    bench.dispatch([5]);
    assert_eq!(bench.receive(1), []);
    let rest = bench.step(|state, acks| assert_eq!(state.close(acks), Some(105)));
    assert_eq!(rest, [(AckKind::Standard, Some(5), 5, 1)]);
}

#[test]
fn client_mode_widens_the_window_at_half_the_prefetch_and_settles_all_at_once() {
    // Recorded: prefetch 4, six messages, then acknowledge().
    let mut bench = Bench::new(Settling::OnDemand, 4);
    bench.dispatch(1..=4);
    assert_eq!(
        bench.receive(4),
        [(AckKind::Delivered, Some(1), 2, 2), (AckKind::Delivered, Some(3), 4, 2)]
    );
    bench.dispatch(5..=6);
    assert_eq!(bench.receive(2), [(AckKind::Delivered, Some(5), 6, 2)]);
    let settled = bench.step(|state, acks| state.acknowledge_all(acks));
    assert_eq!(settled, [(AckKind::Standard, Some(1), 6, 6)]);
    let again = bench.step(|state, acks| state.acknowledge_all(acks));
    assert_eq!(again, [], "nothing is left to settle");
}

#[test]
fn individual_mode_names_the_one_message_only() {
    // Recorded: three received, the second acknowledged.
    let mut bench = Bench::new(Settling::OneByOne, 1000);
    bench.dispatch(1..=3);
    let (handed, acks) = bench.take(3);
    assert_eq!(acks, []);
    let second = handed[1].serial;
    let settled = bench.step(|state, acks| state.acknowledge_one(second, acks));
    assert_eq!(settled, [(AckKind::Individual, None, 2, 1)]);
    let again = bench.step(|state, acks| state.acknowledge_one(second, acks));
    assert_eq!(again, [], "a message is settled once");
}

#[test]
fn individual_mode_reports_only_what_is_still_unsettled() {
    let mut bench = Bench::new(Settling::OneByOne, 4);
    bench.dispatch(1..=2);
    let (first, acks) = bench.take(1);
    assert_eq!(acks, []);
    bench.step(|state, acks| state.acknowledge_one(first[0].serial, acks));
    // Had 1 been reported too, the broker would find no such message.
    assert_eq!(bench.receive(1), []);
    bench.dispatch([3]);
    assert_eq!(bench.receive(1), [(AckKind::Delivered, Some(2), 3, 2)]);
}

#[test]
fn ranges_never_span_destinations() {
    let mut bench = Bench::new(Settling::Each, 1000);
    let mut mixed = vec![held(1, "A", 0), held(2, "A", 0), held(3, "B", 0), held(4, "A", 0)];
    bench.state.accept(&mut mixed, &mut Vec::new()).unwrap();
    let (_, acks) = bench.take(10);
    assert_eq!(
        acks,
        [
            (AckKind::Standard, Some(1), 2, 2),
            (AckKind::Standard, Some(3), 3, 1),
            (AckKind::Standard, Some(4), 4, 1)
        ]
    );
}

#[test]
fn an_expired_message_is_told_and_not_handed_out() {
    let mut bench = Bench::new(Settling::Each, 1000);
    let mut mixed = vec![held(1, "Q", 0), held(2, "Q", 999_999), held(3, "Q", 1_000_000)];
    bench.state.accept(&mut mixed, &mut Vec::new()).unwrap();
    let (handed, acks) = bench.take(10);
    assert_eq!(numbers(&handed), [1, 3], "3 expires after this millisecond");
    assert_eq!(
        acks,
        [(AckKind::Expired, Some(2), 2, 1), (AckKind::Standard, Some(1), 3, 2)],
        "the expired one is gone before the range is counted"
    );
}

#[test]
fn recover_hands_out_again_in_order_after_a_rest() {
    let mut bench = Bench::new(Settling::OnDemand, 1000);
    bench.dispatch(1..=4);
    bench.receive(3);
    let now = bench.started;
    let told = bench.step(|state, acks| state.recover(now, acks));
    assert_eq!(told, [(AckKind::Redelivered, Some(1), 3, 3)]);

    let mut handed = Vec::new();
    let taken = bench.state.take(1, bench.now(), &mut handed, &mut Vec::new());
    let rest = RedeliveryPolicy::default().delay;
    assert!(matches!(taken, Taken::RestingUntil(until) if until == now + rest), "{taken:?}");

    bench.started += rest;
    let (handed, _) = bench.take(10);
    assert_eq!(numbers(&handed), [1, 2, 3, 4]);
    let redeliveries: Vec<_> = handed.iter().map(|h| h.received.redeliveries()).collect();
    assert_eq!(redeliveries, [1, 1, 1, 0]);
}

#[test]
fn recovered_messages_do_not_widen_the_window_twice() {
    let policy = RedeliveryPolicy { delay: Duration::ZERO, ..RedeliveryPolicy::default() };
    let mut bench = Bench::with_redelivery(Settling::OnDemand, 4, policy);
    bench.dispatch(1..=3);
    assert_eq!(bench.receive(3), [(AckKind::Delivered, Some(1), 2, 2)]);
    let now = bench.started;
    bench.step(|state, acks| state.recover(now, acks));
    assert_eq!(bench.receive(3), [], "1 and 2 are reported; 3 alone is not half the prefetch");
    bench.dispatch([4]);
    assert_eq!(bench.receive(1), [(AckKind::Delivered, Some(3), 4, 2)]);
}

#[test]
fn what_comes_back_too_often_is_given_up() {
    let policy = RedeliveryPolicy { maximum: Some(2), delay: Duration::ZERO };
    let mut bench = Bench::with_redelivery(Settling::OnDemand, 1000, policy);
    let now = bench.started;
    bench.dispatch([1]);
    for _ in 0..2 {
        bench.receive(1);
        let told = bench.step(|state, acks| state.recover(now, acks));
        assert_eq!(told, [(AckKind::Redelivered, Some(1), 1, 1)]);
    }
    bench.dispatch([2]);
    bench.receive(2);
    let told = bench.step(|state, acks| state.recover(now, acks));
    assert_eq!(told, [(AckKind::Poison, Some(1), 1, 1), (AckKind::Redelivered, Some(2), 2, 1)]);
    let (handed, _) = bench.take(10);
    assert_eq!(numbers(&handed), [2]);
}

#[test]
fn closing_names_the_last_message_that_the_application_saw() {
    let mut bench = Bench::new(Settling::OnDemand, 1000);
    bench.dispatch(1..=3);
    bench.receive(1);
    let acks = bench.step(|state, acks| assert_eq!(state.close(acks), Some(101)));
    assert_eq!(acks, [], "unsettled messages go back");

    let mut unused = Bench::new(Settling::OnDemand, 1000);
    unused.dispatch(1..=3);
    unused.step(|state, acks| {
        assert_eq!(state.close(acks), Some(-1), "none was seen");
        assert_eq!(state.close(acks), None, "it closes once");
    });
}

#[test]
fn a_broker_that_overruns_the_window_is_caught() {
    let mut bench = Bench::new(Settling::Each, 2);
    bench.dispatch(1..=2);
    let refused = bench.state.accept(&mut vec![held(3, "Q", 0)], &mut Vec::new());
    assert_eq!(refused, Err(Overrun { allowed: 2 }));
}

#[test]
fn a_smaller_prefetch_is_not_held_against_what_is_out_already() {
    let mut bench = Bench::new(Settling::Each, 4);
    bench.dispatch(1..=2);
    bench.state.set_prefetch(1);
    bench.dispatch(3..=4);
    let (handed, _) = bench.take(10);
    assert_eq!(numbers(&handed), [1, 2, 3, 4]);
}

#[test]
fn an_ended_consumer_says_why_and_keeps_nothing() {
    let mut bench = Bench::new(Settling::Each, 4);
    bench.dispatch(1..=2);
    bench.state.end(Ended::Lost(ConnectionLost::new("cut")));
    bench.state.end(Ended::ByOwner);
    let taken = bench.state.take(1, bench.now(), &mut Vec::new(), &mut Vec::new());
    assert!(matches!(taken, Taken::Never(Ended::Lost(_))), "the first reason stays: {taken:?}");
    bench.dispatch(3..=4);
    assert_eq!(bench.state.waiting(), 0);
}
