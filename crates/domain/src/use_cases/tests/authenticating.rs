use super::*;
use crate::Rejection;
use crate::caller::{Caller, ServiceCaller, UserCaller};
use crate::ports::{UserKey, VerifiedToken};
use crate::test_support::fakes::Fakes;
use crate::test_support::samples::{external_id, roles, seconds, user_id};
use crate::use_cases::*;
use crate::user::{Change, Edit};
use crate::values::UserId;

fn bearer(token: &str) -> Credential {
    Credential::Bearer(token.to_owned())
}

async fn caller(fakes: &Fakes, credential: &Credential) -> Option<Caller> {
    match fakes.use_cases().authenticate.run(credential).await {
        Ok(caller) => Some(caller),
        Err(AuthenticateError::Rejected(_)) => None,
        Err(error) => panic!("the fake failed: {error}"),
    }
}

fn admit(fakes: &Fakes, token: &str, id: UserId, claims_admin: bool) {
    let verified = VerifiedToken {
        subject: UserKey::Id(id),
        claims_admin,
        issued_at: Some(seconds(0)),
    };
    fakes.tokens.admit(token, verified);
}

#[tokio::test]
async fn a_token_authenticates_its_subject() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    admit(&fakes, "token", id, false);
    let expected = Caller::User(UserCaller {
        id,
        is_admin: false,
        has_blocks: false,
    });
    assert_eq!(caller(&fakes, &bearer("token")).await, Some(expected));
}

#[tokio::test]
async fn a_token_may_name_its_user_by_external_id() {
    let fakes = Fakes::default();
    let mut new = new_user("alice");
    new.rest.external_id = Edit::Set(external_id("42"));
    let id = stored(&fakes, &new).user.id;
    let subject = UserKey::ExternalId(external_id("42"));
    fakes.tokens.admit(
        "token",
        VerifiedToken {
            subject,
            claims_admin: false,
            issued_at: None,
        },
    );
    let expected = Caller::User(UserCaller {
        id,
        is_admin: false,
        has_blocks: false,
    });
    assert_eq!(caller(&fakes, &bearer("token")).await, Some(expected));
}

#[tokio::test]
async fn an_administrator_needs_the_role_in_token_and_store() {
    for (stored_as_admin, claims_admin) in
        [(false, false), (false, true), (true, false), (true, true)]
    {
        let fakes = Fakes::default();
        let mut new = new_user("alice");
        new.rest.roles = Some(roles(if stored_as_admin {
            &["admin"]
        } else {
            &["administrator"]
        }));
        let id = stored(&fakes, &new).user.id;
        admit(&fakes, "token", id, claims_admin);
        let is_admin = stored_as_admin && claims_admin;
        let expected = Caller::User(UserCaller {
            id,
            is_admin,
            has_blocks: false,
        });
        assert_eq!(caller(&fakes, &bearer("token")).await, Some(expected));
    }
}

#[tokio::test]
async fn a_token_of_a_suspended_deleted_or_erased_user_is_rejected() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    admit(&fakes, "token", id, false);
    let users = fakes.ports().users();
    for change in [Change::suspend(), Change::Delete] {
        users.change(id, &change, &context()).await.unwrap();
        assert_eq!(caller(&fakes, &bearer("token")).await, None, "{change:?}");
    }
    for change in [Change::Restore, Change::Activate] {
        users.change(id, &change, &context()).await.unwrap();
    }
    assert_eq!(
        caller(&fakes, &bearer("token")).await,
        None,
        "a restored user needs a new token"
    );
    let later = VerifiedToken {
        subject: UserKey::Id(id),
        claims_admin: false,
        issued_at: Some(seconds(10_000_000_000)),
    };
    fakes.tokens.admit("token", later);
    assert!(caller(&fakes, &bearer("token")).await.is_some());
    users.erase(id, &context()).await.unwrap();
    assert_eq!(caller(&fakes, &bearer("token")).await, None);
}

#[tokio::test]
async fn an_unknown_token_or_subject_is_rejected() {
    let fakes = Fakes::default();
    fakes.tokens.admit_user("absent-subject", user_id());
    assert_eq!(caller(&fakes, &bearer("absent-subject")).await, None);
    assert_eq!(caller(&fakes, &bearer("unknown")).await, None);
}

#[tokio::test]
async fn a_service_token_is_accepted_in_both_headers() {
    let fakes = Fakes::default();
    let service = ServiceCaller::with_all_scopes("posts");
    fakes.service_tokens.admit("secret", service.clone());
    let credentials = [
        bearer("secret"),
        Credential::ServiceToken("secret".to_owned()),
    ];
    for credential in credentials {
        assert_eq!(
            caller(&fakes, &credential).await,
            Some(Caller::Service(service.clone()))
        );
    }
}

#[tokio::test]
async fn a_user_token_is_not_accepted_as_a_service_token() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    admit(&fakes, "token", id, false);
    assert_eq!(
        caller(&fakes, &Credential::ServiceToken("token".to_owned())).await,
        None
    );
}

#[test]
fn debug_hides_the_credential() {
    for credential in [
        bearer("secret"),
        Credential::ServiceToken("secret".to_owned()),
    ] {
        assert!(!format!("{credential:?}").contains("secret"));
    }
}

#[tokio::test]
async fn each_rejection_of_a_subject_has_its_own_reason() {
    let (fakes, on, id) = with_alice();
    admit(&fakes, "token", id, false);
    let users = fakes.ports().users();
    let rejection = async || {
        let authenticate = &on.authenticate;
        authenticate.run(&bearer("token")).await.unwrap_err()
    };
    for (change, expected) in [
        (Change::SignOut, Rejection::SignedOut),
        (Change::suspend(), Rejection::SuspendedSubject),
        (Change::Delete, Rejection::DeletedSubject),
    ] {
        users.change(id, &change, &context()).await.unwrap();
        assert_eq!(rejection().await, expected.into(), "{change:?}");
    }
    users.erase(id, &context()).await.unwrap();
    assert_eq!(rejection().await, Rejection::UnknownSubject.into());
}

#[test]
fn only_facts_in_the_token_are_described_to_the_client() {
    for described in [
        Rejection::NotJwt,
        Rejection::NotAccessToken,
        Rejection::NoExpiry,
        Rejection::Expired,
        Rejection::NotYetValid,
    ] {
        let description = described.description().unwrap();
        // The characters of RFC 6750, section 3.
        let is_permitted = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(description.bytes().all(is_permitted), "{description}");
    }
    for withheld in [
        Rejection::WrongSignature,
        Rejection::UnknownKey,
        Rejection::RevokedServiceToken,
        Rejection::SuspendedSubject,
        Rejection::UnknownSubject,
        Rejection::SignedOut,
    ] {
        assert_eq!(withheld.description(), None, "{withheld}");
    }
}
