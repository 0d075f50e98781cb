//! Reads: from the in-process cache, from Redis, uncached, in batches and in lists.

use std::fs;
use std::path::PathBuf;

use fred::prelude::{Builder, ClientLike as _, Config, KeysInterface as _};
use serde_json::json;
use user_tests::API_TOKEN;

use crate::figures::{Table, median, rounds, span};
use crate::load::{Request, Round, drive, pgbench, write_generating_script, write_rotating_script};
use crate::server::Server;
use crate::world::{World, id, token};

/// Returns the medians of the rounds of one side.
pub(crate) fn medians(rounds: &[Round]) -> Round {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    Round {
        requests: of(|round| round.requests),
        p99: of(|round| round.p99),
        cpu: of(|round| round.cpu),
    }
}

/// Measures the sides alternately, after a warm-up round.
fn in_rounds(sides: &[(&Server, &PathBuf)], connections: u32) -> Vec<Round> {
    let mut measured = vec![Vec::new(); sides.len()];
    for round in 0..=rounds() {
        for (side, figures) in sides.iter().zip(&mut measured) {
            let figure = drive(side.0, side.1, connections, span());
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    measured.iter().map(|rounds| medians(rounds)).collect()
}

fn script(world: &World, name: &str, requests: &[Request]) -> PathBuf {
    let file = world.path().join(format!("{name}.lua"));
    write_rotating_script(&file, requests);
    file
}

/// Compares reads from the in-process cache with a bare handler.
pub(crate) fn cached(world: &World, table: &mut Table) {
    let hot = World::hot_reads();
    let file = script(world, "hot", &hot);
    let database = world.database();
    let settings = world.production(&database);
    let quiet = Server::service(world.path(), &settings);
    let logging = Server::service(
        world.path(),
        &[&settings[..], &[("LOG_LEVEL", "info")]].concat(),
    );
    let response = cached_response(&quiet, &hot[0]);
    let bare = Server::bare(world.path(), &response, None);
    let previous = std::env::var("BENCH_PREVIOUS").ok().map(PathBuf::from);
    // The previous release runs on the schema of this one.
    let previous = previous.map(|program| Server::service_of(&program, world.path(), &settings));
    let mut sides = vec![(&bare, &file), (&quiet, &file), (&logging, &file)];
    sides.extend(previous.as_ref().map(|previous| (previous, &file)));
    let measured = in_rounds(&sides, 32);
    let (bare, quiet, logging) = (measured[0], measured[1], measured[2]);
    let what = "cached GET, JWT, in-process cache";
    let against = "bare handler, same bytes and fields";
    table.at_least(
        &format!("{what}, log at warn"),
        against,
        quiet.requests / bare.requests,
        0.85,
        rates(quiet, bare),
    );
    table.at_least(
        &format!("{what}, one log line per request"),
        against,
        logging.requests / bare.requests,
        0.7,
        rates(logging, bare),
    );
    table.at_most(
        &format!("{what}, p99"),
        against,
        quiet.p99 / bare.p99,
        1.5,
        format!("{:.2} ms : {:.2} ms", quiet.p99, bare.p99),
    );
    table.add_value(
        "CPU time of a cached GET",
        format!(
            "{:.2} µs (bare {:.2} µs): {:.0} requests per CPU second",
            quiet.cpu,
            bare.cpu,
            1e6 / quiet.cpu
        ),
    );
    if let Some(previous) = measured.get(3) {
        table.add_value(
            "CPU time of a cached GET in the previous release",
            format!(
                "{:.2} µs: {:.0} requests per CPU second",
                previous.cpu,
                1e6 / previous.cpu
            ),
        );
    }
}

fn rates(ours: Round, theirs: Round) -> String {
    format!("{:.0}/s : {:.0}/s", ours.requests, theirs.requests)
}

/// Returns the response of the service when the user is cached.
fn cached_response(service: &Server, request: &Request) -> Vec<u8> {
    for _ in 0..2 {
        service.send("GET", &request.path, &request.token, None);
    }
    let reply = service.send("GET", &request.path, &request.token, None);
    assert_eq!(reply.status, 200);
    reply
        .whole
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b"connection:"))
        .collect::<Vec<_>>()
        .join(&b'\n')
}

/// Compares reads from Redis, without the in-process cache, with a bare handler that reads from Redis.
pub(crate) fn redis(world: &World, table: &mut Table) {
    let hot = World::hot_reads();
    let file = script(world, "hot", &hot);
    let database = world.database();
    let settings = [
        &world.production(&database)[..],
        &[("CACHE_MEMORY_MB", "0")],
    ]
    .concat();
    let service = Server::service(world.path(), &settings);
    let response = cached_response(&service, &hot[0]);
    let body = service.send("GET", &hot[0].path, &hot[0].token, None).body;
    put(world.redis(), &hot, &body);
    let bare = Server::bare(world.path(), &response, Some(world.redis()));
    let measured = in_rounds(&[(&bare, &file), (&service, &file)], 32);
    let (bare, service) = (measured[0], measured[1]);
    table.at_least(
        "cached GET, JWT, Redis only",
        "bare handler with one GET to Redis",
        service.requests / bare.requests,
        0.7,
        rates(service, bare),
    );
}

