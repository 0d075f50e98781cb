//! Tests of the use cases. Mocks simulate failures and detect unwanted calls; fakes serve all other tests.

mod authenticating;
mod denials;
mod erasures;
mod failures;
mod importing;
mod lifecycle;
mod passwords;
mod purging;
mod read_user;
mod reading;
mod relationships;
mod relay_events;
mod tokens;
mod writing;

use std::str::FromStr;

use crate::caller::{Caller, Scope, ServiceCaller};
use crate::input::{FieldInput, ProfileInput, UserInput};
use crate::ports::UserWriter as _;
use crate::test_support::contracts::events_of;
use crate::test_support::fakes::Fakes;
use crate::test_support::samples::{context, new_user, registered};
use crate::use_cases::{EditUserError, UseCases, WriteConditions, WrittenView};
use crate::user::{Applied, Change, EventKind, NewUser};
use crate::values::UserId;
use crate::write::{Idempotency, IdempotencyKey, Precondition};
use crate::{StoreError, Violation};

fn text<T: FromStr<Err = Violation>>(text: &str) -> FieldInput<T> {
    FieldInput::parse(text)
}

/// A service with some scopes.
fn service_with(scopes: &[Scope]) -> Caller {
    Caller::Service(ServiceCaller {
        name: "posts".to_owned(),
        scopes: scopes.iter().copied().collect(),
    })
}

fn away() -> StoreError {
    StoreError::Unavailable("the pool is empty".to_owned())
}

/// The minimal input for a new user.
fn input(username: &str) -> UserInput {
    UserInput {
        username: text(username),
        email: text(&format!("{username}@example.com")),
        ..UserInput::default()
    }
}

/// An update of the profile name.
fn name_update(name: &str) -> UserInput {
    UserInput {
        profile: ProfileInput {
            name: text(name),
            ..ProfileInput::default()
        },
        ..UserInput::default()
    }
}

/// Puts a user into the fake store.
fn stored(fakes: &Fakes, new: &NewUser) -> Applied {
    let applied = registered(new, &context());
    fakes.store.put(&applied);
    applied
}

fn stored_user(fakes: &Fakes, name: &str) -> Applied {
    stored(fakes, &new_user(name))
}

/// Fakes with one stored user, the use cases on them, and the id of the user.
fn with_alice() -> (Fakes, UseCases, UserId) {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    let on = fakes.use_cases();
    (fakes, on, id)
}

/// Changes a stored user past the use cases.
async fn change_user(fakes: &Fakes, id: UserId, change: &Change) {
    fakes.store.change(id, change, &context()).await.unwrap();
}

fn at_version(version: i64) -> WriteConditions {
    WriteConditions {
        precondition: Precondition::AnyOf(vec![version.into()]),
        idempotency: None,
    }
}

fn with_key(key: &str, request: u8) -> WriteConditions {
    let key = IdempotencyKey::parse(key).unwrap();
    let idempotency = Some(Idempotency {
        key,
        fingerprint: [request; 32],
    });
    WriteConditions {
        precondition: Precondition::None,
        idempotency,
    }
}

fn unconditional() -> WriteConditions {
    WriteConditions::default()
}

/// Changes the profile name to `Alice`.
async fn update_name(
    on: &UseCases,
    caller: &Caller,
    id: UserId,
    conditions: WriteConditions,
) -> Result<WrittenView, EditUserError> {
    let update = name_update("Alice");
    on.update_user.run(caller, id, &update, conditions).await
}

async fn kinds(fakes: &Fakes, id: UserId) -> Vec<EventKind> {
    events_of(&*fakes.store, id)
        .await
        .iter()
        .map(|event| event.kind)
        .collect()
}
