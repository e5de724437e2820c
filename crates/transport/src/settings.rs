//! What the options of an endpoint mean.

use std::time::Duration;

use ferrymq_openwire::negotiate::WireFormatOptions;

use crate::endpoint::Endpoint;
use crate::options::{OptionError, OptionSpec, Options};

/// How to connect and what to propose, from an endpoint's options in ActiveMQ's spelling.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionSettings {
    /// What this end proposes (`wireFormat.…`).
    pub wire_format: WireFormatOptions,
    /// `connectionTimeout`: how long dialing may take; `None` is as long as the system lets it.
    pub connection_timeout: Option<Duration>,
    /// Options of the socket.
    pub socket: SocketSettings,
    /// `maximumConnections`: how many peers a listener's owner should serve at once.
    pub maximum_connections: Option<usize>,
    /// `backlog`: how many peers may wait to be accepted.
    pub backlog: u32,
}

/// Options of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSettings {
    /// `keepAlive`: the system probes a silent peer.
    pub keep_alive: bool,
    /// `tcpNoDelay`: small writes leave at once.
    pub no_delay: bool,
    /// `socketBufferSize`: bytes for each direction; `None` leaves it to the system, which adapts.
    pub buffer_size: Option<u32>,
}

/// An endpoint's options cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{problem} in \"{endpoint}\"")]
pub struct SettingsError {
    /// The endpoint, with its options.
    pub endpoint: Box<Endpoint>,
    /// What is wrong.
    pub problem: OptionError,
}

/// An option and what there is to say about it.
const fn spec(
    name: &'static str,
    expected: &'static str,
    default: Option<&'static str>,
    about: &'static str,
) -> OptionSpec {
    OptionSpec { name, expected, default, about }
}

const BOOL: &str = "true or false";
const MILLIS: &str = "a number of milliseconds";

/// The options of an address to dial, and of each connection that a listener accepts.
pub const CONNECTION_OPTIONS: &[OptionSpec] = &[
    spec(
        "wireFormat.version",
        "a whole number from 1 to 12",
        Some("12"),
        "The newest version of OpenWire to speak; the lower one of both ends counts.",
    ),
    spec(
        "wireFormat.maxInactivityDuration",
        MILLIS,
        Some("30000"),
        "How long a peer may be silent before it counts as gone; the shorter one of both ends \
         counts, and 0 switches it off.",
    ),
    spec(
        "wireFormat.maxInactivityDurationInitalDelay",
        MILLIS,
        Some("10000"),
        "How long the first silence may be, and the agreement on the wire format.",
    ),
    spec(
        "wireFormat.maxInactivityDurationInitialDelay",
        MILLIS,
        None,
        "The same, without the slip in ActiveMQ's spelling.",
    ),
    spec(
        "wireFormat.maxFrameSize",
        "a number of bytes",
        Some("104857600"),
        "The largest command to take; the lower one of both ends counts.",
    ),
    spec("wireFormat.maxFrameSizeEnabled", BOOL, Some("true"), "Whether that is enforced."),
    spec(
        "wireFormat.cacheEnabled",
        BOOL,
        Some("false"),
        "Whether repeated values are replaced by numbers; both ends must want it.",
    ),
    spec(
        "wireFormat.cacheSize",
        "a whole number from 1 to 16383",
        Some("1024"),
        "How many values those numbers stand for.",
    ),
    spec(
        "wireFormat.tightEncodingEnabled",
        BOOL,
        Some("false"),
        "Whether commands are packed; both ends must want it.",
    ),
    spec(
        "wireFormat.stackTraceEnabled",
        BOOL,
        Some("false"),
        "Whether exceptions carry their stack; both ends must want it.",
    ),
    spec(
        "wireFormat.tcpNoDelayEnabled",
        BOOL,
        Some("true"),
        "Whether small writes leave at once, as far as both ends want it.",
    ),
    spec("keepAlive", BOOL, Some("true"), "Whether the system probes a silent peer."),
    spec("tcpNoDelay", BOOL, Some("true"), "Whether small writes leave at once."),
    spec(
        "socketBufferSize",
        "a number of bytes",
        None,
        "The system's buffer for each direction; without it, the system adapts.",
    ),
    spec(
        "connectionTimeout",
        MILLIS,
        Some("30000"),
        "How long dialling may take; 0 is as long as the system lets it.",
    ),
];

/// The options of an address to listen on, beside those of its connections.
pub const LISTENER_OPTIONS: &[OptionSpec] = &[
    spec(
        "maximumConnections",
        "a whole number from 1",
        None,
        "How many peers are served at once; more are turned away.",
    ),
    spec(
        "backlog",
        "a whole number from 1",
        Some("1024"),
        "How many peers may wait to be accepted; the system may have a lower limit.",
    ),
];

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            wire_format: WireFormatOptions::default(),
            connection_timeout: Some(Duration::from_secs(30)),
            socket: SocketSettings { keep_alive: true, no_delay: true, buffer_size: None },
            maximum_connections: None,
            backlog: 1024,
        }
    }
}

