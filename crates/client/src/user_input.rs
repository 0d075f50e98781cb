//! Users as callers send them.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use user_domain::Secret;
use user_domain::user::ProfileField;
use user_domain::values::Timestamp;

use crate::error::Error;
use crate::merge_patch::patch_between;
use crate::user::User;

/// The status that a caller can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WritableStatus {
    /// The user can sign in.
    Active,
    /// The user is suspended.
    Suspended,
}

/// One of the three metadata objects of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataObject {
    /// Written by services and administrators, visible to every caller.
    Public,
    /// Written by the user too.
    User,
    /// Written by services and administrators, visible to them only.
    Private,
}

impl MetadataObject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::User => "user",
            Self::Private => "private",
        }
    }
}

/// The members of a body. `Debug` shows their names only, because the values are personal data.
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
struct Members(Map<String, Value>);

impl Members {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn set_in(&mut self, path: &[&str], value: Value) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        let mut map = &mut self.0;
        for parent in parents {
            let member = map.entry(*parent).or_insert_with(|| json!({}));
            if !member.is_object() {
                *member = json!({});
            }
            let Value::Object(inner) = member else {
                return;
            };
            map = inner;
        }
        map.insert((*last).to_owned(), value);
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Defines the setters of the fields that every body of a user has.
macro_rules! user_fields {
    ($name:ident) => {
        impl $name {
            /// Sets the username: 3 to 32 characters by default.
            pub fn username(mut self, username: impl AsRef<str>) -> Self {
                self.members.set("username", username.as_ref());
                self
            }

            /// Sets the email address, which makes it unverified.
            pub fn email(mut self, email: impl AsRef<str>) -> Self {
                self.members.set("email", email.as_ref());
                self
            }

            /// Sets whether the email address is verified. In an update, the body needs the address too, or `If-Match`.
            pub fn email_verified(mut self, is_verified: bool) -> Self {
                self.members.set("email_verified", is_verified);
                self
            }

            /// Sets the phone number, in the form of E.164. `None` removes it.
            pub fn phone_number<'a>(mut self, number: impl Into<Option<&'a str>>) -> Self {
                self.members.set("phone_number", number.into());
                self
            }

            /// Sets whether the phone number is verified. In an update, the body needs the number too, or `If-Match`.
            pub fn phone_number_verified(mut self, is_verified: bool) -> Self {
                self.members.set("phone_number_verified", is_verified);
                self
            }

            /// Sets the id in older systems, which cannot be changed later.
            pub fn external_id(mut self, id: impl AsRef<str>) -> Self {
                self.members.set("external_id", id.as_ref());
                self
            }

            /// Sets the status.
            pub fn status(mut self, status: WritableStatus) -> Self {
                self.members.set("status", json!(status));
                self
            }

            /// Sets the roles: at most 32, each of 1 to 64 characters of `a-z 0-9 : _ -`.
            pub fn roles<R: AsRef<str>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
                let roles: Vec<Value> =
                    roles.into_iter().map(|role| role.as_ref().into()).collect();
                self.members.set("roles", roles);
                self
            }

            /// Sets a field of the profile. `None` removes it.
            pub fn profile<'a>(
                mut self,
                field: ProfileField,
                value: impl Into<Option<&'a str>>,
            ) -> Self {
                let path: Vec<&str> = field.path().split('.').collect();
                self.members.set_in(&path, value.into().into());
                self
            }

            /// Sets a member of a metadata object. In an update, `null` removes it and an object is merged.
            pub fn metadata(
                mut self,
                object: MetadataObject,
                name: &str,
                value: impl Into<Value>,
            ) -> Self {
                self.members
                    .set_in(&["metadata", object.name(), name], value.into());
                self
            }
        }
    };
}

/// The first password of a user: as typed, or as a hash of another system.
#[derive(Clone, PartialEq, Eq)]
enum FirstPassword {
    Typed(Secret),
    Hash(Secret),
}

