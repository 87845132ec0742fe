//! What concerns several parts of the configuration at once.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::config::Origin;
use crate::diagnostic::{Code, Place, Problems};
use crate::listen::Listener;
use crate::site::ReadSite;

pub(crate) fn check(listeners: &[Listener], admin: &Listener, sites: &[ReadSite], problems: &mut Problems) {
    check_addresses(listeners, admin, problems);
    check_certificates(listeners, sites, problems);
    check_hosts(sites, problems);
    check_loops(listeners, sites, problems);
}

fn check_addresses(listeners: &[Listener], admin: &Listener, problems: &mut Problems) {
    for (index, listener) in listeners.iter().enumerate() {
        let address = listener.listen.address;
        if let Some(first) = listeners[..index].iter().find(|other| other.listen.address == address) {
            let diagnostic = listener.place.error(Code::Duplicate, format!("{address} is listened on twice"));
            problems.push(diagnostic.help("remove one").also(&first.place, "first here"));
        }
        let own = admin.listen.address;
        if covers(address, own.ip(), own.port()) {
            let diagnostic =
                admin.place.error(Code::Conflict, format!("`admin` has the port of the listener {address}"));
            problems.push(
                diagnostic
                    .help("give it a port of its own, such as \"127.0.0.1:9180\"")
                    .also(&listener.place, "the listener"),
            );
        }
    }
}

fn check_certificates(listeners: &[Listener], sites: &[ReadSite], problems: &mut Problems) {
    let has_certificate = sites.iter().any(|site| site.wants_tls);
    let speaks_tls = listeners.iter().any(|listener| listener.listen.tls);
    if !has_certificate {
        for listener in listeners.iter().filter(|listener| listener.listen.tls) {
            let diagnostic = listener
                .place
                .error(Code::Conflict, "this listener speaks TLS, but no site has a certificate");
            let help = "give a site tls = { certificate = \"fullchain.pem\", key = \"privkey.pem\" }, or tls = \"self-signed\" for a trial";
            problems.push(diagnostic.help(help));
        }
    }
    if !speaks_tls {
        for (_, place) in sites.iter().filter_map(|site| site.tls.as_ref()) {
            let warning =
                place.warning(Code::Suspicious, "this certificate is not used: no listener speaks TLS");
            problems.push(warning.help("listen with { address = \"0.0.0.0:443\", tls = true }"));
        }
    }
}

fn check_hosts(sites: &[ReadSite], problems: &mut Problems) {
    let mut taken: HashMap<&str, &Place> = HashMap::new();
    for (host, place) in sites.iter().flat_map(|site| &site.hosts) {
        let Some(first) = taken.insert(host, place) else { continue };
        let (message, help) = match host.as_str() {
            "*" => (String::from("two sites answer for every other host"), "give one of them its `hosts`"),
            host => (format!("the host {host} is named twice"), "remove one"),
        };
        problems.push(place.error(Code::Duplicate, message).help(help).also(first, "first here"));
    }
}

fn check_loops(listeners: &[Listener], sites: &[ReadSite], problems: &mut Problems) {
    for origin in sites.iter().flat_map(|site| &site.origins) {
        let looping = listeners.iter().find(|listener| reaches(&origin.origin, listener.listen.address));
        if let Some(listener) = looping {
            let address = listener.listen.address;
            let message = format!("this origin is Seawall's own listener {address}");
            let diagnostic = origin.place.error(Code::Conflict, message);
            problems.push(
                diagnostic.help("let one of them have another port").also(&listener.place, "the listener"),
            );
        }
    }
}

/// Whether a site's origin would be a listener on this address.
pub(crate) fn loops(listen: SocketAddr, site: &ReadSite) -> bool {
    site.origins.iter().any(|read| reaches(&read.origin, listen))
}

fn reaches(origin: &Origin, listen: SocketAddr) -> bool {
    let port = origin.authority.port_u16().unwrap_or(if origin.tls { 443 } else { 80 });
    let host = origin.authority.host().trim_matches(['[', ']']);
    if host.eq_ignore_ascii_case("localhost") {
        return port == listen.port() && (listen.ip().is_unspecified() || listen.ip().is_loopback());
    }
    host.parse::<IpAddr>().is_ok_and(|ip| covers(listen, ip, port))
}

/// Whether connecting to `ip` and `port` on this machine meets a listener on `listen`.
fn covers(listen: SocketAddr, ip: IpAddr, port: u16) -> bool {
    let (listen_ip, ip) = (listen.ip().to_canonical(), ip.to_canonical());
    // A socket on [::] takes IPv6 alone, as in nginx, and one on 0.0.0.0 IPv4.
    let any = listen_ip.is_unspecified() && listen_ip.is_ipv4() == ip.is_ipv4();
    // Port 0 is whichever is free, and so never another's.
    port != 0
        && listen.port() == port
        && (listen_ip == ip || (any && (ip.is_loopback() || ip.is_unspecified())))
}
