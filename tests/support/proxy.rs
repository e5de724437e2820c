//! A wire that can fail: a TCP proxy in front of a broker, which can cut every connection through it
//! or go deaf.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::wait::{PATIENCE, until};

/// A proxy on a port of its own. Its threads end with their connections.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    /// Whoever dials is turned away.
    down: AtomicBool,
    /// What arrives is taken and thrown away.
    deaf: AtomicBool,
    /// The same for what comes from the broker.
    mute: AtomicBool,
    /// How many bytes were thrown away.
    swallowed: AtomicUsize,
    closed: AtomicBool,
}

impl Proxy {
    /// A proxy to a port of this machine, where nobody need listen yet.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                if accepting.down.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                join(&accepting, &near, &far);
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// How many connections went through it so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Ends every connection, as a router that restarts does. New ones may come.
    pub fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends every connection and takes no new one, until it is up again.
    pub fn go_down(&self) {
        self.shared.down.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub fn come_up(&self) {
        self.shared.down.store(false, Ordering::SeqCst);
    }

    /// Keeps every connection open and passes nothing on, as a cable that somebody pulled does.
    pub fn go_deaf(&self) {
        self.shared.deaf.store(true, Ordering::SeqCst);
    }

    /// Passes nothing on that the broker says.
    pub fn go_mute(&self) {
        self.shared.mute.store(true, Ordering::SeqCst);
    }

    /// How many bytes got lost so far.
    pub fn swallowed(&self) -> usize {
        self.shared.swallowed.load(Ordering::SeqCst)
    }

    /// Passes on what comes from now on. What was lost meanwhile stays lost, so connections from
    /// before are of no use any more, and whoever holds one must find that out.
    pub fn hear_again(&self) {
        self.shared.deaf.store(false, Ordering::SeqCst);
        self.shared.mute.store(false, Ordering::SeqCst);
    }

    /// Waits until one more connection than `before` went through.
    pub fn accepts_another(&self, before: usize) {
        // ActiveMQ notices silence after 30 s.
        until("somebody dials again", 2 * PATIENCE, || (self.accepted() > before).then_some(()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the accepting thread, so that it sees the end.
        let _ = TcpStream::connect_timeout(
            &([127, 0, 0, 1], self.port).into(),
            Duration::from_millis(100),
        );
    }
}

fn join(shared: &Arc<Shared>, near: &TcpStream, far: &TcpStream) {
    let both = [(near, far, false), (far, near, true)];
    for (from, to, of_broker) in both {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || pass_on(&shared, from, to, of_broker));
    }
    let mut open = shared.open.lock().unwrap();
    open.extend([near, far].into_iter().filter_map(|stream| stream.try_clone().ok()));
    shared.accepted.fetch_add(1, Ordering::SeqCst);
}

fn pass_on(shared: &Shared, mut from: TcpStream, mut to: TcpStream, of_broker: bool) {
    let mut buffer = vec![0; 64 * 1024];
    // A connection that lost bytes never speaks again: a gap in a stream is not a shorter stream.
    let mut lost = false;
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        lost |=
            shared.deaf.load(Ordering::SeqCst) || of_broker && shared.mute.load(Ordering::SeqCst);
        if lost {
            shared.swallowed.fetch_add(length, Ordering::SeqCst);
        }
        if !lost && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
