//! The secret that brokers of a group share, and the proof that one knows it.

use std::fmt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Less is guessed too easily.
const SHORTEST: usize = 8;
/// More is a mistake.
const LONGEST: u64 = 4096;

/// A secret that brokers share. It never shows up in logs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Vec<u8>);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    #[error("it holds more than {LONGEST} bytes")]
    TooLong,
    #[error("it holds fewer than {SHORTEST} bytes")]
    TooShort,
}

impl Secret {
    /// A secret; blanks around it do not count.
    pub(super) fn new(text: &[u8]) -> Result<Self, SecretError> {
        let text = text.trim_ascii();
        if text.len() < SHORTEST {
            return Err(SecretError::TooShort);
        }
        Ok(Self(text.to_vec()))
    }

    /// What a file holds.
    pub(super) async fn read(path: &Path) -> Result<Self, SecretError> {
        if tokio::fs::metadata(path).await?.len() > LONGEST {
            return Err(SecretError::TooLong);
        }
        Self::new(&tokio::fs::read(path).await?)
    }

    /// A keyed hash (HMAC-SHA-256) of a text, in hexadecimal digits.
    pub(super) fn sign(&self, text: &str) -> String {
        let Some(mac) = self.mac(text) else { return String::new() };
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a hash is that of the text, found out in the same time whether or not.
    pub(super) fn verifies(&self, text: &str, hash: &str) -> bool {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let byte = |pair: &[u8]| match pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = hash.as_bytes().chunks(2).map(byte).collect();
        let (Some(bytes), Some(mac)) = (bytes, self.mac(text)) else { return false };
        mac.verify_slice(&bytes).is_ok()
    }

    /// `None` never comes: a key of any length will do.
    fn mac(&self, text: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(text.as_bytes());
        Some(mac)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_hmac_sha_256() {
        // As `openssl dgst -sha256 -hmac` has it.
        let secret = Secret::new(b"Jefe Jefe").unwrap();
        assert_eq!(
            secret.sign("what do ya want for nothing?"),
            "aeb4049f7bf08ac58b850f31fb0ca827a47e8db014fb8be1e315dacefa4a518b"
        );
    }

    #[test]
    fn only_the_same_secret_verifies() {
        let (one, other) =
            (Secret::new(b"one secret\n").unwrap(), Secret::new(b"another one").unwrap());
        let hash = one.sign("text");
        assert!(one.verifies("text", &hash));
        assert!(!one.verifies("texu", &hash));
        assert!(!other.verifies("text", &hash));
        for broken in ["", "zz", &hash[1..], "é"] {
            assert!(!one.verifies("text", broken), "{broken}");
        }
        assert_eq!(one, Secret::new(b"one secret").unwrap(), "a final newline does not count");
        assert!(Secret::new(b"short").is_err());
        assert_eq!(format!("{one:?}"), "(hidden)");
    }
}
