//! `deploy/`: the dashboard and alerts use metrics that the service exports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{JwksServer, SigningKey, Store, TestApp, shared_redis};

mod promql;

use crate::common::eventually;
use promql::{Expression, Selector, parse};

/// Labels that Prometheus adds to scraped series.
const TARGET_LABELS: [&str; 3] = ["job", "instance", "namespace"];
/// Label values that appear only after a failure. Problem codes are exported from the start.
const FAILURE_VALUES: [(&str, &str); 2] = [("status", "499"), ("outcome", "error")];

/// A scraped series: name and labels.
type Series = (String, BTreeMap<String, String>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_and_alerts_use_only_emitted_metrics_and_labels() {
    let redis = shared_redis();
    let keys = JwksServer::start(&[&SigningKey::p256("k")]);
    let settings = [
        ("REDIS_URL", &*redis),
        ("JWT_JWKS_URL", &keys.url()),
        // No broker is there. The metrics are.
        ("AMQP_URL", "amqp://127.0.0.1:1"),
    ];
    let app = TestApp::start_with(Store::Postgres, &settings).await;
    let registered = app.service().put("/v1/erasure-consumers/posts").await;
    assert_eq!(registered.status, 201, "{}", registered.text);
    generate_traffic(&app).await;
    // Erasures are counted from time to time.
    eventually("erasures are counted", async || {
        // A scrape takes much of the time of a processor.
        sleep(Duration::from_millis(500)).await;
        let scraped = scrape(&app).await;
        scraped.iter().any(|(name, _)| name == "erasures_pending")
    })
    .await;
    let scraped = scrape(&app).await;
    let rules = rules();
    let recorded: BTreeSet<&str> = rules
        .iter()
        .filter_map(|(name, _)| name.as_deref())
        .collect();
    assert!(recorded.len() > 10 && scraped.len() > 50, "{recorded:?}");
    let panels = expressions_of(&serde_json::from_str(&file("grafana/user-service.json")).unwrap());
    assert!(panels.len() > 30, "{panels:?}");

    let mut faults = BTreeSet::new();
    for expression in rules
        .iter()
        .map(|(_, expression)| expression)
        .chain(&panels)
    {
        let Expression { selectors, grouped } = parse(expression);
        assert!(!selectors.is_empty(), "{expression} selects no series");
        let mut labels: BTreeSet<&str> = TARGET_LABELS.into();
        let mut known = true;
        for selector in &selectors {
            if selector.name == "up" || recorded.contains(selector.name.as_str()) {
                continue;
            }
            let series: Vec<&Series> = scraped
                .iter()
                .filter(|(name, _)| *name == selector.name)
                .collect();
            if series.is_empty() {
                faults.insert(format!("{} is not emitted", selector.name));
                known = false;
            }
            labels.extend(
                series
                    .iter()
                    .flat_map(|(_, labels)| labels.keys().map(String::as_str)),
            );
            faults.extend(matchers_without_series(selector, &series));
        }
        faults.extend(
            grouped
                .iter()
                .filter(|label| known && !labels.contains(label.as_str()))
                .map(|label| format!("no series of {expression} has the label {label}")),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
    app.stop().await;
}

#[test]
fn an_expression_is_split_into_selectors_and_grouping_labels() {
    let Expression { selectors, grouped } = parse(
        r#"histogram_quantile(0.99, sum by (le, route) (rate(a_bucket{job="x{",route=~"/v1/.*",le!="0.1"}[$__rate_interval]))) > 2 and on (job) time() - max(b:c > 0) / 1e3 or absent(d{} == 1) offset 5m"#,
    );
    let names: Vec<&str> = selectors
        .iter()
        .map(|selector| selector.name.as_str())
        .collect();
    assert_eq!(names, ["a_bucket", "b:c", "d"]);
    let matched: Vec<(&str, &str, &str)> = selectors[0]
        .matchers
        .iter()
        .map(|(label, operator, value)| (label.as_str(), operator.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        matched,
        [
            ("job", "=", "x{"),
            ("route", "=~", "/v1/.*"),
            ("le", "!=", "0.1")
        ]
    );
    assert_eq!(grouped, ["le", "route", "job"]);
}

/// Registers, reads, misses and changes a user, so that all metrics have values.
async fn generate_traffic(app: &TestApp) {
    let user = app.register("ann").await;
    let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
    for _ in 0..5 {
        assert_eq!(app.service().get(&path).await.status, 200);
    }
    let nickname = json!({"profile": {"nickname": "Annie"}});
    let changed = app.service().patch(&path, &nickname).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(
        app.service()
            .get("/v1/users/by-username/nobody")
            .await
            .status,
        404
    );
    // The outbox poller runs four times a second.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

/// Describes the label matchers of a selector that match no series.
fn matchers_without_series(selector: &Selector, series: &[&Series]) -> Vec<String> {
    let has = |label: &str| series.iter().any(|(_, labels)| labels.contains_key(label));
    let has_value = |label: &str, value: &str| {
        series
            .iter()
            .any(|(_, labels)| labels.get(label).is_some_and(|actual| actual == value))
    };
    let matchers = selector
        .matchers
        .iter()
        .filter(|(label, ..)| !series.is_empty() && !TARGET_LABELS.contains(&label.as_str()));
    matchers
        .filter_map(|(label, operator, value)| {
            if !has(label) {
                return Some(format!("{} has no label {label}", selector.name));
            }
            let usual =
                operator == "=" && !FAILURE_VALUES.contains(&(label.as_str(), value.as_str()));
            (usual && !has_value(label, value))
                .then(|| format!("{} has no series with {label}={value}", selector.name))
        })
        .collect()
}

async fn scrape(app: &TestApp) -> Vec<Series> {
    let text = app.anonymous().get("/metrics").await.text;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let series = line.rsplit_once(' ').unwrap().0;
            let Selector { name, matchers } = parse(series).selectors.remove(0);
            let labels = matchers.into_iter().map(|(label, _, value)| (label, value));
            (name, labels.collect())
        })
        .collect()
}

/// The rules: the name of a recording rule, if it is one, and the expression.
fn rules() -> Vec<(Option<String>, String)> {
    let text = file("prometheus/rules.yaml");
    let mut rules: Vec<(Option<String>, String)> = Vec::new();
    let mut inside = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if inside.is_some_and(|outer| indent > outer) {
            let (_, expression) = rules.last_mut().unwrap();
            expression.push_str(line);
            expression.push('\n');
            continue;
        }
        inside = None;
        let (key, value) = line
            .trim_start_matches([' ', '-'])
            .split_once(':')
            .unwrap_or_default();
        match key {
            "record" => rules.push((Some(value.trim().to_owned()), String::new())),
            "alert" => rules.push((None, String::new())),
            "expr" => {
                assert_eq!(value.trim(), "|", "an expression is a block: {line}");
                inside = Some(indent);
            }
            _ => {}
        }
    }
    rules
}

/// Every `expr` of a dashboard.
fn expressions_of(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| match (name.as_str(), member) {
                ("expr", Value::String(expression)) => vec![expression.clone()],
                _ => expressions_of(member),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(expressions_of).collect(),
        _ => Vec::new(),
    }
}

fn file(path: &str) -> String {
    let deploy = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    fs::read_to_string(deploy.join(path)).unwrap()
}
