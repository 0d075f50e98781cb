//! Steps 18 to 30: logins, relationships, events, erasures and tokens.

use std::collections::BTreeSet;
use std::time::Duration;

use user_client::{
    Client, Code, ErasureState, EventKind, ExportedList, FollowPair, FollowResult, Login,
    NewSuspension, NewToken, NewUser, ProfileField, Secret, Status, User, UserFilter, UserId,
    UserPatch, View,
};
use user_tests::TestApp;

use super::PASSWORD;
use crate::client::client_of;

pub(super) async fn sign_in(app: &TestApp, client: &Client, alice: &User) {
    // 18. Verify the password.
    let login = Login::new("alice@example.org", PASSWORD).source("203.0.113.7");
    assert_eq!(
        client.verify_credentials(&login).await.unwrap().id,
        alice.id
    );

    // 19. A wrong one is refused, counted, and forgotten.
    let error = client
        .verify_credentials(&Login::new("Alice.Smith", "wrong"))
        .await
        .unwrap_err();
    assert!(
        error.is(&Code::InvalidCredentials) && !error.may_be_done(),
        "{error:?}"
    );
    assert_eq!(client.get_lockout(alice.id).await.unwrap().failures, 1);
    client.clear_lockout(alice.id).await.unwrap();
    assert_eq!(client.get_lockout(alice.id).await.unwrap().failures, 0);

    // 20. Set another password, and remove it.
    client
        .set_password(alice.id, &Secret::from("another long password"))
        .await
        .unwrap();
    client
        .verify_credentials(&Login::new("Alice.Smith", "another long password"))
        .await
        .unwrap();
    client.remove_password(alice.id).await.unwrap();
    assert!(client.verify_credentials(&login).await.is_err());

    // 21. The user itself sees its own view, and changes itself.
    let own = client_of(app, alice.id);
    let me = own.get_me().await.unwrap();
    assert_eq!((me.id, me.view()), (alice.id, View::Own));
    let patch = UserPatch::new().profile(ProfileField::Nickname, "Ally");
    assert_eq!(
        own.update_me(&patch)
            .await
            .unwrap()
            .profile
            .nickname
            .as_deref(),
        Some("Ally")
    );
    let error = own
        .update_me(&UserPatch::new().roles(["admin"]))
        .await
        .unwrap_err();
    assert!(error.is(&Code::ForbiddenField), "{error}");
}

