//! The request and response bodies of `POST /v1/users/batch`.

use std::collections::HashMap;

use actix_web::web::Bytes;
use serde_json::{Map, Value};
use user_domain::relationship::Counts;
use user_domain::use_cases::{BatchKeys, MAX_BATCH};
use user_domain::values::UserId;
use user_domain::view::UserView;
use user_domain::{Fault, Violation};

use super::user::TYPICAL_USER_BYTES;
use super::{FieldSet, LargeObject, SelectedUser};
use crate::problem::Problem;
use crate::resource_limits::ByteBudget;
use crate::response_cache::ResponseCache;

/// The request of a batch.
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
    pub(crate) fields: Option<&'a FieldSet>,
    /// The counts of each user in `views`; `None` if the request does not include them.
    pub(crate) counts: Option<&'a HashMap<UserId, Counts>>,
}

const KEY_KINDS: [&str; 4] = ["ids", "usernames", "emails", "external_ids"];

impl BatchRequest {
    /// Parses the body of a request.
    pub(crate) fn decode(document: Map<String, Value>) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let mut found = Vec::new();
        let mut fields = None;
        for (name, value) in document {
            if let Some(kind) = KEY_KINDS.into_iter().find(|kind| *kind == name) {
                found.push((kind, texts(kind, value, &mut faults)));
            } else if name == "fields" {
                let names = texts("fields", value, &mut faults);
                fields = Some(field_set(&names, &mut faults));
            } else {
                let violation = Violation::new("unknown_field", "Is not a field.");
                faults.push(Fault::at(vec![name], &violation));
            }
        }
        if found.len() != 1 {
            let rule = "Must have exactly one of ids, usernames, emails and external_ids.";
            faults.push(Fault::new("", &Violation::new("exactly_one", rule)));
        }
        match found.pop() {
            Some((kind, texts)) if faults.is_empty() => Ok(Self {
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

fn texts(name: &str, value: Value, faults: &mut Vec<Fault>) -> Vec<String> {
    let Value::Array(items) = value else {
        faults.push(Fault::new(
            name,
            &Violation::new("type", "Must be an array of strings."),
        ));
        return Vec::new();
    };
    let mut texts = Vec::new();
    // One key above the limit is enough for the use case to detect an oversized batch. Further keys are not read.
    for (index, item) in items.into_iter().take(MAX_BATCH + 1).enumerate() {
        match item {
            Value::String(text) => texts.push(text),
            _ => faults.push(item_fault(
                name,
                index,
                &Violation::new("type", "Must be a string."),
            )),
        }
    }
    texts
}

fn field_set(names: &[String], faults: &mut Vec<Fault>) -> FieldSet {
    let mut set = FieldSet::default();
    for (index, name) in names.iter().enumerate() {
        if let Err(violation) = set.add(name) {
            faults.push(item_fault("fields", index, &violation));
        }
    }
    set
}

fn item_fault(name: &str, index: usize, violation: &Violation) -> Fault {
    Fault::at(vec![name.to_owned(), index.to_string()], violation)
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
        if self.fields.is_none() && self.counts.is_none() {
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
                .map(|view| Some(self.select(view.as_ref()?)));
            body.array("users", selected).await?;
        }
        Ok(body.finish())
    }

    fn select<'a>(&'a self, view: &'a UserView) -> SelectedUser<'a> {
        SelectedUser {
            view,
            fields: self.fields,
            counts: self.counts.map(|counts| {
                let counts = counts.get(&view.public().id);
                counts.copied().unwrap_or_default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decode(value: Value) -> Result<BatchRequest, Problem> {
        let Value::Object(document) = value else {
            panic!("{value} is not an object")
        };
        BatchRequest::decode(document)
    }

    #[test]
    fn a_batch_accepts_exactly_one_kind_of_key() {
        let request = decode(json!({"usernames": ["a", "a"], "fields": ["profile.name"]})).unwrap();
        assert_eq!(
            request.keys,
            BatchKeys::Usernames(vec!["a".to_owned(), "a".to_owned()])
        );
        assert!(request.fields.is_some());
        assert_eq!(
            decode(json!({"ids": []})).unwrap().keys,
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
            json!({"ids": [], "other": 1}),
        ] {
            assert!(decode(body.clone()).is_err(), "{body}");
        }
    }
}
