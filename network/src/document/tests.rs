//! What a wrong document says: the place, the reason, the nearest name.

use std::time::Duration;

use super::load::{read, read_flag};
use super::names::Name;
use super::problem::Problems;
use super::source::Source;
use super::table::{Fields, Presence};
use super::units::ByteSize;
use super::value::OneOrMore;

crate::section! {
    /// A port.
    struct Port {
        /// What it is called.
        required name: Name,
        /// How deep it is.
        optional depth_limit ("depth", "deep_max"): u32 = "3",
        optional open: bool,
        shared times: Times,
        repeated ferry: Ferry,
        optional harbour: Harbour,
        optional via: OneOrMore<Name>,
        optional lanes: Vec<u16>,
    }
    refused {
        "trains" => "no ferry takes trains",
    }
}

crate::section! {
    struct Times {
        /// Between two ferries.
        optional interval: Duration,
        optional max_load: ByteSize,
    }
}

crate::section! {
    struct Ferry {
        required name: Name,
    }
}

crate::section! {
    struct Harbour {
        optional hops ("network_ttl"): i32,
    }
}

fn load(text: &str) -> Result<Port, Problems> {
    read(&Source::file("port.toml", text), |port: Port, _| Some(port))
}

/// Each problem as `line:column: what (hint)`.
fn complaints(text: &str) -> Vec<String> {
    let Err(Problems(problems)) = load(text) else { return Vec::new() };
    problems
        .into_iter()
        .map(|problem| {
            let hint = problem.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}:{}: {}{hint}", problem.place.line, problem.place.column, problem.what)
        })
        .collect()
}

#[test]
fn a_good_document_is_read_with_its_places() {
    let text = "name = \"dover\"\ndepth = 0x10\ninterval = \"1.5h\"\nmax_load = \"2KiB\"\n\
                via = \"calais\"\nlanes = [1, 2]\nopen = true\n\
                [harbour]\nnetworkTTL = -1\n[[ferry]]\nname = \"spirit\"\n[[ferry]]\nname = 'pride'";
    let port = load(text).unwrap();
    assert_eq!(port.name.as_str(), "dover");
    assert_eq!(&text[port.name.span.clone()], "\"dover\"");
    assert_eq!(port.depth_limit.unwrap().value, 16);
    assert_eq!(port.times.interval.unwrap().value, Duration::from_secs(5400));
    assert_eq!(port.times.max_load.unwrap().value, ByteSize(2048));
    assert_eq!(port.via.unwrap().0.len(), 1);
    assert_eq!(port.lanes.unwrap().value, [1, 2]);
    assert!(port.open.unwrap().value);
    assert_eq!(port.harbour.unwrap().hops.as_ref().unwrap().value, -1);
    let names: Vec<&str> = port.ferry.iter().map(|ferry| ferry.name.as_str()).collect();
    assert_eq!(names, ["spirit", "pride"]);
}

