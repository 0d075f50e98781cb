#![doc = include_str!("../README.md")]

mod batch;
mod call;
mod client;
mod credentials;
mod erasures;
mod error;
mod etag;
mod events;
mod export;
mod filter;
mod follower;
mod health;
mod loader;
mod merge_patch;
mod open_enum;
#[doc(hidden)]
pub mod operation;
mod page;
mod problem;
mod relationships;
mod retry;
mod tokens;
mod transport;
mod user;
mod user_input;
mod users;

pub use batch::{BatchGetRequest, MAX_BATCH};
pub use call::{Answered, ConsistencyToken, Read, Write};
pub use client::{Client, ClientBuilder};
pub use credentials::{Lockout, Login};
pub use erasures::{Confirmation, Erasure, ErasureConsumer, ErasureReport, ErasureState};
pub use error::{Error, ErrorKind};
pub use etag::{ETag, Versioned};
pub use events::{CloudEvent, EventData, EventKind, EventPage, HistoryEvent};
pub use export::{
    CredentialKind, Export, ExportedList, LoginAttempts, RelatedUserList, RelatedUsers,
    ReleasedUsername,
};
pub use filter::{SortOrder, UserFilter};
pub use follower::{
    CursorStore, FeedUpdate, FollowError, Follower, MemoryCursor, NewestOnly, Resync, ResyncReason,
};
pub use health::Readiness;
pub use loader::UserLoader;
pub use page::{Items, Page};
pub use problem::{Code, FieldError, Problem};
pub use relationships::{FollowPair, FollowResult, RelatedUser, Relationship};
pub use tokens::{IssuedServiceToken, NewToken, ServiceToken};
pub use user::{Counts, Metadata, Profile, Status, Suspension, User, UserSelection, View};
pub use user_domain::Secret;
pub use user_domain::user::ProfileField;
pub use user_domain::values::{Revision, ServiceTokenId, Timestamp, UserId, Version};
pub use user_input::{
    MetadataObject, NewSuspension, NewUser, UserPatch, UserReplacement, WritableStatus,
};

pub use reqwest;
