//! A JMS client that sends to a full broker is told so as ActiveMQ tells it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::{ActiveMq, Ferry, Jms, PATIENCE, until};

const FULL: &str = "javax.jms.ResourceAllocationException";

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_jms_client_gets_the_exception_that_activemq_throws() {
    let ferry = Ferry::named("full")
        .configure("[[destination_policy]]\nmatch = \"queue://>\"\nmemory_limit = \"64KiB\"")
        .configure("[system_usage]\nsend_fail_if_no_space = true")
        .start();
    let activemq =
        ActiveMq::named("full").flag("--queue-memory-kb", "64").flag("--send-fail", "true").start();
    let mut jms = Jms::start();
    let body = "x".repeat(8 * 1024);
    for url in [ferry.url(), activemq.url()] {
        jms.connect("waits", url, "auto");
        jms.produce("asking", "waits", "queue://full", true);
        let send = |producer: &str, connection: &str| {
            let session = format!("{connection}.s");
            json!({"op": "send", "on": producer, "session": session, "body": body})
        };
        let refused = (0..100).find_map(|_| jms.attempt(send("asking", "waits")).err());
        let refused = refused.unwrap_or_else(|| panic!("{url} took all"));
        assert_eq!(refused.class, FULL, "{url}: {}", refused.message);
        assert!(refused.message.contains("queue://full"), "{}", refused.message);
        // Who does not wait hears of it by the connection's listener.
        jms.connect_with(json!({"as": "hurries", "url": url, "async_send": true}), "auto");
        jms.produce("telling", "hurries", "queue://full", true);
        jms.call(send("telling", "hurries"));
        until("the listener is told", PATIENCE, || {
            jms.exceptions("hurries").iter().any(|one| one.contains(FULL)).then_some(())
        });
        jms.close("hurries");
        jms.close("waits");
    }
}
