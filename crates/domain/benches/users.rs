//! Benchmarks of user views for different callers and of user changes.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark may fail if its setup fails"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use user_domain::test_support::samples;
use user_domain::user::User;
use user_domain::view::view;

/// A user with a value in every field.
fn user() -> User {
    samples::registered(&samples::awkward_user("ada"), &samples::context()).user
}

fn views(criterion: &mut Criterion) {
    let user = Arc::new(user());
    let mut group = criterion.benchmark_group("view");
    for (name, caller) in [
        ("public", samples::person(samples::user_id())),
        ("own", samples::person(user.id)),
        ("full", samples::service("posts")),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| view(black_box(&user).clone(), black_box(&caller)));
        });
    }
    group.finish();
}

fn changes(criterion: &mut Criterion) {
    let (user, context) = (user(), samples::context_at(samples::seconds(1)));
    let mut group = criterion.benchmark_group("apply");
    for (name, change) in [
        ("name", samples::set_name("Ada Lovelace")),
        (
            "metadata merge",
            samples::merge_public(r#"{"badge":"pioneer","posts":12,"gone":null}"#),
        ),
    ] {
        let applied = user.apply(&change, &context).unwrap();
        assert!(applied.is_some(), "{name} changes nothing");
        group.bench_function(name, |bencher| {
            bencher.iter(|| user.apply(black_box(&change), black_box(&context)));
        });
    }
    let same = samples::set_name(user.profile.name.as_ref().unwrap().as_str());
    assert_eq!(user.apply(&same, &context), Ok(None));
    group.bench_function("nothing", |bencher| {
        bencher.iter(|| user.apply(black_box(&same), black_box(&context)));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    views(&mut criterion);
    changes(&mut criterion);
    criterion.final_summary();
}
