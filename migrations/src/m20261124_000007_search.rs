//! What a search of users goes by in PostgreSQL: an index of the parts of their search texts.
//!
//! It is made of what each PostgreSQL has, so that no extension has to be there. SQLite searches without an index.

use crate::statements::PostgresStatements;

pub(crate) const MIGRATION: PostgresStatements = PostgresStatements {
    name: "m20261124_000007_search",
    statements: STATEMENTS,
};

/// A text has a part for each of its characters: that one and up to three more. Whatever of four characters stands in a
/// text is one of its parts, and whatever is shorter begins one.
///
/// What is sought is cut into fours, the last of which ends where it ends. Both are cut by the database, so that they are
/// cut alike whatever its encoding is. The function costs what it is said to: a plan compares by `LIKE` first.
///
/// The texts stand in a table of their own: each change of a user makes new entries in all indexes of `users`, and this
/// one has thirty for a user. Triggers keep the table, so that the release before this one keeps it too.
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
