//! Reactivated users: tokens from before a suspension or deletion stay revoked.

use reqwest::Method;
use serde_json::json;
use user_tests::{Reply, TestApp};

use crate::common::{assert_problem, events, id, path, signed_in, wait_for_next_second};

/// A request that locks a user out and one that reactivates it: method, path suffix and body.
type LockOut = [(Method, &'static str, Option<&'static str>); 2];

fn lock_outs() -> [LockOut; 3] {
    [
        [
            (Method::POST, "/suspend", None),
            (Method::POST, "/activate", None),
        ],
        [
            (Method::PATCH, "", Some(r#"{"status":"suspended"}"#)),
            (Method::PATCH, "", Some(r#"{"status":"active"}"#)),
        ],
        [(Method::DELETE, "", None), (Method::POST, "/restore", None)],
    ]
}

async fn call(
    app: &TestApp,
    user: &str,
    (method, rest, body): (Method, &str, Option<&str>),
) -> Reply {
    let request = app.service().request(method, &format!("{user}{rest}"));
    Reply::send(match body {
        Some(body) => request
            .header("Content-Type", "application/json")
            .body(body.to_owned()),
        None => request,
    })
    .await
}

user_tests::on_each_store! {
    async fn reactivation_does_not_revive_older_tokens(app: &TestApp) {
        for (number, [lock, unlock]) in lock_outs().into_iter().enumerate() {
            let user = app.register(&format!("user{number}")).await;
            let place = path(&user);
            let before = signed_in(app, id(&user));
            let older = app.user(id(&user));
            for caller in [&before, &older] {
                assert_eq!(caller.get("/v1/users/me").await.status, 200);
            }
            assert!(matches!(call(app, &place, lock).await.status, 200 | 204));
            // A token issued in the second of the reactivation may be newer than it.
            wait_for_next_second(app).await;
            let returned = call(app, &place, unlock.clone()).await;
            assert_eq!((returned.status, returned.version()), (200, 3), "{}", returned.text);
            for caller in [&before, &older] {
                assert_problem(&caller.get("/v1/users/me").await, 401, "invalid_token");
            }
            // A new sign-in works immediately.
            let after = signed_in(app, id(&user));
            assert_eq!(after.get("/v1/users/me").await.status, 200);
            let again = call(app, &place, unlock).await;
            assert_eq!((again.status, again.version()), (200, 3), "{}", again.text);
            assert_eq!(after.get("/v1/users/me").await.status, 200);
            assert_eq!(events(app, id(&user)).await.len(), 3);
            let export = app.service().get(&format!("{place}/export")).await;
            assert!(export.json["signed_out_at"].is_string(), "{}", export.json["signed_out_at"]);
        }
    }

    async fn a_replayed_reactivation_revokes_no_token(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        assert_eq!(service.post_empty(&format!("{}/suspend", path(&user)), &[]).await.status, 200);
        let activate = format!("{}/activate", path(&user));
        let key = [("Idempotency-Key", "activate")];
        wait_for_next_second(app).await;
        assert_eq!(service.post_empty(&activate, &key).await.status, 200);
        let after = signed_in(app, id(&user));
        wait_for_next_second(app).await;
        let replay = service.post_empty(&activate, &key).await;
        assert_eq!((replay.status, replay.header("idempotency-replayed")), (200, "true"));
        assert_eq!(after.get("/v1/users/me").await.status, 200);
        let unchanged = service.patch(&path(&user), &json!({"status": "active"})).await;
        assert_eq!((unchanged.status, unchanged.version()), (200, 3));
        assert_eq!(after.get("/v1/users/me").await.status, 200);
    }
}
