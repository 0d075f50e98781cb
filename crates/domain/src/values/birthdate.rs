//! Dates of birth.

use std::fmt;
use std::time::Duration;

use chrono::{Datelike as _, NaiveDate};

use super::Timestamp;
use super::macros::parsed_text;
use super::text::blank;
use crate::Violation;

/// A date of birth (OIDC `birthdate`, ISO 8601): `YYYY-MM-DD`, a day of the Gregorian calendar, extended backwards, or
/// `YYYY` alone.
///
/// The year 0000 means that the year is withheld. It is a leap year, so `0000-02-29` is valid. Parsing accepts future
/// dates, because it has no clock; see [`is_in_future`](Self::is_in_future).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Birthdate {
    /// The day, or the first day of the year.
    date: NaiveDate,
    only_year: bool,
}

impl Birthdate {
    /// Parses a date of exactly ten or four characters, untrimmed. Violations: `blank`, `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(blank());
        }
        let only_year = text.len() == 4 && text != "0000";
        let date = if only_year {
            parts(&format!("{text}-01-01"))
        } else {
            parts(text)
        };
        let date = date.and_then(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day));
        date.map(|date| Self { date, only_year }).ok_or_else(|| {
            Violation::new(
                "format",
                "Must be a day of the calendar as YYYY-MM-DD, or a year as YYYY; 0000-MM-DD withholds the year.",
            )
        })
    }

    /// Whether only the year is known.
    pub fn is_year_only(self) -> bool {
        self.only_year
    }

    /// The date with a day: the first day of the year if only the year is known.
    #[must_use]
    pub fn first_day(self) -> Self {
        Self {
            only_year: false,
            ..self
        }
    }

    /// The year alone if the date is the first day of a year; otherwise the unchanged date.
    #[must_use]
    pub fn year_only(self) -> Self {
        Self {
            only_year: self.date.ordinal() == 1 && !self.withholds_year(),
            ..self
        }
    }

    /// Whether the year is withheld.
    pub fn withholds_year(self) -> bool {
        self.date.year() == 0
    }

    /// Whether the date is in the future in every time zone. Local dates are at most one day ahead of UTC.
    pub fn is_in_future(self, now: Timestamp) -> bool {
        const MAX_UTC_OFFSET: Duration = Duration::from_hours(14);
        self.date > now.plus(MAX_UTC_OFFSET).as_utc().date_naive()
    }

    /// The violation of a date in the future: `in_future`.
    pub fn in_future() -> Violation {
        Violation::new("in_future", "Must not be in the future.")
    }
}

impl fmt::Display for Birthdate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let year = self.date.year();
        if self.only_year {
            return write!(formatter, "{year:04}");
        }
        write!(
            formatter,
            "{year:04}-{:02}-{:02}",
            self.date.month(),
            self.date.day()
        )
    }
}

parsed_text!(Birthdate);

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
    fn a_date_is_displayed_as_typed() {
        for text in [
            "1990-12-31",
            "2000-02-29",
            "0000-02-29",
            "0001-01-01",
            "9999-12-31",
            "1990",
            "0001",
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
    fn a_date_that_no_time_zone_has_reached_is_in_the_future() {
        let is_future = |date: &str, now: &str| {
            let now = Timestamp::parse(now).unwrap();
            Birthdate::parse(date).unwrap().is_in_future(now)
        };
        assert!(!is_future("2026-11-30", "2026-11-30T00:00:00Z"));
        assert!(is_future("2026-12-01", "2026-11-30T09:59:59Z"));
        assert!(!is_future("2026-12-01", "2026-11-30T10:00:00Z"));
        assert!(is_future("2026-12-02", "2026-11-30T23:59:59Z"));
        assert!(is_future("2027", "2026-12-31T09:59:59Z"));
        assert!(!is_future("2026", "2026-01-01T00:00:00Z"));
        assert!(!is_future("0000-12-31", "2026-11-30T00:00:00Z"));
        assert!(!is_future("9999-12-31", "9999-12-31T23:00:00Z"));
    }

    #[test]
    fn an_invalid_or_differently_written_date_is_rejected() {
        for text in [
            "0000",
            "199",
            "199x",
            "+199",
            "1990-",
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
        fn a_parsed_date_is_displayed_as_its_text(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]") {
            if let Ok(date) = Birthdate::parse(&text) {
                prop_assert_eq!(date.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_parse_panic(text in any::<String>()) {
            let _ = Birthdate::parse(&text);
        }
    }
}
