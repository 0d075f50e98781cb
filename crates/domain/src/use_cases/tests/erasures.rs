//! Erasures and their consumers.

use std::sync::Arc;

use super::{away, service_with, unconditional};
use crate::caller::{Caller, Scope};
use crate::ports::{ErasureError, ErasureWrite};
use crate::test_support::fakes::Fakes;
use crate::test_support::mocks::{MockErasures, untouched_ports};
use crate::test_support::samples::{new_user, registered, service, user_id};
use crate::use_cases::*;
use crate::write::WriteContext;

#[tokio::test]
async fn a_consumer_with_events_read_confirms_an_erasure() {
    let fakes = Fakes::default();
    let on = fakes.use_cases();
    let consumers = &on.manage_erasure_consumers;
    let admin = service_with(&[Scope::EventsAdmin]);
    let registration = consumers.register(&admin, "posts", None).await.unwrap();
    assert!(registration.is_new);
    assert_eq!(registration.consumer.created_by.as_str(), "service:posts");
    let listed = consumers.list(&Caller::Operator).await;
    assert_eq!(listed, Ok(vec![registration.consumer]));
    let user = registered(&new_user("ann"), &crate::test_support::samples::context());
    fakes.store.put(&user);
    let id = user.user.id;
    let erased = on
        .erase_user
        .run(&service("auth"), id, unconditional())
        .await;
    erased.unwrap();

    let reader = service_with(&[Scope::EventsRead]);
    let erasures = &on.confirm_erasures;
    let page = erasures.pending(&reader, "posts", None, 10).await.unwrap();
    assert_eq!(page.erasures.first().map(|erasure| erasure.user), Some(id));
    let report = erasures.report(&reader, id).await.unwrap();
    assert!(!report.is_complete());
    for _ in 0..2 {
        let confirmed = erasures.acknowledge(&reader, id, "posts", None).await;
        assert_eq!(confirmed, Ok(ErasureWrite::Done));
    }
    let page = erasures.pending(&reader, "posts", None, 10).await.unwrap();
    assert_eq!(page.erasures, []);
    assert!(erasures.report(&reader, id).await.unwrap().is_complete());
    let removed = consumers.remove(&admin, "posts", None).await;
    assert_eq!(removed, Ok(ErasureWrite::Done));
}

#[tokio::test]
async fn a_name_that_no_consumer_can_have_is_invalid_or_unknown() {
    let fakes = Fakes::default();
    let ports = Ports {
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    };
    let (on, caller) = (UseCases::new(&ports), Caller::Operator);
    let registered = on.manage_erasure_consumers.register(&caller, "Posts", None);
    let Err(ErasureConsumerError::Invalid(fault)) = registered.await else {
        panic!("the name is accepted");
    };
    assert_eq!(
        (fault.path().join("."), fault.code()),
        ("name".to_owned(), "forbidden_character")
    );
    let unknown = ErasureError::UnknownConsumer;
    let removed = on.manage_erasure_consumers.remove(&caller, "Posts", None);
    assert_eq!(removed.await, Err(unknown.clone().into()));
    let erasures = &on.confirm_erasures;
    let pending = erasures.pending(&caller, "Posts", None, 1).await;
    assert_eq!(pending, Err(unknown.clone().into()));
    let confirmed = erasures.acknowledge(&caller, user_id(), "Posts", None);
    assert_eq!(confirmed.await, Err(unknown.into()));
}

#[tokio::test]
async fn a_store_error_reaches_the_caller() {
    let mut store = MockErasures::new();
    let error = || ErasureError::from(away());
    store
        .expect_register_consumer()
        .returning(move |_, _: &WriteContext| Err(error()));
    store
        .expect_remove_consumer()
        .returning(move |_, _| Err(error()));
    store.expect_list_consumers().returning(|| Err(away()));
    store
        .expect_pending()
        .returning(move |_, _, _| Err(error()));
    store
        .expect_acknowledge()
        .returning(move |_, _, _| Err(error()));
    store.expect_report().returning(move |_| Err(error()));
    store.expect_summarize_pending().returning(|| Err(away()));
    let fakes = Fakes::default();
    let on = UseCases::new(&Ports {
        erasures: Arc::new(store),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    });
    let (erasures, consumers) = (&on.confirm_erasures, &on.manage_erasure_consumers);
    let (caller, id) = (Caller::Operator, user_id());
    let expected = || Some(ConfirmErasuresError::from(away()));
    assert_eq!(
        erasures.pending(&caller, "posts", None, 1).await.err(),
        expected()
    );
    assert_eq!(erasures.report(&caller, id).await.err(), expected());
    let confirmed = erasures.acknowledge(&caller, id, "posts", None).await;
    assert_eq!(confirmed.err(), expected());
    assert_eq!(erasures.summarize(&caller).await.err(), expected());
    let expected = || Some(ErasureConsumerError::from(away()));
    let registered = consumers.register(&caller, "posts", None).await;
    assert_eq!(registered.err(), expected());
    let removed = consumers.remove(&caller, "posts", None).await;
    assert_eq!(removed.err(), expected());
    assert_eq!(consumers.list(&caller).await.err(), expected());
}
