//! The reference of settings says what the code does.

mod support;

use support::ferrymq_command;

/// `docs/REFERENCE.md` is what `ferrymq options` prints; with `UPDATE=1` it is written anew.
#[test]
fn the_reference_of_settings_is_up_to_date() {
    let printed = ferrymq_command(&["options"]).output().expect("the program runs");
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).expect("a text in UTF-8");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/REFERENCE.md");
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        std::fs::write(path, &printed).expect("the reference can be written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let differs = kept.lines().zip(printed.lines()).find(|(kept, printed)| kept != printed);
    assert!(
        kept == printed,
        "docs/REFERENCE.md is out of date; write it anew with\n    UPDATE=1 cargo test --test \
         reference\nThe first line that differs: {differs:#?}"
    );
}
