//! What an audit knows, as its windows slide and are brought back.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_openwire::ids::{BrokerId, ConnectionId, MessageId, ProducerId, SessionId};
use ferrymq_openwire::message::{Message, MessageFields};

use super::audit::{Audit, AuditMemory, AuditSettings, Bringer};
use super::audit_window::{AuditRecord, Seen, SequenceWindow, WORD};

fn own() -> BrokerId {
    BrokerId::new("own")
}

fn via(producer: i64, number: i64, path: &[&str]) -> Message {
    let session = SessionId::new(&ConnectionId::new("c"), 1);
    let fields = MessageFields {
        message_id: Some(MessageId::new(ProducerId::new(&session, producer), number)),
        broker_path: Some(path.iter().map(|broker| Some(BrokerId::new(*broker))).collect()),
        persistent: true,
        ..MessageFields::default()
    };
    Message::from_fields(&fields).unwrap()
}

fn audit(depth: usize, producers: usize) -> Audit {
    let settings = AuditSettings { enabled: true, depth, producers };
    Audit::new(settings, own(), AuditMemory::new(usize::MAX))
}

fn ask(audit: &mut Audit, producer: i64, number: i64, path: &[&str]) -> Seen {
    audit.seen(&via(producer, number, path), Bringer::Bridge).unwrap()
}

#[test]
fn a_second_copy_is_known_by_whatever_way_it_comes() {
    let mut audit = audit(128, 8);
    assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Never);
    assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Before);
    assert_eq!(ask(&mut audit, 1, 5, &["a", "c"]), Seen::Before);
    assert_eq!(ask(&mut audit, 1, 6, &["a"]), Seen::Never);
    assert_eq!(ask(&mut audit, 2, 5, &["a"]), Seen::Never, "another producer's");
}

#[test]
fn what_was_sent_on_and_returns_is_no_copy_but_may_have_one() {
    let mut audit = audit(128, 8);
    assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Never);
    assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "b"]), Seen::Never);
    assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "b"]), Seen::Before);
    assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "c"]), Seen::Before);
    assert_eq!(ask(&mut audit, 1, 5, &["a"]), Seen::Before);
    assert_eq!(ask(&mut audit, 1, 5, &["a", "own", "b", "own", "b"]), Seen::Never);
}

#[test]
fn a_copy_is_not_dropped_for_one_that_has_gone_on_and_may_be_dropped_itself() {
    // Two copies at two brokers, each sent on to the other: one of them is taken at least.
    let (mut one, mut other) = (audit(128, 8), audit(128, 8));
    assert_eq!(ask(&mut one, 1, 5, &["a"]), Seen::Never);
    assert_eq!(ask(&mut other, 1, 5, &["a"]), Seen::Never);
    one.gone(&via(1, 5, &["a"]));
    assert_eq!(ask(&mut other, 1, 5, &["a", "one"]), Seen::Before, "its own is still there");
    assert_eq!(ask(&mut one, 1, 5, &["a", "other"]), Seen::Unknown);
    // Now it is here, and lives.
    assert_eq!(ask(&mut one, 1, 5, &["a", "other", "b"]), Seen::Before);
}

#[test]
fn what_a_ferrymq_sends_again_by_the_same_way_is_a_copy_wherever_the_first_one_is() {
    let session = SessionId::new(&ConnectionId::new("c"), 1);
    let message = |cluster: Option<Vec<Option<BrokerId>>>| {
        let fields = MessageFields {
            message_id: Some(MessageId::new(ProducerId::new(&session, 1), 5)),
            broker_path: Some(vec![Some(BrokerId::new("a"))]),
            cluster,
            ..MessageFields::default()
        };
        Message::from_fields(&fields).unwrap()
    };
    let times = Some(vec![Some(BrokerId::new("0@17"))]);
    for (times, again) in [(times, Seen::Before), (None, Seen::Unknown)] {
        let mut audit = audit(128, 8);
        let message = message(times);
        assert_eq!(audit.seen(&message, Bringer::Bridge), Some(Seen::Never));
        audit.gone(&message);
        assert_eq!(audit.seen(&message, Bringer::Bridge), Some(again));
    }
}

