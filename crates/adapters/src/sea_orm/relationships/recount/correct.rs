//! Puts right what was found to be wrong.

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;
use user_domain::StoreError;
use user_domain::ports::Recounted;
use user_domain::values::{Timestamp, UserId};
use user_domain::write::WriteError;
use uuid::Uuid;

use super::look::Looked;
use crate::guards::Guards;
use crate::sea_orm::given::{self, Kind};
use crate::sea_orm::pool::Pool;
use crate::sea_orm::presence::{self, Presence};
use crate::sea_orm::users::change;
use crate::sea_orm::{errors, transaction};

/// Adds to counts what they lack, in the order of their users, unless another has done so since they were looked at; takes down
/// by how much they were wrong.
pub(super) async fn counts(
    db: &Pool,
    looked: &[Looked],
    recounted: &mut Recounted,
) -> Result<(), StoreError> {
    let wrong = looked.iter().filter(|one| one.is_there);
    let wrong: Vec<&Looked> = wrong.filter(|one| one.drift() != [0, 0]).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let corrected = async {
        let tx = transaction::begin(db).await?;
        let corrected = transaction::bounded(Box::pin(add(&tx, &wrong))).await?;
        transaction::commit(tx).await?;
        Ok(corrected)
    };
    let corrected = corrected.await.map_err(errors::unrefused)?;
    for one in wrong.iter().filter(|one| corrected.contains(&one.user)) {
        let [followers, following] = one.drift();
        recounted.followers_drift += followers.unsigned_abs();
        recounted.following_drift += following.unsigned_abs();
    }
    Ok(())
}

async fn add(tx: &impl ConnectionTrait, wrong: &[&Looked]) -> Result<Vec<UserId>, WriteError> {
    let rows = wrong.iter().map(|one| {
        let [followers, following] = one.drift();
        json!([given::id(one.user), followers, following, one.repairs + 1])
    });
    let columns = [
        ("id", Kind::Id),
        ("followers", Kind::Number),
        ("following", Kind::Number),
        ("repairs", Kind::Number),
    ];
    let sql = ADD.replace(
        "{given}",
        &given::table(tx.get_database_backend(), &columns),
    );
    let corrected = async {
        let rows = given::query(tx, sql, [given::rows(rows)]).await?;
        let ids = rows.iter().map(|row| row.try_get::<Uuid>("", "user_id"));
        ids.map(|id| id.map(UserId::from_uuid))
            .collect::<Result<Vec<UserId>, DbErr>>()
    };
    corrected.await.map_err(|error| errors::write(&error))
}

/// Lets the follows of a user be settled with what it is, as if it had become that just now; takes down how many others
/// counted it wrongly.
pub(super) async fn presence(
    db: &Pool,
    guards: Guards,
    looked: &Looked,
    at: Timestamp,
    recounted: &mut Recounted,
) -> Result<(), StoreError> {
    let noted = async {
        let tx = transaction::begin(db).await?;
        transaction::bounded(Box::pin(note(&tx, guards, looked.user, at))).await?;
        transaction::commit(tx).await
    };
    noted.await.map_err(errors::unrefused)?;
    recounted.followers_drift += looked.outgoing.wrong.unsigned_abs();
    recounted.following_drift += looked.incoming.wrong.unsigned_abs();
    Ok(())
}

/// The user may have become another since it was looked at.
async fn note(
    tx: &impl ConnectionTrait,
    guards: Guards,
    user: UserId,
    at: Timestamp,
) -> Result<(), WriteError> {
    let presence = match change::lock(tx, guards, user).await {
        Ok(user) => Presence::of(&user),
        Err(WriteError::NotFound) => Presence::Erased,
        Err(error) => return Err(error),
    };
    presence::change(tx, guards, &[(user, presence)], at).await
}

const ADD: &str = "
    INSERT INTO follow_counts (user_id, part, followers, following, repairs)
    SELECT g.id, 0, g.followers, g.following, g.repairs FROM {given} WHERE true ORDER BY g.id
    ON CONFLICT (user_id, part) DO UPDATE SET
        followers = follow_counts.followers + excluded.followers,
        following = follow_counts.following + excluded.following,
        repairs = excluded.repairs
    WHERE follow_counts.repairs = excluded.repairs - 1
    RETURNING user_id";
