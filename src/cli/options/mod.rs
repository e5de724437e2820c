//! `ferrymq options`: the reference of every setting, made from the declarations that read them.

mod activemq;
mod command;
mod reference;

pub(super) use command::run;
