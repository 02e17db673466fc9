//! What `make bench` has measured.

use serde_json::{Value, json as object};

use crate::json;
use crate::program::Folder;

fn spread(median: f64) -> Value {
    object!({ "low": median * 0.9, "median": median, "high": median * 1.1 })
}

fn ratio(median: f64) -> Value {
    object!({ "rate": spread(1.0), "cpu": spread(median) })
}

fn row(name: &str, to_limit: &Value, to_jose: &Value) -> Value {
    object!({
        "name": name, "requests_per_second": spread(4000.0), "cpu_micros": spread(200.0),
        "to_limit": to_limit, "to_jose": to_jose, "to_hono": null, "to_before": null,
        "busy": spread(1.0), "rounds": [],
    })
}

/// Figures as benches/worker.rs writes them.
fn figures(is_reached: bool) -> Value {
    let comparison = object!({
        "empty": spread(1.5), "edgeward": spread(30.0), "difference": spread(28.5), "ratio": spread(20.0),
    });
    object!({
        "machine": { "cpu": "a processor", "cores": 2, "kernel": "Linux", "pinning": "" },
        "date": "2026-11-26T12:00:00Z",
        "commit": "abc",
        "versions": {},
        "rounds": 3,
        "starts": 6,
        "algorithms": [{ "alg": "ES256", "rows": [
            row("edits", &Value::Null, &Value::Null),
            row("edgeward seen", &ratio(0.875), &ratio(1.25)),
            row("edgeward garbage", &ratio(0.5), &Value::Null),
            row("jose seen", &ratio(0.5), &Value::Null),
        ] }],
        "cold_start": { "spans": [{ "what": "first request", "clock": comparison, "cpu": comparison }],
                        "empty": [], "edgeward": [] },
        "module": { "gzip_bytes": 290_000 },
        "targets": [
            { "what": "module in bytes", "wanted": 300_000.0, "at_most": true, "found": 290_000.0,
              "by_cpu": null, "reached": true },
            { "what": "ES256, edgeward seen to jose", "wanted": 1.35, "at_most": false, "found": 1.3,
              "by_cpu": 1.25, "reached": is_reached },
        ],
        "criterion": {},
    })
}

#[test]
fn figures_are_told_in_markdown_as_the_documents_have_them() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("target/bench")).unwrap();
    folder.write("target/bench/results.json", &figures(false).to_string());
    let out = folder.run(&["bench-report"]).must_be(0).out;
    for line in [
        "2 cores of a processor, 2026-11-26T12:00:00Z, commit abc",
        "| | ES256 |",
        "| edgeward seen, requests/s | 4000 (3600–4400) |",
        "| edgeward seen : edits | 0.88 (0.79–0.96) |",
        "| edgeward seen : jose | 1.25 (1.12–1.38) |",
        "| edgeward garbage : refuse | 0.50 (0.45–0.55) |",
        "ES256  edgeward  ███████████████████████████████████       88 %",
        "ES256  jose      ████████████████████                      50 %",
        "| first request | 1.5 (1.4–1.6) | 30.0 (27.0–33.0) | 28.5 (25.6–31.4) | 20.00 (18.00–22.00) |",
        "- reached: module in bytes: 290000, at most 300000",
        "- MISSED: ES256, edgeward seen to jose: 1.30 (by CPU 1.25), at least 1.35",
        "Module: 290000 bytes after gzip -9",
    ] {
        assert!(out.lines().any(|one| one == line), "{line}\n{out}");
    }
}

#[test]
fn a_missed_target_fails_where_it_is_asked_for() {
    let folder = Folder::new();
    for (is_reached, arguments, code) in [
        (false, &["bench-report", "figures"][..], 0),
        (false, &["bench-report", "figures", "--strict"], 1),
        (false, &["bench-report", "figures", "--strict", "--json"], 1),
        (true, &["bench-report", "figures", "--strict"], 0),
    ] {
        folder.write("figures", &figures(is_reached).to_string());
        let said = folder.run(arguments).must_be(code);
        if arguments.contains(&"--json") {
            assert_eq!(json(&said.out)["targets"][1]["reached"], is_reached);
        }
    }
}

#[test]
fn what_holds_no_figures_is_told() {
    let folder = Folder::new();
    folder
        .run(&["bench-report"])
        .must_refuse("there is no target/bench/results.json; `make bench` writes it");
    folder.write("figures", "{}");
    folder.run(&["bench-report", "figures"]).must_refuse("holds no figures of `make bench`");
}

#[test]
fn the_sample_of_the_guide_is_of_the_figures_that_are_published() {
    let read = |name: &str| {
        let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let published = read("performance.md");
    let row = "| module: 300 KB after gzip | ";
    let (bytes, _) = published.split_once(row).unwrap().1.split_once(" bytes").unwrap();
    let bytes: u64 = bytes.replace(',', "").parse().unwrap();

    let mut figures = figures(true);
    figures["module"]["gzip_bytes"] = bytes.into();
    figures["targets"][0]["found"] = bytes.into();
    let folder = Folder::new();
    folder.write("figures", &figures.to_string());
    let out = folder.run(&["bench-report", "figures"]).must_be(0).out;
    let guide = read("cli.md");
    let sample = guide.split_once("    $ edgeward bench-report\n").unwrap().1;
    let sample = sample.lines().map_while(|line| match line {
        "" => Some(line),
        _ => line.strip_prefix("    "),
    });
    let lines: Vec<_> = sample.filter(|line| !["", "…"].contains(line)).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        assert!(out.lines().any(|one| one == line), "{line}\n{out}");
    }
}
