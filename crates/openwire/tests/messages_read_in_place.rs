//! Whatever is read from a message's bytes in place, or spliced into them, agrees with the complete
//! view of its fields.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageDispatch;
use ferrymq_openwire::destination::{Destination, DestinationKind};
use ferrymq_openwire::format::{WireForm, WireFormat};
use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields, MessageKind};

#[path = "support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

/// Every message among the recorded frames, alone or in a dispatch, of every version and encoding.
static GOLDEN_MESSAGES: LazyLock<Vec<(String, Message)>> = LazyLock::new(|| {
    let mut messages = Vec::new();
    let frames = recorded::golden();
    for frame in frames.iter().filter(|frame| frame.stream.is_none()) {
        let mut buffer = BytesMut::from(&frame.bytes[..]);
        match Decoder::new(frame.format).decode(&mut buffer).unwrap() {
            Some(Command::Message(message)) => messages.push((frame.title(), (*message).clone())),
            Some(Command::MessageDispatch(MessageDispatch { message: Some(message), .. })) => {
                messages.push((frame.title(), (*message).clone()));
            }
            _ => {}
        }
    }
    assert!(messages.len() > 300, "{}", messages.len());
    messages
});

/// A message with every field set.
fn full(kind: MessageKind, form: WireForm) -> Message {
    let mut fields = GOLDEN_MESSAGES
        .iter()
        .find(|(title, _)| title.starts_with("ActiveMQMessage_full v12 loose"))
        .map(|(_, message)| message.to_fields().unwrap())
        .unwrap();
    fields.kind = kind;
    fields.content = Some("content".into());
    if kind == MessageKind::Blob {
        fields.remote_blob_url = Some("http://blobs/1".into());
        fields.mime_type = Some("image/png".into());
        fields.deleted_by_broker = true;
    }
    Message::in_form(&fields, form).unwrap()
}

fn forms() -> impl Iterator<Item = WireForm> {
    (1..=12).flat_map(|version| [false, true].map(|stack_trace| WireForm { version, stack_trace }))
}

#[test]
fn accessors_agree_with_the_fields() {
    for (title, message) in GOLDEN_MESSAGES.iter() {
        let fields = message.to_fields().unwrap();
        let id = fields.message_id.clone().unwrap_or_default();
        assert_eq!(message.kind(), fields.kind, "{title}");
        assert_eq!(message.persistent(), fields.persistent, "{title}");
        assert_eq!(message.expiration(), fields.expiration, "{title}");
        assert_eq!(message.priority(), fields.priority, "{title}");
        assert_eq!(message.timestamp(), fields.timestamp, "{title}");
        assert_eq!(message.redelivery_counter(), fields.redelivery_counter, "{title}");
        assert_eq!(message.group_sequence(), fields.group_sequence, "{title}");
        assert_eq!(message.compressed(), fields.compressed, "{title}");
        assert_eq!(message.broker_in_time(), fields.broker_in_time, "{title}");
        assert_eq!(message.broker_sequence_id(), id.broker_sequence_id, "{title}");
        assert_eq!(message.producer_id(), fields.producer_id, "{title}");
        assert_eq!(message.message_id(), fields.message_id, "{title}");
        assert_eq!(message.destination(), fields.destination, "{title}");
        assert_eq!(message.reply_to(), fields.reply_to, "{title}");
        assert_eq!(message.original_destination(), fields.original_destination, "{title}");
        assert_eq!(message.transaction_id(), fields.transaction_id, "{title}");
        assert_eq!(message.correlation_id(), fields.correlation_id, "{title}");
        assert_eq!(message.jms_type(), fields.jms_type, "{title}");
        assert_eq!(message.group_id(), fields.group_id, "{title}");
        assert_eq!(message.user_id(), fields.user_id, "{title}");
        assert_eq!(message.target_consumer_id(), fields.target_consumer_id, "{title}");
        assert_eq!(message.data_structure(), fields.data_structure.map(|data| *data), "{title}");
        assert_eq!(message.content(), fields.content.as_deref(), "{title}");
        assert_eq!(
            message.marshalled_properties(),
            fields.marshalled_properties.as_deref(),
            "{title}",
        );
        let path: Vec<BrokerId> =
            fields.broker_path.unwrap_or_default().into_iter().flatten().collect();
        assert_eq!(message.broker_path_len(), path.len(), "{title}");
        assert!(path.iter().all(|broker| message.broker_path_contains(broker)), "{title}");
        assert!(!message.broker_path_contains(&BrokerId::new("nobody")), "{title}");
        for broker in &path {
            let visits = path.iter().filter(|other| *other == broker).count();
            assert_eq!(message.broker_path_visits(broker), visits, "{title}");
        }
        assert_eq!(message.broker_path(), path, "{title}");
        let lengths = fields.content.map_or(0, |content| content.len())
            + fields.marshalled_properties.map_or(0, |properties| properties.len());
        assert_eq!(message.size(), 1024 + lengths, "{title}");
    }
}

