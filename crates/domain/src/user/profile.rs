//! What a person tells about themselves.

use crate::values::{Bio, Birthdate, Locale, ShortText, WebUrl, ZoneInfo};

/// OpenID Connect's standard claims (Core 1.0, section 5.1), and bio and location.
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
    /// The URL of a picture of the person.
    pub picture: Option<WebUrl>,
    /// The URL of the person's page.
    pub website: Option<WebUrl>,
    /// A text about the person, of several lines.
    pub bio: Option<Bio>,
    /// Where the person is, in words.
    pub location: Option<ShortText>,
    /// The language tag (BCP 47).
    pub locale: Option<Locale>,
    /// The time zone's name (IANA).
    pub zoneinfo: Option<ZoneInfo>,
    /// The birthday; year 0000 where it is withheld.
    pub birthdate: Option<Birthdate>,
}
