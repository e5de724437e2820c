//! The contract, as callers see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use ferrymq_store::contract::{
    Batch, Holders, MOST_KEY, Observer, QueueId, QueueState, ReadLimits, Refusal, Store, Table,
};
use ferrymq_store::memory::MemoryStore;

use crate::rig::{ALL, Heard, PATIENCE, body, contents, held, on_each_store, settle, try_settle};

#[test]
fn messages_are_read_in_the_order_of_their_numbers() {
    on_each_store(|store| {
        settle(store, |batch| {
            for sequence in [3, 1, 2, 10] {
                batch.append(QueueId(1), sequence, body(&format!("message {sequence}")));
            }
            batch.append(QueueId(2), 4, body("of another queue"));
        });
        assert_eq!(held(store, 1), [1, 2, 3, 10]);
        assert_eq!(contents(store, 1)[2].body, "message 3");
        assert_eq!(held(store, 2), [4]);
        assert_eq!(held(store, 3), [0; 0]);
        assert_eq!(store.last_sequence(), 10);
    });
}

#[test]
fn an_acknowledged_message_is_gone() {
    on_each_store(|store| {
        settle(store, |batch| {
            (1..=5).for_each(|sequence| batch.append(QueueId(7), sequence, body("x")));
        });
        settle(store, |batch| {
            batch.acknowledge(QueueId(7), 1);
            batch.acknowledge(QueueId(7), 4);
            batch.acknowledge(QueueId(7), 99);
            batch.acknowledge(QueueId(8), 2);
        });
        assert_eq!(held(store, 7), [2, 3, 5]);
        let state =
            QueueState { queue: QueueId(7), messages: 3, bytes: 3, first: Some(2), last: Some(5) };
        assert_eq!(store.queue(QueueId(7)), state);
        assert_eq!(store.queues(), [state]);
        settle(store, |batch| [2, 3, 5].iter().for_each(|&n| batch.acknowledge(QueueId(7), n)));
        assert_eq!(store.queues(), []);
        assert_eq!(store.queue(QueueId(7)), QueueState::empty(QueueId(7)));
        assert_eq!(store.last_sequence(), 5, "numbers are remembered beyond their messages");
    });
}

#[test]
fn what_is_appended_and_acknowledged_at_once_leaves_nothing() {
    on_each_store(|store| {
        settle(store, |batch| {
            batch.append(QueueId(1), 1, body("x"));
            batch.append(QueueId(1), 2, body("y"));
            batch.acknowledge(QueueId(1), 1);
        });
        assert_eq!(held(store, 1), [2]);
    });
}

#[test]
fn a_message_is_kept_until_the_last_of_its_queues_is_done_with_it() {
    on_each_store(|store| {
        let subscriptions: Arc<[QueueId]> = [1, 2, 3].map(QueueId).into();
        settle(store, |batch| {
            batch.append(Holders::Several(subscriptions.clone()), 5, body("shared"));
        });
        settle(store, |batch| {
            batch.acknowledge(QueueId(1), 5);
            batch.acknowledge(QueueId(3), 5);
        });
        assert_eq!(held(store, 1), [0; 0]);
        assert_eq!(contents(store, 2)[0].body, "shared");
        assert_eq!(held(store, 3), [0; 0]);
    });
}

#[test]
fn a_cleared_queue_is_empty_and_can_be_filled_again() {
    on_each_store(|store| {
        let both: Arc<[QueueId]> = [1, 2].map(QueueId).into();
        settle(store, |batch| {
            (1..=100).for_each(|n| batch.append(Holders::Several(both.clone()), n, body("x")));
        });
        settle(store, |batch| {
            batch.clear(QueueId(1));
            batch.append(QueueId(1), 101, body("after"));
        });
        assert_eq!(held(store, 1), [101]);
        assert_eq!(held(store, 2).len(), 100);
    });
}

#[test]
fn a_number_that_is_used_again_replaces_the_message() {
    on_each_store(|store| {
        settle(store, |batch| batch.append(QueueId(1), 1, body("first")));
        settle(store, |batch| batch.append(QueueId(1), 1, body("second attempt")));
        assert_eq!(contents(store, 1)[0].body, "second attempt");
        assert_eq!(store.queue(QueueId(1)).messages, 1);
        assert_eq!(store.queue(QueueId(1)).bytes, 14);
    });
}

#[test]
fn reading_keeps_to_its_limits_but_gets_on() {
    on_each_store(|store| {
        settle(store, |batch| {
            (1..=10).for_each(|n| batch.append(QueueId(1), n, Bytes::from(vec![0; 100])));
        });
        let read = |from, messages, bytes| {
            let mut into = Vec::new();
            let limits = ReadLimits { messages, bytes };
            store.read(QueueId(1), from, limits, &mut into).unwrap();
            into.iter().map(|message| message.sequence).collect::<Vec<_>>()
        };
        assert_eq!(read(4, 3, usize::MAX), [4, 5, 6]);
        assert_eq!(read(4, 100, 250), [4, 5]);
        assert_eq!(read(4, 100, 1), [4], "one message in any case");
        assert_eq!(read(9, 100, usize::MAX), [9, 10]);
        assert_eq!(read(11, 100, usize::MAX), [0; 0]);
    });
}

