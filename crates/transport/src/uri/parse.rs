//! From text to addresses, with the place of what is wrong.

use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::endpoint::Endpoint;
use crate::names::nearest;
use crate::options::Options;
use crate::uri::composite::{Composite, Uri};
use crate::uri::error::{UriError, UriProblem};

/// Schemes whose rest is a list of addresses even without parentheses.
const LIST_SCHEMES: [&str; 6] =
    ["failover", "static", "simple", "masterslave", "fanout", "discovery"];

/// Schemes that are known somewhere: what a misspelt one may have been meant for.
const SCHEMES: [&str; 12] = [
    "tcp",
    "ssl",
    "failover",
    "static",
    "simple",
    "masterslave",
    "discovery",
    "fanout",
    "multicast",
    "dns",
    "file",
    "http",
];

/// The scheme whose members are names that a name server knows.
const NAMES: &str = "dns";

/// ActiveMQ's schemes that are followed by a group's name, `zeroconf:_activemq.broker.`, which has no
/// port. They are known so that they can be refused by name.
const GROUPS: [&str; 2] = ["zeroconf", "rendezvous"];

/// Addresses also arrive from peers, so both are bounded.
const LONGEST: usize = 64 * 1024;
const DEEPEST: usize = 16;

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        located(text, whole(text))
    }
}

impl FromStr for Endpoint {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let endpoint = whole(text).and_then(|uri| match uri {
            Uri::Endpoint(endpoint) => Ok(endpoint),
            Uri::Composite(composite) => {
                let start = text.len() - text.trim_start().len();
                Err((start, UriProblem::NotAnEndpoint { scheme: composite.scheme }))
            }
        });
        located(text, endpoint)
    }
}

/// A problem and its byte offset in the whole text.
type Located = (usize, UriProblem);

fn located<T>(text: &str, result: Result<T, Located>) -> Result<T, UriError> {
    result.map_err(|(offset, reason)| UriError { offset, reason, uri: text.to_owned() })
}

fn whole(text: &str) -> Result<Uri, Located> {
    if text.len() > LONGEST {
        return Err((0, UriProblem::TooLong { limit: LONGEST }));
    }
    check_parentheses(text)?;
    uri(Part { text, offset: 0 }, 0)
}

/// A slice of the whole text that knows where it stands.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Part<'a> {
    fn trimmed(self) -> Self {
        let start = self.text.trim_start();
        Self { text: start.trim_end(), offset: self.offset + (self.text.len() - start.len()) }
    }

    /// What stands before the first `separator`, and what stands after it.
    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let offset = self.offset + before.len() + separator.len_utf8();
        Some((Self { text: before, ..self }, Self { text: after, offset }))
    }

    fn strip_prefix(self, prefix: &str) -> Option<Self> {
        let text = self.text.strip_prefix(prefix)?;
        Some(Self { text, offset: self.offset + prefix.len() })
    }

    fn fail<T>(self, problem: UriProblem) -> Result<T, Located> {
        Err((self.offset, problem))
    }
}

/// Afterwards every parenthesis is known to have its partner.
fn check_parentheses(text: &str) -> Result<(), Located> {
    let mut open = Vec::new();
    for (offset, character) in text.char_indices() {
        match character {
            '(' => open.push(offset),
            ')' if open.pop().is_none() => return Err((offset, UriProblem::Unopened)),
            _ => {}
        }
    }
    match open.first() {
        Some(offset) => Err((*offset, UriProblem::Unclosed)),
        None => Ok(()),
    }
}

fn uri(part: Part<'_>, depth: usize) -> Result<Uri, Located> {
    let part = part.trimmed();
    if depth > DEEPEST {
        return part.fail(UriProblem::TooDeep { limit: DEEPEST });
    }
    if part.text.is_empty() {
        return part.fail(if depth == 0 { UriProblem::Empty } else { UriProblem::EmptyMember });
    }
    let no_scheme = || UriProblem::NoScheme { meant: with_scheme(part.text) };
    let Some((scheme, rest)) = part.split_once(':') else { return part.fail(no_scheme()) };
    if !is_scheme(scheme.text) {
        return part.fail(no_scheme());
    }
    let scheme = scheme.text.to_ascii_lowercase();
    let rest = rest.trimmed();
    if scheme == "file" {
        return file(scheme, rest).map(Uri::Endpoint);
    }
    let slashed = rest.strip_prefix("//");
    let inner = slashed.unwrap_or(rest).trimmed();
    if inner.text.starts_with('(') {
        return parenthesised(scheme, inner, depth).map(Uri::Composite);
    }
    if scheme == NAMES {
        let (names, options) = match inner.split_once('?') {
            Some((names, query)) => (names, options(query)?),
            None => (inner, Options::new()),
        };
        return Ok(Uri::Composite(Composite { scheme, members: names_of(names)?, options }));
    }
    if LIST_SCHEMES.contains(&scheme.as_str()) {
        let members = members(inner, depth)?;
        return Ok(Uri::Composite(Composite { scheme, members, options: Options::new() }));
    }
    match slashed {
        Some(rest) => endpoint(scheme, rest).map(Uri::Endpoint),
        None if GROUPS.contains(&scheme.as_str()) => endpoint(scheme, rest).map(Uri::Endpoint),
        None if scheme.contains('.') || rest.text.parse::<u16>().is_ok() => part.fail(no_scheme()),
        None => {
            let nearest = nearest(&scheme, &SCHEMES).filter(|near| *near != scheme);
            let nearest = nearest.map(str::to_owned);
            rest.fail(UriProblem::NoSlashes { scheme, nearest })
        }
    }
}

