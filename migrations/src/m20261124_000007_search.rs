//! The index for user searches on PostgreSQL. It contains the parts of each user's search text.
//!
//! It uses only built-in features of PostgreSQL, so no extension is required. SQLite searches without an index.

use crate::statements::PostgresStatements;

pub(crate) const MIGRATION: PostgresStatements = PostgresStatements {
    name: "m20261124_000007_search",
    statements: STATEMENTS,
};

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
    "CREATE FUNCTION user_search_parts(search_text text) RETURNS tsvector
        LANGUAGE sql IMMUTABLE STRICT COST 1000 AS $$
        SELECT array_to_tsvector(array_agg(substr(search_text, at, 4)))
        FROM generate_series(1, length(search_text)) AS at
    $$",
    r"CREATE FUNCTION user_search_query(sought text) RETURNS tsquery
        LANGUAGE sql IMMUTABLE STRICT COST 1000 AS $$
        SELECT string_agg(
            '''' || replace(replace(
                substr(sought, least(at, greatest(length(sought) - 3, 1)), 4),
                '\', '\\'), '''', '''''')
            || CASE WHEN length(sought) < 4 THEN ''':*' ELSE '''' END,
            ' & ')::tsquery
        FROM generate_series(1, length(sought), 4) AS at
    $$",
    "CREATE TABLE user_search_texts (
        user_id uuid NOT NULL PRIMARY KEY,
        search_text text COLLATE \"C\" NOT NULL
    )",
    "CREATE FUNCTION keep_user_search_text() RETURNS trigger
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
    "CREATE TRIGGER users_search_text_made AFTER INSERT OR DELETE ON users
        FOR EACH ROW EXECUTE FUNCTION keep_user_search_text()",
    "CREATE TRIGGER users_search_text_changed AFTER UPDATE OF search_text ON users
        FOR EACH ROW WHEN (OLD.search_text IS DISTINCT FROM NEW.search_text)
        EXECUTE FUNCTION keep_user_search_text()",
    "INSERT INTO user_search_texts (user_id, search_text) SELECT id, search_text FROM users",
    "CREATE INDEX user_search_texts_ix ON user_search_texts USING gin (user_search_parts(search_text))",
];
