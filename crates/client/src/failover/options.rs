//! The options of a failover list, with ActiveMQ's names, units and defaults.

use std::path::PathBuf;
use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use ferrymq_transport::options::{OptionError, OptionSpec, Options};
use ferrymq_transport::uri::Uri;

/// How a connection finds its brokers, and what it takes along from one to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct FailoverOptions {
    /// The wait after a connection was lost, and after the first pass that failed. Not zero.
    pub initial_reconnect_delay: Duration,
    /// No wait is longer.
    pub max_reconnect_delay: Duration,
    /// The same as `initial_reconnect_delay`, until the first broker is reached.
    pub reconnect_delay: Duration,
    /// Whether waits grow.
    pub use_exponential_back_off: bool,
    /// Each wait is so many times the last one; at least 1.
    pub reconnect_delay_exponent: f64,
    /// Passes over the list that may fail in a row; absent: any number; 0: one pass, for the first
    /// connection only.
    pub max_reconnect_attempts: Option<u32>,
    /// The same until the first broker is reached; absent: as `max_reconnect_attempts`.
    pub startup_max_reconnect_attempts: Option<u32>,
    /// Every so many passes that failed in a row there is a warning; absent: never.
    pub warn_after_reconnect_attempts: Option<u32>,
    /// Whether each pass has an order of its own.
    pub randomize: bool,
    /// How many links to other brokers are kept open, beside that in use; 0 without `backup`.
    pub backups: usize,
    /// Whether the brokers of `priority_uris` are gone back to.
    pub priority_backup: bool,
    /// Preferred addresses; the first of the list if none is named.
    pub priority_uris: Vec<Endpoint>,
    /// How long the sending of a message waits for a broker; absent: without end.
    pub timeout: Option<Duration>,
    /// Whether messages that nobody confirms are kept, and sent again to the next broker.
    pub track_messages: bool,
    /// How many bytes of them are kept.
    pub max_cache_size: usize,
    /// Whether lists of brokers that a broker sends are followed.
    pub update_uris_supported: bool,
    /// A file with a list of brokers, read before each pass.
    pub update_uris_file: Option<PathBuf>,
    /// Whether a change of that file makes the connection choose anew.
    pub rebalance_update_uris: bool,
    /// Whether the connection goes where its broker sends it.
    pub reconnect_supported: bool,
    /// Options that every address gets, unless it has its own: also those learnt later.
    pub nested: Options,
}

/// No more is read of a file of addresses.
const LONGEST_LIST: u64 = 64 * 1024;

const BOOL: &str = "true or false";
const MILLIS: &str = "a number of milliseconds";
const ATTEMPTS: &str = "a whole number, or -1 for no limit";

const fn spec(
    name: &'static str,
    expected: &'static str,
    default: Option<&'static str>,
    about: &'static str,
) -> OptionSpec {
    OptionSpec { name, expected, default, about }
}

