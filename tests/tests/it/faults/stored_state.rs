//! Compares the final state of the database with the responses that clients got.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sqlx::{self, Connection, PgConnection, Row, SqliteConnection};
use serde_json::json;
use user_tests::history::{History, Seen};
use uuid::Uuid;

use super::responses::RequestKind;
use super::workload::marks_of;

/// A write that a client attempted.
#[derive(Debug, Clone)]
pub(super) struct AttemptedWrite {
    pub(super) kind: RequestKind,
    /// The user that was changed or created, if the response contained it.
    pub(super) user: Option<String>,
    /// The unique mark that it stores: a username, a key of the metadata, or a bio.
    pub(super) mark: String,
    /// Whether every later version contains the mark too.
    pub(super) is_permanent: bool,
    pub(super) result: WriteResult,
}

/// What the responses say about a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteResult {
    Done,
    NotDone,
    Unknown,
}

/// A user in the database.
struct StoredUser {
    username: String,
    version: i64,
    marks: BTreeSet<String>,
    /// The versions of its events, in order.
    events: Vec<i64>,
}

const USERS: &str = "SELECT id, username, version, bio, metadata_public FROM users";
const EVENTS: &str = "SELECT subject_id, version FROM events ORDER BY seq";

/// Reads users and events directly from the database.
async fn read(uri: &str) -> BTreeMap<String, StoredUser> {
    let mut users = BTreeMap::new();
    macro_rules! fill {
        ($connection:expr) => {{
            let mut connection = $connection;
            for row in sqlx::query(USERS).fetch_all(&mut connection).await.unwrap() {
                let metadata: String = row.get("metadata_public");
                let public: serde_json::Value = serde_json::from_str(&metadata).unwrap();
                let bio: Option<String> = row.get("bio");
                let user = json!({"profile": {"bio": bio}, "metadata": {"public": public}});
                let stored = StoredUser {
                    username: row.get("username"),
                    version: row.get("version"),
                    marks: marks_of(&user),
                    events: Vec::new(),
                };
                users.insert(row.get::<Uuid, _>("id").to_string(), stored);
            }
            for row in sqlx::query(EVENTS).fetch_all(&mut connection).await.unwrap() {
                let subject = row.get::<Uuid, _>("subject_id").to_string();
                let user = users.get_mut(&subject).expect("an event of a user");
                user.events.push(row.get("version"));
            }
            connection.close().await.unwrap();
        }};
    }
    if let Some(path) = uri.strip_prefix("sqlite:///") {
        let address = format!("sqlite://{path}");
        fill!(SqliteConnection::connect(&address).await.unwrap());
    } else {
        fill!(PgConnection::connect(uri).await.unwrap());
    }
    users
}

/// Returns every difference between the database and the responses. Records the final state of each user in the
/// history.
pub(super) async fn differences(
    uri: &str,
    writes: &[AttemptedWrite],
    history: &History,
) -> Vec<String> {
    let users = read(uri).await;
    let mut found = Vec::new();
    let by_name: BTreeMap<&str, &String> = users
        .iter()
        .map(|(id, user)| (user.username.as_str(), id))
        .collect();
    for write in writes {
        let description = format!("{write:?}");
        let is_stored = match (write.kind, &write.user) {
            (RequestKind::Create, reported) => {
                let id = by_name.get(write.mark.as_str());
                if let (Some(id), Some(reported)) = (id, reported)
                    && *id != reported
                {
                    found.push(format!(
                        "the response contained another user: {description}"
                    ));
                }
                id.is_some()
            }
            (_, Some(user)) => users[user].marks.contains(&write.mark),
            (_, None) => unreachable!("a change has a user"),
        };
        match write.result {
            // A later write may have replaced a bio. The comparison of versions below finds lost ones.
            WriteResult::Done
                if !is_stored && (write.is_permanent || write.kind == RequestKind::Create) =>
            {
                found.push(format!("lost: {description}"));
            }
            WriteResult::NotDone if is_stored => {
                found.push(format!("applied although refused: {description}"));
            }
            WriteResult::Unknown => found.push(format!("outcome still unknown: {description}")),
            WriteResult::Done | WriteResult::NotDone => {}
        }
    }
    let done = writes
        .iter()
        .filter(|write| write.result == WriteResult::Done);
    let mut acknowledged_writes: BTreeMap<&str, i64> = BTreeMap::new();
    for write in done {
        *acknowledged_writes
            .entry(write.user.as_deref().unwrap())
            .or_default() += 1;
    }
    for (id, user) in &users {
        let Some(acknowledged) = acknowledged_writes.remove(id.as_str()) else {
            found.push(format!(
                "no response acknowledged user {id}, {}",
                user.username
            ));
            continue;
        };
        if user.version != acknowledged {
            found.push(format!(
                "user {id} has version {} after {acknowledged} acknowledged writes",
                user.version
            ));
        }
        if user.events != (1..=user.version).collect::<Vec<_>>() {
            found.push(format!(
                "user {id} has version {} with events {:?}",
                user.version, user.events
            ));
        }
        let marks = user.marks.clone();
        let version = user.version;
        history.record_last(id, Seen::User { version, marks });
    }
    found.extend(
        acknowledged_writes
            .keys()
            .map(|id| format!("user {id} is lost")),
    );
    found
}
