//! A real ActiveMQ Classic broker, in memory unless told otherwise, as a child process.

use super::java::java;
use super::lan::Host;
use super::process::Process;
use super::wait::PATIENCE;

/// What a broker is started with.
#[derive(Clone, Debug)]
pub struct ActiveMqSetup {
    name: String,
    port: u16,
    arguments: Vec<String>,
    /// The network that it is in, if not that of the tests.
    host: Option<Host>,
}

impl ActiveMqSetup {
    /// A one-way network connector to the broker at `url`.
    pub fn connect(self, url: &str) -> Self {
        self.flag("--connect", url)
    }

    /// A given port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Runs it on a host of a network that the test has made, at port 61616.
    pub fn on(mut self, host: &Host) -> Self {
        self.port = 61616;
        self.host = Some(host.clone());
        self.flag("--host", &host.address)
    }

    /// Any flag of `ActiveMqBroker.java`.
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.arguments.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    pub fn start(self) -> ActiveMq {
        let mut command = java("ActiveMqBroker");
        command.args(["--name", &self.name, "--port", &self.port.to_string()]);
        command.args(&self.arguments);
        if let Some(host) = &self.host {
            command = host.run(&command);
        }
        let process = Process::spawn(&format!("activemq {}", self.name), command);
        let (_, ready) =
            process.stdout_line("ready", 0, PATIENCE, |line| line.starts_with("ready "));
        let url = ready["ready ".len()..].to_owned();
        ActiveMq { setup: self, url, process }
    }
}

/// A running ActiveMQ broker.
pub struct ActiveMq {
    setup: ActiveMqSetup,
    url: String,
    pub process: Process,
}

impl ActiveMq {
    pub fn named(name: &str) -> ActiveMqSetup {
        ActiveMqSetup { name: name.to_owned(), port: 0, arguments: Vec::new(), host: None }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its `links`, and by `queues` what they hold and what dead letters died of; as it prints it.
    pub fn state(&self) -> serde_json::Value {
        let before = self.process.stdout().len();
        self.process.write_line("state");
        let (_, line) = self
            .process
            .stdout_line("its state", before, PATIENCE, |line| line.starts_with("state "));
        serde_json::from_str(&line["state ".len()..]).expect("a state in JSON")
    }

    /// Starts it again on the same port; it must not be running.
    pub fn restart(&mut self) {
        assert!(!self.process.is_running(), "{} still runs", self.setup.name);
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        let setup = ActiveMqSetup { port: port.expect("a port"), ..self.setup.clone() };
        *self = setup.start();
    }
}
