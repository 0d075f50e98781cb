use super::*;
use crate::caller::{ServiceCaller, UserCaller};
use crate::test_support::samples::{awkward_user, context, person, registered, service, user_id};

fn sample() -> Arc<User> {
    Arc::new(registered(&awkward_user("alice"), &context()).user)
}

fn posts_service() -> Caller {
    Caller::Service(ServiceCaller {
        name: "posts".to_owned(),
        scopes: [crate::caller::Scope::UsersRead].into(),
    })
}

#[test]
fn other_users_and_services_see_only_the_public_part() {
    let user = sample();
    for caller in [person(user_id()), posts_service()] {
        let view = view(user.clone(), &caller);
        assert_eq!(view.access(), Access::Public);
        assert!(view.own().is_none() && view.full().is_none());
        let public = view.public();
        assert_eq!((public.id, public.username), (user.id, &user.username));
        assert_eq!(
            (public.status, public.version),
            (user.status(), user.version)
        );
        assert_eq!(public.public_metadata, &user.metadata.public);
        assert_eq!(public.created_at, user.created_at);
        assert_eq!(public.profile.name, user.profile.name.as_ref());
    }
}

#[test]
fn a_user_sees_of_itself_all_but_the_private_metadata() {
    let user = sample();
    let view = view(user.clone(), &person(user.id));
    assert_eq!(view.access(), Access::Own);
    assert!(view.full().is_none());
    let own = view.own().unwrap();
    assert_eq!(own.profile.birthdate, user.profile.birthdate.as_ref());
    assert_eq!(own.user_metadata, &user.metadata.user);
    assert_eq!((own.email, own.email_verified), (&user.email, true));
    assert_eq!(
        (own.phone_number, own.phone_number_verified),
        (user.phone_number.as_ref(), true)
    );
    assert_eq!(
        (own.external_id, own.roles),
        (user.external_id.as_ref(), &user.roles)
    );
    assert_eq!((own.updated_at, own.deleted_at), (user.updated_at, None));
}

#[test]
fn callers_with_full_access_see_the_private_metadata() {
    let user = sample();
    let admin = Caller::User(UserCaller {
        id: user_id(),
        is_admin: true,
        has_blocks: false,
    });
    for caller in [admin, service("auth"), Caller::Operator] {
        let view = view(user.clone(), &caller);
        assert_eq!(view.access(), Access::Full);
        assert_eq!(
            view.full().unwrap().private_metadata,
            &user.metadata.private
        );
        assert_eq!(view.own().unwrap().email, &user.email);
    }
}

/// The `Debug` output is what an accidental log line would contain.
#[test]
fn the_public_part_has_no_personal_data_beyond_the_profile() {
    let user = sample();
    let view = view(user.clone(), &person(user_id()));
    let shown = format!("{:?}", view.public());
    for hidden in [
        "O'Brien",
        "+1234",
        "42/~",
        "da'rk",
        "0.10000000000000001",
        "a:b",
    ] {
        assert!(!shown.contains(hidden), "the public part contains {hidden}");
    }
}

#[test]
fn the_birthdate_is_not_in_the_public_profile() {
    let user = sample();
    let shown = view(user.clone(), &person(user_id()));
    let birthdate = user.profile.birthdate.as_ref().unwrap();
    assert!(!format!("{:?}", shown.public()).contains(&birthdate.to_string()));
    assert!(shown.own().is_none());
    assert_eq!(
        view(user.clone(), &person(user.id))
            .own()
            .unwrap()
            .profile
            .birthdate,
        user.profile.birthdate.as_ref()
    );
}
