//! The loader, which collects concurrent reads into batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{FutureExt, join_all};
use serde_json::Value;
use user_client::{Client, Code, NewUser, UserId};
use user_tests::{API_TOKEN, Gateway, Received, Store, TestApp, Verdict};

use super::client;

/// The ids in the batches that reached the gateway.
fn batches(gateway: &Gateway) -> Vec<Vec<Value>> {
    let requests = gateway.requests().into_iter();
    let batches = requests.filter(|request| request.target == "/v1/users/batch");
    batches
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["ids"].as_array().unwrap().clone()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_concurrent_reads_are_at_most_three_requests() {
    let app = TestApp::start(Store::Sqlite).await;
    let is_down = Arc::new(AtomicBool::new(false));
    let gateway = {
        let is_down = is_down.clone();
        Gateway::start(app.address(), move |_: &Received| {
            if is_down.load(Ordering::SeqCst) {
                Verdict::Respond(500, Vec::new(), String::new())
            } else {
                Verdict::Forward
            }
        })
    };
    let users = client(&app);
    let mut ids = Vec::new();
    for number in 0..20 {
        let user = NewUser::new(format!("user{number}")).email(format!("user{number}@example.org"));
        ids.push(users.create_user(&user).await.unwrap().id);
    }
    let unknown = UserId::parse("0199b8f2-7c1e-7000-8000-000000000000").unwrap();
    let loader = Client::new(&gateway.url(), API_TOKEN).unwrap().loader();

    // Each user is read five times, and one is unknown.
    let found = join_all((0..100).map(|number| loader.get(ids[number % ids.len()]))).await;
    for (number, user) in found.into_iter().enumerate() {
        assert_eq!(user.unwrap().unwrap().id, ids[number % ids.len()]);
    }
    let sent = batches(&gateway);
    assert!(sent.len() <= 3, "{} requests", sent.len());
    assert!(
        sent.iter().all(|batch| batch.len() <= ids.len()),
        "{sent:?}"
    );
    assert_eq!(loader.get(unknown).await.unwrap(), None);

    // A caller that is cancelled does not end the batch of the others.
    let other = tokio::spawn({
        let (loader, id) = (loader.clone(), ids[1]);
        async move { loader.get(id).await }
    });
    assert!(loader.get(ids[0]).now_or_never().is_none());
    assert_eq!(other.await.unwrap().unwrap().unwrap().id, ids[1]);

    // A failure reaches each caller, and the next batch works again.
    is_down.store(true, Ordering::SeqCst);
    for result in join_all(ids.iter().map(|id| loader.get(*id))).await {
        assert_eq!(result.unwrap_err().status(), Some(500));
    }
    is_down.store(false, Ordering::SeqCst);
    assert!(loader.get(ids[2]).await.unwrap().is_some());

    // More users than a batch can have.
    let before = batches(&gateway).len();
    let many = (0..501).map(|number| {
        let id = format!("0199b8f2-7c1e-7000-8000-{number:012x}");
        loader.get(UserId::parse(&id).unwrap())
    });
    for user in join_all(many).await {
        assert_eq!(user.unwrap(), None);
    }
    let sizes: Vec<usize> = batches(&gateway)[before..].iter().map(Vec::len).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 501);
    assert!(sizes.iter().all(|size| *size <= 500), "{sizes:?}");

    let forbidden = users.with_token("unknown-token").unwrap().loader();
    let error = forbidden.get(ids[0]).await.unwrap_err();
    assert!(error.is(&Code::InvalidToken), "{error}");
    app.stop().await;
}
