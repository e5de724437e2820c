//! What is refused, where, and in which words.

use crate::selector::error::SelectorError;
use crate::selector::parsed::Selector;

fn refused(text: &str) -> SelectorError {
    match text.parse::<Selector>() {
        Ok(_) => panic!("{text} was not refused"),
        Err(error) => error,
    }
}

#[test]
fn errors_say_where_and_why() {
    for (selector, position, part) in [
        ("", 1, "found the end of the selector"),
        ("a =", 4, "found the end of the selector"),
        ("a = ", 5, "expected a property, a value or '('"),
        ("a = 1 b", 7, "expected AND, OR or another operator, found 'b'"),
        ("a = 1)", 6, "found )"),
        ("(a = 1", 7, "expected ) after the parenthesis at character 1"),
        ("zürich = = 1", 10, "found ="),
        ("a = 'x", 5, "no closing quote"),
        ("a = \"x\"", 5, "single quotes"),
        ("a == 1", 3, "equality is written ="),
        ("a != 1", 3, "inequality is written <>"),
        ("a && b", 3, "AND"),
        ("a || b", 3, "OR"),
        ("!a", 1, "NOT"),
        ("a.b = 1", 2, "no dots"),
        ("a # b", 3, "'#' has no meaning"),
        ("a = 1 /* b", 7, "does not end"),
        ("a < 'x'", 5, "a text has no order"),
        ("TRUE > 1", 1, "a condition has no order"),
        ("a < b < c", 1, "a condition has no order"),
        ("a > NULL", 5, "NULL has no order"),
        ("a BETWEEN 'a' AND 'b'", 11, "a text has no order"),
        ("a = NULL", 5, "IS NULL"),
        ("NULL <> a", 1, "IS NULL"),
        ("a + 'x' = b", 5, "a text cannot be calculated with"),
        ("'a' + 'x' = b", 1, "a text cannot be calculated with"),
        ("-TRUE = 1", 2, "a condition cannot be calculated with"),
        ("a + 1", 1, "expected a condition, found a number"),
        ("'x'", 1, "expected a condition, found a text"),
        ("a AND 5", 7, "expected a condition, found a number"),
        ("NOT 5 OR a", 5, "expected a condition"),
        ("5 OR a", 1, "expected a condition"),
        ("a IS 5", 6, "expected NULL after IS, found 5"),
        ("a IS NOT 5", 10, "expected NULL after IS NOT"),
        ("a NOT 5", 7, "expected LIKE, BETWEEN or IN after NOT"),
        ("a LIKE b", 8, "expected a text in quotes after LIKE, found 'b'"),
        ("a LIKE 5", 8, "expected a text in quotes"),
        ("a LIKE 'x' ESCAPE '!!'", 19, "one character"),
        ("a LIKE 'x' ESCAPE ''", 19, "one character"),
        ("a LIKE 'x' ESCAPE 1", 19, "expected a text in quotes after ESCAPE"),
        ("a IN 'x'", 6, "expected ( after IN"),
        ("a IN ()", 7, "expected a text in quotes"),
        ("a IN (1, 2)", 7, "expected a text in quotes"),
        ("a IN ('x' 'y')", 11, "expected ) after the texts of IN"),
        ("'a' IN ('x')", 1, "only a property"),
        ("a + 1 IN ('x')", 1, "only a property"),
        ("a BETWEEN 1 OR 2", 13, "expected AND after the lower bound of BETWEEN"),
        ("AND = 1", 1, "found AND"),
        ("a = 08", 5, "octal"),
        ("a = 0x", 5, "hexadecimal"),
        ("a = 9223372036854775808", 5, "64 bits"),
        ("a = 99999999999999999999999", 5, "64 bits"),
        ("a = 0x8000000000000000", 5, "64 bits"),
        ("a = -9223372036854775809", 6, "64 bits"),
        ("a = 1e999", 5, "too large"),
        ("a = 1e39F", 5, "too large"),
        ("a = 1.5.5", 8, "found 0.5"),
        ("b = 2 AND a = 1a", 16, "found 'a'"),
        ("regex('x', a)", 1, "functions are not supported"),
        ("convert_string_expressions:a = 1", 27, "':' has no meaning"),
    ] {
        let error = refused(selector);
        assert!(error.reason.contains(part), "{selector}: {error}");
        assert_eq!(error.position, position, "{selector}: {error}");
    }
}

#[test]
fn xpath_and_xquery_are_refused_by_name() {
    for name in ["XPATH", "xquery"] {
        let error = refused(&format!("a = 1 OR {name} '//b'"));
        let begin = format!("{} is not supported", name.to_uppercase());
        assert!(error.reason.starts_with(&begin), "{error}");
        assert_eq!(error.position, 10);
    }
}

#[test]
fn the_message_names_the_place_and_quotes_little() {
    assert_eq!(
        refused("a = = 1").to_string(),
        "the selector is wrong at character 5: expected a property, a value or '(', found ="
    );
    let long = refused(&format!("a = 1 {}", "x".repeat(5000)));
    assert!(long.to_string().len() < 200, "{long}");
}

#[test]
fn depth_is_bounded_wherever_it_comes_from() {
    let nested = |open: &str, times: usize, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    for (open, inner, close) in [
        ("(", "a", ")"),
        ("NOT ", "a", ""),
        ("NOT (", "a", ")"),
        ("b AND (c OR ", "a", ")"),
        ("- ", "a", " "),
        ("1 + ", "a", ""),
        ("1 * (", "a", ")"),
        ("b = ", "a", ""),
    ] {
        let suffix = if inner == "a" && open.contains(['-', '+', '*']) { " = 1" } else { "" };
        let text = |times| nested(open, times, inner, close) + suffix;
        assert!(text(40).parse::<Selector>().is_ok(), "{}", text(40));
        let error = refused(&text(5_000));
        assert!(error.reason.contains("128"), "{open}: {error}");
    }
}

#[test]
fn length_is_bounded_and_long_chains_are_fine() {
    let chain = vec!["a = 1"; 6_000].join(" OR ");
    assert!(chain.parse::<Selector>().is_ok());
    let texts: Vec<String> = (0..5_000).map(|n| format!("'{n}'")).collect();
    assert!(format!("a IN ({})", texts.join(",")).parse::<Selector>().is_ok());
    let error = refused(&" ".repeat(65_537));
    assert!(error.reason.contains("65536"), "{error}");
    assert_eq!(error.position, 65_537);
}