#[test]
fn every_mistake_is_named_with_its_place_and_a_way_out() {
    let table: &[(&str, &[&str])] = &[
        ("", &["1:1: `name` is missing (it is a name)"]),
        ("name = \"a\"\nnaem = 1", &["2:1: unknown key `naem` (did you mean `name`?)"]),
        (
            "name = \"a\"\nmaxLaod = \"1MB\"",
            &["2:1: unknown key `maxLaod` (did you mean `max_load`?)"],
        ),
        (
            "name = \"a\"\nmaxLoad = \"1MB\"\nmax_load = \"1MB\"",
            &["3:1: `max_load` is another spelling of `maxLoad` above (use one spelling)"],
        ),
        ("name = \"a\"\n[habour]\n", &["2:2: unknown table `habour` (did you mean `harbour`?)"]),
        (
            "name = \"a\"\n[harbour]\nnetworkTLT = 1\nfoo.bar = 1",
            &[
                "3:1: unknown key `networkTLT` in [harbour] (did you mean `network_ttl`?)",
                "4:1: unknown table `foo` in [harbour] (known here: network_ttl)",
            ],
        ),
        ("name = \"a\"\n[[ferry]]\n", &["2:1: `name` is missing in [[ferry]] (it is a name)"]),
        (
            "name = \"a\"\n[ferry]\nname = \"x\"",
            &["2:1: `ferry` is a list of tables (write [[ferry]])"],
        ),
        (
            "name = \"a\"\n[[harbour]]\n",
            &["2:1: `harbour` is one table, not a list (write [harbour])"],
        ),
        (
            "name = \"a b\"",
            &[
                "1:10: a name cannot contain ' ' (letters, digits, `.`, `_`, `-` and `:` are allowed)",
            ],
        ),
        ("name = 7", &["1:8: expected a name, found a whole number"]),
        ("name = \"a\"\nopen = \"yes\"", &["2:8: expected true or false, found a text"]),
        (
            "name = \"a\"\ndepth = -1",
            &["2:9: expected a whole number from 0 to 4294967295, found -1"],
        ),
        ("name = \"a\"\nlanes = 3", &["2:9: expected a list, found a whole number"]),
        (
            "name = \"a\"\nlanes = [1, 70000]",
            &["2:13: expected a whole number from 0 to 65535, found 70000"],
        ),
        (
            "name = \"a\"\nvia = [\"b\", \"c!\"]",
            &[
                "2:15: a name cannot contain '!' (letters, digits, `.`, `_`, `-` and `:` are allowed)",
            ],
        ),
        ("name = \"a\"\nvia = []", &["2:7: the list is empty"]),
        (
            "name = \"a\"\ninterval = 30",
            &["2:12: a duration needs a unit (did you mean \"30s\" or \"30ms\"?)"],
        ),
        (
            "name = \"a\"\ninterval = \"3fortnights\"",
            &["2:14: unknown unit `fortnights` (units are us, ms, s, m, h, d)"],
        ),
        (
            "name = \"a\"\nmax_load = 1024",
            &["2:12: a size needs a unit (did you mean \"1024B\" or \"1024MiB\"?)"],
        ),
        (
            "name = \"a\"\nmax_load = \"64mb\"",
            &[
                "2:15: the unit `mb` is ambiguous (write `MiB` (powers of 1024, as ActiveMQ means it) or `MB` (powers of 1000))",
            ],
        ),
        ("name = \"a\"\nmax_load = \"99999999TiB\"", &["2:13: the size is too large"]),
        (
            "name = \"a\"\nmax_load = \"lots\"",
            &["2:13: expected a size such as \"64MiB\", found \"lots\""],
        ),
        ("name = \"a\"\ntrains = 3", &["2:1: `trains` cannot be used: no ferry takes trains"]),
        (
            "name = \"a b\"\ndetph = 3\n[[ferry]]",
            &[
                "1:10: a name cannot contain ' ' (letters, digits, `.`, `_`, `-` and `:` are allowed)",
                "2:1: unknown key `detph` (did you mean `depth`?)",
                "3:1: `name` is missing in [[ferry]] (it is a name)",
            ],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(complaints(text), *expected, "of {text:?}");
    }
}

#[test]
fn text_that_is_not_toml_is_placed() {
    let found = complaints("name = \"a\"\ndepth = \n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("2:"), "{found:?}");
}

#[test]
fn an_alias_and_camel_case_are_the_same_key() {
    for key in ["depth", "deep_max", "deepMax"] {
        let port = load(&format!("name = \"a\"\n{key} = 3")).unwrap();
        assert_eq!(port.depth_limit.unwrap().value, 3);
    }
}

#[test]
fn a_problem_is_drawn_under_its_line() {
    let shown = load("name = \"a\"\n\tdepht = 3").unwrap_err().to_string();
    assert_eq!(
        shown,
        "port.toml:2:2: error: unknown key `depht`\n  |\n2 | \tdepht = 3\n  | \t^^^^^ did you mean `depth`?"
    );
}

#[test]
fn a_flag_is_named_in_place_of_a_file() {
    let problems = read_flag::<Name>(&Source::flag("--name", "lon don")).unwrap_err();
    assert!(
        problems.to_string().starts_with("--name, column 4: error: a name cannot contain ' '\n"),
        "{problems}"
    );
}

#[test]
fn durations_and_sizes_have_units() {
    let durations = [
        ("30s", 30_000),
        ("500ms", 500),
        ("1h", 3_600_000),
        ("2 min", 120_000),
        ("0s", 0),
        ("0.5d", 43_200_000),
    ];
    for (text, millis) in durations {
        let read = read_flag::<Duration>(&Source::flag("-", text)).unwrap();
        assert_eq!(read, Duration::from_millis(millis), "{text}");
    }
    let sizes =
        [("64MiB", 64 << 20), ("1KB", 1000), ("1 GiB", 1 << 30), ("0B", 0), ("1.5KiB", 1536)];
    for (text, bytes) in sizes {
        let read = read_flag::<ByteSize>(&Source::flag("-", text)).unwrap();
        assert_eq!(read, ByteSize(bytes), "{text}");
    }
    for text in ["", "s", "-1s", "1e400s", "1..2s", "99999999999d", "1s2"] {
        assert!(read_flag::<Duration>(&Source::flag("-", text)).is_err(), "{text}");
    }
}

#[test]
fn the_declaration_lists_what_a_table_may_contain() {
    let fields = Port::fields();
    let keys: Vec<&str> = fields.iter().map(|field| field.key).collect();
    assert_eq!(
        keys,
        [
            "name", "depth", "open", "interval", "max_load", "ferry", "harbour", "via", "lanes",
            "trains"
        ]
    );
    assert_eq!(fields[0].doc, "What it is called.");
    assert_eq!(fields[0].presence, Presence::Required);
    assert_eq!(fields[1].aliases, ["deep_max"]);
    assert_eq!(
        fields.iter().map(|field| field.default).collect::<Vec<_>>()[..2],
        [None, Some("3")]
    );
    assert_eq!(fields[3].expected, "a duration such as \"30s\" or \"500ms\"");
}
