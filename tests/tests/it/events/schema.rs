//! Validates the feed against the schemas of the AsyncAPI document.

use std::sync::OnceLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};

/// The name of the document in references and errors.
const DOCUMENT: &str = "http://localhost/asyncapi.json";

struct Validator {
    schemas: Schemas,
    page: SchemaIndex,
    event: SchemaIndex,
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let document: Value = serde_json::from_str(&user_http::asyncapi("")).unwrap();
        let payload = |message: &str| {
            let pointer = format!("/components/messages/{message}/payload/$ref");
            let reference = document.pointer(&pointer).unwrap().as_str().unwrap();
            format!("{DOCUMENT}{reference}")
        };
        let locations = [payload("EventPage"), payload("CloudEvent")];
        let mut compiler = Compiler::new();
        // Schemas of AsyncAPI extend this draft.
        compiler.set_default_draft(Draft::V7);
        compiler.enable_format_assertions();
        compiler.add_resource(DOCUMENT, document).unwrap();
        let mut schemas = Schemas::new();
        let [page, event] = locations.map(|at| {
            let schema = compiler.compile(&at, &mut schemas);
            schema.unwrap_or_else(|error| panic!("{at}: {error}"))
        });
        Validator {
            schemas,
            page,
            event,
        }
    })
}

/// Checks a page and each of its events.
pub(super) fn assert_valid(page: &Value) {
    let validator = validator();
    let check = |value: &Value, schema| {
        let result = validator.schemas.validate(value, schema);
        assert!(result.is_ok(), "{value}: {:#}", result.unwrap_err());
    };
    check(page, validator.page);
    for event in page["events"].as_array().unwrap() {
        check(event, validator.event);
    }
}

#[test]
fn the_schema_of_an_event_rejects_other_values() {
    let document: Value = serde_json::from_str(&user_http::asyncapi("")).unwrap();
    let example =
        document["components"]["messages"]["CloudEvent"]["examples"][0]["payload"].clone();
    let page = json!({"events": [example], "cursor": "AWYB", "has_more": false});
    assert_valid(&page);
    let validator = validator();
    for (pointer, value) in [
        ("/data/revision", json!("7")),
        ("/data/revision", json!(0)),
        ("/data/changed", json!(null)),
        ("/data/user", json!({"id": "x"})),
        ("/data", json!({})),
        ("/sequence", json!("4211")),
        ("/specversion", json!("2.0")),
        ("/time", json!("yesterday")),
        ("/subject", json!(null)),
    ] {
        let mut event = page["events"][0].clone();
        *event.pointer_mut(pointer).unwrap() = value;
        let result = validator.schemas.validate(&event, validator.event);
        assert!(result.is_err(), "{event}");
    }
}
