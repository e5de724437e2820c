//! Reads what queues wait for, away from the threads that serve connections.

use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc::{Sender, channel};
use tokio_util::sync::CancellationToken;

use crate::routing::{Broker, Paged};

/// How many pages of queues are read at once, so that one that is slow to read holds up few.
const READERS: usize = 4;

/// A thread that reads. One that has nothing to do waits; the first ones do most of the work, since
/// each thread keeps memory for what it has read.
struct Reader {
    queues: SyncSender<Paged>,
    idle: bool,
}

/// Reads what queues wait for.
pub(super) async fn page_queues(broker: Arc<Broker>, end: CancellationToken) {
    // At most one of each reader: it gets no other queue before.
    let (done, mut finished) = channel(READERS);
    let mut readers: Vec<Reader> = Vec::new();
    loop {
        while has_idle(&readers)
            && let Some(queue) = broker.next_to_page()
        {
            if broker.paging_waits() {
                give(queue, &mut readers, &broker, &done);
            } else {
                broker.page(&queue);
                tokio::task::yield_now().await;
            }
        }
        tokio::select! {
            biased;
            () = end.cancelled() => break,
            Some(at) = finished.recv() => {
                if let Some(reader) = readers.get_mut(at) {
                    reader.idle = true;
                }
            }
            () = broker.pages_wanted(), if has_idle(&readers) => {}
        }
    }
    drop(done);
    // Their threads end when they have done what they do.
    readers.clear();
    while finished.recv().await.is_some() {}
}

/// Whether one has nothing to do, or may still be made.
fn has_idle(readers: &[Reader]) -> bool {
    readers.len() < READERS || readers.iter().any(|reader| reader.idle)
}

/// Lets the first reader that has nothing to do read for a queue.
fn give(queue: Paged, readers: &mut Vec<Reader>, broker: &Arc<Broker>, done: &Sender<usize>) {
    if !readers.iter().any(|reader| reader.idle) {
        readers.extend(start(readers.len(), Arc::clone(broker), done.clone()));
    }
    let Some(reader) = readers.iter_mut().find(|reader| reader.idle) else {
        // There is no thread to be had.
        return broker.page(&queue);
    };
    reader.idle = false;
    if let Err(SendError(queue)) = reader.queues.send(queue) {
        // One that is gone is never idle again.
        broker.page(&queue);
    }
}

fn start(at: usize, broker: Arc<Broker>, done: Sender<usize>) -> Option<Reader> {
    let (queues, given) = sync_channel::<Paged>(1);
    let read = move || {
        for queue in given {
            broker.page(&queue);
            if done.blocking_send(at).is_err() {
                break;
            }
        }
    };
    let thread = thread::Builder::new().name(format!("pages-{at}")).spawn(read);
    thread.map(|_| Reader { queues, idle: true }).ok()
}
