//! Why is it stuck? For a message that waits, `explain` names every consumer and link that was
//! considered, the reason of each, and what would move it. Each situation here is built on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use ferrymq_client::{AckMode, Consumer, ConsumerOptions, OutgoingMessage};
use serde_json::Value;
use support::{
    Ferry, FerrySetup, Native, PATIENCE, Process, destination, ferrymq_command, free_port, get,
    numbers, text, until,
};

/// A connector that tries again at once.
fn connector(name: &str, url: &str, settings: &str) -> String {
    format!(
        "[[network_connector]]\nname = \"{name}\"\n\
         uri = \"static:({url})?initialReconnectDelay=50&maxReconnectDelay=50\"\n{settings}\n"
    )
}

fn broker(name: &str) -> FerrySetup {
    Ferry::named(name).admin()
}

/// Explains a queue again and again until one of those that are considered has this verdict.
fn verdict(broker: &Ferry, queue: &str, verdict: &str) -> Situation {
    let path = format!("/api/v1/explain?queue={queue}");
    let found = until(&format!("{verdict} at {queue}"), PATIENCE, || {
        let answer = get(&broker.admin(), &path).json();
        let considered = answer["considered"].as_array().expect("a list").clone();
        let one = considered.into_iter().find(|one| one["verdict"] == verdict)?;
        Some(Situation { answer, one })
    });
    assert!(found.answer["message"]["id"].is_string(), "{}", found.answer);
    found
}

/// An explanation, and the one that is looked at among those that were considered.
struct Situation {
    answer: Value,
    one: Value,
}

impl Situation {
    fn reason(&self) -> &str {
        self.one["reason"].as_str().expect("a reason")
    }

    /// It is of this kind and name, and says this.
    fn says(&self, kind: &str, name: &str, reason: &str) -> &Self {
        let Self { one, .. } = self;
        assert_eq!((&one["kind"], &one["name"]), (&kind.into(), &name.into()), "{one}");
        assert!(self.reason().contains(reason), "{one}");
        self
    }

    /// What would change its verdict is among what would move the message.
    fn is_moved_by(&self, remedy: &str) -> &Self {
        let given = self.one["would_move_it"].as_str().expect("a way out");
        assert!(given.contains(remedy), "{given}");
        let all = self.answer["would_move_it"].as_array().expect("a list");
        assert!(all.contains(&given.into()), "{}", self.answer);
        self
    }
}

async fn selective(client: &Native, from: &str, selector: &str) -> Consumer {
    let options = ConsumerOptions::new(destination(from)).selector(selector);
    client.session.consumer(options).await.expect("a consumer")
}

