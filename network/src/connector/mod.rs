//! A network connector: keeps a bridge to each broker of its list, or that discovery finds, for as
//! long as it runs.

mod accepted;
mod board;
mod demand_notes;
mod handle;
mod keeper;
mod live_endpoint;
mod order;
mod outage;
mod register;
mod roster;
mod status;
mod supervisor;
mod witness;

pub use accepted::{AcceptedBridges, AdmitError, AdmittedBridge};
pub use demand_notes::DemandNote;
pub use handle::{LinkProspect, LinkWatch, NetworkConnector, NetworkConnectorHandle};
pub use register::LinkRegister;
pub use status::{LinkState, LinkStatus, MadeBy};
