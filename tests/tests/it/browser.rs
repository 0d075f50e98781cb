//! HTTP caching of responses, and the documentation pages, in a real browser: headless Chromium.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use user_tests::{Store, TestApp, claims, free_port, sign};

use crate::common::id;

/// More than a browser takes to start and send a few requests on a busy machine.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(90);

/// A server of one page. The script of the page posts its result.
struct Page {
    port: u16,
    server: ServerHandle,
    result: oneshot::Receiver<Value>,
}

impl Page {
    /// Serves a page that runs a script. The return value of the script is the result.
    fn serve(port: u16, script: &str) -> Self {
        let page = format!(
            "<!doctype html><title>test</title><script type=module>
            const run = async () => {{ {script} }};
            const result = await run().catch(error => ({{ error: String(error) }}));
            await fetch('/result', {{ method: 'POST', body: JSON.stringify(result) }});
            </script>"
        );
        let (sender, result) = oneshot::channel();
        let (page, sender) = (Data::new(page), Data::new(Mutex::new(Some(sender))));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(page.clone())
                .app_data(sender.clone())
                .route("/", web::get().to(serve_page))
                .route("/result", web::post().to(receive_result))
        });
        let server = server
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", port))
            .unwrap()
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            port,
            server: handle,
            result,
        }
    }

    /// Opens the page in a browser and returns its result.
    async fn result(self) -> Value {
        let profile = tempfile::tempdir().unwrap();
        let _browser = Browser::open(&format!("http://127.0.0.1:{}/", self.port), profile.path());
        let result = tokio::time::timeout(BROWSER_TIMEOUT, self.result).await;
        self.server.stop(false).await;
        result.unwrap().unwrap()
    }
}

async fn serve_page(page: Data<String>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page.get_ref().clone())
}

async fn receive_result(
    body: String,
    sender: Data<Mutex<Option<oneshot::Sender<Value>>>>,
) -> HttpResponse {
    if let Some(sender) = sender.lock().unwrap().take() {
        let _ = sender.send(serde_json::from_str(&body).unwrap());
    }
    HttpResponse::NoContent().finish()
}

/// The options of every browser: it contacts no other host and does no work of its own.
const OPTIONS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
];

fn chromium() -> Command {
    let program = std::env::var("TEST_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let mut command = Command::new(program);
    command.args(OPTIONS).stdin(Stdio::null());
    command
}

/// Opens a page, and returns its HTML after its scripts have run, and the messages in the console.
async fn open_page(url: &str) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::from(chromium());
    command
        .args([
            "--enable-logging=stderr",
            "--virtual-time-budget=20000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .kill_on_drop(true);
    let output = tokio::time::timeout(BROWSER_TIMEOUT, command.output()).await;
    let output = output.unwrap().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let console = log.lines().filter(|line| line.contains(":CONSOLE"));
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        console.map(str::to_owned).collect(),
    )
}

/// A headless browser. Dropping this value kills it.
struct Browser(Child);

impl Browser {
    /// Opens a page in the Chromium of `TEST_CHROMIUM`, or else of `PATH`.
    fn open(url: &str, profile: &std::path::Path) -> Self {
        let child = chromium()
            // Keeps the browser running until it is killed.
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|error| {
            panic!("{error}: Chromium is missing; run the tests by scripts/with-servers")
        }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn token(user: &Value) -> String {
    sign(&claims(id(user)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_cache_keeps_users_apart() {
    let port = free_port();
    let origin = format!("http://127.0.0.1:{port}");
    let settings = [("CORS_ALLOWED_ORIGINS", origin.as_str())];
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let script = format!(
        "const read = async (path, token) => {{
            const reply = await fetch('{}' + path, {{ headers: {{ Authorization: 'Bearer ' + token }} }});
            return [reply.status, (await reply.json()).username];
        }};
        const [alice, bob] = ['{}', '{}'];
        const result = [];
        for (const token of [alice, alice, bob, bob, alice]) result.push(await read('/v1/users/me', token));
        return result;",
        app.url(""),
        token(&alice),
        token(&bob),
    );
    let result = Page::serve(port, &script).result().await;
    let seen = |name: &str| json!([200, name]);
    let expected = ["alice", "alice", "bob", "bob", "alice"].map(seen);
    assert_eq!(result, json!(expected));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_cache_shows_the_current_holder_of_an_external_id() {
    let port = free_port();
    let origin = format!("http://127.0.0.1:{port}");
    let settings = [("CORS_ALLOWED_ORIGINS", origin.as_str())];
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    let script = format!(
        "const api = '{}', service = {{ Authorization: 'Bearer {}', 'Content-Type': 'application/json' }};
        const call = (method, path, body) => fetch(api + path, {{ method, headers: service, body: body && JSON.stringify(body) }});
        const read = async () => (await (await call('GET', '/v1/users/by-external-id/17')).json()).id;
        const result = [];
        for (let turn = 0; turn < 2; turn++) {{
            const body = {{ username: 'user' + turn, email: 'user@example.org', external_id: '17' }};
            const made = await call('POST', '/v1/users', body);
            const {{ id }} = await made.json();
            result.push(made.status, await read() === id, await read() === id);
            await call('DELETE', '/v1/users/' + id + '?erase=true');
        }}
        return result;",
        app.url(""),
        user_tests::API_TOKEN,
    );
    let result = Page::serve(port, &script).result().await;
    assert_eq!(result, json!([201, true, true, 201, true, true]));
    app.stop().await;
}

/// A request to another host is a message too, because the policy of the pages forbids it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_pages_cause_no_message_in_the_console() {
    let app = TestApp::start(Store::Sqlite).await;
    for (path, content) in [
        ("/docs", "createUser"),
        ("/docs/guide", "<h1>Guide for callers"),
    ] {
        let (html, console) = open_page(&app.url(path)).await;
        assert!(html.contains(content), "{path}: {html}");
        assert_eq!(console, Vec::<String>::new(), "{path}");
    }
    app.stop().await;
}
