use proptest::prelude::*;
use serde_json::json;

use super::*;

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        panic!("an object is expected")
    };
    map
}

fn metadata(value: Value) -> Metadata {
    Metadata::from_map(map(value)).unwrap()
}

fn code(value: Value) -> &'static str {
    Metadata::from_map(map(value)).unwrap_err().code()
}

/// An object with a number of levels.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({"a": inner}))
}

#[test]
fn an_object_is_kept_exactly() {
    let text = "{\"b\":1.10,\"a\":[null,12345678901234567],\"\":\" e\u{301} \"}";
    assert_eq!(Metadata::from_json(text).unwrap().to_json(), text);
    assert_eq!(Metadata::empty().to_json(), "{}");
    assert!(Metadata::empty().is_empty());
}

#[test]
fn a_number_out_of_range_is_rejected_unless_already_stored() {
    assert_eq!(
        Metadata::from_json(r#"{"a":[1e400]}"#).unwrap_err().code(),
        "out_of_range"
    );
    let text = r#"{"a":1e+400,"b":[123456789012345678]}"#;
    let stored = Metadata::from_store(text).unwrap();
    assert_eq!(stored.to_json(), text);
    let patch = map(json!({"c": 1}));
    let merged = stored.merge(&patch).unwrap();
    assert_eq!(
        merged.to_json(),
        r#"{"a":1e+400,"b":[123456789012345678],"c":1}"#
    );
    let Ok(Value::Object(patch)) = parse_strict(br#"{"c":{"d":-1e999}}"#) else {
        panic!("an object is expected")
    };
    assert_eq!(stored.merge(&patch).unwrap_err().code(), "out_of_range");
}

#[test]
fn a_text_other_than_an_object_is_rejected() {
    for text in ["[]", "null", "1", "", "{", "{\"a\":1,\"a\":2}", "{} {}"] {
        assert_eq!(
            Metadata::from_json(text).unwrap_err().code(),
            "format",
            "{text}"
        );
    }
}

#[test]
fn sixteen_levels_fit_and_seventeen_do_not() {
    assert!(Metadata::from_map(map(nested(16))).is_ok());
    assert_eq!(code(nested(17)), "too_deep");
    let arrays = (1..16).fold(json!([]), |inner, _| json!([inner]));
    assert_eq!(code(json!({"a": arrays})), "too_deep");
    assert_eq!(code(nested(1000)), "too_deep");
}

#[test]
fn sixteen_kibibytes_fit_and_one_byte_more_does_not() {
    let most = Metadata::MAX_BYTES - "{\"a\":\"\"}".len();
    assert_eq!(
        metadata(json!({"a": "x".repeat(most)})).to_json().len(),
        Metadata::MAX_BYTES
    );
    assert_eq!(code(json!({"a": "x".repeat(most + 1)})), "too_large");
    assert_eq!(code(json!({"a": "\"".repeat(most / 2 + 1)})), "too_large");
}

#[test]
fn forbidden_characters_are_found_at_every_level() {
    for character in [
        "\0",
        "\n",
        "\u{9f}",
        "\u{2028}",
        "\u{202e}",
        "\u{2067}",
        "\u{fdd0}",
        "\u{1ffff}",
    ] {
        assert_eq!(code(json!({"a": character})), "forbidden_character");
        assert_eq!(
            code(json!({"a": [{"b": [character]}]})),
            "forbidden_character"
        );
        assert_eq!(code(json!({"a": [{character: 1}]})), "forbidden_character");
    }
}

#[test]
fn names_reserved_by_serde_json_are_rejected() {
    assert_eq!(
        code(json!({"a": {"$serde_json::private::Number": "1"}})),
        "reserved"
    );
}

/// The cases of RFC 7396, appendix A, whose target and patch are both objects.
#[test]
fn the_examples_of_rfc_7396_hold() {
    for (target, patch, result) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": "b"}),
            json!({"b": "c"}),
            json!({"a": "b", "b": "c"}),
        ),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (
            json!({"a": "b", "b": "c"}),
            json!({"a": null}),
            json!({"b": "c"}),
        ),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        ),
        (
            json!({"a": [{"b": "c"}]}),
            json!({"a": [1]}),
            json!({"a": [1]}),
        ),
        (
            json!({"e": null}),
            json!({"a": 1}),
            json!({"e": null, "a": 1}),
        ),
        (
            json!({}),
            json!({"a": {"bb": {"ccc": null}}}),
            json!({"a": {"bb": {}}}),
        ),
    ] {
        assert_eq!(
            metadata(target).merge(&map(patch)).unwrap(),
            metadata(result)
        );
    }
}

#[test]
fn members_keep_their_order_and_new_ones_are_appended() {
    let merged = metadata(json!({"c": 1, "b": 2, "a": 3}))
        .merge(&map(json!({"z": 0, "c": null, "a": 4, "y": 0})))
        .unwrap();
    assert_eq!(merged.to_json(), r#"{"b":2,"a":4,"z":0,"y":0}"#);
}

#[test]
fn existing_nulls_survive_a_merge_of_other_members() {
    let merged = metadata(json!({"a": null}))
        .merge(&map(json!({"b": 1})))
        .unwrap();
    assert_eq!(merged.to_json(), r#"{"a":null,"b":1}"#);
}

#[test]
fn a_patch_that_only_removes_is_validated() {
    assert_eq!(
        Metadata::empty()
            .merge(&map(json!({"a\n": null})))
            .unwrap_err()
            .code(),
        "forbidden_character"
    );
    assert_eq!(
        Metadata::empty()
            .merge(&map(nested(17)))
            .unwrap_err()
            .code(),
        "too_deep"
    );
}

#[test]
fn a_merge_that_grows_too_large_is_rejected() {
    let half = "x".repeat(9000);
    let target = metadata(json!({"a": half}));
    assert_eq!(
        target.merge(&map(json!({"b": half}))).unwrap_err().code(),
        "too_large"
    );
    assert!(target.merge(&map(json!({"a": null, "b": half}))).is_ok());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            any_members(inner).prop_map(Value::Object),
        ]
    })
}

fn any_members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-d]", inner), 0..4).prop_map(|members| members.into_iter().collect())
}

fn any_map() -> impl Strategy<Value = Map<String, Value>> {
    any_members(any_value())
}

proptest! {
    #[test]
    fn merging_an_empty_patch_changes_nothing(target in any_map()) {
        let target = Metadata::from_map(target).unwrap();
        prop_assert_eq!(target.merge(&Map::new()).unwrap().to_json(), target.to_json());
    }

    #[test]
    fn merging_is_idempotent(target in any_map(), patch in any_map()) {
        let once = Metadata::from_map(target).unwrap().merge(&patch).unwrap();
        prop_assert_eq!(once.merge(&patch).unwrap().to_json(), once.to_json());
    }

    #[test]
    fn a_merge_removes_every_null_member(target in any_map(), patch in any_map()) {
        let merged = Metadata::from_map(target).unwrap().merge(&patch).unwrap();
        for (name, change) in &patch {
            prop_assert_eq!(merged.as_map().contains_key(name), !change.is_null());
        }
    }

    #[test]
    fn metadata_parses_from_its_own_json(target in any_map()) {
        let target = Metadata::from_map(target).unwrap();
        prop_assert_eq!(Metadata::from_json(&target.to_json()).unwrap().to_json(), target.to_json());
    }

    #[test]
    fn no_text_makes_parse_panic(text in any::<String>()) {
        let _ = Metadata::from_json(&text);
        let _ = Metadata::from_map(map(json!({text.clone(): text})));
    }
}