fn put(url: &str, hot: &[Request], body: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = Builder::from_config(Config::from_url(url).unwrap())
            .build()
            .unwrap();
        client.init().await.unwrap();
        for request in hot {
            let key = request.path.replace("/v1/users/", "bench:");
            let set: Result<(), _> = client.set(key, body, None, None, false).await;
            set.unwrap();
        }
        client.quit().await.unwrap();
    });
}

/// Compares reads from the database with pgbench.
pub(crate) fn uncached(world: &World, table: &mut Table) {
    let file = world.path().join("uncached.lua");
    let tokens: Vec<String> = (1..=100)
        .map(|number| format!("'{}'", token(number)))
        .collect();
    write_generating_script(&file, &format!(
        "if tokens == nil then tokens = {{{}}} end
        local path = string.format('/v1/users/01990000-0000-7000-8000-%012x', math.random({}))
        return wrk.format('GET', path, {{['Authorization'] = 'Bearer ' .. tokens[turn % 100 + 1], ['Cache-Control'] = 'no-cache'}})",
        tokens.join(","), world.users
    ));
    let select = world.path().join("select.sql");
    fs::write(&select, format!(
        "\\set n random(1, {})\nSELECT * FROM users WHERE id = ('01990000-0000-7000-8000-' || lpad(to_hex(:n::bigint), 12, '0'))::uuid;\n",
        world.users
    )).unwrap();
    let database = world.database();
    let service = Server::service(world.path(), &world.production(&database));
    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..=rounds() {
        let (one, other) = (
            drive(&service, &file, 64, span()),
            pgbench(&database, &select, 64, span()),
        );
        if round > 0 {
            ours.push(one.requests);
            theirs.push(other);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    table.at_least(
        "uncached GET, JWT, 64 connections",
        "pgbench, prepared SELECT of the row, 64 clients",
        ours / theirs,
        1.0,
        format!("{ours:.0}/s : {theirs:.0}/s"),
    );
}

/// Compares batches of a hundred users with a hundred single reads one after the other.
pub(crate) fn batch(world: &World, table: &mut Table) {
    let hot = World::hot_reads();
    let singles = script(world, "hot", &hot);
    let ids: Vec<String> = (1..=1_000).map(id).collect();
    let batches: Vec<Request> = ids
        .chunks(100)
        .map(|ids| Request {
            method: "POST",
            path: "/v1/users/batch".to_owned(),
            token: token(1),
            more: "",
            body: Some(json!({"ids": ids}).to_string()),
        })
        .collect();
    let batches = script(world, "batches", &batches);
    let database = world.database();
    let service = Server::service(world.path(), &world.production(&database));
    let measured = in_rounds(&[(&service, &singles), (&service, &batches)], 1);
    let (single, batch) = (measured[0].requests, measured[1].requests * 100.0);
    table.at_least(
        "POST /v1/users/batch of 100, users per second",
        "single GETs on one connection",
        batch / single,
        20.0,
        format!("{batch:.0}/s : {single:.0}/s"),
    );
}

/// Compares lists, searches and reads by username between many users and few.
pub(crate) fn lists(world: &World, table: &mut Table) {
    let many = crate::figures::number("BENCH_MANY_USERS", 1_000_000);
    let few = (many / 100).max(1_000);
    let databases = [world.another(few), world.another(many)];
    let urls = databases.each_ref().map(user_tests::PostgresDatabase::url);
    let services = urls
        .each_ref()
        .map(|url| Server::service(world.path(), &[("DATABASE_URI", url)]));
    for (what, target, path) in [
        ("list page of 50, newest first", 1.2, Path::Page),
        ("search by q", 2.0, Path::Search),
        ("by username, uncached", 1.2, Path::Username),
    ] {
        let files = [few, many].map(|users| {
            let file = world
                .path()
                .join(format!("lists-{users}-{}.lua", path as u8));
            match path {
                Path::Page => {
                    write_rotating_script(&file, &pages(&services[usize::from(users == many)]));
                }
                Path::Search => write_generating_script(
                    &file,
                    &uncached_get(&format!(
                        "string.format('/v1/users?q=user%07d', math.random({users}))"
                    )),
                ),
                Path::Username => write_generating_script(
                    &file,
                    &uncached_get(&format!(
                        "string.format('/v1/users/by-username/user%07d', math.random({users}))"
                    )),
                ),
            }
            file
        });
        let measured = in_rounds(&[(&services[0], &files[0]), (&services[1], &files[1])], 1);
        let costs = [1e3 / measured[0].requests, 1e3 / measured[1].requests];
        table.at_most(
            &format!("{what}, {many} users"),
            &format!("{few} users"),
            costs[1] / costs[0],
            target,
            format!("{:.3} ms : {:.3} ms", costs[1], costs[0]),
        );
    }
}

#[derive(Clone, Copy)]
enum Path {
    Page,
    Search,
    Username,
}

fn uncached_get(path: &str) -> String {
    format!(
        "return wrk.format('GET', {path}, {{['Authorization'] = 'Bearer {API_TOKEN}', ['Cache-Control'] = 'no-cache'}})"
    )
}

/// Returns requests for the first ten pages of the list, each from the cursor of the page before it.
fn pages(service: &Server) -> Vec<Request> {
    let mut path = "/v1/users?limit=50&sort=-created_at".to_owned();
    let mut found = Vec::new();
    for _ in 0..10 {
        found.push(Request::get(path.clone(), API_TOKEN));
        let reply = service.send("GET", &path, API_TOKEN, None);
        let page: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/users?limit=50&sort=-created_at&cursor={cursor}");
    }
    found
}
