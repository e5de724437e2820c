//! Brokers that have registered with a [registry](crate::registry), as ActiveMQ's `http:` agent does
//! it: `PUT`, `GET` and `DELETE` of `http://HOST:PORT/PATH/GROUP`, the address in the header
//! `service`.

#[cfg(feature = "http")]
mod announcing;
mod config;
#[cfg(feature = "http")]
mod looking;
#[cfg(feature = "http")]
mod request;
#[cfg(feature = "http")]
mod seen;

pub use config::{HttpConfig, OPTIONS};

#[cfg(feature = "http")]
pub(crate) use announcing::announce;
pub(crate) use config::TITLE;
#[cfg(feature = "http")]
pub(crate) use looking::look_up;
