//! What a journal asks of a disk.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Files under names, in one place.
pub trait Volume: fmt::Debug + Send + Sync {
    /// The names of all files, in any order.
    ///
    /// # Errors
    ///
    /// If the device fails.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file. It is sure to be found after a loss of power once it and
    /// [the names](Self::sync_names) have been synced.
    ///
    /// # Errors
    ///
    /// If there is one of this name, no room, or the device fails.
    fn create(&self, name: &str) -> io::Result<Arc<dyn VolumeFile>>;

    /// Opens a file to read and write.
    ///
    /// # Errors
    ///
    /// If there is none of this name, or the device fails.
    fn open(&self, name: &str) -> io::Result<Arc<dyn VolumeFile>>;

    /// Removes a file; whoever has it open may go on with it.
    ///
    /// # Errors
    ///
    /// If there is none of this name, or the device fails.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes what was created and removed durable.
    ///
    /// # Errors
    ///
    /// If the device fails.
    fn sync_names(&self) -> io::Result<()>;

    /// A file's name as people should see it.
    fn show(&self, name: &str) -> String;
}

/// An open file. Reads and writes of distinct places may go on at once.
pub trait VolumeFile: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    ///
    /// If the device fails.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on; returns how much of it was filled, which is less only where
    /// the file ends.
    ///
    /// # Errors
    ///
    /// If the device fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`. Until [`sync`](Self::sync), a loss of power may leave any part of it.
    ///
    /// # Errors
    ///
    /// If there is no room or the device fails; any part of it may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file at least `length` bytes long, with room on the device for all of it.
    ///
    /// # Errors
    ///
    /// If there is no room or the device fails.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Makes all that was written durable. After a failure nobody can know what is.
    ///
    /// # Errors
    ///
    /// If the device fails.
    fn sync(&self) -> io::Result<()>;
}