#[test]
fn comparisons_without_allocation_agree_with_equality() {
    let connection = ConnectionId::new("ID:a-1-2-3:1");
    let session = SessionId::new(&connection, 4);
    let producer = ProducerId::new(&session, 5);
    let id = MessageId::new(producer.clone(), 6);
    let anonymous = MessageId { producer_sequence_id: 6, ..MessageId::default() };
    let viewed = MessageId { text_view: Some("foreign".into()), ..id.clone() };
    let ids = [
        id.clone(),
        MessageId::new(producer.clone(), 7),
        MessageId::new(ProducerId { value: 6, ..producer.clone() }, 6),
        MessageId::new(ProducerId { session_id: 6, ..producer.clone() }, 6),
        MessageId::new(ProducerId { connection_id: None, ..producer.clone() }, 6),
        MessageId::new(ProducerId { connection_id: Some("ID:b".into()), ..producer.clone() }, 6),
        anonymous,
        viewed,
    ];
    let destinations = [
        Destination::queue("A"),
        Destination::queue("B"),
        Destination::topic("A"),
        Destination::queue(""),
        Destination::queue("AA"),
    ];
    for version in [1, 9, 10, 12] {
        let form = WireForm { version, stack_trace: false };
        for own in &ids {
            let fields = MessageFields {
                message_id: Some(own.clone()),
                producer_id: own.producer_id.clone(),
                ..MessageFields::default()
            };
            let message = Message::in_form(&fields, form).unwrap();
            for other in &ids {
                assert_eq!(message.has_id(other), own == other, "v{version} {own:?} {other:?}");
            }
            let of_connection = |id: &ProducerId| id.connection_id == connection.value;
            assert_eq!(
                message.producer_connection_is(connection.value.as_ref().unwrap()),
                own.producer_id.as_ref().is_some_and(of_connection),
            );
        }
        for own in &destinations {
            let fields =
                MessageFields { destination: Some(own.clone()), ..MessageFields::default() };
            let message = Message::in_form(&fields, form).unwrap();
            for other in &destinations {
                assert_eq!(message.destination_is(other), own == other, "{own} {other}");
            }
        }
        let bare = Message::in_form(&MessageFields::default(), form).unwrap();
        assert!(!bare.has_id(&id));
        assert!(!bare.destination_is(&destinations[0]));
        assert!(!bare.producer_connection_is(connection.value.as_ref().unwrap()));
    }
}

#[test]
fn changes_in_place_are_those_of_the_fields() {
    for form in forms() {
        for kind in [MessageKind::Text, MessageKind::Blob] {
            if kind == MessageKind::Blob && form.version < 3 {
                continue;
            }
            let mut message = full(kind, form);
            let mut fields = message.to_fields().unwrap();
            message.set_broker_sequence_id(i64::MAX);
            message.set_redelivery_counter(-2);
            message.set_broker_in_time(12);
            message.set_broker_out_time(-13);
            fields.message_id.as_mut().unwrap().broker_sequence_id = i64::MAX;
            fields.redelivery_counter = -2;
            if form.version >= 3 {
                fields.broker_in_time = 12;
                fields.broker_out_time = -13;
            }
            assert_eq!(message, Message::in_form(&fields, form).unwrap(), "{form:?}");
        }
    }
}

