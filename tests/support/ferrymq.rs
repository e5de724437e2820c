//! A FerryMQ broker as a child process.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::lan::Host;
use super::process::{Ended, Process};
use super::wait::PATIENCE;

/// A command that runs the program under test, away from the environment of who runs the tests.
pub fn ferrymq_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrymq"));
    command.args(arguments);
    for variable in ["FERRYMQ_URL", "FERRYMQ_USER", "FERRYMQ_PASSWORD", "FERRYMQ_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// What a broker is started with. It listens on a free port of the loopback interface.
#[derive(Clone, Debug)]
pub struct FerrySetup {
    name: String,
    listen: String,
    admin: String,
    arguments: Vec<String>,
    configuration: String,
    /// Where its address is made known.
    discovery_uri: Option<String>,
    /// The network that it is in, if not that of the tests.
    host: Option<Host>,
}

impl FerrySetup {
    /// A network connector with this URI, for example `static:(tcp://127.0.0.1:61616)`.
    pub fn network(mut self, uri: &str) -> Self {
        self.arguments.extend(["--network".to_owned(), uri.to_owned()]);
        self
    }

    /// A given port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.listen = format!("tcp://127.0.0.1:{port}");
        self
    }

    /// A given address of the loopback network, beside a given port.
    pub fn at(mut self, host: &str, port: u16) -> Self {
        self.listen = format!("tcp://{host}:{port}");
        self
    }

    /// Options on the listener's URI, such as `wireFormat.maxFrameSize=1000`.
    pub fn listener_options(mut self, options: &str) -> Self {
        self.listen = format!("tcp://127.0.0.1:0?{options}");
        self
    }

    /// An admin API at a free port; without this there is none.
    pub fn admin(mut self) -> Self {
        self.admin = "127.0.0.1:0".to_owned();
        self
    }

    /// Adds to the configuration file that the broker is started with.
    pub fn configure(mut self, toml: &str) -> Self {
        self.configuration.push_str(toml);
        self.configuration.push('\n');
        self
    }

    /// Makes its address known there, for example at `multicast://default`.
    pub fn announce(mut self, uri: &str) -> Self {
        self.discovery_uri = Some(uri.to_owned());
        self
    }

    /// Runs it on a host of a network that the test has made, at port 61616 of all its addresses.
    pub fn on(mut self, host: &Host) -> Self {
        self.listen = "tcp://0.0.0.0:61616".to_owned();
        self.host = Some(host.clone());
        self
    }

    /// A configuration file that says where to listen.
    pub fn configured(mut self, toml: &str) -> Self {
        self.listen.clear();
        self.configure(toml)
    }

    pub fn start(self) -> Ferry {
        let process = self.spawn(&self.listen);
        let (_, listening) =
            process.stdout_line("what it listens on", 0, PATIENCE, |line| address(line).is_some());
        process.stdout_line("ready", 0, PATIENCE, |line| line == "ready");
        let url = address(&listening).expect("the line was chosen for its address");
        Ferry { setup: self, url, process }
    }

    fn spawn(&self, listen: &str) -> Process {
        let file = self.configuration_file(listen);
        let mut arguments = vec!["broker"];
        arguments.extend(file.as_deref());
        arguments.extend(["--name", &self.name, "--admin", &self.admin]);
        if self.discovery_uri.is_none() && !listen.is_empty() {
            arguments.extend(["--listen", listen]);
        }
        arguments.extend(self.arguments.iter().map(String::as_str));
        let command = ferrymq_command(&arguments);
        let command = match &self.host {
            Some(host) => host.run(&command),
            None => command,
        };
        Process::spawn(&format!("ferrymq {}", self.name), command)
    }

    fn configuration_file(&self, listen: &str) -> Option<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut configuration = self.configuration.clone();
        if let Some(discovery_uri) = &self.discovery_uri {
            configuration.push_str(&format!(
                "[[transport_connector]]\nuri = \"{listen}\"\ndiscovery_uri = \"{discovery_uri}\"\n"
            ));
        }
        if configuration.is_empty() {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("broker-{}-{number}.toml", std::process::id()));
        std::fs::write(&path, &configuration).expect("the temporary folder takes a file");
        Some(path.to_str().expect("a path in UTF-8").to_owned())
    }
}

/// A running broker.
pub struct Ferry {
    setup: FerrySetup,
    url: String,
    pub process: Process,
}

impl Ferry {
    pub fn named(name: &str) -> FerrySetup {
        FerrySetup {
            name: name.to_owned(),
            listen: "tcp://127.0.0.1:0".to_owned(),
            admin: "none".to_owned(),
            arguments: Vec::new(),
            configuration: String::new(),
            discovery_uri: None,
            host: None,
        }
    }

    /// `tcp://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn port(&self) -> u16 {
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        port.expect("the URL ends in a port")
    }

    /// `http://127.0.0.1:PORT`, of a broker that was started with an admin API.
    pub fn admin(&self) -> String {
        let (_, line) = self
            .process
            .stdout_line("its admin address", 0, PATIENCE, |line| line.contains("http://"));
        line.split_whitespace().last().expect("an address").to_owned()
    }

    /// Starts it again on the same port, with the same setup; it must not be running.
    pub fn restart(&mut self) {
        assert!(!self.process.is_running(), "{} still runs", self.setup.name);
        let options = self.setup.listen.split_once('?').map(|(_, options)| options);
        let options = options.map_or_else(String::new, |options| format!("?{options}"));
        // A configuration file says it again.
        let listen = match self.setup.listen.as_str() {
            "" => String::new(),
            _ => format!("{}{options}", self.url),
        };
        self.process = self.setup.spawn(&listen);
        self.process.stdout_line("ready", 0, PATIENCE, |line| line == "ready");
    }

    /// Asks it to drain and stop (SIGTERM), and waits for the end.
    pub fn terminate(self) -> Ended {
        self.process.signal("TERM");
        self.process.ended()
    }
}

/// The address in a line that says what the broker listens on, without options.
fn address(line: &str) -> Option<String> {
    let start = line.find("tcp://")?;
    if !line.starts_with("listening on") {
        return None;
    }
    let rest = line[start..].split_whitespace().next()?;
    Some(rest.split('?').next()?.to_owned())
}