/// The options after the parenthesis of `failover:(…)`.
pub const FAILOVER_OPTIONS: &[OptionSpec] = &[
    spec(
        "initialReconnectDelay",
        MILLIS,
        Some("10"),
        "The wait after a connection was lost, and after the first pass over the list that failed; \
         0 counts as 1. A random part of up to a half is taken off each wait.",
    ),
    spec("maxReconnectDelay", MILLIS, Some("30000"), "The longest such wait."),
    spec(
        "reconnectDelay",
        MILLIS,
        Some("10"),
        "In place of initialReconnectDelay until the first broker is reached, if it is set.",
    ),
    spec("useExponentialBackOff", BOOL, Some("true"), "Whether waits grow with each failed pass."),
    spec(
        "reconnectDelayExponent",
        "a number from 1",
        Some("2.0"),
        "How many times as long each wait is as the last one.",
    ),
    spec(
        "maxReconnectAttempts",
        ATTEMPTS,
        Some("-1"),
        "How many passes over the list may fail in a row; 0 is one pass to connect, and none to \
         reconnect.",
    ),
    spec(
        "startupMaxReconnectAttempts",
        ATTEMPTS,
        Some("-1"),
        "The same until the first broker is reached; -1 is as maxReconnectAttempts.",
    ),
    spec(
        "warnAfterReconnectAttempts",
        "a whole number",
        Some("10"),
        "After every so many failed passes in a row there is a warning; 0 or less is never.",
    ),
    spec(
        "randomize",
        BOOL,
        Some("true"),
        "Whether each pass has an order of its own. The address that was just lost comes last.",
    ),
    spec("backup", BOOL, Some("false"), "Whether links to further brokers are kept open."),
    spec("backupPoolSize", "a whole number from 1 to 16", Some("1"), "How many of them."),
    spec(
        "priorityBackup",
        BOOL,
        Some("false"),
        "Whether preferred addresses are tried first, and gone back to from others.",
    ),
    spec(
        "priorityURIs",
        "a list of addresses",
        None,
        "The preferred addresses, with commas; without it, the first of the list.",
    ),
    spec(
        "timeout",
        "a number of milliseconds, or -1 for no limit",
        Some("-1"),
        "How long the sending of a message waits for a broker before it fails.",
    ),
    spec(
        "trackMessages",
        BOOL,
        Some("false"),
        "Whether the latest messages that no broker confirms are sent again to the next broker, \
         which may make duplicates of them. Those to be confirmed are sent again in any case.",
    ),
    spec("maxCacheSize", "a number of bytes", Some("131072"), "How much of them is kept."),
    spec(
        "trackTransactionProducers",
        BOOL,
        Some("true"),
        "Makes no difference here: a transaction in which the broker is lost is rolled back, so \
         that no producer of it is needed again.",
    ),
    spec(
        "updateURIsSupported",
        BOOL,
        Some("true"),
        "Whether lists of brokers that the broker sends are followed.",
    ),
    spec(
        "updateURIsURL",
        "a path, or file:PATH",
        None,
        "A file with addresses, with commas or on lines, read every second and before each pass. They \
         come before those of the list.",
    ),
    spec(
        "rebalanceUpdateURIs",
        BOOL,
        Some("true"),
        "Whether a change of that file makes the connection choose a broker anew, in good order.",
    ),
    spec(
        "reconnectSupported",
        BOOL,
        Some("true"),
        "Whether the connection goes to another broker when its broker says so.",
    ),
    spec(
        "nestedExtraQueryOptions",
        "options as in an address: a=b&c=d, with %26 for &",
        None,
        "Options for every address, as with the prefix nested.",
    ),
];

/// Names that older releases of ActiveMQ had, and what to write now.
const FORMER: &[(&str, &str)] =
    &[("backOffMultiplier", "reconnectDelayExponent"), ("maxReconnects", "maxReconnectAttempts")];

impl Default for FailoverOptions {
    fn default() -> Self {
        let initial = Duration::from_millis(10);
        Self {
            initial_reconnect_delay: initial,
            max_reconnect_delay: Duration::from_secs(30),
            reconnect_delay: initial,
            use_exponential_back_off: true,
            reconnect_delay_exponent: 2.0,
            max_reconnect_attempts: None,
            startup_max_reconnect_attempts: None,
            warn_after_reconnect_attempts: Some(10),
            randomize: true,
            backups: 0,
            priority_backup: false,
            priority_uris: Vec::new(),
            timeout: None,
            track_messages: false,
            max_cache_size: 128 * 1024,
            update_uris_supported: true,
            update_uris_file: None,
            rebalance_update_uris: true,
            reconnect_supported: true,
            nested: Options::new(),
        }
    }
}

