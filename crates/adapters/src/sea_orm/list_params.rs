//! Lists of values in statements.
//!
//! Each side caches a prepared statement per connection and SQL text. A text for each length of a list would fill these
//! caches with statements that are hardly used again. A list is therefore one parameter, or has one of few lengths:
//!
//! | list | form |
//! |---|---|
//! | rows that a hand-written statement joins | one JSON parameter, expanded by [`row_table`] |
//! | arrays of PostgreSQL | one text parameter: [`id_array`], [`number_array`] |
//! | rows that the same transaction has selected | one text parameter: [`place_list`] |
//! | values of `IN` in a statement of the query builder | [`padded`] to a power of two |
//! | rows of an INSERT of the query builder | [`batches`] of a power of two |

use sea_orm::{ConnectionTrait, Value};
use serde_json::json;
use user_domain::relationship::Edge;
use user_domain::values::UserId;
use uuid::Uuid;

use super::dialect::Dialect;

/// The most rows that one statement inserts.
const MAX_ROWS_PER_STATEMENT: usize = 128;

/// The type of a column of a JSON list.
#[derive(Debug, Clone, Copy)]
pub(super) enum ColumnType {
    /// The id of a user.
    Id,
    /// A 64-bit integer.
    Number,
    /// A boolean.
    Flag,
}

/// Returns a FROM item `g` that expands the first parameter of a statement, a JSON list, to rows. Its column `place` is
/// the row's index, from 0.
pub(super) fn row_table(db: &impl ConnectionTrait, columns: &[(&str, ColumnType)]) -> String {
    let dialect = Dialect::of(db);
    let columns = columns.iter().enumerate().map(|(at, (name, column))| {
        let text = match (dialect, column) {
            (Dialect::Postgres, ColumnType::Id) => format!("(line->>{at})::uuid"),
            (Dialect::Postgres, ColumnType::Number) => format!("(line->>{at})::bigint"),
            (Dialect::Postgres, ColumnType::Flag) => format!("(line->>{at})::boolean"),
            (Dialect::Sqlite, ColumnType::Id) => format!("unhex(value->>{at})"),
            (Dialect::Sqlite, ColumnType::Number | ColumnType::Flag) => format!("value->>{at}"),
        };
        format!("{text} AS {name}")
    });
    let columns: Vec<String> = columns.collect();
    let columns = columns.join(", ");
    match dialect {
        Dialect::Postgres => format!(
            "(SELECT {columns}, place - 1 AS place
            FROM json_array_elements($1::text::json) WITH ORDINALITY AS lines (line, place)) AS g"
        ),
        Dialect::Sqlite => format!("(SELECT {columns}, key AS place FROM json_each($1)) AS g"),
    }
}

/// Returns a FROM item of the user ids in the first parameter.
pub(super) fn id_table(db: &impl ConnectionTrait) -> String {
    row_table(db, &[("id", ColumnType::Id)])
}

/// Returns a FROM item of the edges in the first parameter, with the columns `a` and `b`.
pub(super) fn edge_table(db: &impl ConnectionTrait) -> String {
    row_table(db, &[("a", ColumnType::Id), ("b", ColumnType::Id)])
}

/// Returns an id as a cell of a JSON list.
pub(super) fn id(user: UserId) -> serde_json::Value {
    json!(user.as_uuid().simple().to_string())
}

/// Returns the parameter for [`row_table`].
pub(super) fn row_list(rows: impl IntoIterator<Item = serde_json::Value>) -> Value {
    serde_json::Value::from_iter(rows).to_string().into()
}

/// Returns the parameter for [`id_table`].
pub(super) fn id_list(ids: impl IntoIterator<Item = UserId>) -> Value {
    row_list(ids.into_iter().map(|user| json!([id(user)])))
}

/// Returns the parameter for [`edge_table`].
pub(super) fn edge_list(edges: impl IntoIterator<Item = Edge>) -> Value {
    row_list(
        edges
            .into_iter()
            .map(|edge| json!([id(edge.from()), id(edge.to())])),
    )
}

/// Returns the parameter for `$1::text::uuid[]`.
pub(super) fn id_array(ids: &[UserId]) -> Value {
    let mut list = String::with_capacity(2 + 33 * ids.len());
    let mut text = Uuid::encode_buffer();
    for id in ids {
        list.push(if list.is_empty() { '{' } else { ',' });
        list.push_str(id.as_uuid().simple().encode_lower(&mut text));
    }
    list.push('}');
    list.into()
}

/// Returns the parameter for `string_to_array($1, ',')::integer[]`.
pub(super) fn number_array(numbers: impl IntoIterator<Item = i32>) -> Value {
    let numbers: Vec<String> = numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect();
    numbers.join(",").into()
}

/// Returns the condition that the physical place of a row ([`Dialect::row_place`]) is in the first parameter.
pub(super) fn is_in_places(db: &impl ConnectionTrait) -> &'static str {
    Dialect::of(db).choose(
        "ctid = ANY (string_to_array($1, ';')::tid[])",
        "rowid IN (SELECT value FROM json_each('[' || replace($1, ';', ',') || ']'))",
    )
}

/// Returns the parameter for [`is_in_places`].
pub(super) fn place_list<'a>(places: impl IntoIterator<Item = &'a str>) -> Value {
    let places: Vec<&str> = places.into_iter().collect();
    places.join(";").into()
}

/// Pads a list to a power of two by repeating its last value. `IN` gives the same result for both lists.
pub(super) fn padded<T: Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

/// Splits rows into batches of 1, 2, 4 … [`MAX_ROWS_PER_STATEMENT`] rows, the largest first.
pub(super) fn batches<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = MAX_ROWS_PER_STATEMENT.min(1 << rest.len().checked_ilog2()?);
        let (batch, remaining) = rest.split_at_checked(size)?;
        rest = remaining;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_padded_list_keeps_its_values_and_has_one_of_few_lengths() {
        assert_eq!(padded([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 5, 5, 5]);
        assert_eq!(padded([1]), [1]);
        assert!(padded::<u8>([]).is_empty());
        let lengths: BTreeSet<usize> = (0..=500).map(|n| padded(0..n).len()).collect();
        assert_eq!(lengths.len(), 11);
    }

    #[test]
    fn batches_contain_all_rows_in_order_and_have_few_sizes() {
        let rows: Vec<usize> = (0..500).collect();
        let mut sizes = BTreeSet::new();
        for count in 0..=rows.len() {
            let together: Vec<usize> = batches(&rows[..count])
                .inspect(|batch| {
                    sizes.insert(batch.len());
                })
                .flatten()
                .copied()
                .collect();
            assert_eq!(together, rows[..count]);
        }
        assert_eq!(sizes, BTreeSet::from([1, 2, 4, 8, 16, 32, 64, 128]));
    }
}
