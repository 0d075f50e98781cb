//! The sample users of `dev`.

use user_domain::StoreError;
use user_domain::caller::Caller;
use user_domain::input::{FieldInput, ProfileInput, RolesInput, UserInput};
use user_domain::ports::UserKey;
use user_domain::use_cases::{CreateUserError, WriteConditions};
use user_domain::values::{ExternalId, Timestamp, UserId};

use crate::compose::Composition;

/// What a token contains of a sample user.
pub(super) struct Sample {
    pub(super) id: UserId,
    pub(super) created_at: Timestamp,
}

/// A user and an administrator.
pub(super) struct Samples {
    pub(super) user: Sample,
    pub(super) admin: Sample,
}

/// Why the sample users cannot be created.
#[derive(Debug, thiserror::Error)]
pub(super) enum SampleError {
    #[error(transparent)]
    Create(#[from] CreateUserError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0} is not a valid external id")]
    Id(&'static str),
}

/// The role of administrators.
const ADMIN: &str = "admin";

impl Samples {
    /// Finds the sample users by external id, since they may have been renamed, or creates them.
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
        username: FieldInput::parse(username),
        email: FieldInput::parse(&format!("{username}@example.org")),
        external_id: FieldInput::parse(external_id),
        roles: RolesInput::parse(roles.iter().copied().map(Ok)),
        profile: ProfileInput {
            name: FieldInput::parse(name),
            ..ProfileInput::default()
        },
        ..UserInput::default()
    };
    let created = composition
        .use_cases()
        .create_user
        .run(&Caller::Operator, &input, WriteConditions::default())
        .await?;
    let user = created.view.public();
    Ok(Sample {
        id: user.id,
        created_at: user.created_at,
    })
}
