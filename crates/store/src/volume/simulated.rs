//! A disk in memory that does what disks may do: it loses, tears and reorders what was not synced,
//! fails to sync, and fills up.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::files::{Volume, VolumeFile};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// A simulated disk; clones are the same disk. What happens to what was not synced follows from its
/// seed.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct Disk {
    random: fastrand::Rng,
    inodes: BTreeMap<u64, Inode>,
    /// The names as the running process sees them.
    names: BTreeMap<String, u64>,
    /// The names as they are on the device.
    durable_names: BTreeMap<String, u64>,
    /// What happened to names since they were synced.
    unsynced_names: Vec<NameChange>,
    next_inode: u64,
    /// Bytes that all files may have together.
    capacity: u64,
    /// How many operations have changed something.
    operations: u64,
    cut_at: Option<u64>,
    syncs: u64,
    failing_sync: Option<u64>,
    /// Counts restarts: what was opened before one is of no use after it.
    epoch: u64,
    down: bool,
}

#[derive(Debug, Default)]
struct Inode {
    /// As the running process sees it.
    content: Vec<u8>,
    /// As it is on the device.
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Extend { length: usize },
}

#[derive(Debug)]
enum NameChange {
    Made(String, u64),
    Removed(String),
}

impl SimulatedDisk {
    /// An empty disk of `capacity` bytes.
    pub fn new(seed: u64, capacity: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            random: fastrand::Rng::with_seed(seed),
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            next_inode: 0,
            capacity,
            operations: 0,
            cut_at: None,
            syncs: 0,
            failing_sync: None,
            epoch: 0,
            down: false,
        })))
    }

    /// How many operations have changed something or synced.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Power goes during the operation after `operations` more: it may be done in part, and every
    /// later one fails until [`restart`](Self::lose_power).
    pub fn cut_power_after(&self, operations: u64) {
        let mut disk = self.0.lock();
        disk.cut_at = Some(disk.operations + operations);
    }

    /// The sync after `syncs` more fails. What it should have made durable looks written until power
    /// is lost, but is not, and no later sync will make it so.
    pub fn fail_sync_after(&self, syncs: u64) {
        let mut disk = self.0.lock();
        disk.failing_sync = Some(disk.syncs + syncs);
    }

    /// Whether it was told of a failure that has not happened yet.
    pub fn is_told_to_fail(&self) -> bool {
        let disk = self.0.lock();
        disk.cut_at.is_some() || disk.failing_sync.is_some()
    }

    /// Whether power is gone, so that every operation fails.
    pub fn is_down(&self) -> bool {
        self.0.lock().down
    }

    /// Gives the disk another size.
    pub fn set_capacity(&self, capacity: u64) {
        self.0.lock().capacity = capacity;
    }

    /// Loses power and comes back: of what was not synced, any part is there.
    pub fn lose_power(&self) {
        let mut disk = self.0.lock();
        let Disk { random, inodes, names, durable_names, unsynced_names, .. } = &mut *disk;
        for inode in inodes.values_mut() {
            for change in std::mem::take(&mut inode.unsynced) {
                change.survive_in_part(&mut inode.durable, random);
            }
            inode.content.clone_from(&inode.durable);
        }
        for change in unsynced_names.drain(..) {
            if random.bool() {
                change.apply(durable_names);
            }
        }
        names.clone_from(durable_names);
        let kept: Vec<u64> = names.values().copied().collect();
        inodes.retain(|inode, _| kept.contains(inode));
        disk.come_back();
    }

    /// The process ends and starts again, power stays: all that was written is there to be read.
    pub fn restart_process(&self) {
        self.0.lock().come_back();
    }

    /// A file's bytes, as a process sees them; empty when there is no such file.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let disk = self.0.lock();
        let inode = disk.names.get(name).and_then(|inode| disk.inodes.get(inode));
        inode.map(|inode| inode.content.clone()).unwrap_or_default()
    }

    /// Puts a file there, durably, in place of one of this name: to try what damage does.
    pub fn place(&self, name: &str, content: Vec<u8>) {
        let mut disk = self.0.lock();
        let number = disk.next_inode;
        disk.next_inode += 1;
        let durable = content.clone();
        disk.inodes.insert(number, Inode { content, durable, unsynced: Vec::new() });
        disk.names.insert(name.to_owned(), number);
        disk.durable_names.insert(name.to_owned(), number);
    }
}

impl Disk {
    fn come_back(&mut self) {
        self.epoch += 1;
        self.down = false;
        self.cut_at = None;
        self.failing_sync = None;
    }

    /// Whether this operation is the one during which power goes.
    fn begin(&mut self, epoch: u64) -> io::Result<bool> {
        self.check(epoch)?;
        self.operations += 1;
        self.down = self.cut_at.is_some_and(|at| self.operations > at);
        Ok(self.down)
    }

