//! Writes, compared with the same statements in pgbench.

use std::fs;

use user_tests::API_TOKEN;

use crate::figures::{Table, median, rounds, span};
use crate::load::{drive, pgbench, write_generating_script};
use crate::reads::medians;
use crate::server::Server;
use crate::world::World;

/// The number of concurrent writers: enough for commits to share their disk syncs.
const WRITERS: u32 = 32;

// In these statements, only pgbench variables may begin with a colon: pgbench replaces them even inside quotes.

/// The columns of `users`, in the order of the statements of the service.
const COLUMNS: &str = "id, username, username_key, username_skeleton, external_id, email, email_key, email_verified, \
    phone_number, phone_number_verified, standing, roles, name, given_name, family_name, nickname, picture, website, bio, \
    location, locale, zoneinfo, birthdate, metadata_public, metadata_user, metadata_private, search_text, version, \
    created_at, updated_at, deleted_at, tokens_valid_after, password_changed_at, has_blocks, internal_changes";

const EVENT_COLUMNS: &str =
    "id, type, subject_kind, subject_id, object_id, version, internal_changes, changed, actor, at";

/// Returns an id that begins with the time, like the ids of the service. `now()` is the start of the transaction.
fn new_id(kind: &str, number: &str) -> String {
    format!(
        "(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7{kind}8000' || \
         lpad(to_hex(:{number}::bigint), 12, '0'))::uuid"
    )
}

/// Compares the creation of users.
pub(crate) fn create(world: &World, table: &mut Table) {
    let (user, event) = (new_id("000", "n"), new_id("001", "n"));
    let name = "'p' || to_hex(:n::bigint)";
    let statements = format!(
        "\\set n random(1, 281474976710655)
BEGIN;
INSERT INTO users ({COLUMNS}) VALUES ({user}, {name}, {name}, {name}, NULL, {name} || '@example.net',
  {name} || '@example.net', false, NULL, false, 'active', '[]', 'Ann Lee', 'Ann', 'Lee', NULL,
  'https://images.example.org/a/1.jpg', NULL, 'Writes about gardens, trains and the sea.', 'Berlin', 'de-DE',
  'Europe/Berlin', '1990-02-28', '{{\"theme\":\"dark\"}}', '{{}}', '{{}}', {name} || E'\\tann lee', 1, now(), now(), NULL, NULL,
  NULL, false, 0);
INSERT INTO events ({EVENT_COLUMNS}) SELECT {event}, 'user.created', 'user', {user}, NULL, 1, 0,
  '[\"username\",\"email\",\"profile.name\",\"profile.bio\"]', 'system', now()
  WHERE NOT EXISTS (SELECT 1 FROM released_usernames AS r WHERE (r.username_key = {name} OR r.username_skeleton = {name})
  AND r.released_at > now() - interval '90 days' AND r.user_id <> {user});
COMMIT;
"
    );
    let request = format!(
        "local name = string.format('w%s%x', seed, turn)
        local body = string.format('{{\"username\":\"%s\",\"email\":\"%s@example.net\",\"profile\":{{\"name\":\"Ann Lee\",\"given_name\":\"Ann\",\"family_name\":\"Lee\",\"bio\":\"Writes about gardens, trains and the sea.\",\"picture\":\"https://images.example.org/a/1.jpg\",\"location\":\"Berlin\",\"locale\":\"de-DE\",\"zoneinfo\":\"Europe/Berlin\",\"birthdate\":\"1990-02-28\"}},\"metadata\":{{\"public\":{{\"theme\":\"dark\"}}}}}}', name, name)
        return wrk.format('POST', '/v1/users', {{['Authorization'] = 'Bearer {API_TOKEN}', ['Content-Type'] = 'application/json'}}, body)"
    );
    compare(world, table, "create", &request, &statements, 0.7);
}

/// Compares changes of one field of a user.
pub(crate) fn patch(world: &World, table: &mut Table) {
    let event = new_id("002", "e");
    let user = "('01990000-0000-7000-8000-' || lpad(to_hex(:n::bigint), 12, '0'))::uuid";
    let unchanged: Vec<String> = COLUMNS
        .split(", ")
        .map(str::trim)
        .filter(|column| !["id", "bio", "version", "updated_at"].contains(column))
        .map(|column| format!("{column} = {column}"))
        .collect();
    let statements = format!(
        "\\set n random(1, {})
\\set e random(1, 281474976710655)
BEGIN;
SELECT {COLUMNS} FROM users WHERE id = {user} FOR UPDATE;
WITH event AS (INSERT INTO events ({EVENT_COLUMNS}) VALUES ({event}, 'user.updated', 'user', {user}, NULL, 2, 0,
  '[\"profile.bio\"]', 'system', now()))
UPDATE users SET {}, bio = 'Writes about ' || to_hex(:e::bigint), version = version + 1, updated_at = now() WHERE id = {user};
COMMIT;
",
        world.users,
        unchanged.join(", ")
    );
    let request = format!(
        "local path = string.format('/v1/users/01990000-0000-7000-8000-%012x', math.random({}))
        local body = string.format('{{\"profile\":{{\"bio\":\"Writes about %s %d\"}}}}', seed, turn)
        return wrk.format('PATCH', path, {{['Authorization'] = 'Bearer {API_TOKEN}', ['Content-Type'] = 'application/merge-patch+json'}}, body)",
        world.users
    );
    compare(world, table, "PATCH", &request, &statements, 0.6);
}

fn compare(
    world: &World,
    table: &mut Table,
    what: &str,
    request: &str,
    statements: &str,
    target: f64,
) {
    let (script, transaction) = (
        world.path().join(format!("{what}.lua")),
        world.path().join(format!("{what}.sql")),
    );
    write_generating_script(&script, request);
    fs::write(&transaction, statements).unwrap();
    let database = world.database();
    let service = Server::service(world.path(), &world.production(&database));
    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..=rounds() {
        let one = drive(&service, &script, WRITERS, span());
        let other = pgbench(&database, &transaction, WRITERS, span());
        if round > 0 {
            ours.push(one);
            theirs.push(other);
        }
    }
    let (ours, theirs) = (medians(&ours), median(theirs));
    table.at_least(
        &format!("{what}, {WRITERS} connections"),
        &format!("pgbench, the same statements, {WRITERS} clients"),
        ours.requests / theirs,
        target,
        format!(
            "{:.0}/s : {theirs:.0}/s, {:.0} µs of CPU each",
            ours.requests, ours.cpu
        ),
    );
}