/// What was probably meant by an address without a scheme.
fn with_scheme(text: &str) -> String {
    let rest = text.trim_start_matches('/');
    let word: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let after = rest.get(word.len()..).unwrap_or_default();
    let lacks_colon = after.starts_with("//") || after.starts_with('(');
    if lacks_colon && SCHEMES.contains(&word.to_ascii_lowercase().as_str()) {
        return format!("{word}:{after}");
    }
    // A name alone lacks its port as well.
    let port = if rest.contains([':', '?', '/', '(']) { "" } else { ":61616" };
    format!("tcp://{rest}{port}")
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
}

/// `(members)?options`
fn parenthesised(scheme: String, part: Part<'_>, depth: usize) -> Result<Composite, Located> {
    let mut level = 0_usize;
    let end = part.text.char_indices().find_map(|(offset, character)| {
        match character {
            '(' => level += 1,
            ')' => level = level.saturating_sub(1),
            _ => {}
        }
        (level == 0).then_some(offset)
    });
    let Some((inside, after)) = end.and_then(|end| {
        let inside = part.text.get(1..end)?;
        let after = part.text.get(end + 1..)?;
        Some((
            Part { text: inside, offset: part.offset + 1 },
            Part { text: after, offset: part.offset + end + 1 },
        ))
    }) else {
        return part.fail(UriProblem::Unclosed);
    };
    let members = if scheme == NAMES { names_of(inside)? } else { members(inside, depth)? };
    let after = after.trimmed();
    let options = match after.strip_prefix("?") {
        Some(query) => options(query)?,
        None if after.text.is_empty() => Options::new(),
        None => {
            return after.fail(UriProblem::AfterParenthesis { found: after.text.to_owned() });
        }
    };
    Ok(Composite { scheme, members, options })
}

/// The members of `dns:(…)`: names that a name server knows, with or without a port.
fn names_of(part: Part<'_>) -> Result<Vec<Uri>, Located> {
    let mut names = Vec::new();
    let mut offset = part.offset;
    for text in part.text.split(',') {
        let name = Part { text, offset }.trimmed();
        offset += text.len() + 1;
        if name.text.is_empty() {
            return name.fail(UriProblem::EmptyMember);
        }
        let (host, port) = authority_parts(NAMES, name)?;
        names.push(Uri::Endpoint(Endpoint {
            scheme: NAMES.to_owned(),
            ..Endpoint::tcp(host, port)
        }));
    }
    Ok(names)
}

/// `file:PATH?options`, also written `file:///PATH`.
fn file(scheme: String, part: Part<'_>) -> Result<Endpoint, Located> {
    let (path, options) = match part.split_once('?') {
        Some((path, query)) => (path, options(query)?),
        None => (part, Options::new()),
    };
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.text.starts_with('/') => absolute,
        _ => path,
    };
    if path.text.is_empty() {
        return path.fail(UriProblem::Empty);
    }
    let path = unescaped(path)?;
    Ok(Endpoint { scheme, path, options, ..Endpoint::tcp(String::new(), 0) })
}

/// Addresses between the commas that no parenthesis encloses.
fn members(part: Part<'_>, depth: usize) -> Result<Vec<Uri>, Located> {
    let mut members = Vec::new();
    let mut level = 0_usize;
    let mut start = 0;
    let separators = part.text.char_indices().filter_map(|(offset, character)| {
        match character {
            '(' => level += 1,
            ')' => level = level.saturating_sub(1),
            _ => {}
        }
        (character == ',' && level == 0).then_some(offset)
    });
    for end in separators.chain([part.text.len()]) {
        let text = part.text.get(start..end).unwrap_or_default();
        members.push(uri(Part { text, offset: part.offset + start }, depth + 1)?);
        start = end + 1;
    }
    Ok(members)
}