    fn check(&self, epoch: u64) -> io::Result<()> {
        if self.down || epoch != self.epoch {
            return Err(io::Error::other("simulated: no power"));
        }
        Ok(())
    }

    fn finish(cut: bool) -> io::Result<()> {
        if cut { Err(io::Error::other("simulated: power is cut")) } else { Ok(()) }
    }

    fn file(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Room for one file to have `length` bytes.
    fn reserve(&self, number: u64, length: usize) -> io::Result<()> {
        let others = self.names.values().filter(|other| **other != number);
        let used: usize = others
            .filter_map(|other| self.inodes.get(other))
            .map(|inode| inode.content.len())
            .sum();
        if (used + length) as u64 > self.capacity {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write_into(content, bytes, *offset),
            Self::Extend { length } => content.resize(content.len().max(*length), 0),
        }
    }

    /// All of it, nothing, or any of its sectors.
    fn survive_in_part(&self, durable: &mut Vec<u8>, random: &mut fastrand::Rng) {
        match (random.u8(0..3), self) {
            (0, _) => {}
            (1, Self::Write { offset, bytes }) => {
                let (mut at, end) = (*offset, offset + bytes.len());
                while at < end {
                    let next = (at / SECTOR + 1) * SECTOR;
                    let part = bytes.get(at - offset..next.min(end) - offset).unwrap_or_default();
                    if random.bool() {
                        write_into(durable, part, at);
                    }
                    at = next;
                }
            }
            (_, change) => change.apply(durable),
        }
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Made(name, number) => {
                names.insert(name, number);
            }
            Self::Removed(name) => {
                names.remove(&name);
            }
        }
    }
}

fn write_into(content: &mut Vec<u8>, bytes: &[u8], offset: usize) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

impl Volume for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let disk = self.0.lock();
        disk.check(disk.epoch)?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn VolumeFile>> {
        let mut disk = self.0.lock();
        let epoch = disk.epoch;
        let cut = disk.begin(epoch)?;
        if disk.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let number = disk.next_inode;
        disk.next_inode += 1;
        disk.inodes.insert(number, Inode::default());
        disk.names.insert(name.to_owned(), number);
        disk.unsynced_names.push(NameChange::Made(name.to_owned(), number));
        Disk::finish(cut)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), number, epoch }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn VolumeFile>> {
        let disk = self.0.lock();
        disk.check(disk.epoch)?;
        let number = *disk.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), number, epoch: disk.epoch }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        let epoch = disk.epoch;
        let cut = disk.begin(epoch)?;
        disk.names.remove(name).ok_or(ErrorKind::NotFound)?;
        disk.unsynced_names.push(NameChange::Removed(name.to_owned()));
        Disk::finish(cut)
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut disk = self.0.lock();
        let epoch = disk.epoch;
        Disk::finish(disk.begin(epoch)?)?;
        let Disk { durable_names, unsynced_names, .. } = &mut *disk;
        unsynced_names.drain(..).for_each(|change| change.apply(durable_names));
        Ok(())
    }

    fn show(&self, name: &str) -> String {
        name.to_owned()
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    number: u64,
    epoch: u64,
}

impl SimulatedFile {
    fn change(&self, length: usize, change: Change) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        let cut = disk.begin(self.epoch)?;
        if disk.file(self.number)?.content.len() < length {
            disk.reserve(self.number, length)?;
        }
        let inode = disk.file(self.number)?;
        change.apply(&mut inode.content);
        inode.unsynced.push(change);
        Disk::finish(cut)
    }
}

impl VolumeFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let mut disk = self.disk.0.lock();
        disk.check(self.epoch)?;
        Ok(disk.file(self.number)?.content.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.disk.0.lock();
        disk.check(self.epoch)?;
        let content = &disk.file(self.number)?.content;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(into), Some(from)) = (buffer.get_mut(..length), rest.get(..length)) {
            into.copy_from_slice(from);
        }
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = offset as usize;
        self.change(offset + bytes.len(), Change::Write { offset, bytes: bytes.to_vec() })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.change(length as usize, Change::Extend { length: length as usize })
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.0.lock();
        let cut = disk.begin(self.epoch)?;
        disk.syncs += 1;
        let fails = disk.failing_sync.is_some_and(|at| disk.syncs > at);
        if fails {
            disk.failing_sync = None;
        }
        Disk::finish(cut)?;
        let Disk { random, inodes, .. } = &mut *disk;
        let inode = inodes.get_mut(&self.number).ok_or(ErrorKind::NotFound)?;
        for change in std::mem::take(&mut inode.unsynced) {
            if fails {
                change.survive_in_part(&mut inode.durable, random);
            } else {
                change.apply(&mut inode.durable);
            }
        }
        if fails {
            return Err(io::Error::other("simulated: the sync failed"));
        }
        Ok(())
    }
}
