//! Durations and sizes as people write them, in flags.

use std::time::Duration;

use ferrymq_network::document::text::{Text, TextError};
use ferrymq_network::document::units::ByteSize;

/// Reads `30s`, `500ms`, `2m`; the error is for the user.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    Duration::parse(text).map_err(told)
}

/// Reads `64KiB`, or a bare number of bytes; the error is for the user.
pub(in crate::cli) fn size(text: &str) -> Result<usize, String> {
    let bytes = match text.parse::<u64>() {
        Ok(bytes) => bytes,
        Err(_) => ByteSize::parse(text).map_err(told)?.0,
    };
    usize::try_from(bytes).map_err(|_| "the size is too large".to_owned())
}

fn told(error: TextError) -> String {
    match error.hint {
        Some(hint) => format!("{}; {hint}", error.what),
        None => error.what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood_and_asked_for() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("5").unwrap_err().contains("needs a unit"));
        assert_eq!(size("1KiB"), Ok(1024));
        assert_eq!(size("1000"), Ok(1000));
        assert!(size("many").is_err());
    }
}
