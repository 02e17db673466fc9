//! The time, and times as people write them.

use std::time::{SystemTime, UNIX_EPOCH};

use edgeward::core::claims::{Millis, NumericDate};
use edgeward::gate::utc as rfc3339;

/// What time it is.
pub(crate) fn now() -> Millis {
    #[allow(clippy::disallowed_methods, reason = "the tool is outside of core and gate")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().and_then(|since| Millis::try_from(since.as_millis()).ok()).unwrap_or_default()
}

/// What time it is, in seconds.
pub(crate) fn seconds() -> NumericDate {
    now().div_euclid(1_000)
}

/// A time for people.
pub(crate) fn utc(time: NumericDate) -> String {
    rfc3339(time).unwrap_or_else(|| format!("second {time}"))
}

/// `now`, seconds since 1970, or RFC 3339 in UTC.
pub(crate) fn read(text: &str) -> Option<NumericDate> {
    if text == "now" {
        return Some(seconds());
    }
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    // With years of four digits, nothing below can overflow.
    let (date, time) = text.strip_suffix('Z').filter(|_| text.len() == 20)?.split_once('T')?;
    let parts = |text: &str, separator| -> Option<[i64; 3]> {
        let parts: Vec<_> = text.split(separator).map(|part| part.parse().ok()).collect();
        parts.into_iter().collect::<Option<Vec<_>>>()?.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (parts(date, '-')?, parts(time, ':')?);
    // Years begin in March here, so that the day that only some of them have is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let years = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = years + (153 * month + 2) / 5 + day - 1 - 719_468;
    let time = days * 86_400 + hour * 3_600 + minute * 60 + second;
    // What is no time, such as 31 April, would be written otherwise.
    (rfc3339(time).as_deref() == Some(text)).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_now_or_seconds_or_rfc_3339() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1800000000", Some(1_800_000_000)),
            ("2027-01-15T08:00:00Z", Some(1_800_000_000)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2027-01-15", None),
            ("2027-01-15T08:00Z", None),
            ("2027-01-15T08:00:00", None),
            ("2027-01-15T08:00:00+01:00", None),
            ("2027-02-29T08:00:00Z", None),
            ("2027-01-15T24:00:00Z", None),
            ("9223372036854775807-1-1T0:0:0Z", None),
            ("9223372036854-1T0:0:Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for time in (0..4_000_000_000).step_by(86_399_999) {
            assert_eq!(read(&utc(time)), Some(time));
        }
        assert!(read("now").is_some_and(|now| now > 1_790_000_000));
    }
}
