//! Settings read from TOML with their places kept, so that whatever is wrong can be pointed at.
//!
//! A [`Source`](source::Source) is the text, from a file or from a flag. The `section!`
//! macro declares a table once: that declaration yields the struct, the reading, the refusal of
//! unknown keys with the nearest valid one, and the list of [`Field`](table::Field)s that a
//! reference is made from. Every problem of a file is found in one go.
//!
//! Nothing here knows what the settings mean; relations between settings are checked by whoever
//! declares them.

pub mod addresses;
pub mod connector_options;
pub mod load;
pub mod located;
pub mod names;
pub mod node;
pub mod problem;
pub mod reader;
pub mod section;
pub mod source;
pub mod spelling;
pub mod table;
pub mod text;
pub mod units;
pub mod value;

#[cfg(test)]
mod tests;
