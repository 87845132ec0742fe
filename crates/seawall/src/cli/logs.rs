//! What every command that reads logs is told about them.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use http::HeaderName;
use ipnet::IpNet;
use seawall_http::named_set;
use seawall_http::named_sets::NAMES;
use seawall_logs::Format as LogFormat;

/// Logs, and how they are to be read.
#[derive(Debug, Args)]
pub struct Logs {
    /// Access logs, plain or compressed (gzip, zstd, xz, bzip2), in any order; `-` for standard input
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// Their format: `combined`, `caddy`, `nginx:$remote_addr ...` and so on; without it, it is recognised. The page on log
    /// formats lists them
    #[arg(long, value_name = "FORMAT", value_parser = log_format)]
    pub log_format: Option<LogFormat>,
    /// Networks whose word about the client is taken, as `trusted-hops` of `[client]`: networks, addresses, and the sets
    /// `fastly`, `cloudflare` and `private`, with commas between them
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', value_parser = hops)]
    pub trusted_hops: Vec<Hops>,
    /// The field that trusted hops write, as `field` of `[client]`: x-forwarded-for, forwarded, or one with a single address
    #[arg(long, value_name = "FIELD", requires = "trusted_hops")]
    pub client_field: Option<HeaderName>,
}

/// One network, or a named set of them.
#[derive(Clone, Debug)]
pub struct Hops(pub Vec<IpNet>);

fn log_format(name: &str) -> Result<LogFormat, String> {
    LogFormat::named(name).map_err(|error| error.to_string())
}

pub(crate) fn hops(text: &str) -> Result<Hops, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Hops(vec![address.into()]));
    }
    if let Ok(network) = text.parse::<IpNet>() {
        return match network == network.trunc() {
            true => Ok(Hops(vec![network])),
            false => {
                Err(format!("it is an address within a network: write {} for the network", network.trunc()))
            }
        };
    }
    let set = named_set(text);
    set.map(|set| Hops(set.networks.clone())).ok_or_else(|| {
        format!("it is neither a network nor a set of them: the sets are {}", NAMES.join(", "))
    })
}
