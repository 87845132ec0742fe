//! Reads addresses to listen on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::Listen;
use crate::diagnostic::{Code, Place, Problems};
use crate::manual;
use crate::reader::{Shape, Value};

/// A listener and where it was written.
pub(crate) struct Listener {
    pub(crate) listen: Listen,
    pub(crate) place: Place,
}

pub(crate) fn read_listen(value: Value<'_>, problems: &mut Problems) -> Option<Vec<Listener>> {
    let items = value.one_or_many();
    if items.is_empty() {
        problems.push(value.invalid("`listen` names no address").help("write listen = \"0.0.0.0:80\""));
    }
    Some(items.into_iter().filter_map(|item| read_one(item, problems)).collect())
}

fn read_one(item: Value<'_>, problems: &mut Problems) -> Option<Listener> {
    if !matches!(item.shape(), Shape::Table) {
        let address = read_address(item, problems)?;
        return Some(Listener {
            listen: Listen { address, tls: false, proxy_protocol: false },
            place: item.place(),
        });
    }
    let mut table = item.open(&manual::LISTEN, problems)?;
    let address = table.require("address", problems);
    let address = address.and_then(|value| Some((read_address(value, problems)?, value.place())));
    let mut flag = |key, problems: &mut Problems| {
        table.read(key, problems, |value, problems| value.boolean(problems)).unwrap_or(false)
    };
    let (tls, proxy_protocol) = (flag("tls", problems), flag("proxy-protocol", problems));
    table.finish("here", problems);
    let (address, place) = address?;
    Some(Listener { listen: Listen { address, tls, proxy_protocol }, place })
}

/// An IP address and a port.
pub(crate) fn read_address(value: Value<'_>, problems: &mut Problems) -> Option<SocketAddr> {
    if value.is_integer() {
        let help = format!("write the address too: \"0.0.0.0:{}\"", value.raw());
        problems.push(value.wrong_type("an address and a port in quotes").help(help));
        return None;
    }
    let text = value.text(problems)?;
    match parse_address(text) {
        Ok(address) => Some(address),
        Err(help) => {
            problems.push(value.invalid(format!("\"{text}\" is not an address and a port")).help(help));
            None
        }
    }
}

/// Reads an IP address and a port, as `listen`, `admin` and the options of the command line have them. Port 0 is
/// any port that is free.
///
/// # Errors
///
/// What to write instead.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    if text.starts_with("unix:") || text.starts_with('/') {
        return Err(String::from("this version listens on TCP only"));
    }
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Err(format!("add the port: \"{}\"", SocketAddr::new(addr, 80)));
    }
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    match text.rsplit_once(':') {
        None if is_port(text) => Err(format!("write the address too: \"0.0.0.0:{text}\"")),
        Some(("" | "*", port)) if is_port(port) => {
            Err(format!("write the address too: \"0.0.0.0:{port}\" for IPv4, \"[::]:{port}\" for IPv6"))
        }
        Some(("localhost", port)) if is_port(port) => {
            Err(format!("write the address itself: \"127.0.0.1:{port}\""))
        }
        Some((host, port)) if !is_port(port) && host.parse::<IpAddr>().is_ok() => {
            Err(String::from("a port is a number from 1 to 65535"))
        }
        _ => Err(String::from("write it as \"0.0.0.0:80\", \"127.0.0.1:8080\" or \"[::]:80\"")),
    }
}

/// The admin API is for this machine alone.
pub(crate) fn read_admin(value: Value<'_>, problems: &mut Problems) -> Option<Listener> {
    let address = read_address(value, problems)?;
    if !address.ip().to_canonical().is_loopback() {
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
        let diagnostic = value.error(Code::Conflict, "`admin` must be a loopback address");
        let help = format!(
            "write \"{own}\", and reach it from elsewhere by an SSH tunnel: ssh -L {0}:{own} HOST",
            own.port()
        );
        problems.push(diagnostic.help(help));
        return None;
    }
    Some(Listener { listen: Listen { address, tls: false, proxy_protocol: false }, place: value.place() })
}
