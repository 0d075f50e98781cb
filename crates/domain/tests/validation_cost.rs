//! The cost of parsing values: no text costs much more than another of the same length.

use std::hint::black_box;
use std::time::{Duration, Instant};

use precis_profiles::precis_core::{DerivedPropertyValue, IdentifierClass, StringClass as _};

use user_domain::values::*;

/// The shortest time of several runs, which other load on the machine does not distort.
fn fastest_run(runs: usize, work: impl Fn()) -> Duration {
    let time = |()| {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    let times = std::iter::repeat_n((), runs).map(time);
    times.min().unwrap_or_default()
}

/// The maximum ratio of two compared times.
const MAX_RATIO: f64 = 8.0;
/// The maximum number of measurement rounds.
const ROUNDS: usize = 20;

/// Returns the ratio of the shortest times of `measured` and `baseline`. `baseline` counts at least as `floor`.
///
/// Both are measured alternately. Measurements repeat until the ratio is at most [`MAX_RATIO`], because the machine may
/// be busy.
fn cost_ratio(runs: usize, measured: impl Fn(), baseline: impl Fn(), floor: Duration) -> f64 {
    let (mut shortest, mut shortest_baseline) = (Duration::MAX, Duration::MAX);
    let mut ratio = f64::INFINITY;
    for _ in 0..ROUNDS {
        shortest_baseline = shortest_baseline.min(fastest_run(runs, &baseline));
        shortest = shortest.min(fastest_run(runs, &measured));
        ratio = shortest.as_secs_f64() / shortest_baseline.max(floor).as_secs_f64();
        if ratio <= MAX_RATIO {
            break;
        }
    }
    ratio
}

/// The characters that a contextual rule of RFC 5892 allows in some places.
fn contextual() -> impl Iterator<Item = char> {
    let class = IdentifierClass::default();
    (char::MIN..=char::MAX).filter(move |character| {
        matches!(
            class.get_value_from_char(*character),
            DerivedPropertyValue::ContextJ | DerivedPropertyValue::ContextO
        )
    })
}

/// Returns texts of 32 characters with many occurrences of one character, in allowed and forbidden positions.
fn texts_with(character: char) -> Vec<String> {
    let contexts = ["x", "l", "α", "א", "ア", "क\u{94d}", "ب", "ب\u{64b}", "د"];
    let mut texts = vec![character.to_string().repeat(32)];
    for context in contexts {
        let many = character.to_string().repeat(31);
        for text in [
            format!("{context}{character}").repeat(16),
            format!("{character}{context}").repeat(16),
            format!("{many}{context}"),
            format!("{context}{many}"),
        ] {
            texts.push(text.chars().take(32).collect());
        }
    }
    texts
}

/// Compares names of characters with contextual rules to an ordinary name, all of 32 characters.
///
/// The ordinary name is ASCII in a release build and Cyrillic in a debug build. In a debug build all non-ASCII
/// characters cost many times as much as ASCII, independently of contextual rules.
#[test]
fn a_name_with_contextual_characters_costs_at_most_eight_times_more() {
    let parse = |text: &str| drop(black_box(UsernameKey::parse(black_box(text))));
    let ordinary = if cfg!(debug_assertions) {
        "щ".repeat(32)
    } else {
        "a_name.of-32.ascii_characters-32".to_owned()
    };
    assert!(UsernameKey::parse(&ordinary).is_ok(), "{ordinary}");
    let characters: Vec<char> = contextual().collect();
    assert!(characters.len() > 20, "{characters:?}");
    let mut worst = (0.0, String::new());
    for text in characters.into_iter().flat_map(texts_with) {
        let floor = Duration::from_nanos(1);
        let ratio = cost_ratio(10, || parse(&text), || parse(&ordinary), floor);
        if ratio > worst.0 {
            worst = (ratio, text);
        }
    }
    assert!(worst.0 <= MAX_RATIO, "{worst:?}");
}

#[test]
fn the_cost_of_parsing_is_not_quadratic() {
    type Parse = (&'static str, fn(&str));
    let rules: [Parse; 13] = [
        ("username", |text| drop(Username::parse(text))),
        ("username_prefix", |text| drop(UsernamePrefix::parse(text))),
        ("email", |text| drop(EmailAddress::parse(text))),
        ("domain", |text| {
            drop(EmailAddress::parse(&format!("a@{text}")));
        }),
        ("external_id", |text| drop(ExternalId::parse(text))),
        ("phone_number", |text| drop(PhoneNumber::parse(text))),
        ("name", |text| drop(ShortText::parse(text))),
        ("bio", |text| drop(Bio::parse(text))),
        ("website", |text| {
            drop(WebUrl::parse(&format!("https://a.example/{text}")));
        }),
        ("locale", |text| drop(Locale::parse(text))),
        ("password", |text| drop(Password::parse(text))),
        ("submitted password", |text| {
            drop(SubmittedPassword::parse(text));
        }),
        ("folded", |text| drop(fold(text))),
    ];
    for pattern in [
        "x",
        "é",
        "・",
        "a\u{301}",
        "\u{301}\u{327}",
        "\u{ad}",
        "ß.",
        "ﷺ",
    ] {
        let text = |length: usize| pattern.chars().cycle().take(length).collect::<String>();
        let (short, long) = (text(4_000), text(16_000));
        for (name, parse) in rules {
            // A parse of a few microseconds is fast enough at any growth rate.
            let floor = Duration::from_micros(20);
            let ratio = cost_ratio(
                3,
                || parse(black_box(&long)),
                || parse(black_box(&short)),
                floor,
            );
            assert!(
                ratio <= MAX_RATIO,
                "{name} of {pattern:?}: 4 times the length takes {ratio} times as long"
            );
        }
    }
}
