//! `POST /v1/users/{id}/restore`.

use serde_json::{Value, json};

use crate::common::{Callers, assert_problem, assert_view, events, id, path};

user_tests::on_each_store! {
    async fn services_and_administrators_restore_and_a_repetition_changes_nothing(app: &TestApp) {
        let user = app.register("alice").await;
        let restore = format!("{}/restore", path(&user));
        let callers = Callers::towards(app, id(&user)).await;
        for (n, caller) in [&callers.admin, &callers.service].into_iter().enumerate() {
            assert_eq!(caller.delete(&path(&user)).await.status, 204);
            let version = 3 + 2 * i64::try_from(n).unwrap();
            for _ in 0..2 {
                let restored = caller.verb(&restore, &[]).await;
                assert_eq!((restored.status, restored.version()), (200, version), "{}", restored.text);
                assert_eq!((&restored.json["status"], &restored.json["deleted_at"]), (&json!("active"), &Value::Null));
                assert_view(&restored.json, "full");
                assert_eq!(restored.header("etag"), format!("\"{version}-full\""));
            }
            assert_eq!(callers.own.get("/v1/users/me").await.status, 200);
        }
        assert_eq!(events(app, id(&user)).await.len(), 5);
        assert_problem(&callers.anonymous.verb(&restore, &[]).await, 401, "missing_credentials");
        for (name, caller) in callers.users() {
            let refused = caller.verb(&restore, &[]).await;
            assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
        }
        for key in ["0199b8f2-7c1e-7000-8000-000000000000", "nobody"] {
            let missing = callers.service.verb(&format!("/v1/users/{key}/restore"), &[]).await;
            assert_problem(&missing, 404, "user_not_found");
        }
    }

    async fn a_suspended_user_comes_back_suspended(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        assert_eq!(service.verb(&format!("{}/suspend", path(&user)), &[]).await.status, 200);
        assert_eq!(service.delete(&path(&user)).await.status, 204);
        let restored = service.verb(&format!("{}/restore", path(&user)), &[]).await;
        assert_eq!(restored.json["status"], "suspended");
        assert_problem(&app.user(id(&user)).get("/v1/users/me").await, 401, "invalid_token");
    }
}
