//! Where the broker is, and connecting to it.

use clap::Args;
use ferrymq_client::error::ConnectError;
use ferrymq_client::{ConnectOptions, Connection, ConnectionEvent, Observer};

use crate::cli::exit::ExitCode;
use crate::cli::output::complain;

/// Where the address comes from when no flag says it.
const VARIABLE: &str = "FERRYMQ_URL";
/// Whoever names no broker means one that runs: without one, the command fails instead of waiting.
const DEFAULT: &str = "failover:(tcp://127.0.0.1:61616)?startupMaxReconnectAttempts=1";

/// Where the broker is, and who connects.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ConnectArguments {
    /// The broker, or a list of brokers: failover:(tcp://a:61616,tcp://b:61616)?OPTIONS
    /// [env: FERRYMQ_URL] [default: failover:(tcp://127.0.0.1:61616), which must be there at the
    /// start]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Who connects [env: FERRYMQ_USER]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Their password; others on this machine can read flags, so prefer the variable
    /// [env: FERRYMQ_PASSWORD]
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
}

impl ConnectArguments {
    /// The broker's URL: the flag's, the environment's, or the default.
    pub(in crate::cli) fn url(&self) -> String {
        self.url.clone().or_else(|| variable(VARIABLE)).unwrap_or_else(|| DEFAULT.to_owned())
    }

    /// Connects. What goes wrong is told here, and comes back as how the command ends.
    pub(in crate::cli) async fn connect(&self) -> Result<Connection, ExitCode> {
        self.connect_to(&self.url()).await
    }

    /// Connects as the client of this id, or of one of its own.
    pub(in crate::cli) async fn connect_as(
        &self,
        client_id: Option<&str>,
    ) -> Result<Connection, ExitCode> {
        self.open(&self.url(), client_id).await
    }

    /// Connects to another broker as the same user.
    pub(in crate::cli) async fn connect_to(&self, url: &str) -> Result<Connection, ExitCode> {
        self.open(url, None).await
    }

    async fn open(&self, url: &str, client_id: Option<&str>) -> Result<Connection, ExitCode> {
        let mut options = ConnectOptions::system().observer(Observer::new(tell));
        options.client_id = client_id.map(str::to_owned);
        options.user = self.user.clone().or_else(|| variable("FERRYMQ_USER"));
        options.password = self.password.clone().or_else(|| variable("FERRYMQ_PASSWORD"));
        Connection::connect(url, options).await.map_err(|error| {
            complain(&error);
            match error {
                ConnectError::Address(_) => ExitCode::Usage,
                _ => ExitCode::Failed,
            }
        })
    }
}

/// Tells the user why the command waits, and when it goes on.
fn tell(event: &ConnectionEvent) {
    match event {
        ConnectionEvent::Lost { .. } | ConnectionEvent::Connected { again: true, .. } => {
            complain(event);
        }
        ConnectionEvent::Waiting { passes: 1, .. } => {
            complain("no broker answers; trying until one does");
        }
        _ => {}
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
