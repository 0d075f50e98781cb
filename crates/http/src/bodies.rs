//! The JSON of requests and responses. These types are separate from the types of the domain and of the stores.

mod batch;
mod chunks;
mod erasure;
mod event;
mod export;
mod fields;
mod input;
mod lockout;
mod log_level;
mod members;
mod password;
mod record;
mod relationship;
mod response;
mod suspension;
mod token;
mod user;

use serde_json::{Map, Value};

use crate::problem::Problem;

pub(crate) use batch::{BatchGetRequest, BatchRequest, BatchUsersBody};
pub(crate) use chunks::{LargeObject, tracked_bytes};
pub(crate) use erasure::{
    ErasureConsumerBody, ErasureConsumersBody, ErasurePageBody, ErasureReportBody,
};
pub use event::cloud_event;
pub(crate) use event::events_page;
pub(crate) use export::{ExportCursors, export_document, history_page};
pub(crate) use fields::{FieldSet, field_paths};
pub(crate) use input::{NewUser, UserPatch, UserReplacement};
pub(crate) use lockout::LockoutBody;
pub(crate) use log_level::NewLogLevel;
pub(crate) use password::{Login, NewPassword};
pub use record::{FaultBody, UserRecord, read_record, render_faults};
pub(crate) use relationship::{
    CountsBody, FollowBatchRequest, FollowResults, RelatedBody, RelatedNamesPage, Relationships,
};
pub(crate) use response::{
    USER_CACHE_CONTROL, json, json_response, json_response_of_bytes, no_store_json_response,
    with_no_store,
};
pub(crate) use suspension::NewSuspension;
pub use token::ServiceTokenRecord;
pub(crate) use token::{NewToken, ServiceTokens};
pub(crate) use user::{SelectedUser, UserBody, UserSelection, users_page};

/// The body of a request. The type itself is the schema in the OpenAPI description.
pub(crate) trait RequestBody: 'static {
    /// The input of the use case.
    type Input: Send + 'static;

    /// Reads the input from a JSON object. The use case reports faults of the input, after its check of the permission.
    ///
    /// # Errors
    /// If the use case cannot report the faults.
    fn read(document: Map<String, Value>) -> Result<Self::Input, Problem>;
}
