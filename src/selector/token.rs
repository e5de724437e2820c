//! The words of a selector.

use std::fmt;

use super::error::SelectorError;

/// A word, and the bytes of the text that it stands on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Name(String),
    Keyword(Keyword),
    Symbol(Symbol),
    /// A text without its quotes.
    Text(String),
    /// A whole number without its sign: that of the smallest 64-bit integer does not fit `i64`.
    Exact(u64),
    Approximate(f64),
    End,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name {
            $($variant,)*
        }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

words! {
    /// Words that cannot be names, in any case of their letters.
    Keyword {
        And "AND", Or "OR", Not "NOT", Between "BETWEEN", Like "LIKE", Escape "ESCAPE", In "IN",
        Is "IS", Null "NULL", True "TRUE", False "FALSE", XPath "XPATH", XQuery "XQUERY",
    }
}

words! {
    /// What is not made of letters; the longer ones first where one begins another.
    Symbol {
        NotEqual "<>", LessOrEqual "<=", GreaterOrEqual ">=", Equal "=", Less "<", Greater ">",
        Plus "+", Minus "-", Times "*", Divide "/", Remainder "%", Open "(", Close ")", Comma ",",
    }
}

/// What people write who think of another language.
const FOREIGN: &[(&str, &str)] = &[
    ("==", "equality is written ="),
    ("!=", "inequality is written <>"),
    ("&&", "conjunction is written AND"),
    ("||", "alternatives are written OR"),
    ("!", "negation is written NOT"),
    ("\"", "texts stand in single quotes"),
    (".", "names of properties have no dots"),
];

/// How much of a text an error quotes.
const QUOTED: usize = 24;

