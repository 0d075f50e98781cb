//! Measures the service beside the bare framework, and prints a table of ratios.
//!
//!     make bench                        every row: half an hour
//!     make bench ROWS=cached,batch      some of them
//!     BENCH_USERS=1000 BENCH_ROUNDS=1 BENCH_SECONDS=1 make bench     a quick try
//!
//! The two sides of a row are measured in turns, and their medians compared. The service and what it is compared with run on
//! core 0, what asks them (wrk, pgbench) on core 1; PostgreSQL and Redis wherever there is room. docs/benchmarks.md says
//! what each row compares, and what differs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a program for people, over figures of a few digits"
)]

mod bare;
mod figures;
mod load;
mod reads;
mod rest;
mod server;
mod world;
mod writes;

use figures::Table;
use world::World;

/// A row, or several that are measured at once.
type Row = (&'static str, fn(&World, &mut Table));

const ROWS: [Row; 9] = [
    ("rest", rest::at_rest),
    ("cached", reads::cached),
    ("second", reads::second_tier),
    ("uncached", reads::uncached),
    ("batch", reads::batch),
    ("create", writes::create),
    ("patch", writes::patch),
    ("storm", rest::storm),
    ("lists", reads::lists),
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
    let world = World::make();
    let mut table = Table::default();
    for (name, measure) in ROWS {
        if chosen.is_empty() || chosen.contains(&name) {
            eprintln!("bench: {name}");
            measure(&world, &mut table);
        }
    }
    table.print();
}
