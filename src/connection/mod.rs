//! The broker's side of each link: its peer's sessions, producers and consumers.

mod consume;
mod doubts;
mod duplex;
mod guidance;
mod held_answers;
mod listener;
mod open;
mod parked;
mod peer;
mod produce;
mod producer;
mod pull;
mod pulls;
mod refusal;
mod roster;
mod serve;
mod synchronises;
mod transact;
mod transactions;
mod windows;

pub use duplex::{BridgeBack, BridgesBack};
pub use guidance::{Guidance, GuidedClient};
pub use listener::{ListenError, Listening};
pub use roster::{ConnectionSnapshot, FarEnd};
pub use serve::{Admitted, Connections};
