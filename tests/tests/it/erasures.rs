//! Consumers confirm erasures.

mod large;
mod races;

use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tokio::time::sleep;
use user_domain::erasure::Erasure;
use user_domain::user::User;
use user_tests::{TestApp, TestClient, configured};

use crate::common::{Callers, assert_faults, assert_problem, eventually, id, path};
use crate::retention::{OVERDUE, counts, purge_later};

/// After this time, any replica can remove what is complete now.
const EXPIRED: Duration = Erasure::RETENTION.saturating_add(Duration::from_mins(1));

async fn register_consumer(app: &TestApp, name: &str) {
    let path = format!("/v1/erasure-consumers/{name}");
    let reply = app.service().put(&path).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(reply.json["name"], json!(name));
}

/// Erases a user. Repeats it after a 503, which says that nothing was done: a registration may hold the lock.
async fn erase(app: &TestApp, user: &Value) {
    let path = format!("{}?erase=true", path(user));
    let mut erased = app.service().delete(&path).await;
    while erased.status == 503 {
        sleep(Duration::from_millis(10)).await;
        erased = app.service().delete(&path).await;
    }
    assert_eq!(erased.status, 204, "{}", erased.text);
}

/// All pending erasures of a consumer, read along the links of small pages.
async fn pending(app: &TestApp, consumer: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = format!("/v1/erasures?pending_for={consumer}&limit=2");
    loop {
        let page = app.service().get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        all.extend(page.json["erasures"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page.json["next_cursor"].as_str() else {
            assert_eq!(page.header("link"), "");
            return all;
        };
        let link = page.header("link").strip_prefix('<').unwrap();
        let link = link.strip_suffix(">; rel=\"next\"").unwrap();
        assert!(link.ends_with(cursor), "{link}");
        link.clone_into(&mut path);
    }
}

async fn pending_users(app: &TestApp, consumer: &str) -> Vec<Value> {
    let pending = pending(app, consumer).await;
    pending
        .iter()
        .map(|erasure| erasure["user_id"].clone())
        .collect()
}

fn acknowledgement(user: &Value, consumer: &str) -> String {
    format!("/v1/erasures/{}/acknowledgements/{consumer}", id(user))
}

async fn acknowledge(app: &TestApp, user: &Value, consumer: &str) {
    let reply = app.service().put(&acknowledgement(user, consumer)).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
}

async fn report(app: &TestApp, user: &Value) -> Value {
    let path = format!("/v1/erasures/{}", id(user));
    let reply = app.service().get(&path).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json["user_id"], user["id"]);
    reply.json
}

/// Creates a service token with these scopes, and returns a client with it.
async fn with_scopes<'a>(app: &'a TestApp, name: &str, scopes: &[&str]) -> TestClient<'a> {
    let body = json!({"name": name, "scopes": scopes});
    let reply = app.service().post("/v1/tokens", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    app.authorized(format!("Bearer {}", reply.json["token"].as_str().unwrap()))
}