#[test]
fn too_many_producers_are_forgotten_and_counted() {
    let mut audit = audit(64, 2);
    for producer in 1..=3 {
        assert_eq!(ask(&mut audit, producer, 1, &["a"]), Seen::Never);
    }
    assert_eq!(audit.take_forgotten(), 1);
    assert_eq!(ask(&mut audit, 3, 1, &["a"]), Seen::Before);
    assert_eq!(ask(&mut audit, 1, 1, &["a"]), Seen::Never, "the oldest was forgotten");
}

#[test]
fn all_audits_share_one_bound_and_give_it_back() {
    let memory = AuditMemory::new(1_000);
    let settings = AuditSettings { enabled: true, depth: 64, producers: 1_000 };
    let mut audits: Vec<Audit> =
        (0..3).map(|_| Audit::new(settings, own(), Arc::clone(&memory))).collect();
    for number in 0..300 {
        for audit in &mut audits {
            assert_eq!(ask(audit, number, 1, &["a"]), Seen::Never);
            assert_eq!(ask(audit, number, 1, &["a"]), Seen::Before, "the last is remembered");
        }
    }
    assert!(memory.used() < 2_000);
    drop(audits);
    assert_eq!(memory.used(), 0);
}

#[test]
fn what_cannot_be_known_is_said() {
    let mut audit = audit(64, 2);
    let nameless = Message::from_fields(&MessageFields::default()).unwrap();
    assert_eq!(audit.seen(&nameless, Bringer::Bridge), Some(Seen::Unknown));
    assert_eq!(ask(&mut audit, 1, 1_000_000, &["a"]), Seen::Never);
    assert_eq!(ask(&mut audit, 1, 1, &["a"]), Seen::Unknown);
    let settings = AuditSettings { enabled: false, ..AuditSettings::default() };
    let mut off = Audit::new(settings, own(), AuditMemory::new(0));
    assert_eq!(off.seen(&via(1, 1, &["a"]), Bringer::Bridge), None);
}

/// Against a set of all numbers: within the window it agrees, and what it calls unknown is
/// below it.
#[test]
fn a_window_agrees_with_a_set() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let most = random.usize(1..6);
        let (mut window, mut set) = (SequenceWindow::default(), BTreeSet::new());
        let mut highest = random.i64(-500..500);
        for _ in 0..400 {
            let number = match random.u8(..20) {
                0 => highest + random.i64(0..2_000),
                1 => highest - random.i64(0..1_000),
                _ => highest + random.i64(-90..10),
            };
            highest = highest.max(number);
            let bottom = highest.div_euclid(WORD) * WORD - (most as i64 - 1) * WORD;
            match window.mark(number, most) {
                Seen::Never => assert!(set.insert(number), "seed {seed}: {number} was there"),
                Seen::Before => assert!(set.contains(&number), "seed {seed}: {number} is new"),
                Seen::Unknown => assert!(number < bottom, "seed {seed}: {number} is within"),
            }
            assert!(window.bits.len() <= most, "seed {seed}");
        }
    }
    let mut window = SequenceWindow::default();
    for number in [i64::MIN, i64::MAX, 0, i64::MIN, i64::MAX] {
        let _ = window.mark(number, 3);
    }
}

