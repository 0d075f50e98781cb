//! The profile of a user.
//!
//! To add a field:
//! 1. Add it here, with a value type of [`crate::values`]. The compiler then names the places in `user/edit.rs`,
//!    `input.rs` and `input/edits.rs`, and in the adapter's row (`sea_orm/row.rs`, `entities/users.rs`).
//! 2. Add it to `user/field.rs`, which names fields in events.
//! 3. Add the column in a migration (`migrations/README.md`).
//! 4. Add it to the bodies of the http crate: `bodies/{fields,input,user}.rs` and `openapi/schemas/`. Run
//!    `make openapi`.
//! 5. Tests that list every field fail until they contain it: `test_support/samples.rs`,
//!    `tests/tests/it/users/every_field.rs`.

use crate::values::{Bio, Birthdate, Locale, ShortText, WebUrl, ZoneInfo};

/// The standard claims of OpenID Connect (Core 1.0, section 5.1), and bio and location.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The full name, in displayable form.
    pub name: Option<ShortText>,
    /// The given name or first name.
    pub given_name: Option<ShortText>,
    /// The surname or last name.
    pub family_name: Option<ShortText>,
    /// The casual name.
    pub nickname: Option<ShortText>,
    /// The URL of a picture of the user.
    pub picture: Option<WebUrl>,
    /// The URL of the user's web page.
    pub website: Option<WebUrl>,
    /// A text about the user, which may have several lines.
    pub bio: Option<Bio>,
    /// The user's location as free text.
    pub location: Option<ShortText>,
    /// The language tag (BCP 47).
    pub locale: Option<Locale>,
    /// The time zone's name (IANA).
    pub zoneinfo: Option<ZoneInfo>,
    /// The date of birth; year 0000 if the year is withheld.
    pub birthdate: Option<Birthdate>,
}
