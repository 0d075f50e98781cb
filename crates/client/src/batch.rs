//! Reads of many users at once.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use user_domain::values::UserId;

use crate::call::Read;
use crate::client::Client;
use crate::error::Error;
use crate::operation;
use crate::transport::Answer;
use crate::user::{User, UserSelection};

/// The maximum number of keys of a batch.
pub const MAX_BATCH: usize = 500;

/// The keys of a batch, all of one kind, at most 500. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[must_use = "a batch is sent by `Client::batch_get_users`"]
pub struct BatchGetRequest {
    #[serde(flatten)]
    keys: Keys,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Keys {
    Ids(Vec<UserId>),
    Usernames(Vec<String>),
    Emails(Vec<String>),
    ExternalIds(Vec<String>),
}

impl BatchGetRequest {
    fn of(keys: Keys) -> Self {
        Self {
            keys,
            fields: Vec::new(),
        }
    }

    /// Looks users up by their ids.
    pub fn ids(ids: impl IntoIterator<Item = UserId>) -> Self {
        Self::of(Keys::Ids(ids.into_iter().collect()))
    }

    /// Looks users up by their usernames, ignoring case.
    pub fn usernames<K: Into<String>>(usernames: impl IntoIterator<Item = K>) -> Self {
        Self::of(Keys::Usernames(texts(usernames)))
    }

    /// Looks users up by their email addresses; requires `users:read_private`, or an administrator.
    pub fn emails<K: Into<String>>(emails: impl IntoIterator<Item = K>) -> Self {
        Self::of(Keys::Emails(texts(emails)))
    }

    /// Looks users up by their ids in older systems; requires `users:read`, or an administrator.
    pub fn external_ids<K: Into<String>>(ids: impl IntoIterator<Item = K>) -> Self {
        Self::of(Keys::ExternalIds(texts(ids)))
    }
}

fn texts<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Vec<String> {
    keys.into_iter().map(Into::into).collect()
}

impl std::fmt::Debug for BatchGetRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, count) = match &self.keys {
            Keys::Ids(keys) => ("ids", keys.len()),
            Keys::Usernames(keys) => ("usernames", keys.len()),
            Keys::Emails(keys) => ("emails", keys.len()),
            Keys::ExternalIds(keys) => ("external_ids", keys.len()),
        };
        write!(f, "BatchGetRequest({count} {kind})")
    }
}

#[derive(Deserialize)]
struct BatchGetResponse<T> {
    users: Vec<Option<T>>,
}

fn batch_of<T: DeserializeOwned>(answer: &Answer) -> Result<Vec<Option<T>>, Error> {
    Ok(answer.json::<BatchGetResponse<T>>()?.users)
}

impl Client {
    /// Reads up to 500 users, in the order of their keys. A user that is unknown, deleted or hidden is `None`, and so is
    /// a malformed key. To collect concurrent reads into batches, use [`Client::loader`].
    ///
    /// # Errors
    /// 403 if the kind of key is not for the caller; 422 for more than 500 keys.
    pub fn batch_get_users(&self, request: &BatchGetRequest) -> Read<Vec<Option<User>>> {
        self.read(operation::BATCH_GET_USERS, &[], batch_of)
            .change(|to_send| to_send.json(request))
    }

    /// Reads these fields of up to 500 users, by their dotted paths, such as `profile.name`.
    ///
    /// # Errors
    /// Those of [`Client::batch_get_users`].
    pub fn batch_select_users<F: Into<String>>(
        &self,
        mut request: BatchGetRequest,
        fields: impl IntoIterator<Item = F>,
    ) -> Read<Vec<Option<UserSelection>>> {
        request.fields = texts(fields);
        self.read(operation::BATCH_GET_USERS, &[], batch_of)
            .change(|to_send| to_send.json(&request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_kind_of_key() {
        let text = |batch: &BatchGetRequest| serde_json::to_string(batch).unwrap();
        let batch = BatchGetRequest::usernames(["a", "b"]);
        assert_eq!(text(&batch), r#"{"usernames":["a","b"]}"#);
        assert_eq!(format!("{batch:?}"), "BatchGetRequest(2 usernames)");
        let mut batch = BatchGetRequest::external_ids(["x"]);
        batch.fields = vec!["username".to_owned()];
        assert_eq!(
            text(&batch),
            r#"{"external_ids":["x"],"fields":["username"]}"#
        );
    }
}
