//! What two peers agreed on.

/// How the frames of a connection are written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireFormat {
    /// Version of the field lists, 1 to 12.
    pub version: u8,
    /// Flags in front as bits and short integers where they suffice (the *tight* encoding).
    pub tight: bool,
    /// Slots of the object cache of either direction; `None` if it is off. 0 stands for 16383.
    pub cache_size: Option<u16>,
    /// Exceptions carry their stack and their cause.
    pub stack_trace: bool,
    /// Each frame starts with its size.
    pub size_prefix: bool,
    /// Largest frame that is accepted, in bytes after the size prefix.
    pub max_frame_size: u64,
}

impl WireFormat {
    /// The loose encoding of a version, without cache, stack traces and limit: what FerryMQ's own
    /// answer to negotiation leads to.
    pub fn loose(version: u8) -> Self {
        Self {
            version,
            tight: false,
            cache_size: None,
            stack_trace: false,
            size_prefix: true,
            max_frame_size: u64::MAX,
        }
    }

    /// The form in which messages come and go on such a connection.
    pub fn form(&self) -> WireForm {
        WireForm { version: self.version, stack_trace: self.stack_trace }
    }
}

/// What holds before negotiation: version 1, loose, with a size prefix and no limit. The layout of
/// `WireFormatInfo` is the same in every version.
impl Default for WireFormat {
    fn default() -> Self {
        Self::loose(1)
    }
}

/// What the bytes of a loose, cache-off message depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WireForm {
    /// Version of the field lists, 1 to 12.
    pub version: u8,
    /// Exceptions (in a message's `dataStructure`) carry their stack and their cause.
    pub stack_trace: bool,
}

/// The newest version, without stack traces: what FerryMQ speaks by default.
impl Default for WireForm {
    fn default() -> Self {
        Self { version: 12, stack_trace: false }
    }
}
