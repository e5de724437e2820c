//! What selectors mean, what is refused, and that nothing breaks them.

mod headers;
mod hostile;
mod language;
mod make;
mod reference;
mod refusals;
mod sharing;
