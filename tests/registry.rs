//! Brokers register with registries and are found by whoever asks one; registries are independent,
//! so that one may fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Answer, Ferry, FerrySetup, PATIENCE, get, links, raw_http, until, until_linked};

fn registrar(name: &str) -> FerrySetup {
    Ferry::named(name).configure("[admin]\ndiscovery_registry = true\n").admin()
}

fn ask(admin: &str, method: &str, path: &str, service: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nservice: {service}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    raw_http(admin, request.as_bytes()).expect("an answer")
}

/// Requests as ActiveMQ's agent makes them, and the answers that it expects of its servlet.
#[test]
fn a_registry_answers_as_activemqs() {
    let registrar = registrar("registrar").start();
    let admin = registrar.admin();
    let path = "/discovery-registry/default";
    assert_eq!(get(&admin, path).body, "");
    for service in ["tcp://a:61616", "tcp://b:61616?x=y"] {
        let answer = ask(&admin, "PUT", path, service);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    let fresh = get(&admin, &format!("{path}?freshness=30000"));
    assert_eq!((fresh.status, fresh.body.as_str()), (200, "tcp://a:61616\ntcp://b:61616?x=y\n"));
    assert_eq!(get(&admin, "/discovery-registry/other").body, "");
    assert_eq!(get(&admin, &format!("{path}?freshness=0")).body, "", "nobody is as fresh");
    assert_eq!(ask(&admin, "DELETE", path, "tcp://a:61616").status, 200);
    assert_eq!(get(&admin, path).body, "tcp://b:61616?x=y\n");
    // What makes no sense is refused, and so is a page in a browser that calls it by another name.
    assert_eq!(ask(&admin, "PUT", path, "hello").status, 400);
    assert_eq!(get(&admin, &format!("{path}?freshness=soon")).status, 400);
    assert_eq!(ask(&admin, "POST", path, "tcp://a:1").status, 405);
    let foreign =
        format!("PUT {path} HTTP/1.1\r\nHost: evil.example\r\nservice: tcp://a:1\r\n\r\n");
    assert_eq!(raw_http(&admin, foreign.as_bytes()).expect("an answer").status, 403);
    // Nobody registers where that was not asked for.
    let plain = Ferry::named("plain").admin().start();
    assert_eq!(ask(&plain.admin(), "PUT", path, "tcp://a:1").status, 404);
}

#[test]
fn brokers_find_each_other_while_any_registry_lives() {
    let [mut one, two] = ["one", "two"].map(|name| registrar(name).start());
    let registries =
        [&one, &two].map(|registrar| format!("{}/discovery-registry/quay", registrar.admin()));
    let uri = format!("http:({})?updateInterval=100", registries.join(","));
    let find = format!("{uri}&initialReconnectDelay=100");
    let start = |name: &str| Ferry::named(name).announce(&uri).network(&find).admin().start();
    let (a, b) = (start("a"), start("b"));
    until_linked("a", PATIENCE, &["b"], || links(&a.admin()));
    until_linked("b", PATIENCE, &["a"], || links(&b.admin()));
    one.process.kill();
    let c = start("c");
    until_linked("a", PATIENCE, &["b", "c"], || links(&a.admin()));
    until_linked("c", PATIENCE, &["a", "b"], || links(&c.admin()));
    let url = c.url().to_owned();
    assert_eq!(c.terminate().code(), Some(0));
    until_linked("a", PATIENCE, &["b"], || links(&a.admin()));
    until("c has taken leave of the registry", PATIENCE, || {
        (!get(&two.admin(), "/discovery-registry/quay").body.contains(&url)).then_some(())
    });
}

/// What ActiveMQ's agent writes, byte for byte (its HTTP client is Apache's). It would keep the
/// connection; the registry closes it, and says so.
#[test]
fn a_registry_understands_activemqs_agent() {
    let registrar = registrar("registrar").start();
    let admin = registrar.admin();
    let host = admin.strip_prefix("http://").expect("an address");
    let path = "/discovery-registry/default";
    let rest = format!(
        "Host: {host}\r\nConnection: Keep-Alive\r\nUser-Agent: Apache-HttpClient/4.5.14 \
         (Java/17.0.9)\r\nAccept-Encoding: gzip,deflate\r\n\r\n"
    );
    let service = "service: tcp://theirs:61616\r\n";
    let exchange = |request: String| {
        let answer = raw_http(&admin, (request + &rest).as_bytes()).expect("an answer");
        assert!(answer.has_header("connection", "close"), "{answer:?}");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let get = format!("GET {path}?freshness=30000 HTTP/1.1\r\n");
    assert_eq!(exchange(format!("PUT {path} HTTP/1.1\r\n{service}Content-Length: 0\r\n")), "");
    assert_eq!(exchange(get.clone()), "tcp://theirs:61616\n");
    assert_eq!(exchange(format!("DELETE {path} HTTP/1.1\r\n{service}")), "");
    assert_eq!(exchange(get), "");
}
