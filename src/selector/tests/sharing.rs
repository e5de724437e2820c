//! One text is parsed once.

use std::sync::Arc;

use ferrymq_openwire::text::Text;

use crate::selector::in_use::Selectors;

#[test]
fn consumers_of_one_text_share_one_selector() {
    let selectors = Selectors::default();
    let get = |text: &str| selectors.parse(&Text::from(text)).expect("a valid selector").unwrap();
    let (one, other) = (get("a = 1"), get("a = 1"));
    assert!(Arc::ptr_eq(one.shared(), other.shared()));
    assert!(!Arc::ptr_eq(one.shared(), get("a = 2").shared()));
    assert_eq!(one.text(), "a = 1");
}

#[test]
fn blank_texts_select_everything() {
    let selectors = Selectors::default();
    for text in ["", " ", "\t\n"] {
        assert!(selectors.parse(&Text::from(text)).expect("no error").is_none());
    }
}

#[test]
fn what_nobody_uses_is_forgotten() {
    let selectors = Selectors::default();
    let kept = selectors.parse(&Text::from("kept = 1")).unwrap().unwrap();
    for number in 0..10_000 {
        selectors.parse(&Text::from(format!("a = {number}"))).unwrap();
    }
    assert!(selectors.len() < 200, "{}", selectors.len());
    let again = selectors.parse(&Text::from("kept = 1")).unwrap().unwrap();
    assert!(Arc::ptr_eq(kept.shared(), again.shared()));
    assert!(selectors.parse(&Text::from("a =")).is_err());
}
