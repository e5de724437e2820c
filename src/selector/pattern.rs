//! LIKE.

/// A pattern: `_` stands for one character, `%` for any number of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A byte of modified UTF-8.
    Byte(u8),
    One,
    Any,
}

/// A comparison that was given up, because it took more steps than were left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Pattern {
    /// Reads a pattern. `escape` takes the meaning of `_`, `%` and itself away where it stands before
    /// them; before anything else it stands for itself, as in ActiveMQ.
    pub(super) fn new(text: &str, escape: Option<char>) -> Self {
        let mut steps = Vec::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let next = rest.clone().next();
            let escapes = escape == Some(c)
                && next.is_some_and(|next| matches!(next, '_' | '%') || next == c);
            match c {
                _ if escapes => {
                    rest.next();
                    push(next.unwrap_or(c), &mut steps);
                }
                '_' => steps.push(Step::One),
                // Several in a row mean the same as one.
                '%' if steps.last() == Some(&Step::Any) => {}
                '%' => steps.push(Step::Any),
                c => push(c, &mut steps),
            }
        }
        Self { steps }
    }

    /// Whether a text, in modified UTF-8, is like the pattern. Counts the steps that it takes down
    /// from `left`: hostile patterns take as many as the text is long times their own length.
    pub(super) fn matches(&self, text: &[u8], left: &mut usize) -> Result<bool, TooLong> {
        let (mut at, mut step) = (0, 0);
        // Behind the last `%`: where to go on in the pattern, and from where in the text.
        let mut again: Option<(usize, usize)> = None;
        loop {
            *left = left.checked_sub(1).ok_or(TooLong)?;
            let rest = text.get(at..).unwrap_or_default();
            let matched = match self.steps.get(step) {
                Some(Step::Any) => {
                    again = Some((step + 1, at));
                    step += 1;
                    continue;
                }
                Some(Step::Byte(byte)) => (rest.first() == Some(byte)).then_some(1),
                Some(Step::One) => (!rest.is_empty()).then(|| character(rest)),
                None if rest.is_empty() => return Ok(true),
                None => None,
            };
            match (matched, &mut again) {
                (Some(length), _) => {
                    at += length;
                    step += 1;
                }
                (None, Some((behind, from))) => {
                    let skipped = text.get(*from..).unwrap_or_default();
                    if skipped.is_empty() {
                        return Ok(false);
                    }
                    *from += character(skipped);
                    (at, step) = (*from, *behind);
                }
                (None, None) => return Ok(false),
            }
        }
    }
}

fn push(c: char, steps: &mut Vec<Step>) {
    let text = ferrymq_openwire::text::Text::from(c.encode_utf8(&mut [0; 4]) as &str);
    steps.extend(text.as_bytes().iter().map(|byte| Step::Byte(*byte)));
}

/// Bytes of the first character; a surrogate pair is one, as for Java's patterns.
fn character(text: &[u8]) -> usize {
    let length = match text {
        [0xED, 0xA0..=0xAF, _, 0xED, 0xB0..=0xBF, ..] => 6,
        [0xC0..=0xDF, ..] => 2,
        [0xE0..=0xEF, ..] => 3,
        _ => 1,
    };
    length.min(text.len())
}
