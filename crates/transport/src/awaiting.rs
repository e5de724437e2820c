//! Stand-ins with the codec's signatures, until it is there.
#![allow(missing_docs)]

use std::time::Duration;

use bytes::BytesMut;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::WireFormatInfo;
use ferrymq_openwire::text::Text;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("a frame of {size} bytes exceeds the limit of {max}")]
    FrameTooLarge { size: u64, max: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("no codec")]
    NoCodec,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    #[error("no codec")]
    NoCodec,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireFormat {
    pub version: u8,
    pub tight: bool,
    pub cache_size: Option<u16>,
    pub stack_trace: bool,
    pub size_prefix: bool,
    pub max_frame_size: u64,
}

impl Default for WireFormat {
    fn default() -> Self {
        Self {
            version: 1,
            tight: false,
            cache_size: None,
            stack_trace: false,
            size_prefix: true,
            max_frame_size: u64::MAX,
        }
    }
}

#[derive(Debug)]
pub struct Decoder {
    format: WireFormat,
}

impl Decoder {
    pub fn new(format: WireFormat) -> Self {
        Self { format }
    }
    pub fn decode(&mut self, _bytes: &mut BytesMut) -> Result<Option<Command>, DecodeError> {
        Ok(None)
    }
    pub fn set_max_frame_size(&mut self, bytes: u64) {
        self.format.max_frame_size = bytes;
    }
    pub fn format(&self) -> &WireFormat {
        &self.format
    }
}

#[derive(Debug)]
pub struct Encoder;

impl Encoder {
    pub fn new(_format: WireFormat) -> Self {
        Self
    }
    pub fn encode(&mut self, _command: &Command, _to: &mut BytesMut) -> Result<(), EncodeError> {
        Err(EncodeError::NoCodec)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct WireFormatOptions {
    pub version: u8,
    pub stack_trace_enabled: bool,
    pub tcp_no_delay: bool,
    pub cache_enabled: bool,
    pub cache_size: u16,
    pub tight_encoding_enabled: bool,
    pub size_prefix_disabled: bool,
    pub max_inactivity_duration: Duration,
    pub max_inactivity_duration_initial_delay: Duration,
    pub max_frame_size: u64,
    pub max_frame_size_enabled: bool,
    pub host: Option<String>,
}

impl Default for WireFormatOptions {
    fn default() -> Self {
        Self {
            version: 12,
            stack_trace_enabled: false,
            tcp_no_delay: true,
            cache_enabled: false,
            cache_size: 1024,
            tight_encoding_enabled: false,
            size_prefix_disabled: false,
            max_inactivity_duration: Duration::from_secs(30),
            max_inactivity_duration_initial_delay: Duration::from_secs(10),
            max_frame_size: i64::MAX as u64,
            max_frame_size_enabled: true,
            host: None,
        }
    }
}

impl WireFormatOptions {
    pub fn to_info(&self) -> WireFormatInfo {
        WireFormatInfo::default()
    }
    pub fn negotiate(&self, _peer: &WireFormatInfo) -> Result<Negotiated, NegotiationError> {
        Err(NegotiationError::NoCodec)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Negotiated {
    pub format: WireFormat,
    pub tcp_no_delay: bool,
    pub read_timeout: Option<Duration>,
    pub keep_alive: Option<Duration>,
    pub initial_delay: Duration,
    pub provider: Option<Text>,
}
