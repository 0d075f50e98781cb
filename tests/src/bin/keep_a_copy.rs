//! Keeps a copy of users in SQLite. Settings: `USERS_URL`, `USERS_TOKEN`, and `USERS_COPY`, the file of the copy.

use std::error::Error;
use std::io::{self, Write};
use std::{env, time::Duration};

use serde_json::Value;
use sqlx::{
    Connection, Executor, SqliteConnection, query, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use tokio::time::sleep;

const TABLES: &str =
    "CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, version INTEGER, user TEXT);
    CREATE TABLE IF NOT EXISTS position (cursor TEXT)";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = SqliteConnectOptions::new()
        .filename(env::var("USERS_COPY")?)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal); // Readers of the copy wait for nothing.
    let mut copy = SqliteConnection::connect_with(&file).await?;
    copy.execute(TABLES).await?;
    loop {
        let Err(error) = follow(&mut copy).await else {
            continue;
        };
        writeln!(io::stderr(), "{error}")?;
        let failed = error.downcast_ref::<reqwest::Error>();
        match failed.map(|error| error.status().map_or(0, |status| status.as_u16())) {
            // The position is not valid any more: start again.
            Some(400 | 410) => _ = copy.execute("DELETE FROM position").await?,
            Some(0 | 429 | 500..) => {}
            _ => return Err(error),
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Applies one page of events, or creates the copy if there is no position to continue from.
async fn follow(copy: &mut SqliteConnection) -> Result<(), Box<dyn Error>> {
    let cursor = query_scalar("SELECT cursor FROM position")
        .fetch_optional(&mut *copy)
        .await?;
    let Some(cursor): Option<String> = cursor else {
        return start(copy).await;
    };
    let page = get(&format!("/v1/events?wait=25&include=user&cursor={cursor}")).await?;
    let mut transaction = copy.begin().await?;
    for event in members(&page, "/events") {
        // Events about follows and blocks have no revision, and do not change the user.
        if at(event, "/data/revision").is_some() {
            let user = at(event, "/data/user");
            store(&mut transaction, text(event, "/subject"), user).await?;
        }
    }
    query("UPDATE position SET cursor = ?")
        .bind(text(&page, "/cursor"))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    if members(&page, "/events").is_empty() {
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Replaces the copy: first the position, then a walk over all users.
async fn start(copy: &mut SqliteConnection) -> Result<(), Box<dyn Error>> {
    let now = get("/v1/events?cursor=now").await?;
    sleep(Duration::from_secs(2)).await; // A list may be a second old.
    let mut transaction = copy.begin().await?;
    transaction.execute("DELETE FROM users").await?;
    let mut next = String::new();
    loop {
        let page = get(&format!("/v1/users?sort=created_at&limit=200{next}")).await?;
        for user in members(&page, "/users") {
            store(&mut transaction, text(user, "/id"), Some(user)).await?;
        }
        match text(&page, "/next_cursor") {
            "" => break,
            cursor => next = format!("&cursor={cursor}"),
        }
    }
    query("INSERT INTO position VALUES (?)")
        .bind(text(&now, "/cursor"))
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// Stores a user unless the copy has a newer one. A user that is deleted or erased (none) is removed.
async fn store(copy: &mut SqliteConnection, id: &str, user: Option<&Value>) -> sqlx::Result<()> {
    let Some(user) = user.filter(|user| text(user, "/status") != "deleted") else {
        let delete = query("DELETE FROM users WHERE id = ?").bind(id);
        return delete.execute(copy).await.map(drop);
    };
    let version = at(user, "/version").and_then(Value::as_i64);
    let newest_wins = "INSERT INTO users VALUES (?, ?, ?) ON CONFLICT (id)
        DO UPDATE SET version = excluded.version, user = excluded.user WHERE excluded.version >= version";
    let insert = query(newest_wins).bind(id).bind(version);
    insert.bind(user.to_string()).execute(copy).await.map(drop)
}

async fn get(path: &str) -> Result<Value, Box<dyn Error>> {
    let (url, token) = (env::var("USERS_URL")?, env::var("USERS_TOKEN")?);
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(40))
        .build()?;
    let response = client.get(url + path).bearer_auth(token).send().await?;
    Ok(response.error_for_status()?.json().await?)
}

/// Returns the value at a JSON pointer; none if it is null.
fn at<'a>(of: &'a Value, pointer: &str) -> Option<&'a Value> {
    of.pointer(pointer).filter(|value| !value.is_null())
}

fn members<'a>(of: &'a Value, pointer: &str) -> &'a [Value] {
    at(of, pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(of: &'a Value, pointer: &str) -> &'a str {
    at(of, pointer).and_then(Value::as_str).unwrap_or_default()
}
