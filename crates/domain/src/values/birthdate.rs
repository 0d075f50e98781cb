//! Dates of birth.

use std::fmt;

use chrono::{Datelike as _, NaiveDate};

use super::macros::serde_as_text;
use super::text::blank;
use crate::Violation;

/// A date of birth (OIDC `birthdate`, ISO 8601): `YYYY-MM-DD`, a day of the Gregorian
/// calendar, extended backwards.
///
/// The year 0000 means that the year is withheld; it is a leap year, so `0000-02-29` exists. A day
/// in the future is not refused: this type knows no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Birthdate(NaiveDate);

impl Birthdate {
    /// Takes a date of exactly ten characters, untrimmed. Violations: `blank`, `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(blank());
        }
        let date =
            parts(text).and_then(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day));
        date.map(Self).ok_or_else(|| {
            Violation::new(
                "format",
                "Must be a day of the calendar as YYYY-MM-DD; the year 0000 withholds the year.",
            )
        })
    }

    /// The day; its year is 0 if withheld.
    pub fn as_date(self) -> NaiveDate {
        self.0
    }

    /// Says whether the year was withheld.
    pub fn withholds_year(self) -> bool {
        self.0.year() == 0
    }
}

impl fmt::Display for Birthdate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:04}-{:02}-{:02}",
            self.0.year(),
            self.0.month(),
            self.0.day()
        )
    }
}

serde_as_text!(Birthdate);

fn parts(text: &str) -> Option<(i32, u32, u32)> {
    let shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| {
            if matches!(at, 4 | 7) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    if !shaped {
        return None;
    }
    Some((
        text.get(0..4)?.parse().ok()?,
        text.get(5..7)?.parse().ok()?,
        text.get(8..10)?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_shows_exactly_as_typed() {
        for text in [
            "1990-12-31",
            "2000-02-29",
            "0000-02-29",
            "0001-01-01",
            "9999-12-31",
        ] {
            assert_eq!(Birthdate::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_year_zero_withholds_the_year() {
        assert!(Birthdate::parse("0000-05-01").unwrap().withholds_year());
        assert!(!Birthdate::parse("1990-05-01").unwrap().withholds_year());
    }

    #[test]
    fn what_is_no_day_as_ten_characters_is_refused() {
        for text in [
            "1990",
            "1990-1-1",
            "1990-02-30",
            "1999-02-29",
            "1990-13-01",
            "1990-00-01",
            "1990/01/01",
            " 1990-01-01",
            "+990-01-01",
            "19900101",
            "1990-01-01T00:00:00Z",
            "१९९०-01",
        ] {
            assert_eq!(
                Birthdate::parse(text).unwrap_err().code(),
                "format",
                "{text}"
            );
        }
        assert_eq!(Birthdate::parse("").unwrap_err().code(), "blank");
    }

    proptest! {
        #[test]
        fn a_parsed_date_shows_as_the_text_itself(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]") {
            if let Ok(date) = Birthdate::parse(&text) {
                prop_assert_eq!(date.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Birthdate::parse(&text);
        }
    }
}
