//! What an answer costs beside its frame: the body of a user, and the cursor of a list.

#![expect(clippy::unwrap_used, reason = "a bench that cannot begin may fail")]

use std::hint::black_box;

use criterion::Criterion;
use user_domain::directory::{DirectoryQuery, Position};
use user_domain::test_support::samples;
use user_domain::view::{public_view, view};
use user_http::measured::{Cursors, ReadyBodies, body};

fn bodies(criterion: &mut Criterion) {
    let user = samples::registered(&samples::awkward_user("ada"), &samples::context()).user;
    let (public, full) = (
        public_view(user.clone()),
        view(user, &samples::service("posts")),
    );
    let mut group = criterion.benchmark_group("body");
    for (name, shown) in [("public", &public), ("full", &full)] {
        assert!(body(shown).unwrap().len() > 300);
        group.bench_function(name, |bencher| bencher.iter(|| body(black_box(shown))));
    }
    let ready = ReadyBodies::default();
    group.bench_function("ready", |bencher| {
        bencher.iter(|| ready.length(black_box(&public)));
    });
    group.finish();
}

fn cursors(criterion: &mut Criterion) {
    let query = DirectoryQuery {
        status: Some("active,suspended".to_owned()),
        q: Some("ada".to_owned()),
        ..DirectoryQuery::default()
    };
    let cursors = Cursors::new(&[7; 32], query.check().unwrap());
    let place = Position::Time(samples::start(), samples::user_id());
    let sealed = cursors.seal(&place);
    assert_eq!(cursors.open(&sealed), Some(place.clone()));
    let mut group = criterion.benchmark_group("cursor");
    group.bench_function("seal", |bencher| {
        bencher.iter(|| cursors.seal(black_box(&place)));
    });
    group.bench_function("open", |bencher| {
        bencher.iter(|| cursors.open(black_box(&sealed)));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bodies(&mut criterion);
    cursors(&mut criterion);
    criterion.final_summary();
}
