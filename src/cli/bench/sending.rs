//! How a producer hands a message over, and when it is sure of it.

use std::collections::VecDeque;

use ferrymq_client::error::{CommitError, SendError};
use ferrymq_client::{OutgoingMessage, Producer, Receipt, Session};

use super::plan::Plan;

/// Persistent messages of one producer that wait for their confirmation.
const UNCONFIRMED: usize = 1000;

/// A producer at work.
pub(super) struct Sending {
    session: Session,
    producer: Producer,
    manner: Manner,
}

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendingError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

enum Manner {
    /// Sent is done.
    Unconfirmed,
    /// Each is confirmed before the next.
    OneByOne,
    /// Many wait for their confirmation at once.
    Late(VecDeque<Receipt>),
    /// So many at a time are committed; those since the last commit are counted.
    Commits { each: u64, open: u64 },
}

impl Sending {
    /// As the plan says.
    pub(super) fn new(plan: &Plan, session: Session, producer: Producer) -> Self {
        let manner = match plan.transacted {
            Some(each) => Manner::Commits { each, open: 0 },
            None if plan.sync => Manner::OneByOne,
            None if plan.persistent => Manner::Late(VecDeque::new()),
            None => Manner::Unconfirmed,
        };
        Self { session, producer, manner }
    }

    /// Sends one.
    pub(super) async fn send(&mut self, message: OutgoingMessage) -> Result<(), SendingError> {
        match &mut self.manner {
            Manner::Unconfirmed => self.producer.send_async(message).await?,
            Manner::OneByOne => self.producer.submit(message).await?.confirmed().await?,
            Manner::Late(unconfirmed) => {
                unconfirmed.push_back(self.producer.submit(message).await?);
                if unconfirmed.len() > UNCONFIRMED
                    && let Some(receipt) = unconfirmed.pop_front()
                {
                    receipt.confirmed().await?;
                }
            }
            Manner::Commits { each, open } => {
                self.producer.send_async(message).await?;
                *open += 1;
                if open == each {
                    *open = 0;
                    self.session.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until all is confirmed.
    pub(super) async fn finish(&mut self) -> Result<(), SendingError> {
        match &mut self.manner {
            Manner::Unconfirmed | Manner::OneByOne | Manner::Commits { open: 0, .. } => {}
            Manner::Late(unconfirmed) => {
                for receipt in unconfirmed.drain(..) {
                    receipt.confirmed().await?;
                }
            }
            Manner::Commits { open, .. } => {
                *open = 0;
                self.session.commit().await?;
            }
        }
        Ok(())
    }
}
