use ferrymq_openwire::commands::{MessageAck, TransactionInfo};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{ConnectionId, LocalTransactionId, MessageId, TransactionId};
use ferrymq_openwire::message::MessageFields;

use super::*;

fn session_id(number: i64) -> SessionId {
    SessionId::new(&ConnectionId::new("c"), number)
}

fn session(command_id: i32, number: i64) -> Command {
    let session_id = Some(session_id(number));
    Command::SessionInfo(SessionInfo { command_id, session_id, ..SessionInfo::default() })
}

fn producer(command_id: i32, session: i64, number: i64) -> Command {
    Command::from(ProducerInfo {
        command_id,
        response_required: true,
        producer_id: Some(ProducerId::new(&session_id(session), number)),
        ..ProducerInfo::default()
    })
}

fn consumer(command_id: i32, session: i64, number: i64) -> Command {
    Command::from(ConsumerInfo {
        command_id,
        response_required: true,
        consumer_id: Some(ConsumerId::new(&session_id(session), number)),
        ..ConsumerInfo::default()
    })
}

fn temporary(command_id: i32, name: &str, operation_type: i8) -> Command {
    Command::DestinationInfo(DestinationInfo {
        command_id,
        response_required: true,
        destination: Some(Destination::queue(name)),
        operation_type,
        ..DestinationInfo::default()
    })
}

fn message(command_id: i32, session: i64, asks: bool, transaction: bool) -> Command {
    let producer = ProducerId::new(&session_id(session), 1);
    let fields = MessageFields {
        producer_id: Some(producer.clone()),
        message_id: Some(MessageId::new(producer, i64::from(command_id))),
        transaction_id: transaction.then(|| {
            TransactionId::Local(LocalTransactionId {
                value: 1,
                connection_id: Some(ConnectionId::new("c")),
            })
        }),
        ..MessageFields::default()
    };
    let mut message = Message::from_fields(&fields).unwrap();
    message.command_id = command_id;
    message.response_required = asks;
    Command::from(message)
}

fn gone(object: Command) -> Command {
    removal(object)
}

fn told(state: &RestoreState, next: i32) -> Vec<String> {
    let name = |command: &Command| match command {
        Command::Message(message) => format!("message {}", message.command_id),
        Command::RemoveInfo(info) => {
            format!("remove {}", info.object_id.as_ref().unwrap().wire_name())
        }
        other => format!("{} {}", other.wire_name(), other.command_id().unwrap()),
    };
    state.replay(next).iter().map(name).collect()
}

fn state(commands: &[Command]) -> RestoreState {
    let mut state = RestoreState::new(None);
    for command in commands {
        state.record(command);
    }
    state
}

#[test]
fn what_lives_is_told_in_the_order_in_which_it_can_live() {
    let state = state(&[
        session(2, 1),
        session(3, 2),
        consumer(4, 2, 1),
        producer(5, 2, 1),
        consumer(6, 1, 1),
        temporary(7, "t", 0),
    ]);
    assert_eq!(
        told(&state, 8),
        [
            "DestinationInfo 7",
            "SessionInfo 2",
            "ConsumerInfo 6",
            "SessionInfo 3",
            "ProducerInfo 5",
            "ConsumerInfo 4"
        ]
    );
}

#[test]
fn what_is_gone_is_not_told() {
    let consumer_id = ConsumerId::new(&session_id(1), 1);
    let state = state(&[
        session(2, 1),
        session(3, 2),
        consumer(4, 1, 1),
        consumer(5, 2, 1),
        producer(6, 2, 1),
        temporary(7, "t", 0),
        gone(Command::ConsumerId(consumer_id)),
        gone(Command::SessionId(session_id(2))),
    ]);
    assert_eq!(told(&state, 9), ["DestinationInfo 7", "SessionInfo 2"]);
}

#[test]
fn requests_without_an_answer_are_told_again_in_their_order_even_where_numbers_wrap() {
    let mut state = state(&[session(2, 1), producer(3, 1, 1)]);
    for id in [i32::MAX - 1, i32::MAX, i32::MIN, i32::MIN + 1] {
        state.record(&message(id, 1, true, false));
    }
    state.answered(i32::MAX);
    let expected = [i32::MAX - 1, i32::MIN, i32::MIN + 1].map(|id| format!("message {id}"));
    assert_eq!(told(&state, i32::MIN + 2)[2..], expected);
    assert!(state.outstanding_bytes() > 0);
    for id in [i32::MAX - 1, i32::MIN, i32::MIN + 1] {
        state.answered(id);
    }
    assert_eq!((state.outstanding(), state.outstanding_bytes()), (0, 0));
}

