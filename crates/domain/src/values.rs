//! The values a user is made of: one type each, with a private field and one `parse`.
//!
//! A value that exists is valid, canonical, and equal to the parse of its own text; nobody checks
//! twice. Text that people type is trimmed and brought to NFC, identifiers and tokens are taken
//! exactly. What was typed is kept; where two spellings mean the same, a `key` is kept beside it
//! for comparison.

mod birthdate;
mod email;
mod external_id;
mod identity;
mod locale;
mod macros;
mod metadata;
mod password;
mod password_hash;
mod phone;
mod profile;
mod role;
mod service_token;
mod text;
mod timestamp;
mod username;
mod web_url;

pub use birthdate::Birthdate;
pub use email::{EmailAddress, EmailKey};
pub use external_id::ExternalId;
pub use identity::{UserId, Version};
pub use locale::{Locale, ZoneInfo};
pub use metadata::Metadata;
pub use password::{Password, PreparedPassword, TypedPassword};
pub use password_hash::{
    Argon2, Argon2Variant, Argon2Version, HashAlgorithm, HashScheme, PasswordHash, PasswordOrigin,
    Pbkdf2Digest, StoredPassword,
};
pub use phone::PhoneNumber;
pub use profile::{Bio, ShortText};
pub use role::{Role, Roles};
pub use service_token::{ServiceTokenId, TokenDigest, TokenName, TokenSecret};
pub use text::fold;
pub use timestamp::Timestamp;
pub use username::{Username, UsernameKey};
pub use web_url::WebUrl;
