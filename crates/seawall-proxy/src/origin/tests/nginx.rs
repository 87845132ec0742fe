//! A real nginx behind the pool.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::*;

/// nginx as a child in the foreground; it ends with this, and its files with it.
struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nginx {
    /// `None` where nginx is not installed; a failure under `CI`, which installs it.
    async fn start(keepalive_requests: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        // A port that is free now: nginx cannot be told to take any and say which.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let root = folder.path();
        std::fs::write(root.join("page"), "a page").unwrap();
        std::fs::write(root.join("large"), vec![b'x'; 1 << 20]).unwrap();
        let configuration = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
             events {{ worker_connections 64; }}
             http {{
                 access_log {root}/access.log;
                 client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/f;
                 uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
                 keepalive_requests {keepalive_requests};
                 server {{
                     listen {address}; root {root};
                     location /echo {{ client_max_body_size 8m; proxy_pass http://{address}/length; }}
                     location /length {{ client_max_body_size 8m; return 200 $http_content_length; }}
                 }}
             }}",
            root = root.display(),
        );
        std::fs::write(root.join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(root).arg("-c").arg(root.join("nginx.conf")).process_group(0);
        let child = match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("nginx is not installed, nothing tested: {error}");
                return None;
            }
            Err(error) => panic!("nginx cannot be started: {error}"),
        };
        let nginx = Self { child, address, folder };
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
        Some(nginx)
    }
}

#[test]
fn nginx_is_served_over_few_connections_and_its_own_closes_fail_nothing() {
    run(async {
        // nginx closes each connection after its tenth request.
        let Some(nginx) = Nginx::start(10).await else { return };
        let pool = pool(&OriginGroup { connections: 4, ..group(vec![origin(nginx.address)]) });
        for index in 0..100 {
            if index % 2 == 0 {
                let response = pool.fetch(get("/page")).await.unwrap();
                assert_eq!(response.body().size_hint().exact(), Some(6));
                assert_eq!(text(response).await, "a page");
            } else {
                let mut post = request("POST", "/echo", content("0123456789"));
                post.headers_mut().insert("content-length", "10".parse().unwrap());
                assert_eq!(text(pool.fetch(post).await.unwrap()).await, "10");
            }
        }
        assert_eq!(pool.stats.origins[0].connects.get(), 10);
        assert_eq!(pool.fetch(get("/absent")).await.unwrap().status(), 404);
        let log = std::fs::read_to_string(nginx.folder.path().join("access.log")).unwrap();
        assert_eq!(log.lines().filter(|line| line.contains("GET /page")).count(), 50);
    });
}

#[test]
fn nginx_serves_large_content_to_many_at_once_over_bounded_connections() {
    run(async {
        let Some(nginx) = Nginx::start(1000).await else { return };
        let pool = pool(&OriginGroup { connections: 3, ..group(vec![origin(nginx.address)]) });
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                let pool = Rc::clone(&pool);
                spawn_local(async move { text(pool.fetch(get("/large")).await.unwrap()).await.len() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 1 << 20);
        }
        assert_eq!(pool.stats.origins[0].connects.get(), 3);
    });
}