#[test]
fn a_request_and_its_reply_are_parts_of_a_dialogue() {
    for form in forms() {
        let is_part = |destination: Destination, reply_to: Option<Destination>| {
            let destination = Some(destination);
            let fields = MessageFields { destination, reply_to, ..MessageFields::default() };
            Message::in_form(&fields, form).unwrap().is_part_of_a_dialogue()
        };
        let reply_to = Destination::new(DestinationKind::TempQueue, "ID:peer:1");
        assert!(!is_part(Destination::queue("orders"), None), "{form:?}");
        assert!(is_part(Destination::queue("orders"), Some(reply_to.clone())), "{form:?}");
        assert!(is_part(reply_to, None), "{form:?}");
    }
    assert!(!Message::from_fields(&MessageFields::default()).unwrap().is_part_of_a_dialogue());
}

#[test]
fn a_message_without_an_id_has_no_place_for_a_sequence_number() {
    let mut message = Message::from_fields(&MessageFields::default()).unwrap();
    let before = message.clone();
    message.set_broker_sequence_id(7);
    assert_eq!(message, before);
    assert_eq!(message.broker_sequence_id(), 0);
}

/// The same as [`Message::forwarded`], field by field.
fn forwarded_slowly(message: &Message, producer: &ProducerId, via: &BrokerId) -> Message {
    let mut fields = message.to_fields().unwrap();
    fields.command_id = 0;
    fields.response_required = false;
    fields.producer_id = Some(producer.clone());
    let transaction = fields.transaction_id.take();
    fields.original_transaction_id = fields.original_transaction_id.or(transaction);
    fields.target_consumer_id = None;
    let hops = fields.broker_path.as_ref().map_or(0, Vec::len);
    let length = |entry: &Option<BrokerId>| match entry {
        Some(BrokerId { value: Some(text) }) => 5 + text.as_bytes().len(),
        Some(_) => 3,
        None => 1,
    };
    let times = fields.cluster.take().unwrap_or_default();
    let fits = times.len() <= hops && times.iter().map(length).sum::<usize>() <= 34 * hops;
    let mut times = if fits { times } else { Vec::new() };
    if fields.broker_in_time > 0 {
        times.push(Some(BrokerId::new(format!("{hops}@{}", fields.broker_in_time))));
    }
    fields.cluster = Some(times).filter(|times| !times.is_empty());
    fields.broker_path.get_or_insert_default().push(Some(via.clone()));
    fields.droppable = false;
    Message::in_form(&fields, message.form()).unwrap()
}

#[test]
fn a_forwarded_message_is_the_one_with_its_fields_changed() {
    let producer = ProducerId::new(&SessionId::new(&ConnectionId::new("ID:bridge:1"), 1), 9);
    let via = BrokerId::new("ID:via");
    let mut messages = GOLDEN_MESSAGES.clone();
    for form in forms() {
        messages.push((format!("full {form:?}"), full(MessageKind::Message, form)));
        if form.version >= 3 {
            messages.push((format!("blob {form:?}"), full(MessageKind::Blob, form)));
        }
    }
    for (title, message) in &messages {
        let once = message.forwarded(&producer, &via);
        assert_eq!(once, forwarded_slowly(message, &producer, &via), "{title}");
        assert_eq!(once.message_id(), message.message_id(), "{title}");
        assert_eq!(once.broker_path_len(), message.broker_path_len() + 1, "{title}");
        assert!(once.broker_path_contains(&via), "{title}");
        let twice = once.forwarded(&producer, &BrokerId::default());
        assert_eq!(twice, forwarded_slowly(&once, &producer, &BrokerId::default()), "{title}");
    }
}

#[test]
fn for_whose_sake_a_message_is_sent_is_said_to_the_next_broker_only() {
    let producer = ProducerId::new(&SessionId::new(&ConnectionId::new("ID:bridge:1"), 1), 9);
    let message = Message::from_fields(&MessageFields::default()).unwrap();
    assert_eq!(message.toward(), None);
    let (via, far) = (BrokerId::new("via"), BrokerId::new("far"));
    let told = message.forwarded_toward(&producer, &via, Some(&far));
    assert_eq!(told.toward(), Some(b"far".as_slice()));
    let target = told.target_consumer_id().unwrap();
    assert_eq!((target.connection_id, target.session_id, target.value), (far.value, 0, 0));
    assert_eq!(told.broker_path(), std::slice::from_ref(&via));
    let on = told.forwarded(&producer, &via);
    assert_eq!((on.toward(), on.target_consumer_id()), (None, None));
}

