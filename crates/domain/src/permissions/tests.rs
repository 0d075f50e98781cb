use super::*;
use crate::caller::ServiceCaller;
use crate::test_support::samples::{administrator, person, user_id};
use crate::user::ProfileField;

fn service_with(scopes: &[Scope]) -> Caller {
    let scopes = scopes.iter().copied().collect();
    Caller::Service(ServiceCaller {
        name: "posts".to_owned(),
        scopes,
    })
}

/// Each action, whether the user itself may, whether another user may, and the scope that a service needs.
fn actions(on: UserId) -> [(Action, bool, bool, Scope); 19] {
    [
        (Action::Create, false, false, Scope::UsersWrite),
        (Action::Read, true, true, Scope::UsersRead),
        (Action::ReadByExternalId, false, false, Scope::UsersRead),
        (Action::ReadByEmail, false, false, Scope::UsersReadPrivate),
        (Action::ReadByRole, false, false, Scope::UsersReadPrivate),
        (
            Action::ReadByUpdateTime,
            false,
            false,
            Scope::UsersReadPrivate,
        ),
        (
            Action::ReadByPrivateMetadata,
            false,
            false,
            Scope::UsersReadPrivate,
        ),
        (Action::List, false, false, Scope::UsersRead),
        (Action::Edit(on), true, false, Scope::UsersWrite),
        (Action::Delete(on), true, false, Scope::UsersDelete),
        (Action::Erase, false, false, Scope::UsersDelete),
        (Action::Restore, false, false, Scope::UsersDelete),
        (Action::ChangeStanding, false, false, Scope::UsersWrite),
        (Action::GrantRole, false, false, Scope::RolesWrite),
        (Action::RevokeRole, false, false, Scope::RolesWrite),
        (Action::Export(on), true, false, Scope::UsersReadPrivate),
        (Action::SignOut(on), true, false, Scope::UsersWrite),
        (
            Action::ReadRelationships(on),
            true,
            false,
            Scope::UsersReadPrivate,
        ),
        (Action::ManageLockout, false, false, Scope::CredentialsWrite),
    ]
}

/// Each field, and whether the user itself, a service without `roles:write` and a service with it may write the field.
const FIELDS: [(Field, bool, bool, bool); 25] = [
    (Field::Username, true, true, true),
    (Field::Email, true, true, true),
    (Field::EmailVerified, false, true, true),
    (Field::PhoneNumber, true, true, true),
    (Field::PhoneNumberVerified, false, true, true),
    (Field::ExternalId, false, true, true),
    (Field::Status, false, true, true),
    (Field::Roles, false, false, true),
    (Field::Profile(ProfileField::Name), true, true, true),
    (Field::Profile(ProfileField::GivenName), true, true, true),
    (Field::Profile(ProfileField::FamilyName), true, true, true),
    (Field::Profile(ProfileField::Nickname), true, true, true),
    (Field::Profile(ProfileField::Picture), true, true, true),
    (Field::Profile(ProfileField::Website), true, true, true),
    (Field::Profile(ProfileField::Bio), true, true, true),
    (Field::Profile(ProfileField::Location), true, true, true),
    (Field::Profile(ProfileField::Locale), true, true, true),
    (Field::Profile(ProfileField::Zoneinfo), true, true, true),
    (Field::Profile(ProfileField::Birthdate), true, true, true),
    (Field::MetadataPublic, false, true, true),
    (Field::MetadataUser, true, true, true),
    (Field::MetadataPrivate, false, true, true),
    (Field::Password, false, true, true),
    (Field::TokensValidAfter, false, true, true),
    (Field::HasBlocks, false, true, true),
];

#[test]
fn each_action_is_permitted_only_to_its_callers() {
    let id = user_id();
    for (action, by_itself, by_another, scope) in actions(id) {
        let allowed = |may: bool| if may { Ok(()) } else { Err(Denied::Forbidden) };
        assert_eq!(
            permit(&person(id), action),
            allowed(by_itself),
            "itself, {action:?}"
        );
        assert_eq!(
            permit(&person(user_id()), action),
            allowed(by_another),
            "another, {action:?}"
        );
        assert_eq!(permit(&administrator(), action), Ok(()), "{action:?}");
        assert_eq!(permit(&Caller::Operator, action), Ok(()), "{action:?}");

        assert_eq!(required_scope(action), Some(scope), "{action:?}");
        assert_eq!(
            permit(&service_with(&[scope]), action),
            Ok(()),
            "{action:?}"
        );
        let others: Vec<Scope> = Scope::ALL
            .into_iter()
            .filter(|other| *other != scope)
            .collect();
        let lacking = Err(Denied::InsufficientScope(scope));
        assert_eq!(
            permit(&service_with(&others), action),
            lacking,
            "{action:?}"
        );
        assert_eq!(permit(&service_with(&[]), action), lacking, "{action:?}");
    }
}

