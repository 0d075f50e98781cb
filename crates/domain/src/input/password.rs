//! Unvalidated passwords and logins.

use super::FieldInput;
use super::rules::missing;
use crate::lockout::LoginSource;
use crate::ports::UserKey;
use crate::secret::Secret;
use crate::user::Field;
use crate::values::{EmailKey, Password, PasswordHash, SubmittedPassword, UsernameKey};
use crate::{Fault, Violation};

/// An unvalidated password: the plaintext, or a hash from another system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PasswordInput {
    /// The plaintext password.
    pub password: FieldInput<Secret>,
    /// The hash of the password.
    pub password_hash: FieldInput<Secret>,
    /// Unknown members of the input.
    pub unexpected_fields: Vec<Fault>,
}

/// A validated password.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// A password to hash.
    Plaintext(Password),
    /// A hash from another system.
    Hashed(PasswordHash),
}

/// The unvalidated input of a login.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoginInput {
    /// A username or an email address.
    pub identifier: FieldInput<Secret>,
    /// The password as it was typed.
    pub password: FieldInput<Secret>,
    /// The source of the login attempt.
    pub source: FieldInput<Secret>,
    /// Unknown members of the input.
    pub unexpected_fields: Vec<Fault>,
}

/// The validated credentials of a login.
#[derive(Debug, Clone)]
pub struct Login {
    /// The key of the account. `None` if the identifier can belong to no user.
    pub key: Option<UserKey>,
    /// The identifier in its canonical spelling.
    pub identifier: Secret,
    /// The password as it was typed.
    pub password: SubmittedPassword,
    /// The source of the login attempt, if the caller sent it.
    pub source: Option<LoginSource>,
}

impl PasswordInput {
    /// Validates an optional password.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check(&self) -> Result<Option<NewPassword>, Vec<Fault>> {
        let password = value(&self.password, "password", Password::parse);
        let hash = value(&self.password_hash, HASH, PasswordHash::parse);
        match (password, hash, self.unexpected_fields.as_slice()) {
            (Ok(Some(_)), Ok(Some(_)), _) => {
                let violation =
                    Violation::new("contradiction", "Must not be combined with password.");
                Err(vec![Fault::new(HASH, &violation)])
            }
            (Ok(Some(password)), Ok(None), []) => Ok(Some(NewPassword::Plaintext(password))),
            (Ok(None), Ok(Some(hash)), []) => Ok(Some(NewPassword::Hashed(hash))),
            (Ok(None), Ok(None), []) => Ok(None),
            (password, hash, unexpected_fields) => {
                let faults = [password.err(), hash.err()].into_iter().flatten();
                Err(unexpected_fields.iter().cloned().chain(faults).collect())
            }
        }
    }

    /// Returns the faults of a password in an input that must not contain one.
    pub(super) fn unexpected(&self) -> Vec<Fault> {
        let detail = "Is not a field of a user. Passwords have an endpoint of their own.";
        let violation = Violation::new("unknown_field", detail);
        [("password", &self.password), (HASH, &self.password_hash)]
            .into_iter()
            .filter(|(_, input)| input.is_present())
            .map(|(path, _)| Fault::new(path, &violation))
            .collect()
    }

    /// Validates a required password.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check_required(&self) -> Result<NewPassword, Vec<Fault>> {
        self.check()?
            .ok_or_else(|| vec![Fault::new(Field::Password.path(), &missing())])
    }
}

const HASH: &str = "password_hash";

impl LoginInput {
    /// The maximum length of an identifier in bytes. No username or email address is as long.
    const MAX_IDENTIFIER_BYTES: usize = 320;

    /// Validates a login.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check(&self) -> Result<Login, Vec<Fault>> {
        let identifier = required(&self.identifier, "identifier", |text| match text.len() {
            0 => Err(Violation::new("blank", "Must not be empty.")),
            1..=Self::MAX_IDENTIFIER_BYTES => Ok(parse_identifier(text)),
            _ => Err(Violation::new("too_long", "Must have at most 320 bytes.")),
        });
        let password = required(&self.password, "password", SubmittedPassword::parse);
        let source = value(&self.source, "source", LoginSource::parse);
        match (
            identifier,
            password,
            source,
            self.unexpected_fields.as_slice(),
        ) {
            (Ok((key, identifier)), Ok(password), Ok(source), []) => Ok(Login {
                key,
                identifier,
                password,
                source,
            }),
            (identifier, password, source, unexpected_fields) => {
                let faults = [identifier.err(), password.err(), source.err()];
                let faults = faults.into_iter().flatten();
                Err(unexpected_fields.iter().cloned().chain(faults).collect())
            }
        }
    }
}

