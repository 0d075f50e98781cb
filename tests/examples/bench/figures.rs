//! Medians, ratios and the table.

use std::time::Duration;

/// What is printed in the end.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 5]>);

impl Table {
    /// Adds a row whose figure is to be at least its target.
    pub(crate) fn at_least(
        &mut self,
        what: &str,
        against: &str,
        ratio: f64,
        target: f64,
        told: String,
    ) {
        self.add(
            what,
            against,
            ratio,
            &format!("≥ {target}"),
            ratio >= target,
            told,
        );
    }

    /// Adds a row whose figure is to be at most its target.
    pub(crate) fn at_most(
        &mut self,
        what: &str,
        against: &str,
        ratio: f64,
        target: f64,
        told: String,
    ) {
        self.add(
            what,
            against,
            ratio,
            &format!("≤ {target}"),
            ratio <= target,
            told,
        );
    }

    /// Adds a row that only tells.
    pub(crate) fn tell(&mut self, what: &str, figure: String) {
        self.0.push([
            what.into(),
            String::new(),
            figure,
            String::new(),
            String::new(),
        ]);
    }

    fn add(
        &mut self,
        what: &str,
        against: &str,
        ratio: f64,
        target: &str,
        met: bool,
        told: String,
    ) {
        let verdict = if met { "met" } else { "**missed**" };
        eprintln!("bench: {what}: {ratio:.2} ({target}, {verdict}) {told}");
        self.0.push([
            what.into(),
            against.into(),
            format!("{ratio:.2}"),
            format!("{target}, {verdict}"),
            told,
        ]);
    }

    pub(crate) fn print(&self) {
        println!("| what | against | ratio | target | medians |");
        println!("|---|---|---|---|---|");
        for row in &self.0 {
            println!("| {} |", row.join(" | "));
        }
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A setting of the program that is a number.
pub(crate) fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect(name))
}

/// How often each side of a row is measured.
pub(crate) fn rounds() -> u64 {
    number("BENCH_ROUNDS", 7)
}

/// For how long.
pub(crate) fn span() -> Duration {
    Duration::from_secs(number("BENCH_SECONDS", 4))
}
