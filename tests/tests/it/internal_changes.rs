//! Sign-outs, password changes and blocks: stored changes that no response about the user reveals.

use serde_json::{Value, json};
use user_tests::{Reply, TestApp, TestClient, on_each_store};

use crate::common::{events, id, path, register_full_user};

/// Makes the internal change of this name.
async fn change(app: &TestApp, user: &Value, what: &str, target: &Value) -> Reply {
    let (service, user) = (app.service(), path(user));
    let password = format!("{user}/password");
    let block = format!("{user}/blocks/{}", id(target));
    match what {
        "first block" => service.put(&block).await,
        "last unblock" => service.delete(&block).await,
        "password set" | "password set again" => {
            let body = json!({"password": format!("a long password, {what}")});
            service.put_with(&password, &body, &[]).await
        }
        "password removed" => service.delete(&password).await,
        "sign-out" => service.post_empty(&format!("{user}/sign-out"), &[]).await,
        other => panic!("unknown change {other}"),
    }
}

const CHANGES: [&str; 6] = [
    "first block",
    "last unblock",
    "password set",
    "password set again",
    "password removed",
    "sign-out",
];

/// A response without the header fields that differ between any two responses. `Cache-Status` is ignored too for
/// callers that may learn of the change.
fn comparable(reply: &Reply, sees_cache: bool) -> (u16, Vec<(String, String)>, String) {
    let mut ignored = vec!["date", "x-request-id"];
    if sees_cache {
        ignored.push("cache-status");
    }
    let headers = reply.headers.iter();
    let headers = headers.filter(|(name, _)| !ignored.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}")));
    let mut headers: Vec<(String, String)> = headers.collect();
    headers.sort();
    (reply.status, headers, reply.text.clone())
}

/// Everything a caller can read of a user, except its export.
async fn all_reads(
    caller: &TestClient<'_>,
    user: &Value,
    is_person: bool,
) -> Vec<(u16, Vec<(String, String)>, String)> {
    let name = user["username"].as_str().unwrap();
    let mut replies = vec![
        caller.get(&path(user)).await,
        caller.get(&format!("/v1/users/by-username/{name}")).await,
        caller
            .get(&format!(
                "{}?fields=version,updated_at,created_at",
                path(user)
            ))
            .await,
        caller
            .post("/v1/users/batch", &json!({"ids": [id(user)]}))
            .await,
    ];
    if !is_person {
        let since = user["updated_at"].as_str().unwrap();
        replies.push(caller.get("/v1/users?sort=updated_at").await);
        replies.push(caller.get("/v1/users?limit=1&sort=updated_at").await);
        replies.push(
            caller
                .get(&format!("/v1/users/count?updated_since={since}"))
                .await,
        );
    }
    assert!(
        replies.iter().all(|reply| reply.status == 200),
        "{replies:?}"
    );
    replies
        .iter()
        .map(|reply| comparable(reply, !is_person))
        .collect()
}

on_each_store! {
    async fn no_read_reveals_an_internal_change(app: &TestApp) {
        let user = register_full_user(app, "alice").await;
        let target = app.register("target").await;
        let other = app.register("other").await;
        let replica = app.replica().await;
        for what in CHANGES {
            // The other replica serves its cache until the change invalidates it.
            let (person, service) = (replica.user(id(&other)), replica.service());
            let before = (all_reads(&person, &user, true).await, all_reads(&service, &user, false).await);
            let changed = change(app, &user, what, &target).await;
            assert!(matches!(changed.status, 200 | 204), "{what}: {}", changed.text);
            let after = (all_reads(&person, &user, true).await, all_reads(&service, &user, false).await);
            assert_eq!(after, before, "{what}");
            let writer = app.user(id(&other));
            assert_eq!(all_reads(&writer, &user, true).await, before.0, "{what}");
            assert_eq!(app.service().get(&path(&user)).await.json, user, "{what}");
        }
        replica.stop().await;
    }

    async fn an_etag_survives_internal_changes(app: &TestApp) {
        let user = register_full_user(app, "alice").await;
        let target = app.register("target").await;
        let service = app.service();
        let tag = service.get(&path(&user)).await.header("etag").to_owned();
        for what in CHANGES {
            change(app, &user, what, &target).await;
            let same = service.get_with(&path(&user), &[("If-None-Match", &tag)]).await;
            assert_eq!((same.status, same.header("etag")), (304, &*tag), "{what}");
        }
        let body = json!({"profile": {"name": "Alice"}});
        let patched = service.patch_with(&path(&user), &body, &[("If-Match", &tag)]).await;
        assert_eq!((patched.status, patched.version()), (200, 2), "{}", patched.text);
        assert_ne!(patched.json["updated_at"], user["updated_at"]);
    }

    async fn a_sign_out_returns_the_unchanged_user(app: &TestApp) {
        let user = register_full_user(app, "alice").await;
        let read = app.service().get(&path(&user)).await;
        for _ in 0..2 {
            let signed_out = change(app, &user, "sign-out", &user).await;
            assert_eq!((signed_out.status, &signed_out.json), (200, &user));
            assert_eq!(signed_out.header("etag"), read.header("etag"));
        }
    }

    async fn an_export_shows_internal_changes_at_the_unchanged_version(app: &TestApp) {
        let user = register_full_user(app, "alice").await;
        let target = app.register("target").await;
        for what in CHANGES {
            change(app, &user, what, &target).await;
        }
        app.service().patch(&path(&user), &json!({"profile": {"name": "Alice"}})).await;
        let versions: Vec<i64> = events(app, id(&user)).await.iter().map(|event| event.1).collect();
        // A block and an unblock each add an event of the user and one of the relationship.
        assert_eq!(versions, [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    }
}