async fn narrow(client: &Native, from: &str, prefetch: u32) -> Consumer {
    let options = ConsumerOptions::new(destination(from)).prefetch(prefetch);
    client.session.consumer(options).await.expect("a consumer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_alone_tells_what_its_own_consumers_lack() {
    let alone = broker("alone").start();
    let client = Native::connect(alone.url()).await;
    let name = client.connection.client_id().to_owned();
    let explained = |queue: &str| get(&alone.admin(), &format!("/api/v1/explain?queue={queue}"));

    // 1: no such queue.
    let nothing = explained("nothing").json();
    assert_eq!((&nothing["exists"], &nothing["message"]), (&false.into(), &Value::Null));

    // 2: nobody at all.
    client.send_numbers("queue://nobody", 0, 3).await;
    let nobody = explained("nobody").json();
    assert!(nobody["summary"].as_str().unwrap().contains("no consumer here, and no link"));
    assert_eq!((&nobody["waiting"], &nobody["considered"]), (&3.into(), &serde_json::json!([])));
    let moved = nobody["would_move_it"][0].as_str().unwrap();
    assert!(moved.contains("a consumer of queue://nobody at alone"), "{moved}");

    // 3: a selector.
    let _choosy = selective(&client, "queue://choosy", "colour = 'red'").await;
    client.send_numbers("queue://choosy", 0, 1).await;
    verdict(&alone, "choosy", "selector")
        .says("consumer", &name, "its selector is not true of the message: colour = 'red'")
        .is_moved_by("a consumer without a selector");

    // 4: a window that is full, and 5: what is in it.
    let slow = Native::with_mode(alone.url(), AckMode::Client).await;
    let held = narrow(&slow, "queue://slow", 2).await;
    client.send_numbers("queue://slow", 0, 5).await;
    let slow_name = slow.connection.client_id().to_owned();
    verdict(&alone, "slow", "window_full")
        .says("consumer", &slow_name, "it has 2 of 2 messages, and has acknowledged none yet")
        .is_moved_by(&format!("acknowledgements of {slow_name}"));
    let first = held.receive_within(PATIENCE).await.unwrap().expect("the first message");
    let id = first.message_id().unwrap().to_string();
    let in_flight = verdict(&alone, &format!("slow&message={id}"), "in_flight");
    in_flight.says("consumer", &slow_name, "it has the message, ").is_moved_by("it goes");
    assert_eq!(in_flight.answer["message"]["id"], *id);
    assert_eq!(in_flight.answer["considered"].as_array().unwrap().len(), 1);

    // 6: a message that is not there any more, and one that cannot be meant.
    first.ack().unwrap();
    until("it is acknowledged", PATIENCE, || {
        let answer = explained(&format!("slow&message={id}")).json();
        answer["summary"].as_str().unwrap().contains("is not in queue://slow").then_some(())
    });
    assert_eq!(explained("slow&message=17").status, 400);
    assert_eq!(explained("topic://slow").status, 400);

    // 7: expired, and not yet swept away.
    let producer = client.producer("queue://late").await;
    let fleeting = OutgoingMessage::text("soon gone").ttl(Duration::from_millis(1));
    producer.send(fleeting).await.unwrap();
    let _late = narrow(&slow, "queue://late", 1).await;
    until("it has expired", PATIENCE, || {
        let answer = explained("late").json();
        let summary = answer["summary"].as_str().unwrap();
        (summary.contains("expired") || answer["waiting"] == 0).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so() {
    let full = broker("full")
        .configure("[[destination_policy]]\nmatch = \"queue://small\"\nmemory_limit = \"4KiB\"")
        .start();
    let client = Native::connect(full.url()).await;
    let producer = client.producer("queue://small").await;
    for _ in 0..4 {
        // The last of them are confirmed when there is room, which never comes.
        let _ = producer.submit(OutgoingMessage::bytes(vec![0; 2_000])).await.unwrap();
    }
    until("it is full", PATIENCE, || {
        let answer = get(&full.admin(), "/api/v1/explain?queue=small").json();
        let summary = answer["summary"].as_str().unwrap().to_owned();
        (answer["full"] == true && summary.contains("producers wait")).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_put_together_by_what_holds_them_up() {
    let broker = broker("sorted").start();
    let client = Native::connect(broker.url()).await;
    let _red = selective(&client, "queue://mixed", "colour = 'red'").await;
    let full = Native::with_mode(broker.url(), AckMode::Client).await;
    let blue = ConsumerOptions::new(destination("queue://mixed"));
    let blue = blue.selector("colour = 'blue'").prefetch(1);
    let _blue = full.session.consumer(blue).await.unwrap();
    let producer = client.producer("queue://mixed").await;
    for colour in ["blue", "blue", "blue", "green", "green", "green", "green"] {
        let message = OutgoingMessage::text(colour).property("colour", colour);
        producer.send(message).await.unwrap();
    }
    let answer = get(&broker.admin(), "/api/v1/explain?queue=mixed").json();
    assert_eq!((&answer["looked_at"], &answer["waiting"]), (&6.into(), &6.into()));
    let groups = answer["groups"].as_array().unwrap();
    let verdicts = |group: &Value| -> Vec<String> {
        let findings = group["findings"].as_array().unwrap().iter();
        findings.map(|one| one["verdict"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(groups.len(), 2, "{answer}");
    assert_eq!(
        (&groups[0]["messages"], verdicts(&groups[0])),
        (&4.into(), vec!["selector".to_owned(), "selector".to_owned()])
    );
    assert_eq!(groups[1]["messages"], 2);
    assert!(verdicts(&groups[1]).contains(&"window_full".to_owned()), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_tells_why_nothing_crosses_it() {
    let paris = broker("paris").start();
    let nobody = format!("tcp://127.0.0.1:{}", free_port());
    let london = broker("london")
        .configure(&connector("plain", paris.url(), ""))
        .configure(&connector("closed", paris.url(), "excluded = [\"queue://local.>\"]"))
        .configure(&connector(
            "narrow",
            paris.url(),
            "dynamically_included = [\"queue://orders.>\"]",
        ))
        .configure(&connector(
            "standing",
            paris.url(),
            "static_bridge = true\nstatically_included = [\"queue://archive\"]",
        ))
        .configure(&connector("dead", &nobody, ""))
        .configure(&format!(
            "[[network_connector]]\nname = \"over\"\n\
             uri = \"static:({nobody})?initialReconnectDelay=50&maxReconnectAttempts=1\""
        ))
        .start();
    let (at_london, at_paris) =
        (Native::connect(london.url()).await, Native::connect(paris.url()).await);
    at_london.send_numbers("queue://local.notes", 0, 1).await;

    // 8: no demand. 9: excluded. 10: not included. 11: no demand is followed.
    verdict(&london, "local.notes", "no_demand")
        .says("link", "plain -> paris", "has announced no consumer since the link is up")
        .is_moved_by("a consumer of queue://local.notes at paris");
    verdict(&london, "local.notes", "excluded")
        .says("link", "closed -> paris", "excluded by queue://local.>")
        .is_moved_by("taking queue://local.> out of the connector's `excluded`");
    verdict(&london, "local.notes", "not_included")
        .says("link", "narrow -> paris", "matches none of the inclusions")
        .is_moved_by("`dynamically_included`");
    verdict(&london, "local.notes", "static_bridge")
        .says("link", "standing -> paris", "follows no demand")
        .is_moved_by("queue://local.notes in the connector's `statically_included`");

    // 12: down, with the next try. 13: given up.
    let down = verdict(&london, "local.notes", "link_down");
    down.says("link", &format!("dead -> {nobody}"), "the link is down for");
    down.is_moved_by(&format!("becoming reachable at {nobody}"));
    assert!(down.reason().contains("next try in"), "{}", down.reason());
    assert!(down.one["next_try_in_ms"].is_u64(), "{}", down.one);
    verdict(&london, "local.notes", "link_given_up")
        .says("link", &format!("over -> {nobody}"), "the link was given up")
        .is_moved_by("restart");

    // 14: there was demand, and it went.
    let wanted = at_paris.consumer("queue://orders.new").await;
    at_london.send_numbers("queue://orders.new", 0, 1).await;
    assert_eq!(numbers(&wanted, 1).await, [0]);
    wanted.close();
    until("the news has arrived", PATIENCE, || {
        let answer = get(&london.admin(), "/api/v1/explain?queue=orders.new").json();
        let considered = answer["considered"].as_array().unwrap();
        let plain = considered.iter().find(|one| one["name"] == "plain -> paris")?;
        plain["consumer_id"].is_null().then_some(())
    });
    at_london.send_numbers("queue://orders.new", 1, 1).await;
    verdict(&london, "orders.new", "no_demand").says(
        "link",
        "plain -> paris",
        "the last consumer at paris left",
    );

    // All of it in words.
    let admin = london.admin();
    let arguments = ["explain", "queue://local.notes", "--admin", &admin];
    let shown = Process::spawn("ferrymq explain", ferrymq_command(&arguments)).ended();
    assert_eq!(shown.code(), Some(0), "{shown:?}");
    for line in [
        "queue://local.notes at london: 1 waiting, 0 in flight",
        "the message waits: none of these can take it now",
        "what would move it",
    ] {
        assert!(shown.stdout.iter().any(|shown| shown == line), "{line} is not in {shown:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hop_limits_of_messages_and_of_demand_are_named() {
    let rome = broker("rome").start();
    let paris = broker("paris").configure(&connector("on", rome.url(), "message_ttl = 1")).start();
    let london = broker("london")
        .configure(&connector("far", paris.url(), "statically_included = [\"queue://two.hops\"]"))
        .configure(&connector("near", paris.url(), "consumer_ttl = 1"))
        .start();
    let (at_london, at_paris, at_rome) = (
        Native::connect(london.url()).await,
        Native::connect(paris.url()).await,
        Native::connect(rome.url()).await,
    );

    // 15: the message has passed one bridge, and may pass no other.
    let beyond = at_rome.consumer("queue://two.hops").await;
    at_london.send_numbers("queue://two.hops", 0, 1).await;
    let limit = verdict(&paris, "two.hops", "hop_limit");
    limit.says("link", "on -> rome", "1 bridges passed of 1 allowed").is_moved_by("network_ttl");
    assert_eq!(limit.answer["message"]["path"].as_array().unwrap().len(), 1);
    assert_eq!(limit.answer["message"]["path_names"], serde_json::json!(["london"]));
    let shown = Process::spawn(
        "ferrymq explain",
        ferrymq_command(&["explain", "two.hops", "--admin", &paris.admin()]),
    );
    let shown = shown.ended();
    assert!(shown.stdout.iter().any(|line| line.contains("came by way of london")), "{shown:?}");
    // What paris has from its own producer goes on.
    at_paris.send_numbers("queue://two.hops", 7, 1).await;
    assert_eq!(text(&beyond).await, "7");

    // 16: the demand has passed one bridge.
    let full = Native::with_mode(london.url(), AckMode::Client).await;
    let _keeps_it = narrow(&full, "queue://two.hops", 1).await;
    verdict_of_link(&london, "two.hops", "near -> paris", "hop_limit");

    // 17: the bridge beyond takes nothing from here, so that nothing is sent to be stranded there.
    let _waits = at_rome.consumer("queue://three.hops").await;
    at_london.send_numbers("queue://three.hops", 0, 1).await;
    verdict(&london, "three.hops", "not_passed_on")
        .says("link", "far -> paris", "the far broker passes it on only within 1 bridges")
        .is_moved_by("on the far broker's own connector");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_broker_that_is_full_holds_messages_back() {
    let rome = broker("rome")
        .configure("[[destination_policy]]\nmatch = \"queue://small\"\nmemory_limit = \"2KiB\"")
        .start();
    let paris =
        broker("paris").configure(&connector("on", rome.url(), "prefetch_size = 2")).start();
    let slow = Native::with_mode(rome.url(), AckMode::Client).await;
    let _slow = narrow(&slow, "queue://small", 1).await;
    let client = Native::connect(paris.url()).await;
    let producer = client.producer("queue://small").await;
    for _ in 0..8 {
        producer.send(OutgoingMessage::bytes(vec![0; 1_000])).await.unwrap();
    }
    // 18: the window of the bridge is full, and who must confirm is named.
    verdict(&paris, "small", "window_full")
        .says("link", "on -> rome", "window full: it has 2 of 2 messages")
        .is_moved_by("confirmations of rome, which holds them back while its own queue is full");
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_are_told_from_a_lack_of_demand() {
    let port = free_port();
    let london = broker("london")
        .configure(&connector("to-paris", &format!("tcp://127.0.0.1:{port}"), ""))
        .start();
    let policies = "[[destination_policy]]\nmatch = \"queue://back\"\n\
                    [destination_policy.replay]\nreplay_when_no_consumers = false\n\
                    [[destination_policy]]\nmatch = \"queue://later\"\n\
                    [destination_policy.replay]\nreplay_delay = \"1h\"\n";
    let paris = broker("paris")
        .port(port)
        .configure(&connector("to-london", london.url(), ""))
        .configure(policies)
        .start();
    let (at_london, at_paris) =
        (Native::connect(london.url()).await, Native::connect(paris.url()).await);

    // 19: the consumer that it crossed for is gone, and the one that is left is where it came from.
    let leaves = Native::with_mode(paris.url(), AckMode::Client).await;
    let mut left = Vec::new();
    for queue in ["queue://back", "queue://later"] {
        let leaving = leaves.consumer(queue).await;
        at_london.send_numbers(queue, 0, 1).await;
        assert_eq!(text(&leaving).await, "0");
        left.push(at_london.consumer(queue).await);
    }
    leaves.connection.close().await.unwrap();
    verdict(&paris, "back", "already_visited")
        .says("link", "to-london -> london", "has been visited already")
        .is_moved_by("a consumer here, or one that is reached by way of another broker");
    // The same, where it may go back, but not yet.
    verdict(&paris, "later", "too_early")
        .says("link", "to-london -> london", "too early to go back until")
        .is_moved_by("time, or a consumer here");

    // 20: paris has demand, but only that of london's own consumer, which does not want these.
    let _choosy = selective(&at_london, "queue://own", "false").await;
    at_london.send_numbers("queue://own", 0, 1).await;
    verdict(&london, "own", "already_visited").says(
        "link",
        "to-paris -> paris",
        "the only demand at paris is for consumers that are reached by way of this broker",
    );
    drop(at_paris);
}

/// Waits until a link has a verdict.
fn verdict_of_link(broker: &Ferry, queue: &str, link: &str, verdict: &str) -> Value {
    until(&format!("{verdict} of {link} at {queue}"), PATIENCE, || {
        let answer = get(&broker.admin(), &format!("/api/v1/explain?queue={queue}")).json();
        let considered = answer["considered"].as_array().unwrap().clone();
        considered.into_iter().find(|one| one["name"] == link && one["verdict"] == verdict)
    })
}
