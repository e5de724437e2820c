//! Every selector picks the same messages as on ActiveMQ; where FerryMQ follows JMS and ActiveMQ
//! does not, both are shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Ferry, Jms, Kind, Subject, on_both, subjects};

/// The messages, by their bodies `a` to `h`; `z`, which everybody gets, is the last.
fn messages() -> Vec<(&'static str, Value)> {
    vec![
        (
            "plain",
            json!({"body": "a", "properties": {
                "colour": "red", "size": {"int": 5}, "weight": {"double": 2.5},
                "urgent": {"boolean": true}
            }}),
        ),
        (
            "plain",
            json!({"body": "b", "jms_type": "invoice", "properties": {
                "colour": "blue", "size": {"long": 7}, "weight": {"float": 1.5},
                "urgent": {"boolean": false}
            }}),
        ),
        (
            "plain",
            json!({"body": "c", "correlation_id": "c-1", "properties": {
                "colour": "100%", "size": {"short": -5}, "word": "5", "limit": {"int": 5}
            }}),
        ),
        (
            "plain",
            json!({"body": "d", "properties": {
                "colour": "it's_here", "size": {"byte": 0}, "$_town1": "Zürich€",
                "face": "a\u{1F600}b"
            }}),
        ),
        (
            "urgent",
            json!({"body": "e", "reply_to": "queue://answers", "properties": {
                "colour": "", "size": {"long": 9_223_372_036_854_775_807_i64},
                "JMSXGroupID": "group", "JMSXGroupSeq": {"int": 3}
            }}),
        ),
        (
            "urgent",
            json!({"body": "f", "kind": "text", "properties": {
                "colour": "line\nbreak", "size": {"double": 1e300}, "limit": {"long": 5}
            }}),
        ),
        ("urgent", json!({"body": "g", "properties": {"colour": "Red", "word": "five"}})),
        ("plain", json!({"body": "h"})),
    ]
}

const ALIKE: &[&str] = &[
    "colour = 'red'",
    "colour <> 'red'",
    "NOT (colour = 'red')",
    "'red' = colour",
    "colour = 'it''s_here'",
    "colour = ''",
    "colour IS NULL",
    "colour IS NOT NULL",
    "size = 5",
    "size <> 5",
    "size > 0",
    "size >= 5 AND size <= 7",
    "size < 1",
    "size = 5.0",
    "size = 9223372036854775807",
    "size > 9.2e18",
    "size > -1e2 AND size < +1.E2",
    "size = 0x5 OR size = 07 OR size = -5L",
    "5 = size",
    "size BETWEEN 0 AND 7",
    "size NOT BETWEEN 0 AND 7",
    "size BETWEEN weight AND weight + 3",
    "weight = 2.5",
    "weight > 1.4 AND weight < 1.6",
    "weight * 2 = size AND urgent",
    "size + 1 = 6",
    "size - 1 = 4",
    "size / 2 = 2.5",
    "size % 3 = 2",
    "size * 2 + 4 = 14",
    // Not of a short or a byte: on ActiveMQ that fails, and the message reaches nobody.
    "-limit = -5",
    "size + 2 * 3 = 11",
    "(size + 2) * 3 = 21",
    "size - -1 = 6",
    "size > limit",
    "limit = size AND colour = 'red'",
    "urgent",
    "NOT urgent",
    "urgent = TRUE",
    "urgent = false",
    "urgent <> TRUE",
    "urgent IS NULL",
    "urgent OR size > 6",
    "urgent AND size > 6",
    "NOT (urgent AND size > 6)",
    "urgent OR NULL",
    "TRUE",
    "FALSE",
    "NULL",
    "size > 6 OR size < 0 AND colour = 'blue'",
    "(size > 6 OR size < 0) AND colour = 'blue'",
    "(size > 4) = TRUE",
    "colour LIKE 'r%'",
    "colour LIKE '_ed'",
    "colour LIKE '%e%'",
    "colour LIKE '%'",
    "colour LIKE ''",
    "colour LIKE '%\n%'",
    "colour LIKE 'line_break'",
    "colour LIKE '100!%' ESCAPE '!'",
    "colour LIKE '%!_%' ESCAPE '!'",
    "colour LIKE 'r!ed' ESCAPE '!'",
    "colour LIKE 'r.d'",
    "colour NOT LIKE '%e%'",
    "size LIKE '5'",
    "size NOT LIKE '5'",
    "colour IN ('red', 'blue')",
    "colour NOT IN ('red', 'blue')",
    "colour IN ('it''s_here')",
    "size IN ('5')",
    "size NOT IN ('5')",
    "word = 5",
    "word = '5'",
    "word > 4",
    "$_town1 LIKE 'Z_rich_'",
    "$_town1 = 'Zürich€'",
    "JMSPriority > 4",
    "JMSPriority = 9",
    "JMSDeliveryMode = 'PERSISTENT'",
    "JMSDeliveryMode = 'NON_PERSISTENT'",
    "JMSDeliveryMode IN ('PERSISTENT')",
    "JMSType = 'invoice'",
    "JMSType IS NULL",
    "JMSCorrelationID LIKE 'c-_'",
    "JMSReplyTo = 'queue://answers'",
    "JMSMessageID LIKE 'ID:%'",
    "JMSTimestamp > 1500000000000",
    "JMSExpiration = 0",
    "JMSRedelivered = FALSE",
    "JMSXDeliveryCount = 1",
    "JMSXGroupID = 'group'",
    "JMSXGroupSeq = 3",
    "JMSXUserID IS NULL",
    "JMSXProducerTXID IS NULL",
    "jmspriority IS NULL",
    "colour /* any but * red */ <> 'red'",
    "urgent -- and nothing else\n",
    "size --1 = 6",
    "colour='red'or(size=7)",
    "not(colour='red')and size is not null",
];

