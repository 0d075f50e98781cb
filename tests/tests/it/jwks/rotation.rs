//! Key rotation while clients read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use user_tests::{JwksResponse, JwksServer, SigningKey, claims, sign};

use super::*;

const CLIENTS: usize = 16;
/// The minimum number of requests of each client between two steps.
const REQUESTS_PER_STEP: usize = 25;

/// Clients that read with the current key and record failures.
struct Clients {
    reads: Arc<Vec<AtomicUsize>>,
    is_done: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Clients {
    fn start(
        app: &TestApp,
        payload: &Value,
        keys: &Arc<Vec<SigningKey>>,
        current: &Arc<AtomicUsize>,
    ) -> Self {
        let reads: Arc<Vec<AtomicUsize>> =
            Arc::new((0..CLIENTS).map(|_| AtomicUsize::new(0)).collect());
        let is_done = Arc::new(AtomicBool::new(false));
        let url = app.url(ME);
        let task = |client: usize| {
            let (reads, is_done, keys) = (reads.clone(), is_done.clone(), keys.clone());
            let (current, payload, url) = (current.clone(), payload.clone(), url.clone());
            let http = app.client.clone();
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while !is_done.load(Ordering::SeqCst) {
                    let token = keys[current.load(Ordering::SeqCst)].sign(&payload);
                    let reply = Reply::send(http.get(&url).bearer_auth(token)).await;
                    // A busy machine may respond "overloaded". An unknown key never causes that response.
                    if reply.status != 200 && reply.code() != "overloaded" {
                        failed.push(format!("{} {}", reply.status, reply.text));
                    }
                    reads[client].fetch_add(1, Ordering::SeqCst);
                }
                failed
            })
        };
        let tasks = (0..CLIENTS).map(task).collect();
        Self {
            reads,
            is_done,
            tasks,
        }
    }

    /// Waits until each client has made `REQUESTS_PER_STEP` more requests.
    async fn wait_for_reads(&self) {
        let count = || -> Vec<usize> {
            let load = |reads: &AtomicUsize| reads.load(Ordering::SeqCst);
            self.reads.iter().map(load).collect()
        };
        let before = count();
        until_true(|| {
            let now = count();
            now.iter()
                .zip(&before)
                .all(|(now, before)| *now >= before + REQUESTS_PER_STEP)
        })
        .await;
    }

    async fn end(self) -> Vec<String> {
        self.is_done.store(true, Ordering::SeqCst);
        let mut failed = Vec::new();
        for task in self.tasks {
            failed.extend(task.await.unwrap());
        }
        failed
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_rotation_and_outages_fail_no_request_of_sixteen_clients() {
    let keys = Arc::new(vec![
        SigningKey::rsa("first"),
        SigningKey::p256("second"),
        SigningKey::ed25519("third"),
    ]);
    let server = JwksServer::start(&[&keys[0]]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "10")]).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || keys[0].sign(&payload)).await;
    let current = Arc::new(AtomicUsize::new(0));
    let clients = Clients::start(&app, &payload, &keys, &current);
    clients.wait_for_reads().await;
    for next in 1..keys.len() {
        // The documented procedure: publish the new key, sign with it once known, withdraw the old key last.
        server.publish(&[&keys[next - 1], &keys[next]]);
        until(&app, 200, || keys[next].sign(&payload)).await;
        current.store(next, Ordering::SeqCst);
        clients.wait_for_reads().await;
        server.publish(&[&keys[next]]);
        until(&app, 401, || keys[next - 1].sign(&payload)).await;
        clients.wait_for_reads().await;
    }
    let requests = server.request_count();
    server.respond_with(JwksResponse::Hang);
    until_true(|| server.request_count() > requests).await;
    clients.wait_for_reads().await;
    server.kill();
    clients.wait_for_reads().await;
    server.publish(&[&keys[2]]);
    server.restart();
    clients.wait_for_reads().await;
    let failed = clients.end().await;
    assert!(failed.is_empty(), "{}: {:?}", failed.len(), failed.first());
    assert_eq!(
        me(&app, &sign(&payload)).await.status,
        200,
        "the shared secret still works"
    );
    app.stop().await;
}
