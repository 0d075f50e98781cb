//! A suspension, a deletion or the loss of a role at one replica takes effect at the others within a bound,
//! permanently.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{Cluster, Proxy, Reply, TestClient, claims, sign};

use super::workload::REPLICAS;

/// The bound under any single fault. Without a fault it is 50 ms, which concurrent tests make impossible to measure.
const BOUND: Duration = Duration::from_secs(1);
/// The number of reads before each change, so that all replicas have cached the user.
const WARM_UP_READS: usize = 5;
/// The number of rounds of changes.
const ROUNDS: usize = 3;
const ME: &str = "/v1/users/me";

/// A user with a token, and the path that it requests.
struct Bearer {
    cluster: Cluster,
    id: String,
    subject: String,
    token: String,
    path: &'static str,
}

/// A fault of the connections between Redis and the replicas that do not write.
type Fault = fn(&Proxy);

impl Bearer {
    async fn start(settings: &[(&str, &str)], path: &'static str) -> Self {
        let guards = user_adapters::guards::Guards::default();
        let cluster = Cluster::start_with(REPLICAS, settings, guards).await;
        let body = json!({
            "username": "ann",
            "email": "ann@example.org",
            "external_id": "17",
            "roles": ["admin"],
        });
        let user = cluster.owner().service().post("/v1/users", &body).await;
        assert_eq!(user.status, 201, "{}", user.text);
        let by_external_id = settings.contains(&("JWT_SUBJECT", "external_id"));
        let subject = if by_external_id { "17" } else { user.id() };
        let mut bearer = Self {
            id: user.id().to_owned(),
            subject: subject.to_owned(),
            token: String::new(),
            cluster,
            path,
        };
        bearer.sign_in();
        bearer
    }

    /// Creates a new token that is issued now.
    fn sign_in(&mut self) {
        let mut claims = claims(&self.subject);
        claims["iat"] = json!(claims["iat"].as_i64().unwrap() + 1);
        claims["roles"] = json!(["admin"]);
        self.token = format!("Bearer {}", sign(&claims));
    }

    fn at(&self, replica: usize) -> TestClient<'_> {
        self.cluster.replicas[replica].app.authorized(&self.token)
    }

    /// Changes the user through the first replica, and returns the time of the acknowledgement.
    async fn change(&self, change: &Change) -> Instant {
        let service = self.cluster.replicas[0].app.service();
        let path = format!("/v1/users/{}", self.id);
        let reply: Reply = match change {
            Change::Verb(verb) => service.post_empty(&format!("{path}/{verb}"), &[]).await,
            Change::Delete => service.delete(&path).await,
            Change::Roles(roles) => service.patch(&path, &json!({"roles": roles})).await,
        };
        assert!((200..300).contains(&reply.status), "{}", reply.text);
        Instant::now()
    }

    /// Asserts that a replica responds with this status within the bound and from then on. Returns the delay.
    async fn wait_for_status(
        &self,
        replica: usize,
        status: u16,
        acknowledged: Instant,
    ) -> Duration {
        let mut since = None;
        loop {
            let sent = acknowledged.elapsed();
            let seen = self.at(replica).get(self.path).await.status;
            let bound = if replica == 0 { Duration::ZERO } else { BOUND };
            assert!(
                seen == status || (since.is_none() && sent < bound),
                "replica {replica} responds with {seen} instead of {status} after {sent:?}"
            );
            if seen == status {
                since.get_or_insert(sent);
            }
            if let Some(since) = since
                && sent > BOUND + BOUND / 4
            {
                return since;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A change of a user.
enum Change {
    Verb(&'static str),
    Delete,
    Roles(Value),
}

/// Changes a user through one replica and reverts the change, optionally with a fault of the Redis connections of the
/// others.
#[expect(clippy::print_stdout, reason = "figures for a failed test")]
async fn assert_status_follows(
    mut bearer: Bearer,
    [change, revert]: [(Change, u16); 2],
    fault: Option<Fault>,
) {
    let (change, status) = change;
    let (revert, allowed) = revert;
    for round in 0..ROUNDS {
        for replica in 0..REPLICAS {
            for _ in 0..WARM_UP_READS {
                let seen = bearer.at(replica).get(bearer.path).await;
                assert_eq!(seen.status, allowed, "{}", seen.text);
            }
        }
        if let Some(fault) = fault {
            bearer.cluster.replicas[1..]
                .iter()
                .for_each(|replica| fault(&replica.redis));
        }
        for (change, status) in [(&change, status), (&revert, allowed)] {
            let acknowledged = bearer.change(change).await;
            // A suspension or deletion ends earlier tokens permanently.
            if status == allowed {
                bearer.sign_in();
            }
            let all =
                (0..REPLICAS).map(|replica| bearer.wait_for_status(replica, status, acknowledged));
            let took = futures_util::future::join_all(all).await;
            println!("round {round}: {status} after {took:?}");
        }
        for replica in &bearer.cluster.replicas {
            replica.redis.clear_faults();
        }
        bearer.cluster.wait_until_connected().await;
    }
    bearer.cluster.stop().await;
}

fn suspended() -> [(Change, u16); 2] {
    [
        (Change::Verb("suspend"), 401),
        (Change::Verb("activate"), 200),
    ]
}

fn deleted() -> [(Change, u16); 2] {
    [(Change::Delete, 401), (Change::Verb("restore"), 200)]
}

fn without_role() -> [(Change, u16); 2] {
    [
        (Change::Roles(json!([])), 403),
        (Change::Roles(json!(["admin"])), 200),
    ]
}

/// Only administrators and services may request this.
const COUNT: &str = "/v1/users/count";
const BY_EXTERNAL_ID: (&str, &str) = ("JWT_SUBJECT", "external_id");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_users_token_ends_everywhere() {
    assert_status_follows(Bearer::start(&[], ME).await, suspended(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_users_token_ends_on_replicas_without_redis() {
    assert_status_follows(Bearer::start(&[], ME).await, suspended(), Some(Proxy::cut)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_users_token_ends_on_replicas_with_a_silent_redis() {
    assert_status_follows(Bearer::start(&[], ME).await, suspended(), Some(Proxy::hang)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_users_token_ends_on_replicas_with_a_silent_redis() {
    assert_status_follows(Bearer::start(&[], ME).await, deleted(), Some(Proxy::hang)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_role_ends_everywhere() {
    assert_status_follows(Bearer::start(&[], COUNT).await, without_role(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_role_ends_on_replicas_without_redis() {
    let bearer = Bearer::start(&[], COUNT).await;
    assert_status_follows(bearer, without_role(), Some(Proxy::cut)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_role_ends_on_replicas_with_a_silent_redis() {
    let bearer = Bearer::start(&[], COUNT).await;
    assert_status_follows(bearer, without_role(), Some(Proxy::hang)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_an_external_id_ends_everywhere() {
    let bearer = Bearer::start(&[BY_EXTERNAL_ID], ME).await;
    assert_status_follows(bearer, suspended(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_an_external_id_ends_on_replicas_without_redis() {
    let bearer = Bearer::start(&[BY_EXTERNAL_ID], ME).await;
    assert_status_follows(bearer, suspended(), Some(Proxy::cut)).await;
}
