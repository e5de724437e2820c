//! The two spellings of keys.

/// The snake_case spelling of a key in ActiveMQ's camelCase; `None` for a key that is not
/// camelCase.
///
/// A run of capitals is one word: `networkTTL` is `network_ttl`, `brokerURLs` is `broker_urls`.
pub fn snake_case(key: &str) -> Option<String> {
    let starts_low = key.starts_with(|c: char| c.is_ascii_lowercase());
    let has_capital = key.contains(|c: char| c.is_ascii_uppercase());
    if !starts_low || !has_capital || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let mut snake = String::with_capacity(key.len() + 4);
    let mut after_capital = false;
    for c in key.chars() {
        if c.is_ascii_uppercase() && !after_capital {
            snake.push('_');
        }
        after_capital = c.is_ascii_uppercase();
        snake.push(c.to_ascii_lowercase());
    }
    Some(snake)
}
