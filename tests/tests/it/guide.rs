//! The guide for callers, `docs/guide`: each example is run, and what it prints is compared with the page.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use user_tests::{API_TOKEN, Store, TestApp, claims, sign};

use crate::common::id;

/// The character between the outputs of two examples.
const SEPARATOR: char = '\u{1e}';

/// An example of a page, with the output that the page shows.
#[derive(Default)]
struct Example<'a> {
    script: &'a str,
    /// The languages of the blocks after it, and their texts.
    shown: Vec<(&'a str, &'a str)>,
}

/// The examples of a page: blocks of shell commands, each followed by blocks of output.
fn examples(page: &str) -> Vec<Example<'_>> {
    let mut examples: Vec<Example<'_>> = Vec::new();
    // The parts of odd number are between the fences.
    for block in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        if language == "sh" {
            examples.push(Example {
                script: text,
                ..Example::default()
            });
        } else {
            // Output follows an example.
            let example = examples.last_mut().unwrap();
            example.shown.push((language, text));
        }
    }
    examples
}

/// Whether a text is the one that a page shows, where `…` stands for anything.
fn is_shown(shown: &str, text: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// Returns where a value differs from the part of it that a page shows.
fn difference(shown: &Value, value: &Value, path: &str) -> Option<String> {
    match (shown, value) {
        (Value::Object(shown), Value::Object(value)) => shown.iter().find_map(|(name, member)| {
            let path = format!("{path}/{name}");
            match value.get(name) {
                Some(value) => difference(member, value, &path),
                None => Some(format!("{path} is absent")),
            }
        }),
        (Value::Array(shown), Value::Array(items)) if shown.len() == items.len() => {
            let mut pairs = shown.iter().zip(items).enumerate();
            pairs.find_map(|(at, (shown, item))| difference(shown, item, &format!("{path}/{at}")))
        }
        (Value::String(shown), Value::String(text)) if is_shown(shown, text) => None,
        _ if shown == value => None,
        _ => Some(format!("{path} is {value}")),
    }
}

/// Panics unless an output is the one that a page shows: as JSON, or as lines. Header fields have no fixed order.
fn assert_shown(language: &str, shown: &str, output: &str) {
    if language == "json" {
        let value: Value =
            serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"));
        let difference = difference(&serde_json::from_str(shown).unwrap(), &value, "");
        assert_eq!(difference, None, "{output}");
        return;
    }
    assert_eq!(language, "http", "an unknown kind of output");
    let mut printed: Vec<String> = output.lines().map(str::to_ascii_lowercase).collect();
    for line in shown.lines() {
        let shown = line.to_ascii_lowercase();
        let found = printed.iter().position(|line| is_shown(&shown, line));
        let found = found.unwrap_or_else(|| panic!("{line} in {output}"));
        printed.remove(found);
    }
}

/// Runs the examples of a page against a service with the users of `user-service dev`.
async fn run(page: &str) {
    let app = TestApp::start(Store::Sqlite).await;
    let ada = app.register("ada").await;
    app.register("grace").await;
    let examples = examples(page);
    let scripts: Vec<&str> = examples.iter().map(|example| example.script).collect();
    let script = scripts.join(&format!("\nprintf '{SEPARATOR}'\n"));
    let folder = tempfile::tempdir().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("USERS", app.url(""))
        .env("TOKEN", API_TOKEN)
        .env("USER_TOKEN", sign(&claims(id(&ada))));
    let output = tokio::task::spawn_blocking(move || bash.output());
    let output = output.await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.split(SEPARATOR).collect();
    assert_eq!(printed.len(), examples.len(), "{errors}");
    for (example, printed) in examples.iter().zip(printed) {
        for (language, shown) in &example.shown {
            assert_shown(language, shown, printed.trim_start_matches('\n'));
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_guide_print_what_the_guide_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide");
    let mut pages = 0;
    for file in fs::read_dir(folder).unwrap() {
        let page = fs::read_to_string(file.unwrap().path()).unwrap();
        run(&page).await;
        pages += 1;
    }
    assert!(pages >= 10, "{pages}");
}

#[test]
fn output_is_compared_with_what_a_page_shows() {
    for (shown, text, expected) in [
        ("a…c", "abc", true),
        ("…b…", "abc", true),
        ("a…c", "abcd", false),
        ("a…b…a", "aba", true),
        ("a…b…a", "aa", false),
        ("abc", "abcd", false),
    ] {
        assert_eq!(is_shown(shown, text), expected, "{shown} {text}");
    }
    let value = serde_json::json!({"a": [1, {"b": "text", "c": null}]});
    for (shown, expected) in [
        (r#"{"a": [1, {"b": "t…"}]}"#, None),
        (
            r#"{"a": [1]}"#,
            Some("/a is [1,{\"b\":\"text\",\"c\":null}]"),
        ),
        (r#"{"a": [1, {"d": null}]}"#, Some("/a/1/d is absent")),
        (r#"{"a": [1, {"c": false}]}"#, Some("/a/1/c is null")),
    ] {
        let found = difference(&serde_json::from_str(shown).unwrap(), &value, "");
        assert_eq!(found.as_deref(), expected, "{shown}");
    }
}
