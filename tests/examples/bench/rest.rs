//! The idle service, and reads during a flood of password checks.

use std::time::Instant;

use serde_json::json;
use user_tests::API_TOKEN;

use crate::figures::{Table, median, rounds, span};
use crate::load::{BackgroundLoad, drive, write_generating_script, write_rotating_script};
use crate::server::Server;
use crate::world::{World, id};

/// The number of measured starts.
const STARTS: usize = 10;

/// Measures the time to start, the memory of an idle service, and the memory per cached user.
pub(crate) fn idle(world: &World, table: &mut Table) {
    let database = world.database();
    let settings = world.production(&database);
    let starts = (0..STARTS).map(|_| {
        let started = Instant::now();
        let _service = Server::service(world.path(), &settings);
        started.elapsed().as_secs_f64() * 1e3
    });
    let start = median(starts.collect());
    table.at_most(
        "time from start to ready",
        "300 ms",
        start / 300.0,
        1.0,
        format!("{start:.0} ms"),
    );
    let service = Server::service(world.path(), &settings);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let idle = service.memory();
    table.at_most(
        "resident memory when idle",
        "40 MB",
        idle / 40e6,
        1.0,
        format!("{:.1} MB", idle / 1e6),
    );
    let cached = world.users.min(20_000);
    let numbers = (1..=cached).collect::<Vec<_>>();
    for batch in numbers.chunks(500) {
        let ids: Vec<String> = batch.iter().map(|number| id(*number)).collect();
        let reply = service.send(
            "POST",
            "/v1/users/batch",
            API_TOKEN,
            Some(&json!({"ids": ids}).to_string()),
        );
        assert_eq!(reply.status, 200);
    }
    let each = (service.memory() - idle) / cached as f64;
    table.add_value(
        "memory per cached user",
        format!("{each:.0} bytes, including its serialised response while that fits in memory"),
    );
}

/// Compares reads over one connection without logins and while passwords arrive faster than they can be verified.
pub(crate) fn password_checks(world: &World, table: &mut Table) {
    let hot = world.path().join("few.lua");
    write_rotating_script(&hot, &World::hot_reads());
    let logins = world.path().join("logins.lua");
    // wrk ignores `Retry-After`: after a refusal it sends the next login at once.
    write_generating_script(&logins, &format!(
        "local body = string.format('{{\"identifier\":\"stranger%s.%d\",\"password\":\"correct horse battery staple\"}}', seed, turn)
        return wrk.format('POST', '/v1/credentials/verify', {{['Authorization'] = 'Bearer {API_TOKEN}', ['Content-Type'] = 'application/json'}}, body)"
    ));
    let database = world.database();
    let service = Server::service(world.path(), &world.production(&database));
    let reads = || drive(&service, &hot, 1, span()).p99;
    reads();
    let (mut idle, mut busy) = (vec![], vec![]);
    for _ in 0..rounds() {
        idle.push(reads());
        let load = BackgroundLoad::begin(&service, &logins, 64, span());
        busy.push(reads());
        drop(load);
    }
    let (idle, busy) = (median(idle), median(busy));
    table.at_most(
        "p99 of cached reads during many password checks",
        "idle",
        busy / idle,
        2.0,
        format!("{busy:.3} ms : {idle:.3} ms"),
    );
}
