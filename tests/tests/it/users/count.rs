//! `GET /v1/users/count`.

use serde_json::json;

use crate::common::{Callers, assert_faults, assert_problem, id, path, register_full_user};

user_tests::on_each_store! {
    async fn counting_applies_the_filters_of_the_list(app: &TestApp) {
        let service = app.service();
        assert_eq!(service.get("/v1/users/count").await.json, json!({"count": 0}));
        let alice = register_full_user(app, "Alice").await;
        for name in ["bob", "bobby", "gone"] {
            app.register(name).await;
        }
        let by_name = |name: &str| format!("/v1/users/by-username/{name}");
        let deleted = service.get(&by_name("gone")).await.json;
        let bobby = service.get(&by_name("bobby")).await.json;
        service.delete(&path(&deleted)).await;
        service.post_empty(&format!("{}/suspend", path(&bobby)), &[]).await;
        for (filter, count) in [
            ("", 3), ("?status=active", 2), ("?status=suspended", 1), ("?status=deleted", 1), ("?status=active,suspended,deleted", 4),
            ("?role=editor", 1), ("?username_prefix=bo", 2), ("?q=lee", 1), ("?email=alice@example.org", 1), ("?external_id=ext-Alice", 1),
            ("?username_prefix=bo&status=active", 1), ("?created_since=2999-01-01T00:00:00Z", 0), ("?updated_since=2000-01-01T00:00:00Z", 3),
        ] {
            let counted = service.get(&format!("/v1/users/count{filter}")).await;
            assert_eq!((counted.status, &counted.json), (200, &json!({ "count": count })), "{filter}");
        }
        let since = alice["created_at"].as_str().unwrap();
        assert_eq!(service.get(&format!("/v1/users/count?created_since={since}")).await.json["count"], 3);
    }

    async fn only_services_and_administrators_may_count(app: &TestApp) {
        let user = app.register("alice").await;
        let callers = Callers::for_target(app, id(&user)).await;
        assert_problem(&callers.anonymous.get("/v1/users/count").await, 401, "missing_credentials");
        for (name, caller) in callers.users() {
            for path in ["/v1/users/count", "/v1/users/count?nonsense=1"] {
                let refused = caller.get(path).await;
                assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            }
        }
        for caller in [&callers.admin, &callers.service] {
            let counted = caller.get("/v1/users/count").await;
            assert_eq!((counted.status, &counted.json), (200, &json!({"count": 4})));
            for name in ["limit", "cursor", "sort", "nonsense"] {
                let refused = caller.get(&format!("/v1/users/count?{name}=1&q=a")).await;
                assert_faults(&refused, &[(name, "unknown_parameter"), ("q", "too_short")]);
            }
        }
    }
}
