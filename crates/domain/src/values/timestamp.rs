//! Points in time.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::macros::parsed_text;
use crate::Violation;

/// A time in UTC with microsecond precision, in the years 0000 to 9999 (RFC 3339).
///
/// Finer parts are truncated at creation, so that stored and returned times are equal. A time outside these years
/// becomes the nearest valid one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// 0000-01-01T00:00:00.000000Z, in microseconds since 1970.
    const EARLIEST: i64 = -62_167_219_200_000_000;
    /// 9999-12-31T23:59:59.999999Z, in microseconds since 1970.
    const LATEST: i64 = 253_402_300_799_999_999;

    /// The tolerated difference between the clocks of two machines.
    pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// Creates a timestamp, truncated to the microsecond. A leap second becomes the second after it.
    pub fn from_utc(moment: DateTime<Utc>) -> Self {
        let micros = moment
            .timestamp_micros()
            .clamp(Self::EARLIEST, Self::LATEST);
        Self(DateTime::from_timestamp_micros(micros).unwrap_or_default())
    }

    /// The time as a `chrono` value.
    pub const fn as_utc(self) -> DateTime<Utc> {
        self.0
    }

    /// Parses an RFC 3339 time with any offset and any number of digits. Violation: `format`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let moment = DateTime::parse_from_rfc3339(text).map_err(|_| format())?;
        let micros = moment.timestamp_micros();
        if !(Self::EARLIEST..=Self::LATEST).contains(&micros) {
            return Err(format());
        }
        Ok(Self::from_utc(moment.to_utc()))
    }

    /// Parses the time in a query parameter more leniently than [`parse`](Self::parse). Violation: `format`.
    ///
    /// The offset may be `+0000` or `+00`, and its plus sign may have been decoded to a space. A date alone is the
    /// start of that day in UTC.
    pub fn parse_parameter(text: &str) -> Result<Self, Violation> {
        const DATE: usize = "2026-11-23".len();
        if text.len() == DATE {
            return Self::parse(&format!("{text}T00:00:00Z"));
        }
        if text.ends_with(['Z', 'z']) {
            return Self::parse(text);
        }
        let (moment, offset) = text
            .rfind(['+', '-', ' '])
            .filter(|at| *at > DATE)
            .and_then(|at| text.split_at_checked(at))
            .ok_or_else(format)?;
        let sign = if offset.starts_with('-') { '-' } else { '+' };
        let digits = offset.get(1..).unwrap_or_default().replace(':', "");
        let (hours, minutes) = digits.split_at_checked(2).ok_or_else(format)?;
        let minutes = if minutes.is_empty() { "00" } else { minutes };
        Self::parse(&format!("{moment}{sign}{hours}:{minutes}"))
    }

    /// The time plus a duration, limited to the end of the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let moment = self.0.checked_add_signed(delta(duration));
        Self::from_utc(moment.unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// The duration since an earlier time, or zero if that time is later.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or_default()
    }

    /// The start of the next second.
    #[must_use]
    pub fn next_second(self) -> Self {
        let elapsed = Duration::from_nanos(self.0.timestamp_subsec_nanos().into());
        self.minus(elapsed).plus(Duration::from_secs(1))
    }

    /// The time minus a duration, limited to the start of the year 0000.
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

parsed_text!(Timestamp);

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn format() -> Violation {
    Violation::new(
        "format",
        "Must be an RFC 3339 time such as 2026-11-23T00:45:12.123456Z.",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_displayed_in_utc_with_six_digits() {
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
    fn a_text_other_than_an_rfc_3339_time_is_rejected() {
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
    fn a_query_parameter_accepts_more_time_formats() {
        for (text, shown) in [
            ("2026-11-23T00:45:12.5Z", "2026-11-23T00:45:12.500000Z"),
            ("2026-11-23 00:45:12z", "2026-11-23T00:45:12.000000Z"),
            ("2026-11-23T02:45:12+0200", "2026-11-23T00:45:12.000000Z"),
            ("2026-11-23T02:45:12+02:00", "2026-11-23T00:45:12.000000Z"),
            (
                "2026-11-23 02:45:12.123456+02",
                "2026-11-23T00:45:12.123456Z",
            ),
            ("2026-11-23T02:45:12 0200", "2026-11-23T00:45:12.000000Z"),
            ("2026-11-23 02:45:12 02:00", "2026-11-23T00:45:12.000000Z"),
            ("2026-11-22T22:15:12-0230", "2026-11-23T00:45:12.000000Z"),
            ("2026-11-23", "2026-11-23T00:00:00.000000Z"),
        ] {
            assert_eq!(
                Timestamp::parse_parameter(text).map(|moment| moment.to_string()),
                Ok(shown.to_owned()),
                "{text}"
            );
        }
        for text in [
            "",
            "2026-11-31",
            "20261123",
            "2026-11",
            "2026-11-23T00:45:12",
            "2026-11-23 00:45:12",
            "2026-11-23T00:45:12+2",
            "2026-11-23T00:45:12+020000",
            "2026-11-23T00:45:12+ab",
            "2026-11-23T00:45:12+é1",
            "2026-11-23T00:45:12+1é1",
            "2026-11-23T00:45:12+9900",
            "2026-11-23+0000",
            "+2026-1-23",
            "1763858712",
        ] {
            let refused = Timestamp::parse_parameter(text).unwrap_err();
            assert_eq!(refused.code(), "format", "{text}");
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
        fn a_displayed_time_parses_to_itself(seconds in any::<i64>(), nanos in 0u32..2_000_000_000) {
            if let Some(moment) = DateTime::from_timestamp(seconds % 300_000_000_000, nanos) {
                let timestamp = Timestamp::from_utc(moment);
                prop_assert_eq!(Timestamp::parse(&timestamp.to_string()).unwrap(), timestamp);
                prop_assert_eq!(Timestamp::from_utc(timestamp.as_utc()), timestamp);
            }
        }

        #[test]
        fn no_text_makes_parse_panic(text in any::<String>()) {
            let _ = Timestamp::parse(&text);
            let _ = Timestamp::parse_parameter(&text);
        }
    }
}