#[test]
fn only_services_and_the_operator_handle_passwords_and_read_all_events() {
    for (action, scope) in [
        (Action::SetPassword, Scope::CredentialsWrite),
        (Action::VerifyCredentials, Scope::CredentialsVerify),
        (Action::ReadEvents, Scope::EventsRead),
        (Action::ReadErasures, Scope::EventsRead),
        (Action::AcknowledgeErasure, Scope::EventsRead),
        (Action::ManageErasureConsumers, Scope::EventsAdmin),
        (Action::ReadBlockEvents, Scope::UsersReadPrivate),
    ] {
        assert_eq!(required_scope(action), Some(scope));
        assert_eq!(permit(&service_with(&[scope]), action), Ok(()));
        assert_eq!(permit(&Caller::Operator, action), Ok(()));
        for caller in [person(user_id()), administrator()] {
            assert_eq!(permit(&caller, action), Err(Denied::Forbidden));
        }
        let lacking = Err(Denied::InsufficientScope(scope));
        assert_eq!(permit(&service_with(&[]), action), lacking);
    }
}

#[test]
fn only_the_operator_purges_relays_events_maintains_counts_and_releases_names() {
    for action in [
        Action::Purge,
        Action::RelayEvents,
        Action::MaintainFollowCounts,
        Action::ReleaseName,
    ] {
        assert_eq!(required_scope(action), None);
        for caller in [
            person(user_id()),
            administrator(),
            service_with(&Scope::ALL),
        ] {
            let denied = permit(&caller, action);
            assert_eq!(denied, Err(Denied::Forbidden), "{caller:?} {action:?}");
        }
        assert_eq!(permit(&Caller::Operator, action), Ok(()));
    }
}

#[test]
fn only_a_service_changes_the_relationships_of_another_user() {
    let id = user_id();
    let scope = Scope::RelationshipsWrite;
    let administering = Caller::User(crate::caller::UserCaller {
        id,
        is_admin: true,
        has_blocks: false,
    });
    assert_eq!(permit(&person(id), Action::ChangeRelationship(id)), Ok(()));
    assert_eq!(
        permit(&administering, Action::ChangeRelationship(id)),
        Ok(())
    );
    for action in [Action::ChangeRelationship(id), Action::FollowMany] {
        assert_eq!(required_scope(action), Some(scope));
        for caller in [person(user_id()), administrator()] {
            assert_eq!(permit(&caller, action), Err(Denied::Forbidden));
        }
        assert_eq!(permit(&service_with(&[scope]), action), Ok(()));
        let lacking = Err(Denied::InsufficientScope(scope));
        assert_eq!(permit(&service_with(&[]), action), lacking);
    }
    let many = permit(&person(id), Action::FollowMany);
    assert_eq!(many, Err(Denied::Forbidden));
}

#[test]
fn only_the_operator_and_services_with_the_scope_manage_tokens() {
    let action = Action::ManageTokens;
    for caller in [person(user_id()), administrator()] {
        assert_eq!(
            permit(&caller, action),
            Err(Denied::Forbidden),
            "{caller:?}"
        );
        let scopes = [Scope::UsersRead].into();
        assert_eq!(permit_scopes(&caller, &scopes), Err(Denied::Forbidden));
    }
    for scope in Scope::ALL {
        let expected = match scope {
            Scope::TokensAdmin => Ok(()),
            _ => Err(Denied::InsufficientScope(Scope::TokensAdmin)),
        };
        assert_eq!(
            permit(&service_with(&[scope]), action),
            expected,
            "{scope:?}"
        );
    }
    assert_eq!(permit(&Caller::Operator, action), Ok(()));
}

