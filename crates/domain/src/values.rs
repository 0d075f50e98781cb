//! The value types of a user. Each has a private field and one `parse`.
//!
//! An existing value is valid and canonical, so no other code validates it again. Parsing its text yields an equal
//! value. Human text is trimmed and normalised to NFC. Identifiers and tokens are not changed. Values keep the original
//! spelling. If several spellings mean the same, a `key` is stored with the value for comparison.

mod birthdate;
mod consumer_name;
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
mod suspension_reason;
mod text;
mod timestamp;
mod username;
mod web_url;

pub use birthdate::Birthdate;
pub use consumer_name::ConsumerName;
pub use email::{EmailAddress, EmailKey};
pub use external_id::ExternalId;
pub use identity::{Revision, UserId, Version};
pub use locale::{Locale, ZoneInfo};
pub use metadata::Metadata;
pub use password::{Password, PreparedPassword, SubmittedPassword};
pub use password_hash::{
    Argon2, Argon2Variant, Argon2Version, HashAlgorithm, ParsedHash, PasswordHash, PasswordOrigin,
    Pbkdf2Digest, StoredPassword,
};
pub use phone::PhoneNumber;
pub use profile::{Bio, ShortText};
pub use role::{Role, Roles};
pub use service_token::{ServiceTokenId, TokenDigest, TokenName, TokenSecret};
pub use suspension_reason::SuspensionReason;
pub use text::fold;
pub(crate) use text::{
    at_most_chars, check_length, forbidden_character, is_forbidden, search_forms,
};
pub use timestamp::Timestamp;
pub(crate) use username::width_mapped;
pub use username::{Username, UsernameKey, UsernamePrefix};
pub use web_url::WebUrl;
