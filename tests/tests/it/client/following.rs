//! The follower of the event feed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use user_client::{
    Client, CursorStore, EventKind, FeedUpdate, Follower, MemoryCursor, NewUser, ResyncReason,
    UserFilter, UserId,
};
use user_tests::{API_TOKEN, Gateway, Received, RestartableService, Store, TestApp, Verdict};

use super::client;
use crate::events::feed::purge_events;

async fn create(client: &Client, username: &str) -> UserId {
    let user = NewUser::new(username).email(format!("{username}@example.org"));
    client.create_user(&user).await.unwrap().id
}

/// Expects that all users have to be read again, reads them, and returns their ids.
async fn resync(
    client: &Client,
    follower: &mut Follower<MemoryCursor>,
    reason: ResyncReason,
) -> BTreeSet<UserId> {
    let update = follower.next().await.unwrap();
    let FeedUpdate::Resync(resync) = &update else {
        panic!("{update:?}");
    };
    assert_eq!(resync.reason, reason);
    let users = client.users(UserFilter::new()).collect_up_to(1000).await;
    follower.confirm(&update).await.unwrap();
    users.unwrap().into_iter().map(|user| user.id).collect()
}

/// Follows until these users were created, and returns the subjects of all events, in their order.
async fn follow_until_created(
    follower: &mut Follower<MemoryCursor>,
    expected: &[UserId],
) -> Vec<UserId> {
    let mut created = Vec::new();
    while !expected.iter().all(|id| created.contains(id)) {
        let update = follower.next().await.unwrap();
        let FeedUpdate::Events(page) = &update else {
            panic!("{update:?}");
        };
        for event in &page.events {
            assert_eq!(event.kind, EventKind::UserCreated, "{event:?}");
            assert_eq!(event.data.user.as_ref().unwrap().id, event.subject);
            created.push(event.subject);
        }
        follower.confirm(&update).await.unwrap();
    }
    created
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_continues_after_a_restart_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("sqlite:///{}", folder.path().join("users.db").display());
    let service = RestartableService::start(folder.path(), &uri, &[]).await;
    service.wait_until_ready().await;
    let client = Client::new(&service.url(""), API_TOKEN).unwrap();
    let early = create(&client, "early").await;
    let mut follower = client.follow(MemoryCursor::default()).include_user();
    let known = resync(&client, &mut follower, ResyncReason::FirstStart).await;
    assert_eq!(known, BTreeSet::from([early]));

    // It waits for events while the service is killed.
    let waiting = tokio::spawn(async move {
        let update = follower.next().await;
        (follower, update)
    });
    let before = create(&client, "before").await;
    service.restart().await;
    let after = create(&client, "after").await;
    let (mut follower, update) = waiting.await.unwrap();
    // What is not confirmed is delivered again.
    assert!(matches!(update.unwrap(), FeedUpdate::Events(_)));
    let mut created = follow_until_created(&mut follower, &[before, after]).await;
    // The feed returns an event a little later than its write.
    created.retain(|id| *id != early);
    assert_eq!(created, [before, after]);
    let last = create(&client, "last").await;
    service.restart().await;
    assert_eq!(follow_until_created(&mut follower, &[last]).await, [last]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_outlasts_failures_of_the_service() {
    let app = TestApp::start(Store::Sqlite).await;
    // Every second request fails, without a problem.
    let is_failing = AtomicBool::new(true);
    let gateway = Gateway::start(app.address(), move |_: &Received| {
        if is_failing.fetch_xor(true, Ordering::SeqCst) {
            Verdict::Respond(500, Vec::new(), String::new())
        } else {
            Verdict::Forward
        }
    });
    let client = client(&app);
    let follower = Client::new(&gateway.url(), API_TOKEN).unwrap();
    let mut follower = follower.follow(MemoryCursor::default()).include_user();
    resync(&client, &mut follower, ResyncReason::FirstStart).await;
    assert_eq!(gateway.requests().len(), 2);
    let seen = create(&client, "seen").await;
    assert_eq!(follow_until_created(&mut follower, &[seen]).await, [seen]);
    assert!(gateway.requests().len() >= 4);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_events_are_gone_reads_all_users_again() {
    let app = TestApp::start(Store::Sqlite).await;
    let client = client(&app);
    let mut follower = client.follow(MemoryCursor::default()).include_user();
    resync(&client, &mut follower, ResyncReason::FirstStart).await;
    let missed = create(&client, "missed").await;
    client.list_events().now().await.unwrap();
    purge_events(&app).await;
    let known = resync(&client, &mut follower, ResyncReason::Expired).await;
    assert_eq!(known, BTreeSet::from([missed]));
    let seen = create(&client, "seen").await;
    assert_eq!(follow_until_created(&mut follower, &[seen]).await, [seen]);

    follower.store().store("no cursor").await.unwrap();
    let known = resync(&client, &mut follower, ResyncReason::Invalid).await;
    assert_eq!(known, BTreeSet::from([missed, seen]));

    // Without the scope, it ends with an error.
    let token = user_client::NewToken::new("posts", ["users:read"]);
    let issued = client.create_token(&token).await.unwrap();
    let other = client.with_token(issued.secret).unwrap();
    let error = other
        .follow(MemoryCursor::default())
        .next()
        .await
        .unwrap_err();
    assert!(
        format!("{error:?}").contains("InsufficientScope"),
        "{error:?}"
    );
    app.stop().await;
}