#[test]
fn entries_are_put_replaced_removed_and_listed_in_order() {
    on_each_store(|store| {
        settle(store, |batch| {
            for name in ["b", "a", "d", "c"] {
                batch.put(Table::Receipt, body(name), body("1"));
            }
            batch.put(Table::Prepared, body("a"), body("of another table"));
        });
        settle(store, |batch| {
            batch.put(Table::Receipt, body("c"), body("2"));
            batch.remove(Table::Receipt, body("a"));
            batch.remove(Table::Receipt, body("unheard of"));
        });
        assert_eq!(store.get(Table::Receipt, b"a"), Ok(None));
        assert_eq!(store.get(Table::Receipt, b"c"), Ok(Some(body("2"))));
        assert_eq!(store.get(Table::Prepared, b"a"), Ok(Some(body("of another table"))));
        let list = |after: Option<&[u8]>, most| {
            let entries = store.entries(Table::Receipt, after, most).unwrap();
            entries.iter().map(|e| String::from_utf8_lossy(&e.key).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list(None, 10), ["b", "c", "d"]);
        assert_eq!(list(Some(b"b"), 1), ["c"]);
        assert_eq!(list(Some(b"d"), 1), [""; 0]);
    });
}

#[test]
fn batches_are_settled_in_the_order_of_their_tickets() {
    on_each_store(|store| {
        let (heard, outcomes) = Heard::new();
        let mut batch = Batch::new();
        for sequence in 1..=1000 {
            batch.append(QueueId(1), sequence, body("x"));
            store.submit(&mut batch, Some(heard.clone())).unwrap();
        }
        let mut last = None;
        for _ in 0..1000 {
            let (ticket, outcome) = outcomes.recv_timeout(PATIENCE).unwrap();
            assert!(outcome.is_ok());
            assert!(last < Some(ticket));
            last = Some(ticket);
        }
        assert_eq!(held(store, 1).len(), 1000);
    });
}

#[test]
fn an_empty_batch_is_settled_in_its_turn() {
    on_each_store(|store| settle(store, |_| {}));
}

#[test]
fn what_is_beyond_a_bound_is_refused_whole() {
    on_each_store(|store| {
        let mut batch = Batch::new();
        batch.append(QueueId(1), 1, body("x"));
        batch.put(Table::Outcome, Bytes::from(vec![0; MOST_KEY + 1]), Bytes::new());
        let refusal = store.submit(&mut batch, None).unwrap_err();
        assert!(matches!(refusal, Refusal::TooLarge { size: 65536, .. }), "{refusal}");
        assert_eq!(batch.len(), 2, "a refused batch is left alone");
        assert_eq!(held(store, 1), [0; 0]);
    });
}

#[test]
fn a_closed_store_can_be_read_but_takes_nothing() {
    on_each_store(|store| {
        settle(store, |batch| batch.append(QueueId(1), 1, body("x")));
        store.close().unwrap();
        store.close().unwrap();
        let late = try_settle(store, |batch| batch.acknowledge(QueueId(1), 1));
        assert_eq!(late, Err(Refusal::Closed));
        assert_eq!(held(store, 1), [1]);
    });
}

/// Counts how often it was told of room.
#[derive(Default)]
struct Told(AtomicU32);

impl Observer for Told {
    fn room(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_full_store_in_memory_refuses_to_keep_and_takes_what_forgets() {
    let store = MemoryStore::new(1000);
    let told = Arc::new(Told::default());
    store.watch(told.clone());
    let fill = |n| try_settle(&store, |batch| batch.append(QueueId(1), n, vec![0; 400].into()));
    assert_eq!((fill(1), fill(2), fill(3)), (Ok(()), Ok(()), Err(Refusal::Full)));
    assert!(!store.has_room(201));
    assert!(store.has_room(200));
    let transaction = |batch: &mut Batch| {
        batch.acknowledge(QueueId(1), 1);
        batch.append(QueueId(1), 4, vec![0; 400].into());
    };
    assert_eq!(try_settle(&store, transaction), Err(Refusal::Full));
    assert_eq!(told.0.load(Ordering::SeqCst), 0);
    settle(&store, |batch| batch.acknowledge(QueueId(1), 1));
    assert_eq!(told.0.load(Ordering::SeqCst), 1);
    assert_eq!(fill(3), Ok(()));
    let mut kept = Vec::new();
    store.read(QueueId(1), 0, ALL, &mut kept).unwrap();
    assert_eq!(kept.len(), 2);
}
