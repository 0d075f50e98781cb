use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::asyncapi;
use crate::openapi;

fn document() -> Value {
    serde_json::from_str(&asyncapi("")).unwrap()
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(to)) = members.get("$ref") {
                found.insert(to.clone());
            }
            members.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_checked_in_asyncapi_document_is_current() {
    let checked_in = include_str!("../../../../asyncapi.json");
    assert!(
        checked_in == asyncapi("") + "\n",
        "asyncapi.json is outdated: run `make openapi` and review the diff"
    );
}

#[test]
fn every_reference_of_the_asyncapi_document_resolves_and_every_component_is_used() {
    let (document, mut found) = (document(), BTreeSet::new());
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for (kind, components) in document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            assert!(
                found.contains(&format!("#/components/{kind}/{name}")),
                "{kind} {name}"
            );
        }
    }
}

#[test]
fn both_documents_have_the_same_schemas() {
    let described: Value = serde_json::from_str(&openapi("")).unwrap();
    let described = &described["components"]["schemas"];
    let names_of = |schema: &Value| -> Vec<String> {
        let properties = schema["properties"].as_object();
        properties
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        assert_eq!(names_of(schema), names_of(&described[name]), "{name}");
        assert_eq!(schema["required"], described[name]["required"], "{name}");
        assert_eq!(schema.get("example"), None, "{name}");
    }
}

#[test]
fn a_base_path_changes_the_server_of_the_feed_only() {
    let mut below: Value = serde_json::from_str(&asyncapi("/people")).unwrap();
    let server = below["servers"]["http"].as_object_mut().unwrap();
    assert_eq!(server.shift_remove("pathname"), Some(json!("/people")));
    assert_eq!(below, document());
}
