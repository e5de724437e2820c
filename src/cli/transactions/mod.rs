//! `ferrymq transactions`: prepared branches of distributed transactions, and their end by an
//! operator.

mod command;

pub(in crate::cli) use command::{TransactionsArguments, run};
