use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use user_domain::caller::Caller;
use user_domain::test_support::samples;
use user_domain::view::{UserView, view};
use utoipa::{PartialSchema, ToSchema};

use super::openapi;
use super::schemas::{Profile, User};
use crate::bodies::{NewUser, RequestBody as _, SelectedUser, UserBody, field_paths};

fn document() -> Value {
    serde_json::from_str(&openapi("")).unwrap()
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

fn texts(array: &Value) -> BTreeSet<String> {
    let array = array.as_array().unwrap();
    array
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn to_json(view: &UserView) -> Value {
    serde_json::to_value(UserBody::from(view)).unwrap()
}

fn schema<T: ToSchema>() -> Value {
    serde_json::to_value(<T as PartialSchema>::schema()).unwrap()
}

#[test]
fn the_checked_in_description_is_current() {
    let checked_in = include_str!("../../../../openapi.json");
    assert!(
        checked_in == openapi("") + "\n",
        "openapi.json is outdated: run `make openapi` and review the diff"
    );
}

#[test]
fn a_base_path_changes_the_server_only() {
    let (mut root, mut below) = (
        document(),
        serde_json::from_str::<Value>(&openapi("/people")).unwrap(),
    );
    assert_eq!(root["servers"].take(), json!([{"url": "/"}]));
    assert_eq!(below["servers"].take(), json!([{"url": "/people"}]));
    assert_eq!(root, below);
}

#[test]
fn every_reference_resolves() {
    fn walk(value: &Value, document: &Value, seen: &mut usize) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    let pointer = to.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{to}");
                    *seen += 1;
                }
                map.values().for_each(|value| walk(value, document, seen));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, document, seen)),
            _ => {}
        }
    }
    let (document, mut seen) = (document(), 0);
    walk(&document, &document, &mut seen);
    assert!(seen > 100, "{seen}");
}

#[test]
fn every_component_is_used() {
    let document = document();
    let text = document.to_string();
    for kind in ["schemas", "responses", "headers"] {
        for name in names(&document["components"][kind]) {
            let reference = format!("\"#/components/{kind}/{name}\"");
            assert!(text.contains(&reference), "{reference}");
        }
    }
}

#[test]
fn every_operation_has_a_unique_id_a_summary_and_a_500() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{id}");
            assert_eq!(
                operation["responses"]["500"]["$ref"], "#/components/responses/Problem500",
                "{method} {path}"
            );
        }
    }
    assert_eq!(ids.len(), 51);
}

#[test]
fn request_header_fields_have_no_example() {
    let document = document();
    let mut count = 0;
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "header" {
                    count += 1;
                    assert_eq!(parameter.get("example"), None, "{parameter}");
                    assert_eq!(parameter.get("examples"), None, "{parameter}");
                    assert_eq!(parameter["schema"].get("example"), None, "{parameter}");
                }
            }
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn the_user_schema_matches_the_members_of_each_view() {
    let user = Arc::new(samples::user("ann"));
    let json_for = |caller: &Caller| to_json(&view(user.clone(), caller));
    let public = json_for(&samples::person(samples::user_id()));
    let own = json_for(&samples::person(user.id));
    let full = json_for(&samples::administrator());
    let (schema, profile) = (schema::<User>(), schema::<Profile>());
    assert_eq!(names(&public), texts(&schema["required"]));
    assert_eq!(names(&full), names(&schema["properties"]));
    let only_full: BTreeSet<String> = names(&full).difference(&names(&own)).cloned().collect();
    assert_eq!(only_full, set(["suspension"]));
    assert_eq!(names(&public["profile"]), texts(&profile["required"]));
    assert_eq!(names(&full["profile"]), names(&profile["properties"]));
    let metadata = &document()["components"]["schemas"]["Metadata"];
    assert_eq!(names(&public["metadata"]), texts(&metadata["required"]));
    assert_eq!(names(&own["metadata"]), set(["public", "user"]));
    assert_eq!(names(&full["metadata"]), names(&metadata["properties"]));
    for (name, value) in full.as_object().unwrap() {
        let property = &schema["properties"][name];
        let holds = |values: &Value, value: Value| {
            let values = values.as_array();
            values.is_some_and(|values| values.contains(&value))
        };
        let may_be_null = holds(&property["type"], json!("null"))
            || holds(&property["oneOf"], json!({"type": "null"}));
        assert!(!value.is_null() || may_be_null, "{name}");
    }
}

#[test]
fn a_selection_of_all_fields_equals_the_user() {
    let fields = crate::bodies::FieldSet::parse(field_paths()).unwrap();
    let view = view(samples::user("ann"), &samples::administrator());
    let selected = serde_json::to_value(SelectedUser {
        view: &view,
        fields: Some(&fields),
        counts: None,
    })
    .unwrap();
    assert_eq!(selected, to_json(&view));
}

#[test]
fn the_writable_user_schema_matches_the_parsed_members() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let nulls = |schema: &Value| -> Map<String, Value> {
        names(&schema["properties"])
            .into_iter()
            .map(|name| (name, Value::Null))
            .collect()
    };
    let mut body = nulls(&schema::<NewUser>());
    body.insert(
        "profile".to_owned(),
        nulls(&schemas["ProfileFields"]).into(),
    );
    body.insert(
        "metadata".to_owned(),
        nulls(&schemas["MetadataFields"]).into(),
    );
    let input = NewUser::read(body).unwrap();
    assert_eq!(input.unexpected_fields, vec![]);
    let all = NewUser::read(Map::from_iter(
        [
            "username",
            "email",
            "email_verified",
            "phone_number",
            "phone_number_verified",
            "external_id",
            "status",
            "roles",
            "profile",
            "metadata",
        ]
        .map(|name| (name.to_owned(), Value::Null)),
    ))
    .unwrap();
    assert_eq!(input.named_fields().len(), all.named_fields().len());
}
