//! The reason and end of a suspension.

use std::time::{Duration, Instant};

use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::{Value, json};
use user_tests::{Reply, TestApp};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_view, events, id, path, send, signed_in,
    wait_for_next_second,
};

/// The time within which an expired suspension must end.
const DEADLINE: Duration = Duration::from_secs(30);

async fn suspend(app: &TestApp, user: &Value, body: &Value) -> Reply {
    let path = format!("{}/suspend", path(user));
    app.service().post(&path, body).await
}

/// A timestamp this far in the future, by the store's clock.
fn in_future(app: &TestApp, time: Duration) -> String {
    app.composition().ports.clock.now().plus(time).to_string()
}

async fn execute(app: &TestApp, statement: &str) {
    let url = app.database_uri().replacen("sqlite:////", "sqlite:///", 1);
    let database = Database::connect(url).await.unwrap();
    database.execute_unprepared(statement).await.unwrap();
}

/// Moves the end of all suspensions into the past, so that tests need not wait.
async fn expire_suspensions(app: &TestApp) {
    execute(
        app,
        "UPDATE users SET suspended_until = '2026-01-01T00:00:00+00:00'",
    )
    .await;
}

/// Waits until a user is active again.
async fn wait_until_active(app: &TestApp, user: &Value) -> Reply {
    let started = Instant::now();
    loop {
        let seen = app.service().get(&path(user)).await;
        if seen.json["status"] == "active" {
            return seen;
        }
        assert!(started.elapsed() < DEADLINE, "{}", seen.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

user_tests::on_each_store! {
    async fn only_services_and_administrators_see_a_suspension(app: &TestApp) {
        let user = app.register("alice").await;
        assert_eq!(user["suspension"], Value::Null);
        let callers = Callers::for_target(app, id(&user)).await;
        let own = app.user(id(&user));
        let until = in_future(app, Duration::from_hours(1));
        let body = json!({"reason": " spam\nand more ", "until": until});
        let suspended = suspend(app, &user, &body).await;
        assert_eq!((suspended.status, suspended.version()), (200, 2), "{}", suspended.text);
        assert_view(&suspended.json, "full");
        assert_eq!(suspended.json["suspension"], json!({"reason": "spam\nand more", "until": until}));
        for caller in [&callers.admin, &callers.service] {
            let seen = caller.get(&path(&user)).await;
            assert_eq!(seen.json["suspension"], suspended.json["suspension"]);
        }
        for (name, caller) in callers.users() {
            let seen = caller.get(&path(&user)).await;
            assert_eq!(seen.json.get("suspension"), None, "{name}: {}", seen.text);
        }
        // A token issued in the same second as the suspension and its end is rejected.
        wait_for_next_second(app).await;
        app.service().post_empty(&format!("{}/activate", path(&user)), &[]).await;
        assert_problem(&own.get("/v1/users/me").await, 401, "invalid_token");
        let own = signed_in(app, id(&user)).get("/v1/users/me").await;
        assert_eq!((own.status, own.json.get("suspension")), (200, None));
    }

    async fn a_suspension_changes_only_with_its_reason_or_end(app: &TestApp) {
        let user = app.register("alice").await;
        let until = in_future(app, Duration::from_hours(1));
        let mut version = 1;
        for (body, expected) in [
            (json!({"reason": "spam"}), json!({"reason": "spam", "until": null})),
            (json!({"reason": "abuse"}), json!({"reason": "abuse", "until": null})),
            (json!({"reason": "abuse", "until": until}), json!({"reason": "abuse", "until": until})),
            (json!({"reason": null, "until": until}), json!({"reason": null, "until": until})),
        ] {
            version += 1;
            for _ in 0..2 {
                let suspended = suspend(app, &user, &body).await;
                let outcome = (suspended.status, suspended.version(), &suspended.json["suspension"]);
                assert_eq!(outcome, (200, version, &expected), "{body}: {}", suspended.text);
                assert_eq!(app.service().get(&path(&user)).await.json, suspended.json);
            }
        }
        let plain = app.service().post_empty(&format!("{}/suspend", path(&user)), &[]).await;
        assert_eq!((plain.status, plain.version()), (200, version), "{}", plain.text);
        let empty = suspend(app, &user, &json!({})).await;
        assert_eq!((empty.version(), &empty.json["suspension"]["until"]), (version, &json!(until)), "an empty body changes nothing");
        let active = app.service().post_empty(&format!("{}/activate", path(&user)), &[]).await;
        assert_eq!((active.version(), &active.json["suspension"]), (version + 1, &Value::Null));
        let kinds: Vec<String> = events(app, id(&user)).await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds[..3], ["user.created", "user.suspended", "user.updated"]);
    }

    async fn an_invalid_suspension_is_a_422_and_changes_nothing(app: &TestApp) {
        let user = app.register("alice").await;
        let past = in_future(app, Duration::ZERO);
        for (body, faults) in [
            (json!({"until": past}), vec![("/until", "out_of_range")]),
            (json!({"until": "tomorrow", "reason": ""}), vec![("/reason", "blank"), ("/until", "format")]),
            (json!({"reason": "x".repeat(501)}), vec![("/reason", "too_long")]),
            (json!({"reason": "a\u{202e}b"}), vec![("/reason", "forbidden_character")]),
            (json!({"reason": 1, "until": true}), vec![("/reason", "type"), ("/until", "type")]),
            (json!({"cause": "spam"}), vec![("/cause", "unknown_field")]),
        ] {
            assert_faults(&suspend(app, &user, &body).await, &faults);
        }
        let suspend_path = format!("{}/suspend", path(&user));
        for (kind, body, status, code) in [
            ("text/plain", "{}", 415, "unsupported_media_type"),
            ("application/json", "[]", 422, "invalid"),
            ("application/json", "{", 400, "malformed_json"),
        ] {
            let reply = send(&app.service(), Method::POST, &suspend_path, kind, body).await;
            assert_problem(&reply, status, code);
        }
        let patch = json!({"suspension": {"reason": "x"}});
        assert_faults(&app.service().patch(&path(&user), &patch).await, &[("/suspension", "read_only")]);
        assert_eq!(app.service().get(&path(&user)).await.version(), 1);
    }

    async fn a_suspension_ends_by_itself_on_every_replica(app: &TestApp) {
        let replica = app.replica().await;
        let user = app.register("alice").await;
        let until = in_future(app, Duration::from_hours(1));
        let suspended = suspend(app, &user, &json!({"reason": "spam", "until": until})).await;
        assert_eq!(suspended.status, 200, "{}", suspended.text);
        assert_eq!(replica.service().get(&path(&user)).await.json, suspended.json);
        wait_for_next_second(app).await;
        expire_suspensions(app).await;
        for replica in [app, &replica] {
            let ended = wait_until_active(replica, &user).await;
            assert_eq!((ended.version(), &ended.json["suspension"]), (3, &Value::Null), "{}", ended.text);
            assert_eq!(signed_in(replica, id(&user)).get("/v1/users/me").await.status, 200);
        }
        assert_eq!(events(app, id(&user)).await.last(), Some(&("user.activated".to_owned(), 3)));
        replica.stop().await;
    }

    async fn a_suspension_is_replayed_after_its_end(app: &TestApp) {
        let user = app.register("alice").await;
        let suspend_path = format!("{}/suspend", path(&user));
        let until = in_future(app, Duration::from_hours(1));
        let body = json!({"until": until});
        let key = [("Idempotency-Key", "suspend")];
        let first = app.service().post_with(&suspend_path, &body, &key).await;
        assert_eq!(first.status, 200, "{}", first.text);
        expire_suspensions(app).await;
        wait_until_active(app, &user).await;
        let replay = app.service().post_with(&suspend_path, &body, &key).await;
        assert_eq!((replay.status, replay.header("idempotency-replayed")), (200, "true"), "{}", replay.text);
        assert_eq!(replay.json["status"], "active");
    }

    /// The previous release activates users without writing the columns for reason and end.
    async fn an_activation_by_another_release_clears_the_reason_and_the_end(app: &TestApp) {
        let user = app.register("alice").await;
        let until = in_future(app, Duration::from_hours(1));
        suspend(app, &user, &json!({"reason": "spam", "until": until})).await;
        for standing in ["active", "suspended"] {
            let update = format!("UPDATE users SET standing = '{standing}', version = version + 1");
            execute(app, &update).await;
        }
        let seen = app.service().get_with(&path(&user), &[("Cache-Control", "no-cache")]).await;
        assert_eq!(seen.json["status"], "suspended");
        assert_eq!(seen.json["suspension"], json!({"reason": null, "until": null}), "{}", seen.text);
    }
}
