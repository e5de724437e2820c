//! OpenWire, ActiveMQ's native protocol, versions 1 to 12.
//!
//! The crate turns bytes into [`command::Command`]s and back, for every structure, version and
//! encoding of the protocol, and does nothing else: no I/O, no clock, no opinion on what a command
//! means.
//!
//! ```
//! use bytes::BytesMut;
//! use ferrymq_openwire::codec::{Decoder, Encoder};
//! use ferrymq_openwire::command::Command;
//! use ferrymq_openwire::commands::KeepAliveInfo;
//! use ferrymq_openwire::format::WireFormat;
//!
//! let command = Command::from(KeepAliveInfo { command_id: 5, response_required: true });
//! let mut wire = BytesMut::new();
//! Encoder::new(WireFormat::loose(12)).encode(&command, &mut wire)?;
//! assert_eq!(&wire[..], b"\0\0\0\x06\x0A\0\0\0\x05\x01");
//! assert_eq!(Decoder::new(WireFormat::loose(12)).decode(&mut wire)?, Some(command));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to find | look in |
//! |---|---|
//! | the field lists, one per structure | [`commands`], [`ids`], [`message`], [`destination`] |
//! | how one list becomes every encoding | `structure` |
//! | frames, boolean stream, object cache | [`codec`] |
//! | a message kept as its bytes | [`message::Message`] |
//! | contents and properties of messages | [`body`], [`properties`] |
//! | the first frames of a connection | [`negotiate`] |
//! | whether a message fits into a peer's frames | [`frame_limit`] |
//! | the fields of a command by name | [`describe`] |

pub mod body;
pub mod codec;
pub mod command;
pub mod commands;
pub mod describe;
pub mod destination;
pub mod error;
pub mod format;
pub mod frame_limit;
pub mod ids;
pub mod message;
pub mod negotiate;
pub mod properties;
mod structure;
pub mod text;
pub mod throwable;
