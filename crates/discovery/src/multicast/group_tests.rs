//! The machine that knows who is there, driven by hand.

use std::net::IpAddr;
use std::time::Duration;

use ferrymq_transport::options::Options;
use tokio::time::Instant;

use super::group::{
    Group, GroupSettings, Heard, LEAVE_KEPT, MOST_NEW, MOST_OF_SOURCE, MOST_PEERS, NEW_INTERVAL,
    Refusal,
};
use super::packet::{PacketError, write};
use super::secret::Secret;
use crate::known::Absent;
use crate::own::Own;

const EXPIRY: Duration = Duration::from_secs(5);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

struct Listener {
    group: Group,
    now: Instant,
}

impl Listener {
    fn new(secret: Option<Secret>) -> Self {
        let own = Own::new(vec!["tcp://0.0.0.0:61616".parse().unwrap()]);
        let settings = GroupSettings {
            group: "default".to_owned(),
            expiry: EXPIRY,
            secret,
            discovered: Options::new(),
            own,
            is_local: |address| address == HERE || address.is_loopback(),
        };
        Self { group: Group::new(settings), now: Instant::now() }
    }

    fn alive(&mut self, service: &str) -> Heard {
        self.group.hear(write("default", true, service, None).as_bytes(), THERE, self.now)
    }

    fn dead(&mut self, service: &str) -> Heard {
        self.group.hear(write("default", false, service, None).as_bytes(), THERE, self.now)
    }

    fn present(&self) -> Vec<String> {
        self.group.known().present.iter().map(ToString::to_string).collect()
    }

    fn gone(&self) -> Vec<String> {
        match self.group.known().absent {
            Absent::Silent { gone } => gone.iter().map(ToString::to_string).collect(),
            Absent::Gone => panic!("a group never knows everybody"),
        }
    }
}

#[test]
fn who_announces_itself_is_there_until_it_is_silent_for_too_long() {
    let mut listener = Listener::new(None);
    assert_eq!(listener.group.next_expiry(), None);
    assert_eq!(listener.alive("tcp://a:1"), Heard::New);
    assert_eq!(listener.alive("nio://b:2?x=y"), Heard::New);
    assert_eq!(listener.present(), ["tcp://a:1", "tcp://b:2"]);
    listener.now += Duration::from_secs(3);
    assert_eq!(listener.alive("tcp://a:1"), Heard::Again);
    listener.now = listener.group.next_expiry().unwrap();
    assert_eq!(listener.group.expire(listener.now), ["tcp://b:2"]);
    assert_eq!(listener.present(), ["tcp://a:1"]);
    assert_eq!(listener.gone(), Vec::<String>::new(), "silence is no leave");
    assert_eq!(listener.alive("tcp://b:2"), Heard::New, "and it may return");
}

#[test]
fn who_takes_leave_is_gone_at_once_and_may_return() {
    let mut listener = Listener::new(None);
    listener.alive("tcp://a:1");
    assert_eq!(listener.dead("tcp://a:1"), Heard::Left);
    assert_eq!(listener.dead("tcp://a:1"), Heard::Unheeded);
    assert_eq!((listener.present(), listener.gone()), (vec![], vec!["tcp://a:1".to_owned()]));
    assert_eq!(listener.alive("tcp://a:1"), Heard::New);
    assert_eq!((listener.present(), listener.gone()), (vec!["tcp://a:1".to_owned()], vec![]));
    listener.dead("tcp://a:1");
    listener.now += LEAVE_KEPT;
    listener.group.expire(listener.now);
    assert_eq!(listener.gone(), Vec::<String>::new(), "it is told for a while only");
    assert_eq!(listener.group.next_expiry(), None);
}

#[test]
fn a_broker_that_changes_its_address_is_there_under_the_new_one() {
    let mut listener = Listener::new(None);
    listener.alive("tcp://10.0.0.5:61616");
    listener.now += Duration::from_secs(1);
    listener.alive("tcp://10.0.0.6:61616");
    listener.now += EXPIRY - Duration::from_secs(1);
    listener.group.expire(listener.now);
    assert_eq!(listener.present(), ["tcp://10.0.0.6:61616"]);
}

