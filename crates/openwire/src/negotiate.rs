//! Agreement on a wire format: the first frame each way says what a peer can do.
//!
//! ```text
//! i32 size | 01 | "ActiveMQ" | i32 version | 00, or: 01 | i32 length | properties
//! ```
//!
//! Both sides send theirs at once, in this layout whatever the version; each then merges its own
//! with the other's by the same rules and comes to the same result.

use std::time::Duration;

use crate::commands::{Magic, WireFormatInfo};
use crate::format::WireFormat;
use crate::frame_limit::FrameLimit;
use crate::properties::{Properties, PropertyError, Value};
use crate::text::Text;

/// Bounds on a peer's properties; those of ActiveMQ.
const MAX_PROPERTIES: usize = 64;
/// Longest string or byte array among a peer's properties.
const MAX_PROPERTY_LENGTH: usize = 512;
/// The largest cache; also what a merged size of 0 stands for.
const MAX_CACHE_SIZE: u16 = 16_383;
/// The newest version.
const NEWEST: u8 = 12;

/// What one side of a connection can do, and wants.
#[derive(Debug, Clone, PartialEq)]
pub struct WireFormatOptions {
    /// Newest version that it speaks, 1 to 12.
    pub version: u8,
    /// Oldest version that it accepts; 1 for any.
    pub minimum_version: u8,
    /// Wants exceptions with stack and cause.
    pub stack_trace_enabled: bool,
    /// Wants small packets sent at once.
    pub tcp_no_delay: bool,
    /// Wants the object cache.
    pub cache_enabled: bool,
    /// Slots of the object cache in either direction; 0 for 16383.
    pub cache_size: u16,
    /// Wants the tight encoding.
    pub tight_encoding_enabled: bool,
    /// Wants frames without their size in front.
    pub size_prefix_disabled: bool,
    /// A peer that is silent for this long is gone; zero for never.
    pub max_inactivity_duration: Duration,
    /// How long the first silence may be, and the handshake.
    pub max_inactivity_duration_initial_delay: Duration,
    /// Largest frame, in bytes after its size prefix; 0 for no opinion.
    pub max_frame_size: u64,
    /// Enforce `max_frame_size`. This side's own choice, not negotiated.
    pub max_frame_size_enabled: bool,
    /// The host that was dialled; a client says so.
    pub host: Option<String>,
}