#[test]
fn a_store_is_told_nothing_of_what_it_does_not_keep() {
    let message = |number, persistent| {
        let session = SessionId::new(&ConnectionId::new("c"), 1);
        let fields = MessageFields {
            message_id: Some(MessageId::new(ProducerId::new(&session, 1), number)),
            broker_path: Some(vec![Some(BrokerId::new("a"))]),
            persistent,
            ..MessageFields::default()
        };
        Message::from_fields(&fields).unwrap()
    };
    let mut audit = audit(128, 8);
    audit.record();
    for number in 0..1_000 {
        audit.seen(&message(number, false), Bringer::Bridge);
        assert_eq!(audit.take_records().count(), 0, "{number}");
    }
    audit.seen(&message(1_000, true), Bringer::Bridge);
    assert_eq!(audit.take_records().count(), 1);
    let kept: usize = (1_001..2_000)
        .map(|number| {
            audit.seen(&message(number, false), Bringer::Bridge);
            let records = audit.take_records();
            records.inspect(|record| assert_eq!(record.word, 0)).count()
        })
        .sum();
    assert!((1..20).contains(&kept), "words that left the window: {kept}");
}

#[test]
fn what_it_records_brings_it_back() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut one, mut kept) = (audit(256, 3), std::collections::BTreeMap::new());
        one.record();
        let mut at = 0;
        for _ in 0..2_000 {
            at += rng.i64(0..3);
            let number = at - rng.i64(0..100);
            one.seen(&via(rng.i64(0..5), number, &["a"]), Bringer::Bridge);
            for AuditRecord { key, word } in one.take_records() {
                if word == 0 {
                    kept.remove(&key)
                } else {
                    kept.insert(key, word)
                };
            }
        }
        let mut other = audit(256, 3);
        for (key, word) in kept {
            other.restore(&AuditRecord { key, word });
        }
        // Of what both can tell, they tell the same.
        for producer in 0..5 {
            for number in at - 150..=at + 5 {
                let message = via(producer, number, &["a"]);
                let told = [one.peek(&message), other.peek(&message)];
                assert_eq!(told[0], told[1], "seed {seed}, {producer}: {number}");
            }
        }
    }
}

#[test]
fn what_a_client_sends_again_is_known_and_pushes_out_no_bridge() {
    let mut audit = audit(128, 3);
    let sent = |audit: &mut Audit, producer, number| {
        audit.seen(&via(producer, number, &[]), Bringer::Producer).unwrap()
    };
    assert_eq!(ask(&mut audit, 1, 1, &["a"]), Seen::Never);
    assert_eq!(sent(&mut audit, 7, 1), Seen::Never);
    assert_eq!(sent(&mut audit, 7, 1), Seen::Before);
    assert_eq!(ask(&mut audit, 7, 1, &["a"]), Seen::Before, "the other broker has it, too");
    assert_eq!(sent(&mut audit, 1, 1), Seen::Before, "a bridge was faster");
    assert_eq!(ask(&mut audit, 7, 2, &["a", "own", "b"]), Seen::Never, "it returns");
    for producer in 10..20 {
        assert_eq!(sent(&mut audit, producer, 1), Seen::Never);
    }
    assert_eq!(sent(&mut audit, 7, 1), Seen::Before, "a bridge brought it meanwhile");
    assert_eq!(ask(&mut audit, 1, 1, &["a"]), Seen::Before);
}

#[test]
fn what_a_client_sent_to_two_brokers_is_not_dropped_by_both() {
    let (mut one, mut other) = (audit(128, 8), audit(128, 8));
    for audit in [&mut one, &mut other] {
        let sent = via(1, 5, &[]);
        assert_eq!(audit.seen(&sent, Bringer::Producer), Some(Seen::Never));
        audit.gone(&sent);
    }
    assert_eq!(ask(&mut one, 1, 5, &["other"]), Seen::Unknown);
    assert_eq!(ask(&mut other, 1, 5, &["one"]), Seen::Unknown);
    let sent = via(1, 5, &[]);
    assert_eq!(one.seen(&sent, Bringer::Producer), Some(Seen::Before), "from where it stood");
}

#[test]
fn what_clients_sent_is_brought_back() {
    let mut one = audit(128, 8);
    one.record();
    one.seen(&via(1, 5, &[]), Bringer::Producer);
    let mut other = audit(128, 8);
    one.take_records().for_each(|record| other.restore(&record));
    assert_eq!(other.seen(&via(1, 5, &[]), Bringer::Producer), Some(Seen::Before));
}
