//! Passwords and logins, as a caller words them.

use super::Raw;
use super::rules::{missing, mistyped};
use crate::lockout::LoginSource;
use crate::ports::UserKey;
use crate::secret::Secret;
use crate::user::Field;
use crate::values::{EmailKey, Password, PasswordHash, TypedPassword, UserId, UsernameKey};
use crate::{Fault, Violation};

/// A password as a caller words it: itself, or a hash of it that was made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PasswordInput {
    /// The password.
    pub password: Raw<Secret>,
    /// Its hash.
    pub password_hash: Raw<Secret>,
    /// What was found where no field is.
    pub misfits: Vec<Fault>,
}

/// A checked password.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// One that somebody chose.
    Chosen(Password),
    /// The hash of one, made elsewhere.
    Hashed(PasswordHash),
}

/// What somebody shows to be let in, as a caller words it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoginInput {
    /// A username or an email address.
    pub identifier: Raw<Secret>,
    /// The password as it was typed.
    pub password: Raw<Secret>,
    /// From where.
    pub source: Raw<Secret>,
    /// What was found where no field is.
    pub misfits: Vec<Fault>,
}

/// What somebody shows to be let in.
#[derive(Debug, Clone)]
pub struct Login {
    /// Whom the identifier may name. A text that nobody can have names the one id that nobody has.
    pub key: UserKey,
    /// The identifier, in the one spelling of all that mean the same.
    pub identifier: Secret,
    /// The password as it was typed.
    pub password: TypedPassword,
    /// From where, if the caller tells.
    pub source: Option<LoginSource>,
}

impl PasswordInput {
    /// Checks a password that may be absent.
    ///
    /// # Errors
    /// Every fault of the input.
    pub fn check(&self) -> Result<Option<NewPassword>, Vec<Fault>> {
        let password = value(&self.password, "password", Password::parse);
        let hash = value(&self.password_hash, HASH, PasswordHash::parse);
        match (password, hash, self.misfits.as_slice()) {
            (Ok(Some(_)), Ok(Some(_)), _) => {
                let violation = Violation::new("contradiction", "Must not stand beside password.");
                Err(vec![Fault::new(HASH, &violation)])
            }
            (Ok(Some(password)), Ok(None), []) => Ok(Some(NewPassword::Chosen(password))),
            (Ok(None), Ok(Some(hash)), []) => Ok(Some(NewPassword::Hashed(hash))),
            (Ok(None), Ok(None), []) => Ok(None),
            (password, hash, misfits) => {
                let faults = [password.err(), hash.err()].into_iter().flatten();
                Err(misfits.iter().cloned().chain(faults).collect())
            }
        }
    }

    /// Gives the faults of a password that stands where none is written.
    pub(super) fn misplaced(&self) -> Vec<Fault> {
        let detail = "Is no field of a user: passwords are set by themselves.";
        let violation = Violation::new("unknown_field", detail);
        [("password", &self.password), (HASH, &self.password_hash)]
            .into_iter()
            .filter(|(_, raw)| raw.is_named())
            .map(|(path, _)| Fault::new(path, &violation))
            .collect()
    }

    /// Checks a password that must be there.
    ///
    /// # Errors
    /// Every fault of the input.
    pub fn check_present(&self) -> Result<NewPassword, Vec<Fault>> {
        self.check()?
            .ok_or_else(|| vec![Fault::new(Field::Password.path(), &missing())])
    }
}

const HASH: &str = "password_hash";

impl LoginInput {
    /// The most bytes of an identifier; none that somebody has is as long.
    const LONGEST_IDENTIFIER: usize = 320;

    /// Checks a login.
    ///
    /// # Errors
    /// Every fault of the input.
    pub fn check(&self) -> Result<Login, Vec<Fault>> {
        let identifier = present(&self.identifier, "identifier", |text| match text.len() {
            0 => Err(Violation::new("blank", "Must not be empty.")),
            1..=Self::LONGEST_IDENTIFIER => Ok(identify(text)),
            _ => Err(Violation::new("too_long", "Must have at most 320 bytes.")),
        });
        let password = present(&self.password, "password", TypedPassword::parse);
        let source = value(&self.source, "source", LoginSource::parse);
        match (identifier, password, source, self.misfits.as_slice()) {
            (Ok((key, identifier)), Ok(password), Ok(source), []) => Ok(Login {
                key,
                identifier,
                password,
                source,
            }),
            (identifier, password, source, misfits) => {
                let faults = [identifier.err(), password.err(), source.err()];
                let faults = faults.into_iter().flatten();
                Err(misfits.iter().cloned().chain(faults).collect())
            }
        }
    }
}

