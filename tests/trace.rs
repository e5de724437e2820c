//! The way of a message: the one that it took, with times, and the ones that it would take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use ferrymq_client::AckMode;
use serde_json::Value;
use support::{Ferry, Native, PATIENCE, Process, ferrymq_command, text, until};

fn trace(arguments: &[&str]) -> Value {
    let arguments = [&["trace", "--json"], arguments].concat();
    let ended = Process::spawn("ferrymq trace", ferrymq_command(&arguments)).ended();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout.join("\n")).expect("JSON")
}

fn to(url: &str) -> String {
    format!("static:({url})?initialReconnectDelay=50&maxReconnectDelay=50")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_tells_its_way_and_a_probe_goes_it_without_a_message() {
    let rome = Ferry::named("rome").admin().start();
    let paris = Ferry::named("paris").admin().network(&to(rome.url())).start();
    let london = Ferry::named("london").admin().network(&to(paris.url())).start();
    let (at_london, at_rome) =
        (Native::connect(london.url()).await, Native::with_mode(rome.url(), AckMode::Client).await);
    let consumer = at_rome.consumer("queue://orders").await;

    // A probe finds the whole way as soon as demand has spread, and nobody gets anything.
    let found = until("demand has spread", PATIENCE, || {
        let probe = trace(&["orders", "--probe", "--admin", &london.admin()]);
        (probe["steps"].as_array().unwrap().len() == 3).then_some(probe)
    });
    let steps = found["steps"].as_array().unwrap();
    assert_eq!(steps[2]["path"], serde_json::json!(["london", "paris"]), "{found}");
    assert_eq!(steps[2]["broker"], "rome");
    let last = &steps[2]["considered"][0];
    assert_eq!((&last["kind"], &last["verdict"]), (&"consumer".into(), &"has_room".into()));
    support::nothing_comes(&consumer).await;

    at_london.send_numbers("queue://orders", 0, 1).await;
    assert_eq!(text(&consumer).await, "0");
    let way = trace(&["queue://orders", "--admin", &rome.admin()]);
    assert_eq!(way["place"], "in_flight", "{way}");
    let hops = way["hops"].as_array().unwrap();
    let names: Vec<&str> = hops.iter().map(|hop| hop["name"].as_str().unwrap()).collect();
    // Rome's neighbours and theirs know london, which knows where its admin API is.
    assert_eq!(names, ["london", "paris", "rome"], "{way}");
    let times: Vec<i64> = hops.iter().map(|hop| hop["arrived_unix_ms"].as_i64().unwrap()).collect();
    assert!(times.is_sorted() && way["sent_unix_ms"].as_i64() <= Some(times[0]), "{way}");

    // In words.
    let arguments = ["trace", "orders", "--admin", &rome.admin()];
    let shown = Process::spawn("ferrymq trace", ferrymq_command(&arguments)).ended();
    assert!(shown.stdout.iter().any(|line| line.starts_with("paris")), "{shown:?}");
    let arguments = ["trace", "orders", "--probe", "--admin", &london.admin()];
    let shown = Process::spawn("ferrymq trace", ferrymq_command(&arguments)).ended();
    assert!(shown.stdout.contains(&"london -> paris -> rome".to_owned()), "{shown:?}");
}

#[test]
fn a_probe_of_a_queue_without_demand_would_wait() {
    let alone = Ferry::named("alone").admin().start();
    let arguments = ["trace", "nobody", "--probe", "--admin", &alone.admin()];
    let shown = Process::spawn("ferrymq trace", ferrymq_command(&arguments)).ended();
    assert_eq!(shown.code(), Some(0));
    assert!(shown.stdout.contains(&"  it would wait here".to_owned()), "{shown:?}");
    let arguments = ["trace", "nobody", "--admin", &alone.admin()];
    let none = Process::spawn("ferrymq trace", ferrymq_command(&arguments)).ended();
    assert_eq!(none.code(), Some(1), "{none:?}");
}
