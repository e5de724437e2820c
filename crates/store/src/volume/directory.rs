//! A directory of this machine, for one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::files::{Volume, VolumeFile};

/// The file whose lock says whose the directory is; it holds the owner's process id, for people.
const LOCK: &str = "lock";

/// A directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Open, so that names can be synced.
    directory: File,
    /// Locked as long as it is open.
    _lock: File,
    /// Whether what is in it outlives a loss of power.
    syncs: bool,
}

/// Why a directory cannot be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error("{} is in use by {holder}; a data directory serves one broker at a time", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// It cannot be made, opened or locked.
    #[error("cannot use {}: {error}", path.display())]
    Unusable {
        /// The directory, or the file in it.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Directory {
    /// Takes a directory; makes it if there is none.
    ///
    /// # Errors
    ///
    /// See [`DirectoryError`].
    pub fn take(path: impl Into<PathBuf>) -> Result<Self, DirectoryError> {
        let path = path.into();
        make(&path).map_err(unusable(&path))?;
        Self::take_existing(path)
    }

    /// Takes a directory that is there.
    ///
    /// # Errors
    ///
    /// See [`DirectoryError`].
    pub fn take_existing(path: impl Into<PathBuf>) -> Result<Self, DirectoryError> {
        let path = path.into();
        let directory = File::open(&path).map_err(unusable(&path))?;
        let place = path.join(LOCK);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&place)
            .map_err(unusable(&place))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DirectoryError::InUse { path, holder: holder(&mut lock) });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(&place)(error)),
        }
        sign(&mut lock).map_err(unusable(&place))?;
        Ok(Self { path, directory, _lock: lock, syncs: true })
    }

    /// Takes a directory for what nobody needs when this process has ended: it is emptied, and
    /// never synced, whatever its user asks for.
    ///
    /// # Errors
    ///
    /// See [`DirectoryError`].
    pub fn take_empty(path: impl Into<PathBuf>) -> Result<Self, DirectoryError> {
        let taken = Self { syncs: false, ..Self::take(path)? };
        for name in taken.list().map_err(unusable(&taken.path))? {
            if name != LOCK {
                taken.remove(&name).map_err(unusable(&taken.path.join(&name)))?;
            }
        }
        Ok(taken)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> DirectoryError + use<> {
    let path = path.to_owned();
    move |error| DirectoryError::Unusable { path: path.clone(), error }
}

/// A new directory's name must outlive a loss of power, as what is in it does.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(path)?;
    match path.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    // Whoever holds it may be about to sign.
    let read = lock.take(32).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}

fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

impl Volume for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            // A name that is not text is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn VolumeFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(self.path.join(name))?;
        Ok(Arc::new(DirectoryFile { file, syncs: self.syncs }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn VolumeFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path.join(name))?;
        Ok(Arc::new(DirectoryFile { file, syncs: self.syncs }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        if self.syncs { self.directory.sync_all() } else { Ok(()) }
    }

    fn show(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

#[derive(Debug)]
struct DirectoryFile {
    file: File,
    syncs: bool,
}

impl VolumeFile for DirectoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        // It leaves what is there alone.
        rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, length)?;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.syncs { self.file.sync_data() } else { Ok(()) }
    }
}
