//! An address, single or composite.

use std::fmt;

use crate::endpoint::Endpoint;
use crate::options::Options;

/// An address, single or composite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    /// `tcp://host:port?…`
    Endpoint(Endpoint),
    /// `static:(…)?…`
    Composite(Composite),
}

/// A list of addresses under a scheme that says what to do with them: `failover:(a,b)?x=y`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composite {
    /// What to do with the members, in lower case: `static`, `failover`.
    pub scheme: String,
    /// The members in order; at least one.
    pub members: Vec<Uri>,
    /// The options after the closing parenthesis.
    pub options: Options,
}

impl Uri {
    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Endpoint(endpoint) => &endpoint.scheme,
            Self::Composite(composite) => &composite.scheme,
        }
    }

    /// The options of the address itself, not those of members.
    pub fn options(&self) -> &Options {
        match self {
            Self::Endpoint(endpoint) => &endpoint.options,
            Self::Composite(composite) => &composite.options,
        }
    }

    /// The options of the address itself, to take from or to add to.
    pub fn options_mut(&mut self) -> &mut Options {
        match self {
            Self::Endpoint(endpoint) => &mut endpoint.options,
            Self::Composite(composite) => &mut composite.options,
        }
    }

    /// Every endpoint in it, depth first, in order.
    pub fn endpoints(&self) -> Vec<&Endpoint> {
        match self {
            Self::Endpoint(endpoint) => vec![endpoint],
            Self::Composite(composite) => {
                composite.members.iter().flat_map(Self::endpoints).collect()
            }
        }
    }
}

impl Composite {
    /// Hands the options named `nested.X` down: every member gets `X`, unless it has its own.
    pub fn hand_down_nested_options(&mut self) {
        let nested = self.options.take_prefixed("nested.");
        for member in &mut self.members {
            for (name, value) in nested.iter() {
                if member.options().get(name).is_none() {
                    member.options_mut().insert(name, value);
                }
            }
        }
    }
}

impl From<Endpoint> for Uri {
    fn from(endpoint: Endpoint) -> Self {
        Self::Endpoint(endpoint)
    }
}

impl From<Composite> for Uri {
    fn from(composite: Composite) -> Self {
        Self::Composite(composite)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            Self::Composite(composite) => composite.fmt(f),
        }
    }
}

impl fmt::Display for Composite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:(", self.scheme)?;
        for (position, member) in self.members.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            member.fmt(f)?;
        }
        f.write_str(")")?;
        if !self.options.is_empty() {
            write!(f, "?{}", self.options)?;
        }
        Ok(())
    }
}
