//! Reload and end.

use std::time::Duration;

use seawall_testkit::{Curl, Nginx};

use crate::{in_front_of, seawall};

fn configuration(origin: &str, deny: &str) -> String {
    format!(
        "listen = [\"@LISTEN@\"]\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
         [[site]]\norigin = \"{origin}\"\n\
         [[rule]]\nname = \"one\"\nmatch = {{ path = \"{deny}\" }}\naction = \"deny\"\n"
    )
}

#[test]
fn sighup_loads_the_configuration_again_all_or_nothing() {
    let origin = Nginx::builder().file("a", "a").file("b", "b").start();
    let mut edge = seawall().configuration(&configuration(&origin.url(""), "/a")).start();
    let statuses =
        |edge: &seawall_testkit::Seawall| ["/a", "/b"].map(|path| Curl::get(edge.url(path)).run().status);
    assert_eq!(statuses(&edge), [403, 200]);

    edge.reload(
        &configuration(&origin.url(""), "/b").replace("@DIR@", &edge.dir().path().display().to_string()),
    );
    edge.process().wait_for_line("that it reloaded", |line| line.contains("reloaded").then_some(()));
    assert_eq!(statuses(&edge), [200, 403]);

    edge.reload("listen = 7\n");
    assert_eq!(statuses(&edge), [200, 403]);
}

#[test]
fn sigterm_ends_the_process_in_peace() {
    let origin = Nginx::builder().start();
    let mut edge = in_front_of(&origin);
    assert_eq!(Curl::get(edge.url("/")).run().status, 200);
    let status = edge.terminate(Duration::from_secs(20));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    assert_eq!(Curl::get(edge.url("/")).try_run().unwrap_err().code, 7);
}
