//! Times in words.

use serde_json::{Map, Value};

use crate::core::claims::{self, NumericDate, Rounding};
use crate::core::json::object;

/// The claims that are times (RFC 7519 section 4.1, `OpenID` Connect Core section 2).
pub(super) const CLAIMS: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];

const MINUTE: NumericDate = 60;
const HOUR: NumericDate = 60 * MINUTE;
const DAY: NumericDate = 24 * HOUR;
const YEAR: NumericDate = 365 * DAY;

/// Each time claim that is one.
pub(super) fn times(claims: &Map<String, Value>, now: NumericDate) -> Vec<Value> {
    let time = |name: &&'static str| {
        let rounding = if *name == "exp" { Rounding::Down } else { Rounding::Up };
        let at = claims::date(claims, name, rounding).ok().flatten()?;
        let words = words(name, at, now);
        Some(object! { "claim": *name, "at": at, "utc": utc(at), "words": words })
    };
    CLAIMS.iter().filter_map(time).collect()
}

fn words(claim: &str, at: NumericDate, now: NumericDate) -> String {
    let (ahead, behind) = (at.saturating_sub(now), now.saturating_sub(at));
    let past = |verb: &str| match behind {
        0 => format!("{verb} just now"),
        1.. => format!("{verb} {} ago", span(behind)),
        _ => format!("{verb} {} in the future", span(ahead)),
    };
    match claim {
        "exp" if ahead > 0 => format!("expires in {}", span(ahead)),
        "exp" => past("expired"),
        "nbf" if ahead > 0 => format!("not valid for another {}", span(ahead)),
        "nbf" => past("valid since").replace(" since just now", " from now on"),
        "iat" => past("issued"),
        _ => past("authenticated"),
    }
}

/// A length of time in its greatest unit, rounded down.
pub(super) fn span(seconds: NumericDate) -> String {
    const UNITS: [(NumericDate, &str); 4] =
        [(YEAR, "year"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")];
    let unit = UNITS.into_iter().find(|(length, _)| seconds >= *length);
    let (length, unit) = unit.unwrap_or((1, "second"));
    let count = seconds / length;
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// The time as RFC 3339 writes it, which knows no year after 9999.
#[must_use]
pub fn utc(at: NumericDate) -> Option<String> {
    let (day, second) = (at.div_euclid(DAY), at.rem_euclid(DAY));
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / HOUR, second % HOUR / MINUTE, second % MINUTE);
    (0..=9_999)
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Year, month and day of the day with this number; 1970-01-01 is 0. It counts in years that begin in
/// March, so that the day that only leap years have comes last, and in cycles of 400 years, which all
/// have as many days.
fn date(day: i64) -> (i64, i64, i64) {
    const YEAR_0_MARCH_1: i64 = -719_468;
    const CYCLE: i64 = 146_097;
    let since = day - YEAR_0_MARCH_1;
    let (cycle, day) = (since.div_euclid(CYCLE), since.rem_euclid(CYCLE));
    // Each fourth year has a day more, but for the last one of a century, unless a cycle ends with it.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, five months have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (400 * cycle + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_does() {
        // What `date -u -d @N` of GNU coreutils writes.
        for (at, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(at).as_deref(), Some(expected));
        }
        assert_eq!(utc(253_402_300_800), None);
        assert_eq!(utc(1 << 53), None);
    }

    #[test]
    fn every_day_of_four_centuries_comes_after_the_one_before() {
        let mut before = date(-1);
        for day in 0..146_097 {
            let this = date(day);
            let (year, month, first) = before;
            assert!(
                this == (year, month, first + 1)
                    || this == (year, month + 1, 1)
                    || this == (year + 1, 1, 1),
                "{before:?} {this:?}"
            );
            before = this;
        }
        assert_eq!(before, (2369, 12, 31));
    }

    #[test]
    fn a_span_is_told_in_its_greatest_unit() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3_599, "59 minutes"),
            (7_200, "2 hours"),
            (86_400, "1 day"),
            (31_536_000, "1 year"),
            (63_072_000, "2 years"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn each_claim_has_words_of_its_own_before_at_and_after_now() {
        for (claim, ahead, at, behind) in [
            ("exp", "expires in 4 minutes", "expired just now", "expired 4 minutes ago"),
            (
                "nbf",
                "not valid for another 4 minutes",
                "valid from now on",
                "valid since 4 minutes ago",
            ),
            ("iat", "issued 4 minutes in the future", "issued just now", "issued 4 minutes ago"),
            (
                "auth_time",
                "authenticated 4 minutes in the future",
                "authenticated just now",
                "authenticated 4 minutes ago",
            ),
        ] {
            assert_eq!(words(claim, 1_240, 1_000), ahead);
            assert_eq!(words(claim, 1_000, 1_000), at);
            assert_eq!(words(claim, 760, 1_000), behind);
        }
    }
}
