//! JSON, read exactly: strings are UTF-16 code units and may hold lone surrogates, which the
//! recorded frames do and `serde_json` refuses.

use std::fmt;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Text(Vec<u16>),
    List(Vec<Json>),
    Record(Vec<(String, Json)>),
}

impl Json {
    /// A text of this `str`.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.encode_utf16().collect())
    }

    /// A member of a record.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Record(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A text as UTF-8.
    pub(crate) fn as_string(&self) -> Option<String> {
        match self {
            Self::Text(units) => Some(String::from_utf16_lossy(units)),
            _ => None,
        }
    }

    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Reads one value, and nothing after it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let value = parser.value()?;
        parser.space();
        if parser.rest.is_empty() { Ok(value) } else { Err(parser.error("nothing more")) }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: u32,
}

impl Parser<'_> {
    fn error(&self, expected: &str) -> String {
        let found: String = self.rest.chars().take(20).collect();
        format!("JSON: expected {expected} at {found:?}")
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.error(token)) }
    }

    fn value(&mut self) -> Result<Json, String> {
        if self.depth > 200 {
            return Err(self.error("less depth"));
        }
        self.depth += 1;
        let value = if self.take("null") {
            Json::Null
        } else if self.take("true") {
            Json::Bool(true)
        } else if self.take("false") {
            Json::Bool(false)
        } else if self.take("\"") {
            Json::Text(self.string()?)
        } else if self.take("[") {
            Json::List(self.list("]", Self::value)?)
        } else if self.take("{") {
            Json::Record(self.list("}", Self::member)?)
        } else {
            self.integer()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn member(&mut self) -> Result<(String, Json), String> {
        self.expect("\"")?;
        let name = String::from_utf16_lossy(&self.string()?);
        self.expect(":")?;
        Ok((name, self.value()?))
    }

    fn list<T>(
        &mut self,
        end: &str,
        element: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut elements = Vec::new();
        if self.take(end) {
            return Ok(elements);
        }
        loop {
            elements.push(element(self)?);
            if self.take(end) {
                return Ok(elements);
            }
            self.expect(",")?;
        }
    }

    fn integer(&mut self) -> Result<Json, String> {
        let is_part = |c: char| c.is_ascii_digit() || c == '-';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let value = digits.parse().map_err(|_| self.error("an integer"))?;
        self.rest = rest;
        Ok(Json::Integer(value))
    }

    /// The rest of a string whose opening quote has been read.
    fn string(&mut self) -> Result<Vec<u16>, String> {
        let mut units = Vec::new();
        loop {
            let mut chars = self.rest.chars();
            let next = chars.next();
            self.rest = chars.as_str();
            match next {
                Some('"') => return Ok(units),
                Some('\\') => units.push(self.escape()?),
                Some(c) => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
                None => return Err(self.error("the end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, String> {
        let mut chars = self.rest.chars();
        let escaped = chars.next();
        self.rest = chars.as_str();
        Ok(match escaped {
            Some('n') => 0x0A,
            Some('r') => 0x0D,
            Some('t') => 0x09,
            Some('b') => 0x08,
            Some('f') => 0x0C,
            Some(c @ ('"' | '\\' | '/')) => c as u16,
            Some('u') => {
                let (digits, rest) =
                    self.rest.split_at_checked(4).ok_or_else(|| self.error("four digits"))?;
                self.rest = rest;
                u16::from_str_radix(digits, 16).map_err(|_| self.error("four hex digits"))?
            }
            _ => return Err(self.error("an escape")),
        })
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(units) => {
                f.write_str("\"")?;
                for c in char::decode_utf16(units.iter().copied()) {
                    match c {
                        Ok(c) => write!(f, "{}", c.escape_debug())?,
                        Err(lone) => write!(f, "\\u{:04x}", lone.unpaired_surrogate())?,
                    }
                }
                f.write_str("\"")
            }
            Self::List(values) => {
                f.write_str("[")?;
                for (k, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if k > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Record(members) => {
                f.write_str("{")?;
                for (k, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{name:?}:{value}", if k > 0 { "," } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}
