//! FerryMQ's Rust client does what a JMS client does: with ActiveMQ as with FerryMQ, and with JMS
//! clients at the other end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_client::{
    AckMode, ConnectOptions, Connection, Consumer, ConsumerOptions, OutgoingMessage, Requester,
};
use ferrymq_openwire::properties::Value;
use serde_json::json;
use support::{
    Jms, Kind, Native, PATIENCE, Process, Subject, destination, ferrymq_command, nothing_comes,
    numbers, subjects, text,
};

/// Text, redelivered flag and number of earlier deliveries of the next `count` messages.
async fn deliveries(consumer: &Consumer, count: u32) -> Vec<(String, bool, u32)> {
    let mut all = Vec::new();
    for _ in 0..count {
        let delivery = consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
        let text = delivery.text().unwrap().expect("a text");
        all.push((text, delivery.redelivered(), delivery.redeliveries()));
    }
    all
}

fn seen(text: &str, redeliveries: u32) -> (String, bool, u32) {
    (text.to_owned(), redeliveries > 0, redeliveries)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn it_settles_as_each_mode_says() {
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let url = broker.url();

        let auto = Native::connect(url).await;
        auto.send_numbers("queue://auto", 0, 3).await;
        let consumer = auto.consumer("queue://auto").await;
        assert_eq!(deliveries(&consumer, 1).await, [seen("0", 0)]);
        auto.connection.close().await.unwrap();
        let again = Native::connect(url).await;
        let consumer = again.consumer("queue://auto").await;
        assert_eq!(deliveries(&consumer, 2).await, [seen("1", 0), seen("2", 0)]);
        nothing_comes(&consumer).await;

        let client = Native::with_mode(url, AckMode::Client).await;
        client.send_numbers("queue://client", 0, 4).await;
        let consumer = client.consumer("queue://client").await;
        deliveries(&consumer, 2).await;
        client.session.acknowledge().unwrap();
        deliveries(&consumer, 1).await;
        consumer.close();
        let consumer = client.consumer("queue://client").await;
        assert_eq!(deliveries(&consumer, 2).await, [seen("2", 1), seen("3", 0)]);
        client.session.recover().unwrap();
        assert_eq!(deliveries(&consumer, 2).await, [seen("2", 2), seen("3", 1)]);
        client.session.acknowledge().unwrap();
        nothing_comes(&consumer).await;

        let individual = Native::with_mode(url, AckMode::Individual).await;
        individual.send_numbers("queue://individual", 0, 3).await;
        let consumer = individual.consumer("queue://individual").await;
        for number in 0..3 {
            let delivery = consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
            if number == 1 {
                delivery.ack().unwrap();
            }
        }
        consumer.close();
        let consumer = individual.consumer("queue://individual").await;
        assert_eq!(deliveries(&consumer, 2).await, [seen("0", 1), seen("2", 1)]);
        nothing_comes(&consumer).await;

        let lazy = Native::with_mode(url, AckMode::DupsOk).await;
        let options = ConsumerOptions::new(destination("topic://lazy")).prefetch(10);
        let consumer = lazy.session.consumer(options).await.unwrap();
        lazy.send_numbers("topic://lazy", 0, 100).await;
        assert_eq!(numbers(&consumer, 100).await, (0..100).collect::<Vec<_>>());
        assert!(lazy.connection.take_errors().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn it_gets_replies_from_a_jms_server_and_answers_a_jms_client() {
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let mut jms = Jms::start();
        jms.connect("server", broker.url(), "auto");
        jms.call(json!({
            "op": "respond", "on": "server.s", "connection": "server",
            "from": "queue://jms.service"
        }));
        jms.connect("j", broker.url(), "auto");
        let native = Native::connect(broker.url()).await;
        let requester =
            Requester::open(&native.connection, destination("queue://jms.service")).await.unwrap();
        for number in 0..20 {
            let question = format!("question {number}");
            let reply = requester.request(question.as_str(), PATIENCE).await.unwrap();
            assert_eq!(reply.text().unwrap().as_deref(), Some(question.as_str()));
        }

        let requests = native.consumer("queue://native.service").await;
        jms.call(json!({"op": "temporary_queue", "as": "replies", "on": "j.s"}));
        jms.consume("k", "j", "replies");
        jms.produce("p", "j", "queue://native.service", false);
        jms.call(json!({
            "op": "send", "on": "p", "session": "j.s", "body": "who is there?",
            "reply_to": "replies", "correlation_id": "knock"
        }));
        let request = requests.receive_within(PATIENCE).await.unwrap().expect("a request");
        assert_eq!(request.text().unwrap().as_deref(), Some("who is there?"));
        let replies = native.session.producer(ferrymq_client::ProducerOptions::anywhere()).await;
        let reply =
            OutgoingMessage::text("a ferry").correlation_id(request.correlation_id().unwrap());
        replies.unwrap().send_to(&request.reply_to().unwrap(), reply).await.unwrap();
        let reply = jms.receive("k");
        assert_eq!(json!([reply["body"], reply["correlation_id"]]), json!(["a ferry", "knock"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn messages_of_every_kind_pass_between_it_and_a_jms_client() {
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let mut jms = Jms::start();
        jms.connect_with(json!({"as": "j", "url": broker.url(), "compress": true}), "auto");
        jms.consume("k", "j", "queue://to.jms");
        let native = Native::connect(broker.url()).await;
        let producer = native.producer("queue://to.jms").await;
        let mut values = ferrymq_openwire::properties::Properties::new();
        values.insert("n", Value::Long(7));
        let outgoing = [
            (OutgoingMessage::text("größer \u{1F6A2}"), json!("größer \u{1F6A2}")),
            (OutgoingMessage::bytes(vec![0, 128, 255]), json!([0, 128, 255])),
            (OutgoingMessage::map(&values), json!({"n": {"long": 7}})),
            (
                OutgoingMessage::stream(&[Value::Int(1), Value::Bool(true)]),
                json!([{"int": 1}, {"boolean": true}]),
            ),
        ];
        for (message, body) in outgoing {
            let message = message.property("color", Value::String("red".into())).priority(8);
            producer.send(message.jms_type("t").correlation_id("c")).await.unwrap();
            let arrived = jms.receive("k");
            assert_eq!(arrived["body"], body);
            assert_eq!(arrived["properties"], json!({"color": "red"}));
            assert_eq!(arrived["priority"], 8);
            assert_eq!(json!([arrived["jms_type"], arrived["correlation_id"]]), json!(["t", "c"]));
        }

        let consumer = native.consumer("queue://from.jms").await;
        jms.produce("p", "j", "queue://from.jms", true);
        let long = "ferry ".repeat(1_000);
        jms.send_text("p", "j", &long);
        assert_eq!(text(&consumer).await, long);
        let send = |kind: &str, body| json!({"op": "send", "on": "p", "session": "j.s", "kind": kind, "body": body});
        jms.call(send("bytes", json!([1, 2, 255])));
        let delivery = consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
        assert_eq!(delivery.bytes().unwrap().as_ref(), [1, 2, 255]);
        jms.call(send("map", json!({"d": {"double": 0.5}})));
        let delivery = consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
        assert_eq!(delivery.map().unwrap().get("d"), Some(&Value::Double(0.5)));
        jms.call(send("stream", json!([{"short": 3}, "x"])));
        let delivery = consumer.receive_within(PATIENCE).await.unwrap().expect("a message");
        assert_eq!(delivery.stream().unwrap(), [Value::Short(3), Value::String("x".into())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn a_refusal_keeps_its_class_and_its_words() {
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let named = || ConnectOptions::system().client_id("clerk");
        let _first = Connection::connect(broker.url(), named()).await.expect("the id is free");
        let refusal = Connection::connect(broker.url(), named()).await.expect_err("it is taken");
        let words = refusal.to_string();
        assert!(words.contains("InvalidClientID") && words.contains("clerk"), "{words}");

        if kind == Kind::ActiveMq {
            continue; // It makes whoever consumes from a temporary queue its owner.
        }
        let owner = Native::connect(broker.url()).await;
        let queue = owner.connection.temporary_queue().await.unwrap();
        let other = Native::connect(broker.url()).await;
        let options = ConsumerOptions::new(queue.destination().clone());
        let refusal = other.session.consumer(options).await.expect_err("it belongs to another");
        assert!(refusal.to_string().contains("InvalidDestination"), "{refusal}");
        // The connection that asked for it is as good as before.
        let consumer = other.consumer("queue://q").await;
        other.send_numbers("queue://q", 5, 1).await;
        assert_eq!(numbers(&consumer, 1).await, [5]);
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
fn the_command_line_sends_to_and_receives_from_jms_clients() {
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let mut jms = Jms::start();
        jms.connect("j", broker.url(), "auto");
        let run = |arguments: &[&str]| {
            let arguments = [arguments, &["--url", broker.url()]].concat();
            let ended = Process::spawn("ferrymq", ferrymq_command(&arguments)).ended();
            assert_eq!(ended.code(), Some(0), "{:?}", ended.stderr);
            ended.stdout
        };
        run(&["send", "queue://typed", "größer", "--property", "n:int=3", "--priority", "7"]);
        jms.consume("k", "j", "queue://typed");
        let arrived = jms.receive("k");
        assert_eq!(arrived["body"], "größer");
        assert_eq!(arrived["properties"], json!({"n": {"int": 3}}));
        assert_eq!(json!([arrived["priority"], arrived["persistent"]]), json!([7, true]));

        jms.produce("p", "j", "queue://printed", false);
        jms.send_text("p", "j", "from Java");
        jms.call(json!({
            "op": "send", "on": "p", "session": "j.s", "body": "with a property",
            "properties": {"color": "red"}
        }));
        let printed = run(&["receive", "printed", "--count", "2", "--timeout", "10s", "--json"]);
        let messages: Vec<serde_json::Value> =
            printed.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(messages[0]["body"], "from Java");
        assert_eq!(messages[1]["body"], "with a property");
        assert_eq!(messages[1]["properties"]["color"], "red");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: apt-get install --no-install-recommends activemq libactivemq-java openjdk-17-jdk-headless"]
async fn its_durable_subscriptions_are_those_of_jms() {
    for kind in subjects() {
        let broker = Subject::named(kind, "single").start();
        let connect = || async {
            let options = ConnectOptions::system().client_id("reader");
            Connection::connect(broker.url(), options).await.expect("nobody else has the name")
        };
        let topic = destination("topic://news");
        let options = ConsumerOptions::new(topic).durable("papers");
        let connection = connect().await;
        let consumer = connection.session(AckMode::Auto).consumer(options.clone()).await.unwrap();
        let sender = Native::connect(broker.url()).await;
        sender.send_numbers("topic://news", 0, 2).await;
        assert_eq!(numbers(&consumer, 1).await, [0]);
        connection.close().await.unwrap();
        sender.send_numbers("topic://news", 2, 1).await;

        // A JMS client of the same name gets the rest, and leaves some of it.
        let mut jms = Jms::start();
        jms.connect_with(json!({"as": "c", "url": broker.url(), "client_id": "reader"}), "auto");
        jms.subscribe("k", "c", "papers", "topic://news");
        assert_eq!(jms.receive_text("k"), "1");
        jms.call(json!({"op": "close", "on": "c"}));

        let connection = connect().await;
        let consumer = connection.session(AckMode::Auto).consumer(options.clone()).await.unwrap();
        assert_eq!(numbers(&consumer, 1).await, [2]);
        assert!(connection.unsubscribe("papers").await.is_err(), "{kind:?}: it is in use");
        drop(consumer);
        connection.unsubscribe("papers").await.unwrap();
        assert!(connection.unsubscribe("papers").await.is_err(), "{kind:?}: there is none");
        connection.close().await.unwrap();
    }
}