#[test]
fn a_service_grants_only_scopes_that_it_has() {
    let grant = |has: &[Scope], grants: &[Scope]| {
        permit_scopes(&service_with(has), &grants.iter().copied().collect())
    };
    let has = [Scope::TokensAdmin, Scope::UsersRead];
    assert_eq!(grant(&has, &has), Ok(()));
    assert_eq!(grant(&has, &[Scope::UsersRead]), Ok(()));
    let lacks = |scope| Err(Denied::InsufficientScope(scope));
    assert_eq!(
        grant(
            &has,
            &[Scope::EventsRead, Scope::UsersWrite, Scope::UsersRead]
        ),
        lacks(Scope::UsersWrite)
    );
    for scope in Scope::ALL {
        assert_eq!(grant(&[], &[scope]), lacks(scope), "{scope:?}");
    }
    assert_eq!(permit_scopes(&Caller::Operator, &Scope::ALL.into()), Ok(()));
}

#[test]
fn each_field_is_written_only_by_its_callers() {
    let itself = person(user_id());
    let others: Vec<Scope> = Scope::ALL
        .into_iter()
        .filter(|scope| *scope != Scope::RolesWrite)
        .collect();
    let (with, without) = (service_with(&[Scope::RolesWrite]), service_with(&others));
    for (field, by_itself, by_service, by_service_with_roles) in FIELDS {
        assert_eq!(may_write(&itself, field), by_itself, "itself, {field:?}");
        assert_eq!(
            may_write(&without, field),
            by_service,
            "a service, {field:?}"
        );
        assert_eq!(
            may_write(&with, field),
            by_service_with_roles,
            "a service with roles:write, {field:?}"
        );
        assert!(may_write(&administrator(), field), "{field:?}");
        assert!(may_write(&Caller::Operator, field), "{field:?}");
    }
}

#[test]
fn each_caller_has_its_view_of_a_user() {
    let id = user_id();
    let others: Vec<Scope> = Scope::ALL
        .into_iter()
        .filter(|scope| *scope != Scope::UsersReadPrivate)
        .collect();
    let table = [
        (person(id), Access::Own),
        (person(user_id()), Access::Public),
        (administrator(), Access::Full),
        (Caller::Operator, Access::Full),
        (service_with(&[Scope::UsersReadPrivate]), Access::Full),
        (service_with(&others), Access::Public),
        (service_with(&[]), Access::Public),
    ];
    for (caller, expected) in table {
        assert_eq!(access(&caller, id), expected, "{caller:?}");
    }
}

#[test]
fn an_administrator_sees_itself_in_full() {
    let id = user_id();
    let caller = Caller::User(crate::caller::UserCaller {
        id,
        is_admin: true,
        has_blocks: false,
    });
    assert_eq!(access(&caller, id), Access::Full);
}

#[test]
fn every_forbidden_field_is_reported_and_no_other() {
    let fields = FIELDS.map(|(field, ..)| field);
    let Err(Denied::ForbiddenFields(faults)) = permit_fields(&person(user_id()), &fields) else {
        panic!("a user may write every field");
    };
    let paths: Vec<String> = faults.iter().map(|fault| fault.path().join(".")).collect();
    let expected: Vec<&str> = FIELDS
        .iter()
        .filter(|(_, may, ..)| !may)
        .map(|(field, ..)| field.path())
        .collect();
    assert_eq!(paths, expected);
    assert!(faults.iter().all(|fault| fault.code() == "forbidden_field"));
}

#[test]
fn a_service_that_may_not_write_roles_gets_the_missing_scope() {
    let denied = permit_fields(
        &service_with(&[Scope::UsersWrite]),
        &[Field::Email, Field::Roles],
    );
    assert_eq!(denied, Err(Denied::InsufficientScope(Scope::RolesWrite)));
}

#[test]
fn a_write_of_no_fields_is_permitted() {
    assert_eq!(permit_fields(&person(user_id()), &[]), Ok(()));
}

#[test]
fn only_the_operator_may_import() {
    assert_eq!(permit(&Caller::Operator, Action::Import), Ok(()));
    let all = Caller::Service(ServiceCaller::with_all_scopes("posts"));
    for caller in [administrator(), person(user_id()), all] {
        assert_eq!(permit(&caller, Action::Import), Err(Denied::Forbidden));
    }
    assert_eq!(required_scope(Action::Import), None);
}