/// A selector, what it picks on ActiveMQ, and what on FerryMQ.
const DIFFERENT: &[(&str, &str, &str)] = &[
    // SQL: NOT binds less tightly than a comparison.
    ("NOT size = 5", "", "bcdef"),
    // JMS: the comparison of unlike types is false.
    ("word <> 6", "cg", ""),
    ("size <> '5'", "abcdef", ""),
    // JMS: exact numbers are alike, whatever their types.
    ("-5 = size", "", "c"),
    ("0 = size", "", "d"),
    // JMS: nothing is equal to what is absent.
    ("NOT (colour = word)", "abcdefg", "cg"),
    ("size = limit", "gh", ""),
    // ActiveMQ reads the texts of properties as UTF-8, which they are not.
    ("face = 'a\u{1F600}b'", "", "d"),
    ("face LIKE 'a_b'", "", "d"),
    // No infinities.
    ("size / 0 > 1", "abdef", ""),
];

/// Subscribes with each selector, sends the messages, and says what came to whom.
fn picked(jms: &mut Jms, url: &str, selectors: &[&str]) -> Vec<(String, String)> {
    jms.connect("c", url, "auto");
    let named: Vec<String> = selectors.iter().map(|text| format!("k {text}")).collect();
    for (name, text) in named.iter().zip(selectors) {
        // Nobody waits for silence: the last message is for everybody. The line is for comments.
        let selector = format!("({text}\n) OR last = TRUE");
        jms.call(json!({
            "op": "consumer", "as": name, "on": "c.s", "from": "topic://parcels",
            "selector": selector
        }));
    }
    for (name, priority, persistent) in [("plain", 4, false), ("urgent", 9, true)] {
        jms.call(json!({
            "op": "producer", "as": name, "on": "c.s", "to": "topic://parcels",
            "priority": priority, "persistent": persistent
        }));
    }
    let last = ("plain", json!({"body": "z", "properties": {"last": {"boolean": true}}}));
    for (producer, mut call) in messages().into_iter().chain([last]) {
        let sending = call.as_object_mut().expect("an object");
        sending.insert("op".to_owned(), json!("send"));
        sending.insert("on".to_owned(), json!(producer));
        sending.insert("session".to_owned(), json!("c.s"));
        jms.call(call);
    }
    let mut outcome = Vec::new();
    for (name, text) in named.iter().zip(selectors) {
        let mut bodies = String::new();
        while !bodies.ends_with('z') {
            bodies.push_str(&jms.receive_text(name));
        }
        bodies.pop();
        outcome.push(((*text).to_owned(), bodies));
    }
    outcome
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn every_selector_picks_what_it_picks_on_activemq() {
    on_both(|jms, url| {
        let outcome = picked(jms, url, ALIKE);
        let distinct: std::collections::BTreeSet<_> =
            outcome.iter().map(|(_, bodies)| bodies).collect();
        assert!(distinct.len() > 20, "the messages do not tell the selectors apart: {distinct:?}");
        outcome
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn where_jms_and_activemq_part_ferrymq_follows_jms() {
    let selectors: Vec<&str> = DIFFERENT.iter().map(|(selector, ..)| *selector).collect();
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let outcome = picked(&mut Jms::start(), broker.url(), &selectors);
        let expected: Vec<(String, String)> = DIFFERENT
            .iter()
            .map(|(selector, activemq, ferrymq)| {
                let bodies = if kind == Kind::ActiveMq { activemq } else { ferrymq };
                ((*selector).to_owned(), (*bodies).to_owned())
            })
            .collect();
        assert_eq!(outcome, expected, "{kind:?}");
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_queue_keeps_what_nobody_selects_and_holds_up_nobody() {
    on_both(|jms, url| {
        jms.connect_with(json!({"as": "c", "url": url, "prefetch": 1}), "auto");
        jms.produce("p", "c", "queue://mixed", true);
        let send = |jms: &mut Jms, number: i32| {
            let properties = json!({"kind": {"int": number % 3}});
            jms.call(json!({
                "op": "send", "on": "p", "session": "c.s", "body": number.to_string(),
                "properties": properties
            }));
        };
        (0..12).for_each(|number| send(jms, number));
        for kind in [1, 2] {
            jms.call(json!({
                "op": "consumer", "as": format!("k{kind}"), "on": "c.s", "from": "queue://mixed",
                "selector": format!("kind = {kind}")
            }));
        }
        (12..24).for_each(|number| send(jms, number));
        let mut seen = Vec::new();
        for kind in ["k2", "k1"] {
            seen.push((0..8).map(|_| jms.receive_text(kind)).collect::<Vec<_>>());
            jms.nothing_comes(kind);
        }
        jms.consume("rest", "c", "queue://mixed");
        seen.push((0..8).map(|_| jms.receive_text("rest")).collect::<Vec<_>>());
        jms.nothing_comes("rest");
        seen
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn a_selector_may_ask_for_redelivered_messages() {
    on_both(|jms, url| {
        jms.connect("first", url, "client");
        jms.consume("k first", "first", "queue://again");
        jms.connect("c", url, "auto");
        jms.produce("p", "c", "queue://again", true);
        jms.send_text("p", "c", "one");
        assert_eq!(jms.receive_text("k first"), "one");
        jms.call(json!({
            "op": "consumer", "as": "k", "on": "c.s", "from": "queue://again",
            "selector": "JMSRedelivered AND JMSXDeliveryCount = 2"
        }));
        jms.send_text("p", "c", "two");
        jms.nothing_comes("k");
        jms.close("first");
        assert_eq!(jms.receive_text("k"), "one");
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn what_only_activemq_knows_is_refused_in_so_many_words() {
    let broker = Ferry::named("strict").start();
    let mut jms = Jms::start();
    jms.connect("c", broker.url(), "auto");
    for (selector, said) in [
        ("XPATH '//a'", "at character 1: XPATH is not supported"),
        ("colour = 'red' AND REGEX('r.*', colour)", "at character 20: functions are not supported"),
    ] {
        let refusal = jms
            .attempt(json!({
                "op": "consumer", "as": "k", "on": "c.s", "from": "queue://q", "selector": selector
            }))
            .expect_err(selector);
        assert_eq!(refusal.class, "javax.jms.InvalidSelectorException");
        assert!(refusal.message.contains(said), "{refusal:?}");
    }
    jms.consume("k", "c", "queue://q");
    jms.produce("p", "c", "queue://q", true);
    jms.send_text("p", "c", "still here");
    assert_eq!(jms.receive_text("k"), "still here");
}