/// FerryMQ's preference: bytes that are the same for every peer (so neither tight encoding nor
/// cache), no stack traces, and ActiveMQ's defaults for the rest.
impl Default for WireFormatOptions {
    fn default() -> Self {
        Self {
            version: NEWEST,
            minimum_version: 1,
            stack_trace_enabled: false,
            tcp_no_delay: true,
            cache_enabled: false,
            cache_size: 1024,
            tight_encoding_enabled: false,
            size_prefix_disabled: false,
            max_inactivity_duration: Duration::from_secs(30),
            max_inactivity_duration_initial_delay: Duration::from_secs(10),
            max_frame_size: 100 << 20,
            max_frame_size_enabled: true,
            host: None,
        }
    }
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Negotiated {
    /// How frames are written and read, in both directions.
    pub format: WireFormat,
    /// The frames that the peer takes, whatever this side enforces; `None`: of any size.
    pub peer_takes: Option<FrameLimit>,
    /// Send small packets at once.
    pub tcp_no_delay: bool,
    /// A peer that is silent for this long is gone; `None`: no limit.
    pub read_timeout: Option<Duration>,
    /// How often to say something if there is nothing to say; `None`: never.
    pub keep_alive: Option<Duration>,
    /// How long the first silence may be.
    pub initial_delay: Duration,
    /// The host that the peer dialled.
    pub host: Option<Text>,
    /// The peer's software, for example `ActiveMQ`.
    pub provider: Option<Text>,
    /// Its version, for example `5.17.2`.
    pub provider_version: Option<Text>,
    /// What it runs on, for example `Java`.
    pub platform: Option<Text>,
}

impl Negotiated {
    /// The peer's software and its version, where it says: `ActiveMQ 5.17.2`.
    pub fn product(&self) -> Option<String> {
        let provider = self.provider.as_ref()?.to_string();
        match &self.provider_version {
            Some(version) => Some(format!("{provider} {version}")),
            None => Some(provider),
        }
    }
}

/// No agreement is possible; the connection must end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The peer does not speak OpenWire.
    #[error("the peer does not speak OpenWire: its first frame starts with {magic:02x?}")]
    BadMagic {
        /// What stands in place of `ActiveMQ`.
        magic: [u8; 8],
    },
    /// The peer is too old.
    #[error("the peer speaks OpenWire version {version}, and at least {minimum} is wanted")]
    TooOld {
        /// The peer's newest version.
        version: i32,
        /// The oldest that is accepted.
        minimum: u8,
    },
    /// The peer says too much about itself.
    #[error("the peer's wire format has more than {MAX_PROPERTIES} properties")]
    TooManyProperties,
    /// The peer says something too long about itself.
    #[error("the peer's wire format property {name} is longer than {MAX_PROPERTY_LENGTH} bytes")]
    PropertyTooLong {
        /// Its name, or as much of it as fits.
        name: String,
    },
    /// A property is not of the type that it must have.
    #[error("the peer's wire format property {name} is of the wrong type")]
    WrongType {
        /// Its name.
        name: String,
    },
    /// The properties cannot be read.
    #[error("the peer's wire format cannot be read: {0}")]
    Properties(#[from] PropertyError),
}

impl WireFormatOptions {
    /// The frame that tells a peer.
    pub fn to_info(&self) -> WireFormatInfo {
        let mut properties = Properties::new();
        properties.insert("StackTraceEnabled", self.stack_trace_enabled);
        properties.insert("TcpNoDelayEnabled", self.tcp_no_delay);
        properties.insert("CacheEnabled", self.cache_enabled);
        properties.insert("CacheSize", i32::from(self.cache_size));
        properties.insert("TightEncodingEnabled", self.tight_encoding_enabled);
        properties.insert("SizePrefixDisabled", self.size_prefix_disabled);
        properties.insert("MaxInactivityDuration", millis(self.max_inactivity_duration));
        // ActiveMQ's spelling.
        properties.insert(
            "MaxInactivityDurationInitalDelay",
            millis(self.max_inactivity_duration_initial_delay),
        );
        properties.insert("MaxFrameSize", i64::try_from(self.max_frame_size).unwrap_or(i64::MAX));
        properties.insert("MaxFrameSizeEnabled", self.max_frame_size_enabled);
        properties.insert("ProviderName", "FerryMQ");
        properties.insert("ProviderVersion", env!("CARGO_PKG_VERSION"));
        properties.insert("PlatformDetails", "Rust");
        if let Some(host) = &self.host {
            properties.insert("Host", host.as_str());
        }
        WireFormatInfo {
            magic: Magic::default(),
            version: self.version.into(),
            marshalled_properties: Some(properties.encode()),
        }
    }

