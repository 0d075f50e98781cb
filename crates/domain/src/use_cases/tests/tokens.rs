//! Service tokens.

use std::sync::Arc;

use super::{away, service_with};
use crate::StoreError;
use crate::caller::{Caller, Scope};
use crate::permissions::Denied;
use crate::ports::TokenRevocation;
use crate::service_token::TokenInput;
use crate::test_support::fakes::Fakes;
use crate::test_support::mocks::{MockServiceTokenRegistry, untouched_ports};
use crate::test_support::samples::{administrator, person, token_id, user_id};
use crate::use_cases::*;
use crate::values::TokenSecret;

fn input(scopes: &[Scope]) -> TokenInput {
    TokenInput {
        name: Some("posts".to_owned()),
        scopes: Some(
            scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect(),
        ),
        ..TokenInput::default()
    }
}

#[tokio::test]
async fn a_created_token_is_shown_once_and_stored_without_secret() {
    let fakes = Fakes::default();
    let use_cases = fakes.use_cases();
    let issued = use_cases
        .issue_service_token
        .run(&Caller::Operator, &input(&[Scope::UsersRead]))
        .await
        .unwrap();
    let (id, secret) = TokenSecret::parse_token(issued.expose()).unwrap();
    assert_eq!(id, issued.token.id);
    assert!(!format!("{issued:?}").contains(secret.expose()));
    assert_eq!(issued.token.created_by.as_str(), "operator");
    let stored = fakes.store.find_token(id).await.unwrap().unwrap();
    assert_eq!(stored.token, issued.token);
    let found = use_cases
        .find_service_token
        .run(&Caller::Operator, id)
        .await;
    assert_eq!(found, Ok(issued.token.clone()));
    let listed = use_cases
        .list_service_tokens
        .run(&Caller::Operator, None, 50)
        .await;
    assert_eq!(listed.unwrap().tokens, [issued.token]);
}

#[tokio::test]
async fn a_service_creates_tokens_with_its_own_scopes_only() {
    let use_cases = Fakes::default().use_cases();
    let caller = service_with(&[Scope::TokensAdmin, Scope::UsersRead]);
    let issue = async |scopes: &[Scope]| {
        let input = input(scopes);
        let issued = use_cases.issue_service_token.run(&caller, &input);
        issued.await.map(|issued| issued.token)
    };
    let made = issue(&[Scope::UsersRead]).await.unwrap();
    assert_eq!(made.created_by.as_str(), "service:posts");
    let refused = issue(&[Scope::UsersRead, Scope::RolesWrite]).await;
    let lacking = Denied::InsufficientScope(Scope::RolesWrite);
    assert_eq!(refused, Err(IssueServiceTokenError::Denied(lacking)));
}

#[tokio::test]
async fn a_repeated_revocation_returns_the_first() {
    let use_cases = Fakes::default().use_cases();
    let issued = use_cases
        .issue_service_token
        .run(&Caller::Operator, &input(&[Scope::UsersRead]))
        .await
        .unwrap();
    let revoke = || {
        use_cases
            .revoke_service_token
            .run(&Caller::Operator, issued.token.id, None)
    };
    let Ok(TokenRevocation::Revoked(first)) = revoke().await else {
        panic!("expected a token");
    };
    assert!(first.revoked_at.is_some());
    assert_eq!(revoke().await, Ok(TokenRevocation::Revoked(first.clone())));
    let found = use_cases
        .find_service_token
        .run(&Caller::Operator, first.id)
        .await;
    assert_eq!(found, Err(ServiceTokenError::NotFound));
    let listed = use_cases
        .list_service_tokens
        .run(&Caller::Operator, None, 50)
        .await;
    assert_eq!(listed.unwrap().tokens, [first]);
    let unknown = use_cases
        .revoke_service_token
        .run(&Caller::Operator, token_id(), None);
    assert_eq!(unknown.await, Err(ServiceTokenError::NotFound));
    let unknown = use_cases
        .find_service_token
        .run(&Caller::Operator, token_id());
    assert_eq!(unknown.await, Err(ServiceTokenError::NotFound));
}

/// A call of any port would fail the test.
#[tokio::test]
async fn a_forbidden_token_operation_calls_no_port() {
    let use_cases = UseCases::new(&untouched_ports());
    let others: Vec<Scope> = Scope::ALL
        .into_iter()
        .filter(|scope| *scope != Scope::TokensAdmin)
        .collect();
    let lacking = Denied::InsufficientScope(Scope::TokensAdmin);
    let nothing = TokenInput::default();
    for (caller, denied) in [
        (person(user_id()), Denied::Forbidden),
        (administrator(), Denied::Forbidden),
        (service_with(&others), lacking),
    ] {
        let issued = use_cases.issue_service_token.run(&caller, &nothing);
        let issued = issued.await.map(|issued| issued.token);
        assert_eq!(issued, Err(IssueServiceTokenError::Denied(denied.clone())));
        let listed = use_cases.list_service_tokens.run(&caller, None, 50).await;
        assert_eq!(listed, Err(ListServiceTokensError::Denied(denied.clone())));
        let expected = ServiceTokenError::Denied(denied);
        let found = use_cases.find_service_token.run(&caller, token_id()).await;
        assert_eq!(found, Err(expected.clone()));
        let revoked = use_cases
            .revoke_service_token
            .run(&caller, token_id(), None)
            .await;
        assert_eq!(revoked, Err(expected));
    }
}

#[tokio::test]
async fn a_store_error_of_a_token_operation_reaches_the_caller() {
    let unknown = || StoreError::OutcomeUnknown("the link broke at the commit".to_owned());
    let mut registry = MockServiceTokenRegistry::new();
    registry
        .expect_add_token()
        .returning(move |_, _| Err(unknown()));
    registry
        .expect_revoke_token()
        .returning(move |_, _| Err(unknown().into()));
    registry.expect_find_token().returning(move |_| Err(away()));
    registry
        .expect_list_tokens()
        .returning(move |_, _| Err(away()));
    let fakes = Fakes::default();
    let use_cases = UseCases::new(&Ports {
        token_registry: Arc::new(registry),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    });
    let operator = Caller::Operator;
    let input = input(&[Scope::UsersRead]);
    let issued = use_cases.issue_service_token.run(&operator, &input);
    let issued = issued.await.map(|issued| issued.token);
    assert_eq!(issued, Err(IssueServiceTokenError::Store(unknown())));
    let revoked = use_cases
        .revoke_service_token
        .run(&operator, token_id(), None)
        .await;
    assert_eq!(revoked, Err(ServiceTokenError::Store(unknown())));
    let found = use_cases
        .find_service_token
        .run(&operator, token_id())
        .await;
    assert_eq!(found, Err(ServiceTokenError::Store(away())));
    let listed = use_cases.list_service_tokens.run(&operator, None, 50).await;
    assert_eq!(listed, Err(ListServiceTokensError::Store(away())));
}