impl ConnectionSettings {
    /// What an address to dial asks for.
    pub fn for_dialing(endpoint: &Endpoint) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        settings.wire_format.host = Some(endpoint.host.clone());
        settings
            .read(endpoint.options.clone(), Role::Dialer)
            .map_err(|problem| SettingsError { endpoint: Box::new(endpoint.clone()), problem })?;
        Ok(settings)
    }

    /// What an address to listen on asks for, of itself and of each accepted connection. Options
    /// of the latter may carry ActiveMQ's prefix `transport.`.
    pub fn for_listening(endpoint: &Endpoint) -> Result<Self, SettingsError> {
        let fail = |problem| SettingsError { endpoint: Box::new(endpoint.clone()), problem };
        let mut options = endpoint.options.clone();
        for (name, value) in options.take_prefixed("transport.").iter() {
            options.insert(name, value);
        }
        let mut settings = Self::default();
        settings.read(options, Role::Listener).map_err(fail)?;
        Ok(settings)
    }

    fn read(&mut self, mut options: Options, role: Role) -> Result<(), OptionError> {
        read_wire_format(&mut self.wire_format, &mut options)?;
        set(&mut self.socket.keep_alive, options.take_bool("keepAlive")?);
        set(&mut self.socket.no_delay, options.take_bool("tcpNoDelay")?);
        // Nagle's delay is wanted only if both ends agree, and this end knows its own mind.
        self.socket.no_delay &= self.wire_format.tcp_no_delay;
        let buffer_size = options.take_with("socketBufferSize", "a number of bytes", |text| {
            text.parse().ok().filter(|size| *size > 0)
        })?;
        self.socket.buffer_size = buffer_size.or(self.socket.buffer_size);
        if let Some(timeout) = options.take_millis("connectionTimeout")? {
            self.connection_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        }
        if role == Role::Listener {
            let at_least_one = "a whole number from 1";
            self.maximum_connections =
                options.take_with("maximumConnections", at_least_one, |text| {
                    text.parse().ok().filter(|count| *count > 0)
                })?;
            set(
                &mut self.backlog,
                options.take_with("backlog", at_least_one, |text| {
                    text.parse().ok().filter(|count| (1..=i32::MAX as u32).contains(count))
                })?,
            );
        }
        let listening = if role == Role::Listener { LISTENER_OPTIONS } else { &[] };
        let known = CONNECTION_OPTIONS.iter().chain(listening).map(|option| option.name);
        options.finish(&known.collect::<Vec<_>>())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Dialer,
    Listener,
}

fn read_wire_format(
    wire: &mut WireFormatOptions,
    options: &mut Options,
) -> Result<(), OptionError> {
    set(
        &mut wire.version,
        options.take_with("wireFormat.version", "a whole number from 1 to 12", |text| {
            text.parse().ok().filter(|version| (1..=12).contains(version))
        })?,
    );
    set(
        &mut wire.max_inactivity_duration,
        options.take_millis("wireFormat.maxInactivityDuration")?,
    );
    // ActiveMQ's own spelling lacks a letter; people who know how to spell are right, too.
    for name in [
        "wireFormat.maxInactivityDurationInitalDelay",
        "wireFormat.maxInactivityDurationInitialDelay",
    ] {
        set(&mut wire.max_inactivity_duration_initial_delay, options.take_millis(name)?);
    }
    set(
        &mut wire.max_frame_size,
        options.take_with("wireFormat.maxFrameSize", "a number of bytes", |text| {
            text.parse().ok().filter(|size| (1..=i64::MAX as u64).contains(size))
        })?,
    );
    set(&mut wire.max_frame_size_enabled, options.take_bool("wireFormat.maxFrameSizeEnabled")?);
    set(&mut wire.cache_enabled, options.take_bool("wireFormat.cacheEnabled")?);
    set(
        &mut wire.cache_size,
        options.take_with("wireFormat.cacheSize", "a whole number from 1 to 16383", |text| {
            text.parse().ok().filter(|size| (1..=16383).contains(size))
        })?,
    );
    set(&mut wire.tight_encoding_enabled, options.take_bool("wireFormat.tightEncodingEnabled")?);
    set(&mut wire.stack_trace_enabled, options.take_bool("wireFormat.stackTraceEnabled")?);
    set(&mut wire.tcp_no_delay, options.take_bool("wireFormat.tcpNoDelayEnabled")?);
    Ok(())
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_reference_are_those_that_count() {
        let mut written = Endpoint::tcp("a", 1);
        for option in CONNECTION_OPTIONS {
            if let Some(default) = option.default {
                written.options.insert(option.name, default);
            }
        }
        let bare = Endpoint::tcp("a", 1);
        let dialing = ConnectionSettings::for_dialing;
        assert_eq!(dialing(&written).unwrap(), dialing(&bare).unwrap());
        for option in LISTENER_OPTIONS {
            if let Some(default) = option.default {
                written.options.insert(option.name, default);
            }
        }
        let listening = ConnectionSettings::for_listening;
        assert_eq!(listening(&written).unwrap(), listening(&bare).unwrap());
    }

    #[test]
    fn every_option_of_the_reference_is_read() {
        for option in CONNECTION_OPTIONS.iter().chain(LISTENER_OPTIONS) {
            let mut endpoint = Endpoint::tcp("a", 1);
            endpoint.options.insert(option.name, "-?");
            let error = ConnectionSettings::for_listening(&endpoint).unwrap_err();
            let expected = format!("must be {}", option.expected);
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
