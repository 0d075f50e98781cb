//! Benchmarks of response parts: the body of a user and the cursor of a list.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start may fail")]

use std::hint::black_box;

use criterion::Criterion;
use user_domain::directory::{DirectoryQuery, Position};
use user_domain::test_support::samples;
use user_domain::view::{public_view, view};
use user_http::bench_support::{CachedBodies, Cursors, body};

fn bodies(criterion: &mut Criterion) {
    let user = samples::registered(&samples::awkward_user("ada"), &samples::context()).user;
    let (public, full) = (
        public_view(user.clone()),
        view(user, &samples::service("posts")),
    );
    let mut group = criterion.benchmark_group("body");
    for (name, view) in [("public", &public), ("full", &full)] {
        assert!(body(view).unwrap().len() > 300);
        group.bench_function(name, |bencher| bencher.iter(|| body(black_box(view))));
    }
    let cached = CachedBodies::default();
    group.bench_function("cached", |bencher| {
        bencher.iter(|| cached.length(black_box(&public)));
    });
    group.finish();
}

fn cursors(criterion: &mut Criterion) {
    let query = DirectoryQuery {
        status: Some(vec!["active".to_owned(), "suspended".to_owned()]),
        q: Some("ada".to_owned()),
        ..DirectoryQuery::default()
    };
    let cursors = Cursors::new(&[7; 32], query.check().unwrap());
    let position = Position::Time(samples::start(), samples::user_id());
    let encoded = cursors.encode(&position);
    assert_eq!(cursors.decode(&encoded), Some(position.clone()));
    let mut group = criterion.benchmark_group("cursor");
    group.bench_function("encode", |bencher| {
        bencher.iter(|| cursors.encode(black_box(&position)));
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| cursors.decode(black_box(&encoded)));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bodies(&mut criterion);
    cursors(&mut criterion);
    criterion.final_summary();
}
