use proptest::prelude::*;

use super::{Composite, Uri, UriProblem};
use crate::endpoint::Endpoint;
use crate::options::Options;

fn endpoint(host: &str, port: u16, options: &[(&str, &str)]) -> Uri {
    let options: Options = options.iter().copied().collect();
    Uri::Endpoint(Endpoint { options, ..Endpoint::tcp(host, port) })
}

fn composite(scheme: &str, members: Vec<Uri>, options: &[(&str, &str)]) -> Uri {
    let options: Options = options.iter().copied().collect();
    Uri::Composite(Composite { scheme: scheme.to_owned(), members, options })
}

fn a() -> Uri {
    endpoint("a", 1, &[])
}

fn b() -> Uri {
    endpoint("b", 2, &[])
}

#[test]
fn addresses_parse() {
    let nested = composite("failover", vec![a(), b()], &[("randomize", "false")]);
    for (text, uri) in [
        ("tcp://a:1", a()),
        ("  TCP://a:1 ", a()),
        ("tcp://a:1?", a()),
        ("tcp://[::1]:61616", endpoint("::1", 61616, &[])),
        ("tcp://[fe80::1%25eth0]:1", endpoint("fe80::1%eth0", 1, &[])),
        ("tcp://[fe80::1%eth0]:1", endpoint("fe80::1%eth0", 1, &[])),
        ("tcp://0.0.0.0:0", endpoint("0.0.0.0", 0, &[])),
        ("tcp://my_host.example-1.org:65535", endpoint("my_host.example-1.org", 65535, &[])),
        ("tcp://a:1?x=y&z=%20%26%3d+", endpoint("a", 1, &[("x", "y"), ("z", " &=+")])),
        ("tcp://a:1?x=&y=http://h/?p=q", endpoint("a", 1, &[("x", ""), ("y", "http://h/?p=q")])),
        ("static:(tcp://a:1,tcp://b:2)", composite("static", vec![a(), b()], &[])),
        (
            "static:(tcp://a:1?x=y, tcp://b:2 ) ?maxReconnectDelay=5000",
            composite(
                "static",
                vec![endpoint("a", 1, &[("x", "y")]), b()],
                &[("maxReconnectDelay", "5000")],
            ),
        ),
        ("failover://(tcp://a:1,tcp://b:2)?randomize=false", nested.clone()),
        ("failover:tcp://a:1,tcp://b:2", composite("failover", vec![a(), b()], &[])),
        ("failover://tcp://a:1", composite("failover", vec![a()], &[])),
        (
            "failover:tcp://a:1?x=y,tcp://b:2?randomize=false",
            composite(
                "failover",
                vec![endpoint("a", 1, &[("x", "y")]), endpoint("b", 2, &[("randomize", "false")])],
                &[],
            ),
        ),
        (
            "static:(failover:(tcp://a:1,tcp://b:2)?randomize=false,tcp://b:2)?x=1",
            composite("static", vec![nested.clone(), b()], &[("x", "1")]),
        ),
        (
            "failover:static:(tcp://a:1)?x=1,tcp://b:2",
            composite("failover", vec![composite("static", vec![a()], &[("x", "1")]), b()], &[]),
        ),
        (
            "failover:(tcp://a:1)?priorityURIs=tcp://a:1,tcp://b:2",
            composite("failover", vec![a()], &[("priorityURIs", "tcp://a:1,tcp://b:2")]),
        ),
        (
            "static:(\n  tcp://a:1,\n  tcp://[::1]:2\n)",
            composite("static", vec![a(), endpoint("::1", 2, &[])], &[]),
        ),
        ("custom:(tcp://a:1)", composite("custom", vec![a()], &[])),
    ] {
        assert_eq!(text.parse::<Uri>().as_ref(), Ok(&uri), "{text}");
        assert_eq!(uri.to_string().parse::<Uri>().as_ref(), Ok(&uri), "{text} again");
    }
}

#[test]
fn discovery_addresses_have_their_own_port() {
    let Ok(Uri::Endpoint(multicast)) = "multicast://default?group=x".parse() else { panic!() };
    assert_eq!((multicast.host.as_str(), multicast.port), ("default", 6155));
    let registry: Endpoint = "http://host:8080/discovery/default".parse().unwrap();
    assert_eq!(registry.path, "/discovery/default");
    assert_eq!(registry.to_string(), "http://host:8080/discovery/default");
}

