//! The index for user searches on PostgreSQL. It contains the parts of each user's search text.
//!
//! It uses only built-in features of PostgreSQL, so no extension is required. SQLite searches without an index.

use crate::dialect::Dialect;
use crate::repeatable::{Repeatable, Step};

/// The index is created last, so it is valid only if the table is complete. Until then searches do without it.
///
/// `fastupdate` would collect new entries in a list, and one of some thousand writes would have to merge that list,
/// which takes up to a second.
pub(crate) const MIGRATION: Repeatable = Repeatable {
    name: "m20261124_000007_search",
    only: Some(Dialect::Postgres),
    steps: &[
        Step::Transaction(STATEMENTS),
        Step::Ranges(COPY_RANGE),
        Step::Index {
            name: "user_search_texts_ix",
            on: "user_search_texts USING gin (user_search_parts(search_text)) WITH (fastupdate = off)",
        },
    ],
};

/// Copies the texts of up to 1,000 users that have none yet. Later changes of them are copied by the triggers.
///
/// `FOR KEY SHARE` excludes deletions: the trigger of one that runs at the same time would not find the copy, and the
/// text would outlive its user. `ARRAY` and `OFFSET` make the planner read both tables by their primary keys.
/// Otherwise, without statistics of the new table, it would read all texts for each range.
const COPY_RANGE: &str = "WITH in_range AS MATERIALIZED (
        SELECT id FROM users WHERE id >= $1 ORDER BY id LIMIT 1001
    ), copied AS (
        INSERT INTO user_search_texts (user_id, search_text)
        SELECT id, search_text FROM users
        WHERE id = ANY(ARRAY(SELECT id FROM in_range))
            AND NOT EXISTS (SELECT FROM user_search_texts WHERE user_id = users.id OFFSET 0)
        FOR KEY SHARE OF users
        ON CONFLICT (user_id) DO NOTHING
    )
    SELECT id FROM in_range ORDER BY id DESC LIMIT 1";

/// A text has one part for each of its characters: that character and up to three more. Every four characters in
/// sequence are therefore one part, and every shorter sequence is the start of one.
///
/// A query is split into pieces of four characters. The last piece ends at the end of the query. The database splits
/// both texts, so that they are split in the same way in any encoding. The declared cost of the functions makes the
/// planner compare by `LIKE` first.
///
/// The texts are in a table of their own. Each change of a user creates new entries in all indexes of `users`, and this
/// index has about thirty entries for each user. Triggers maintain the table, so that the previous release
/// maintains it too.
const STATEMENTS: &[&str] = &[
    "CREATE OR REPLACE FUNCTION user_search_parts(search_text text) RETURNS tsvector
        LANGUAGE sql IMMUTABLE STRICT COST 1000 AS $$
        SELECT array_to_tsvector(array_agg(substr(search_text, at, 4)))
        FROM generate_series(1, length(search_text)) AS at
    $$",
    r"CREATE OR REPLACE FUNCTION user_search_query(sought text) RETURNS tsquery
        LANGUAGE sql IMMUTABLE STRICT COST 1000 AS $$
        SELECT string_agg(
            '''' || replace(replace(
                substr(sought, least(at, greatest(length(sought) - 3, 1)), 4),
                '\', '\\'), '''', '''''')
            || CASE WHEN length(sought) < 4 THEN ''':*' ELSE '''' END,
            ' & ')::tsquery
        FROM generate_series(1, length(sought), 4) AS at
    $$",
    "CREATE TABLE IF NOT EXISTS user_search_texts (
        user_id uuid NOT NULL PRIMARY KEY,
        search_text text COLLATE \"C\" NOT NULL
    )",
    "CREATE OR REPLACE FUNCTION keep_user_search_text() RETURNS trigger
        LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM user_search_texts WHERE user_id = OLD.id;
        ELSE
            INSERT INTO user_search_texts (user_id, search_text) VALUES (NEW.id, NEW.search_text)
            ON CONFLICT (user_id) DO UPDATE SET search_text = EXCLUDED.search_text;
        END IF;
        RETURN NULL;
    END
    $$",
    "DO $$ BEGIN
        IF NOT EXISTS (
            SELECT FROM pg_trigger WHERE tgrelid = 'users'::regclass AND tgname = 'users_search_text_made'
        ) THEN
            CREATE TRIGGER users_search_text_made AFTER INSERT OR DELETE ON users
                FOR EACH ROW EXECUTE FUNCTION keep_user_search_text();
            CREATE TRIGGER users_search_text_changed AFTER UPDATE OF search_text ON users
                FOR EACH ROW WHEN (OLD.search_text IS DISTINCT FROM NEW.search_text)
                EXECUTE FUNCTION keep_user_search_text();
        END IF;
    END $$",
];
