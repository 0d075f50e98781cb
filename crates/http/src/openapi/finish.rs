//! What all parameters and schemas of the document have in common, added after it is assembled.

use serde_json::{Map, Value, json};

/// The number of characters of a UUID.
const UUID_LENGTH: usize = 36;

/// The number of characters of a time in a response, as `2026-11-23T00:45:12.123456Z`.
const TIME_LENGTH: usize = 27;

/// Adds lengths that follow from formats, and moves the examples of optional parameters into their schemas.
pub(crate) fn finish(document: &mut Value) {
    add_lengths(document);
    let paths = members_of(document, "paths");
    for operation in paths
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut)
    {
        let parameters = operation
            .get_mut("parameters")
            .and_then(Value::as_array_mut);
        parameters.into_iter().flatten().for_each(move_example);
    }
}

/// Adds the length of texts with the formats `uuid` and `date-time`, unless the schema has one.
pub(crate) fn add_lengths(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let length = match members.get("format").and_then(Value::as_str) {
                Some("uuid") => Some(UUID_LENGTH),
                Some("date-time") => Some(TIME_LENGTH),
                _ => None,
            };
            if let Some(length) = length
                && !members.contains_key("maxLength")
            {
                members.insert("maxLength".to_owned(), length.into());
            }
            members.values_mut().for_each(add_lengths);
        }
        Value::Array(items) => items.iter_mut().for_each(add_lengths),
        _ => {}
    }
}

/// Moves the example of an optional parameter into its schema.
///
/// Documentation pages fill in the `example` of a parameter. A reader would send filters and cursors without wanting to.
/// They do not fill in the `examples` of a schema.
fn move_example(parameter: &mut Value) {
    let Some(parameter) = parameter.as_object_mut() else {
        return;
    };
    if parameter.get("required") == Some(&Value::Bool(true)) {
        return;
    }
    if let Some(example) = parameter.shift_remove("example")
        && let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut)
    {
        schema.insert("examples".to_owned(), json!([example]));
    }
}

/// Returns the members of an object that is a member of `value`.
fn members_of<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    let object = value.get_mut(name).and_then(Value::as_object_mut);
    object.into_iter().flat_map(Map::values_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_fixed_format_have_a_length() {
        let mut schemas = json!({
            "id": {"type": "string", "format": "uuid"},
            "at": {"type": ["string", "null"], "format": "date-time"},
            "until": {"type": "string", "format": "date-time", "maxLength": 64},
            "text": {"type": "string"},
        });
        add_lengths(&mut schemas);
        assert_eq!(schemas["id"]["maxLength"], 36);
        assert_eq!(schemas["at"]["maxLength"], 27);
        assert_eq!(schemas["until"]["maxLength"], 64);
        assert_eq!(schemas["text"].get("maxLength"), None);
    }

    #[test]
    fn only_the_example_of_an_optional_parameter_is_moved() {
        let mut document = json!({"paths": {"/a": {"get": {"parameters": [
            {"name": "id", "required": true, "example": "x", "schema": {"type": "string"}},
            {"name": "q", "required": false, "example": "y", "schema": {"type": "string"}},
        ]}}}});
        finish(&mut document);
        let parameters = &document["paths"]["/a"]["get"]["parameters"];
        assert_eq!(parameters[0]["example"], "x");
        assert_eq!(parameters[1].get("example"), None);
        assert_eq!(parameters[1]["schema"]["examples"], json!(["y"]));
    }
}
