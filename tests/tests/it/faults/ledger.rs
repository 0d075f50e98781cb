//! What the database has in the end, beside what clients were told.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sqlx::{self, Connection, PgConnection, Row, SqliteConnection};
use serde_json::json;
use user_tests::history::{History, Seen};
use uuid::Uuid;

use super::answers::Kind;
use super::workload::marks_of;

/// A write that a client wanted.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) kind: Kind,
    /// Whom it changed or made, where that was told.
    pub(super) user: Option<String>,
    /// What it leaves: a username, a key of the metadata, or a text of the profile.
    pub(super) mark: String,
    /// Whether the mark stays in each later version.
    pub(super) keeps: bool,
    pub(super) fate: Fate,
}

/// What its client knows of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    NotDone,
    Unknown,
}

/// A user as the database has it.
struct Kept {
    username: String,
    version: i64,
    marks: BTreeSet<String>,
    /// The versions that its events made, in order.
    events: Vec<i64>,
}

const USERS: &str = "SELECT id, username, version, bio, metadata_public FROM users";
const EVENTS: &str = "SELECT subject_id, version FROM events ORDER BY seq";

/// Reads users and events, past the service.
async fn read(uri: &str) -> BTreeMap<String, Kept> {
    let mut users = BTreeMap::new();
    macro_rules! fill {
        ($connection:expr) => {{
            let mut connection = $connection;
            for row in sqlx::query(USERS).fetch_all(&mut connection).await.unwrap() {
                let metadata: String = row.get("metadata_public");
                let public: serde_json::Value = serde_json::from_str(&metadata).unwrap();
                let bio: Option<String> = row.get("bio");
                let user = json!({"profile": {"bio": bio}, "metadata": {"public": public}});
                let kept = Kept {
                    username: row.get("username"),
                    version: row.get("version"),
                    marks: marks_of(&user),
                    events: Vec::new(),
                };
                users.insert(row.get::<Uuid, _>("id").to_string(), kept);
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

/// Compares what the database has with what clients were told, and gives every difference. Records for the history how
/// each user was in the end.
pub(super) async fn differences(uri: &str, intents: &[Intent], history: &History) -> Vec<String> {
    let users = read(uri).await;
    let mut found = Vec::new();
    let by_name: BTreeMap<&str, &String> = users
        .iter()
        .map(|(id, user)| (user.username.as_str(), id))
        .collect();
    for intent in intents {
        let whole = format!("{intent:?}");
        let is_there = match (intent.kind, &intent.user) {
            (Kind::Create, told) => {
                let id = by_name.get(intent.mark.as_str());
                if let (Some(id), Some(told)) = (id, told)
                    && *id != told
                {
                    found.push(format!("another user was told: {whole}"));
                }
                id.is_some()
            }
            (_, Some(user)) => users[user].marks.contains(&intent.mark),
            (_, None) => unreachable!("a change has a user"),
        };
        match intent.fate {
            // A text may have been replaced since; whether it made its version is counted below.
            Fate::Done if !is_there && (intent.keeps || intent.kind == Kind::Create) => {
                found.push(format!("lost: {whole}"));
            }
            Fate::NotDone if is_there => found.push(format!("done all the same: {whole}")),
            Fate::Unknown => found.push(format!("never resolved: {whole}")),
            Fate::Done | Fate::NotDone => {}
        }
    }
    let done = intents.iter().filter(|intent| intent.fate == Fate::Done);
    let mut writes: BTreeMap<&str, i64> = BTreeMap::new();
    for intent in done {
        *writes.entry(intent.user.as_deref().unwrap()).or_default() += 1;
    }
    for (id, user) in &users {
        let Some(acknowledged) = writes.remove(id.as_str()) else {
            found.push(format!("nobody made user {id}, {}", user.username));
            continue;
        };
        if user.version != acknowledged {
            found.push(format!(
                "user {id} is at version {} after {acknowledged} acknowledged writes",
                user.version
            ));
        }
        if user.events != (1..=user.version).collect::<Vec<_>>() {
            found.push(format!(
                "user {id} is at version {} with events {:?}",
                user.version, user.events
            ));
        }
        let marks = user.marks.clone();
        let version = user.version;
        history.record_last(id, Seen::User { version, marks });
    }
    found.extend(writes.keys().map(|id| format!("user {id} is lost")));
    found
}
