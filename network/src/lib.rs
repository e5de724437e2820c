//! Networks of brokers: connectors that find peers, bridges that forward on demand, and the
//! topology model.

pub mod document;
