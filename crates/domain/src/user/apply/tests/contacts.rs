//! Email addresses and phone numbers, and their verification.

use super::*;

/// A user with a verified email address and phone number.
fn verified_user() -> User {
    let mut new = new_user("alice");
    new.rest.email_verified = Some(true);
    new.rest.phone_number = Edit::Set(phone("+15550100"));
    new.rest.phone_number_verified = Some(true);
    registered(&new, &context()).user
}

#[test]
fn a_missing_phone_number_cannot_be_verified_at_registration() {
    let mut new = new_user("alice");
    new.rest.phone_number_verified = Some(true);
    let faults = User::register(user_id(), &new, &context()).unwrap_err();
    assert_eq!(codes(&faults), [("phone_number".to_owned(), "required")]);
}

#[test]
fn a_new_email_or_phone_number_is_not_verified() {
    let user = verified_user();
    let moved = UserEdits {
        email: Some(email("new@example.com")),
        ..UserEdits::default()
    };
    assert!(!edited(&user, moved).email_verified);
    let other = Edit::Set(phone("+15550199"));
    let moved = UserEdits {
        phone_number: other,
        ..UserEdits::default()
    };
    assert!(!edited(&user, moved).phone_number_verified);
    let removed = UserEdits {
        phone_number: Edit::Clear,
        ..UserEdits::default()
    };
    let removed = edited(&user, removed);
    assert!(
        !removed.phone_number_verified && removed.phone_number.is_none() && removed.email_verified
    );
}

#[test]
fn another_spelling_of_the_same_email_stays_verified() {
    let user = verified_user();
    let shouted = email(&user.email.as_str().to_uppercase());
    let user = edited(
        &user,
        UserEdits {
            email: Some(shouted.clone()),
            ..UserEdits::default()
        },
    );
    assert!(user.email_verified);
    assert_eq!(user.email, shouted);
}

#[test]
fn a_verification_needs_the_stored_value_or_a_version() {
    let mut new = new_user("alice");
    new.rest.phone_number = Edit::Set(phone("+15550100"));
    let user = registered(&new, &context()).user;
    let any = || WriteContext {
        precondition: Precondition::Exists,
        ..context()
    };
    let verified = |email, phone_number| {
        edit(UserEdits {
            email,
            email_verified: Some(true),
            phone_number,
            phone_number_verified: Some(true),
            ..UserEdits::default()
        })
    };
    let both = ["email_verified", "phone_number_verified"];
    let other_email = Some(email("other@example.com"));
    let other_phone = Edit::Set(phone("+15550199"));
    let stored_email = Some(email(&user.email.as_str().to_uppercase()));
    let stored_phone = Edit::Set(phone("+15550100"));
    let cases = [
        (verified(None, Edit::Keep), context(), &both[..]),
        (verified(None, Edit::Keep), any(), &both[..]),
        (
            verified(other_email.clone(), other_phone.clone()),
            context(),
            &both[..],
        ),
        (
            verified(stored_email.clone(), Edit::Keep),
            context(),
            &both[1..],
        ),
        (verified(None, stored_phone.clone()), any(), &both[..1]),
        (verified(stored_email, stored_phone), context(), &[]),
        (verified(None, Edit::Keep), context_expecting(1), &[]),
        (
            verified(other_email, other_phone),
            context_expecting(1),
            &[],
        ),
    ];
    for (change, context, unsure) in cases {
        match user.apply(&change, &context) {
            Err(ChangeRefused::PreconditionRequired(faults)) => {
                let paths: Vec<String> =
                    faults.iter().map(|fault| fault.path().join(".")).collect();
                assert_eq!(paths, unsure, "{change:?}");
            }
            Ok(Some(applied)) => {
                assert!(unsure.is_empty(), "{change:?}");
                assert!(applied.user.email_verified && applied.user.phone_number_verified);
            }
            other => panic!("{change:?} returned {other:?}"),
        }
    }
}

#[test]
fn a_verification_can_be_withdrawn_without_a_version() {
    let edits = UserEdits {
        email_verified: Some(false),
        ..UserEdits::default()
    };
    let applied = verified_user()
        .apply(&edit(edits), &context())
        .unwrap()
        .unwrap();
    assert_eq!(applied.event.changed, ["email_verified"]);
}
