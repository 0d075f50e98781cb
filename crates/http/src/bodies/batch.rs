//! The bodies of a batch.

use std::collections::HashMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use user_domain::relationship::Counts;
use user_domain::use_cases::{BatchKeys, MAX_BATCH};
use user_domain::values::UserId;
use user_domain::view::UserView;
use user_domain::{Fault, Violation};

use super::{FieldSet, SelectedUser};
use crate::problem::Problem;
use crate::ready::ReadyUsers;

/// What a batch asks for.
#[derive(Debug)]
pub(crate) struct BatchRequest {
    /// Whom.
    pub(crate) keys: BatchKeys,
    /// The member that named them.
    pub(crate) kind: &'static str,
    /// What of them; all if nothing is named.
    pub(crate) fields: Option<FieldSet>,
}

/// Users in order, each as it is ready to be sent, null where there is none.
pub(crate) fn whole_users(
    views: &[Option<UserView>],
    ready: &ReadyUsers,
) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::with_capacity(views.len() * 1024);
    body.extend_from_slice(b"{\"users\":[");
    for (index, view) in views.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        match view {
            Some(view) => body.extend_from_slice(&ready.get(view)?.body),
            None => body.extend_from_slice(b"null"),
        }
    }
    body.extend_from_slice(b"]}");
    Ok(body)
}

/// Users in order, in part or with their counts, null where there is none.
pub(crate) struct Users<'a> {
    pub(crate) views: &'a [Option<UserView>],
    pub(crate) fields: Option<&'a FieldSet>,
    /// The counts of each that is shown; none if they are not wanted.
    pub(crate) counts: Option<&'a HashMap<UserId, Counts>>,
}

const KINDS: [&str; 4] = ["ids", "usernames", "emails", "external_ids"];

impl BatchRequest {
    /// Reads the body of a request.
    pub(crate) fn decode(document: Map<String, Value>) -> Result<Self, Problem> {
        let mut faults = Vec::new();
        let mut found = Vec::new();
        let mut fields = None;
        for (name, value) in document {
            if let Some(kind) = KINDS.into_iter().find(|kind| *kind == name) {
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
                kind,
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
    // One more than are answered tells that there are too many; the others are not looked at.
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

impl Serialize for Users<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.views.iter().map(|user| {
            user.as_ref().map(|view| SelectedUser {
                view,
                fields: self.fields,
                counts: self.counts.map(|counts| {
                    let counts = counts.get(&view.public().id);
                    counts.copied().unwrap_or_default()
                }),
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decode(value: Value) -> Result<BatchRequest, Problem> {
        let Value::Object(document) = value else {
            panic!("{value} is no object")
        };
        BatchRequest::decode(document)
    }

    #[test]
    fn exactly_one_kind_of_key_is_taken() {
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
    fn other_bodies_are_refused() {
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