/// `host:port/path?options`, after the slashes.
fn endpoint(scheme: String, part: Part<'_>) -> Result<Endpoint, Located> {
    let (address, options) = match part.split_once('?') {
        Some((address, query)) => (address, options(query)?),
        None => (part, Options::new()),
    };
    let (authority, path) = match address.text.find('/') {
        Some(at) => {
            let (authority, path) = address.text.split_at(at);
            (Part { text: authority, ..address }, Part { text: path, offset: address.offset + at })
        }
        None => (address, Part { text: "", offset: address.offset + address.text.len() }),
    };
    let bad = |char: char| !char.is_ascii_graphic() || "()<>\"#\\^`{|},".contains(char);
    if let Some((at, found)) = path.text.char_indices().find(|(_, char)| bad(*char)) {
        return Err((path.offset + at, UriProblem::BadPath { found }));
    }
    let (host, port) = authority_parts(&scheme, authority)?;
    Ok(Endpoint { scheme, host, port, path: path.text.to_owned(), options })
}

fn authority_parts(scheme: &str, authority: Part<'_>) -> Result<(String, u16), Located> {
    if authority.text.contains('@') {
        return authority.fail(UriProblem::UserInfo);
    }
    let (host, shown, port) = match authority.strip_prefix("[") {
        Some(bracketed) => {
            let Some((literal, after)) = bracketed.split_once(']') else {
                return authority.fail(UriProblem::BadIpv6 { found: authority.text.to_owned() });
            };
            let host = ipv6(literal)?;
            match after.strip_prefix(":") {
                Some(port) => (host, format!("[{}]", literal.text), Some(port)),
                None if after.text.is_empty() => (host, format!("[{}]", literal.text), None),
                None => return after.fail(UriProblem::BadPort { found: after.text.to_owned() }),
            }
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            if port.is_some_and(|port| port.text.contains(':')) {
                return authority.fail(UriProblem::BareIpv6);
            }
            (host_name(host)?, host.text.to_owned(), port)
        }
    };
    let port =
        match port {
            Some(port) => port.text.parse().ok().filter(|_| all_digits(port.text)).map_or_else(
                || port.fail(UriProblem::BadPort { found: port.text.to_owned() }),
                Ok,
            )?,
            None => match default_port(scheme) {
                Some(port) => port,
                None => {
                    let offset = authority.offset + authority.text.len();
                    let scheme = scheme.to_owned();
                    return Err((offset, UriProblem::NoPort { scheme, host: shown }));
                }
            },
        };
    Ok((host, port))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Schemes that may go without a port.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        // Without a port, a name server is asked for the port as well.
        NAMES => Some(0),
        _ if GROUPS.contains(&scheme) => Some(0),
        // network of ActiveMQ's discovery packets
        "multicast" => Some(6155),
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn host_name(part: Part<'_>) -> Result<String, Located> {
    if part.text.is_empty() {
        return part.fail(UriProblem::NoHost);
    }
    let bad = |char: char| !(char.is_ascii_alphanumeric() || "-._~".contains(char));
    match part.text.char_indices().find(|(_, char)| bad(*char)) {
        Some((at, found)) => Err((part.offset + at, UriProblem::BadHost { found })),
        None => Ok(part.text.to_owned()),
    }
}

/// An IPv6 literal, with a zone (`fe80::1%25eth0`) if there is one.
fn ipv6(part: Part<'_>) -> Result<String, Located> {
    let bad = UriProblem::BadIpv6 { found: part.text.to_owned() };
    let (address, zone) = match part.text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (part.text, None),
    };
    let is_zone = |zone: &str| {
        !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
    };
    if address.parse::<Ipv6Addr>().is_err() || zone.is_some_and(|zone| !is_zone(zone)) {
        return part.fail(bad);
    }
    Ok(zone.map_or_else(|| address.to_owned(), |zone| format!("{address}%{zone}")))
}

fn options(query: Part<'_>) -> Result<Options, Located> {
    let mut options = Options::new();
    let mut start = 0;
    for text in query.text.split('&') {
        let entry = Part { text, offset: query.offset + start };
        start += text.len() + 1;
        if text.trim().is_empty() {
            continue;
        }
        let Some((name, value)) = entry.split_once('=') else {
            return entry.fail(UriProblem::NoValue { name: text.trim().to_owned() });
        };
        let name = unescaped(name.trimmed())?;
        if name.is_empty() {
            return entry.fail(UriProblem::NoName);
        }
        if options.get(&name).is_some() {
            return entry.fail(UriProblem::Repeated { name });
        }
        options.insert(name, unescaped(value.trimmed())?);
    }
    Ok(options)
}

/// Resolves `%XX`. A plus sign stands for itself.
fn unescaped(part: Part<'_>) -> Result<String, Located> {
    if !part.text.contains('%') {
        return Ok(part.text.to_owned());
    }
    let bad = || (part.offset, UriProblem::BadEscape { found: part.text.to_owned() });
    let mut bytes = Vec::with_capacity(part.text.len());
    let mut rest = part.text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit().ok_or_else(bad)?, digit().ok_or_else(bad)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| bad())?);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}
