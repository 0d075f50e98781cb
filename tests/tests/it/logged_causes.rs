//! The logged causes of rejected credentials, an unreachable database and a failed start.

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use user_tests::{API_TOKEN, JWT_SECRET, ServiceProcess, binary, claims, free_port, sign, sign_as};

use crate::command_line::{client, status, stderr};

/// The longest wait for a log line on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Waits for a matching line of the log.
async fn line(process: &ServiceProcess, is_match: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(line) = process.lines().into_iter().find(&is_match) {
            return line;
        }
        assert!(Instant::now() < deadline, "{}", process.written());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The log lines of a finished process as JSON objects.
fn objects(output: &Output) -> Vec<Value> {
    let parse = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the line {line}"))
    };
    stderr(output).lines().map(parse).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_rejected_credential_has_its_cause_in_the_request_log() {
    let folder = tempfile::tempdir().unwrap();
    let process = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &[]).await;
    let created = client()
        .post(process.url("/v1/users"))
        .bearer_auth(API_TOKEN);
    let body = json!({"username": "alice", "email": "alice@example.org"});
    let created = created.json(&body).send().await.unwrap();
    let user = created.json::<Value>().await.unwrap();
    let sub = user["id"].as_str().unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims(sub);
        claims[name] = value;
        format!("Bearer {}", sign(&claims))
    };
    let forged = sign_as(
        HEADER,
        &claims(sub).to_string(),
        b"another-secret-of-32-bytes-at-least",
    );
    let unknown_user = sign(&claims("0199b8f2-7c1e-7000-8000-000000000000"));
    let unknown = format!("ust_{}_{}", "0".repeat(32), "A".repeat(43));
    let refused = [
        ("expired", with("exp", json!(1))),
        ("not_yet_valid", with("nbf", json!(4_102_444_800_u64))),
        ("not_an_access_token", with("typ", json!("Refresh"))),
        ("mistyped_roles", with("roles", json!("admin"))),
        ("wrong_signature", format!("Bearer {forged}")),
        ("unknown_subject", format!("Bearer {unknown_user}")),
        ("not_a_jwt", "Bearer opaque".to_owned()),
        ("service_token_unknown", "opaque".to_owned()),
        ("unsupported_scheme", "Basic planted".to_owned()),
        ("service_token_unknown", format!("Bearer {unknown}")),
    ];
    for (number, (cause, credential)) in refused.iter().enumerate() {
        let id = format!("refused-{number}");
        let request = client().get(process.url("/v1/users/me"));
        let request = request
            .header("authorization", credential)
            .header("x-request-id", &id);
        assert_eq!(request.send().await.unwrap().status(), 401, "{cause}");
        let logged = line(&process, |line| line["request_id"] == *id).await;
        assert_eq!(logged["cause"], *cause, "{logged}");
        assert_eq!(
            (&logged["level"], &logged["status"]),
            (&json!("INFO"), &json!(401))
        );
    }
    let good = client()
        .get(process.url("/v1/users/me"))
        .bearer_auth(sign(&claims(sub)));
    assert_eq!(
        good.header("x-request-id", "good")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let logged = line(&process, |line| line["request_id"] == "good").await;
    assert_eq!(logged.get("cause"), None);

    let written = process.written();
    for (number, _) in refused.iter().enumerate() {
        let id = format!("\"refused-{number}\"");
        assert_eq!(
            written.matches(&id).count(),
            1,
            "one line for each request: {written}"
        );
    }
    for secret in [sub, "alice", "planted", JWT_SECRET, &*forged, &*unknown] {
        assert!(!written.contains(secret), "{secret}: {written}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_database_is_logged_with_host_port_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let uri = format!("postgresql://planted-user:planted-password@127.0.0.1:{port}/planted");
    let process = ServiceProcess::start(folder.path(), &uri, &[]);
    let address = format!("PostgreSQL at 127.0.0.1:{port}: ");
    let unavailable = line(&process, |line| {
        line["message"]
            .as_str()
            .unwrap()
            .contains("database is unavailable")
    })
    .await;
    let cause = unavailable["error"].as_str().unwrap();
    assert!(
        cause.contains(&address) && cause.to_lowercase().contains("refused"),
        "{unavailable}"
    );

    // The same cause is logged for a request, because its managed token is looked up in the database.
    let deadline = Instant::now() + TIMEOUT;
    let url = process.url("/v1/users/count");
    while client()
        .get(&url)
        .bearer_auth(API_TOKEN)
        .send()
        .await
        .is_err()
    {
        assert!(Instant::now() < deadline, "{}", process.written());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let unserved = line(&process, |line| line["code"] == "unavailable").await;
    let cause = unserved["cause"].as_str().unwrap();
    assert!(
        cause.contains(&address) && cause.to_lowercase().contains("refused"),
        "{unserved}"
    );
    let written = process.written();
    for unwanted in [
        "planted-user",
        "planted-password",
        "Os {",
        "Some(",
        "Err(",
        "Elapsed",
        ".rs:",
    ] {
        assert!(!written.contains(unwanted), "{unwanted}: {written}");
    }

    let command = binary(folder.path(), &["migrate", "up"])
        .env("JWT_SECRET_KEY", JWT_SECRET)
        .env("DATABASE_URI", &uri)
        .output()
        .unwrap();
    assert_eq!(status(&command), 1);
    let output = stderr(&command);
    assert!(
        output.contains(&address) && !output.contains("planted-password"),
        "{output}"
    );
}

#[test]
fn a_failed_start_is_logged_in_the_configured_format() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |settings: &[(&str, &str)]| {
        let mut command = binary(folder.path(), &["serve"]);
        command.envs(settings.iter().copied()).output().unwrap()
    };
    let faulty = serve(&[
        ("PORT", "seventy"),
        ("JWT_SECRET", "planted"),
        ("LOG_FORMAT", "json"),
    ]);
    assert_eq!(status(&faulty), 2);
    let lines = objects(&faulty);
    for setting in ["JWT_SECRET_KEY", "PORT"] {
        let fault = lines.iter().find(|line| line["setting"] == setting);
        let fault = fault.unwrap_or_else(|| panic!("{setting} is missing in {lines:?}"));
        assert_eq!(
            (&fault["level"], &fault["message"]),
            (&json!("ERROR"), &json!("invalid setting"))
        );
    }
    let hint = |line: &Value| {
        line["warning"]
            .as_str()
            .is_some_and(|text| text.starts_with("JWT_SECRET: "))
    };
    assert!(lines.iter().any(hint), "{lines:?}");
    assert!(!stderr(&faulty).contains("planted"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let good = [
        ("JWT_SECRET_KEY", JWT_SECRET),
        ("DATABASE_URI", "sqlite:///users.db"),
        ("HOST", "127.0.0.1"),
        ("PORT", &*port),
    ];
    let failed = serve(&good);
    assert_eq!(status(&failed), 1);
    let lines = objects(&failed);
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR", "{lines:?}");
    assert!(last["cause"].as_str().unwrap().contains(&port), "{last}");

    let pretty = serve(&[("PORT", "seventy"), ("LOG_FORMAT", "pretty")]);
    let output = stderr(&pretty);
    assert!(
        output.contains("ERROR invalid setting") && !output.contains('{'),
        "{output}"
    );
}

#[test]
fn check_settings_warnings_name_their_settings() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        "DATABSE_URI=planted\nOTHERS=planted\n",
    )
    .unwrap();
    let checked = binary(folder.path(), &["check-settings"])
        .env("JWT_SECRET_KEY", format!("\"{JWT_SECRET}\""))
        .env("REDIS_URI", "redis://planted")
        .output()
        .unwrap();
    assert_eq!(status(&checked), 0, "{}", stderr(&checked));
    let output = stderr(&checked);
    for named in [
        "JWT_SECRET_KEY: starts and ends with quotes",
        "REDIS_URI: ",
        "DATABSE_URI: ",
        "OTHERS",
    ] {
        assert!(output.contains(named), "{named}: {output}");
    }
    assert!(
        !output.contains("planted") && !output.contains(JWT_SECRET),
        "{output}"
    );
}
