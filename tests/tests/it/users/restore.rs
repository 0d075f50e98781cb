//! `POST /v1/users/{id}/restore`.

use serde_json::{Value, json};

use crate::common::{
    Callers, assert_problem, assert_view, events, id, path, signed_in, wait_for_next_second,
};

user_tests::on_each_store! {
    async fn services_and_administrators_restore_idempotently(app: &TestApp) {
        let user = app.register("alice").await;
        let restore = format!("{}/restore", path(&user));
        let mut callers = Callers::for_target(app, id(&user)).await;
        for (n, caller) in [&callers.admin, &callers.service].into_iter().enumerate() {
            assert_eq!(caller.delete(&path(&user)).await.status, 204);
            // A token issued in the same second as the deletion and the restore is rejected.
            wait_for_next_second(app).await;
            let version = 3 + 2 * i64::try_from(n).unwrap();
            for _ in 0..2 {
                let restored = caller.post_empty(&restore, &[]).await;
                assert_eq!((restored.status, restored.version()), (200, version), "{}", restored.text);
                assert_eq!((&restored.json["status"], &restored.json["deleted_at"]), (&json!("active"), &Value::Null));
                assert_view(&restored.json, "full");
                assert_eq!(restored.version_and_view(), format!("{version}-full"));
            }
            assert_problem(&callers.own.get("/v1/users/me").await, 401, "invalid_token");
            assert_eq!(signed_in(app, id(&user)).get("/v1/users/me").await.status, 200);
        }
        assert_eq!(events(app, id(&user)).await.len(), 5);
        assert_problem(&callers.anonymous.post_empty(&restore, &[]).await, 401, "missing_credentials");
        callers.own = signed_in(app, id(&user));
        for (name, caller) in callers.users() {
            let refused = caller.post_empty(&restore, &[]).await;
            assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
        }
        for key in ["0199b8f2-7c1e-7000-8000-000000000000", "nobody"] {
            let missing = callers.service.post_empty(&format!("/v1/users/{key}/restore"), &[]).await;
            assert_problem(&missing, 404, "user_not_found");
        }
    }

    async fn a_restored_user_is_still_suspended(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        assert_eq!(service.post_empty(&format!("{}/suspend", path(&user)), &[]).await.status, 200);
        assert_eq!(service.delete(&path(&user)).await.status, 204);
        let restored = service.post_empty(&format!("{}/restore", path(&user)), &[]).await;
        assert_eq!(restored.json["status"], "suspended");
        assert_problem(&app.user(id(&user)).get("/v1/users/me").await, 401, "invalid_token");
    }
}