/// Reads a text word by word.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next word; at the end, [`TokenKind::End`] again and again.
    pub(super) fn next(&mut self) -> Result<Token, SelectorError> {
        self.skip_blanks()?;
        let start = self.at;
        let kind = match self.rest().chars().next() {
            None => TokenKind::End,
            Some('\'') => self.quoted()?,
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some('.') if self.rest().get(1..).is_some_and(starts_with_digit) => self.number()?,
            Some(c) if starts_name(c) => self.word(),
            Some(c) => self.symbol(c)?,
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, at: usize, reason: impl Into<String>) -> SelectorError {
        SelectorError::at(self.text, at, reason)
    }

    /// Blanks and comments: `/* … */`, and `--` up to the end of the line. As in ActiveMQ, a line
    /// that does not end is no comment: `5 --3` is a difference.
    fn skip_blanks(&mut self) -> Result<(), SelectorError> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0C']).len();
            let rest = self.rest();
            if let Some(comment) = rest.strip_prefix("/*") {
                let length = comment.find("*/").ok_or_else(|| {
                    self.error(self.at, "the comment that begins here does not end")
                })?;
                self.at += length + 4;
            } else if rest.starts_with("--")
                && let Some(length) = rest.find(['\n', '\r'])
            {
                self.at += length;
            } else {
                return Ok(());
            }
        }
    }

    fn quoted(&mut self) -> Result<TokenKind, SelectorError> {
        let start = self.at;
        let mut value = String::new();
        self.at += 1;
        loop {
            let rest = self.rest();
            let Some(length) = rest.find('\'') else {
                return Err(self.error(start, "the text that begins here has no closing quote"));
            };
            value.push_str(rest.get(..length).unwrap_or_default());
            self.at += length + 1;
            if !self.rest().starts_with('\'') {
                return Ok(TokenKind::Text(value));
            }
            value.push('\'');
            self.at += 1;
        }
    }

    fn word(&mut self) -> TokenKind {
        let rest = self.rest();
        let length = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        self.at += length;
        match Keyword::ALL.iter().find(|keyword| keyword.text().eq_ignore_ascii_case(word)) {
            Some(keyword) => TokenKind::Keyword(*keyword),
            None => TokenKind::Name(word.to_owned()),
        }
    }

    fn symbol(&mut self, first: char) -> Result<TokenKind, SelectorError> {
        let rest = self.rest();
        if let Some((_, hint)) = FOREIGN.iter().find(|(foreign, _)| rest.starts_with(foreign)) {
            return Err(self.error(self.at, *hint));
        }
        match Symbol::ALL.iter().find(|symbol| rest.starts_with(symbol.text())) {
            Some(symbol) => {
                self.at += symbol.text().len();
                Ok(TokenKind::Symbol(*symbol))
            }
            None => Err(self.error(self.at, format!("{first:?} has no meaning here"))),
        }
    }

    /// Java's literals: 57, 57L, 0x1F, 017, 7., .5, 1.5E-3, 1.5F, 1.5D.
    fn number(&mut self) -> Result<TokenKind, SelectorError> {
        let start = self.at;
        let radix16 = self.rest().get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
        let mut approximate = false;
        if radix16 {
            self.at += 2;
            self.skip(|c| c.is_ascii_hexdigit());
        } else {
            self.skip(|c| c.is_ascii_digit());
            if self.rest().starts_with('.') {
                approximate = true;
                self.at += 1;
                self.skip(|c| c.is_ascii_digit());
            }
            approximate |= self.exponent();
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        // Where more letters follow, they are a word: 5LIKE is no number of type long.
        let mut behind = self.rest().chars();
        let suffix = behind.next().map(|c| c.to_ascii_uppercase());
        let suffix = suffix.filter(|_| !behind.next().is_some_and(continues_name));
        let long = !approximate && suffix == Some('L');
        let real = !radix16 && matches!(suffix, Some('F' | 'D'));
        self.at += usize::from(long || real);
        if approximate || real {
            return self.approximate(start, digits, suffix == Some('F') && real);
        }
        self.exact(start, digits, radix16)
    }

    fn skip(&mut self, belongs: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    }

    /// Takes an exponent, if one stands here.
    fn exponent(&mut self) -> bool {
        let Some(rest) = self.rest().strip_prefix(['e', 'E']) else { return false };
        let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        if !starts_with_digit(digits) {
            return false;
        }
        self.at += 1 + rest.len() - digits.len();
        self.skip(|c| c.is_ascii_digit());
        true
    }

    fn approximate(
        &self,
        start: usize,
        digits: &str,
        single: bool,
    ) -> Result<TokenKind, SelectorError> {
        // A property of Java's type float holds the value of such a literal, not that of a double.
        let value =
            if single { digits.parse::<f32>().map(f64::from) } else { digits.parse::<f64>() };
        match value {
            Ok(value) if value.is_finite() => Ok(TokenKind::Approximate(value)),
            _ => Err(self.error(start, "this number is too large")),
        }
    }

    fn exact(&self, start: usize, digits: &str, radix16: bool) -> Result<TokenKind, SelectorError> {
        let octal = !radix16 && digits.len() > 1 && digits.starts_with('0');
        let parsed = if radix16 {
            u64::from_str_radix(digits.get(2..).unwrap_or_default(), 16)
        } else {
            u64::from_str_radix(digits, if octal { 8 } else { 10 })
        };
        parsed.map(TokenKind::Exact).map_err(|error| {
            use std::num::IntErrorKind;
            let reason = match error.kind() {
                IntErrorKind::Empty => "0x must be followed by hexadecimal digits",
                IntErrorKind::InvalidDigit => {
                    "a number that begins with 0 is octal and has digits from 0 to 7 only"
                }
                _ => "this number does not fit in 64 bits; with a decimal point it would",
            };
            self.error(start, reason)
        })
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Java's identifiers.
fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// As errors quote it.
impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => quote(name, f),
            Self::Keyword(keyword) => f.write_str(keyword.text()),
            Self::Symbol(symbol) => f.write_str(symbol.text()),
            Self::Text(text) => {
                f.write_str("the text ")?;
                quote(text, f)
            }
            Self::Exact(number) => number.fmt(f),
            Self::Approximate(number) => number.fmt(f),
            Self::End => f.write_str("the end of the selector"),
        }
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match text.char_indices().nth(QUOTED) {
        None => write!(f, "'{text}'"),
        Some((end, _)) => write!(f, "'{}…'", text.get(..end).unwrap_or_default()),
    }
}
