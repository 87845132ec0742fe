//! `seawall status` and `seawall reload`: a running process, through its admin API.

use std::process::ExitCode;

use seawall_console::Client;
use seawall_console::control::{CacheView, DiskState, Readiness, TierView};

use crate::cli::{Format, Status, Target};
use crate::output;
use crate::rules::connect;

pub(crate) fn run(args: &Status) -> ExitCode {
    connect(&args.target).and_then(|client| tell(&client, args.format)).unwrap_or_else(output::wrong)
}

fn tell(client: &Client, format: Format) -> Result<ExitCode, String> {
    let failed = |error: seawall_console::client::ClientError| error.to_string();
    let status = client.status().map_err(failed)?;
    let intermediaries = client.intermediaries().map_err(failed)?;
    let origins = client.origins().map_err(failed)?;
    let limits = client.limits().map_err(failed)?;
    let cache = client.cache().map_err(failed)?;
    if format == Format::Json {
        output::json(&serde_json::json!({
            "status": status, "origins": origins, "intermediaries": intermediaries, "limits": limits,
            "cache": cache,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let readiness = match status.readiness {
        Readiness::Starting => "starting",
        Readiness::Ready => "ready",
        Readiness::Draining => "draining",
    };
    output::line(format_args!(
        "seawall {} (process {}), {readiness}, up {}",
        status.version,
        status.pid,
        duration(status.uptime_seconds)
    ));
    for listener in &status.listeners {
        let scheme = if listener.tls { "https" } else { "http" };
        output::line(format_args!("listening on {scheme}://{}", listener.address));
    }
    for origin in &origins {
        let health = if origin.available { "well" } else { "left alone after failures" };
        output::line(format_args!(
            "origin {} for {}: {health}, answered {}, failed {}",
            origin.origin,
            origin.hosts.join(" "),
            origin.answered,
            origin.failed
        ));
    }
    output::line(format_args!(
        "limits: {} of {} keys, {} forgotten for room",
        limits.keys, limits.keys_max, limits.evictions
    ));
    if !cache.hosts.is_empty() {
        print_cache(&cache);
    }
    for intermediary in &intermediaries {
        output::line(format_args!(
            "{} looks like a proxy for many ({}): {}",
            intermediary.address, intermediary.evidence, intermediary.hint
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn print_cache(cache: &CacheView) {
    let served = cache.hits + cache.stale;
    let asked = served + cache.forwards;
    let ratio = match asked {
        0 => "nothing asked yet".to_owned(),
        // Rounded down: 100 % means all.
        _ => format!("{} % of {asked} requests answered from it", served * 100 / asked),
    };
    output::line(format_args!(
        "cache: {ratio}, {} stale, {} by another's fetch",
        cache.stale, cache.collapsed
    ));
    let tier = |name: &str, tier: &TierView, what: &str| {
        let failed = if tier.errors > 0 { format!(", {} errors", tier.errors) } else { String::new() };
        output::line(format_args!(
            "{name}: {} of {} in {} {what}{}, {} forgotten for room{failed}",
            size(tier.bytes),
            size(tier.bytes_max),
            tier.count,
            if tier.count == 1 { "" } else { "s" },
            tier.evictions
        ));
    };
    tier("cache memory", &cache.memory, "URL");
    if let Some(disk) = &cache.disk {
        tier("cache disk", disk, "file");
    }
    let state = match cache.disk_state {
        None | Some(DiskState::Open) => return,
        Some(DiskState::Opening) => "opening: what is on it is not found yet",
        Some(DiskState::InUse) => "waiting: in use by another process, memory goes on alone until it lets go",
        Some(DiskState::Failing) => "failing: memory goes on alone, the log has the error",
    };
    output::line(format_args!("cache disk: {state}"));
}

fn size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes < 10 * unit => format!("{:.1} {name}", bytes as f64 / unit as f64),
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} B"),
    }
}

fn duration(seconds: u64) -> String {
    match (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

pub(crate) fn reload(target: &Target) -> ExitCode {
    let reloaded = connect(target).and_then(|client| client.reload().map_err(|error| error.to_string()));
    match reloaded {
        Ok(reloaded) => {
            output::line("reloaded");
            for setting in &reloaded.needs_restart {
                output::line(format_args!("`{setting}` has changed and takes effect at the next start"));
            }
            ExitCode::SUCCESS
        }
        Err(error) => output::wrong(error),
    }
}
