//! Messages, as brokers hold them: encoded, with a map of where their fields are.

mod accessors;
mod fields;
mod forward;
mod held;
mod image;
mod kind;

pub use accessors::Origin;
pub use fields::MessageFields;
pub use held::Message;
pub use kind::MessageKind;

pub use crate::format::WireForm;