/// Returns the account key and the canonical spelling of an identifier. Only email addresses contain `@`.
fn parse_identifier(text: &str) -> (Option<UserKey>, Secret) {
    let key = if text.contains('@') {
        EmailKey::parse(text).ok().map(|key| {
            let spelling = Secret::from(key.as_str());
            (Some(UserKey::Email(key)), spelling)
        })
    } else {
        UsernameKey::parse(text).ok().map(|key| {
            let spelling = Secret::from(key.as_str());
            (Some(UserKey::Username(key)), spelling)
        })
    };
    key.unwrap_or_else(|| (None, text.into()))
}

fn required<T>(
    input: &FieldInput<Secret>,
    path: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Result<T, Fault> {
    value(input, path, parse)?.ok_or_else(|| Fault::new(path, &missing()))
}

fn value<T>(
    input: &FieldInput<Secret>,
    path: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Result<Option<T>, Fault> {
    let fault = |violation: &Violation| Fault::new(path, violation);
    match input {
        FieldInput::Absent | FieldInput::Null => Ok(None),
        FieldInput::Value(text) => parse(text.expose())
            .map(Some)
            .map_err(|broken| fault(&broken)),
        FieldInput::Invalid(violation) => Err(fault(violation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> FieldInput<Secret> {
        FieldInput::Value(text.into())
    }

    fn codes(faults: &[Fault]) -> Vec<(String, &str)> {
        let code = |fault: &Fault| fault.path().join("/");
        faults
            .iter()
            .map(|fault| (code(fault), fault.code()))
            .collect()
    }

    #[test]
    fn a_password_and_a_hash_together_are_rejected() {
        let both = PasswordInput {
            password: text("a long enough one"),
            password_hash: text("$2b$04$abcdefghijklmnopqrstuuKSsNwDmIZsi8F9TFBSWRJ.Dxzhd1Lgq"),
            unexpected_fields: vec![],
        };
        let faults = both.check().unwrap_err();
        assert_eq!(
            codes(&faults),
            [("password_hash".to_owned(), "contradiction")]
        );
        let none = PasswordInput::default();
        assert!(none.check().unwrap().is_none());
        let faults = none.check_required().unwrap_err();
        assert_eq!(codes(&faults), [("password".to_owned(), "required")]);
        let null = PasswordInput {
            password: FieldInput::Null,
            ..PasswordInput::default()
        };
        assert!(null.check_required().is_err());
    }

    #[test]
    fn all_faults_of_a_login_are_reported() {
        let login = LoginInput {
            identifier: FieldInput::wrong_type("a string"),
            password: text(""),
            source: text(&"x".repeat(256)),
            unexpected_fields: vec![],
        };
        let faults = login.check().unwrap_err();
        let expected = [
            ("identifier", "type"),
            ("password", "blank"),
            ("source", "too_long"),
        ];
        let expected: Vec<_> = expected.map(|(path, code)| (path.to_owned(), code)).into();
        assert_eq!(codes(&faults), expected);
        let faults = LoginInput::default().check().unwrap_err();
        assert_eq!(faults.len(), 2);
    }

    #[test]
    fn an_identifier_is_a_username_or_an_email_in_any_spelling() {
        let identified = |identifier: &str| {
            let login = LoginInput {
                identifier: text(identifier),
                password: text("x"),
                ..LoginInput::default()
            };
            let login = login.check().unwrap();
            (login.key, login.identifier.expose().to_owned())
        };
        let (key, spelling) = identified("ALICE.Smith");
        assert!(matches!(key, Some(UserKey::Username(_))));
        assert_eq!(identified("alice.smith").1, spelling);
        let (key, spelling) = identified("Ann@Example.ORG");
        assert!(matches!(key, Some(UserKey::Email(_))));
        assert_eq!(identified("ann@example.org").1, spelling);
        for invalid in ["a b", "@", "x@", "\u{0}", " "] {
            let (key, _) = identified(invalid);
            assert_eq!(key, None, "{invalid:?}");
        }
    }

    #[test]
    fn debug_hides_identifier_password_and_source() {
        let login = LoginInput {
            identifier: text("planted-identifier"),
            password: text("planted-password"),
            source: text("planted-source"),
            unexpected_fields: vec![],
        };
        let shown = format!("{login:?} {:?}", login.check().unwrap());
        assert!(
            !shown.contains("planted-p") && !shown.contains("planted-s"),
            "{shown}"
        );
    }
}
