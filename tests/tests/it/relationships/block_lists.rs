//! Any id can be blocked. Neither the response nor the list of blocks reveals the state of the blocked user.

use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use user_tests::TestApp;

use super::follow;
use crate::common::{assert_faults, assert_problem, id, members, path};
use crate::retention::database;

/// An id without a user.
const UNKNOWN_ID: &str = "0199b8f2-7c1e-7000-8000-00000000dead";

async fn block(app: &TestApp, one: &Value, other: &str) {
    let reply = app
        .user(id(one))
        .put(&format!("{}/blocks/{other}", path(one)))
        .await;
    assert_eq!((reply.status, &*reply.text), (204, ""), "{other}");
}

/// The list of blocks as the user sees it, newest first, without times.
async fn blocks(app: &TestApp, user: &Value) -> Vec<(String, Value)> {
    let page = app
        .user(id(user))
        .get(&format!("{}/blocks", path(user)))
        .await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(members(&page.json), ["next_cursor", "users"]);
    let users = page.json["users"].as_array().unwrap().iter();
    users
        .map(|one| {
            assert_eq!(members(one), ["id", "since", "username"]);
            assert!(one["since"].as_str().unwrap().ends_with('Z'));
            (id(one).to_owned(), one["username"].clone())
        })
        .collect()
}

