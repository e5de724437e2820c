//! ActiveMQ's JMS client as a child process that is told what to do line by line
//! (`tests/interop/java/JmsDriver.java` lists the operations).

use std::time::Duration;

use serde_json::{Value, json};

use super::java::java;
use super::process::Process;
use super::wait::{PATIENCE, until};

/// How long a receive waits for a message that must come.
const RECEIVE: Duration = Duration::from_secs(10);
/// How long a receive waits to be sure that nothing comes. It is always waited out, so it is short;
/// a test that needs certainty sends a marker message behind the one that must not come.
const SILENCE: Duration = Duration::from_millis(300);

/// An exception of the JMS client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JmsError {
    pub class: String,
    pub message: String,
}

/// One JVM with any number of connections.
pub struct Jms {
    process: Process,
    answered: usize,
}

impl Jms {
    pub fn start() -> Self {
        Self { process: Process::spawn("the JMS client", java("JmsDriver")), answered: 0 }
    }

    /// Performs one operation and returns its value, or the exception that it ended with.
    pub fn attempt(&mut self, call: Value) -> Result<Value, JmsError> {
        self.process.write_line(&call.to_string());
        let what = format!("an answer to {call}");
        let (next, line) = self.process.stdout_line(&what, self.answered, 4 * PATIENCE, |_| true);
        self.answered = next;
        let mut answer: Value = serde_json::from_str(&line).expect("an answer in JSON");
        match answer.get_mut("ok") {
            Some(value) => Ok(value.take()),
            None => Err(JmsError {
                class: answer["error"].as_str().expect("a class").to_owned(),
                message: answer["message"].as_str().expect("a message").to_owned(),
            }),
        }
    }

    /// Waits for an operation that was started in the background.
    pub fn join(&mut self, background: &str, patience: Duration) -> Result<Value, JmsError> {
        let millis = u64::try_from(patience.as_millis()).expect("a short time");
        self.attempt(json!({"op": "join", "on": background, "timeout_ms": millis}))
    }

    /// Performs one operation that must succeed.
    pub fn call(&mut self, call: Value) -> Value {
        let shown = call.to_string();
        self.attempt(call).unwrap_or_else(|e| panic!("{shown}: {}: {}", e.class, e.message))
    }

    /// Performs one operation that must fail; returns the class of the exception.
    pub fn refused(&mut self, call: Value) -> String {
        let shown = call.to_string();
        match self.attempt(call) {
            Ok(value) => panic!("{shown} was not refused: {value}"),
            Err(error) => error.class,
        }
    }

    /// A connection and one session on it: `name` and `name.s`.
    pub fn connect(&mut self, name: &str, url: &str, ack: &str) {
        self.connect_with(json!({"as": name, "url": url}), ack);
    }

    /// The same with options of the connection (`prefetch`, `window`, `client_id`, …).
    pub fn connect_with(&mut self, mut options: Value, ack: &str) {
        let name = options["as"].as_str().expect("a name").to_owned();
        options["op"] = json!("connect");
        self.call(options);
        self.call(json!({"op": "session", "as": format!("{name}.s"), "on": name, "ack": ack}));
    }

    /// A consumer `name` on the session of `connection`.
    pub fn consume(&mut self, name: &str, connection: &str, from: &str) {
        let session = format!("{connection}.s");
        self.call(json!({"op": "consumer", "as": name, "on": session, "from": from}));
    }

    /// A durable subscriber `name` on the session of `connection`, which has a client id.
    pub fn subscribe(&mut self, name: &str, connection: &str, subscription: &str, from: &str) {
        let session = format!("{connection}.s");
        self.call(json!({
            "op": "durable", "as": name, "on": session, "from": from, "subscription": subscription
        }));
    }

    /// Ends a durable subscription, which must have no consumer.
    pub fn unsubscribe(&mut self, connection: &str, subscription: &str) {
        let session = format!("{connection}.s");
        self.call(json!({"op": "unsubscribe", "on": session, "subscription": subscription}));
    }

    /// A producer `name` on the session of `connection`.
    pub fn produce(&mut self, name: &str, connection: &str, to: &str, persistent: bool) {
        let session = format!("{connection}.s");
        self.call(json!({
            "op": "producer", "as": name, "on": session, "to": to, "persistent": persistent
        }));
    }

    /// Sends a text message; `producer` belongs to `connection`.
    pub fn send_text(&mut self, producer: &str, connection: &str, body: &str) -> String {
        let session = format!("{connection}.s");
        let id = self.call(json!({"op": "send", "on": producer, "session": session, "body": body}));
        id.as_str().expect("a message id").to_owned()
    }

