//! What is wrong with an address, and where.

use crate::names::suggestion;

/// Text that is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (column {} of \"{uri}\")", self.column())]
pub struct UriError {
    /// Where in the text, in bytes from its start.
    pub offset: usize,
    /// What is wrong there.
    pub reason: UriProblem,
    /// The whole text.
    pub uri: String,
}

impl UriError {
    /// Where in the text, in characters from 1.
    pub fn column(&self) -> usize {
        self.uri.get(..self.offset).map_or(0, |before| before.chars().count()) + 1
    }
}

/// What is wrong at one place of an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriProblem {
    /// Nothing there.
    #[error("an address is missing: write one such as tcp://host:61616")]
    Empty,
    /// Longer than any sensible address.
    #[error("the address is longer than {limit} bytes")]
    TooLong {
        /// How long it may be.
        limit: usize,
    },
    /// No `scheme:` at the start.
    #[error("the address starts with no scheme: write {meant}")]
    NoScheme {
        /// What was probably meant.
        meant: String,
    },
    /// A scheme that is not followed by `//`.
    #[error("\"{scheme}:\" must be followed by //{}", suggestion(nearest.as_deref()))]
    NoSlashes {
        /// The scheme.
        scheme: String,
        /// A scheme that may have been meant.
        nearest: Option<String>,
    },
    /// `(` without `)`.
    #[error("this parenthesis is never closed")]
    Unclosed,
    /// `)` without `(`.
    #[error("this parenthesis was never opened")]
    Unopened,
    /// Something between `)` and `?`.
    #[error("only options (?name=value) may follow the closing parenthesis, not \"{found}\"")]
    AfterParenthesis {
        /// What stands there.
        found: String,
    },
    /// Nothing between two commas.
    #[error("a member of the list is empty")]
    EmptyMember,
    /// Composites within composites without end.
    #[error("composites are nested deeper than {limit} levels")]
    TooDeep {
        /// How deep they may be.
        limit: usize,
    },
    /// `tcp://:61616`.
    #[error("the host is missing (0.0.0.0 stands for every interface of a listener)")]
    NoHost,
    /// A character that no host name has.
    #[error("'{found}' cannot be part of a host name")]
    BadHost {
        /// The character.
        found: char,
    },
    /// `user@host`.
    #[error("an address holds no user name or password: configure them beside it")]
    UserInfo,
    /// `tcp://::1:61616`.
    #[error("an IPv6 address stands in brackets, as in tcp://[::1]:61616")]
    BareIpv6,
    /// `[…]` with something else in it.
    #[error("\"{found}\" is no IPv6 address")]
    BadIpv6 {
        /// What stands in the brackets.
        found: String,
    },
    /// `tcp://host`.
    #[error("the port is missing: write {scheme}://{host}:61616")]
    NoPort {
        /// The scheme.
        scheme: String,
        /// The host, as it would be written.
        host: String,
    },
    /// A port that is no number or out of range.
    #[error("port \"{found}\" is not a number from 0 to 65535")]
    BadPort {
        /// What stands there.
        found: String,
    },
    /// A character that no path has.
    #[error("'{found}' must be escaped here")]
    BadPath {
        /// The character.
        found: char,
    },
    /// `?name` without `=value`.
    #[error("option \"{name}\" has no value: write {name}=…")]
    NoValue {
        /// The option.
        name: String,
    },
    /// `?=value`.
    #[error("an option's name is missing before \"=\"")]
    NoName,
    /// The same option twice.
    #[error("option \"{name}\" is given twice")]
    Repeated {
        /// The option.
        name: String,
    },
    /// A `%` that no two hexadecimal digits follow, or bytes that are not UTF-8.
    #[error("\"{found}\" is not properly escaped: '%' starts two hexadecimal digits of UTF-8")]
    BadEscape {
        /// The text.
        found: String,
    },
    /// A composite where one endpoint is needed.
    #[error("one address is needed here, not a composite ({scheme}:…)")]
    NotAnEndpoint {
        /// The composite's scheme.
        scheme: String,
    },
}