/// Tells whom an identifier may name. Usernames have no `@`, addresses have one.
fn identify(text: &str) -> (UserKey, Secret) {
    let key = if text.contains('@') {
        EmailKey::parse(text).ok().map(|key| {
            let spelling = Secret::from(key.as_str());
            (UserKey::Email(key), spelling)
        })
    } else {
        UsernameKey::parse(text).ok().map(|key| {
            let spelling = Secret::from(key.as_str());
            (UserKey::Username(key), spelling)
        })
    };
    key.unwrap_or_else(|| {
        (
            UserKey::Id(UserId::from_uuid(uuid::Uuid::nil())),
            text.into(),
        )
    })
}

fn present<T>(
    raw: &Raw<Secret>,
    path: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Result<T, Fault> {
    value(raw, path, parse)?.ok_or_else(|| Fault::new(path, &missing()))
}

fn value<T>(
    raw: &Raw<Secret>,
    path: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Result<Option<T>, Fault> {
    let fault = |violation: &Violation| Fault::new(path, violation);
    match raw {
        Raw::Absent | Raw::Null => Ok(None),
        Raw::Value(text) => parse(text.expose())
            .map(Some)
            .map_err(|broken| fault(&broken)),
        Raw::Mistyped(expected) => Err(fault(&mistyped(expected))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw<Secret> {
        Raw::Value(text.into())
    }

    fn codes(faults: &[Fault]) -> Vec<(String, &str)> {
        let code = |fault: &Fault| fault.path().join("/");
        faults
            .iter()
            .map(|fault| (code(fault), fault.code()))
            .collect()
    }

    #[test]
    fn a_password_is_named_in_one_form_only() {
        let both = PasswordInput {
            password: text("a long enough one"),
            password_hash: text("$2b$04$abcdefghijklmnopqrstuuKSsNwDmIZsi8F9TFBSWRJ.Dxzhd1Lgq"),
            misfits: vec![],
        };
        let faults = both.check().unwrap_err();
        assert_eq!(
            codes(&faults),
            [("password_hash".to_owned(), "contradiction")]
        );
        let none = PasswordInput::default();
        assert!(none.check().unwrap().is_none());
        let faults = none.check_present().unwrap_err();
        assert_eq!(codes(&faults), [("password".to_owned(), "required")]);
        let null = PasswordInput {
            password: Raw::Null,
            ..PasswordInput::default()
        };
        assert!(null.check_present().is_err());
    }

    #[test]
    fn all_faults_of_a_login_are_told() {
        let login = LoginInput {
            identifier: Raw::Mistyped("a string"),
            password: text(""),
            source: text(&"x".repeat(256)),
            misfits: vec![],
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
    fn an_identifier_is_a_name_or_an_address_in_any_spelling_or_nobody() {
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
        assert!(matches!(key, UserKey::Username(_)));
        assert_eq!(identified("alice.smith").1, spelling);
        let (key, spelling) = identified("Ann@Example.ORG");
        assert!(matches!(key, UserKey::Email(_)));
        assert_eq!(identified("ann@example.org").1, spelling);
        for nobody in ["a b", "@", "x@", "\u{0}", " "] {
            let (key, _) = identified(nobody);
            assert_eq!(
                key,
                UserKey::Id(UserId::from_uuid(uuid::Uuid::nil())),
                "{nobody:?}"
            );
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let login = LoginInput {
            identifier: text("planted-identifier"),
            password: text("planted-password"),
            source: text("planted-source"),
            misfits: vec![],
        };
        let shown = format!("{login:?} {:?}", login.check().unwrap());
        assert!(
            !shown.contains("planted-p") && !shown.contains("planted-s"),
            "{shown}"
        );
    }
}
