//! What a link is told by its connector.

use tokio::sync::watch;

/// What is to become of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// It is dialled, and dialled again.
    Keep,
    /// It may live for as long as it does, and is not dialled any more.
    LetGo,
    /// It ends, in good order.
    End,
}

impl Order {
    /// Gives another order, unless this one is final; whether it did.
    pub(super) fn becomes(&mut self, order: Self) -> bool {
        let changes = *self != order && *self != Self::End;
        if changes {
            *self = order;
        }
        changes
    }
}

/// Completes when the link is to end, or nobody is left to say so.
pub(super) async fn ended(orders: &mut watch::Receiver<Order>) {
    let _ = orders.wait_for(|order| *order == Order::End).await;
}

/// Completes when the link is not to be dialled any more.
pub(super) async fn let_go(orders: &mut watch::Receiver<Order>) {
    let _ = orders.wait_for(|order| *order != Order::Keep).await;
}
