//! The OpenAPI 3.0 rendering of the document, for tools that do not read 3.1.
//!
//! The document uses few features of 3.1 that 3.0 lacks: types with `null`, several examples of a schema, and members
//! beside a reference. A test checks that no other is left.

use serde_json::{Map, Value, json};

/// The version of the rendering.
const VERSION: &str = "3.0.3";

/// Rewrites an OpenAPI 3.1 document as OpenAPI 3.0.
pub(super) fn convert(document: &mut Value) {
    if let Some(version) = document.get_mut("openapi") {
        *version = VERSION.into();
    }
    for part in ["paths", "components"] {
        if let Some(part) = document.get_mut(part) {
            convert_schemas(part);
        }
    }
}

/// Converts every schema below a value. Examples and enumerations contain data, and no schemas.
fn convert_schemas(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match (name.as_str(), member) {
                    ("example" | "examples" | "enum" | "default" | "required", _) => {}
                    ("schema" | "items" | "additionalProperties", schema) => convert_schema(schema),
                    ("schemas" | "properties", Value::Object(schemas)) => {
                        schemas.values_mut().for_each(convert_schema);
                    }
                    ("oneOf" | "anyOf" | "allOf", Value::Array(schemas)) => {
                        schemas.iter_mut().for_each(convert_schema);
                    }
                    (_, member) => convert_schemas(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(convert_schemas),
        _ => {}
    }
}

fn convert_schema(schema: &mut Value) {
    convert_schemas(schema);
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    split_null_type(members);
    split_null_choice(members);
    if let Some(Value::Array(examples)) = members.shift_remove("examples")
        && let Some(example) = examples.into_iter().next()
    {
        members.entry("example").or_insert(example);
    }
    wrap_reference(members);
}

/// Replaces `type: [T, "null"]` by `type: T` and `nullable`.
fn split_null_type(members: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = members.get("type") else {
        return;
    };
    let others: Vec<Value> = types
        .iter()
        .filter(|kind| *kind != "null")
        .cloned()
        .collect();
    let is_nullable = others.len() < types.len();
    if let [kind] = others.as_slice() {
        members.insert("type".to_owned(), kind.clone());
    }
    if is_nullable {
        members.insert("nullable".to_owned(), true.into());
    }
}

/// Replaces a choice between one schema and `null` by that schema and `nullable`. All such schemas are objects.
fn split_null_choice(members: &mut Map<String, Value>) {
    for choice in ["oneOf", "anyOf"] {
        let Some(Value::Array(schemas)) = members.get(choice) else {
            continue;
        };
        // `convert_schema` has left `{"type": "null"}` as it is: it has one type.
        let others: Vec<Value> = schemas
            .iter()
            .filter(|schema| **schema != json!({"type": "null"}))
            .cloned()
            .collect();
        if others.len() == schemas.len() {
            continue;
        }
        let name = if others.len() == 1 { "allOf" } else { choice };
        members.shift_remove(choice);
        // `nullable` has an effect only beside a type.
        members.insert("type".to_owned(), "object".into());
        members.insert("nullable".to_owned(), true.into());
        members.insert(name.to_owned(), others.into());
    }
}

/// Moves a reference that has other members beside it, which 3.0 ignores, into `allOf`.
fn wrap_reference(members: &mut Map<String, Value>) {
    if members.len() < 2 {
        return;
    }
    if let Some(reference) = members.shift_remove("$ref") {
        members.insert("allOf".to_owned(), json!([{"$ref": reference}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(schema: &Value) -> Value {
        let mut document = json!({"openapi": "3.1.0", "components": {"schemas": {"A": schema}}});
        convert(&mut document);
        assert_eq!(document["openapi"], VERSION);
        document["components"]["schemas"]["A"].take()
    }

    #[test]
    fn null_becomes_nullable() {
        assert_eq!(
            converted(&json!({"type": ["string", "null"], "maxLength": 3})),
            json!({"type": "string", "maxLength": 3, "nullable": true})
        );
        assert_eq!(
            converted(&json!({"oneOf": [{"type": "null"}, {"$ref": "#/b"}], "description": "d"})),
            json!({"description": "d", "type": "object", "nullable": true, "allOf": [{"$ref": "#/b"}]})
        );
    }

    #[test]
    fn a_described_reference_is_wrapped() {
        assert_eq!(
            converted(&json!({"properties": {"b": {"$ref": "#/b", "description": "d"}}})),
            json!({"properties": {"b": {"description": "d", "allOf": [{"$ref": "#/b"}]}}})
        );
        assert_eq!(converted(&json!({"$ref": "#/b"})), json!({"$ref": "#/b"}));
    }

    #[test]
    fn the_first_example_is_kept_and_data_is_unchanged() {
        assert_eq!(
            converted(&json!({"type": "string", "examples": ["a", "b"]})),
            json!({"type": "string", "example": "a"})
        );
        let data = json!({"example": {"type": ["a", "null"], "examples": [1], "schema": {"$ref": "x", "y": 1}}});
        assert_eq!(converted(&data), data);
    }

    #[test]
    fn a_property_may_have_the_name_of_a_keyword() {
        assert_eq!(
            converted(&json!({"properties": {"examples": {"type": ["integer", "null"]}}})),
            json!({"properties": {"examples": {"type": "integer", "nullable": true}}})
        );
    }
}