pub(super) async fn relate(app: &TestApp, client: &Client, alice: UserId, others: &[UserId]) {
    // 22. Follow, one and many.
    let own = client_of(app, alice);
    own.follow_user(alice, others[0]).await.unwrap();
    let pairs = [
        FollowPair {
            follower: alice,
            target: others[0],
        },
        FollowPair {
            follower: others[1],
            target: alice,
        },
        FollowPair {
            follower: alice,
            target: alice,
        },
    ];
    let results = client.batch_follow(&pairs).await.unwrap();
    assert_eq!(results[0], FollowResult::Follows { is_new: false });
    assert_eq!(results[1], FollowResult::Follows { is_new: true });
    assert!(
        matches!(&results[2], FollowResult::Refused { status: 422, .. }),
        "{results:?}"
    );

    // 23. Lists and relationships.
    let following = client.following(alice).collect_up_to(10).await.unwrap();
    assert_eq!(
        following.iter().map(|user| user.id).collect::<Vec<_>>(),
        [others[0]]
    );
    assert_eq!(following[0].view(), View::Public);
    assert_eq!(
        client.followers(alice).collect_up_to(10).await.unwrap()[0].id,
        others[1]
    );
    let related = own
        .get_relationships(alice, [others[0], others[1]])
        .await
        .unwrap();
    assert!(related[0].as_ref().unwrap().following && related[1].as_ref().unwrap().followed_by);

    // 24. Block and unblock.
    own.block_user(alice, others[1]).await.unwrap();
    assert_eq!(
        own.blocks(alice).collect_up_to(10).await.unwrap()[0].id,
        others[1]
    );
    assert!(own.get_user(others[1]).await.unwrap_err().is_not_found());
    assert!(own.unfollow_user(alice, others[0]).await.is_ok());
    own.unblock_user(alice, others[1]).await.unwrap();
    assert!(
        client
            .followers(alice)
            .collect_up_to(10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(super) async fn suspend_and_delete(client: &Client, alice: UserId) {
    // 25. Suspend and activate.
    let suspended = client
        .suspend_user(alice, &NewSuspension::new().reason("spam"))
        .await
        .unwrap();
    assert_eq!(suspended.status, Status::Suspended);
    assert_eq!(
        suspended.suspension.as_ref().unwrap().reason.as_deref(),
        Some("spam")
    );
    assert_eq!(
        client.activate_user(alice).await.unwrap().status,
        Status::Active
    );
    client.sign_out(alice).await.unwrap();

    // 26. Delete on the condition of a version, and restore.
    let error = client
        .delete_user(alice)
        .if_match(suspended.etag())
        .await
        .unwrap_err();
    assert!(error.is_changed_since(), "{error}");
    client.delete_user(alice).await.unwrap();
    let error = client.get_user(alice).no_cache().await.unwrap_err();
    assert!(error.is(&Code::UserNotFound), "{error}");
    let deleted = client
        .list_users(&UserFilter::new().status(Status::Deleted))
        .await
        .unwrap();
    assert_eq!(deleted.items[0].id, alice);
    assert_eq!(
        client.restore_user(alice).await.unwrap().status,
        Status::Active
    );

    // 27. The export, and the next part of a list.
    let export = client.export_user(alice).await.unwrap();
    assert_eq!(export.user.id, alice);
    assert!(export.events.unwrap().len() > 8);
    let part = client
        .export_user(alice)
        .continue_list(ExportedList::Events, "x")
        .await;
    assert!(part.unwrap_err().is(&Code::InvalidCursor));
}

pub(super) async fn read_events(client: &Client, alice: UserId, position: &str) {
    // 28. The history and the feed have the same changes.
    let mut history: Vec<_> = client
        .user_history(alice)
        .collect_up_to(1000)
        .await
        .unwrap();
    history.reverse();
    // It also has what happened to others because of the user.
    history.retain(|event| event.subject_id == alice);
    let mut feed = Vec::new();
    let mut cursor = position.to_owned();
    loop {
        let page = client
            .list_events()
            .from(&cursor)
            .subject(alice)
            .limit(3)
            .wait(Duration::from_secs(5))
            .await
            .unwrap();
        feed.extend(page.events.into_iter().map(|event| event.kind));
        cursor = page.cursor;
        if feed.len() >= history.len() && !page.has_more {
            break;
        }
    }
    let history: Vec<EventKind> = history.into_iter().map(|event| event.kind).collect();
    assert_eq!(feed, history);
    let deleted = client
        .list_events()
        .from(position)
        .kind(&EventKind::UserDeleted);
    let deleted = deleted.include_user().await.unwrap();
    assert_eq!(deleted.events[0].data.user.as_ref().unwrap().id, alice);
}

pub(super) async fn erase(client: &Client, alice: UserId) {
    // 29. Erase, and confirm the erasure.
    client.put_erasure_consumer("posts").await.unwrap();
    assert_eq!(
        client.list_erasure_consumers().await.unwrap()[0].name,
        "posts"
    );
    client.erase_user(alice).await.unwrap();
    assert!(
        client
            .get_user(alice)
            .no_cache()
            .await
            .unwrap_err()
            .is_not_found()
    );
    let pending = client.erasures("posts").collect_up_to(10).await.unwrap();
    assert_eq!(
        pending
            .iter()
            .map(|erasure| erasure.user_id)
            .collect::<BTreeSet<_>>(),
        BTreeSet::from([alice])
    );
    client.acknowledge_erasure(alice, "posts").await.unwrap();
    let report = client.get_erasure(alice).await.unwrap();
    assert_eq!(
        (report.state, report.consumers[0].name.as_str()),
        (ErasureState::Complete, "posts")
    );
    let error = client
        .get_erasure(UserId::parse("0199b8f2-7c1e-7000-8000-000000000000").unwrap())
        .await;
    assert!(error.unwrap_err().is(&Code::ErasureNotFound));
    client.delete_erasure_consumer("posts").await.unwrap();
}

pub(super) async fn manage_tokens(client: &Client) {
    // 30. Create, use, list and revoke a token.
    let issued = client
        .create_token(&NewToken::new("posts", ["users:read"]))
        .await
        .unwrap();
    let posts = client.with_token(issued.secret).unwrap();
    assert!(posts.count_users(&UserFilter::new()).await.unwrap() > 0);
    let error = posts.create_user(&NewUser::new("x")).await.unwrap_err();
    assert_eq!(
        error.problem().unwrap().required_scope.as_deref(),
        Some("users:write"),
        "{error}"
    );
    let id = issued.token.id;
    assert_eq!(client.get_token(id).await.unwrap().name, "posts");
    assert_eq!(client.list_tokens().await.unwrap().items[0].id, id);
    client.revoke_token(id).await.unwrap();
    let error = posts.count_users(&UserFilter::new()).await.unwrap_err();
    assert!(error.is(&Code::InvalidToken), "{error}");
}
