//! A user who is suspended, or loses a role, through one replica is out on the others too, soon and for good.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{As, Cluster, Proxy, Reply, claims, sign};

use super::workload::REPLICAS;

/// What is promised under any single fault; without one it is 50 ms, which tests beside this one do not let us measure.
const BOUND: Duration = Duration::from_secs(1);
/// How long the users are asked for before they change, so that all replicas have them cached.
const ASKED: usize = 5;
/// How often the users change.
const ROUNDS: usize = 3;
const ME: &str = "/v1/users/me";

/// A bearer of a token, and what it asks for.
struct Bearer {
    cluster: Cluster,
    id: String,
    token: String,
    path: &'static str,
}

/// What is done to the links of the replicas that do not write.
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
        let mut claims = claims(subject);
        claims["roles"] = json!(["admin"]);
        Self {
            id: user.id().to_owned(),
            token: format!("Bearer {}", sign(&claims)),
            cluster,
            path,
        }
    }

    fn at(&self, replica: usize) -> As<'_> {
        self.cluster.replicas[replica].app.authorized(&self.token)
    }

    /// Changes the user through the first replica, and gives when that was acknowledged.
    async fn change(&self, change: &Change) -> Instant {
        let service = self.cluster.replicas[0].app.service();
        let path = format!("/v1/users/{}", self.id);
        let reply: Reply = match change {
            Change::Verb(verb) => service.verb(&format!("{path}/{verb}"), &[]).await,
            Change::Delete => service.delete(&path).await,
            Change::Roles(roles) => service.patch(&path, &json!({"roles": roles})).await,
        };
        assert!((200..300).contains(&reply.status), "{}", reply.text);
        Instant::now()
    }

    /// Asserts that a replica answers so from within the bound on, and gives how long it took.
    async fn answers(&self, replica: usize, status: u16, acknowledged: Instant) -> Duration {
        let mut since = None;
        loop {
            let begun = acknowledged.elapsed();
            let seen = self.at(replica).get(self.path).await.status;
            let bound = if replica == 0 { Duration::ZERO } else { BOUND };
            assert!(
                seen == status || (since.is_none() && begun < bound),
                "replica {replica} answers {seen} for {status}, {begun:?} after"
            );
            if seen == status {
                since.get_or_insert(begun);
            }
            if let Some(since) = since
                && begun > BOUND + BOUND / 4
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

/// Locks a user out through one replica and lets it in again, with the others' links to Redis as they are or spoilt.
#[expect(clippy::print_stdout, reason = "the figures of a test that failed")]
async fn follows(bearer: Bearer, [out, refused]: [(Change, u16); 2], fault: Option<Fault>) {
    let (out, status) = out;
    let (back, allowed) = refused;
    for round in 0..ROUNDS {
        for replica in 0..REPLICAS {
            for _ in 0..ASKED {
                let seen = bearer.at(replica).get(bearer.path).await;
                assert_eq!(seen.status, allowed, "{}", seen.text);
            }
        }
        if let Some(fault) = fault {
            bearer.cluster.replicas[1..]
                .iter()
                .for_each(|replica| fault(&replica.redis));
        }
        for (change, status) in [(&out, status), (&back, allowed)] {
            let acknowledged = bearer.change(change).await;
            let all = (0..REPLICAS).map(|replica| bearer.answers(replica, status, acknowledged));
            let took = futures_util::future::join_all(all).await;
            println!("round {round}: {status} after {took:?}");
        }
        for replica in &bearer.cluster.replicas {
            replica.redis.mend();
        }
        bearer.cluster.linked().await;
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

/// Only administrators and services may ask.
const COUNT: &str = "/v1/users/count";
const BY_EXTERNAL_ID: (&str, &str) = ("JWT_SUBJECT", "external_id");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_users_token_ends_everywhere() {
    follows(Bearer::start(&[], ME).await, suspended(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_users_token_ends_on_replicas_without_redis() {
    follows(Bearer::start(&[], ME).await, suspended(), Some(Proxy::cut)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_users_token_ends_on_replicas_whose_redis_is_silent() {
    follows(Bearer::start(&[], ME).await, suspended(), Some(Proxy::hang)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_users_token_ends_on_replicas_whose_redis_is_silent() {
    follows(Bearer::start(&[], ME).await, deleted(), Some(Proxy::hang)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_withdrawn_ends_everywhere() {
    follows(Bearer::start(&[], COUNT).await, without_role(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_withdrawn_ends_on_replicas_without_redis() {
    let bearer = Bearer::start(&[], COUNT).await;
    follows(bearer, without_role(), Some(Proxy::cut)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_withdrawn_ends_on_replicas_whose_redis_is_silent() {
    let bearer = Bearer::start(&[], COUNT).await;
    follows(bearer, without_role(), Some(Proxy::hang)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_an_older_id_ends_everywhere() {
    let bearer = Bearer::start(&[BY_EXTERNAL_ID], ME).await;
    follows(bearer, suspended(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_an_older_id_ends_on_replicas_without_redis() {
    let bearer = Bearer::start(&[BY_EXTERNAL_ID], ME).await;
    follows(bearer, suspended(), Some(Proxy::cut)).await;
}
