//! Ctrl-C: the one who waits goes away, the run does not.

use std::process::{Child, Command, Stdio};

use muster_oktasim::{Fault, Faults, Rule};

use crate::support::{Home, Okta, connect};

/// What a terminal does at Ctrl-C.
fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_stopped_goes_on_later_from_where_it_was() {
    let okta = Okta::fernhill().await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    home.set("MUSTER_LEASE_SECONDS", "1");
    // The second page would take longer than anybody waits.
    okta.org().faults(|faults| {
        faults.add(Rule::on_app_users().page(1).fault(Fault::ShortPage(100)));
        faults.add(Rule::on_app_users().page(2).fault(Fault::Slow(50_000)));
    });
    let mut child = home
        .command(&["okta", "sync", "fernhill", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // Until the second page is asked for: the first one is in then.
    while okta.org().stats().calls.values().sum::<u64>() < 2 {
        let ended = child.try_wait().expect("asked");
        assert!(ended.is_none(), "it ended by itself: {ended:?}");
        tokio::task::yield_now().await;
    }
    let run = home.line("run list fernhill --json").done().lines().remove(0);
    assert_eq!(run["state"], "running");
    interrupt(&child);
    let output = child.wait_with_output().expect("ended");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    let id = run["id"].as_str().expect("an id");
    assert!(
        told.contains("Nothing is lost")
            && told.contains(id)
            && told.contains("muster okta sync fernhill"),
        "{told}"
    );
    assert!(output.stdout.is_empty(), "there is no result yet");

    okta.org().faults(Faults::clear);
    let done = home.line("okta sync fernhill --json").done();
    assert!(done.err.contains("under way already"), "{}", done.err);
    let ended = done.json();
    assert_eq!((ended["id"].as_str(), ended["state"].as_str()), (Some(id), Some("done")));
    assert_eq!(ended["counts"]["read"], 226);
}
