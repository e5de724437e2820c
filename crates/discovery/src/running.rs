//! A task that ends with whoever wanted it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::known::Known;

/// A running agent. Dropped, it ends.
#[derive(Debug)]
pub struct Discovery {
    known: watch::Receiver<Arc<Known>>,
    /// Of at most one task, which the set ends when it is dropped.
    _task: JoinSet<()>,
}

impl Discovery {
    /// Exactly what is known already, for good.
    pub(crate) fn settled(known: Known) -> Self {
        let (_, known) = watch::channel(Arc::new(known));
        Self { known, _task: JoinSet::new() }
    }

    /// What a task, given the place to write it to, finds out.
    pub(crate) fn spawn<F>(task: impl FnOnce(watch::Sender<Arc<Known>>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, known) = watch::channel(Arc::new(Known::nobody_yet()));
        let mut tasks = JoinSet::new();
        tasks.spawn(task(sender));
        Self { known, _task: tasks }
    }

    /// Who is there now.
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.borrow())
    }

    /// Waits until that changes, which of a fixed list it never does. Cancel-safe.
    pub async fn changed(&mut self) -> Arc<Known> {
        if self.known.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.known.borrow_and_update())
    }
}