impl FailoverOptions {
    /// Reads what stands after the parenthesis.
    pub(crate) fn read(mut options: Options) -> Result<Self, OptionError> {
        let mut read = Self::default();
        let nonzero = |delay: Duration| delay.max(Duration::from_millis(1));
        if let Some(delay) = options.take_millis("initialReconnectDelay")? {
            read.initial_reconnect_delay = nonzero(delay);
            read.reconnect_delay = read.initial_reconnect_delay;
        }
        set(&mut read.reconnect_delay, options.take_millis("reconnectDelay")?.map(nonzero));
        set(&mut read.max_reconnect_delay, options.take_millis("maxReconnectDelay")?.map(nonzero));
        set(&mut read.use_exponential_back_off, options.take_bool("useExponentialBackOff")?);
        let exponent = options.take_with("reconnectDelayExponent", "a number from 1", |text| {
            text.parse().ok().filter(|exponent: &f64| exponent.is_finite() && *exponent >= 1.0)
        })?;
        set(&mut read.reconnect_delay_exponent, exponent);
        set(&mut read.max_reconnect_attempts, attempts(&mut options, "maxReconnectAttempts")?);
        set(
            &mut read.startup_max_reconnect_attempts,
            attempts(&mut options, "startupMaxReconnectAttempts")?,
        );
        let warn = options.take_with("warnAfterReconnectAttempts", "a whole number", |text| {
            text.parse::<i32>().ok().map(|every| u32::try_from(every).ok().filter(|n| *n > 0))
        })?;
        set(&mut read.warn_after_reconnect_attempts, warn);
        set(&mut read.randomize, options.take_bool("randomize")?);
        let pool = options.take_with("backupPoolSize", "a whole number from 1 to 16", |text| {
            text.parse().ok().filter(|size| (1..=16).contains(size))
        })?;
        if options.take_bool("backup")?.unwrap_or(false) {
            read.backups = pool.unwrap_or(1);
        }
        set(&mut read.priority_backup, options.take_bool("priorityBackup")?);
        let preferred = options.take_with("priorityURIs", "a list of addresses", addresses)?;
        set(&mut read.priority_uris, preferred);
        let timeout = options.take_with(
            "timeout",
            "a number of milliseconds, or -1 for no limit",
            |text| match text {
                "-1" => Some(None),
                text => text.parse().ok().map(|millis| Some(Duration::from_millis(millis))),
            },
        )?;
        set(&mut read.timeout, timeout);
        set(&mut read.track_messages, options.take_bool("trackMessages")?);
        let size =
            options.take_with("maxCacheSize", "a number of bytes", |text| text.parse().ok())?;
        set(&mut read.max_cache_size, size);
        options.take_bool("trackTransactionProducers")?;
        set(&mut read.update_uris_supported, options.take_bool("updateURIsSupported")?);
        read.update_uris_file =
            options.take_with("updateURIsURL", "a path, or file:PATH", local_path)?;
        set(&mut read.rebalance_update_uris, options.take_bool("rebalanceUpdateURIs")?);
        set(&mut read.reconnect_supported, options.take_bool("reconnectSupported")?);
        let extra = options.take_with(
            "nestedExtraQueryOptions",
            "options as in an address: a=b&c=d",
            query,
        )?;
        read.nested = options.take_prefixed("nested.");
        for (name, value) in extra.unwrap_or_default().iter() {
            if read.nested.get(name).is_none() {
                read.nested.insert(name, value);
            }
        }
        refuse_former(&options)?;
        let known: Vec<&str> = FAILOVER_OPTIONS.iter().map(|option| option.name).collect();
        options.finish(&known)?;
        read.initial_reconnect_delay = read.initial_reconnect_delay.min(read.max_reconnect_delay);
        read.reconnect_delay = read.reconnect_delay.min(read.max_reconnect_delay);
        Ok(read)
    }

    /// Gives an address the options that all have.
    pub(crate) fn complete(&self, mut endpoint: Endpoint) -> Endpoint {
        for (name, value) in self.nested.iter() {
            if endpoint.options.get(name).is_none() {
                endpoint.options.insert(name, value);
            }
        }
        endpoint
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn attempts(options: &mut Options, name: &str) -> Result<Option<Option<u32>>, OptionError> {
    options.take_with(name, ATTEMPTS, |text| match text {
        "-1" => Some(None),
        text => text.parse().ok().map(Some),
    })
}

fn refuse_former(options: &Options) -> Result<(), OptionError> {
    for name in options.remaining() {
        if let Some((_, now)) = FORMER.iter().find(|(former, _)| *former == name) {
            return Err(OptionError::Unknown {
                name: name.to_owned(),
                nearest: Some((*now).to_owned()),
            });
        }
    }
    Ok(())
}

/// Addresses between commas; nothing if one is none.
pub(crate) fn addresses(text: &str) -> Option<Vec<Endpoint>> {
    let listed = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    listed.map(|text| text.parse().ok()).collect()
}

/// What a file of addresses holds; nothing if it cannot be read, or is none.
pub(crate) fn read_list(path: &std::path::Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(LONGEST_LIST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A path on this machine. Nothing here fetches lists over the network.
fn local_path(text: &str) -> Option<PathBuf> {
    let path = match text.strip_prefix("file:") {
        Some(path) => match path.strip_prefix("//") {
            Some(path) => path.strip_prefix("localhost").unwrap_or(path),
            None => path,
        },
        None if text.contains("://") => return None,
        None => text,
    };
    (!path.is_empty()).then(|| PathBuf::from(path))
}

fn query(text: &str) -> Option<Options> {
    match format!("tcp://any:1?{text}").parse().ok()? {
        Uri::Endpoint(endpoint) => Some(endpoint.options),
        Uri::Composite(_) => None,
    }
}
