//! Brokers that know nothing but a multicast group find each other, and notice who goes and who
//! comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{
    Ferry, FerrySetup, Host, Lan, Links, Native, PATIENCE, ferrymq_command, links, links_of, text,
    until_linked,
};

/// How soon brokers that have started are joined.
const SOON: Duration = Duration::from_secs(3);

/// A group that no other run of this test hears, on the loopback interface.
fn group(options: &str) -> String {
    let id = std::process::id();
    format!("multicast://default?group=test-{id}&interface=127.0.0.1{options}")
}

fn member(name: &str, announce: &str, find: &str) -> FerrySetup {
    Ferry::named(name).announce(announce).network(find).admin()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_brokers_that_know_only_the_group_form_a_network() {
    let group = group("");
    let brokers = ["a", "b", "c"].map(|name| member(name, &group, &group).start());
    let [a, b, c] = &brokers;
    until_linked("a", SOON, &["b", "c"], || links(&a.admin()));
    until_linked("b", SOON, &["a", "c"], || links(&b.admin()));
    until_linked("c", SOON, &["a", "b"], || links(&c.admin()));
    let (at_a, at_c) = (Native::connect(a.url()).await, Native::connect(c.url()).await);
    let consumer = at_c.consumer("queue://found").await;
    at_a.send_numbers("queue://found", 7, 1).await;
    assert_eq!(text(&consumer).await, "7");
}

#[test]
fn who_dies_is_forgotten_and_taken_back_when_it_returns() {
    let fast = group("&keepAliveInterval=100");
    let find = format!("{fast}&initialReconnectDelay=100");
    let [mut a, b, c] = ["a", "b", "c"].map(|name| member(name, &fast, &find).start());
    until_linked("b", PATIENCE, &["a", "c"], || links(&b.admin()));
    until_linked("c", PATIENCE, &["a", "b"], || links(&c.admin()));
    a.process.kill();
    // Not only down: nobody tries to reach it any more.
    until_linked("b", PATIENCE, &["c"], || links(&b.admin()));
    until_linked("c", PATIENCE, &["b"], || links(&c.admin()));
    a.restart();
    until_linked("b", PATIENCE, &["a", "c"], || links(&b.admin()));
    until_linked("c", PATIENCE, &["a", "b"], || links(&c.admin()));
}

#[test]
fn who_stops_takes_leave() {
    // So long an interval that nobody could tell by silence.
    let slow = group("&keepAliveInterval=1000");
    let find = format!("{slow}&expiry=3600000");
    let [a, b] = ["a", "b"].map(|name| member(name, &slow, &find).start());
    until_linked("b", PATIENCE, &["a"], || links(&b.admin()));
    assert_eq!(a.terminate().code(), Some(0));
    until_linked("b", PATIENCE, &[], || links(&b.admin()));
}

#[test]
fn who_does_not_know_the_secret_is_not_heard() {
    let file = |name: &str, secret: &str| {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("secret-{name}-{}", std::process::id()));
        std::fs::write(&path, secret).expect("the temporary folder takes a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    let secret = file("ours", "correct horse battery staple\n");
    let open = group("&keepAliveInterval=50&networkInterface=lo");
    let ours = format!("{open}&secretFile={secret}");
    let wrong = format!("{open}&secretFile={}", file("wrong", "incorrect horse\n"));
    let [a, b] = ["a", "b"].map(|name| member(name, &ours, &ours).start());
    let stranger = member("stranger", &open, &open).start();
    let impostor = member("impostor", &wrong, &wrong).start();
    until_linked("a", PATIENCE, &["b"], || links(&a.admin()));
    until_linked("b", PATIENCE, &["a"], || links(&b.admin()));
    // Who asks for no proof hears everybody: all announcements have been on the wire.
    until_linked("the stranger", PATIENCE, &["a", "b", "impostor"], || links(&stranger.admin()));
    until_linked("the impostor", PATIENCE, &[], || links(&impostor.admin()));
    for broker in [&a, &b] {
        broker.process.log_line("the refusal", |line| line.contains("without proof"));
    }
    until_linked("a", PATIENCE, &["b"], || links(&a.admin()));
}

/// What a broker's admin API says, asked on its own host.
fn links_on(host: &Host, broker: &Ferry) -> Links {
    let admin = broker.admin();
    let asked = host.run(&ferrymq_command(&["status", "--json", "--admin", &admin])).output();
    let answer: Value = serde_json::from_slice(&asked.expect("the command runs").stdout)
        .expect("the status as JSON");
    links_of(&answer["links"])
}

/// Three machines on one Ethernet, without a way out of it; what each listens on is all that tells
/// them apart.
#[test]
fn brokers_of_three_hosts_find_each_other_and_notice_a_pulled_plug() {
    let Some(lan) = Lan::new(3) else { return };
    let [one, two, three] = lan.hosts() else { panic!("three hosts") };
    let find = "multicast://default?initialReconnectDelay=200";
    let start =
        |host: &Host, name: &str| member(name, "multicast://default", find).on(host).start();
    let (a, b, c) = (start(one, "a"), start(two, "b"), start(three, "c"));
    until_linked("a", SOON, &["b", "c"], || links_on(one, &a));
    until_linked("b", SOON, &["a", "c"], || links_on(two, &b));
    until_linked("c", SOON, &["a", "b"], || links_on(three, &c));
    // It goes without a word to anybody.
    one.plug(false);
    until_linked("b", PATIENCE, &["c"], || links_on(two, &b));
    until_linked("c", PATIENCE, &["b"], || links_on(three, &c));
    one.plug(true);
    until_linked("b", PATIENCE, &["a", "c"], || links_on(two, &b));
    until_linked("a", PATIENCE, &["b", "c"], || links_on(one, &a));
}

#[test]
fn a_group_of_ipv6_joins_brokers_too() {
    let Some(lan) = Lan::new(2) else { return };
    if !lan.has_ipv6() {
        eprintln!("skipped: no IPv6 here");
        return;
    }
    let [one, two] = lan.hosts() else { panic!("two hosts") };
    // The one is another group on each link, the other one is the same on all of a site.
    for group in ["multicast://[ff02::77]?networkInterface=eth0", "multicast://[ff05::77]?group=g"]
    {
        let find = format!("{group}&initialReconnectDelay=100");
        let start =
            |host: &Host, name: &str| member(name, group, &find).on(host).at("[::]", 61616).start();
        let (a, b) = (start(one, "a"), start(two, "b"));
        until_linked("a", PATIENCE, &["b"], || links_on(one, &a));
        until_linked("b", PATIENCE, &["a"], || links_on(two, &b));
        assert_eq!(b.terminate().code(), Some(0));
        until_linked("a", PATIENCE, &[], || links_on(one, &a));
    }
}
