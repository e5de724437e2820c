//! A prepared branch of a distributed transaction outlives the broker, and how a transaction ended is
//! told also after it was started anew. (The store is one in memory here, which outlives its brokers;
//! the last tests kill processes.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq::config::Limits;
use ferrymq::node::Node;
use ferrymq_client::AckMode;
use ferrymq_client::error::CommitError;
use ferrymq_openwire::command::Command;
use ferrymq_openwire::commands::MessageAck;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::{TransactionId, XaTransactionId};
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::throwable::Throwable;
use ferrymq_store::contract::Store;
use ferrymq_store::memory::MemoryStore;
use support::{
    Ended, Ferry, Native, PATIENCE, Process, Proxy, ferrymq_command, get, raw_http, text,
};
use wire::{Wire, keeping_broker, number_of, until};

const BEGIN: i8 = 0;
const PREPARE: i8 = 1;
const COMMIT_ONE_PHASE: i8 = 2;
const COMMIT_TWO_PHASE: i8 = 3;
const ROLL_BACK: i8 = 4;
const FORGET: i8 = 6;
const END: i8 = 7;

/// `XA_RETRY`, `XA_HEURRB`, `XA_HEURCOM`, `XA_RBROLLBACK`, `XAER_NOTA`.
const RETRY: i32 = 4;
const HEURISTIC_ROLLBACK: i32 = 6;
const HEURISTIC_COMMIT: i32 = 7;
const ROLLED_BACK: i32 = 100;
const UNKNOWN: i32 = -4;

fn memory(limit: u64) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(limit))
}

async fn start(store: &Arc<dyn Store>) -> Node {
    keeping_broker(Limits::default(), Arc::clone(store)).await
}

fn xid(number: u8) -> TransactionId {
    TransactionId::Xa(XaTransactionId {
        format_id: 7,
        global_transaction_id: Some(Bytes::from(vec![number])),
        branch_qualifier: Some(Bytes::from_static(b"branch")),
    })
}

/// The code that a client reads from the text.
fn code(failure: Throwable) -> i32 {
    let message = failure.message.unwrap().to_string_lossy().into_owned();
    message.rsplit_once("xaErrorCode:").unwrap().1.parse().unwrap()
}

async fn step(peer: &mut Wire, id: &TransactionId, kind: i8) -> Result<(), i32> {
    peer.ask(peer.step(Some(id.clone()), kind)).await.map_err(code)
}

async fn prepare(peer: &mut Wire, id: &TransactionId) -> i32 {
    let asked = peer.request(peer.step(Some(id.clone()), PREPARE));
    peer.number_answered(asked).await
}

/// Sends persistent messages, and waits until they are confirmed.
async fn fill(peer: &mut Wire, to: &Destination, numbers: &[i64]) {
    for number in numbers {
        let fields = MessageFields { persistent: true, ..peer.message(to, *number, 2048) };
        let answer = peer.submit(&fields);
        peer.answer(answer).await.unwrap();
    }
}

struct Places {
    orders: Destination,
    bills: Destination,
    news: Destination,
}

fn places() -> Places {
    Places {
        orders: Destination::queue("orders"),
        bills: Destination::queue("bills"),
        news: Destination::topic("news"),
    }
}

/// Receives 1, 2, 3 from orders and 21, 22 from a subscription to the news, and prepares a branch
/// which has acknowledged 1, 2 and 21, and sends 10 to bills and 30 to the news.
async fn prepared(peer: &mut Wire, id: &TransactionId) {
    let Places { orders, bills, news } = places();
    peer.subscribe(2, "paper", &news, 10).await;
    peer.consume(1, &orders, 10).await;
    fill(peer, &orders, &[1, 2, 3]).await;
    fill(peer, &news, &[21, 22]).await;
    peer.numbers(5).await;
    step(peer, id, BEGIN).await.unwrap();
    peer.send_in(id, &bills, 10);
    peer.send_in(id, &news, 30);
    let within = |ack: MessageAck| MessageAck { transaction_id: Some(id.clone()), ..ack };
    peer.ask(within(peer.ack(1, 2, 1, 2, 2)).into()).await.unwrap();
    peer.ask(within(peer.ack(2, 2, 21, 21, 1)).into()).await.unwrap();
    step(peer, id, END).await.unwrap();
    assert_eq!(prepare(peer, id).await, 0);
}

