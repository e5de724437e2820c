//! Where files live: a directory of this machine, or a simulated disk that loses what it may.

mod directory;
mod files;
mod simulated;

pub use directory::{Directory, DirectoryError};
pub use files::{Volume, VolumeFile};
pub use simulated::SimulatedDisk;
