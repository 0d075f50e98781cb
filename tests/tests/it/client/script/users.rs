//! Steps 1 to 17: users, lists and batches.

use serde_json::json;
use user_client::{
    BatchGetRequest, Client, Code, MetadataObject, NewUser, ProfileField, SortOrder, Status, User,
    UserFilter, UserId, UserPatch, UserReplacement, Versioned, View,
};

use super::PASSWORD;

pub(super) async fn create_and_conflict(client: &Client) -> Versioned<User> {
    // 1. Create a user.
    let new = NewUser::new("Alice.Smith")
        .email("alice@example.org")
        .external_id("ext-1")
        .profile(ProfileField::Name, "Alice")
        .profile(ProfileField::Bio, "First line.\nSecond line.")
        .metadata(MetadataObject::Public, "badge", "gold")
        .metadata(MetadataObject::Private, "score", 7)
        .password(PASSWORD);
    let created = client
        .create_user(&new)
        .idempotency_key("create-alice")
        .send()
        .await
        .unwrap();
    assert!(!created.was_replayed && created.request_id.is_some());
    let alice = created.value;
    assert_eq!(
        (alice.view(), alice.status, alice.version.get()),
        (View::Full, Status::Active, 1)
    );

    // 2. The same write again is replayed.
    let again = client
        .create_user(&new)
        .idempotency_key("create-alice")
        .send()
        .await
        .unwrap();
    assert!(again.was_replayed);
    assert_eq!(again.value, alice);

    // 3. Another write under the same key is refused.
    let other = NewUser::new("other").email("other@example.org");
    let error = client
        .create_user(&other)
        .idempotency_key("create-alice")
        .await
        .unwrap_err();
    assert!(error.is(&Code::IdempotencyKeyReused), "{error}");

    // 4. Its name is taken, in any case.
    let same_name = NewUser::new("ALICE.smith").email("other@example.org");
    let error = client.create_user(&same_name).await.unwrap_err();
    assert!(
        error.is_conflict() && error.is(&Code::UsernameTaken),
        "{error}"
    );
    assert!(!error.may_be_done());

    // 5. Invalid fields are named.
    let invalid = NewUser::new("a")
        .email("no-address")
        .profile(ProfileField::Website, "no-url");
    let error = client.create_user(&invalid).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!(problem.status, 422);
    for pointer in ["/username", "/email", "/profile/website"] {
        assert!(problem.error_at(pointer).is_some(), "{pointer}: {problem}");
    }
    alice
}

pub(super) async fn change(client: &Client, alice: Versioned<User>) -> Versioned<User> {
    // 6. Set a field to null.
    let patch = UserPatch::new().profile(ProfileField::Bio, None);
    let written = client.update_user(alice.id, &patch).send().await.unwrap();
    assert_eq!(
        (
            written.value.profile.bio.as_ref(),
            written.value.version.get()
        ),
        (None, 2)
    );

    // 7. A read that includes the write.
    let mut read = client.get_user(alice.id);
    if let Some(position) = &written.consistency {
        read = read.after(position);
    }
    assert_eq!(read.await.unwrap(), written.value);

    // 8. Saving an older state is refused.
    let mut old = alice;
    old.profile.name = Some("Too late".to_owned());
    let error = client.save(&old).await.unwrap_err();
    assert!(
        error.is_changed_since() && error.status() == Some(412),
        "{error}"
    );

    // 9. Saving the current state writes the changes only.
    let mut current = written.value;
    current.profile.name = Some("Alice Smith".to_owned());
    current
        .metadata
        .public
        .insert("level".to_owned(), json!({"a": 1}));
    current.roles.push("editor".to_owned());
    let saved = client.save(&current).await.unwrap();
    assert_eq!(saved.version.get(), 3);
    let mut expected = current.into_inner();
    expected.version = saved.version;
    expected.updated_at = saved.updated_at;
    assert_eq!(*saved, expected);

    // 10. An edit reads, changes and saves. Of sixteen at once, each either takes effect or, after its eight attempts,
    // reports that others have changed the user.
    let edits = (0..16).map(|number| {
        client.edit_user(saved.id, move |user| {
            user.metadata
                .public
                .insert(format!("n{number}"), json!(number));
        })
    });
    let edited = futures_util::future::join_all(edits).await;
    let succeeded = edited.iter().filter(|result| result.is_ok()).count();
    assert!(succeeded > 0, "{edited:?}");
    let failed = edited.iter().filter_map(|result| result.as_ref().err());
    for error in failed {
        assert!(error.is_changed_since(), "{error:?}");
    }
    let now = client.get_user(saved.id).no_cache().await.unwrap();
    let numbers = now
        .metadata
        .public
        .keys()
        .filter(|name| name.starts_with('n'))
        .count();
    assert_eq!(numbers, succeeded);

    // 11. A replacement needs the tag, and removes what it does not have.
    let replacement = UserReplacement::new("Alice.Smith", "alice@example.org");
    let error = client
        .replace_user(saved.id, &replacement, saved.etag())
        .await
        .unwrap_err();
    assert!(error.is_changed_since(), "{error}");
    let replaced = client
        .replace_user(saved.id, &replacement, now.etag())
        .await
        .unwrap();
    assert!(replaced.metadata.public.is_empty() && replaced.profile.name.is_none());
    assert_eq!(replaced.external_id.as_deref(), Some("ext-1"));

    // 12. An unchanged user is not sent again.
    let unchanged = client
        .get_user(saved.id)
        .if_changed_since(replaced.etag())
        .await
        .unwrap();
    assert_eq!(unchanged, None);
    let changed = client
        .get_user(saved.id)
        .if_changed_since(saved.etag())
        .await
        .unwrap();
    assert_eq!(changed.unwrap(), replaced);
    replaced
}

