use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::values::Metadata;

fn parse(text: &str) -> Result<Value, JsonError> {
    parse_strict(text.as_bytes())
}

fn is_malformed(text: &[u8]) -> bool {
    matches!(parse_strict(text), Err(JsonError::Malformed(..)))
}

fn is_too_deep(text: &str) -> bool {
    matches!(parse(text), Err(JsonError::TooDeep(_)))
}

fn is_too_many(text: &str) -> bool {
    matches!(parse(text), Err(JsonError::TooMany(_)))
}

#[test]
fn members_keep_their_order() {
    let value = parse(r#" {"b":[1,{"a":null}],"a":"\u00e9\"}","c":true} "#).unwrap();
    assert_eq!(
        value,
        json!({"b": [1, {"a": null}], "a": "é\"}", "c": true})
    );
    assert_eq!(
        value.to_string(),
        r#"{"b":[1,{"a":null}],"a":"é\"}","c":true}"#
    );
}

#[test]
fn numbers_keep_every_digit() {
    for text in [
        "0",
        "-0",
        "1.10",
        "12345678901234567890123456789012345678901234567890",
        "0.1000000000000000055511151231257827",
        "[1e+400,-2.50]",
    ] {
        assert_eq!(parse(text).unwrap().to_string(), text);
    }
    assert_eq!(parse("1E400").unwrap().to_string(), "1e+400");
}

#[test]
fn a_text_other_than_one_json_text_is_malformed() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "nul",
        "01",
        "1 2",
        "{} {}",
        "'a'",
        "NaN",
        "{a:1}",
        "\u{feff}{}",
        "\"\n\"",
        "\"\\ud800\"",
        "// x\n1",
        "]",
        "{\"a\"}",
    ] {
        assert!(is_malformed(text.as_bytes()), "{text}");
    }
    assert!(is_malformed(b"\"\xff\""));
    assert!(is_malformed(b"{\"\xc3\":1}"));
}

#[test]
fn an_error_contains_the_position_and_no_value() {
    for (text, message) in [
        (
            "{\"secret\": hunter2}",
            "The text is not JSON: expected value at line 1, column 12.",
        ),
        (
            "{\n  \"a\": 1,\n}",
            "The text is not JSON: trailing comma at line 3, column 1.",
        ),
        (
            "{\"a\": 1,\n \"b\": {\"é\": 1, \"é\": 2}}",
            "The text has an object with two members of one name; the second is at line 2, column 17.",
        ),
        (
            "{\"$serde_json::private::Number\": \"1\"}",
            "The text is not JSON: an object has a member name that is reserved at line 1, column 2.",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
    }
    let deep = format!("[\n{}", "[".repeat(40));
    assert_eq!(
        parse(&deep).unwrap_err().to_string(),
        "The text has more than 32 levels of arrays and objects at line 2, column 32."
    );
}

#[test]
fn a_duplicate_name_is_rejected_on_any_level() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":null}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"[{"a":1,"a":2}]"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"":1,"":2}"#,
        r#"{"a":[{},{"b":{}}],"a":2}"#,
        r#"{"a,":"{","a,":1}"#,
    ] {
        assert!(
            matches!(parse(text), Err(JsonError::DuplicateName(_))),
            "{text}"
        );
    }
}

#[test]
fn the_same_name_in_different_objects_is_accepted() {
    for text in [
        r#"{"a":{"a":{"a":1}}}"#,
        r#"[{"a":1},{"a":1}]"#,
        r#"{"a":["a","a"],"b":"a"}"#,
        r#"{"a":"b","b":"a"}"#,
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn names_that_differ_only_by_case_or_composition_are_different() {
    assert!(parse("{\"a\":1,\"A\":2,\"\u{e9}\":3,\"e\u{301}\":4}").is_ok());
}

#[test]
fn thirty_two_levels_fit_and_thirty_three_do_not() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&nested(32)).is_ok());
    assert!(is_too_deep(&nested(33)));
    let objects = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    assert!(parse(&objects(32)).is_ok());
    assert!(is_too_deep(&objects(33)));
}

#[test]
fn a_million_open_brackets_are_too_deep() {
    assert!(is_too_deep(&"[".repeat(1_000_000)));
    assert!(is_too_deep(&"{\"a\":".repeat(1_000_000)));
}

#[test]
fn forty_thousand_members_and_elements_fit() {
    let elements = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
    assert!(parse(&elements(MAX_VALUES)).is_ok());
    assert!(is_too_many(&elements(MAX_VALUES + 1)));
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|n| format!("\"{n}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(parse(&members(MAX_VALUES)).is_ok());
    assert!(is_too_many(&members(MAX_VALUES + 1)));
    let commas_in_a_string = format!("\"{}\"", ",".repeat(2 * MAX_VALUES));
    assert!(parse(&commas_in_a_string).is_ok());
}

#[test]
fn the_largest_metadata_fits_the_value_limit() {
    for element in ["[]", "{}", "0", "[0]"] {
        let count = Metadata::MAX_BYTES / (element.len() + 1);
        let list = vec![element; count].join(",");
        let metadata = format!("{{\"a\":[{list}]}}");
        let user = format!("{{\"public\":{metadata},\"user\":{metadata},\"private\":{metadata}}}");
        assert!(parse(&user).is_ok(), "{element}");
    }
}

#[test]
fn brackets_inside_strings_do_not_count_as_levels() {
    assert!(parse(&format!("\"{}\"", "[{\\\"".repeat(100))).is_ok());
}

#[test]
fn names_that_serde_json_reserves_are_rejected() {
    for text in [
        r#"{"$serde_json::private::Number":"1"}"#,
        r#"{"a":[{"$serde_json::private::Number":"1"}]}"#,
        r#"{"\u0024serde_json::private::Number":"1"}"#,
        r#"{"$serde_json::private::Number":1}"#,
        r#"{"$serde_json::private::RawValue":"1"}"#,
        r#"{"a":1,"$serde_json::private::Number":"1"}"#,
        r#"{"$serde_json::private::Number":"x","b":1}"#,
    ] {
        assert!(is_malformed(text.as_bytes()), "{text}");
    }
    assert!(parse(r#"{"a":"$serde_json::private::Number"}"#).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_serialized_value_parses_to_itself(value in any_json()) {
        let text = value.to_string();
        prop_assert_eq!(parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn no_bytes_make_parse_panic(bytes in any::<Vec<u8>>()) {
        let _ = parse_strict(&bytes);
    }

    #[test]
    fn strict_parsing_accepts_only_what_serde_json_accepts(text in "[\\[\\]{}\",:a1\\\\u ]{0,24}") {
        match (parse(&text), serde_json::from_str::<Value>(&text)) {
            (Ok(strict), lenient) => prop_assert_eq!(strict, lenient.unwrap()),
            (Err(JsonError::Malformed(..)), lenient) => prop_assert!(lenient.is_err()),
            (Err(JsonError::DuplicateName(_)), lenient) => prop_assert!(lenient.is_ok()),
            (Err(JsonError::TooMany(_)), _) => prop_assert!(text.len() > MAX_VALUES),
            (Err(JsonError::TooDeep(_)), _) => prop_assert!(text.len() > MAX_DEPTH),
        }
    }
}