/// What consumers of all places get, in order: number, and whether it was delivered before.
async fn contents(peer: &mut Wire) -> Vec<(i64, bool)> {
    let Places { orders, bills, news } = places();
    peer.consume(1, &orders, 10).await;
    peer.consume(3, &bills, 10).await;
    peer.subscribe(2, "paper", &news, 10).await;
    let mut seen = Vec::new();
    while let Some(dispatch) = peer.dispatch_soon().await {
        seen.push((number_of(&dispatch), dispatch.redelivery_counter > 0));
    }
    for consumer in [1, 2, 3] {
        let consumer = Command::ConsumerId(peer.consumer_id(consumer));
        peer.ask(Wire::remove(consumer, -1)).await.unwrap();
    }
    seen.sort_unstable();
    seen
}

fn numbers(contents: &[(i64, bool)]) -> Vec<i64> {
    contents.iter().map(|(number, _)| *number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_prepared_outlives_the_broker_and_is_decided_after_it() {
    for (how, other, left) in [
        (COMMIT_TWO_PHASE, ROLL_BACK, vec![3, 10, 22, 30]),
        (ROLL_BACK, FORGET, vec![1, 2, 3, 21, 22]),
    ] {
        let (store, id) = (memory(u64::MAX), xid(1));
        let node = start(&store).await;
        let mut peer = Wire::opened(&node, "peer").await;
        prepared(&mut peer, &id).await;
        node.stop().await;

        let node = start(&store).await;
        // The connection that began it takes up its subscription again.
        let mut peer = Wire::opened(&node, "peer").await;
        assert_eq!(peer.recover().await, std::slice::from_ref(&id));
        assert_eq!(numbers(&contents(&mut peer).await), [3, 22]);
        peer.crash();
        until("it is gone", || (node.status().connections == 0).then_some(())).await;
        node.stop().await;

        let node = start(&store).await;
        let mut peer = Wire::opened(&node, "coordinator").await;
        assert_eq!(peer.recover().await, std::slice::from_ref(&id));
        step(&mut peer, &id, how).await.unwrap();
        assert_eq!(peer.recover().await, []);
        assert_eq!(step(&mut peer, &id, other).await, Err(UNKNOWN));
        if how == COMMIT_TWO_PHASE {
            step(&mut peer, &id, how).await.unwrap();
        }
        let mut peer = Wire::opened(&node, "peer").await;
        let live = contents(&mut peer).await;
        assert_eq!(numbers(&live), left);
        if how == ROLL_BACK {
            let again: Vec<i64> = live.iter().filter(|one| one.1).map(|one| one.0).collect();
            assert_eq!(again, [1, 2, 21], "they were delivered before");
        }
        node.stop().await;

        let node = start(&store).await;
        let mut peer = Wire::opened(&node, "peer").await;
        assert_eq!(peer.recover().await, []);
        assert_eq!(numbers(&contents(&mut peer).await), left);
        // The answer may have been lost with the broker: it is the same again.
        let again = step(&mut peer, &id, how).await;
        assert_eq!(again, if how == COMMIT_TWO_PHASE { Ok(()) } else { Err(UNKNOWN) });
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_branches_are_recovered_in_their_order_and_new_ones_come_after() {
    let store = memory(u64::MAX);
    let bills = places().bills;
    let node = start(&store).await;
    let mut peer = Wire::opened(&node, "peer").await;
    for number in [5, 3, 9] {
        step(&mut peer, &xid(number), BEGIN).await.unwrap();
        peer.send_in(&xid(number), &bills, number.into());
        step(&mut peer, &xid(number), END).await.unwrap();
        assert_eq!(prepare(&mut peer, &xid(number)).await, 0);
    }
    step(&mut peer, &xid(3), ROLL_BACK).await.unwrap();
    node.stop().await;
    let node = start(&store).await;
    let mut peer = Wire::opened(&node, "peer").await;
    assert_eq!(peer.recover().await, [xid(5), xid(9)]);
    step(&mut peer, &xid(1), BEGIN).await.unwrap();
    peer.send_in(&xid(1), &bills, 1);
    step(&mut peer, &xid(1), END).await.unwrap();
    assert_eq!(prepare(&mut peer, &xid(1)).await, 0);
    // What the connection has told before the broker ended, it may tell again.
    step(&mut peer, &xid(5), BEGIN).await.unwrap();
    peer.send_in(&xid(5), &bills, 5);
    assert_eq!(prepare(&mut peer, &xid(5)).await, 0);
    assert_eq!(peer.recover().await, [xid(5), xid(9), xid(1)]);
    for number in [1, 5, 9] {
        step(&mut peer, &xid(number), COMMIT_TWO_PHASE).await.unwrap();
    }
    assert_eq!(numbers(&contents(&mut peer).await), [1, 5, 9]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_decided_is_kept_and_told_until_it_is_forgotten() {
    for (commit, told, left) in [
        (true, HEURISTIC_COMMIT, vec![3, 10, 22, 30]),
        (false, HEURISTIC_ROLLBACK, vec![1, 2, 3, 21, 22]),
    ] {
        let (store, id) = (memory(u64::MAX), xid(1));
        let TransactionId::Xa(name) = id.clone() else { panic!("it is a branch") };
        let node = start(&store).await;
        let mut peer = Wire::opened(&node, "peer").await;
        prepared(&mut peer, &id).await;
        peer.crash();
        until("it is gone", || (node.status().connections == 0).then_some(())).await;
        node.watch().decide_branch(&name, commit).await.unwrap();
        node.stop().await;

        let node = start(&store).await;
        let mut peer = Wire::opened(&node, "peer").await;
        assert_eq!(numbers(&contents(&mut peer).await), left);
        assert_eq!(peer.recover().await, std::slice::from_ref(&id));
        for kind in [COMMIT_TWO_PHASE, ROLL_BACK] {
            assert_eq!(step(&mut peer, &id, kind).await, Err(told));
        }
        assert!(node.watch().decide_branch(&name, !commit).await.is_err());
        step(&mut peer, &id, FORGET).await.unwrap();
        assert_eq!(peer.recover().await, []);
        node.stop().await;

        let node = start(&store).await;
        let mut peer = Wire::opened(&node, "peer").await;
        assert_eq!(peer.recover().await, []);
        assert_eq!(step(&mut peer, &id, COMMIT_TWO_PHASE).await, Err(UNKNOWN));
        assert_eq!(numbers(&contents(&mut peer).await), left);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_has_no_room_for_is_refused_or_done_later_and_stops_nobody() {
    let (bills, orders) = (places().bills, places().orders);
    // More must be left beside what is asked for than this is short of.
    let store = memory(1024 * 1024 + 400 * 1024);
    let node = start(&store).await;
    let mut peer = Wire::opened(&node, "peer").await;
    let send = |peer: &mut Wire, id: &TransactionId, number| {
        let fields = MessageFields {
            transaction_id: Some(id.clone()),
            persistent: true,
            ..peer.message(&bills, number, 150 * 1024)
        };
        peer.submit(&fields)
    };
    step(&mut peer, &xid(1), BEGIN).await.unwrap();
    let answer = send(&mut peer, &xid(1), 1);
    peer.answer(answer).await.unwrap();
    step(&mut peer, &xid(1), END).await.unwrap();
    assert_eq!(prepare(&mut peer, &xid(1)).await, 0);
    fill(&mut peer, &orders, &[1]).await;
    let large = MessageFields { persistent: true, ..peer.message(&orders, 2, 150 * 1024) };
    let answer = peer.submit(&large);
    peer.answer(answer).await.unwrap();

    // No room for as much again, be it in one phase or in two.
    for (kind, number) in [(PREPARE, 2), (COMMIT_ONE_PHASE, 3)] {
        let id = xid(number);
        step(&mut peer, &id, BEGIN).await.unwrap();
        let answer = send(&mut peer, &id, number.into());
        peer.answer(answer).await.unwrap();
        step(&mut peer, &id, END).await.unwrap();
        assert_eq!(step(&mut peer, &id, kind).await, Err(ROLLED_BACK));
        assert_eq!(step(&mut peer, &id, ROLL_BACK).await, Err(UNKNOWN));
    }
    // What is prepared stays so until there is room.
    assert_eq!(step(&mut peer, &xid(1), COMMIT_TWO_PHASE).await, Err(RETRY));
    assert_eq!(peer.recover().await, [xid(1)]);
    // Nobody else waits: consumers go on, and make room.
    peer.consume(1, &orders, 10).await;
    for _ in 0..2 {
        let dispatch = peer.dispatch().await;
        let id = dispatch.message.as_ref().unwrap().message_id();
        let mut ack = peer.ack(1, 2, 1, 1, 1);
        (ack.first_message_id, ack.last_message_id) = (id.clone(), id);
        peer.ask(ack.into()).await.unwrap();
    }
    step(&mut peer, &xid(1), COMMIT_TWO_PHASE).await.unwrap();
    peer.consume(3, &bills, 10).await;
    assert_eq!(peer.numbers(1).await, [1]);
    node.stop().await;
}

/// Sends `number` to bills in local transaction `number` and commits it.
async fn commit_locally(peer: &mut Wire, number: i64) -> Result<(), Throwable> {
    let id = peer.local(number);
    peer.ask(peer.step(Some(id.clone()), BEGIN)).await?;
    peer.send_in(&id, &places().bills, number);
    peer.ask(peer.step(Some(id), COMMIT_ONE_PHASE)).await
}

async fn ask_again(peer: &mut Wire, number: i64) -> Result<(), String> {
    let asked = peer.step(Some(peer.local(number)), COMMIT_ONE_PHASE);
    let answer = peer.ask(asked).await;
    answer.map_err(|refusal| refusal.class_name.unwrap().to_string_lossy().into_owned())
}

const ROLLED_BACK_EXCEPTION: &str = "javax.jms.TransactionRolledBackException";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_local_transactions_ended_is_known_after_the_broker_was_started_anew() {
    let store = memory(u64::MAX);
    let node = start(&store).await;
    let mut peer = Wire::opened(&node, "peer").await;
    for number in 1..=300 {
        commit_locally(&mut peer, number).await.unwrap();
    }
    // It acknowledges only.
    let bills = places().bills;
    peer.consume(1, &bills, 1).await;
    let dispatch = peer.dispatch().await;
    let id = peer.local(301);
    peer.ask(peer.step(Some(id.clone()), BEGIN)).await.unwrap();
    let first = number_of(&dispatch);
    let ack = MessageAck { transaction_id: Some(id.clone()), ..peer.ack(1, 2, first, first, 1) };
    peer.ask(ack.into()).await.unwrap();
    peer.ask(peer.step(Some(id), COMMIT_ONE_PHASE)).await.unwrap();
    // This one is open when the broker ends.
    peer.ask(peer.step(Some(peer.local(302)), BEGIN)).await.unwrap();
    let mut other = Wire::opened(&node, "other").await;
    commit_locally(&mut other, 1).await.unwrap();
    let other_id = Command::ConnectionId(other.connection.clone());
    other.ask(Wire::remove(other_id, -1)).await.unwrap();
    node.stop().await;

    let node = start(&store).await;
    let mut peer = Wire::opened(&node, "peer").await;
    for number in [301, 300, 100] {
        assert_eq!(ask_again(&mut peer, number).await, Ok(()), "{number}");
    }
    assert_eq!(ask_again(&mut peer, 302).await, Err(ROLLED_BACK_EXCEPTION.to_owned()));
    // It is not known any more, and nothing is made up.
    assert_eq!(ask_again(&mut peer, 1).await, Err("java.lang.IllegalStateException".to_owned()));
    commit_locally(&mut peer, 303).await.unwrap();
    // Who closed its connection was told of all, and asks no more; nothing of it is kept.
    let mut never = Wire::opened(&node, "never").await;
    assert_eq!(ask_again(&mut never, 1).await, Err(ROLLED_BACK_EXCEPTION.to_owned()));
    node.stop().await;
    let table = ferrymq_store::contract::Table::Outcome;
    let kept = store.entries(table, None, 1000).unwrap();
    assert!(kept.len() <= 16, "{}", kept.len());

    let node = start(&store).await;
    let mut peer = Wire::opened(&node, "peer").await;
    assert_eq!(ask_again(&mut peer, 303).await, Ok(()));
    assert_eq!(ask_again(&mut peer, 301).await, Ok(()));
    node.stop().await;
}

fn folder(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("branches-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_has_its_prepared_branches_and_knows_what_was_committed() {
    for (how, left) in [(COMMIT_TWO_PHASE, vec![3, 10, 22, 30]), (ROLL_BACK, vec![1, 2, 3, 21, 22])]
    {
        let data = folder(&how.to_string());
        let configuration = format!("[broker]\ndata_dir = \"{data}\"");
        let mut broker = Ferry::named("A").configure(&configuration).start();
        let id = xid(1);
        let mut peer = Wire::opened_at(broker.url(), "peer").await;
        prepared(&mut peer, &id).await;
        commit_locally(&mut peer, 40).await.unwrap();
        broker.process.kill();
        broker.restart();

        let mut peer = Wire::opened_at(broker.url(), "peer").await;
        assert_eq!(ask_again(&mut peer, 40).await, Ok(()));
        assert_eq!(ask_again(&mut peer, 41).await, Err(ROLLED_BACK_EXCEPTION.to_owned()));
        assert_eq!(peer.recover().await, std::slice::from_ref(&id));
        assert_eq!(numbers(&contents(&mut peer).await), [3, 22, 40]);
        step(&mut peer, &id, how).await.unwrap();
        broker.process.kill();
        broker.restart();

        let mut peer = Wire::opened_at(broker.url(), "peer").await;
        assert_eq!(peer.recover().await, []);
        let mut expected = left;
        expected.push(40);
        expected.sort_unstable();
        assert_eq!(numbers(&contents(&mut peer).await), expected);
        broker.process.kill();
        std::fs::remove_dir_all(&data).unwrap();
    }
}

fn run(arguments: &[&str]) -> Ended {
    Process::spawn("ferrymq", ferrymq_command(arguments)).ended()
}

/// What the admin API answers to a request without a body; `headers` end their lines.
fn post(admin: &str, path: &str, headers: &str) -> u16 {
    let host = admin.strip_prefix("http://").unwrap();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n");
    raw_http(admin, request.as_bytes()).unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_what_is_prepared_and_ends_it() {
    let broker = Ferry::named("A").admin().start();
    let admin = broker.admin();
    let mut peer = Wire::opened_at(broker.url(), "peer").await;
    for number in 1..=2 {
        let id = xid(number);
        step(&mut peer, &id, BEGIN).await.unwrap();
        peer.send_in(&id, &places().bills, number.into());
        step(&mut peer, &id, END).await.unwrap();
        assert_eq!(prepare(&mut peer, &id).await, 0);
    }
    let [one, two] =
        [1, 2].map(|number| format!("XID:[7,globalId=0{number},branchId=6272616e6368]"));
    let listed = get(&admin, "/api/v1/transactions").json();
    assert_eq!(listed["total"], 2);
    assert_eq!(listed["transactions"][0]["id"], one);
    assert_eq!(listed["transactions"][0]["state"], "prepared");
    assert_eq!(listed["transactions"][1]["connection_id"], "peer");

    let escaped = one.replace('[', "%5B").replace(']', "%5D");
    let commit = format!("/api/v1/transactions/commit?id={escaped}");
    // A web page can make a browser send this, and no header of its own.
    assert_eq!(post(&admin, &commit, "Origin: http://evil.example\r\n"), 403);
    assert_eq!(get(&admin, &commit).status, 405);
    let allowed = "x-ferrymq-operation: yes\r\n";
    assert_eq!(post(&admin, "/api/v1/transactions/commit?id=XID", allowed), 404);
    assert_eq!(post(&admin, "/api/v1/transactions/commit", allowed), 400);
    assert_eq!(post(&admin, &commit.replace("commit", "explode"), allowed), 404);
    assert_eq!(get(&admin, "/api/v1/transactions").json()["transactions"][0]["state"], "prepared");

    let done = run(&["transactions", "commit", &one, "--admin", &admin]);
    assert_eq!((done.code(), &done.stdout[..]), (Some(0), &[format!("committed: {one}")][..]));
    peer.consume(1, &places().bills, 10).await;
    assert_eq!(peer.numbers(1).await, [1]);
    let done = run(&["transactions", "rollback", &two, "--json", "--admin", &admin]);
    assert_eq!(done.code(), Some(0), "{done:?}");
    // Once is enough.
    let again = run(&["transactions", "rollback", &one, "--admin", &admin]);
    assert_eq!(again.code(), Some(1));
    assert!(again.stderr[0].contains("was committed by an operator"), "{again:?}");
    assert_eq!(step(&mut peer, &xid(1), COMMIT_TWO_PHASE).await, Err(HEURISTIC_COMMIT));
    let shown = run(&["transactions", "--admin", &admin]).stdout.join("\n");
    assert!(shown.contains(&format!("{one}  heuristically committed")), "{shown}");
    assert!(shown.contains(&format!("{two}  heuristically rolled back")), "{shown}");
    for id in [&one, &two] {
        assert_eq!(run(&["transactions", "forget", id, "--admin", &admin]).code(), Some(0));
    }
    let shown = run(&["transactions", "--admin", &admin]).stdout;
    assert_eq!(shown, ["no transaction waits for its coordinator"]);
    peer.nothing_comes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_larger_than_a_file_of_the_journal_is_committed() {
    let data = folder("large");
    let configuration = format!("[broker]\ndata_dir = \"{data}\"");
    let broker = Ferry::named("A").configure(&configuration).start();
    let mut peer = Wire::opened_at(broker.url(), "peer").await;
    for (number, kind) in [(1, COMMIT_ONE_PHASE), (2, PREPARE)] {
        let id = if kind == PREPARE { xid(2) } else { peer.local(1) };
        peer.ask(peer.step(Some(id.clone()), BEGIN)).await.unwrap();
        for _ in 0..40 {
            let fields = MessageFields {
                transaction_id: Some(id.clone()),
                persistent: true,
                ..peer.message(&places().bills, number, 1024 * 1024)
            };
            let answer = peer.submit(&fields);
            peer.answer(answer).await.unwrap();
        }
        if kind == PREPARE {
            step(&mut peer, &id, END).await.unwrap();
            assert_eq!(prepare(&mut peer, &id).await, 0);
            step(&mut peer, &id, COMMIT_TWO_PHASE).await.unwrap();
        } else {
            peer.ask(peer.step(Some(id), kind)).await.unwrap();
        }
    }
    peer.consume(1, &places().bills, 100).await;
    let came = peer.numbers(80).await;
    assert_eq!(came.iter().filter(|number| **number == 2).count(), 40);
    drop(broker);
    std::fs::remove_dir_all(&data).unwrap();
}

/// What a client is told whose commit was not answered before the link was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was committed, and the answer was lost.
    Committed,
    /// It did not arrive.
    Lost,
    /// The client finds another broker, which cannot know.
    ElsewhereThen,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_commit_was_in_doubt_is_told_by_the_broker_that_was_killed() {
    for fate in [Fate::Committed, Fate::Lost, Fate::ElsewhereThen] {
        let data = folder(&format!("{fate:?}"));
        let configuration = format!("[broker]\ndata_dir = \"{data}\"");
        let mut broker = Ferry::named("A").admin().configure(&configuration).start();
        let other = Ferry::named("B").start();
        let wire = Proxy::to(broker.port());
        Native::connect(broker.url()).await.send_numbers("queue://orders", 1, 2).await;
        let list = match fate {
            Fate::ElsewhereThen => format!("{},{}", wire.url(), other.url()),
            _ => wire.url(),
        };
        let url = format!(
            "failover:({list})?randomize=false&initialReconnectDelay=20&maxReconnectDelay=100"
        );
        let client = Native::with_mode(&url, AckMode::Transacted).await;
        let orders = client.consumer("queue://orders").await;
        assert_eq!(text(&orders).await, "1");
        client.producer("queue://bills").await.send("bill").await.unwrap();
        match fate {
            Fate::Lost => wire.go_deaf(),
            _ => wire.go_mute(),
        }
        let killing = tokio::task::spawn_blocking(move || {
            support::until("the commit is on its way", PATIENCE, || {
                (wire.swallowed() > 0).then_some(())
            });
            if fate != Fate::Lost {
                support::until("it is committed", PATIENCE, || {
                    let all = get(&broker.admin(), "/api/v1/destinations").json();
                    let all = all["destinations"].as_array().unwrap();
                    all.iter().find(|one| one["name"] == "bills" && one["waiting"] == 1).map(drop)
                });
            }
            broker.process.kill();
            wire.hear_again();
            if fate != Fate::ElsewhereThen {
                broker.restart();
            }
            (broker, wire)
        });
        let (committed, killed) = tokio::join!(client.session.commit(), killing);
        let (broker, _wire) = killed.unwrap();
        match fate {
            Fate::Committed => {
                committed.unwrap();
                assert_eq!(text(&orders).await, "2");
                let plain = Native::connect(broker.url()).await;
                assert_eq!(text(&plain.consumer("queue://bills").await).await, "bill");
            }
            Fate::Lost => {
                assert!(matches!(committed, Err(CommitError::RolledBack(_))), "{committed:?}");
                assert_eq!(text(&orders).await, "1");
                assert_eq!(text(&orders).await, "2");
            }
            Fate::ElsewhereThen => {
                assert!(matches!(committed, Err(CommitError::Lost(_))), "{committed:?}");
            }
        }
        drop(client);
        drop(broker);
        std::fs::remove_dir_all(&data).unwrap();
    }
}