user_tests::on_each_store! {
    async fn every_erasure_is_pending_until_each_consumer_confirms_it(app: &TestApp) {
        let before = app.register("before").await;
        erase(app, &before).await;
        for name in ["posts", "mail"] {
            register_consumer(app, name).await;
        }
        let again = app.service().put("/v1/erasure-consumers/posts").await;
        assert_eq!(again.status, 200, "{}", again.text);
        let listed = app.service().get("/v1/erasure-consumers").await;
        let names: Vec<&Value> = listed.json["consumers"].as_array().unwrap().iter().map(|consumer| &consumer["name"]).collect();
        assert_eq!(names, ["mail", "posts"]);

        // By the API, by the command, and when a deletion expires.
        let users = [app.register("ann").await, app.register("bob").await, app.register("carol").await];
        let [by_api, by_command, by_purge] = &users;
        erase(app, by_api).await;
        let folder = tempfile::tempdir().unwrap();
        let command = configured(folder.path(), &app.database_uri(), &["user", "delete", id(by_command), "--erase"]).output().unwrap();
        assert_eq!(command.status.code(), Some(0), "{}", String::from_utf8_lossy(&command.stderr));
        assert_eq!(app.service().delete(&path(by_purge)).await.status, 204);
        let kept = app.register("kept").await;
        assert_eq!(app.service().delete(&path(&kept)).await.status, 204);
        assert_eq!(app.service().post_empty(&format!("{}/restore", path(&kept)), &[]).await.status, 200);
        // The purge removes the events, too.
        let listed = pending(app, "posts").await;
        let position = |user: &Value| listed.iter().find(|erasure| erasure["user_id"] == user["id"]).unwrap()["sequence"].clone();
        eventually("the erasure is in the feed", async || {
            let query = format!("/v1/events?types=user.erased&subject={}", id(by_command));
            let events = app.service().get(&query).await;
            events.json["events"][0]["sequence"] == position(by_command)
        }).await;
        assert_eq!(listed.len(), 2);
        assert_eq!(counts(&purge_later(app, OVERDUE).await)["users"], 1);

        let ids: Vec<Value> = users.iter().map(|user| user["id"].clone()).collect();
        for consumer in ["posts", "mail"] {
            assert_eq!(pending_users(app, consumer).await, ids);
        }
        let consumer = with_scopes(app, "posts-service", &["events:read"]).await;
        let own = acknowledgement(by_api, "posts");
        for replayed in ["", "true"] {
            let reply = consumer.request(reqwest::Method::PUT, &own).header("Idempotency-Key", "once");
            let reply = user_tests::Reply::send(reply).await;
            assert_eq!((reply.status, reply.header("idempotency-replayed")), (204, replayed), "{}", reply.text);
        }
        let first = report(app, by_api).await;
        assert_eq!((&first["state"], &first["consumers"][0]), (&json!("pending"), &json!({"name": "mail", "acked_at": null, "acked_by": null})));
        assert!(first["consumers"][1]["acked_at"].is_string(), "{first}");
        acknowledge(app, by_api, "posts").await;
        assert_eq!(report(app, by_api).await, first, "the first acknowledgement is kept");
        assert_eq!(pending_users(app, "posts").await, ids[1..]);
        assert_eq!(pending_users(app, "mail").await, ids);
        acknowledge(app, by_api, "mail").await;
        assert_eq!(report(app, by_api).await["state"], json!("complete"));
        let database = crate::retention::database(app).await;
        let actors = crate::erasure::texts(&database, "SELECT acked_by AS text FROM erasure_acks WHERE acked_at IS NOT NULL ORDER BY consumer".to_owned()).await;
        assert_eq!(actors[1], "service:posts-service");
        assert_eq!(report(app, &before).await, json!({
            "user_id": before["id"], "erased_at": report(app, &before).await["erased_at"], "state": "complete", "consumers": [],
        }));
    }

    async fn a_user_that_was_put_back_by_hand_is_erased_and_confirmed_again(app: &TestApp) {
        register_consumer(app, "posts").await;
        let user = app.register("ann").await;
        let database = crate::retention::database(app).await;
        database.execute_unprepared("CREATE TABLE saved AS SELECT * FROM users").await.unwrap();
        erase(app, &user).await;
        acknowledge(app, &user, "posts").await;
        let first = report(app, &user).await;
        database.execute_unprepared("INSERT INTO users SELECT * FROM saved").await.unwrap();
        erase(app, &user).await;
        assert_eq!(pending_users(app, "posts").await, [user["id"].clone()]);
        let second = report(app, &user).await;
        assert_eq!((&first["state"], &second["state"]), (&json!("complete"), &json!("pending")));
        assert_ne!(first["erased_at"], second["erased_at"]);
    }

    async fn only_services_read_and_confirm_erasures(app: &TestApp) {
        register_consumer(app, "posts").await;
        let user = app.register("ann").await;
        let gone = app.register("gone").await;
        erase(app, &gone).await;
        let callers = Callers::for_target(app, id(&user)).await;
        for (name, caller) in callers.all() {
            let (report, own) = (format!("/v1/erasures/{}", id(&gone)), acknowledgement(&gone, "posts"));
            let replies = [
                caller.get("/v1/erasures?pending_for=posts").await,
                caller.get(&report).await,
                caller.put(&own).await,
                caller.get("/v1/erasure-consumers").await,
                caller.put("/v1/erasure-consumers/mail").await,
                caller.delete("/v1/erasure-consumers/mail").await,
            ];
            for reply in replies {
                match name {
                    "anonymous" => assert_problem(&reply, 401, "missing_credentials"),
                    "service" => assert!(reply.status < 300, "{}", reply.text),
                    _ => assert_problem(&reply, 403, "forbidden"),
                }
            }
        }
        let reader = with_scopes(app, "reader", &["events:read"]).await;
        let refused = reader.put("/v1/erasure-consumers/mail").await;
        assert_problem(&refused, 403, "insufficient_scope");
        assert_eq!(refused.json["required_scope"], json!("events:admin"));
    }

    async fn wrong_requests_about_erasures_are_refused(app: &TestApp) {
        let service = app.service();
        register_consumer(app, "posts").await;
        let user = app.register("ann").await;
        let (first, second) = (app.register("bob").await, app.register("carol").await);
        erase(app, &first).await;
        erase(app, &second).await;
        let unknown = json!({"id": "0199b8f2-7c1e-7000-8000-00000000dead"});
        for other in [&user, &unknown, &json!({"id": "42"})] {
            assert_problem(&service.put(&acknowledgement(other, "posts")).await, 404, "erasure_not_found");
            assert_problem(&service.get(&format!("/v1/erasures/{}", id(other))).await, 404, "erasure_not_found");
        }
        for name in ["mail", "Posts", "a%2Fb", &"a".repeat(65)] {
            assert_problem(&service.put(&acknowledgement(&first, name)).await, 404, "erasure_consumer_not_found");
            assert_problem(&service.get(&format!("/v1/erasures?pending_for={name}")).await, 404, "erasure_consumer_not_found");
            assert_problem(&service.delete(&format!("/v1/erasure-consumers/{name}")).await, 404, "erasure_consumer_not_found");
        }
        for (name, code) in [("Posts", "forbidden_character"), ("a.b", "forbidden_character"), (&*"a".repeat(65), "too_long")] {
            let refused = service.put(&format!("/v1/erasure-consumers/{name}")).await;
            assert_problem(&refused, 422, "invalid");
            assert_faults(&refused, &[("name", code)]);
        }
        for (query, fault) in [
            ("", ("pending_for", "required")),
            ("?pending_for=posts&limit=0", ("limit", "out_of_range")),
            ("?pending_for=posts&limit=201", ("limit", "out_of_range")),
            ("?pending_for=posts&state=open", ("state", "unknown_parameter")),
        ] {
            let refused = service.get(&format!("/v1/erasures{query}")).await;
            assert_problem(&refused, 422, "invalid");
            assert_faults(&refused, &[fault]);
        }
        register_consumer(app, "search").await;
        let page = service.get("/v1/erasures?pending_for=posts&limit=1").await;
        let cursor = page.json["next_cursor"].as_str().unwrap();
        for other in [format!("search&cursor={cursor}"), format!("posts&cursor=x{cursor}")] {
            assert_problem(&service.get(&format!("/v1/erasures?pending_for={other}")).await, 400, "invalid_cursor");
        }
        let key = [("Idempotency-Key", "one")];
        let with_key = async |path: String| user_tests::Reply::send(
            service.request(reqwest::Method::PUT, &path).header(key[0].0, key[0].1)
        ).await;
        assert_eq!(with_key(acknowledgement(&first, "posts")).await.status, 204);
        assert_problem(&with_key(acknowledgement(&second, "posts")).await, 422, "idempotency_key_reused");
        for number in 2..64 {
            register_consumer(app, &format!("c{number}")).await;
        }
        let refused = service.put("/v1/erasure-consumers/more").await;
        assert_faults(&refused, &[("name", "too_many")]);
        assert_eq!(service.delete("/v1/erasure-consumers/c7").await.status, 204);
        register_consumer(app, "more").await;
    }

    async fn the_removal_of_a_consumer_ends_its_pending_erasures(app: &TestApp) {
        let service = app.service();
        register_consumer(app, "posts").await;
        register_consumer(app, "mail").await;
        let (ann, bob) = (app.register("ann").await, app.register("bob").await);
        erase(app, &ann).await;
        acknowledge(app, &ann, "mail").await;
        erase(app, &bob).await;
        acknowledge(app, &ann, "posts").await;
        acknowledge(app, &bob, "posts").await;
        for (status, replayed) in [(204, ""), (204, "true")] {
            let removed = service.delete_with("/v1/erasure-consumers/mail", &[("Idempotency-Key", "removal")]).await;
            assert_eq!((removed.status, removed.header("idempotency-replayed")), (status, replayed), "{}", removed.text);
        }
        assert_problem(&service.delete("/v1/erasure-consumers/mail").await, 404, "erasure_consumer_not_found");
        let confirmed = report(app, &ann).await;
        assert_eq!(confirmed["consumers"][0]["name"], json!("mail"), "{confirmed}");
        let without = report(app, &bob).await;
        assert_eq!(without["state"], json!("complete"));
        assert_eq!(without["consumers"].as_array().unwrap().len(), 1, "{without}");
        register_consumer(app, "mail").await;
        assert_eq!(pending_users(app, "mail").await, [json!(null); 0]);
    }

    async fn an_erasure_expires_90_days_after_its_last_confirmation(app: &TestApp) {
        let alone = app.register("alone").await;
        erase(app, &alone).await;
        register_consumer(app, "posts").await;
        let (ann, bob) = (app.register("ann").await, app.register("bob").await);
        erase(app, &ann).await;
        erase(app, &bob).await;
        acknowledge(app, &ann, "posts").await;
        let almost = Erasure::RETENTION.saturating_sub(Duration::from_mins(1));
        assert_eq!(counts(&purge_later(app, almost).await)["erasures"], 0);
        // Neither the events nor the rest of the user exist any more.
        assert_eq!(report(app, &ann).await["state"], json!("complete"));
        assert_eq!(counts(&purge_later(app, EXPIRED).await)["erasures"], 2);
        for user in [&alone, &ann] {
            let gone = app.service().get(&format!("/v1/erasures/{}", id(user))).await;
            assert_problem(&gone, 404, "erasure_not_found");
        }
        assert_eq!(counts(&purge_later(app, EXPIRED * 10).await)["erasures"], 0);
        assert_eq!(pending_users(app, "posts").await, [bob["id"].clone()]);
        acknowledge(app, &bob, "posts").await;
        let folder = tempfile::tempdir().unwrap();
        let database = crate::retention::database(app).await;
        let long_ago = "UPDATE erasures SET completed_at = '2025-01-01T00:00:00+00:00'";
        sea_orm::ConnectionTrait::execute_unprepared(&database, long_ago).await.unwrap();
        let purged = configured(folder.path(), &app.database_uri(), &["purge"]).output().unwrap();
        let printed = String::from_utf8(purged.stdout).unwrap();
        assert!(printed.contains("erasures 1\n"), "{printed}");
    }

    async fn pending_erasures_are_metrics_of_each_replica(app: &TestApp) {
        register_consumer(app, "posts").await;
        let (ann, bob) = (app.register("ann").await, app.register("bob").await);
        erase(app, &ann).await;
        erase(app, &bob).await;
        let database = crate::retention::database(app).await;
        let long_ago = "UPDATE erasures SET erased_at = '2025-01-01T00:00:00+00:00'";
        sea_orm::ConnectionTrait::execute_unprepared(&database, long_ago).await.unwrap();
        // A replica looks soon after its start.
        let replica = app.replica().await;
        eventually("the metrics show the pending erasures", async || {
            let metrics = replica.anonymous().get("/metrics").await.text;
            let oldest = metrics.lines().find_map(|line| line.strip_prefix("erasures_pending_oldest_seconds{consumer=\"posts\"} "));
            let oldest: f64 = oldest.map_or(0.0, |seconds| seconds.parse().unwrap());
            metrics.contains("erasures_pending{consumer=\"posts\"} 2\n") && oldest > User::RESTORE_PERIOD.as_secs_f64()
        }).await;
        replica.stop().await;
    }
}
