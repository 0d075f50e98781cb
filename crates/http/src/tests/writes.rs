use actix_web::test::TestRequest;
use serde_json::json;

use super::{TestApp, get, patch, post};

#[actix_web::test]
async fn a_creation_has_a_location() {
    let app = TestApp::with_settings(|settings| settings.base_path = "/users-api".to_owned());
    let body = json!({"username": "Ann", "email": "ann@example.org", "profile": {"name": "Ann"}, "roles": ["x"]});
    let response = app
        .as_service(post("/users-api/v1/users/").set_json(body))
        .await;
    assert_eq!(response.status, 201);
    let id = response.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        response.header("location"),
        format!("/users-api/v1/users/{id}")
    );
    assert_eq!(response.version_and_view(), "1-full");
    assert_eq!(
        app.as_service(get(response.header("location")))
            .await
            .json(),
        response.json()
    );
    assert_eq!(
        app.as_service(get(&format!("/v1/users/{id}"))).await.json(),
        response.json()
    );
}

#[actix_web::test]
async fn a_taken_username_is_a_409_and_all_errors_are_reported() {
    let app = TestApp::new();
    app.create_user("ann").await;
    let body = json!({"username": "ANN", "email": "ann@EXAMPLE.org"});
    let taken = app.as_service(post("/v1/users").set_json(body)).await;
    taken.assert_problem(409, "username_taken");
    assert_eq!(
        taken.fault_codes(),
        ["/username username_taken", "/email email_taken"]
    );
    let body = json!({"email": 1, "version": 3, "colour": "red", "profile": {"website": "ftp://x"}, "roles": ["x", 1]});
    let faulty = app.as_service(post("/v1/users").set_json(body)).await;
    faulty.assert_problem(422, "invalid");
    let mut codes = faulty.fault_codes();
    codes.sort();
    assert_eq!(
        codes,
        [
            "/colour unknown_field",
            "/email type",
            "/profile/website url_scheme",
            "/roles/1 type",
            "/username required",
            "/version read_only",
        ]
    );
}

#[actix_web::test]
async fn a_patch_merges_and_one_that_changes_nothing_keeps_the_version() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let change =
        json!({"profile": {"name": "Ann", "bio": null}, "metadata": {"user": {"theme": "dark"}}});
    let request =
        || patch("/v1/users/me").insert_header(("content-type", "application/merge-patch+json"));
    let response = app
        .as_user(&ann, request().set_payload(change.to_string()))
        .await;
    assert_eq!(
        (response.status, response.version_and_view()),
        (200, "2-own")
    );
    assert_eq!(response.json()["profile"]["name"], "Ann");
    assert_eq!(
        response.json()["metadata"]["user"],
        json!({"theme": "dark"})
    );
    let again = app
        .as_user(&ann, request().set_payload(change.to_string()))
        .await;
    assert_eq!(again.version_and_view(), "2-own");
}

#[actix_web::test]
async fn permission_for_fields_is_checked_before_their_values() {
    let app = TestApp::new();
    let (ann, bob) = (app.create_user("ann").await, app.create_user("bob").await);
    let body = json!({"roles": ["admin"], "email_verified": "x", "username": "-", "colour": 1});
    let response = app
        .as_user(&ann, patch("/v1/users/me").set_json(body))
        .await;
    response.assert_problem(403, "forbidden_field");
    assert_eq!(
        response.fault_codes(),
        ["/email_verified forbidden_field", "/roles forbidden_field"]
    );
    let other = app
        .as_user(&ann, patch(&format!("/v1/users/{bob}")).set_json(json!({})))
        .await;
    other.assert_problem(403, "forbidden");
}

#[actix_web::test]
async fn if_match_compares_the_version_and_the_user() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let bob = app.create_user("bob").await;
    let tag_of = async |id: &str| {
        let read = app.as_user(id, get("/v1/users/me")).await;
        read.header("etag").to_owned()
    };
    let send = async |tag: &str, name: &str| {
        let request = patch(&format!("/v1/users/{ann}")).insert_header(("if-match", tag));
        app.as_service(request.set_json(json!({"profile": {"name": name}})))
            .await
    };
    let (first, others) = (tag_of(&ann).await, tag_of(&bob).await);
    send(&others, "a")
        .await
        .assert_problem(412, "precondition_failed");
    assert_eq!(send(&first, "a").await.version_and_view(), "2-full");
    let second = tag_of(&ann).await;
    for refused in [
        &first,
        "\"1\"",
        "\"2-own\"",
        &format!("W/{second}"),
        "W/\"2\"",
    ] {
        send(refused, "b")
            .await
            .assert_problem(412, "precondition_failed");
    }
    send("2-full", "b")
        .await
        .assert_problem(400, "invalid_header");
    assert_eq!(send(&format!("{others}, {second}"), "b").await.status, 200);
    assert_eq!(send("\"3\"", "c").await.version_and_view(), "4-full");
    assert_eq!(send("*", "d").await.status, 200);
    let two_lines = patch(&format!("/v1/users/{ann}"))
        .append_header(("if-match", "\"1\""))
        .append_header(("if-match", "\"5\""))
        .set_json(json!({}));
    assert_eq!(app.as_service(two_lines).await.status, 200);
}

#[actix_web::test]
async fn a_replacement_requires_if_match() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let put = || {
        let body = json!({"username": "ann", "email": "ann@example.org"});
        TestRequest::put()
            .uri(&format!("/v1/users/{ann}"))
            .set_json(body)
    };
    app.as_service(put())
        .await
        .assert_problem(428, "precondition_required");
    assert_eq!(
        app.as_service(put().insert_header(("if-match", "*")))
            .await
            .status,
        200
    );
}

