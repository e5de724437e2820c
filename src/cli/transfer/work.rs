//! Taking messages from a queue, a transaction at a time.

use ferrymq_client::error::{CommitError, OpenError, ReceiveError, SendError};
use ferrymq_client::{
    AckMode, Connection, Consumer, ConsumerOptions, Delivery, Producer, ProducerOptions,
    ReceivedMessage, Session,
};
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::message::MessageFields;
use ferrymq_openwire::properties::Value;

use super::arguments::Selection;
use crate::cli::shutdown::Shutdown;

/// What becomes of the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// They go there.
    To(Destination),
    /// They go to where they were sent first.
    ToOrigin,
    /// They are gone.
    Dropped,
}

/// Why it does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(
        "message {0} does not say where it was sent first: leave it out with --where, or move it \
         with --to"
    )]
    NoOrigin(String),
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Outcome {
    /// How many messages met their fate.
    pub(super) count: u64,
    /// Whether somebody asked to stop before all had.
    pub(super) told: bool,
    /// What went wrong.
    pub(super) failure: Option<Failure>,
}

/// Lets the selected messages of a queue meet their fate.
pub(super) async fn transfer(
    connection: &Connection,
    from: &Destination,
    fate: &Fate,
    selection: &Selection,
    shutdown: &mut Shutdown,
) -> Outcome {
    let mut outcome = Outcome { count: 0, told: false, failure: None };
    let done = if selection.dry_run {
        look(connection, from, selection, shutdown, &mut outcome).await
    } else {
        take(connection, from, fate, selection, shutdown, &mut outcome).await
    };
    outcome.failure = done.err();
    outcome
}

async fn take(
    connection: &Connection,
    from: &Destination,
    fate: &Fate,
    selection: &Selection,
    shutdown: &mut Shutdown,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    // What is refused again comes back here; only what was here at the beginning is tried.
    let all = if *fate == Fate::ToOrigin {
        let mut found = Outcome { count: 0, told: false, failure: None };
        look(connection, from, selection, shutdown, &mut found).await?;
        outcome.told = found.told;
        found.count
    } else {
        u64::MAX
    };
    let session = connection.session(AckMode::Transacted);
    let producer = session.producer(ProducerOptions::anywhere()).await?;
    let consumer = consumer(&session, from, selection, false).await?;
    let mut batch = Vec::new();
    while !outcome.told
        && outcome.count < all
        && next(&consumer, selection, all, outcome, shutdown, &mut batch).await?
    {
        let sent = send_on(&producer, fate, &batch).await;
        if let Err(failure) = sent {
            session.rollback().await?;
            return Err(failure);
        }
        session.commit().await?;
        outcome.count += batch.len() as u64;
        batch.clear();
    }
    Ok(())
}

async fn look(
    connection: &Connection,
    from: &Destination,
    selection: &Selection,
    shutdown: &mut Shutdown,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let session = connection.session(AckMode::Auto);
    let consumer = consumer(&session, from, selection, true).await?;
    let mut batch = Vec::new();
    while next(&consumer, selection, u64::MAX, outcome, shutdown, &mut batch).await? {
        outcome.count += batch.len() as u64;
        batch.clear();
    }
    Ok(())
}

async fn consumer(
    session: &Session,
    from: &Destination,
    selection: &Selection,
    browser: bool,
) -> Result<Consumer, OpenError> {
    // Not more than will be taken: others may wait for the rest.
    let few = selection.limit.and_then(|limit| u32::try_from(limit).ok());
    let window = selection.batch.min(few.unwrap_or(u32::MAX));
    let mut options = ConsumerOptions::new(from.clone()).prefetch(window);
    options.selector.clone_from(&selection.condition);
    options.browser = browser;
    // Expired ones are of interest here, too.
    options.drop_expired = false;
    session.consumer(options).await
}

/// Receives the next batch, of `all`; false when there is none, or nobody wants more.
async fn next(
    consumer: &Consumer,
    selection: &Selection,
    all: u64,
    outcome: &mut Outcome,
    shutdown: &mut Shutdown,
    batch: &mut Vec<Delivery>,
) -> Result<bool, Failure> {
    let left = selection.limit.unwrap_or(u64::MAX).min(all).saturating_sub(outcome.count);
    let most = usize::try_from(left.min(selection.batch.into())).unwrap_or(usize::MAX);
    while batch.len() < most {
        tokio::select! {
            biased;
            () = shutdown.requested() => {
                outcome.told = true;
                // What has come is not settled, and returns.
                return Ok(false);
            }
            came = consumer.receive_many(most - batch.len(), batch) => {
                if came? == 0 {
                    break;
                }
            }
            () = tokio::time::sleep(selection.idle) => break,
        }
    }
    Ok(!batch.is_empty())
}

async fn send_on(producer: &Producer, fate: &Fate, batch: &[Delivery]) -> Result<(), Failure> {
    for message in batch {
        match fate {
            Fate::To(to) => {
                let was = message.message().destination();
                producer.forward(to, message, |fields| moved(fields, was)).await?;
            }
            Fate::ToOrigin => {
                let origin = origin(message)?;
                producer.forward(&origin, message, |fields| revived(fields, message)).await?;
            }
            Fate::Dropped => {}
        }
    }
    Ok(())
}

/// Where a message was sent first.
fn origin(message: &ReceivedMessage) -> Result<Destination, Failure> {
    message.message().original_destination().ok_or_else(|| {
        let id = message.message().message_id();
        Failure::NoOrigin(id.map(|id| id.to_string()).unwrap_or_default())
    })
}

/// It says where it was, unless it says where it was sent first.
fn moved(fields: &mut MessageFields, was: Option<Destination>) {
    fields.original_destination = fields.original_destination.take().or(was);
}

/// It is a dead letter no more.
fn revived(fields: &mut MessageFields, message: &ReceivedMessage) {
    fields.original_destination = None;
    if let Ok(mut properties) = message.properties() {
        let cause = properties.remove("dlqDeliveryFailureCause");
        // When it should have expired is over, or it would not be tried again.
        let expiration: Option<Value> = properties.remove("originalExpiration");
        if cause.is_some() || expiration.is_some() {
            fields.marshalled_properties = Some(properties.encode());
        }
    }
}
