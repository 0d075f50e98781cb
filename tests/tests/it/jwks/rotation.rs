//! Keys that rotate while clients read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use user_tests::{Answer, JwksServer, SigningKey, claims, sign};

use super::*;

const CLIENTS: usize = 16;
/// How many requests each client makes from one step to the next.
const ENOUGH: usize = 25;

/// Clients that read with whatever key is current, and note what fails.
struct Clients {
    reads: Arc<Vec<AtomicUsize>>,
    is_over: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Clients {
    fn start(
        app: &TestApp,
        says: &Value,
        keys: &Arc<Vec<SigningKey>>,
        current: &Arc<AtomicUsize>,
    ) -> Self {
        let reads: Arc<Vec<AtomicUsize>> =
            Arc::new((0..CLIENTS).map(|_| AtomicUsize::new(0)).collect());
        let is_over = Arc::new(AtomicBool::new(false));
        let url = app.url(ME);
        let task = |client: usize| {
            let (reads, is_over, keys) = (reads.clone(), is_over.clone(), keys.clone());
            let (current, says, url) = (current.clone(), says.clone(), url.clone());
            let http = app.client.clone();
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    let token = keys[current.load(Ordering::SeqCst)].sign(&says);
                    let reply = Reply::to(http.get(&url).bearer_auth(token)).await;
                    // A machine that is too busy for anything refuses so; a key that is not known never does.
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
            is_over,
            tasks,
        }
    }

    /// Waits until each client has made so many more requests.
    async fn read_on(&self) {
        let count = || -> Vec<usize> {
            let load = |reads: &AtomicUsize| reads.load(Ordering::SeqCst);
            self.reads.iter().map(load).collect()
        };
        let before = count();
        until_true(|| {
            let now = count();
            now.iter()
                .zip(&before)
                .all(|(now, before)| *now >= before + ENOUGH)
        })
        .await;
    }

    async fn end(self) -> Vec<String> {
        self.is_over.store(true, Ordering::SeqCst);
        let mut failed = Vec::new();
        for task in self.tasks {
            failed.extend(task.await.unwrap());
        }
        failed
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_hang_and_die_without_one_failed_request_of_sixteen_clients() {
    let keys = Arc::new(vec![
        SigningKey::rsa("first"),
        SigningKey::p256("second"),
        SigningKey::ed25519("third"),
    ]);
    let server = JwksServer::start(&[&keys[0]]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "10")]).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    until(&app, 200, || keys[0].sign(&says)).await;
    let current = Arc::new(AtomicUsize::new(0));
    let clients = Clients::start(&app, &says, &keys, &current);
    clients.read_on().await;
    for next in 1..keys.len() {
        // The recipe: publish beside, and sign once it is known; withdraw once nothing that it signed is left.
        server.publish(&[&keys[next - 1], &keys[next]]);
        until(&app, 200, || keys[next].sign(&says)).await;
        current.store(next, Ordering::SeqCst);
        clients.read_on().await;
        server.publish(&[&keys[next]]);
        until(&app, 401, || keys[next - 1].sign(&says)).await;
        clients.read_on().await;
    }
    let asked = server.asked();
    server.answer(Answer::Hang);
    until_true(|| server.asked() > asked).await;
    clients.read_on().await;
    server.kill();
    clients.read_on().await;
    server.publish(&[&keys[2]]);
    server.revive();
    clients.read_on().await;
    let failed = clients.end().await;
    assert!(failed.is_empty(), "{}: {:?}", failed.len(), failed.first());
    assert_eq!(
        me(&app, &sign(&says)).await.status,
        200,
        "the secret as well"
    );
    app.stop().await;
}
