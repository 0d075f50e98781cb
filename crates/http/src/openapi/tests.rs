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
    assert_eq!(root["servers"][0]["url"].take(), "/");
    assert_eq!(below["servers"][0]["url"].take(), "/people");
    assert_eq!(root["externalDocs"]["url"].take(), "/docs/guide");
    assert_eq!(below["externalDocs"]["url"].take(), "/people/docs/guide");
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
fn every_operation_has_a_unique_id_a_summary_and_the_common_errors() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{id}");
            let errors = |statuses: &str| &operation["responses"][statuses]["$ref"];
            assert_eq!(
                errors("4XX"),
                "#/components/responses/ClientError",
                "{method} {path}"
            );
            assert_eq!(
                errors("5XX"),
                "#/components/responses/ServerError",
                "{method} {path}"
            );
        }
    }
    // Generated clients have a method of each name. Add the names of new operations; never rename one.
    let known = OPERATION_IDS.map(str::to_owned);
    assert_eq!(ids, BTreeSet::from(known));
}

const OPERATION_IDS: [&str; 52] = [
    "acknowledgeErasure",
    "activateUser",
    "batchFollow",
    "batchGetUsers",
    "blockUser",
    "clearLockout",
    "countUsers",
    "createToken",
    "createUser",
    "deleteErasureConsumer",
    "deleteUser",
    "exportUser",
    "followUser",
    "getAsyncApi",
    "getDocs",
    "getErasure",
    "getHealth",
    "getIndex",
    "getLiveness",
    "getLockout",
    "getMe",
    "getMetrics",
    "getOpenApi",
    "getOpenApi30",
    "getReadiness",
    "getRelationships",
    "getToken",
    "getUser",
    "getUserByExternalId",
    "getUserByUsername",
    "listBlocks",
    "listErasureConsumers",
    "listErasures",
    "listEvents",
    "listFollowers",
    "listFollowing",
    "listTokens",
    "listUserHistory",
    "listUsers",
    "putErasureConsumer",
    "removePassword",
    "replaceUser",
    "restoreUser",
    "revokeToken",
    "setPassword",
    "signOut",
    "suspendUser",
    "unblockUser",
    "unfollowUser",
    "updateMe",
    "updateUser",
    "verifyCredentials",
];

#[test]
fn every_parameter_has_an_example_except_idempotency_keys_and_conditions_of_writes() {
    let document = document();
    let mut counts = [0; 2];
    for (id, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let about = format!("{id} {name}");
            let is_required = parameter["required"] == true;
            let has_none = matches!(name, "Idempotency-Key" | "If-Match");
            counts[usize::from(has_none)] += 1;
            let schema = &parameter["schema"];
            // Documentation pages fill these in, which is harmless only if the parameter must be sent.
            assert_eq!(
                parameter.get("example").is_some(),
                is_required && !has_none,
                "{about}"
            );
            assert_eq!(
                schema.get("examples").is_some(),
                !is_required && !has_none,
                "{about}"
            );
            assert_eq!(
                (parameter.get("examples"), schema.get("example")),
                (None, None),
                "{about}"
            );
        }
    }
    assert!(counts[0] > 100 && counts[1] > 20, "{counts:?}");
}

#[test]
fn every_successful_answer_has_an_example() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let mut count = 0;
    for (id, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            for content in response["content"]
                .as_object()
                .into_iter()
                .flat_map(Map::values)
            {
                let name = content["schema"]["$ref"].as_str().unwrap_or_default();
                let schema = &schemas[name.rsplit('/').next().unwrap()];
                let members = schema["properties"].as_object();
                let has_member_examples = members.is_some_and(|members| {
                    members.values().all(|member| {
                        member.get("example").is_some() || member.get("$ref").is_some()
                    })
                });
                assert!(
                    content.get("example").is_some()
                        || schema.get("example").is_some()
                        || has_member_examples,
                    "{id} {status}"
                );
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

/// Calls `check` for each schema below a value, with its pointer.
fn each_schema(value: &Value, pointer: &str, check: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            if members.contains_key("type") && !pointer.ends_with("/properties") {
                check(pointer, members);
            }
            for (name, member) in members {
                if !matches!(name.as_str(), "example" | "examples" | "enum") {
                    each_schema(member, &format!("{pointer}/{name}"), check);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_schema(item, &format!("{pointer}/{index}"), check);
            }
        }
        _ => {}
    }
}

#[test]
fn every_text_number_and_list_has_a_limit() {
    let mut count = 0;
    each_schema(&document(), "", &mut |pointer, schema| {
        let is_a = |name: &str| match &schema["type"] {
            Value::Array(types) => types.contains(&json!(name)),
            single => single == name,
        };
        let has = |name: &str| schema.contains_key(name);
        if is_a("string") && !pointer.contains("/securitySchemes/") {
            assert!(has("maxLength") || has("enum"), "{pointer}");
            count += 1;
        }
        if is_a("integer") {
            assert!(has("minimum") && has("maximum"), "{pointer}");
            count += 1;
        }
        if is_a("array") {
            assert!(has("maxItems"), "{pointer}");
            count += 1;
        }
    });
    assert!(count > 300, "{count}");
}

#[test]
fn every_body_has_one_media_type() {
    let document = document();
    for (id, operation) in operations(&document) {
        let bodies = std::iter::once(&operation["requestBody"])
            .chain(operation["responses"].as_object().unwrap().values());
        for content in bodies.filter_map(|body| body["content"].as_object()) {
            assert_eq!(content.len(), 1, "{id}");
        }
    }
}

#[test]
fn the_checked_in_3_0_description_is_current_and_has_no_feature_of_3_1() {
    let checked_in = include_str!("../../../../openapi-3.0.json");
    assert!(
        checked_in == super::openapi_3_0("") + "\n",
        "openapi-3.0.json is outdated: run `make openapi` and review the diff"
    );
    let rendered: Value = serde_json::from_str(checked_in).unwrap();
    assert_eq!(rendered["openapi"], "3.0.3");
    each_schema(&rendered, "", &mut |pointer, schema| {
        assert!(
            schema["type"].is_string() && schema["type"] != "null",
            "{pointer}"
        );
        for name in ["examples", "const", "$ref"] {
            assert!(!schema.contains_key(name), "{pointer}: {name}");
        }
    });
    let (mut document, mut rendered) = (document(), rendered);
    let ids = |document: &Value| -> Vec<String> {
        operations(document).map(|(id, _)| id.to_owned()).collect()
    };
    assert_eq!(ids(&document), ids(&rendered));
    let schemas = |document: &mut Value| names(&document["components"]["schemas"].take());
    assert_eq!(schemas(&mut document), schemas(&mut rendered));
}

/// Returns the operations of a document, each with its id.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    operations.map(|operation| (operation["operationId"].as_str().unwrap(), operation))
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
    let mut members = names(&schema["properties"]);
    assert!(members.remove("counts"), "only with `include=counts`");
    assert_eq!(names(&full), members);
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
