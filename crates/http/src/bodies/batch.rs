//! The request and response bodies of `POST /v1/users/batch`.

use actix_web::web::Bytes;
use serde_json::{Map, Value};
use user_domain::use_cases::{BatchKeys, MAX_BATCH};
use user_domain::view::UserView;
use user_domain::{Fault, Violation};
use utoipa::ToSchema;

use super::members::Members;
use super::user::TYPICAL_USER_BYTES;
use super::{FieldSet, LargeObject, RequestBody, UserSelection};
use crate::openapi::{FieldName, LookupKey};
use crate::problem::Problem;
use crate::query::{MAX_LIST_ITEMS, too_many};
use crate::resource_limits::ByteBudget;
use crate::response_cache::ResponseCache;

/// The parsed keys of a batch.
#[derive(Debug)]
pub(crate) struct BatchRequest {
    pub(crate) keys: BatchKeys,
    /// The JSON member that holds the keys, such as `ids`.
    pub(crate) key_kind: &'static str,
    /// The fields to return; all fields if `None`.
    pub(crate) fields: Option<FieldSet>,
}

/// The response of a batch: users in request order, `null` for each key without a user.
pub(crate) struct BatchUsersBody<'a> {
    pub(crate) views: &'a [Option<UserView>],
    pub(crate) selection: UserSelection<'a>,
}

const KEY_KINDS: [&str; 4] = ["ids", "usernames", "emails", "external_ids"];

/// The keys of a batch: exactly one kind of key, at most 500. Duplicates are kept.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(untagged)]
pub(crate) enum BatchGetRequest {
    Ids(BatchByIds),
    Usernames(BatchByUsernames),
    Emails(BatchByEmails),
    ExternalIds(BatchByExternalIds),
}

/// Lookup by id, for any caller.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["0199b8f2-7c1e-7000-8000-000000000000"], "fields": ["username", "profile.name"]}))]
pub(crate) struct BatchByIds {
    #[schema(inline, max_items = 500)]
    ids: Vec<LookupKey>,
    /// Returns only these fields; `id` is always included.
    #[schema(max_items = 200, nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Lookup by username, for any caller.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"usernames": ["alice.smith", "bob"]}))]
pub(crate) struct BatchByUsernames {
    #[schema(inline, max_items = 500)]
    usernames: Vec<LookupKey>,
    /// Returns only these fields; `id` is always included.
    #[schema(max_items = 200, nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Lookup by email address, for administrators and services with `users:read_private`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"emails": ["alice@example.org"]}))]
pub(crate) struct BatchByEmails {
    #[schema(inline, max_items = 500)]
    emails: Vec<LookupKey>,
    /// Returns only these fields; `id` is always included.
    #[schema(max_items = 200, nullable = false)]
    fields: Option<Vec<FieldName>>,
}

/// Lookup by the id of older systems, for services and administrators.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the schema reads the fields")]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"external_ids": ["10042"]}))]
pub(crate) struct BatchByExternalIds {
    #[schema(inline, max_items = 500)]
    external_ids: Vec<LookupKey>,
    /// Returns only these fields; `id` is always included.
    #[schema(max_items = 200, nullable = false)]
    fields: Option<Vec<FieldName>>,
}

impl RequestBody for BatchGetRequest {
    type Input = BatchRequest;

    fn read(document: Map<String, Value>) -> Result<BatchRequest, Problem> {
        let mut members = Members::new(document, &[]);
        // One item above the limit is enough for the use case to detect an oversized batch.
        let limit = MAX_BATCH + 1;
        let mut found: Vec<_> = KEY_KINDS
            .into_iter()
            .filter_map(|kind| Some((kind, members.texts(kind, limit)?)))
            .collect();
        let names = members.texts("fields", MAX_LIST_ITEMS + 1);
        let fields = names.map(|names| read_field_set(&names, &mut members));
        let mut faults = members.finish(&[]);
        if found.len() != 1 {
            let rule = "Must have exactly one of ids, usernames, emails and external_ids.";
            faults.push(Fault::new("", &Violation::new("exactly_one", rule)));
        }
        match found.pop() {
            Some((kind, texts)) if faults.is_empty() => Ok(BatchRequest {
                keys: keys(kind, texts),
                key_kind: kind,
                fields,
            }),
            _ => Err(Problem::invalid(&faults)),
        }
    }
}

fn keys(kind: &str, texts: Vec<String>) -> BatchKeys {
    match kind {
        "usernames" => BatchKeys::Usernames(texts),
        "emails" => BatchKeys::Emails(texts),
        "external_ids" => BatchKeys::ExternalIds(texts),
        _ => BatchKeys::Ids(texts),
    }
}

fn read_field_set(names: &[String], members: &mut Members) -> FieldSet {
    let mut set = FieldSet::default();
    if names.len() > MAX_LIST_ITEMS {
        members.add_fault(&["fields"], &too_many());
    }
    for (index, name) in names.iter().enumerate() {
        if let Err(violation) = set.add(name) {
            members.add_fault(&["fields", &index.to_string()], &violation);
        }
    }
    set
}

impl BatchUsersBody<'_> {
    /// Serialises the users within a byte budget. Complete users are copied from the response cache; users with
    /// selected fields or counts are serialised anew.
    pub(crate) async fn write(
        &self,
        ready: &ResponseCache,
        budget: &ByteBudget,
    ) -> Result<Bytes, Problem> {
        let mut body =
            LargeObject::with_capacity((self.views.len() + 1) * TYPICAL_USER_BYTES, budget);
        if self.selection.is_whole_user() {
            let write = |bytes: &mut Vec<u8>, view: &Option<UserView>| {
                match view {
                    Some(view) => bytes.extend_from_slice(&ready.get(view)?.body),
                    None => bytes.extend_from_slice(b"null"),
                }
                Ok(())
            };
            body.array_with("users", self.views, write).await?;
        } else {
            let selected = self
                .views
                .iter()
                .map(|view| Some(self.selection.of(view.as_ref()?)));
            body.array("users", selected).await?;
        }
        Ok(body.finish())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<BatchRequest, Problem> {
        let Value::Object(document) = value else {
            panic!("{value} is not an object")
        };
        BatchGetRequest::read(document)
    }

    #[test]
    fn a_batch_accepts_exactly_one_kind_of_key() {
        let request = read(json!({"usernames": ["a", "a"], "fields": ["profile.name"]})).unwrap();
        assert_eq!(
            request.keys,
            BatchKeys::Usernames(vec!["a".to_owned(), "a".to_owned()])
        );
        assert!(request.fields.is_some());
        assert_eq!(
            read(json!({"ids": []})).unwrap().keys,
            BatchKeys::Ids(vec![])
        );
    }

    #[test]
    fn malformed_batches_are_refused() {
        for body in [
            json!({}),
            json!({"ids": [], "emails": []}),
            json!({"ids": "x"}),
            json!({"ids": [1]}),
            json!({"ids": null}),
            json!({"ids": [], "fields": ["nothing"]}),
            json!({"ids": [], "fields": "username"}),
            json!({"ids": [], "fields": vec!["username"; 201]}),
            json!({"ids": [], "other": 1}),
        ] {
            assert!(read(body.clone()).is_err(), "{body}");
        }
    }
}