/// A user to create.
///
/// ```
/// use user_client::{MetadataObject, NewUser, ProfileField};
///
/// let user = NewUser::new("Alice.Smith")
///     .email("alice@example.org")
///     .profile(ProfileField::Name, "Alice Smith")
///     .metadata(MetadataObject::Public, "badge", "gold")
///     .password("correct horse battery staple");
/// assert!(!format!("{user:?}").contains("alice@example.org"));
/// ```
#[derive(Clone, Default, PartialEq)]
#[must_use = "a new user is created by `Client::create_user`"]
pub struct NewUser {
    members: Members,
    password: Option<FirstPassword>,
}

user_fields!(NewUser);

impl NewUser {
    /// Starts a user with this username.
    pub fn new(username: impl AsRef<str>) -> Self {
        Self::default().username(username)
    }

    /// Sets the password as the user typed it, which the service hashes. Requires the scope `credentials:write`.
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(FirstPassword::Typed(password.into()));
        self
    }

    /// Sets the password as a hash of another system. Requires the scope `credentials:write`.
    pub fn password_hash(mut self, hash: impl Into<Secret>) -> Self {
        self.password = Some(FirstPassword::Hash(hash.into()));
        self
    }
}

impl Serialize for NewUser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let password = self.password.as_ref().map(|password| match password {
            FirstPassword::Typed(text) => ("password", text),
            FirstPassword::Hash(text) => ("password_hash", text),
        });
        let password = password.map(|(name, text)| (name.to_owned(), Value::from(text.expose())));
        serializer.collect_map(self.members.0.clone().into_iter().chain(password))
    }
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NewUser").field(&self.members).finish()
    }
}

/// Changes of a user: a merge patch (RFC 7396). What is not set stays as it is.
///
/// ```
/// use user_client::{ProfileField, UserPatch};
///
/// let patch = UserPatch::new()
///     .email("alice@example.org")
///     .profile(ProfileField::Bio, None);
/// assert!(!patch.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use = "a patch is sent by `Client::update_user`"]
pub struct UserPatch {
    members: Members,
}

user_fields!(UserPatch);

impl UserPatch {
    /// Starts a patch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The changes between two states of a user.
    ///
    /// A member that is gone is removed. Of read-only members, only changed ones are in the patch, and the service
    /// refuses them.
    ///
    /// # Errors
    /// An invalid request if a member of the metadata became `null`, or an object with such a member. A merge patch
    /// cannot express that, because its `null` removes. `null` in an array is possible, and one that has not changed.
    pub fn between(from: &User, to: &User) -> Result<Self, Error> {
        Ok(Self {
            members: Members(patch_between(from, to)?),
        })
    }

    /// Whether the patch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.members.0.is_empty()
    }
}

/// All fields of a user that the caller may write. A field that is not set becomes empty, except roles, external id and
/// status.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
#[must_use = "a replacement is sent by `Client::replace_user`"]
pub struct UserReplacement {
    members: Members,
}

user_fields!(UserReplacement);

impl UserReplacement {
    /// Starts a replacement with the fields that a user always has.
    pub fn new(username: impl AsRef<str>, email: impl AsRef<str>) -> Self {
        Self::default().username(username).email(email)
    }
}

/// The reason and the end of a suspension. Both are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[must_use = "a suspension is sent by `Client::suspend_user`"]
pub struct NewSuspension {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl NewSuspension {
    /// Starts a suspension without a reason that lasts until the user is activated.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the reason, 1 to 500 characters. Services and administrators see it.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets the time at which the suspension ends by itself.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &impl Serialize) -> String {
        serde_json::to_string(body).unwrap()
    }

    #[test]
    fn a_new_user_has_the_members_that_were_set() {
        let user = NewUser::new("a.b")
            .email("a@example.org")
            .phone_number(None)
            .roles(["editor"])
            .profile(ProfileField::GivenName, "Ann")
            .profile(ProfileField::Bio, None)
            .metadata(MetadataObject::User, "theme", "dark")
            .password("secret");
        assert_eq!(
            text(&user),
            r#"{"username":"a.b","email":"a@example.org","phone_number":null,"roles":["editor"],"#
                .to_owned()
                + r#""profile":{"given_name":"Ann","bio":null},"metadata":{"user":{"theme":"dark"}},"password":"secret"}"#
        );
        let shown = format!("{user:?}");
        assert!(shown.contains("username") && !shown.contains("a.b") && !shown.contains("secret"));
    }
}
