//! Three-valued logic.

use std::ops::Not;

/// Whether a condition holds. Only what is true selects a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Something that it depends on is absent.
    Unknown,
}

impl Truth {
    /// Whether it is true.
    pub fn is_true(self) -> bool {
        self == Self::True
    }

    /// True if all are, false if one is. Asks no further than needed.
    pub(super) fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        let mut outcome = Self::True;
        for condition in conditions {
            match condition {
                Self::True => {}
                Self::False => return Self::False,
                Self::Unknown => outcome = Self::Unknown,
            }
        }
        outcome
    }

    /// True if one is, false if none is. Asks no further than needed.
    pub(super) fn any(conditions: impl IntoIterator<Item = Self>) -> Self {
        let mut outcome = Self::False;
        for condition in conditions {
            match condition {
                Self::True => return Self::True,
                Self::False => {}
                Self::Unknown => outcome = Self::Unknown,
            }
        }
        outcome
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}
