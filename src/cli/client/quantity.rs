//! Durations, sizes and numbers as people write them, in flags.

use std::fmt::Display;
use std::str::FromStr;
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

/// Reads whole numbers from `least` to `most`; the error is for the user.
pub(in crate::cli) fn whole<T: Whole>(
    least: T,
    most: T,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| match text.parse::<T>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("a whole number from {least} to {most} is needed")),
    }
}

/// Reads whole numbers from `least` on; the error is for the user.
pub(in crate::cli) fn whole_from<T: Whole>(
    least: T,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| match text.parse::<T>() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(format!("a whole number from {least} on is needed")),
    }
}

/// What numbers in flags are.
pub(in crate::cli) trait Whole:
    FromStr + Display + PartialOrd + Copy + Send + Sync + 'static
{
}

impl Whole for u8 {}
impl Whole for u32 {}
impl Whole for u64 {}

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
        let whole = whole::<u32>(1, 16);
        assert_eq!(whole("16"), Ok(16));
        for wrong in ["0", "-1", "17", "1.5", "", "many"] {
            assert_eq!(whole(wrong).unwrap_err(), "a whole number from 1 to 16 is needed");
        }
    }
}
