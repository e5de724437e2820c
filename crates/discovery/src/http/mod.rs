//! Brokers that have registered with a [registry](crate::registry), as ActiveMQ's `http:` agent does
//! it: `PUT`, `GET` and `DELETE` of `http://HOST:PORT/PATH/GROUP`, the address in the header
//! `service`.

mod announcing;
mod config;
mod looking;
mod request;
mod seen;

pub use config::{HttpConfig, OPTIONS};

pub(crate) use announcing::announce;
pub(crate) use config::TITLE;
pub(crate) use looking::look_up;
