//! A real Prometheus evaluates the alerts of the repository, and can be asked what the dashboard asks.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    super::harness::{guide, prometheus::*},
    *,
};

#[test]
fn durations_are_divided_and_nothing_else() {
    let slow = r#"
      - alert: One
        # for: 5m, [5m]
        expr: rate(a_total[5m]) > 5 * rate(a_total{b=~"[0-9]m"}[1h30m] offset 10m)
        for: 1m30s
        labels:
          severity: info
      - alert: Two
        expr: |
          rate(a_total[2m])
            / rate(b_total[30s])

          > 0.5
        for: 15m
        annotations:
          description: >-
            For 5m, see `rate(a_total[5m] offset 5m)`;
            for: 5m
"#;
    let fast = r#"
      - alert: One
        # for: 5m, [5m]
        expr: rate(a_total[5000ms]) > 5 * rate(a_total{b=~"[0-9]m"}[90000ms] offset 10000ms)
        for: 1500ms
        labels:
          severity: info
      - alert: Two
        expr: |
          rate(a_total[3000ms])
            / rate(b_total[3000ms])

          > 0.5
        for: 15000ms
        annotations:
          description: >-
            For 5m, see `rate(a_total[5m] offset 5m)`;
            for: 5m
"#;
    assert_eq!(faster(slow, 60), fast);
}

#[tokio::test]
async fn alerts_fire_and_end() {
    let is_up = Arc::new(AtomicBool::new(false));
    let now_up = Arc::clone(&is_up);
    let gate = Faults::answering(move |asked| {
        if asked.header("authorization") != ["Bearer secret"] || asked.target != "/a/metrics" {
            return Reply::new(401, "");
        }
        let is_up = u8::from(now_up.load(Ordering::Relaxed));
        Reply::new(200, format!("auth_hub_up {is_up}\nauth_misconfigured 0\n"))
            .with_header("Content-Type", "text/plain; version=0.0.4")
    })
    .await;
    let prometheus = Prometheus::start(gate.addr, "/a/metrics", "secret", 60).await;
    let Some(prometheus) = prometheus else { return };
    let alert = prometheus.until_firing("EdgewardHubDown", PATIENCE).await;
    let instance = gate.addr.to_string();
    assert_eq!((&alert.labels["job"], &alert.labels["instance"]), (&"edgeward".into(), &instance));
    assert!(alert.annotations["summary"].contains(&instance), "{alert:?}");
    assert_eq!(prometheus.firing().await, ["EdgewardHubDown"]);
    let up = prometheus.query("auth_hub_up == 0").await;
    assert_eq!((up.len(), &up[0]["value"][1]), (1, &json!("0")));

    is_up.store(true, Ordering::Relaxed);
    prometheus.until_over("EdgewardHubDown", PATIENCE).await;
    gate.set(Mode::Refused).await;
    prometheus.until_firing("EdgewardMetricsDown", PATIENCE).await;

    // Whether there is something to answer or not.
    for query in dashboard_queries() {
        prometheus.query(&query).await;
    }
}

#[test]
fn panels_are_beside_each_other_and_say_what_they_show() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && taken.insert((x, y)), "{panel}");
            }
        }
    }
}

/// As GitHub makes them of a heading that is one word.
fn anchor(heading: &str) -> String {
    heading.to_lowercase()
}

#[test]
fn every_alert_has_its_playbook_and_every_playbook_its_alert() {
    let rules = alerts_file();
    let after = |mark: &str| -> Vec<String> {
        rules.lines().filter_map(|line| line.trim().strip_prefix(mark)).map(str::to_owned).collect()
    };
    let alerts = after("- alert: ");
    assert_eq!(alerts.len(), 18);
    let runbooks = alerts.iter().map(|alert| format!("docs/playbooks.md#{}", anchor(alert)));
    assert_eq!(after("runbook: "), runbooks.collect::<Vec<_>>());

    let guide = guide::document("docs/playbooks.md");
    let headings: Vec<_> = guide.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings.len(), alerts.len());
    let alerts: BTreeSet<_> = alerts.iter().map(String::as_str).collect();
    assert_eq!(headings.into_iter().collect::<BTreeSet<_>>(), alerts);
    // Each is linked from the list at the top, under its severity.
    for severity in ["critical", "warning", "info"] {
        let row = guide.lines().find(|line| line.starts_with(&format!("| {severity} |"))).unwrap();
        let linked = row.matches("](#").count();
        let of_it = after("severity: ").iter().filter(|one| *one == severity).count();
        assert_eq!(linked, of_it, "{severity}");
    }
}

#[test]
fn every_metric_that_is_asked_for_is_on_the_page() {
    let page = include_str!("../../fixtures/metrics.txt");
    let asked = [alerts_file(), dashboard_queries().join("\n")].concat();
    let is_part = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    let names: std::collections::BTreeSet<_> = asked
        .split(|byte| !is_part(byte))
        .filter(|word| word.starts_with("auth_") && *word != "auth_unavailable")
        .filter(|word| !word.starts_with("auth_service_refuses") && !word.ends_with("_silent"))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let is_there = page.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{', '_']))
        });
        assert!(is_there, "{name}");
    }
}
