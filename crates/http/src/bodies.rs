//! The JSON of requests and responses. These types are separate from the types of the domain and of the stores.

mod batch;
mod chunks;
mod export;
mod fields;
mod input;
mod lockout;
mod members;
mod password;
mod record;
mod relationship;
mod response;
mod suspension;
mod token;
mod user;

pub(crate) use batch::{BatchRequest, BatchUsersBody};
pub(crate) use chunks::{LargeObject, tracked_bytes};
pub(crate) use export::{ExportCursors, export_document};
pub(crate) use fields::{FieldSet, field_paths};
pub(crate) use input::read_user;
pub(crate) use lockout::LockoutBody;
pub(crate) use password::{read_login, read_password};
pub use record::{FaultBody, UserRecord, read_record, render_faults};
pub(crate) use relationship::{
    CountsBody, FollowResults, RelatedBody, RelatedNamesPage, Relationships, read_edges,
};
pub(crate) use response::{
    USER_CACHE_CONTROL, json, json_response, json_response_of_bytes, no_store_json_response,
    with_no_store,
};
pub(crate) use suspension::read_suspension;
pub use token::ServiceTokenRecord;
pub(crate) use token::{ServiceTokens, read_token};
pub(crate) use user::{SelectedUser, UserBody, users_page};