#[test]
fn own_announcements_and_other_machines_loopback_addresses_are_left_out() {
    let mut listener = Listener::new(None);
    assert_eq!(listener.alive("tcp://10.0.0.1:61616"), Heard::Own);
    assert_eq!(listener.alive("tcp://127.0.0.1:61616"), Heard::Own);
    let loopback = listener.alive("tcp://127.0.0.1:61617");
    assert_eq!(loopback, Heard::Refused(Refusal::Loopback));
    let packet = write("default", true, "tcp://127.0.0.1:61617", None);
    assert_eq!(listener.group.hear(packet.as_bytes(), HERE, listener.now), Heard::New);
}

#[test]
fn rubbish_is_refused_and_leaves_nothing_behind() {
    let mut listener = Listener::new(None);
    let oversize = listener.group.hear(&vec![b'x'; 10_000], THERE, listener.now);
    assert_eq!(oversize, Heard::Refused(Refusal::Packet(PacketError::TooLong)));
    let binary = listener.group.hear(&[0xff, 0xfe, 0x00], THERE, listener.now);
    assert_eq!(binary, Heard::Refused(Refusal::Packet(PacketError::NotText)));
    for service in ["", "tcp://", "tcp://a", "udp://a:1", "tcp://a:1,tcp://b:2", "tcp://a:0"] {
        assert_eq!(listener.alive(service), Heard::Refused(Refusal::Address), "{service}");
    }
    assert_eq!(listener.present(), Vec::<String>::new());
}

/// A thousand names that nobody has, each second, for a minute, from one machine and from many.
#[test]
fn a_flood_of_names_is_bounded_and_those_known_stay() {
    let mut listener = Listener::new(None);
    assert_eq!(listener.alive("tcp://good:1"), Heard::New);
    let mut taken_in = 1;
    for second in 0..60_u32 {
        for number in 0..1000_u32 {
            let source = if number % 2 == 0 { THERE } else { IpAddr::from([11, 0, 0, 0]) };
            let service = format!("tcp://fake{second}-{number}:1");
            let packet = write("default", true, &service, None);
            let heard = listener.group.hear(packet.as_bytes(), source, listener.now);
            taken_in += u32::from(heard == Heard::New);
            listener.now += Duration::from_millis(1);
        }
        assert_eq!(listener.alive("tcp://good:1"), Heard::Again);
        listener.group.expire(listener.now);
        assert!(listener.present().len() <= 2 * MOST_OF_SOURCE);
    }
    let earned = 60_000 / u32::try_from(NEW_INTERVAL.as_millis()).unwrap();
    assert!(taken_in <= MOST_NEW + earned + 1, "{taken_in}");
    assert!(listener.present().contains(&"tcp://good:1".to_owned()));
}

#[test]
fn however_many_machines_announce_no_more_than_the_bound_are_known() {
    let mut listener = Listener::new(None);
    for number in 0..2 * u32::try_from(MOST_PEERS).unwrap() {
        listener.now += NEW_INTERVAL;
        let packet = write("default", true, &format!("tcp://peer{number}:1"), None);
        let source = IpAddr::V4(std::net::Ipv4Addr::from(0x0b00_0000 + number));
        listener.group.hear(packet.as_bytes(), source, listener.now);
        assert!(listener.group.known().present.len() <= MOST_PEERS);
    }
    assert_eq!(listener.group.known().present.len(), MOST_PEERS);
    let refused = listener.alive("tcp://late:1");
    assert_eq!(refused, Heard::Refused(Refusal::TooMany));
}

#[test]
fn with_a_secret_only_fresh_proofs_count() {
    let secret = Secret::new(b"a good secret").unwrap();
    let mut listener = Listener::new(Some(secret.clone()));
    let unproven = Heard::Refused(Refusal::Packet(PacketError::Unproven));
    assert_eq!(listener.alive("tcp://a:1"), unproven);
    let mut said = |alive, counter| {
        let packet = write("default", alive, "tcp://a:1", Some((&secret, counter)));
        listener.group.hear(packet.as_bytes(), THERE, listener.now)
    };
    let replayed = Heard::Refused(Refusal::Replayed);
    assert_eq!(said(true, 5), Heard::New);
    assert_eq!(said(true, 5), replayed);
    assert_eq!(said(false, 4), replayed, "a recorded leave does not count");
    assert_eq!(said(true, 6), Heard::Again);
    assert_eq!(said(false, 7), Heard::Left);
    assert_eq!(said(true, 6), replayed, "nor does a recorded presence bring it back");
    assert_eq!(said(true, 8), Heard::New);
}