#[actix_web::test]
async fn a_retry_is_replayed_and_another_request_with_its_key_rejected() {
    let app = TestApp::new();
    let send = async |key: &str, name: &str| {
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        app.as_service(
            post("/v1/users")
                .insert_header(("idempotency-key", key))
                .set_json(body),
        )
        .await
    };
    let (first, second) = (send("k", "ann").await, send("k", "ann").await);
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (201, "")
    );
    assert_eq!(
        (second.status, second.header("idempotency-replayed")),
        (201, "true")
    );
    assert_eq!(second.json(), first.json());
    assert_eq!(second.header("location"), first.header("location"));
    send("k", "bob")
        .await
        .assert_problem(422, "idempotency_key_reused");
    for key in ["", "a b", &"x".repeat(256)] {
        send(key, "eve").await.assert_problem(400, "invalid_header");
    }
}

#[actix_web::test]
async fn base_path_and_trailing_slash_do_not_affect_idempotency() {
    let app = TestApp::with_settings(|settings| settings.base_path = "/api".to_owned());
    let body = json!({"username": "ann", "email": "ann@example.org"});
    for (uri, replayed) in [("/v1/users", ""), ("/api/v1/users/", "true")] {
        let response = app
            .as_service(
                post(uri)
                    .insert_header(("idempotency-key", "k"))
                    .set_json(&body),
            )
            .await;
        assert_eq!(response.header("idempotency-replayed"), replayed, "{uri}");
    }
}

#[actix_web::test]
async fn a_deleted_user_can_be_restored_and_erased() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let uri = format!("/v1/users/{ann}");
    let delete = |query: &str| TestRequest::delete().uri(&format!("{uri}{query}"));
    for _ in 0..2 {
        let response = app.as_service(delete("")).await;
        assert_eq!((response.status, response.body.len()), (204, 0));
    }
    app.as_service(get(&uri))
        .await
        .assert_problem(404, "user_not_found");
    let restored = app.as_service(post(&format!("{uri}/restore"))).await;
    assert_eq!(
        (restored.status, &restored.json()["status"]),
        (200, &json!("active"))
    );
    assert_eq!(
        app.as_service(delete("?erase=yes")).await.fault_codes(),
        ["erase unknown"]
    );
    assert_eq!(app.as_service(delete("?erase=true")).await.status, 204);
    app.as_service(post(&format!("{uri}/restore")))
        .await
        .assert_problem(404, "user_not_found");
}

#[actix_web::test]
async fn a_repeated_suspension_changes_nothing() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    for (verb, status, tag) in [
        ("suspend", "suspended", "2-full"),
        ("suspend", "suspended", "2-full"),
        ("activate", "active", "3-full"),
    ] {
        let response = app
            .as_service(post(&format!("/v1/users/{ann}/{verb}")))
            .await;
        assert_eq!(
            (
                response.json()["status"].clone(),
                response.version_and_view()
            ),
            (json!(status), tag)
        );
    }
    let stale = post(&format!("/v1/users/{ann}/suspend")).insert_header(("if-match", "\"1\""));
    app.as_service(stale)
        .await
        .assert_problem(412, "precondition_failed");
}

#[actix_web::test]
async fn unsupported_media_types_are_a_415() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let uri = format!("/v1/users/{ann}");
    let typed = |request: TestRequest, line: &'static str| {
        request
            .insert_header(("content-type", line))
            .set_payload("{}")
    };
    let text = app.as_service(typed(patch(&uri), "text/plain")).await;
    text.assert_problem(415, "unsupported_media_type");
    assert_eq!(
        text.header("accept-patch"),
        "application/merge-patch+json, application/json"
    );
    let merge = app
        .as_service(typed(post("/v1/users"), "application/merge-patch+json"))
        .await;
    merge.assert_problem(415, "unsupported_media_type");
    assert_eq!(merge.header("accept"), "application/json");
    let untyped = app.as_service(patch(&uri).set_payload("{}")).await;
    untyped.assert_problem(415, "unsupported_media_type");
    let packed = typed(patch(&uri), "application/json").insert_header(("content-encoding", "gzip"));
    app.as_service(packed)
        .await
        .assert_problem(415, "unsupported_media_type");
    let empty = app.as_service(post("/v1/users")).await;
    empty.assert_problem(400, "malformed_json");
    assert_eq!(
        app.as_service(typed(patch(&uri), "application/json; charset=UTF-8"))
            .await
            .status,
        200
    );
}

#[actix_web::test]
async fn malformed_and_oversized_bodies_are_rejected() {
    let app = TestApp::new();
    let send = async |body: Vec<u8>| {
        app.as_service(
            post("/v1/users")
                .insert_header(("content-type", "application/json"))
                .set_payload(body),
        )
        .await
    };
    for body in [
        &b"{"[..],
        b"{}{}",
        b"{\"username\":\"a\",\"username\":\"b\"}",
        b"\xff",
        b"{\"a\":NaN}",
    ] {
        send(body.to_vec())
            .await
            .assert_problem(400, "malformed_json");
    }
    let deep = format!("{{\"metadata\":{}{}}}", "[".repeat(40), "]".repeat(40));
    send(deep.into_bytes())
        .await
        .assert_problem(400, "malformed_json");
    let array = send(b"[]".to_vec()).await;
    array.assert_problem(422, "invalid");
    assert_eq!(array.fault_codes(), [" type"]);
    let too_large = send(vec![b' '; 128 * 1024 + 1]).await;
    too_large.assert_problem(413, "payload_too_large");
}
