//! The schemas of the profile, from the table of its fields.

use user_domain::values::{Bio, Birthdate, Locale, ShortText, WebUrl, ZoneInfo};
use utoipa::openapi::schema::{AdditionalProperties, Object, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The writable fields of a profile.
pub(crate) struct ProfileFields;

/// The profile of a user.
pub(crate) struct Profile;

/// The rules of a text, as a schema states them.
struct TextRules {
    description: &'static str,
    max_length: Option<usize>,
    pattern: Option<&'static str>,
    /// The format and the pattern of new values. Older stored values may differ.
    input_format: Option<&'static str>,
    input_pattern: Option<&'static str>,
    example: Option<&'static str>,
}

/// A value type of the domain with rules that a schema can state.
trait DescribedText {
    const RULES: TextRules;
}

macro_rules! define_profile_schemas {
    (
        { $($(#[doc = $public_doc:literal])* $public:ident: $public_field:ident($public_type:ident),)* }
        { $($(#[doc = $own_doc:literal])* $own:ident: $own_field:ident($own_type:ident),)* }
    ) => {
        impl PartialSchema for ProfileFields {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .description(Some(
                        "The writable fields of a profile. `null` clears a field, or all fields.",
                    ))
                    .additional_properties(Some(AdditionalProperties::FreeForm(false)))
                    $(.property(stringify!($public), input(concat!($($public_doc),*), &$public_type::RULES)))*
                    $(.property(stringify!($own), input(concat!($($own_doc),*), &$own_type::RULES)))*
                    .into()
            }
        }

        impl PartialSchema for Profile {
            fn schema() -> RefOr<Schema> {
                let only_own = "Own and full view only.";
                ObjectBuilder::new()
                    .description(Some(
                        "The profile of a user. Members are named after OpenID Connect claims where these exist.",
                    ))
                    $(
                        .property(stringify!($public), output(concat!($($public_doc),*), "", &$public_type::RULES))
                        .required(stringify!($public))
                    )*
                    $(.property(stringify!($own), output(concat!($($own_doc),*), only_own, &$own_type::RULES)))*
                    .into()
            }
        }
    };
}

user_domain::profile_fields!(define_profile_schemas);

impl ToSchema for ProfileFields {}

impl ToSchema for Profile {}

fn input(field: &str, rules: &TextRules) -> Object {
    let mut schema = output(field, "", rules);
    schema.min_length = rules.pattern.is_none().then_some(1);
    schema.format = rules
        .input_format
        .map(|format| utoipa::openapi::SchemaFormat::Custom(format.to_owned()));
    schema.pattern = rules.input_pattern.or(rules.pattern).map(str::to_owned);
    schema.example = rules.example.map(Into::into);
    schema
}

fn output(field: &str, views: &str, rules: &TextRules) -> Object {
    let sentences = [field.trim(), rules.description, views];
    let sentences: Vec<&str> = sentences
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some(sentences.join(" ")))
        .max_length(rules.max_length)
        .pattern(rules.pattern)
        .build()
}

const NO_RULES: TextRules = TextRules {
    description: "",
    max_length: None,
    pattern: None,
    input_format: None,
    input_pattern: None,
    example: None,
};

impl DescribedText for ShortText {
    const RULES: TextRules = TextRules {
        max_length: Some(Self::MAX_CHARS),
        ..NO_RULES
    };
}

impl DescribedText for WebUrl {
    const RULES: TextRules = TextRules {
        description: "An absolute http or https URL of at most 2048 bytes, as typed. It has no user information before the host.",
        max_length: Some(Self::MAX_BYTES),
        input_format: Some("uri"),
        input_pattern: Some("^[Hh][Tt][Tt][Pp][Ss]?://[^@/?#]+([/?#]|$)"),
        ..NO_RULES
    };
}

impl DescribedText for Bio {
    const RULES: TextRules = TextRules {
        description: "Plain text; clients must escape it for display.",
        max_length: Some(Self::MAX_CHARS),
        ..NO_RULES
    };
}

impl DescribedText for Locale {
    const RULES: TextRules = TextRules {
        max_length: Some(Self::MAX_BYTES),
        example: Some("de-AT"),
        ..NO_RULES
    };
}

impl DescribedText for ZoneInfo {
    const RULES: TextRules = TextRules {
        max_length: Some(64),
        example: Some("Europe/Vienna"),
        ..NO_RULES
    };
}

impl DescribedText for Birthdate {
    const RULES: TextRules = TextRules {
        description: "A date as `YYYY-MM-DD` or a year as `YYYY`, not in the future. `0000-MM-DD` does not disclose the year.",
        max_length: Some(10),
        pattern: Some("^[0-9]{4}(-[0-9]{2}-[0-9]{2})?$"),
        example: Some("1990-04-01"),
        ..NO_RULES
    };
}
