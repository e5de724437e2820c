//! The name of a broker that nobody named: the machine's.

use std::fs;
use std::process::Command;

/// The machine's name, with what a broker's name cannot contain replaced by `_`, as ActiveMQ does;
/// `localhost` when the machine does not tell.
pub fn host_name() -> String {
    let known = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(asked);
    sanitized(known.as_deref().unwrap_or_default())
}

/// Where there is no `/proc`, the command of that name exists.
fn asked() -> Option<String> {
    let output = Command::new("hostname").output().ok()?;
    String::from_utf8(output.stdout).ok()
}

fn sanitized(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.trim().chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::sanitized;

    #[test]
    fn a_host_name_becomes_a_broker_name() {
        for (host, name) in [
            ("paris\n", "paris"),
            ("", "localhost"),
            ("a b/c", "a_b_c"),
            ("x.example.org", "x.example.org"),
        ] {
            assert_eq!(sanitized(host), name);
        }
    }
}
