//! Java's `.properties` texts.

use std::collections::BTreeMap;

/// The longest text of a peer that is read, in bytes. Those of ActiveMQ have about 2 KiB.
const LONGEST: usize = 64 * 1024;
/// How many properties a peer may send. ActiveMQ sends about 50.
const MOST: usize = 512;

/// A text that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// Longer than anybody needs.
    #[error("the properties are longer than {LONGEST} bytes")]
    TooLong,
    /// More of them than anybody needs.
    #[error("there are more than {MOST} properties")]
    TooMany,
    /// `\u` without four hexadecimal digits.
    #[error("`\\u` is not followed by four hexadecimal digits")]
    BadEscape,
}

/// Reads properties by Java's rules: `#` and `!` begin comments, `=`, `:` or blanks end a key, a
/// backslash escapes or continues a line. The last of equal keys counts.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, PropertiesError> {
    if text.len() > LONGEST {
        return Err(PropertiesError::TooLong);
    }
    let mut properties = BTreeMap::new();
    for line in logical_lines(text) {
        let (key, value) = split(&line);
        properties.insert(unescape(key)?, unescape(value)?);
        if properties.len() > MOST {
            return Err(PropertiesError::TooMany);
        }
    }
    Ok(properties)
}

/// The lines that hold properties, continued ones joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.split(['\n', '\r']) {
        let line = line.trim_start_matches(BLANKS);
        let mut whole = match open.take() {
            Some(begun) => begun,
            None if line.is_empty() || line.starts_with(['#', '!']) => continue,
            None => String::new(),
        };
        let escapes = line.chars().rev().take_while(|c| *c == '\\').count();
        if escapes % 2 == 1 {
            whole.push_str(line.get(..line.len() - 1).unwrap_or_default());
            open = Some(whole);
        } else {
            whole.push_str(line);
            lines.push(whole);
        }
    }
    lines.extend(open);
    lines
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || BLANKS.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(BLANKS))
}

fn unescape(text: &str) -> Result<String, PropertiesError> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let unit = u16::from_str_radix(&digits, 16).ok();
                    // The parser would also take a sign.
                    let hexadecimal = digits.len() == 4 && !digits.starts_with('+');
                    units.push(unit.filter(|_| hexadecimal).ok_or(PropertiesError::BadEscape)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    // Half a character outside the basic plane is Java's to write and nobody's to read.
    Ok(String::from_utf16_lossy(&units))
}

/// Writes a value by the same rules.
pub(super) fn escape_into(value: &str, text: &mut String) {
    for (at, unit) in value.encode_utf16().enumerate() {
        match char::from_u32(u32::from(unit)) {
            Some(' ') if at > 0 => text.push(' '),
            Some(special @ (' ' | '\\' | '=' | ':' | '#' | '!')) => text.extend(['\\', special]),
            Some('\n') => text.push_str("\\n"),
            Some('\r') => text.push_str("\\r"),
            Some('\t') => text.push_str("\\t"),
            Some(plain @ ' '..='~') => text.push(plain),
            _ => text.push_str(&format!("\\u{unit:04X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_javas_reading() {
        let mut text = String::new();
        escape_into(" a=b:c#\\é😀", &mut text);
        assert_eq!(text, "\\ a\\=b\\:c\\#\\\\\\u00E9\\uD83D\\uDE00");
        let read = parse(&format!("key={text}\n")).unwrap();
        assert_eq!(read["key"], " a=b:c#\\é😀");
    }

    #[test]
    fn java_may_write_as_it_likes() {
        let text =
            "#comment\r\n! another\n\n  name = north\nttl:3\nlist [a, \\\n   b]\nempty\nk\\ e=v\n";
        let read = parse(text).unwrap();
        let expected =
            [("empty", ""), ("k e", "v"), ("list", "[a, b]"), ("name", "north"), ("ttl", "3")];
        let read: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn what_nobody_needs_is_refused() {
        assert_eq!(parse(&"x".repeat(LONGEST + 1)), Err(PropertiesError::TooLong));
        let many: String = (0..=MOST).map(|number| format!("k{number}=v\n")).collect();
        assert_eq!(parse(&many), Err(PropertiesError::TooMany));
        for bad in ["k=\\u12", "k=\\uzzzz", "k=\\u+123"] {
            assert_eq!(parse(bad), Err(PropertiesError::BadEscape), "{bad}");
        }
        assert_eq!(parse("k=\\").unwrap()["k"], "");
    }
}
