//! A network connector: keeps a bridge to each broker of its list, for as long as it runs.

mod board;
mod handle;
mod status;
mod supervisor;

pub use handle::{LinkWatch, NetworkConnector, NetworkConnectorHandle};
pub use status::{LinkState, LinkStatus};
