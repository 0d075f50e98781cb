//! The schemas of responses, separate from the types that serialise them. Those of requests are in `bodies`.
//!
//! Responses omit members by view, which a derive does not express. Tests compare the schemas with the serialised JSON.

#![expect(
    dead_code,
    reason = "these types exist only for the derive; `bodies` serialises the JSON"
)]

mod erasures;
mod events;
mod outputs;
pub(crate) mod parts;
mod profile;
mod relationships;
mod selection;
mod tokens;

pub(crate) use erasures::*;
pub(crate) use events::*;
pub(crate) use outputs::*;
pub(crate) use parts::{created_user_example, suspended_user_example, user_example};
pub(crate) use profile::{Profile, ProfileFields};
pub(crate) use relationships::*;
pub(crate) use selection::*;
pub(crate) use tokens::*;

use utoipa::openapi::{RefOr, Schema};

pub(crate) type NamedSchemas = Vec<(String, RefOr<Schema>)>;
