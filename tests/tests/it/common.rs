//! Helpers that the test modules share.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{Reply, TestApp, TestClient, claims, sign};

/// The members of a user in each view.
pub(crate) const PUBLIC: [&str; 7] = [
    "id",
    "username",
    "status",
    "version",
    "profile",
    "metadata",
    "created_at",
];
pub(crate) const OWN: [&str; 15] = [
    "id",
    "username",
    "status",
    "version",
    "profile",
    "metadata",
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "external_id",
    "roles",
    "created_at",
    "updated_at",
    "deleted_at",
];
const PROFILE: [&str; 10] = [
    "name",
    "given_name",
    "family_name",
    "nickname",
    "picture",
    "website",
    "bio",
    "location",
    "locale",
    "zoneinfo",
];

/// A client with a user token issued in the current second, as after a new sign-in.
pub(crate) fn signed_in<'a>(app: &'a TestApp, id: &str) -> TestClient<'a> {
    let mut claims = claims(id);
    claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 1);
    app.authorized(format!("Bearer {}", sign(&claims)))
}

/// Waits until the second changes, by the clock of the service and by that of this machine, which issues tokens. Both
/// may differ by some milliseconds.
pub(crate) async fn wait_for_next_second(app: &TestApp) {
    let clock = &app.composition().ports.clock;
    let next = clock.now().next_second();
    let is_over = || {
        let issued_at = claims("")["iat"].as_i64().unwrap() + 1;
        clock.now() >= next && issued_at >= next.as_utc().timestamp()
    };
    while !is_over() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A request body with every field that a service may write.
pub(crate) fn full_user_body(username: &str) -> Value {
    json!({
        "username": username,
        "email": format!("{username}@example.org"),
        "email_verified": true,
        "phone_number": "+4930123456",
        "phone_number_verified": true,
        "external_id": format!("ext-{username}"),
        "status": "active",
        "roles": ["editor", "support:level_2"],
        "profile": {
            "name": "Ann Lee",
            "given_name": "Ann",
            "family_name": "Lee",
            "nickname": "Annie",
            "picture": "https://example.org/ann.png",
            "website": "http://ann.example.org/~ann?a=b#c",
            "bio": "First line.\nSecond line\twith a tab.",
            "location": "Zürich",
            "locale": "de-CH",
            "zoneinfo": "Europe/Zurich",
            "birthdate": "1990-02-28",
        },
        "metadata": {
            "public": {"badge": "gold"},
            "user": {"theme": "dark", "deep": {"list": [1, null, {"a": false}]}},
            "private": {"score": 7},
        },
    })
}

/// The sorted member names of an object.
pub(crate) fn members(value: &Value) -> Vec<&str> {
    let mut members: Vec<&str> = value
        .as_object()
        .unwrap_or_else(|| panic!("{value} is not an object"))
        .keys()
        .map(String::as_str)
        .collect();
    members.sort_unstable();
    members
}

/// Asserts that a user has exactly the members of a view.
#[track_caller]
pub(crate) fn assert_view(user: &Value, view: &str) {
    let mut expected = if view == "public" {
        PUBLIC.to_vec()
    } else {
        OWN.to_vec()
    };
    if view == "full" {
        expected.push("suspension");
    }
    expected.sort_unstable();
    assert_eq!(members(user), expected, "{user}");
    let mut profile = PROFILE.to_vec();
    let mut metadata = vec!["public"];
    if view != "public" {
        profile.push("birthdate");
        metadata.push("user");
    }
    if view == "full" {
        metadata.push("private");
    }
    profile.sort_unstable();
    metadata.sort_unstable();
    assert_eq!(members(&user["profile"]), profile, "{user}");
    assert_eq!(members(&user["metadata"]), metadata, "{user}");
}

/// Asserts that a response is a complete, well-formed problem with this code.
#[track_caller]
pub(crate) fn assert_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.code()),
        (status, code),
        "{}",
        reply.text
    );
    let problem = &reply.json;
    assert_eq!(
        reply.header("content-type"),
        "application/problem+json",
        "{problem}"
    );
    assert_eq!(
        problem["type"],
        json!(format!("urn:user-service:problem:{code}"))
    );
    assert_eq!(problem["status"], json!(status));
    assert_eq!(
        problem["request_id"].as_str(),
        Some(reply.header("x-request-id"))
    );
    assert_ne!(reply.header("x-request-id"), "");
    assert_eq!(reply.header("cache-control"), "no-store");
    for member in ["title", "detail"] {
        assert!(
            problem[member].as_str().is_some_and(|text| text.len() > 3),
            "{problem}"
        );
    }
    for fault in problem["errors"].as_array().into_iter().flatten() {
        let place = if fault["pointer"].is_null() {
            "parameter"
        } else {
            "pointer"
        };
        let mut expected = vec!["code", "detail", place];
        expected.sort_unstable();
        assert_eq!(members(fault), expected, "{problem}");
        assert_ne!(fault["detail"], json!(""));
    }
}

