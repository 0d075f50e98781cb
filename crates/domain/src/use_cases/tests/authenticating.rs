use super::*;
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
    let says = VerifiedToken {
        subject: UserKey::Id(id),
        claims_admin,
        issued_at: Some(seconds(0)),
    };
    fakes.tokens.admit(token, says);
}

#[tokio::test]
async fn a_user_is_whom_its_token_names() {
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
async fn a_user_may_be_named_by_its_older_id() {
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
async fn an_administrator_is_whom_both_the_token_and_the_stored_user_call_one() {
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
async fn a_token_of_a_user_who_is_suspended_deleted_or_gone_is_worth_nothing() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    admit(&fakes, "token", id, false);
    let users = fakes.ports().users();
    for change in [Change::Suspend, Change::Delete] {
        users.change(id, &change, &context()).await.unwrap();
        assert_eq!(caller(&fakes, &bearer("token")).await, None, "{change:?}");
    }
    for change in [Change::Restore, Change::Activate] {
        users.change(id, &change, &context()).await.unwrap();
    }
    assert!(caller(&fakes, &bearer("token")).await.is_some());
    users.erase(id, &context()).await.unwrap();
    assert_eq!(caller(&fakes, &bearer("token")).await, None);
}

#[tokio::test]
async fn a_token_of_nobody_or_that_is_unknown_is_worth_nothing() {
    let fakes = Fakes::default();
    fakes.tokens.admit_user("nobodys", user_id());
    assert_eq!(caller(&fakes, &bearer("nobodys")).await, None);
    assert_eq!(caller(&fakes, &bearer("unknown")).await, None);
}

#[tokio::test]
async fn a_service_is_known_by_its_token_in_either_place() {
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
async fn a_users_token_is_none_of_a_service() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    admit(&fakes, "token", id, false);
    assert_eq!(
        caller(&fakes, &Credential::ServiceToken("token".to_owned())).await,
        None
    );
}

#[test]
fn a_credential_does_not_print() {
    for credential in [
        bearer("secret"),
        Credential::ServiceToken("secret".to_owned()),
    ] {
        assert!(!format!("{credential:?}").contains("secret"));
    }
}
