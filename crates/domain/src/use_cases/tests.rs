//! Use cases on mocks, for failures and for what must not be called, and on fakes, for everything else.

mod authenticating;
mod denials;
mod failures;
mod importing;
mod lifecycle;
mod passwords;
mod purging;
mod reading;
mod recalling;
mod relationships;
mod tokens;
mod writing;

use crate::input::{ProfileInput, Raw, UserInput};
use crate::ports::ChangeLog as _;
use crate::test_support::fakes::Fakes;
use crate::test_support::samples::{context, new_user, registered};
use crate::use_cases::WriteConditions;
use crate::user::{Applied, EventKind, NewUser};
use crate::values::UserId;
use crate::write::{Idempotency, IdempotencyKey, Precondition};

fn text(text: &str) -> Raw<String> {
    Raw::Value(text.to_owned())
}

/// What suffices for a new user.
fn input(username: &str) -> UserInput {
    UserInput {
        username: text(username),
        email: text(&format!("{username}@example.com")),
        ..UserInput::default()
    }
}

/// A merge of a name into a profile.
fn called(name: &str) -> UserInput {
    UserInput {
        profile: ProfileInput {
            name: text(name),
            ..ProfileInput::default()
        },
        ..UserInput::default()
    }
}

/// A user that the fake store holds.
fn stored(fakes: &Fakes, new: &NewUser) -> Applied {
    let applied = registered(new, &context());
    fakes.store.put(&applied);
    applied
}

fn stored_user(fakes: &Fakes, name: &str) -> Applied {
    stored(fakes, &new_user(name))
}

fn at_version(version: i64) -> WriteConditions {
    WriteConditions {
        precondition: Precondition::AnyOf(vec![version]),
        idempotency: None,
    }
}

fn under(key: &str, request: u8) -> WriteConditions {
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

async fn kinds(fakes: &Fakes, id: UserId) -> Vec<EventKind> {
    fakes
        .store
        .about(id)
        .await
        .unwrap()
        .iter()
        .map(|event| event.kind)
        .collect()
}