#[test]
fn mistakes_are_found_where_they_are() {
    let no_port = |host: &str| UriProblem::NoPort { scheme: "tcp".into(), host: host.into() };
    let bad_port = |found: &str| UriProblem::BadPort { found: found.into() };
    for (text, offset, problem) in [
        ("", 0, UriProblem::Empty),
        ("   ", 3, UriProblem::Empty),
        ("localhost:61616", 0, UriProblem::NoScheme { meant: "tcp://localhost:61616".into() }),
        ("host.org:61616", 0, UriProblem::NoScheme { meant: "tcp://host.org:61616".into() }),
        ("localhost", 0, UriProblem::NoScheme { meant: "tcp://localhost:61616".into() }),
        ("tcp//a:1", 0, UriProblem::NoScheme { meant: "tcp://a:1".into() }),
        ("failover(tcp://a:1)", 0, UriProblem::NoScheme { meant: "failover:(tcp://a:1)".into() }),
        (
            "multicst:default",
            9,
            UriProblem::NoSlashes { scheme: "multicst".into(), nearest: Some("multicast".into()) },
        ),
        ("//a:1", 0, UriProblem::NoScheme { meant: "tcp://a:1".into() }),
        ("tcp:a:1", 4, UriProblem::NoSlashes { scheme: "tcp".into(), nearest: None }),
        (
            "failovr:tcp://a:1",
            8,
            UriProblem::NoSlashes { scheme: "failovr".into(), nearest: Some("failover".into()) },
        ),
        ("tcp://host", 10, no_port("host")),
        ("tcp://host?x=y", 10, no_port("host")),
        ("tcp://[::1]", 11, no_port("[::1]")),
        ("static:(tcp://a:1,tcp://host)", 28, no_port("host")),
        ("tcp://a:", 8, bad_port("")),
        ("tcp://a:x", 8, bad_port("x")),
        ("tcp://a:+1", 8, bad_port("+1")),
        ("tcp://a:65536", 8, bad_port("65536")),
        ("tcp://[::1]1", 11, bad_port("1")),
        ("static:(tcp://a:1,tcp://b:70000)?x=y", 26, bad_port("70000")),
        ("tcp://:61616", 6, UriProblem::NoHost),
        ("tcp://::1:61616", 6, UriProblem::BareIpv6),
        ("tcp://[::g]:1", 7, UriProblem::BadIpv6 { found: "::g".into() }),
        ("tcp://[::1:1", 6, UriProblem::BadIpv6 { found: "[::1:1".into() }),
        ("tcp://me:secret@a:1", 6, UriProblem::UserInfo),
        ("tcp://a b:1", 7, UriProblem::BadHost { found: ' ' }),
        ("tcp://a,tcp://b:1", 7, UriProblem::BadHost { found: ',' }),
        ("tcp://a:1/x y", 11, UriProblem::BadPath { found: ' ' }),
        ("static:(tcp://a:1", 7, UriProblem::Unclosed),
        ("static:(failover:(tcp://a:1)", 7, UriProblem::Unclosed),
        ("static:(tcp://a:1))", 18, UriProblem::Unopened),
        ("static:()", 8, UriProblem::EmptyMember),
        ("static:(tcp://a:1,,tcp://b:2)", 18, UriProblem::EmptyMember),
        ("static:(tcp://a:1,)", 18, UriProblem::EmptyMember),
        ("failover:", 9, UriProblem::EmptyMember),
        ("static:(tcp://a:1)x=y", 18, UriProblem::AfterParenthesis { found: "x=y".into() }),
        ("tcp://a:1?x", 10, UriProblem::NoValue { name: "x".into() }),
        ("tcp://a:1?=x", 10, UriProblem::NoName),
        ("tcp://a:1?x=1&y=2&x=3", 18, UriProblem::Repeated { name: "x".into() }),
        ("tcp://a:1?x=1&y=%2", 16, UriProblem::BadEscape { found: "%2".into() }),
        ("tcp://a:1?y=%zz", 12, UriProblem::BadEscape { found: "%zz".into() }),
        ("tcp://a:1?y=%ff", 12, UriProblem::BadEscape { found: "%ff".into() }),
    ] {
        let error = text.parse::<Uri>().expect_err(text);
        assert_eq!((error.offset, error.reason), (offset, problem), "{text}");
    }
}

#[test]
fn errors_read_well() {
    for (text, message) in [
        ("tcp://host", "the port is missing: write tcp://host:61616 (column 11 of \"tcp://host\")"),
        (
            "host",
            "the address starts with no scheme: write tcp://host:61616 (column 1 of \"host\")",
        ),
        (
            "failovr:tcp://a:1",
            "\"failovr:\" must be followed by //; did you mean \"failover\"? \
             (column 9 of \"failovr:tcp://a:1\")",
        ),
    ] {
        assert_eq!(text.parse::<Uri>().unwrap_err().to_string(), message);
    }
    // Columns count characters, offsets bytes.
    let error = "tcp://a:1?é=1&x".parse::<Uri>().unwrap_err();
    assert_eq!((error.offset, error.column()), (15, 15));
}

