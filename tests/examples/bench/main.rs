//! Compares the service with bare actix-web and pgbench, and prints a table of ratios.
//!
//!     make bench                        every row: half an hour
//!     make bench ROWS=cached,batch      some of them
//!     BENCH_USERS=1000 BENCH_ROUNDS=1 BENCH_SECONDS=1 make bench     a quick trial
//!
//! The two sides of a row are measured alternately, and their medians are compared. The service and the bare handlers
//! run on core 0, the load generators wrk and pgbench on core 1. PostgreSQL and Redis can run on any core.
//! docs/benchmarks.md explains what each row compares, and how the two sides differ.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a command-line tool with small numbers"
)]

mod bare;
mod figures;
mod load;
mod reads;
mod rest;
mod searches;
mod server;
mod world;
mod writes;

use figures::Table;
use world::World;

/// A row of the table, or several rows that are measured together.
type Row = (&'static str, fn(&World, &mut Table));

const ROWS: [Row; 10] = [
    ("rest", rest::idle),
    ("cached", reads::cached),
    ("second", reads::redis),
    ("uncached", reads::uncached),
    ("batch", reads::batch),
    ("create", writes::create),
    ("patch", writes::patch),
    ("storm", rest::password_checks),
    ("lists", reads::lists),
    ("searches", searches::searches),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, rest @ ..] = &*arguments
        && kind == "--bare"
    {
        return bare::serve(rest);
    }
    let chosen = std::env::var("ROWS").unwrap_or_default();
    let chosen: Vec<&str> = chosen.split(',').filter(|name| !name.is_empty()).collect();
    for name in &chosen {
        assert!(
            ROWS.iter().any(|row| row.0 == *name),
            "there is no row {name}"
        );
    }
    let world = World::create();
    let mut table = Table::default();
    for (name, measure) in ROWS {
        if chosen.is_empty() || chosen.contains(&name) {
            eprintln!("bench: {name}");
            measure(&world, &mut table);
        }
    }
    table.print();
}