    /// Merges with what the peer says.
    pub fn negotiate(&self, peer: &WireFormatInfo) -> Result<Negotiated, NegotiationError> {
        if peer.magic != Magic::default() {
            return Err(NegotiationError::BadMagic { magic: peer.magic.0 });
        }
        // A version that is not positive is no opinion.
        if peer.version > 0 && peer.version < self.minimum_version.into() {
            let (version, minimum) = (peer.version, self.minimum_version);
            return Err(NegotiationError::TooOld { version, minimum });
        }
        let own = self.version.clamp(1, NEWEST);
        let version = match u8::try_from(peer.version) {
            Ok(theirs @ 1..) => theirs.min(own),
            _ => own,
        };
        let theirs = PeerProperties::read(peer)?;

        let cache = self.cache_enabled && theirs.boolean("CacheEnabled")?;
        let cache_size = self.cache_size(theirs.int("CacheSize")?.unwrap_or_default());
        let size_prefix = !(self.size_prefix_disabled && theirs.boolean("SizePrefixDisabled")?);
        let max_frame_size = match (self.max_frame_size, theirs.long("MaxFrameSize")?) {
            (0, Some(theirs @ 1..)) => theirs as u64,
            (0, _) => u64::MAX,
            (own, Some(theirs @ 1..)) => own.min(theirs as u64),
            (own, _) => own,
        };
        // Peers that do not say so enforce it.
        let peer_enforces = theirs.flag("MaxFrameSizeEnabled")?.unwrap_or(true);
        let silence = |own: Duration, theirs: Option<i64>| {
            own.min(Duration::from_millis(theirs.unwrap_or_default().try_into().unwrap_or(0)))
        };
        let inactivity =
            silence(self.max_inactivity_duration, theirs.long("MaxInactivityDuration")?);

        let format = WireFormat {
            version,
            tight: self.tight_encoding_enabled && theirs.boolean("TightEncodingEnabled")?,
            cache_size: cache.then_some(cache_size),
            stack_trace: self.stack_trace_enabled && theirs.boolean("StackTraceEnabled")?,
            size_prefix,
            max_frame_size: if self.max_frame_size_enabled { max_frame_size } else { u64::MAX },
        };
        // In the tight encoding this side enforces it on what it sends, too.
        let enforced = peer_enforces || format.tight && self.max_frame_size_enabled;

        Ok(Negotiated {
            format,
            peer_takes: (enforced && max_frame_size < u64::MAX)
                .then(|| FrameLimit::new(format, max_frame_size)),
            tcp_no_delay: self.tcp_no_delay && theirs.boolean("TcpNoDelayEnabled")?,
            read_timeout: (!inactivity.is_zero()).then_some(inactivity),
            keep_alive: keep_alive(inactivity),
            initial_delay: silence(
                self.max_inactivity_duration_initial_delay,
                theirs.long("MaxInactivityDurationInitalDelay")?,
            ),
            host: theirs.text("Host"),
            provider: theirs.text("ProviderName"),
            provider_version: theirs.text("ProviderVersion"),
            platform: theirs.text("PlatformDetails"),
        })
    }

    /// The smaller of both caches. Our own cache works with any size; below 100 it is of little
    /// use, and a Java peer that agreed to it would never return from making room.
    fn cache_size(&self, theirs: i32) -> u16 {
        let merged = i32::from(self.cache_size).min(theirs);
        match u16::try_from(merged) {
            Ok(0) | Err(_) => MAX_CACHE_SIZE,
            Ok(size) => size.min(MAX_CACHE_SIZE),
        }
    }
}

/// A third of the silence that a peer tolerates, as in ActiveMQ.
fn keep_alive(inactivity: Duration) -> Option<Duration> {
    match inactivity.as_millis() {
        0 => None,
        1..=3 => Some(inactivity),
        _ => Some(inactivity / 3),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What a peer says about itself, within bounds.
struct PeerProperties(Properties);

impl PeerProperties {
    fn read(peer: &WireFormatInfo) -> Result<Self, NegotiationError> {
        let Some(bytes) = &peer.marshalled_properties else {
            return Ok(Self(Properties::new()));
        };
        let properties = Properties::decode(bytes)?;
        if properties.len() > MAX_PROPERTIES {
            return Err(NegotiationError::TooManyProperties);
        }
        for (name, value) in properties.iter() {
            let length = match value {
                Value::String(text) => text.as_bytes().len(),
                Value::Bytes(bytes) => bytes.len(),
                Value::Map(_) | Value::List(_) => return Err(wrong_type(&name.to_string_lossy())),
                _ => 0,
            };
            if length.max(name.as_bytes().len()) > MAX_PROPERTY_LENGTH {
                let name = name.to_string_lossy().chars().take(64).collect();
                return Err(NegotiationError::PropertyTooLong { name });
            }
        }
        Ok(Self(properties))
    }

    /// A boolean; what is absent is false.
    fn boolean(&self, name: &str) -> Result<bool, NegotiationError> {
        Ok(self.flag(name)?.unwrap_or(false))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, NegotiationError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(name)),
        }
    }

    fn int(&self, name: &str) -> Result<Option<i32>, NegotiationError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(name)),
        }
    }

    fn long(&self, name: &str) -> Result<Option<i64>, NegotiationError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Long(value)) => Ok(Some(*value)),
            Some(_) => Err(wrong_type(name)),
        }
    }

    /// An informative text; of any other type it is left out.
    fn text(&self, name: &str) -> Option<Text> {
        match self.0.get(name) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        }
    }
}

fn wrong_type(name: &str) -> NegotiationError {
    NegotiationError::WrongType { name: name.chars().take(64).collect() }
}
