//! At rest, and under a storm of passwords.

use std::time::Instant;

use serde_json::json;
use user_tests::API_TOKEN;

use crate::figures::{Table, median, rounds, span};
use crate::load::{Storm, drive, in_turns, made_anew};
use crate::server::Server;
use crate::world::{World, id};

/// How often the start is measured.
const STARTS: usize = 10;

/// The memory of a service that does nothing, of each user that it knows, and how long it takes to start.
pub(crate) fn at_rest(world: &World, table: &mut Table) {
    let database = world.database();
    let settings = world.production(&database);
    let starts = (0..STARTS).map(|_| {
        let begun = Instant::now();
        let _service = Server::service(world.path(), &settings);
        begun.elapsed().as_secs_f64() * 1e3
    });
    let start = median(starts.collect());
    table.at_most(
        "from start to ready",
        "300 ms",
        start / 300.0,
        1.0,
        format!("{start:.0} ms"),
    );
    let service = Server::service(world.path(), &settings);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let rest = service.memory();
    table.at_most(
        "resident memory at rest",
        "40 MB",
        rest / 40e6,
        1.0,
        format!("{:.1} MB", rest / 1e6),
    );
    let known = world.users.min(20_000);
    let batches = (1..=known).collect::<Vec<_>>();
    for some in batches.chunks(500) {
        let ids: Vec<String> = some.iter().map(|number| id(*number)).collect();
        let reply = service.ask(
            "POST",
            "/v1/users/batch",
            API_TOKEN,
            Some(&json!({"ids": ids}).to_string()),
        );
        assert_eq!(reply.status, 200);
    }
    let each = (service.memory() - rest) / known as f64;
    table.tell(
        "memory for each user in the cache",
        format!("{each:.0} bytes, its ready answer included while there is room"),
    );
}

/// Reads by a few connections, while nobody logs in and while passwords come faster than they are compared.
pub(crate) fn storm(world: &World, table: &mut Table) {
    let hot = world.path().join("few.lua");
    in_turns(&hot, &World::hot_reads());
    let logins = world.path().join("logins.lua");
    // Those that are refused wait as they are told to: here, a little.
    made_anew(&logins, &format!(
        "local body = string.format('{{\"identifier\":\"stranger%s.%d\",\"password\":\"correct horse battery staple\"}}', seed, turn)
        return wrk.format('POST', '/v1/credentials/verify', {{['Authorization'] = 'Bearer {API_TOKEN}', ['Content-Type'] = 'application/json'}}, body)"
    ));
    let database = world.database();
    let service = Server::service(world.path(), &world.production(&database));
    let reads = || drive(&service, &hot, 1, span()).p99;
    reads();
    let (mut idle, mut stormy) = (vec![], vec![]);
    for _ in 0..rounds() {
        idle.push(reads());
        let storming = Storm::begin(&service, &logins, 64, span());
        stormy.push(reads());
        drop(storming);
    }
    let (idle, stormy) = (median(idle), median(stormy));
    table.at_most(
        "p99 of cached reads in a storm of passwords",
        "idle",
        stormy / idle,
        2.0,
        format!("{stormy:.3} ms : {idle:.3} ms"),
    );
}
