//! Types that are written as text.

/// A type that is written as text, in a document as a string and on the command line as it is.
pub trait Text: Sized {
    /// What is expected, for a message.
    const EXPECTED: &'static str;

    /// Reads the text.
    fn parse(text: &str) -> Result<Self, TextError>;

    /// What to say to a bare number, where the type has something better to say than that a text
    /// is expected.
    fn from_number(_number: &str) -> Option<TextError> {
        None
    }
}

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// Where in the text.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl TextError {
    /// An error at an offset of the text.
    pub fn at(offset: usize, what: impl Into<String>) -> Self {
        Self { offset, what: what.into(), hint: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Text for String {
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str) -> Result<Self, TextError> {
        Ok(text.to_owned())
    }
}