user_tests::on_each_store! {
    async fn a_blocked_user_can_block_the_blocker(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        block(app, &alice, id(&bob)).await;
        block(app, &bob, id(&alice)).await;
        assert_eq!(blocks(app, &alice).await, [(id(&bob).to_owned(), json!("bob"))]);
        assert_eq!(blocks(app, &bob).await, [(id(&alice).to_owned(), Value::Null)]);
        // After the first block ends, the second one still hides both users from each other.
        let unblock = format!("{}/blocks/{}", path(&alice), id(&bob));
        assert_eq!(app.user(id(&alice)).delete(&unblock).await.status, 204);
        assert_problem(&app.user(id(&alice)).get(&path(&bob)).await, 404, "user_not_found");
        assert_problem(&app.user(id(&bob)).get(&path(&alice)).await, 404, "user_not_found");
        let refused = app.user(id(&alice)).put(&format!("{}/following/{}", path(&alice), id(&bob))).await;
        assert_problem(&refused, 404, "user_not_found");
    }

    async fn a_block_response_does_not_reveal_blocking_deleted_or_unknown_users(app: &TestApp) {
        let alice = app.register("alice").await;
        let mut others = Vec::new();
        for name in ["blocker", "leaver", "leaver.for.good"] {
            let other = app.register(name).await;
            follow(app, &alice, &other).await;
            others.push(id(&other).to_owned());
        }
        let blocker = json!({"id": others[0]});
        block(app, &blocker, id(&alice)).await;
        let service = app.service();
        assert_eq!(service.delete(&format!("/v1/users/{}", others[1])).await.status, 204);
        assert_eq!(service.delete(&format!("/v1/users/{}?erase=true", others[2])).await.status, 204);
        others.push(UNKNOWN_ID.to_owned());
        let own = app.user(id(&alice));
        let mut responses = Vec::new();
        for other in &others {
            let uri = format!("{}/blocks/{other}", path(&alice));
            let replies = [
                own.delete(&uri).await, own.put(&uri).await, own.put(&uri).await,
                own.get(&format!("{}/relationships?with={other}", path(&alice))).await,
                own.get(&format!("{}/blocks", path(&alice))).await,
                own.get(&format!("{}/export", path(&alice))).await,
                own.delete(&uri).await, own.delete(&uri).await,
            ];
            responses.push(replies.map(|reply| {
                let mut json = reply.json;
                // Of the export, only the part about the other user is compared. Times differ.
                if json["events"].is_array() {
                    let events = json["events"].as_array().unwrap().iter();
                    let kinds: Vec<Value> = events
                        .filter(|event| event.to_string().contains(other.as_str()))
                        .map(|event| event["type"].clone())
                        .collect();
                    json = json!([kinds, json["relationships"]["blocks"]]);
                }
                let text = json.to_string().replace(other.as_str(), "OTHER");
                let text = text.split("\"since\":\"").enumerate().map(|(part, text)| {
                    if part == 0 { text } else { text.split_once('"').unwrap().1 }
                });
                (reply.status, text.collect::<String>())
            }));
        }
        assert_eq!(responses[0][4].0, 200);
        assert!(responses[0][4].1.contains(r#""id":"OTHER","#) && responses[0][4].1.contains(r#""username":null"#), "{}", responses[0][4].1);
        for other in &responses[1..] {
            assert_eq!(*other, responses[0]);
        }
    }

    async fn a_list_of_blocks_shows_the_username_at_the_time_of_the_block(app: &TestApp) {
        let (alice, bob, carol) = (app.register("alice").await, app.register("Bob").await, app.register("carol").await);
        for other in [&bob, &carol] {
            block(app, &alice, id(other)).await;
        }
        let expected = [(id(&carol).to_owned(), json!("carol")), (id(&bob).to_owned(), json!("Bob"))];
        assert_eq!(blocks(app, &alice).await, expected);
        let renamed = app.user(id(&bob)).patch("/v1/users/me", &json!({"username": "robert"})).await;
        assert_eq!(renamed.status, 200, "{}", renamed.text);
        block(app, &bob, id(&alice)).await;
        assert_eq!(app.service().delete(&path(&carol)).await.status, 204);
        assert_eq!(blocks(app, &alice).await, expected);
        // Pages show it too.
        let own = app.user(id(&alice));
        let first = own.get(&format!("{}/blocks?limit=1", path(&alice))).await;
        assert_eq!(first.json["users"][0]["username"], "carol", "{}", first.text);
        let cursor = first.json["next_cursor"].as_str().unwrap();
        let uri = format!("{}/blocks?limit=1&cursor={cursor}", path(&alice));
        assert_eq!(first.header("link"), format!("<{uri}>; rel=\"next\""));
        let second = own.get(&uri).await;
        assert_eq!(second.json["users"][0]["username"], "Bob", "{}", second.text);
        assert_eq!(second.json["next_cursor"], Value::Null);
        // The username is null if the previous release created the block.
        let database = database(app).await;
        database.execute_unprepared("UPDATE blocks SET target_username = NULL").await.unwrap();
        let nameless = expected.map(|(id, _)| (id, Value::Null));
        assert_eq!(blocks(app, &alice).await, nameless);
    }

    async fn the_10_001st_block_of_a_user_is_refused(app: &TestApp) {
        let alice = app.register("alice").await;
        block(app, &alice, UNKNOWN_ID).await;
        let database = database(app).await;
        let is_postgres = database.get_database_backend() == sea_orm::DatabaseBackend::Postgres;
        let fill = if is_postgres {
            "INSERT INTO blocks (blocker_id, target_id, created_at)
                SELECT blocker_id, gen_random_uuid(), created_at FROM blocks, generate_series(1, 9998)"
        } else {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9998)
                INSERT INTO blocks (blocker_id, target_id, created_at)
                SELECT blocker_id, randomblob(16), created_at FROM blocks, n"
        };
        database.execute_unprepared(fill).await.unwrap();
        let own = app.user(id(&alice));
        let uri = |last: u32| format!("{}/blocks/0199b8f2-7c1e-7000-8000-00000001000{last}", path(&alice));
        assert_eq!(own.put(&uri(1)).await.status, 204);
        assert_faults(&own.put(&uri(2)).await, &[("target", "too_many_blocks")]);
        // An existing block can be repeated. Removing one allows another.
        assert_eq!(own.put(&uri(1)).await.status, 204);
        assert_eq!(own.delete(&uri(1)).await.status, 204);
        assert_eq!(own.put(&uri(2)).await.status, 204);
    }
}
