use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use user_domain::caller::Caller;
use user_domain::test_support::samples;
use user_domain::view::{UserView, view};
use utoipa::{PartialSchema, ToSchema};

use super::openapi;
use super::schemas::{NewUser, Profile, User};
use crate::bodies::{FIELD_PATHS, SelectedUser, UserBody, decode};

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

fn shown(view: &UserView) -> Value {
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
        "openapi.json is not what the code describes: run `make openapi` and look at the difference"
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
fn every_reference_leads_somewhere() {
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
fn every_component_is_referred_to() {
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
fn every_operation_has_a_name_of_its_own_a_summary_and_a_problem() {
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
    assert_eq!(ids.len(), 41);
}

#[test]
fn the_schema_of_a_user_has_exactly_the_members_of_each_view() {
    let user = Arc::new(samples::user("ann"));
    let shown_to = |caller: &Caller| shown(&view(user.clone(), caller));
    let public = shown_to(&samples::person(samples::user_id()));
    let own = shown_to(&samples::person(user.id));
    let full = shown_to(&samples::administrator());
    let (schema, profile) = (schema::<User>(), schema::<Profile>());
    assert_eq!(names(&public), texts(&schema["required"]));
    assert_eq!(names(&full), names(&schema["properties"]));
    assert_eq!(names(&own), names(&full));
    assert_eq!(names(&public["profile"]), texts(&profile["required"]));
    assert_eq!(names(&full["profile"]), names(&profile["properties"]));
    let metadata = &document()["components"]["schemas"]["Metadata"];
    assert_eq!(names(&public["metadata"]), texts(&metadata["required"]));
    assert_eq!(names(&own["metadata"]), set(["public", "user"]));
    assert_eq!(names(&full["metadata"]), names(&metadata["properties"]));
    for (name, value) in full.as_object().unwrap() {
        let may_be_null = schema["properties"][name]["type"]
            .as_array()
            .is_some_and(|types| types.contains(&json!("null")));
        assert!(!value.is_null() || may_be_null, "{name}");
    }
}

#[test]
fn a_selection_of_all_fields_is_the_whole_user() {
    let fields = crate::bodies::FieldSet::parse(FIELD_PATHS.into_iter()).unwrap();
    let view = view(samples::user("ann"), &samples::administrator());
    let selected = serde_json::to_value(SelectedUser {
        view: &view,
        fields: Some(&fields),
        counts: None,
    })
    .unwrap();
    assert_eq!(selected, shown(&view));
}

#[test]
fn every_member_of_a_written_user_is_known_and_no_other_is_described() {
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
    let input = decode(body);
    assert_eq!(input.misfits, vec![]);
    let all = decode(Map::from_iter(
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
    ));
    assert_eq!(input.named().len(), all.named().len());
}