    /// Sends a question, to be answered at `replies`; its id.
    pub fn ask(&mut self, producer: &str, connection: &str, replies: &str, body: &str) -> Value {
        let session = format!("{connection}.s");
        self.call(json!({
            "op": "send", "on": producer, "session": session, "body": body, "reply_to": replies
        }))
    }

    /// Asks until an answer has come to `consumer`. Across brokers a question and the news of the
    /// place for its answer travel apart, so that a server may be asked before it can answer: its
    /// broker, where it is ActiveMQ, refuses the reply, and that question is lost.
    pub fn until_answered(&mut self, producer: &str, on: &str, replies: &str, consumer: &str) {
        until("an answer comes", PATIENCE, || {
            self.ask(producer, on, replies, "is anybody there?");
            let answer = self.receive_within(consumer, Duration::from_millis(500));
            (!answer.is_null()).then_some(())
        });
        self.ask(producer, on, replies, "the last question");
        while self.receive_text(consumer) != "the last question" {}
    }

    /// Sends `count` numbered messages, beginning with `first`.
    pub fn send_many(&mut self, producer: &str, connection: &str, first: u32, count: u32) {
        let session = format!("{connection}.s");
        let sent = self.call(json!({
            "op": "send_many", "on": producer, "session": session, "first": first, "count": count
        }));
        assert_eq!(sent["sent"], count);
    }

    /// The next message, which must come.
    pub fn receive(&mut self, consumer: &str) -> Value {
        let message = self.receive_within(consumer, RECEIVE);
        assert!(!message.is_null(), "nothing came to {consumer}");
        message
    }

    pub fn receive_within(&mut self, consumer: &str, patience: Duration) -> Value {
        let millis = u64::try_from(patience.as_millis()).expect("a short time");
        self.call(json!({"op": "receive", "on": consumer, "timeout_ms": millis}))
    }

    /// The body of the next text message, which must come.
    pub fn receive_text(&mut self, consumer: &str) -> String {
        self.receive(consumer)["body"].as_str().expect("a text").to_owned()
    }

    pub fn nothing_comes(&mut self, consumer: &str) {
        let message = self.receive_within(consumer, SILENCE);
        assert!(message.is_null(), "{consumer} got {message}");
    }

    /// Receives numbered messages and demands that they are `first..first + count`: all, once, in
    /// order.
    pub fn receive_run(&mut self, consumer: &str, first: u32, count: u32) {
        let seen = self.receive_many(consumer, count, RECEIVE);
        let wanted = json!({
            "received": count, "distinct": count, "duplicates": 0, "disordered": 0,
            "redelivered": 0, "first": first, "last": first + count - 1
        });
        assert_eq!(seen, wanted, "{consumer}");
    }

    /// Receives up to `count` numbered messages and reports what was seen.
    pub fn receive_many(&mut self, consumer: &str, count: u32, patience: Duration) -> Value {
        let millis = u64::try_from(patience.as_millis()).expect("a short time");
        self.call(
            json!({"op": "receive_many", "on": consumer, "count": count, "timeout_ms": millis}),
        )
    }

    /// The bodies of the text messages that a queue holds, as a browser on the session of
    /// `connection` sees them.
    pub fn browse(&mut self, connection: &str, from: &str) -> Vec<String> {
        let (browser, session) = (format!("b {from}"), format!("{connection}.s"));
        self.call(json!({"op": "browser", "as": browser, "on": session, "from": from}));
        let seen = self.call(json!({"op": "browse", "on": browser}));
        serde_json::from_value(seen).expect("a list of texts")
    }

    /// The next message, if the broker has one: `receiveNoWait`.
    pub fn receive_now(&mut self, consumer: &str) -> Value {
        self.call(json!({"op": "receive_now", "on": consumer}))
    }

    /// Acknowledges the last message that `consumer` received.
    pub fn acknowledge(&mut self, consumer: &str) {
        self.call(json!({"op": "acknowledge", "on": consumer}));
    }

    /// Stops the whole JVM where it is (SIGSTOP): a client that is alive and deaf.
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    pub fn thaw(&self) {
        self.process.signal("CONT");
    }

    /// Kills the JVM: its sockets close without a word.
    pub fn crash(mut self) {
        self.process.kill();
    }

    pub fn close(&mut self, name: &str) {
        self.call(json!({"op": "close", "on": name}));
    }

    /// The classes of the exceptions that reached a connection's listener so far.
    pub fn exceptions(&mut self, connection: &str) -> Vec<String> {
        let list = self.call(json!({"op": "exceptions", "on": connection}));
        serde_json::from_value(list).expect("a list of texts")
    }
}
