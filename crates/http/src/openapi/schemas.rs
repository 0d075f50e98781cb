//! The schemas of bodies, separate from the types that parse and serialise them.
//!
//! Responses omit members by view, and requests distinguish absent members from `null`; a derive expresses neither.
//! Tests compare the schemas with the serialised and parsed JSON.

#![expect(
    dead_code,
    reason = "these types exist only for the derive; `bodies` parses and serialises the JSON"
)]

mod inputs;
mod outputs;
mod parts;
mod profile;
mod relationships;
mod tokens;

pub(crate) use inputs::*;
pub(crate) use outputs::*;
pub(crate) use parts::user_example;
pub(crate) use profile::{Profile, ProfileFields};
pub(crate) use relationships::*;
pub(crate) use tokens::*;

use utoipa::openapi::{RefOr, Schema};

type NamedSchemas = Vec<(String, RefOr<Schema>)>;
