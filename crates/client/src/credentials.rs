//! Passwords, logins and lockouts.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;
use user_domain::Secret;
use user_domain::values::{Timestamp, UserId};

use crate::call::{Read, Write, nothing};
use crate::client::Client;
use crate::operation;
use crate::transport::Answer;
use crate::user::User;

/// A login to verify. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a login is sent by `Client::verify_credentials`"]
pub struct Login {
    identifier: String,
    password: Secret,
    source: Option<String>,
}

impl Login {
    /// Creates a login with a username or an email address, and the password as typed.
    pub fn new(identifier: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            identifier: identifier.into(),
            password: password.into(),
            source: None,
        }
    }

    /// Sets where the login comes from: an IP address, or a known device. Failures then delay this source, and not
    /// others with an earlier success.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// The failed logins that are stored about a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lockout {
    /// The number of consecutive failures.
    pub failures: u32,
    /// When the last one was.
    pub failed_at: Option<Timestamp>,
    /// Until when further attempts are refused.
    pub blocked_until: Option<Timestamp>,
    /// The number of sources that are delayed.
    pub blocked_sources: u64,
}

impl Client {
    /// Verifies a password, and returns its user. Requires the scope `credentials:verify`.
    ///
    /// It is not repeated if its response is lost, because a wrong password would count as two failures.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`](crate::Code::InvalidCredentials) (401) for an unknown identifier, a wrong password, a
    /// suspended user and a lockout alike.
    pub fn verify_credentials(&self, login: &Login) -> Write<User> {
        let mut body = json!({"identifier": login.identifier, "password": login.password.expose()});
        if let (Some(source), Some(members)) = (&login.source, body.as_object_mut()) {
            members.insert("source".to_owned(), source.as_str().into());
        }
        self.write(operation::VERIFY_CREDENTIALS, &[], Answer::json)
            .change(|request| request.json(&body))
    }

    /// Sets the password of a user, as typed. Requires the scope `credentials:write`.
    ///
    /// # Errors
    /// Not found (404); 422 if the password breaks a rule.
    pub fn set_password(&self, id: UserId, password: &Secret) -> Write<()> {
        self.write(operation::SET_PASSWORD, &[&id.to_string()], nothing)
            .change(|request| request.json(&json!({"password": password.expose()})))
    }

    /// Sets the password of a user as a hash of another system. Requires the scope `credentials:write`.
    ///
    /// # Errors
    /// Not found (404); 422 if the service does not know the kind of hash.
    pub fn set_password_hash(&self, id: UserId, hash: &Secret) -> Write<()> {
        self.write(operation::SET_PASSWORD, &[&id.to_string()], nothing)
            .change(|request| request.json(&json!({"password_hash": hash.expose()})))
    }

    /// Removes the password of a user, who can no longer sign in with one. Requires the scope `credentials:write`.
    ///
    /// # Errors
    /// Not found (404).
    pub fn remove_password(&self, id: UserId) -> Write<()> {
        self.write(operation::REMOVE_PASSWORD, &[&id.to_string()], nothing)
    }

    /// Reads the failed logins of a user. Requires `credentials:write`, or an administrator.
    ///
    /// # Errors
    /// Not found (404).
    pub fn get_lockout(&self, id: UserId) -> Read<Lockout> {
        self.read(operation::GET_LOCKOUT, &[&id.to_string()], Answer::json)
    }

    /// Deletes the failed logins of a user, so that it can sign in at once. Requires `credentials:write`, or an
    /// administrator.
    ///
    /// # Errors
    /// Not found (404).
    pub fn clear_lockout(&self, id: UserId) -> Write<()> {
        self.write(operation::CLEAR_LOCKOUT, &[&id.to_string()], nothing)
    }
}
