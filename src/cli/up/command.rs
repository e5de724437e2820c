//! Starting, watching and stopping the brokers of a topology.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ferrymq_client::ConnectOptions;
use ferrymq_network::document::problem::Problem;
use ferrymq_network::topology::check::check;
use ferrymq_network::topology::load::load;
use ferrymq_network::topology::render;
use ferrymq_network::topology::spec::{BrokerIndex, Kind as BrokerKind, Topology};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::GatedDialer;
use super::picture::Scene;
use super::plan::Plan;
use super::screen::Screen;
use super::workload::{Progress, consume, produce};
use crate::cli::exit::ExitCode;
use crate::cli::files::{self, Kind};
use crate::cli::output::{complain, say, show_error};
use crate::cli::shutdown::Shutdown;
use crate::cli::world::real_world;
use crate::node::{Node, World};

/// How often the live view is renewed.
const RENEWED: Duration = Duration::from_millis(500);

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UpArguments {
    /// The topology
    #[arg(value_name = "TOPOLOGY")]
    file: PathBuf,
    /// Start only these brokers, with their links and workloads
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
}

/// Runs the topology until it is told to stop.
pub(in crate::cli) async fn run(arguments: UpArguments) -> ExitCode {
    let Some((topology, plan)) = prepare(&arguments.file, &arguments.only) else {
        return ExitCode::Usage;
    };
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return ExitCode::Failed;
        }
    };
    introduce(&topology, &plan);
    let nodes = match start(&topology, &plan).await {
        Ok(nodes) => nodes,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    say("ready");
    let end = CancellationToken::new();
    let clients = TaskTracker::new();
    let workloads = set_to_work(&topology, &plan, &clients, &end);
    let scene =
        Scene { topology: &topology, nodes: &nodes, workloads: &workloads, start: Instant::now() };
    tokio::select! {
        biased;
        () = shutdown.requested() => {}
        () = watch(&scene) => {}
    }
    say("stopping (once more to exit at once)");
    end.cancel();
    clients.close();
    tokio::select! {
        biased;
        () = shutdown.requested() => ExitCode::Failed,
        () = async { clients.wait().await; stop(nodes).await } => ExitCode::Done,
    }
}

/// Reads the topology and says what is doubtful in it. `None` when it cannot be run; the reason
/// is shown then.
fn prepare(file: &Path, only: &[String]) -> Option<(Topology, Plan)> {
    let source = match files::read(file) {
        Ok(source) => source,
        Err(error) => {
            complain(error);
            return None;
        }
    };
    if let Err(error) = files::expect(Kind::Topology, &source, file) {
        complain(error);
        return None;
    }
    let prepared = load(&source).and_then(|topology| {
        let plan = Plan::new(&topology, only)?;
        Ok((topology, plan))
    });
    let (topology, plan) = match prepared {
        Ok(prepared) => prepared,
        Err(problems) => {
            show_error(&problems);
            return None;
        }
    };
    // What `check` calls an error can be run, and watched failing.
    for Problem { severity, place, what, hint } in check(&topology, &source) {
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        show_error(format_args!("{place}: {severity}: {what}{hint}"));
    }
    Some((topology, plan))
}

fn introduce(topology: &Topology, plan: &Plan) {
    say(render::summary(topology));
    const SHOWN: usize = 12;
    let links = render::links(topology);
    for link in links.iter().take(SHOWN) {
        say(format_args!("  {link}"));
    }
    if links.len() > SHOWN {
        say(format_args!("  … and {} more", links.len() - SHOWN));
    }
    for note in plan.notes(topology) {
        say(note);
    }
}

async fn start(topology: &Topology, plan: &Plan) -> Result<Vec<Node>, String> {
    let mut nodes = Vec::new();
    let all_listen = CancellationToken::new();
    for config in plan.configurations(topology) {
        let name = config.name.clone();
        let world = real_world();
        let dialer = Arc::new(GatedDialer::new(Arc::clone(&world.dialer), all_listen.clone()));
        match Node::start(config, World { dialer, ..world }).await {
            Ok(node) => {
                let urls: Vec<String> =
                    node.listening().iter().map(|endpoint| endpoint.bare().to_string()).collect();
                say(format_args!("broker {name} listens on {}", urls.join(" ")));
                nodes.push(node);
            }
            Err(error) => {
                stop(nodes).await;
                return Err(format!("broker {name}: {error}"));
            }
        }
    }
    all_listen.cancel();
    Ok(nodes)
}

/// Starts the producers and consumers; gives what each is called and how it gets on.
fn set_to_work(
    topology: &Topology,
    plan: &Plan,
    tasks: &TaskTracker,
    end: &CancellationToken,
) -> Vec<(String, Arc<Progress>)> {
    let options = ConnectOptions::system();
    let mut workloads = Vec::new();
    let mut enlist = |at: BrokerIndex, title: String| {
        // A broker that others run is theirs to load, too, unless it is no FerryMQ broker at all.
        let broker = topology.broker(at)?;
        let ours = plan.starts(at) || broker.kind == BrokerKind::ActiveMq;
        let progress = Arc::new(Progress::default());
        ours.then(|| {
            workloads.push((title, Arc::clone(&progress)));
            (url(topology, at), progress)
        })
    };
    for producer in &topology.producers {
        let title = format!("{} sent at {}", producer.to, topology.name_of(producer.at));
        if let Some((url, progress)) = enlist(producer.at, title) {
            let (spec, options, end) = (producer.clone(), options.clone(), end.clone());
            tasks.spawn(produce(spec, url, options, progress, end));
        }
    }
    for consumer in &topology.consumers {
        let title = format!("{} received at {}", consumer.from, topology.name_of(consumer.at));
        if let Some((url, progress)) = enlist(consumer.at, title) {
            let (spec, options, end) = (consumer.clone(), options.clone(), end.clone());
            tasks.spawn(consume(spec, url, options, progress, end));
        }
    }
    workloads
}

fn url(topology: &Topology, at: BrokerIndex) -> String {
    topology.broker(at).map(|broker| broker.dialled().to_string()).unwrap_or_default()
}

async fn watch(scene: &Scene<'_>) {
    let mut screen = Screen::standard_output();
    loop {
        screen.show(scene.picture());
        tokio::time::sleep(RENEWED).await;
    }
}

/// Stops all brokers at once, so that none sees the others fail.
async fn stop(nodes: Vec<Node>) {
    let mut stopping: JoinSet<()> = nodes.into_iter().map(Node::stop).collect();
    while stopping.join_next().await.is_some() {}
}
