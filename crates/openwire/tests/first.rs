//! A message through every encoding.
#![allow(clippy::unwrap_used)]
use bytes::BytesMut;
use ferrymq_openwire::{
    codec::{decoder::Decoder, encoder::Encoder},
    command::Command,
    commands::*,
    destination::Destination,
    format::*,
    ids::*,
    message::*,
};
use std::sync::Arc;
#[test]
fn smoke() {
    let c = ConnectionId::new("ID:h-1-2-3:1");
    let p = ProducerId::new(&SessionId::new(&c, 1), 1);
    let f = MessageFields {
        kind: MessageKind::Text,
        producer_id: Some(p.clone()),
        message_id: Some(MessageId::new(p.clone(), 7)),
        destination: Some(Destination::queue("Q")),
        content: Some(ferrymq_openwire::body::text_content("hello")),
        priority: 4,
        persistent: true,
        ..Default::default()
    };
    let mut m = Message::from_fields(&f).unwrap();
    assert_eq!(m.to_fields().unwrap(), f);
    assert!(m.has_id(&MessageId::new(p.clone(), 7)));
    assert!(!m.has_id(&MessageId::new(p.clone(), 8)));
    assert!(m.destination_is(&Destination::queue("Q")));
    assert!(!m.destination_is(&Destination::topic("Q")));
    m.set_broker_sequence_id(99);
    assert_eq!(m.broker_sequence_id(), 99);
    let fw = m.forwarded(&p, &BrokerId::new("b1"));
    assert_eq!(fw.broker_path(), [BrokerId::new("b1")]);
    assert!(fw.broker_path_contains(&BrokerId::new("b1")));
    assert_eq!(ferrymq_openwire::body::text_body(&fw).unwrap().as_deref(), Some("hello"));
    let d = Command::from(MessageDispatch { message: Some(Arc::new(fw)), ..Default::default() });
    for tight in [false, true] {
        for cache in [None, Some(1024)] {
            let form = WireFormat { tight, cache_size: cache, ..WireFormat::loose(12) };
            let mut b = BytesMut::new();
            let (mut e, mut dec) = (Encoder::new(form), Decoder::new(form));
            e.encode(&d, &mut b).unwrap();
            e.encode(&d, &mut b).unwrap();
            assert_eq!(dec.decode(&mut b).unwrap().unwrap(), d);
            assert_eq!(dec.decode(&mut b).unwrap().unwrap(), d);
            assert!(dec.decode(&mut b).unwrap().is_none());
        }
    }
}
