//! The trace that a request is part of, as the origin meets it.

use std::collections::BTreeSet;

use super::harness::{mint::token, *};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const STATE: &str = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";

/// A trace that the gate has begun.
#[track_caller]
fn must_be_begun(seen: &Seen) -> String {
    let parents = seen.header("traceparent");
    assert_eq!(parents.len(), 1, "{seen:?}");
    let parts: Vec<&str> = parents[0].split('-').collect();
    assert_eq!((parts.len(), parts[0], parts[3]), (4, "00", "01"), "{parents:?}");
    for (part, digits) in [(parts[1], 32), (parts[2], 16)] {
        let is_digit = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
        assert!(part.len() == digits && part.chars().all(is_digit), "{parents:?}");
        assert!(part.contains(|letter| letter != '0'), "{parents:?}");
    }
    assert_eq!(seen.header("tracestate"), <[&str; 0]>::default());
    parts[1].to_owned()
}

#[tokio::test]
async fn a_valid_trace_is_passed_on_as_it_came() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).access("/public", "public")).await;
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-and-more";
    for parent in [PARENT, later] {
        let traced = |request: client::Request| {
            request.header("Traceparent", parent).header("tracestate", STATE)
        };
        for request in [
            get("/").bearer(&token()),
            get("/public"),
            request("POST", "/").bearer(&token()).body("body"),
            request("OPTIONS", "/")
                .header("Origin", "https://app.example")
                .header("Access-Control-Request-Method", "PUT"),
        ] {
            traced(request).send(&gate).await.must_pass();
            assert_eq!(origin.last().header("traceparent"), [parent]);
            assert_eq!(origin.last().header("tracestate"), [STATE]);
        }
    }
}

#[tokio::test]
async fn what_is_no_trace_is_replaced_with_what_others_kept_about_it() {
    let origin = Origin::start().await;
    let gate = Gate::start(Setup::new(&origin).access("/public", "public")).await;
    let traced = |parents: &[&str]| {
        let request = get("/public").header("tracestate", STATE);
        parents.iter().fold(request, |request, parent| request.header("traceparent", parent))
    };
    for parents in [
        &[][..],
        &[""],
        &["garbage"],
        &["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"],
        &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
        &["00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"],
        &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        &["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"],
        &[PARENT, PARENT],
    ] {
        traced(parents).send(&gate).await.must_pass();
        let trace = must_be_begun(&origin.last());
        assert!(!PARENT.contains(&trace), "{parents:?}");
    }
    // One that the client withdraws on the way is none either.
    let withdrawn = traced(&[PARENT]).header("Connection", "close, Traceparent");
    withdrawn.send(&gate).await.must_pass();
    must_be_begun(&origin.last());
}

#[tokio::test]
async fn every_request_begins_a_trace_of_its_own() {
    let origin = Origin::start().await;
    let setup = Setup::new(&origin).access("/public", "public").isolates(2);
    let gates = Gate::start_all(setup).await;
    let token = token();
    let mut traces = BTreeSet::new();
    for number in 0..300 {
        let gate = &gates[number % 2];
        for request in [get("/").bearer(&token), get("/public")] {
            request.send(gate).await.must_pass();
            let trace = must_be_begun(&origin.last());
            assert!(traces.insert(trace.clone()), "{trace} again");
        }
    }
}