pub(super) async fn lists_and_batches(client: &Client, alice: &User) -> Vec<UserId> {
    // 13. By name, by external id, and some fields only.
    assert_eq!(
        client.get_user_by_username("alice.smith").await.unwrap().id,
        alice.id
    );
    assert_eq!(
        client.get_user_by_external_id("ext-1").await.unwrap().id,
        alice.id
    );
    let selected = client
        .get_user(alice.id)
        .include_counts()
        .fields(["username", "email_verified"]);
    let selected = selected.await.unwrap();
    assert_eq!(selected.username.as_deref(), Some("Alice.Smith"));
    assert_eq!(
        (selected.email_verified, selected.version),
        (Some(false), None)
    );
    assert_eq!(selected.counts.unwrap().followers, 0);

    // 14. Three pages.
    let mut ids = Vec::new();
    for number in 0..5 {
        let user = NewUser::new(format!("user{number}")).email(format!("user{number}@example.org"));
        ids.push(client.create_user(&user).await.unwrap().id);
    }
    let filter = UserFilter::new().sort(SortOrder::OldestFirst);
    let mut walked = Vec::new();
    let mut pages = 0;
    let mut cursor = None;
    loop {
        let page = client
            .list_users(&filter)
            .limit(2)
            .at(cursor)
            .no_cache()
            .await
            .unwrap();
        walked.extend(page.items.into_iter().map(|user| user.id));
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let all: Vec<UserId> = [alice.id].into_iter().chain(ids.iter().copied()).collect();
    assert_eq!((pages, &walked), (3, &all));

    // 15. The same as a stream, with filters, and counted.
    let mut users = client.users(filter);
    let mut streamed = Vec::new();
    while let Some(user) = users.next().await {
        streamed.push(user.unwrap().id);
    }
    assert_eq!(streamed, all);
    let filter = UserFilter::new()
        .username_prefix("user")
        .status(Status::Active);
    assert_eq!(client.count_users(&filter).await.unwrap(), 5);
    let error = client
        .list_users(&UserFilter::new())
        .at(Some("x".to_owned()))
        .await
        .unwrap_err();
    assert!(error.is(&Code::InvalidCursor), "{error}");

    // 16. A batch with an unknown id, in order.
    let unknown = UserId::parse("0199b8f2-7c1e-7000-8000-000000000000").unwrap();
    let batch = BatchGetRequest::ids([ids[1], unknown, ids[0], ids[1]]);
    let users = client.batch_get_users(&batch).await.unwrap();
    let found: Vec<Option<UserId>> = users
        .iter()
        .map(|user| user.as_ref().map(|user| user.id))
        .collect();
    assert_eq!(found, [Some(ids[1]), None, Some(ids[0]), Some(ids[1])]);

    // 17. Batches by other keys, and some fields only.
    let by_name = BatchGetRequest::usernames(["USER0", "no one"]);
    let users = client
        .batch_select_users(by_name, ["username"])
        .await
        .unwrap();
    assert_eq!(
        users[0].as_ref().unwrap().username.as_deref(),
        Some("user0")
    );
    assert_eq!(users[1], None);
    let by_email = BatchGetRequest::emails(["user1@example.org"]);
    assert_eq!(
        client.batch_get_users(&by_email).await.unwrap()[0]
            .as_ref()
            .unwrap()
            .id,
        ids[1]
    );
    let by_external_id = BatchGetRequest::external_ids(["ext-1"]);
    assert_eq!(
        client.batch_get_users(&by_external_id).await.unwrap()[0]
            .as_ref()
            .unwrap()
            .id,
        alice.id
    );
    ids
}