#[test]
fn a_composite_is_no_endpoint() {
    let error = " static:(tcp://a:1)".parse::<Endpoint>().unwrap_err();
    assert_eq!(
        (error.offset, error.reason),
        (1, UriProblem::NotAnEndpoint { scheme: "static".into() })
    );
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |depth: usize| format!("{}tcp://a:1{}", "static:(".repeat(depth), ")".repeat(depth));
    assert!(deep(16).parse::<Uri>().is_ok());
    let error = deep(17).parse::<Uri>().unwrap_err();
    assert_eq!(error.reason, UriProblem::TooDeep { limit: 16 });
    let error = deep(3_000).parse::<Uri>().unwrap_err();
    assert_eq!(error.reason, UriProblem::TooDeep { limit: 16 });
    let long = format!("tcp://a:1?x={}", "y".repeat(70_000));
    assert!(matches!(long.parse::<Uri>().unwrap_err().reason, UriProblem::TooLong { .. }));
}

#[test]
fn nested_options_are_handed_down() {
    let Ok(Uri::Composite(mut failover)) =
        "failover:(tcp://a:1?x=own,tcp://b:2)?nested.x=y&nested.z=1&randomize=false".parse()
    else {
        panic!()
    };
    failover.hand_down_nested_options();
    assert_eq!(
        failover.to_string(),
        "failover:(tcp://a:1?x=own&z=1,tcp://b:2?x=y&z=1)?randomize=false"
    );
}

#[test]
fn endpoints_are_found_at_any_depth() {
    let uri: Uri = "static:(failover:(tcp://a:1,tcp://b:2),tcp://c:3)".parse().unwrap();
    let hosts: Vec<&str> = uri.endpoints().iter().map(|it| it.host.as_str()).collect();
    assert_eq!(hosts, ["a", "b", "c"]);
}

fn some_options() -> impl Strategy<Value = Options> {
    prop::collection::vec(("[a-zA-Z.&=+%() é]{0,6}x", ".{0,8}x|"), 0..3)
        .prop_map(|entries| entries.into_iter().map(|(n, v)| (n.trim().to_owned(), v)).collect())
}

fn some_endpoint() -> impl Strategy<Value = Uri> {
    let host = prop_oneof![
        "[a-z0-9._-]{1,8}",
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
    ];
    let path = prop_oneof![Just(String::new()), "(/[a-z%0-9]{0,4}){1,3}"];
    let scheme = prop_oneof!["tcp", "ssl", "multicast"];
    (scheme, host, any::<u16>(), path, some_options()).prop_map(
        |(scheme, host, port, path, options)| {
            Uri::Endpoint(Endpoint { scheme, host, port, path, options })
        },
    )
}

fn some_uri() -> impl Strategy<Value = Uri> {
    some_endpoint().prop_recursive(3, 12, 3, |member| {
        let scheme = prop_oneof!["static", "failover", "own\\+[a-z]{1,3}"];
        (scheme, prop::collection::vec(member, 1..4), some_options()).prop_map(
            |(scheme, members, options)| Uri::Composite(Composite { scheme, members, options }),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_parses_to_the_same(uri in some_uri()) {
        let text = uri.to_string();
        prop_assert_eq!(text.parse::<Uri>(), Ok(uri), "{}", text);
    }

    #[test]
    fn no_text_is_too_strange(text in "(static|tcp|:|/|\\(|\\)|,|\\?|=|&|%|\\[|\\]|a|1| |é){0,24}") {
        if let Ok(uri) = text.parse::<Uri>() {
            prop_assert_eq!(uri.to_string().parse::<Uri>(), Ok(uri));
        }
    }
}

#[test]
fn names_for_a_name_server_and_paths_of_files() {
    for (text, shown) in [
        ("dns:(_openwire._tcp.example.org)", "dns:(_openwire._tcp.example.org)"),
        ("dns:( a.example:61616 , b )?minRefresh=5", "dns:(a.example:61616,b)?minRefresh=5"),
        ("dns://a.example:1?timeout=9", "dns:(a.example:1)?timeout=9"),
        ("DNS:a.example", "dns:(a.example)"),
        ("failover:(dns:(a:1),tcp://b:2)", "failover:(dns:(a:1),tcp://b:2)"),
        ("file:peers.txt", "file:peers.txt"),
        ("file:///etc/peers%20of%20us?pollInterval=9", "file:/etc/peers%20of%20us?pollInterval=9"),
        ("http:(http://a/x,http://b:1/y)", "http:(http://a:80/x,http://b:1/y)"),
    ] {
        let uri: Uri = text.parse().unwrap();
        assert_eq!(uri.to_string(), shown, "{text}");
        assert_eq!(shown.parse::<Uri>().unwrap(), uri, "{text}");
    }
    for broken in ["dns:()", "dns:(a,,b)", "dns:(a:x)", "dns:(a b)", "file:", "file:?x=y", "dns:"] {
        assert!(broken.parse::<Uri>().is_err(), "{broken}");
    }
}
