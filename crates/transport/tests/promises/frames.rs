//! Frames come through whole and in order, and broken ones end the link they came on.

use bytes::{BufMut, BytesMut};
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::ControlCommand;
use ferrymq_openwire::error::DecodeError;
use ferrymq_openwire::format::WireFormat;
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::negotiate::WireFormatOptions;
use ferrymq_transport::link::{LinkError, Receiver};
use tokio::io::AsyncWriteExt;

use super::links::*;

fn message(content: usize) -> Command {
    let content = bytes::Bytes::from(vec![7; content]);
    Message::from_fields(&MessageFields { content: Some(content), ..MessageFields::default() })
        .unwrap()
        .into()
}

#[tokio::test]
async fn frames_of_every_size_come_through_in_order() {
    let (left, mut right) = running_pair().await;
    let sizes = [0, 1, 2_000, 2_048, 70_000, 3, 300_000, 5_000_000, 10];
    let sent: Vec<Command> = sizes.into_iter().map(message).collect();
    left.outbox.push_all(&mut sent.clone());
    assert_eq!(right.receive(sent.len()).await, sent);
}

#[tokio::test]
async fn a_call_brings_at_most_256_commands_and_the_rest_follows() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    peer.send(&(0..1000).map(numbered).collect::<Vec<_>>()).await;
    peer.duplex.shutdown().await.unwrap();
    let (mut all, mut largest) = (Vec::new(), 0);
    let error = loop {
        let before = all.len();
        if let Err(error) = running.receiver.receive(&mut all).await {
            break error;
        }
        largest = largest.max(all.len() - before);
    };
    assert!(matches!(error, LinkError::Closed), "{error}");
    assert_eq!(ids(&all), (0..1000).collect::<Vec<_>>());
    assert_eq!(largest, Receiver::LARGEST_BATCH);
}

#[tokio::test]
async fn a_cancelled_receive_loses_nothing() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    let bytes = encoded(&(0..50).map(numbered).collect::<Vec<_>>(), WireFormat::loose(12));
    let mut received = Vec::new();
    for piece in bytes.chunks(3) {
        peer.write(piece).await;
        tokio::select! {
            biased;
            result = running.receiver.receive(&mut received) => result.unwrap(),
            () = tokio::task::yield_now() => {}
        }
    }
    while received.len() < 50 {
        running.receiver.receive(&mut received).await.unwrap();
    }
    assert_eq!(ids(&received), (0..50).collect::<Vec<_>>());
}

/// What a link makes of these bytes after two good commands.
async fn after_two_commands(bytes: &[u8], options: WireFormatOptions) -> LinkError {
    let (mut peer, link) = RawPeer::of_link(options).await;
    let mut running = Running::new(link);
    let mut sent = encoded(&[numbered(1), numbered(2)], WireFormat::loose(12));
    sent.extend_from_slice(bytes);
    peer.write(&sent).await;
    peer.duplex.shutdown().await.unwrap();
    assert_eq!(ids(&running.receive(2).await), [1, 2], "what came before is good");
    let error = running.failure().await;
    let again = running.failure().await;
    assert!(matches!(again, LinkError::Closed), "an ended link stays ended");
    error
}

#[tokio::test]
async fn garbage_ends_the_link_after_what_was_good() {
    let default = WireFormatOptions::default;
    let error = after_two_commands(b"\0\0\0\x02\xfa\0", default()).await;
    assert!(matches!(error, LinkError::Decode { .. }), "{error}");
    let error = after_two_commands(b"\xff\xff\xff\xff", default()).await;
    assert!(matches!(error, LinkError::Decode { source: DecodeError::NegativeSize { size: -1 } }));
    let error = after_two_commands(b"", default()).await;
    assert!(matches!(error, LinkError::Closed), "{error}");
    let error = after_two_commands(b"\0\0\0\x09\x1e\0", default()).await;
    assert!(matches!(error, LinkError::Truncated { received: 6 }), "{error}");
}

#[tokio::test]
async fn a_second_negotiation_ends_the_link() {
    let info = Command::WireFormatInfo(WireFormatOptions::default().to_info());
    let bytes = encoded(&[info], WireFormat::loose(12));
    let error = after_two_commands(&bytes, WireFormatOptions::default()).await;
    assert!(matches!(error, LinkError::RepeatedNegotiation), "{error}");
}

#[tokio::test]
async fn a_frame_too_large_says_its_size_and_the_limit() {
    let options = WireFormatOptions { max_frame_size: 5_000, ..WireFormatOptions::default() };
    let error = after_two_commands(b"\0\0\x13\x89\x1e", options).await;
    assert!(
        matches!(
            error,
            LinkError::Decode { source: DecodeError::FrameTooLarge { size: 5_001, max: 5_000 } }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("5001") && error.to_string().contains("5000"), "{error}");
}

#[tokio::test]
async fn the_limit_can_be_changed_while_the_link_lives() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    running.receiver.set_max_frame_size(1_000);
    peer.send(&[numbered(1)]).await;
    assert_eq!(ids(&running.receive(1).await), [1]);
    running.receiver.set_max_frame_size(10_000);
    peer.send(&[sized(2, 5_000)]).await;
    assert_eq!(ids(&running.receive(1).await), [2]);
    peer.send(&[sized(3, 20_000)]).await;
    let error = running.failure().await;
    assert!(matches!(error, LinkError::Decode { .. }), "{error}");
}

#[tokio::test]
async fn a_failed_link_ends_its_pump_and_outbox() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    peer.write(b"\xff\xff\xff\xff").await;
    running.failure().await;
    running.pump.await.unwrap().unwrap();
    assert!(!running.outbox.push(numbered(1)));
}

#[tokio::test]
async fn a_command_that_cannot_be_encoded_ends_the_link_after_those_before_it() {
    let (left, mut right) = running_pair().await;
    let text = "x".repeat(70_000);
    let too_long =
        ControlCommand { command: Some(text.as_str().into()), ..ControlCommand::default() };
    left.outbox.push_all(&mut vec![numbered(1), too_long.into(), numbered(2)]);
    assert_eq!(ids(&right.receive(1).await), [1]);
    assert!(matches!(right.failure().await, LinkError::Closed));
    let error = left.pump.await.unwrap().unwrap_err();
    assert!(matches!(error, LinkError::Encode { command: "ControlCommand", .. }), "{error}");
    assert!(!left.outbox.push(numbered(3)));
}

#[tokio::test]
async fn null_frames_are_skipped() {
    let (mut peer, link) = RawPeer::of_link(WireFormatOptions::default()).await;
    let mut running = Running::new(link);
    let mut bytes = BytesMut::new();
    for _ in 0..1000 {
        bytes.put_slice(b"\0\0\0\x01\0");
    }
    peer.write(&bytes).await;
    peer.send(&[numbered(1)]).await;
    assert_eq!(ids(&running.receive(1).await), [1]);
}
