//! The responses to writes that fail, panic or time out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use user_domain::StoreError;
use user_domain::ports::{MockUserWriter, UserWriter};
use user_domain::user::{Applied, Change};
use user_domain::values::UserId;
use user_domain::write::{Erased, WriteContext, WriteError, Written};

use super::{TestApp, deadlines, post};

#[actix_web::test]
async fn each_store_error_has_its_status_without_details() {
    for (error, status, code) in [
        (
            StoreError::Unavailable("secret".to_owned()),
            503,
            "unavailable",
        ),
        (
            StoreError::OutcomeUnknown("secret".to_owned()),
            504,
            "outcome_unknown",
        ),
        (StoreError::Internal("secret".to_owned()), 500, "internal"),
    ] {
        let app = TestApp::with_ports(|ports| {
            let mut writer = MockUserWriter::new();
            writer
                .expect_add()
                .returning(move |_, _| Err(WriteError::Store(error.clone())));
            ports.writer = Arc::new(writer);
        });
        let body = json!({"username": "ann", "email": "ann@example.org"});
        let response = app.as_service(post("/v1/users").set_json(body)).await;
        response.assert_problem(status, code);
        assert!(!response.json().to_string().contains("secret"));
        assert_eq!(
            response.header("retry-after"),
            if status == 503 { "1" } else { "" }
        );
    }
}

#[actix_web::test]
async fn a_panicking_or_late_write_is_a_504_and_the_late_one_completes() {
    let panicking = TestApp::with_ports(|ports| {
        let mut writer = MockUserWriter::new();
        writer.expect_add().returning(|_, _| panic!("boom"));
        ports.writer = Arc::new(writer);
    });
    let body = json!({"username": "ann", "email": "ann@example.org"});
    let response = panicking
        .as_service(post("/v1/users").set_json(&body))
        .await;
    response.assert_problem(504, "outcome_unknown");

    let late = TestApp::with(
        |settings| settings.deadlines = deadlines(Duration::from_millis(100)),
        |ports| ports.writer = Arc::new(SlowWriter(ports.writer.clone())),
    );
    let response = late.as_service(post("/v1/users").set_json(&body)).await;
    response.assert_problem(504, "outcome_unknown");
    late.api.write_tasks().drain().await;
    let mut found = Value::Null;
    if let Ok(Some(user)) = late.fakes.ports().reader.find(&user_key("ann")).await {
        found = json!(user.username.as_str());
    }
    assert_eq!(found, "ann");
}

/// A writer that creates each user after the deadline of its request.
struct SlowWriter(Arc<dyn UserWriter>);

#[async_trait]
impl UserWriter for SlowWriter {
    async fn add(&self, user: &Applied, context: &WriteContext) -> Result<Written, WriteError> {
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.0.add(user, context).await
    }

    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        self.0.change(id, change, context).await
    }

    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError> {
        self.0.erase(id, context).await
    }
}

fn user_key(name: &str) -> user_domain::ports::UserKey {
    user_domain::ports::UserKey::Username(user_domain::values::UsernameKey::parse(name).unwrap())
}
