//! The profile of a user.
//!
//! To add a field:
//! 1. Add a row to [`profile_fields!`](crate::profile_fields). A new value type also needs a schema in
//!    `crates/http/src/openapi/schemas/profile.rs` and a column type in `crates/adapters/src/sea_orm/row.rs`.
//! 2. Add the column: in a migration (`migrations/README.md`), and twice in `crates/adapters/src/sea_orm/entities/users.rs`.
//! 3. Run `make openapi`, and add a line to `CHANGELOG.md`.
//! 4. The compiler and the failing tests name the samples: `test_support/samples.rs`, `input/tests.rs`, `PROFILE` in
//!    `tests/tests/it/common.rs` and `tests/tests/it/users/every_field.rs`.

use super::edit::ChangedFields;
use super::{Edit, Field};

/// Calls a macro with the table of the fields of a profile.
///
/// The table has two sections: the fields that every caller sees, and the fields that only the user itself, services and
/// administrators see. A row contains the documentation of the field, its name, its [`ProfileField`] and the type of its
/// value in [`crate::values`]:
///
/// ```
/// macro_rules! names {
///     ($({ $($(#[$doc:meta])* $name:ident: $field:ident($type:ident),)* })*) => {
///         [$($(stringify!($name),)*)*]
///     };
/// }
/// assert!(user_domain::profile_fields!(names).contains(&"nickname"));
/// ```
#[macro_export]
macro_rules! profile_fields {
    ($callback:ident) => {
        $callback! {
            {
                /// The full name, in displayable form.
                name: Name(ShortText),
                /// The given name or first name.
                given_name: GivenName(ShortText),
                /// The surname or last name.
                family_name: FamilyName(ShortText),
                /// The casual name.
                nickname: Nickname(ShortText),
                /// The URL of a picture of the user.
                picture: Picture(WebUrl),
                /// The URL of the user's web page.
                website: Website(WebUrl),
                /// A text about the user, which may have several lines.
                bio: Bio(Bio),
                /// The user's location as free text.
                location: Location(ShortText),
                /// The language tag (BCP 47).
                locale: Locale(Locale),
                /// The time zone's name (IANA).
                zoneinfo: Zoneinfo(ZoneInfo),
            }
            {
                /// The date of birth; year 0000 if the year is withheld.
                birthdate: Birthdate(Birthdate),
            }
        }
    };
}

macro_rules! define_profile {
    ($({ $($(#[$doc:meta])* $name:ident: $field:ident($type:ident),)* })*) => {
        /// The standard claims of OpenID Connect (Core 1.0, section 5.1), and bio and location.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Profile {
            $($($(#[$doc])* pub $name: Option<$crate::values::$type>,)*)*
        }

        /// The edits of the profile; the default keeps every field.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct ProfileEdits {
            $($($(#[$doc])* pub $name: Edit<$crate::values::$type>,)*)*
        }

        /// A field of the profile: an OpenID Connect claim, bio or location.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProfileField {
            $($($(#[$doc])* $field,)*)*
        }

        impl ProfileField {
            /// All fields, in the order of the JSON.
            pub const ALL: &[Self] = &[$($(Self::$field,)*)*];

            /// The dotted path of the field, as events and faults name it.
            pub fn path(self) -> &'static str {
                match self {
                    $($(Self::$field => concat!("profile.", stringify!($name)),)*)*
                }
            }
        }

        /// Applies edits to a profile and records the fields that changed.
        pub(super) fn edit_profile(
            profile: &mut Profile,
            edits: &ProfileEdits,
            changed: &mut ChangedFields,
        ) {
            $($(changed.set_optional(
                Field::Profile(ProfileField::$field),
                &mut profile.$name,
                &edits.$name,
            );)*)*
        }
    };
}

profile_fields!(define_profile);
