//! What answers proxied requests: an nginx on the core of the load, which counts what it is asked for.

use anyhow::{Context as _, Result};
use seawall_testkit::Nginx;

use super::LOAD_CORE;
use crate::bench::case::{Cores, Size};
use crate::bench::cpu::with_children;
use crate::bench::program::pin;

pub(in crate::bench) struct Origin(Nginx);

impl Origin {
    pub(in crate::bench) fn start(cores: Cores) -> Result<Self> {
        let origin = Nginx::builder()
            .http("error_log stderr crit; sendfile on; tcp_nopush on;")
            .server("access_log off;")
            .server("location /public/ { add_header Cache-Control max-age=86400; access_log @DIR@/public.log kit; }")
            .server("location /private/ { add_header Cache-Control no-store; }")
            .server("location = /post { return 200 \"taken\\n\"; }")
            .file("public/1k", vec![b'x'; Size::Small.bytes()])
            .file("public/225k", vec![b'x'; Size::Large.bytes()])
            .file("private/1k", vec![b'x'; Size::Small.bytes()])
            // For the servers that serve files themselves.
            .file("files/1k", vec![b'x'; Size::Small.bytes()])
            .file("files/225k", vec![b'x'; Size::Large.bytes()])
            .worker_connections(4096)
            .start();
        let this = Self(origin);
        if cores == Cores::Apart {
            pin(&this.processes()?, LOAD_CORE)?;
        }
        Ok(this)
    }

    pub(in crate::bench) fn processes(&self) -> Result<Vec<u32>> {
        with_children(self.0.id().context("the origin has ended")?)
    }

    /// How often it was asked for what may be cached.
    pub(in crate::bench) fn asked(&self) -> usize {
        self.0.dir().read("public.log").lines().count()
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn authority(&self) -> String {
        self.0.address().to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.0.address().port()
    }

    /// The folder that has `files/` and `public/`.
    pub(super) fn folder(&self) -> String {
        self.0.dir().join("site").display().to_string()
    }
}
