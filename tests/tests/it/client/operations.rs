//! The client covers every operation of the document.

use std::fs;
use std::path::Path;

use serde_json::Value;
use user_client::Code;
use user_client::operation::{ALL, Operation, Repetition};
use walkdir::WalkDir;

/// The operations that the client does not have, by the start of their ids, with the reasons.
const LEFT_OUT: [(&str, &str); 7] = [
    ("getAsyncApi", "a document for generators"),
    ("getDocs", "a page for people"),
    ("getGuide", "pages for people"),
    ("getHealth", "the same as getLiveness"),
    ("getIndex", "links for people"),
    ("getMetrics", "for Prometheus"),
    ("getOpenApi", "documents for generators"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn document() -> Value {
    let text = fs::read_to_string(root().join("openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The operations of the document: path, method and description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            (path.clone(), method.to_uppercase(), operation.clone())
        })
    });
    operations
        .filter(|(_, _, operation)| operation["operationId"].is_string())
        .collect()
}

fn snake_case(id: &str) -> String {
    id.chars().fold(String::new(), |mut name, letter| {
        if letter.is_uppercase() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
        name
    })
}

/// The parameter itself, which an operation may have by reference.
fn resolved<'a>(document: &'a Value, parameter: &'a Value) -> &'a Value {
    let Some(reference) = parameter["$ref"].as_str() else {
        return parameter;
    };
    let pointer = reference.strip_prefix('#').unwrap();
    document.pointer(pointer).unwrap()
}

fn takes(document: &Value, operation: &Value, header: &str) -> bool {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters
        .map(|parameter| resolved(document, parameter))
        .filter(|parameter| parameter["in"] == "header")
        .any(|parameter| parameter["name"] == header)
}

#[test]
fn every_operation_of_the_document_is_a_method_or_left_out_with_a_reason() {
    let sources: String = WalkDir::new(root().join("crates/client/src"))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| fs::read_to_string(entry.path()).unwrap())
        .collect();
    let document = document();
    let operations = operations(&document);
    assert!(
        operations.len() > 40,
        "only {} operations",
        operations.len()
    );
    let covered = |id: &str| ALL.iter().find(|operation| operation.id == id);
    for (path, method, description) in &operations {
        let id = description["operationId"].as_str().unwrap();
        let is_left_out = LEFT_OUT.iter().any(|(start, _)| id.starts_with(start));
        let Some(operation) = covered(id) else {
            assert!(is_left_out, "{id} is neither a method nor left out");
            continue;
        };
        assert!(!is_left_out, "{id} is a method, and left out");
        let method_name = format!("pub fn {}(", snake_case(id));
        assert!(sources.contains(&method_name), "{method_name} is missing");
        assert_eq!(operation.path, path, "{id}");
        assert_eq!(operation.method.as_str(), method, "{id}");
        assert_repetition_is_safe(&document, operation, description);
    }
    for operation in ALL {
        let is_known = operations
            .iter()
            .any(|(_, _, description)| description["operationId"] == operation.id);
        assert!(is_known, "{} is not in the document", operation.id);
    }
}

/// A write is repeated under a key if it takes one.
fn assert_repetition_is_safe(document: &Value, operation: &Operation, description: &Value) {
    let is_keyed = operation.repetition == Repetition::Keyed;
    assert_eq!(
        is_keyed,
        takes(document, description, "Idempotency-Key"),
        "{}",
        operation.id
    );
    if operation.method == "GET" {
        assert_eq!(operation.repetition, Repetition::Read, "{}", operation.id);
    }
}

#[test]
fn the_client_knows_every_code_of_the_document() {
    let document = document();
    let code = &document["components"]["schemas"]["Problem"]["properties"]["code"];
    let names = code["x-extensible-enum"].as_array().unwrap();
    assert!(names.len() > 30, "{code}");
    for name in names {
        let name = name.as_str().unwrap();
        assert!(Code::KNOWN.contains(&name), "{name} is not a `Code`");
    }
}
