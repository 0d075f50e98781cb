//! The sample users of `dev`.

use user_domain::StoreError;
use user_domain::caller::Caller;
use user_domain::input::{ProfileInput, Raw, RolesInput, UserInput};
use user_domain::ports::UserKey;
use user_domain::use_cases::{CreateUserError, WriteConditions};
use user_domain::values::{ExternalId, Timestamp, UserId};

use crate::compose::Composition;

/// What a token needs to know of a sample user.
pub(super) struct Sample {
    pub(super) id: UserId,
    pub(super) created_at: Timestamp,
}

/// A user and an administrator.
pub(super) struct Samples {
    pub(super) user: Sample,
    pub(super) admin: Sample,
}

/// Why there are no sample users.
#[derive(Debug, thiserror::Error)]
pub(super) enum SampleError {
    #[error(transparent)]
    Create(#[from] CreateUserError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the id {0} is not one")]
    Id(&'static str),
}

/// The administrators' role.
const ADMIN: &str = "admin";

impl Samples {
    /// Finds the sample users, whatever they are called by now, or makes them.
    pub(super) async fn ensure(composition: &Composition) -> Result<Self, SampleError> {
        Ok(Self {
            user: ensure(composition, "dev:user", "ada", "Ada Lovelace", &[]).await?,
            admin: ensure(
                composition,
                "dev:administrator",
                "grace",
                "Grace Hopper",
                &[ADMIN],
            )
            .await?,
        })
    }
}

async fn ensure(
    composition: &Composition,
    external_id: &'static str,
    username: &str,
    name: &str,
    roles: &[&str],
) -> Result<Sample, SampleError> {
    let key = ExternalId::parse(external_id).map_err(|_| SampleError::Id(external_id))?;
    if let Some(user) = composition
        .ports
        .reader
        .find(&UserKey::ExternalId(key))
        .await?
    {
        return Ok(Sample {
            id: user.id,
            created_at: user.created_at,
        });
    }
    let input = UserInput {
        username: text(username),
        email: text(&format!("{username}@example.org")),
        external_id: text(external_id),
        roles: RolesInput(Raw::Value(roles.iter().map(|role| text(role)).collect())),
        profile: ProfileInput {
            name: text(name),
            ..ProfileInput::default()
        },
        ..UserInput::default()
    };
    let made = composition
        .use_cases()
        .create_user
        .run(&Caller::Operator, &input, WriteConditions::default())
        .await?;
    let user = made.view.public();
    Ok(Sample {
        id: user.id,
        created_at: user.created_at,
    })
}

fn text(text: &str) -> Raw<String> {
    Raw::Value(text.to_owned())
}
