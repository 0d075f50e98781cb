//! `deploy/`: dashboard and alerts go by figures that the service has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use user_tests::{JwksServer, SigningKey, Store, TestApp, shared_redis};

mod promql;

use promql::{Selector, Words, words};

/// Labels that Prometheus gives to what it scrapes.
const OF_THE_TARGET: [&str; 3] = ["job", "instance", "namespace"];
/// Values that a service to which nothing bad happened has not used. (A problem's code is there before its first use.)
const OF_TROUBLE: [(&str, &str); 2] = [("status", "499"), ("outcome", "error")];

/// A series as it is scraped: its name and its labels.
type Series = (String, BTreeMap<String, String>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_and_alerts_use_only_figures_and_labels_that_the_service_emits() {
    let redis = shared_redis();
    let keys = JwksServer::start(&[&SigningKey::p256("k")]);
    let settings = [("REDIS_URL", &*redis), ("JWT_JWKS_URL", &keys.url())];
    let app = TestApp::start_with(Store::Postgres, &settings).await;
    use_it(&app).await;
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
        let Words { selectors, grouped } = words(expression);
        assert!(
            !selectors.is_empty(),
            "nothing is asked for by {expression}"
        );
        let mut labels: BTreeSet<&str> = OF_THE_TARGET.into();
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
fn the_words_of_an_expression_are_told_apart() {
    let Words { selectors, grouped } = words(
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

/// Registers, reads, misses and changes, so that there are figures of all of it.
async fn use_it(app: &TestApp) {
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
    // The tail looks four times a second.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

/// What is asked of a series beyond its name, and no series has.
fn matchers_without_series(selector: &Selector, series: &[&Series]) -> Vec<String> {
    let has = |label: &str| series.iter().any(|(_, labels)| labels.contains_key(label));
    let has_value = |label: &str, value: &str| {
        series
            .iter()
            .any(|(_, labels)| labels.get(label).is_some_and(|given| given == value))
    };
    let asked = selector
        .matchers
        .iter()
        .filter(|(label, ..)| !series.is_empty() && !OF_THE_TARGET.contains(&label.as_str()));
    asked
        .filter_map(|(label, operator, value)| {
            if !has(label) {
                return Some(format!("{} has no label {label}", selector.name));
            }
            let usual = operator == "=" && !OF_TROUBLE.contains(&(label.as_str(), value.as_str()));
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
            let Selector { name, matchers } = words(series).selectors.remove(0);
            let labels = matchers.into_iter().map(|(label, _, value)| (label, value));
            (name, labels.collect())
        })
        .collect()
}

/// The name under which a rule records, if it does, and its expression.
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
