//! `seawall serve`: starts the edge and looks after it until it is told to end.

use std::io::stderr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use seawall_config::config::Config;
use seawall_console::Server;
use seawall_console::control::Readiness;
use seawall_proxy::listen::handover::{HandedOver, HandoverServer, Takeover, take_over};
use seawall_proxy::listen::notify::{Notifier, State};
use seawall_proxy::listen::{InheritedSocket, Stop, activation};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Serve;
use crate::edge::{Edge, EdgeError, EdgeParts, descriptors};
use crate::load::{ConfigSource, render};
use crate::log::Log;
use crate::output;
use crate::state::StateFolder;

pub(crate) fn run(args: Serve) -> ExitCode {
    let source = ConfigSource::new(&args);
    let config = match load(&source) {
        Ok(config) => config,
        Err(status) => return status,
    };
    let log = Log::start(config.log.format);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::wrong(error),
    };
    let served = runtime.block_on(serve(source, config, &log));
    // Whoever asked twice does not want to wait for connections: a drain may still run on a thread of the runtime.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(EdgeError(problems)) => {
            problems.iter().for_each(output::problem);
            ExitCode::from(output::WRONG)
        }
    }
}

fn load(source: &ConfigSource) -> Result<Config, ExitCode> {
    let outcome = source.load().map_err(output::wrong)?;
    for warning in &outcome.warnings {
        output::report(render(warning, &stderr()));
    }
    outcome.result.map_err(|errors| {
        for error in &errors {
            output::report(render(error, &stderr()));
        }
        ExitCode::from(output::WRONG)
    })
}

async fn serve(source: ConfigSource, config: Config, log: &Log) -> Result<(), EdgeError> {
    let signals = Signals::new()?;
    descriptors::raise_limit();
    let state = StateFolder::open(&config.state).map_err(EdgeError::one)?;
    let token = state.admin_token().map_err(EdgeError::one)?;
    let notifier = Notifier::from_env().map_err(EdgeError::one)?;
    let (inherited, takeover) = inherit(&state).await?;
    let folder = state.path().to_owned();
    // Blocks, but nothing else runs on this thread yet.
    let edge =
        Edge::start(EdgeParts { source, config, state, inherited, log_dropped: Box::new(log.dropped()) })?;
    let handover = HandoverServer::bind(&folder).map_err(EdgeError::one)?;
    let admin = edge.admin_socket().map_err(EdgeError::one)?;
    let api = seawall_console::serve(admin, Arc::clone(&edge) as Arc<_>, token).map_err(EdgeError::one)?;
    edge.set_readiness(Readiness::Ready);
    announce(&edge, &api, &folder);
    if let Some(takeover) = takeover {
        match takeover.ready().await {
            Ok(_) => output::line("took over from the process that served with this state folder"),
            Err(error) => {
                tracing::warn!(%error, "the process before this one did not say that it has stopped");
            }
        }
        tell(notifier.as_ref(), State::MainProcess);
    }
    tell(notifier.as_ref(), State::Ready);
    attend(edge, api, handover, signals, notifier).await
}

/// Sockets from the process that serves already, or from the service manager.
async fn inherit(state: &StateFolder) -> Result<(Vec<InheritedSocket>, Option<Takeover>), EdgeError> {
    match take_over(state.path()).await.map_err(EdgeError::one)? {
        Some((sockets, takeover)) => Ok((sockets, Some(takeover))),
        None => Ok((activation::sockets().map_err(EdgeError::one)?, None)),
    }
}

fn announce(edge: &Edge, api: &Server, folder: &Path) {
    for (listen, local) in edge.addresses() {
        let scheme = if listen.tls { "https" } else { "http" };
        output::line(format_args!("listening on {scheme}://{local}"));
    }
    output::line(format_args!("admin on http://{}", api.address()));
    output::line(format_args!("state in {}", folder.display()));
}

fn tell(notifier: Option<&Notifier>, state: State<'_>) {
    if let Some(notifier) = notifier
        && let Err(error) = notifier.notify(state)
    {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// What a person or the system can ask a running process for.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self, EdgeError> {
        let listen = |kind| signal(kind).map_err(EdgeError::one);
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }
}

/// Looks after the edge until it ends.
async fn attend(
    edge: Arc<Edge>,
    api: Server,
    handover: HandoverServer,
    mut signals: Signals,
    notifier: Option<Notifier>,
) -> Result<(), EdgeError> {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut certificates = tokio::time::interval(CERTIFICATES_EVERY);
    let mut failures = 0;
    let sharing = Arc::clone(&edge);
    let mut handed_over = std::pin::pin!(handover.handed_over(move || sharing.share_sockets()));
    let (stop, successor) = loop {
        tokio::select! {
            _ = second.tick() => {
                let newcomers_failed = handover.failures();
                let failed = newcomers_failed != failures;
                failures = newcomers_failed;
                blocking(&edge, move |edge| {
                    if failed {
                        edge.take_rulebook_back();
                    }
                    edge.tick()
                })
                .await?;
            }
            _ = certificates.tick() => blocking(&edge, |edge| edge.reload_changed_certificates()).await,
            _ = signals.hangup.recv() => reload(&edge, notifier.as_ref()).await,
            successor = &mut handed_over => break (Stop::HandedOver, Some(successor)),
            _ = signals.terminate.recv() => break (Stop::Closing, None),
            _ = signals.interrupt.recv() => break (Stop::Closing, None),
        }
    };
    end(edge, api, stop, successor, signals, notifier).await;
    Ok(())
}

async fn end(
    edge: Arc<Edge>,
    api: Server,
    stop: Stop,
    successor: Option<HandedOver>,
    mut signals: Signals,
    notifier: Option<Notifier>,
) {
    tracing::info!("no longer accepting; waiting for connections to end");
    edge.set_readiness(Readiness::Draining);
    edge.stop_accepting(stop);
    match successor {
        // The successor answers on the same socket.
        Some(successor) => {
            let _ = tokio::task::spawn_blocking(move || api.stop()).await;
            let _ = successor.stopped().await;
            blocking(&edge, move |edge| edge.stop(stop)).await;
        }
        None => {
            tell(notifier.as_ref(), State::Stopping);
            tokio::select! {
                () = blocking(&edge, move |edge| edge.stop(stop)) => {}
                // Who asks twice does not want to wait.
                _ = signals.terminate.recv() => tracing::warn!("told to end twice: connections are cut"),
                _ = signals.interrupt.recv() => tracing::warn!("told to end twice: connections are cut"),
            }
            let _ = tokio::task::spawn_blocking(move || api.stop()).await;
        }
    }
}

async fn reload(edge: &Arc<Edge>, notifier: Option<&Notifier>) {
    tell(notifier, State::Reloading);
    match blocking(edge, |edge| edge.reload()).await {
        // It said so itself.
        Ok(_) => {}
        Err(EdgeError(problems)) => {
            tracing::error!("not reloaded, everything goes on as before:\n{}", problems.join("\n"));
        }
    }
    tell(notifier, State::Ready);
}

/// Runs what touches disks or waits for threads beside the signals.
async fn blocking<T: Send + 'static>(edge: &Arc<Edge>, work: impl FnOnce(&Edge) -> T + Send + 'static) -> T {
    let edge = Arc::clone(edge);
    match tokio::task::spawn_blocking(move || work(&edge)).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// How often certificate files are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(5);
