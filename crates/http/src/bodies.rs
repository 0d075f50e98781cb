//! The JSON of requests and responses; no type of it is the domain's or a store's.

mod batch;
mod document;
mod export;
mod fields;
mod input;
mod lockout;
mod password;
mod record;
mod relationship;
mod token;
mod user;

pub(crate) use batch::{BatchRequest, Users, whole_users};
pub(crate) use document::{document, document_of, json, unkept, unkept_document};
pub(crate) use export::ExportBody;
pub(crate) use fields::{FIELD_PATHS, FieldSet};
pub(crate) use input::decode;
pub(crate) use lockout::LockoutBody;
pub(crate) use password::{decode_login, decode_password};
pub use record::{FaultBody, UserRecord, read_record, show_faults};
pub(crate) use relationship::{
    CountsBody, FollowResults, RelatedLists, Relationships, decode_edges,
};
pub use token::ServiceTokenRecord;
pub(crate) use token::{ServiceTokens, decode_token};
pub(crate) use user::{SelectedUser, UserBody, UsersPage};
