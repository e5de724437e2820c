//! A network of the test's own: hosts with an address each, on one Ethernet, in network namespaces
//! that nobody else sees. Needs root and Linux.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network; dropped, it is gone.
pub struct Lan {
    switch: String,
    hosts: Vec<Host>,
    ipv6: bool,
}

/// One host of such a network.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    pub address: String,
}

impl Lan {
    /// A network of so many hosts; `None`, and a word about why, where the system has no such thing.
    pub fn new(hosts: usize) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ferrymq-{}-{number}", std::process::id());
        let mut lan = Self { switch: format!("{name}-switch"), hosts: Vec::new(), ipv6: false };
        match lan.build(&name, hosts) {
            Ok(()) => Some(lan),
            Err(why) => {
                eprintln!("skipped: no network namespaces here: {why}");
                None
            }
        }
    }

    fn build(&mut self, name: &str, hosts: usize) -> Result<(), String> {
        let switch = self.switch.clone();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add switch type bridge mcast_snooping 0"))?;
        ip(&format!("-n {switch} link set switch up"))?;
        for number in 1..=hosts {
            let namespace = format!("{name}-{number}");
            ip(&format!("netns add {namespace}"))?;
            let address = format!("10.77.0.{number}");
            self.hosts.push(Host { namespace: namespace.clone(), address: address.clone() });
            let port = format!("port{number}");
            ip(&format!("-n {namespace} link add eth0 type veth peer name {port} netns {switch}"))?;
            ip(&format!("-n {switch} link set {port} master switch up"))?;
            ip(&format!("-n {namespace} address add {address}/24 dev eth0"))?;
            // Not every system has it.
            let six = format!("-n {namespace} -6 address add fd77::{number}/64 dev eth0 nodad");
            self.ipv6 = ip(&six).is_ok();
            ip(&format!("-n {namespace} link set eth0 up"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
        }
        Ok(())
    }

    /// Whether hosts have addresses of IPv6, `fd77::1` and so on.
    pub fn has_ipv6(&self) -> bool {
        self.ipv6
    }

    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }
}

impl Host {
    /// The command, run on this host in place of the test's.
    pub fn run(&self, command: &Command) -> Command {
        let mut here = Command::new("ip");
        here.args(["netns", "exec", &self.namespace]).arg(command.get_program());
        here.args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => here.env(variable, value),
                None => here.env_remove(variable),
            };
        }
        here
    }

    /// Pulls its plug, or puts it back in.
    pub fn plug(&self, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        ip(&format!("-n {} link set eth0 {state}", self.namespace)).expect("a link can be set");
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = ip(&format!("netns delete {}", host.namespace));
        }
        let _ = ip(&format!("netns delete {}", self.switch));
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let ran = Command::new("ip").args(arguments.split(' ')).output();
    let output = ran.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {arguments}: {}", said.trim()))
}
