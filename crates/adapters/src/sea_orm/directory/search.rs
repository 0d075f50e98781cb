//! Asks the index of search texts first, where there is one.
//!
//! A page of a search is read in one of two ways: by the order of the page, which is quick when many users match, or by
//! what the index finds, which is quick when few do. The database cannot tell which it will be, since it takes the parts
//! of a word for independent; so the few are counted out before.

use std::fmt::Write as _;

use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use user_domain::StoreError;
use user_domain::directory::DirectoryFilter;
use uuid::Uuid;

use super::filter::containing;
use crate::sea_orm::errors;

/// How many users are few. More than that stand close enough in any order, and are walked to.
const FEW: usize = 2_000;

/// What the index says of a search.
pub(super) enum Found {
    /// These match, and nobody else.
    Few(Vec<Uuid>),
    /// More match, or nothing is sought, or there is no index.
    Unknown,
}

/// Finds whom a filter's search matches, if they are few.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    filter: &DirectoryFilter,
) -> Result<Found, StoreError> {
    let (Some(sought), DatabaseBackend::Postgres) = (&filter.search, db.get_database_backend())
    else {
        return Ok(Found::Unknown);
    };
    let statement = Statement::from_sql_and_values(
        DatabaseBackend::Postgres,
        format!(
            r"SELECT user_id FROM user_search_texts
            WHERE user_search_parts(search_text) @@ user_search_query($1) AND search_text LIKE $2 ESCAPE '\'
            LIMIT {}",
            FEW + 1
        ),
        [sought.as_str().into(), containing(sought).into()],
    );
    let rows = db
        .query_all_raw(statement)
        .await
        .map_err(|error| errors::store(&error))?;
    if rows.len() > FEW {
        return Ok(Found::Unknown);
    }
    rows.iter()
        .map(|row| row.try_get_by_index(0))
        .collect::<Result<Vec<Uuid>, _>>()
        .map(Found::Few)
        .map_err(|error| errors::store(&error))
}

/// Keeps to these users; one parameter, so that the statement is the same for any number.
pub(super) fn among(ids: &[Uuid]) -> Expr {
    let mut list = String::with_capacity(2 + ids.len() * 37);
    list.push('{');
    for (place, id) in ids.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(list, "{comma}{id}");
    }
    list.push('}');
    Expr::cust_with_values("id = ANY($1::text::uuid[])", [list])
}
