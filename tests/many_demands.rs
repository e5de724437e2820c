//! Ten thousand destinations with demand over one link: how long a link takes to follow them, what
//! each costs in memory, and what a change costs on the link.
//!
//! Figures that mean something: `cargo test --release --test many_demands -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Ferry, Native, get, until};
use tokio::time::Instant;

const DEMANDS: u64 = 10_000;
const PATIENCE: Duration = Duration::from_secs(120);
/// What a link may cost for each destination, at either broker, beside the queue and its consumer.
const MOST_BYTES: u64 = 2 * 1024;
const MOST_TIME: Duration = Duration::from_secs(2);

fn link(broker: &Ferry) -> Value {
    get(&broker.admin(), "/api/v1/links").json()["links"][0].clone()
}

fn follows(broker: &Ferry, demands: u64) {
    until("the link follows all demand", PATIENCE, || {
        (link(broker)["demands"] == demands).then_some(())
    });
}

fn resident(broker: &Ferry) -> u64 {
    broker.process.status_number("VmRSS") * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: run it alone, in a release build"]
async fn ten_thousand_demands_over_one_link() {
    let far = Ferry::named("far").admin().start();
    let empty = Ferry::named("empty").network(&format!("static:({})", far.url())).admin().start();
    follows(&empty, 0);
    let at_start = resident(&empty);
    empty.terminate();

    let alone = resident(&far);
    let clients = Native::connect(far.url()).await;
    let mut consumers = Vec::new();
    for number in 0..DEMANDS {
        consumers.push(clients.consumer(&format!("queue://demand.{number}")).await);
    }
    let before = resident(&far);
    let start = Instant::now();
    let near = Ferry::named("near").network(&format!("static:({})", far.url())).admin().start();
    follows(&near, DEMANDS);
    let took = start.elapsed();
    let each = resident(&near).saturating_sub(at_start) / DEMANDS;
    let each_there = resident(&far).saturating_sub(before) / DEMANDS;
    println!("{DEMANDS} demands: {took:?} from the start of the process");
    let queue = before.saturating_sub(alone) / DEMANDS;
    let link_alone = each.saturating_sub(queue);
    println!("a queue with a consumer takes {queue} bytes without any link");
    println!(
        "the link: {link_alone} bytes for each near ({each} with the queue), {each_there} far"
    );

    let bytes = || {
        let link = link(&near);
        link["bytes_received"].as_u64().unwrap() + link["bytes_sent"].as_u64().unwrap()
    };
    let before = bytes();
    let one_more = clients.consumer("queue://one.more").await;
    follows(&near, DEMANDS + 1);
    one_more.close();
    follows(&near, DEMANDS);
    let cost = bytes() - before;
    println!("a consumer that comes and goes: {cost} bytes on the link");
    assert!(cost < 8 * 1024, "{cost} bytes for a consumer that comes and goes");
    if !cfg!(debug_assertions) {
        assert!(took <= MOST_TIME, "{took:?}");
        assert!(link_alone <= MOST_BYTES, "{link_alone} bytes near");
        assert!(each_there <= MOST_BYTES, "{each_there} bytes more far");
    }
    drop(consumers);
}
