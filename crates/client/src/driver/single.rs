//! The two tasks of a connection with one broker: one reads, one writes. They only move commands.

use std::sync::Arc;

use ferrymq_transport::link::{Pump, Receiver};

use super::tasks::{Driver, Writer};
use crate::core::ConnectionCore;
use crate::error::ConnectionLost;

/// Starts both tasks.
pub(crate) fn start(core: &Arc<ConnectionCore>, receiver: Receiver, pump: Pump) -> Driver {
    let reader = tokio::spawn(read(Arc::clone(core), receiver)).abort_handle();
    let writer = tokio::spawn(write(Arc::clone(core), pump));
    Driver { reader, writer: Writer::of(writer) }
}

async fn read(core: Arc<ConnectionCore>, mut receiver: Receiver) {
    let mut batch = Vec::new();
    let mut run = Vec::new();
    let lost = loop {
        let received = tokio::select! {
            biased;
            () = core.stop.notified() => return,
            received = receiver.receive(&mut batch) => received,
        };
        // What came before the end still counts: a refusal often precedes it.
        let handled = core.handle(&mut batch, &mut run);
        if let Err(lost) = handled {
            break lost;
        }
        if let Err(error) = received {
            break ConnectionLost::new(error.to_string());
        }
    };
    tracing::debug!(connection = %core.id, reason = %lost.reason, "connection over");
    core.break_off(lost);
}

async fn write(core: Arc<ConnectionCore>, pump: Pump) {
    if let Err(error) = pump.run().await {
        core.break_off(ConnectionLost::new(error.to_string()));
    }
}
