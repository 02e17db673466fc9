//! The trace that a request is part of (W3C Trace Context).
//!
//! A valid `traceparent` is passed on as it is, and a request without one begins a trace: so a log line
//! here and one of the origin can be put together. In scope: what is valid, and new ids. Out of scope:
//! spans of our own; nothing is told to a collector.

use std::cell::Cell;

/// The header that names the trace and the caller's part of it.
pub const TRACEPARENT: &str = "traceparent";

/// The header with what systems on the way keep about the trace. It means nothing without the other.
pub const TRACESTATE: &str = "tracestate";

/// The length of `traceparent` in version 00, and the least one of later versions.
const BYTES: usize = 55;

/// The id of the trace, if this is a valid `traceparent` (section 3.2). One of a later version is, too, if
/// it begins as one of version 00 does; of version 00, none is longer.
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let (known, rest) = traceparent.split_at_checked(BYTES)?;
    let has_form = known.bytes().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    });
    let is_whole = rest.is_empty() || (!known.starts_with("00") && rest.starts_with('-'));
    let named = |id: &&str| id.bytes().any(|digit| digit != b'0');
    let (trace, parent) = (known.get(3..35)?, known.get(36..52)?);
    (has_form && is_whole && !known.starts_with("ff") && named(&parent))
        .then_some(trace)
        .filter(named)
}

/// The id of the trace that edits begin, if they do: as [`super::mutate::Edits::into_text`] writes them,
/// with that in the last place.
#[must_use]
pub fn begun_by(edits: &str) -> Option<&str> {
    let start = edits.len().checked_sub("\ntraceparent\n".len() + BYTES + 1)?;
    let value = edits.get(start..)?.strip_prefix("\ntraceparent\n")?;
    trace_id(value.strip_suffix('\n')?)
}

/// Makes ids that nobody else makes. They are no secret: where they begin is random, and from then on they
/// are counted, since asking the platform for each would cost more than all the rest of it.
#[derive(Debug)]
pub struct TraceIds {
    seeds: [u64; 2],
    last: Cell<u64>,
}

impl TraceIds {
    /// From two random numbers.
    #[must_use]
    pub const fn new(seeds: [u64; 2]) -> Self {
        Self { seeds, last: Cell::new(0) }
    }

    /// Appends a `traceparent` that begins a trace. It says "sampled": most tracers go by the word of who
    /// began, and would record nothing of what comes through the gate otherwise.
    pub fn begin(&self, text: &mut String) {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        let step = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let [high, low] = self.seeds.map(|seed| mix(seed.wrapping_add(step)));
        // An id of nothing but zeros is none (section 3.2.2.3), so the last bit is always 1.
        let parent = mix(high ^ low.rotate_left(32)) | 1;
        for (before, number) in [("00-", high), ("", low | 1), ("-", parent)] {
            text.push_str(before);
            for half in [number >> 32, number & 0xffff_ffff] {
                push_hex(text, half);
            }
        }
        text.push_str("-01");
    }
}

/// The last step of `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
/// 2014). No two numbers lead to the same one.
const fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[inline(never)] // or there are six of it
fn push_hex(text: &mut String, number: u64) {
    text.push_str(str::from_utf8(&hex(number)).unwrap_or_default());
}

/// The digits of a number of 32 bits, all eight at a time: this is done for every request.
const fn hex(number: u64) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let spread = (number | (number << 16)) & 0x0000_ffff_0000_ffff;
    let spread = (spread | (spread << 8)) & 0x00ff_00ff_00ff_00ff;
    let digits = (spread | (spread << 4)) & (0x0f * ONES);
    // 1 in the place of each digit from 10 on.
    let letters = ((digits + 0x06 * ONES) >> 4) & ONES;
    let to_letter = (b'a' - b'0' - 10) as u64;
    (digits + b'0' as u64 * ONES + letters * to_letter).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_traceparent_names_its_trace() {
        for valid in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what the future will be like",
        ] {
            assert_eq!(trace_id(valid), Some(TRACE), "{valid}");
        }
    }

    #[test]
    fn what_is_not_valid_names_nothing() {
        for invalid in [
            "",
            "00",
            "-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47-6-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-é",
            // Two of them, as the platform joins them.
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, \
             00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn what_is_begun_is_valid_and_never_the_same() {
        let mut seen = BTreeSet::new();
        for seeds in [[0, 0], [1, 2], [u64::MAX, 7]] {
            let ids = TraceIds::new(seeds);
            for _ in 0..10_000 {
                let mut text = String::new();
                ids.begin(&mut text);
                let trace = trace_id(&text).unwrap_or_else(|| panic!("{text}"));
                assert!(text.starts_with("00-") && text.ends_with("-01"), "{text}");
                assert!(seen.insert(trace.to_owned()), "{text} again");
                assert!(seen.insert(text[36..52].to_owned()), "the parent of {text} again");
            }
        }
    }

    /// `SplitMix64` from 0 begins with these numbers, whoever computes it.
    #[test]
    fn ids_are_counted_from_their_seeds() {
        let ids = TraceIds::new([0, 0]);
        let mut text = String::new();
        ids.begin(&mut text);
        ids.begin(&mut text);
        let [first, second] = ["e220a8397b1dcdaf", "6e789e6aa1b965f4"];
        assert_eq!(text[3..35], format!("{first}{first}"));
        // The last bit is 1.
        assert_eq!(text[58..90], format!("{second}{}5", &second[..15]));
    }

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 1, 0xffff_ffff, 0x0123_4567, 0x89ab_cdef, 0xa0b0_c0d0, 0x9999_aaaa] {
            assert_eq!(str::from_utf8(&hex(number)), Ok(&*format!("{number:08x}")));
        }
    }

    #[test]
    fn what_edits_begin_is_found_in_them() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-00");
        for (edits, found) in [
            (format!("\ntraceparent\n{parent}\n"), Some(TRACE)),
            (format!("a\nb\n\nx-a\n\ntraceparent\n{parent}\n"), Some(TRACE)),
            // Of another header.
            (format!("a\n\nx-a\ntraceparent\nx-b\n{parent}\n"), None),
            ("traceparent\n\nx-a\nb\n".to_owned(), None),
            ("traceparent\n\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(begun_by(&edits), found, "{edits}");
        }
    }
}