#[test]
fn a_destination_that_is_being_deleted_is_not_made_again() {
    let mut state = state(&[temporary(2, "t", 0), temporary(3, "t", 1)]);
    assert_eq!(told(&state, 4), ["DestinationInfo 3"]);
    state.answered(3);
    assert!(told(&state, 4).is_empty());
}

#[test]
fn what_was_refused_is_not_made_again() {
    let mut state = state(&[session(2, 1), producer(3, 1, 1), consumer(4, 1, 1)]);
    assert_eq!(state.refused(3), None);
    assert_eq!(state.refused(4), Some(ConsumerId::new(&session_id(1), 1)));
    assert_eq!(told(&state, 5), ["SessionInfo 2"]);
}

#[test]
fn messages_of_closed_producers_bring_them_back_for_a_moment() {
    let mut state = state(&[
        session(2, 1),
        producer(3, 1, 1),
        message(4, 1, true, false),
        gone(Command::SessionId(session_id(1))),
    ]);
    assert_eq!(
        told(&state, 6),
        ["SessionInfo 0", "ProducerInfo 3", "message 4", "remove ProducerId", "remove SessionId"]
    );
    state.answered(4);
    assert!(told(&state, 6).is_empty());
}

#[test]
fn a_transaction_ends_with_its_link_and_who_waits_learns_how() {
    let transaction = |command_id, kind| {
        Command::from(TransactionInfo {
            command_id,
            response_required: true,
            kind,
            ..TransactionInfo::default()
        })
    };
    let ack = MessageAck { command_id: 7, response_required: true, ..MessageAck::default() };
    let mut state = state(&[
        session(2, 1),
        producer(3, 1, 1),
        transaction(4, 0),
        message(5, 1, true, true),
        transaction(6, 2),
        Command::from(ack),
    ]);
    assert_eq!(told(&state, 8), ["SessionInfo 2", "ProducerInfo 3"]);
    let ended = state.interrupted();
    let expected = [
        (4, Tied::Transaction),
        (5, Tied::Transaction),
        (6, Tied::Commit),
        (7, Tied::Acknowledgement),
    ];
    assert_eq!(ended, expected);
    assert!(state.interrupted().is_empty());
}

#[test]
fn a_commit_is_asked_for_again_at_its_own_broker_and_at_no_other() {
    let commit = || {
        Command::from(TransactionInfo {
            command_id: 6,
            response_required: true,
            kind: 2,
            ..TransactionInfo::default()
        })
    };
    let broker = |name: &str| Some(BrokerId::new(name.to_owned()));
    let asked = |back: Option<BrokerId>| {
        let mut state = RestoreState::new(None);
        assert!(state.meet(broker("a")).is_empty());
        state.record(&session(2, 1));
        state.record(&commit());
        assert_eq!(state.interrupted(), []);
        let ended = state.meet(back);
        (ended, told(&state, 8), state)
    };
    let (ended, said, mut state) = asked(broker("a"));
    assert_eq!(
        (ended, &said[..]),
        (vec![], &["SessionInfo 2", "TransactionInfo 6"].map(String::from)[..])
    );
    assert_eq!(state.outstanding(), 1);
    // The link is lost again before it is answered.
    assert_eq!(state.interrupted(), []);
    assert!(state.meet(broker("a")).is_empty());
    state.answered(6);
    assert_eq!((state.outstanding(), told(&state, 8).len()), (0, 1));
    for other in [broker("b"), None] {
        let (ended, said, _) = asked(other);
        assert_eq!((ended, said.len()), (vec![(6, Tied::Commit)], 1));
    }
    // A broker that does not tell is not asked.
    let mut state = RestoreState::new(None);
    state.meet(None);
    state.record(&commit());
    assert_eq!(state.interrupted(), [(6, Tied::Commit)]);
}

#[test]
fn messages_that_nobody_confirms_are_kept_up_to_a_size_if_at_all() {
    let mut state = RestoreState::new(Some(3000));
    state.record(&session(2, 1));
    state.record(&producer(3, 1, 1));
    for id in 4..10 {
        state.record(&message(id, 1, id == 8, false));
    }
    // Each counts for 1024 bytes; the one that is to be confirmed is kept beside them.
    assert_eq!(told(&state, 10)[2..], ["message 7", "message 8", "message 9"]);
    let mut none = RestoreState::new(None);
    none.record(&message(4, 1, false, false));
    assert!(told(&none, 5).is_empty());
}

#[test]
fn closed_producers_are_kept_no_longer_than_they_owe_something() {
    let mut state = state(&[session(2, 1), message(3, 9, true, false)]);
    for number in 1..=1000 {
        state.record(&producer(4, 1, number));
        state.record(&gone(Command::ProducerId(ProducerId::new(&session_id(1), number))));
    }
    assert!(state.closed.len() < SIFT_AT);
}
