//! A real ActiveMQ Classic broker, in memory, as a child process.

use super::java::java;
use super::process::Process;
use super::wait::PATIENCE;

/// What a broker is started with.
#[derive(Clone, Debug)]
pub struct ActiveMqSetup {
    name: String,
    port: u16,
    arguments: Vec<String>,
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

    /// Any flag of `ActiveMqBroker.java`.
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.arguments.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    pub fn start(self) -> ActiveMq {
        let mut command = java("ActiveMqBroker");
        command.args(["--name", &self.name, "--port", &self.port.to_string()]);
        command.args(&self.arguments);
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
        ActiveMqSetup { name: name.to_owned(), port: 0, arguments: Vec::new() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts it again on the same port; it must not be running.
    pub fn restart(&mut self) {
        assert!(!self.process.is_running(), "{} still runs", self.setup.name);
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        let setup = ActiveMqSetup { port: port.expect("a port"), ..self.setup.clone() };
        *self = setup.start();
    }
}
