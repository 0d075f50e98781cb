//! Searches among many users. The matches are few, many or none, early or late in the order of the list.

use std::path::PathBuf;
use std::time::Instant;

use user_tests::API_TOKEN;

use crate::figures::{Table, median, number};
use crate::server::Server;
use crate::world::World;

/// The number of times that each request is sent.
const TIMES: usize = 21;

/// Users whose creation times are one second apart. By age, oldest first: 3,000 named `zebra…`, 30,000 named `walrus…`,
/// and the rest named `person…`, except one named `okapi…`.
const USERS: &str = "
    INSERT INTO users (id, username, username_key, username_skeleton, email, email_key, email_verified,
        phone_number_verified, standing, roles, bio, metadata_public, metadata_user, metadata_private, search_text,
        version, created_at, updated_at)
    SELECT ('01990000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, name, name, name, name || '@example.org', name || '@example.org', false,
        false, 'active', CASE WHEN n <= 3000 THEN '[\"keeper\"]' ELSE '[]' END, repeat('Of gardens and the sea. ', 10),
        '{}', '{}', '{}', name || E'\\n', 1, moment, moment
    FROM generate_series(1, $1::int) AS n,
    LATERAL (SELECT
        CASE WHEN n <= 3000 THEN 'zebra' WHEN n <= 33000 THEN 'walrus' WHEN n = 40000 THEN 'okapi' ELSE 'person' END
            || '.' || lpad(n::text, 7, '0') AS name,
        now() - make_interval(secs => $1::int - n) AS moment) AS made";

const REQUESTS: [(&str, &str); 12] = [
    ("page, no filter", "/v1/users?limit=50"),
    ("page, q matches nearly all", "/v1/users?q=person&limit=50"),
    ("page, q matches one", "/v1/users?q=okapi&limit=50"),
    ("page, q matches none", "/v1/users?q=quagga&limit=50"),
    (
        "page, q matches the oldest 3,000",
        "/v1/users?q=zebra&limit=50",
    ),
    (
        "page by name, q matches the oldest 3,000",
        "/v1/users?q=zebra&limit=50&sort=username",
    ),
    (
        "page, q matches 30,000, after the oldest 3,000",
        "/v1/users?q=walrus&limit=50",
    ),
    (
        "page, username_prefix of the oldest 3,000",
        "/v1/users?username_prefix=zebra&limit=50",
    ),
    (
        "page, role of the oldest 3,000",
        "/v1/users?role=keeper&limit=50",
    ),
    ("count, q matches one", "/v1/users/count?q=okapi"),
    ("count, q matches 3,000", "/v1/users/count?q=zebra"),
    ("count, q matches nearly all", "/v1/users/count?q=person"),
];

/// Measures the time of single requests, with this release and with the program in `BENCH_PREVIOUS`.
pub(crate) fn searches(world: &World, table: &mut Table) {
    let users = number("BENCH_SEARCHED_USERS", 200_000);
    let database = world.filled_by(USERS, users);
    let url = database.url();
    let settings = [("DATABASE_URI", url.as_str())];
    let service = Server::service(world.path(), &settings);
    let previous = std::env::var("BENCH_PREVIOUS").ok().map(PathBuf::from);
    let previous = previous.map(|program| Server::service_of(&program, world.path(), &settings));
    for (what, path) in REQUESTS {
        let what = format!("{what}, {users} users");
        let now = milliseconds(&service, path);
        let Some(previous) = &previous else {
            table.add_value(&what, format!("{now:.1} ms"));
            continue;
        };
        let before = milliseconds(previous, path);
        let times = format!("{now:.1} ms : {before:.1} ms");
        table.at_most(&what, "the previous release", now / before, 1.2, times);
    }
}

fn milliseconds(server: &Server, path: &str) -> f64 {
    let times = (0..TIMES).map(|_| {
        let started = Instant::now();
        let reply = server.send("GET", path, API_TOKEN, None);
        assert_eq!(reply.status, 200, "{path}");
        started.elapsed().as_secs_f64() * 1e3
    });
    median(times.collect())
}