#[test]
fn the_times_of_its_hops_travel_with_a_message() {
    let producer = ProducerId::new(&SessionId::new(&ConnectionId::new("ID:bridge:1"), 1), 9);
    let mut message = Message::from_fields(&MessageFields::default()).unwrap();
    for (name, millis) in [("a", 1_700_000_000_000), ("b", 1_700_000_000_012), ("c", 0)] {
        message.set_broker_in_time(millis);
        message = message.forwarded(&producer, &BrokerId::new(name));
    }
    let expected = [Some(1_700_000_000_000), Some(1_700_000_000_012), None];
    assert_eq!(message.hop_times(), expected);
    // A broker that forgets them, and one that says too much.
    let mut fields = message.to_fields().unwrap();
    fields.cluster = None;
    fields.broker_in_time = 1_700_000_000_100;
    let forgotten = Message::from_fields(&fields).unwrap();
    assert_eq!(forgotten.hop_times(), [None; 3]);
    let on = forgotten.forwarded(&producer, &BrokerId::new("d"));
    assert_eq!(on.hop_times(), [None, None, None, Some(1_700_000_000_100)]);
    for nonsense in [vec!["@"; 9], vec!["x".repeat(500).as_str()], vec!["9@5", "0@x", "@"]] {
        let cluster = nonsense.into_iter().map(|text| Some(BrokerId::new(text))).collect();
        fields.cluster = Some(cluster);
        let odd = Message::from_fields(&fields).unwrap();
        assert_eq!(odd.hop_times(), [None; 3]);
        let on = odd.forwarded(&producer, &BrokerId::new("d"));
        assert_eq!(on.hop_times()[3], Some(1_700_000_000_100));
    }
}

#[test]
fn a_message_reaches_a_peer_of_any_version_with_the_fields_that_it_has_there() {
    for (title, message) in GOLDEN_MESSAGES.iter() {
        for version in [1, 2, 3, 5, 9, 10, 12] {
            if message.kind() == MessageKind::Blob && version < 3 {
                continue;
            }
            let form = WireForm { version, stack_trace: true };
            let expected = Message::in_form(&message.to_fields().unwrap(), form).unwrap();
            for (tight, cache_size) in [(false, None), (true, None), (true, Some(0))] {
                let format = WireFormat {
                    tight,
                    cache_size,
                    stack_trace: true,
                    ..WireFormat::loose(version)
                };
                let dispatch = MessageDispatch {
                    message: Some(Arc::new(message.clone())),
                    ..MessageDispatch::default()
                };
                let mut wire = BytesMut::new();
                Encoder::new(format).encode(&dispatch.into(), &mut wire).unwrap();
                let decoded = Decoder::new(format).decode(&mut wire).unwrap();
                let Some(Command::MessageDispatch(dispatch)) = decoded else { panic!("{title}") };
                assert_eq!(dispatch.message.as_deref(), Some(&expected), "{title} to v{version}");
            }
        }
    }
}

#[test]
fn a_message_of_the_peers_form_is_copied_and_not_rewritten() {
    let message = full(MessageKind::Text, WireForm::default());
    let body = {
        let mut wire = BytesMut::new();
        let command = Command::from(message.clone());
        Encoder::new(WireFormat::loose(12)).encode(&command, &mut wire).unwrap();
        wire[10..].to_vec()
    };
    let dispatch = MessageDispatch {
        destination: message.destination(),
        message: Some(Arc::new(message)),
        ..MessageDispatch::default()
    };
    let mut wire = BytesMut::new();
    Encoder::new(WireFormat::loose(12)).encode(&dispatch.into(), &mut wire).unwrap();
    assert!(wire.windows(body.len()).any(|window| window == body));
}
