//! Keeps a copy of users in SQLite. Settings: `USERS_URL`, `USERS_TOKEN`, and `USERS_COPY`, the file of the copy.

use std::error::Error;
use std::io::{self, Write};
use std::{env, time::Duration};

use sqlx::{
    Executor, SqliteConnection, SqlitePool, query, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use tokio::time::sleep;
use user_client::{
    Client, CursorStore, FeedUpdate, Follower, SortOrder, Status, User, UserFilter, UserId,
};

const TABLES: &str =
    "CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, version INTEGER, user TEXT);
    CREATE TABLE IF NOT EXISTS position (id INTEGER PRIMARY KEY, cursor TEXT)";
const STORE_CURSOR: &str =
    "INSERT INTO position VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor";

/// The position in the database of the copy.
struct Position(SqlitePool);

impl CursorStore for Position {
    type Error = sqlx::Error;

    async fn load(&self) -> sqlx::Result<Option<String>> {
        let cursor = query_scalar("SELECT cursor FROM position");
        cursor.fetch_optional(&self.0).await
    }

    async fn store(&self, cursor: &str) -> sqlx::Result<()> {
        let store = query(STORE_CURSOR).bind(cursor);
        store.execute(&self.0).await.map(drop)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = SqliteConnectOptions::new()
        .filename(env::var("USERS_COPY")?)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal); // Readers of the copy wait for nothing.
    let copy = SqlitePool::connect_with(file).await?;
    copy.execute(TABLES).await?;
    let client = Client::new(&env::var("USERS_URL")?, env::var("USERS_TOKEN")?)?;
    let mut follower = client.follow(Position(copy.clone())).include_user();
    loop {
        let Err(error) = follow(&client, &mut follower, &copy).await else {
            continue;
        };
        writeln!(io::stderr(), "{error}")?;
        // The follower handles failures of the service by itself. The walk over all users does not.
        let failed = error.downcast_ref::<user_client::Error>();
        if !failed.is_some_and(|error| error.is_transient() || error.status() >= Some(500)) {
            return Err(error);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Applies a page of events, or replaces the copy by a walk over all users.
async fn follow(
    client: &Client,
    follower: &mut Follower<Position>,
    copy: &SqlitePool,
) -> Result<(), Box<dyn Error>> {
    let update = follower.next().await?;
    // One transaction: it is committed, or rolled back after an error.
    let mut transaction = copy.begin().await?;
    match &update {
        FeedUpdate::Resync(_) => {
            transaction.execute("DELETE FROM users").await?;
            let mut users = client.users(UserFilter::new().sort(SortOrder::OldestFirst));
            while let Some(user) = users.next().await {
                let user = user?;
                store(&mut transaction, user.id, Some(&user)).await?;
            }
        }
        FeedUpdate::Events(page) => {
            for event in &page.events {
                // Events about follows and blocks have no revision, and do not change the user.
                if event.data.revision.is_some() {
                    let user = event.data.user.as_ref();
                    store(&mut transaction, event.subject, user).await?;
                }
            }
        }
    }
    let cursor = query(STORE_CURSOR).bind(update.cursor());
    cursor.execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// Stores a user unless the copy has a newer one. A user that is deleted or erased (none) is removed.
async fn store(
    copy: &mut SqliteConnection,
    id: UserId,
    user: Option<&User>,
) -> Result<(), Box<dyn Error>> {
    let Some(user) = user.filter(|user| user.status != Status::Deleted) else {
        let delete = query("DELETE FROM users WHERE id = ?").bind(id.to_string());
        delete.execute(copy).await?;
        return Ok(());
    };
    let newest_wins = "INSERT INTO users VALUES (?, ?, ?) ON CONFLICT (id)
        DO UPDATE SET version = excluded.version, user = excluded.user WHERE excluded.version >= version";
    let insert = query(newest_wins)
        .bind(id.to_string())
        .bind(user.version.get())
        .bind(serde_json::to_string(user)?);
    insert.execute(copy).await?;
    Ok(())
}
