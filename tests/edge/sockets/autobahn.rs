//! The cases of the Autobahn test suite: what a client that breaks the rules, or uses all that they allow,
//! finds behind the gate.

use std::collections::BTreeSet;

use super::*;
use crate::harness::{
    autobahn::{self, Outcome, Outcomes},
    ws::WsServer,
};

/// All of the first ten groups. Of those about compression, which send a thousand messages each, one for each
/// set of parameters.
const CASES: [&str; 21] = [
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.1", "12.2.1", "12.3.1",
    "12.4.1", "12.5.1", "13.1.1", "13.2.1", "13.3.1", "13.4.1", "13.5.1", "13.6.1", "13.7.1",
];
const COUNT: usize = 313;

/// Here a good message and a bad frame come at once, and the suite is strict about the message coming back
/// before the connection is failed. The runtime fails it as soon as it reads the frame, and the message is
/// still on its way to the origin.
const ECHO_TOO_LATE: [&str; 10] =
    ["3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15"];

/// The suite gives a server a second to answer, which may be too little on a machine that is busy.
const ATTEMPTS: usize = 3;

#[tokio::test]
async fn each_case_of_autobahn_ends_as_with_the_origin_alone_or_with_the_runtime_alone() {
    if !autobahn::is_installed() {
        assert!(std::env::var_os("CI").is_none(), "kosoku is missing: tools/install.sh test");
        println!("skipped: kosoku is not installed");
        return;
    }
    let server = WsServer::start(true).await;
    let nobody = Origin::absent().await;
    // The suite has no token. What makes sockets of everybody pass through our hands is the idle timeout.
    let setup = server
        .setup(Setup::new(&nobody))
        .set("websocket.idle_timeout_seconds", 600)
        .access("/", "public");
    let gate = Gate::start(setup).await;
    let bare = autobahn::bare_worker().await;
    let all = async |cases: &[&str]| {
        tokio::join!(
            autobahn::outcomes(server.addr, cases),
            autobahn::outcomes(gate.addr, cases),
            autobahn::outcomes(bare.address, cases),
        )
    };

    let (direct, gated, bare) = all(&CASES).await;
    assert_eq!([direct.len(), gated.len(), bare.len()], [COUNT; 3]);
    let mut left = unexplained(&direct, &gated, &bare);
    for _ in 1..ATTEMPTS {
        if left.is_empty() {
            break;
        }
        let cases: Vec<&str> = left.iter().map(|(case, _)| case.as_str()).collect();
        let (direct, gated, bare) = all(&cases).await;
        left = unexplained(&direct, &gated, &bare);
    }
    assert!(left.is_empty(), "case, then direct, through the gate, bare: {left:#?}");
    eventually("none is open", async || gate.report().await["websockets"]["open"] == 0).await;
    let log = gate.log();
    assert!(!log.contains("panicked") && !log.contains("socket_failed"), "{log}");
}

/// The cases whose outcome through the gate is neither that of the origin nor that of the runtime.
fn unexplained(
    direct: &Outcomes,
    gated: &Outcomes,
    bare: &Outcomes,
) -> BTreeSet<(String, [Outcome; 3])> {
    let outcomes = |case: &String| [direct, gated, bare].map(|all| all[case].clone());
    let all = gated.keys().map(|case| (case.clone(), outcomes(case)));
    all.filter(|(case, [direct, gated, bare])| {
        let is_late = ECHO_TOO_LATE.contains(&case.as_str())
            && *gated == Outcome { behavior: "NON-STRICT".to_owned(), ..direct.clone() };
        gated != direct && gated != bare && !is_late
    })
    .collect()
}
