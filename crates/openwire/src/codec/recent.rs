//! Texts that come again and again on one connection.

use crate::text::{MalformedText, Text};

/// How many are remembered: an acknowledgement names a destination, a consumer and a producer, and
/// a connection has a few of each.
const SLOTS: usize = 8;
/// Longer ones are no names, and are not kept.
const LONGEST: usize = 255;

/// The last few names that a peer sent, so that the next command that has one of them needs
/// neither an allocation for it nor a look at its encoding.
#[derive(Default)]
pub(crate) struct RecentTexts {
    slots: [Option<Text>; SLOTS],
    /// The slot that the next new text takes.
    next: usize,
}

impl RecentTexts {
    /// The text of these bytes.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Result<Text, MalformedText> {
        let known = self.slots.iter().flatten().find(|text| text.as_bytes() == bytes);
        if let Some(text) = known {
            return Ok(text.clone());
        }
        let text = Text::from_wire(bytes)?;
        if bytes.len() <= LONGEST
            && let Some(slot) = self.slots.get_mut(self.next)
        {
            *slot = Some(text.clone());
            self.next = (self.next + 1) % SLOTS;
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_again_is_the_same_and_others_push_it_out() {
        let mut recent = RecentTexts::default();
        let first = recent.text(b"orders").unwrap();
        let again = recent.text(b"orders").unwrap();
        assert!(std::ptr::eq(first.as_bytes(), again.as_bytes()));
        for other in 0..SLOTS {
            recent.text(format!("other-{other}").as_bytes()).unwrap();
        }
        let later = recent.text(b"orders").unwrap();
        assert_eq!(first, later);
        assert!(!std::ptr::eq(first.as_bytes(), later.as_bytes()));
    }

    #[test]
    fn what_is_long_or_malformed_is_not_kept() {
        let mut recent = RecentTexts::default();
        recent.text(&[b'a'; LONGEST + 1]).unwrap();
        assert!(recent.text(b"\xFF").is_err());
        assert!(recent.text(b"\xFF").is_err());
        assert!(recent.slots.iter().all(Option::is_none));
    }
}
