//! Moments in time.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::macros::serde_as_text;
use crate::Violation;

/// A moment in UTC, to the microsecond, in the years 0000 to 9999 (RFC 3339).
///
/// Finer parts are cut off when it is made, so that what is stored equals what was told; a moment
/// outside the years becomes the nearest one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// 0000-01-01T00:00:00.000000Z, in microseconds since 1970.
    const EARLIEST: i64 = -62_167_219_200_000_000;
    /// 9999-12-31T23:59:59.999999Z, in microseconds since 1970.
    const LATEST: i64 = 253_402_300_799_999_999;

    /// Takes a moment, cut to the microsecond; a leap second is the second after it.
    pub fn from_utc(moment: DateTime<Utc>) -> Self {
        let micros = moment
            .timestamp_micros()
            .clamp(Self::EARLIEST, Self::LATEST);
        Self(DateTime::from_timestamp_micros(micros).unwrap_or_default())
    }

    /// The moment itself, with at most six digits behind the second.
    pub const fn as_utc(self) -> DateTime<Utc> {
        self.0
    }

    /// Takes a moment as of RFC 3339, with any offset and any number of digits. Violation:
    /// `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let moment = DateTime::parse_from_rfc3339(text).map_err(|_| format())?;
        let micros = moment.timestamp_micros();
        if !(Self::EARLIEST..=Self::LATEST).contains(&micros) {
            return Err(format());
        }
        Ok(Self::from_utc(moment.to_utc()))
    }

    /// The moment so much later, at most the last one of the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let moment = self.0.checked_add_signed(delta(duration));
        Self::from_utc(moment.unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// The time that has passed since an earlier moment; none if that moment is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or_default()
    }

    /// The first moment of the next whole second.
    #[must_use]
    pub fn next_second(self) -> Self {
        let begun = Duration::from_nanos(self.0.timestamp_subsec_nanos().into());
        self.minus(begun).plus(Duration::from_secs(1))
    }

    /// The moment so much earlier, at least the first one of the year 0000.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let moment = self.0.checked_sub_signed(delta(duration));
        Self::from_utc(moment.unwrap_or(DateTime::<Utc>::MIN_UTC))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

serde_as_text!(Timestamp);

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn format() -> Violation {
    Violation::new(
        "format",
        "Must be a moment as of RFC 3339 such as 2026-11-23T00:45:12.123456Z.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_shows_in_utc_with_six_digits() {
        for (text, shown) in [
            ("2026-11-23T00:45:12Z", "2026-11-23T00:45:12.000000Z"),
            (
                "2026-11-23T00:45:12.123456789Z",
                "2026-11-23T00:45:12.123456Z",
            ),
            ("2026-11-23T02:45:12.1+02:00", "2026-11-23T00:45:12.100000Z"),
            (
                "1969-12-31T23:59:59.9999999Z",
                "1969-12-31T23:59:59.999999Z",
            ),
            ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_moment_of_rfc_3339_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T00:45:12",
            "1763858712",
            "2026-13-01T00:00:00Z",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "+10000-01-01T00:00:00Z",
        ] {
            assert_eq!(
                Timestamp::parse(text).unwrap_err().code(),
                "format",
                "{text}"
            );
        }
    }

    #[test]
    fn sums_stay_within_the_years_0000_to_9999() {
        let moment = Timestamp::parse("2026-11-23T00:45:12Z").unwrap();
        assert_eq!(
            moment.plus(Duration::from_secs(1)).to_string(),
            "2026-11-23T00:45:13.000000Z"
        );
        assert_eq!(
            moment.minus(Duration::from_secs(12)).to_string(),
            "2026-11-23T00:45:00.000000Z"
        );
        assert_eq!(
            moment.plus(Duration::MAX).to_string(),
            "9999-12-31T23:59:59.999999Z"
        );
        assert_eq!(
            moment.minus(Duration::MAX).to_string(),
            "0000-01-01T00:00:00.000000Z"
        );
        assert_eq!(
            Timestamp::from_utc(DateTime::<Utc>::MAX_UTC),
            moment.plus(Duration::MAX)
        );
        assert_eq!(
            Timestamp::from_utc(DateTime::<Utc>::MIN_UTC),
            moment.minus(Duration::MAX)
        );
    }

    proptest! {
        #[test]
        fn a_moment_parses_back_from_what_it_shows(seconds in any::<i64>(), nanos in 0u32..2_000_000_000) {
            if let Some(moment) = DateTime::from_timestamp(seconds % 300_000_000_000, nanos) {
                let timestamp = Timestamp::from_utc(moment);
                prop_assert_eq!(Timestamp::parse(&timestamp.to_string()).unwrap(), timestamp);
                prop_assert_eq!(Timestamp::from_utc(timestamp.as_utc()), timestamp);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Timestamp::parse(&text);
        }
    }
}