/// Asserts that a response is a 422 with exactly these faults, in any order.
#[track_caller]
pub(crate) fn assert_faults(reply: &Reply, faults: &[(&str, &str)]) {
    assert_problem(reply, 422, "invalid");
    assert_same_faults(reply, faults);
}

/// Asserts that a problem has exactly these faults, in any order.
#[track_caller]
pub(crate) fn assert_same_faults(reply: &Reply, faults: &[(&str, &str)]) {
    let mut expected: Vec<(String, String)> = faults
        .iter()
        .map(|(place, code)| ((*place).to_owned(), (*code).to_owned()))
        .collect();
    let mut found = reply.faults();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "{}", reply.text);
}

/// Percent-encodes a text for use as a path segment or query value.
pub(crate) fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Sends a body without changing or encoding it.
pub(crate) async fn send(
    caller: &TestClient<'_>,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
) -> Reply {
    let request = caller
        .request(method, path)
        .header("Content-Type", content_type)
        .body(body);
    Reply::send(request).await
}

/// A client with a user token that claims the administrator role.
pub(crate) fn claiming_admin<'a>(app: &'a TestApp, id: &str) -> TestClient<'a> {
    let mut claims = claims(id);
    claims["roles"] = json!(["admin"]);
    app.authorized(format!("Bearer {}", sign(&claims)))
}

/// Registers a user with every field.
pub(crate) async fn register_full_user(app: &TestApp, username: &str) -> Value {
    let reply = app
        .service()
        .post("/v1/users", &full_user_body(username))
        .await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json
}

/// The id of a user.
pub(crate) fn id(user: &Value) -> &str {
    user["id"].as_str().unwrap()
}

/// The path of a user.
pub(crate) fn path(user: &Value) -> String {
    format!("/v1/users/{}", id(user))
}

/// The types and versions of the events about a user, oldest first.
pub(crate) async fn events(app: &TestApp, id: &str) -> Vec<(String, i64)> {
    let export = app.service().get(&format!("/v1/users/{id}/export")).await;
    assert_eq!(export.status, 200, "{}", export.text);
    export.json["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            (
                event["type"].as_str().unwrap().to_owned(),
                event["version"].as_i64().unwrap(),
            )
        })
        .collect()
}

/// A client for each kind of caller.
pub(crate) struct Callers<'a> {
    pub(crate) anonymous: TestClient<'a>,
    pub(crate) own: TestClient<'a>,
    pub(crate) other: TestClient<'a>,
    /// The token claims the role, but the stored user does not have it.
    pub(crate) claims_admin: TestClient<'a>,
    /// The stored user has the role, but the token does not claim it.
    pub(crate) stored_admin: TestClient<'a>,
    pub(crate) admin: TestClient<'a>,
    pub(crate) service: TestClient<'a>,
}

impl<'a> Callers<'a> {
    /// Registers three more users and returns each kind of caller. `own` is the id of the user to call about.
    pub(crate) async fn for_target(app: &'a TestApp, own: &str) -> Self {
        let other = app.register("other.one").await;
        let pretender = app.register("pretender").await;
        let admin = app.admin().await;
        let boss = admin.get("/v1/users/me").await;
        Self {
            anonymous: app.anonymous(),
            own: app.user(own),
            other: app.user(id(&other)),
            claims_admin: claiming_admin(app, id(&pretender)),
            stored_admin: app.user(boss.id()),
            admin,
            service: app.service(),
        }
    }

    /// All callers with their names.
    pub(crate) fn all(&self) -> [(&'static str, &TestClient<'a>); 7] {
        [
            ("anonymous", &self.anonymous),
            ("own", &self.own),
            ("other", &self.other),
            ("claims_admin", &self.claims_admin),
            ("stored_admin", &self.stored_admin),
            ("admin", &self.admin),
            ("service", &self.service),
        ]
    }

    /// The callers that are users without administrator rights.
    pub(crate) fn users(&self) -> [(&'static str, &TestClient<'a>); 4] {
        [
            ("own", &self.own),
            ("other", &self.other),
            ("claims_admin", &self.claims_admin),
            ("stored_admin", &self.stored_admin),
        ]
    }
}

/// Waits until a condition is true.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}
