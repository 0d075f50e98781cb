//! The bodies as schemas, standing beside the types that read and write them.
//!
//! Responses borrow and leave members out by view, and requests tell absence from null, which no derive can see: a test
//! compares each schema with what is really written and read.

#![expect(
    dead_code,
    reason = "these types are read by the derive only: `bodies` reads and writes the JSON"
)]

mod answers;
mod inputs;
mod parts;
mod relationships;
mod tokens;

pub(crate) use answers::*;
pub(crate) use inputs::*;
pub(crate) use parts::user_example;
pub(crate) use relationships::*;
pub(crate) use tokens::*;

use utoipa::openapi::{RefOr, Schema};

type Named = Vec<(String, RefOr<Schema>)>;
