//! Raw OpenWire: a socket and bytes written by hand, for peers that do not keep to the rules.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::wait::PATIENCE;

/// A legal first frame: version 12, no options, so loose encoding, no cache and no inactivity monitor.
pub const WIRE_FORMAT_INFO: &[u8] =
    &[0, 0, 0, 14, 1, b'A', b'c', b't', b'i', b'v', b'e', b'M', b'Q', 0, 0, 0, 12, 0];
/// The type of the command with which a broker names itself.
pub const BROKER_INFO: u8 = 2;

const RESPONSE: u8 = 30;

/// A ConnectionInfo of version 12 that asks for a response.
fn connection_info(id: &str) -> Vec<u8> {
    let text = [&[0, u8::try_from(id.len()).expect("a short id")][..], id.as_bytes()].concat();
    let command = [3, 0, 0, 0, 1, 1];
    let connection_id = [&[1, 120, 1][..], &text].concat();
    let client_id = [&[1][..], &text].concat();
    let no_password_user_or_path = [0, 0, 0];
    let flags_and_no_client_ip = [0, 0, 1, 0, 0, 0];
    [&command[..], &connection_id, &client_id, &no_password_user_or_path, &flags_and_no_client_ip]
        .concat()
}

/// One connection to a broker.
pub struct RawPeer {
    stream: TcpStream,
}

impl RawPeer {
    pub fn connect(port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Self { stream }
    }

    /// Connects and exchanges the first frames: what follows is read as commands of version 12.
    pub fn negotiated(port: u16) -> Self {
        let mut peer = Self::connect(port);
        peer.send(WIRE_FORMAT_INFO);
        let first = peer.frame().expect("the broker's first frame");
        assert_eq!(first.first(), Some(&1), "the first frame is a WireFormatInfo");
        peer
    }

    /// Connects, exchanges the first frames and opens the connection under the identifier `id`.
    pub fn opened(port: u16, id: &str) -> Self {
        let mut peer = Self::negotiated(port);
        assert_eq!(peer.frame().and_then(|frame| frame.first().copied()), Some(BROKER_INFO));
        peer.send_frame(&connection_info(id));
        while peer.frame().expect("an answer").first() != Some(&RESPONSE) {}
        peer
    }

    /// Writes what the broker takes; a peer that misbehaves may be cut off while it does so.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// This end's address, as the broker's log names it.
    pub fn local_address(&self) -> String {
        self.stream.local_addr().expect("an address").to_string()
    }

    pub fn write_timeout(&self, patience: Duration) {
        self.stream.set_write_timeout(Some(patience)).expect("a timeout can be set");
    }

    /// Whether the broker took all of it in time.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Whether the broker has not closed this connection; what it sent so far is thrown away.
    pub fn is_open(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a mode can be set");
        let mut sink = [0; 4096];
        let open = loop {
            match self.stream.read(&mut sink) {
                Ok(0) => break false,
                Ok(_) => {}
                Err(e) => break e.kind() == ErrorKind::WouldBlock,
            }
        };
        self.stream.set_nonblocking(false).expect("a mode can be set");
        open
    }

    /// Writes a frame with a true size.
    pub fn send_frame(&mut self, payload: &[u8]) {
        let size = u32::try_from(payload.len()).expect("a small frame");
        self.send(&[&size.to_be_bytes(), payload].concat());
    }

    /// The next frame without its size, or `None` at the end of the stream.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        let mut size = [0; 4];
        self.fill(&mut size)?;
        let size = usize::try_from(u32::from_be_bytes(size)).expect("a size");
        assert!(size < 1 << 20, "a frame of {size} bytes");
        let mut payload = vec![0; size];
        self.fill(&mut payload)?;
        Some(payload)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                None
            }
            Err(e) => panic!("the broker neither answers nor closes: {e}"),
        }
    }

    /// Reads on until the broker has closed the connection; it must do so within `patience`.
    pub fn is_cut_off(&mut self, patience: Duration) -> bool {
        self.stream.set_read_timeout(Some(patience)).expect("a timeout can be set");
        let mut sink = [0; 4096];
        loop {
            match self.stream.read(&mut sink) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) => return e.kind() == ErrorKind::ConnectionReset,
            }
        }
    }
}
