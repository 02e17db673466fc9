mod properties;

use super::{Breaker, Millis, Policy, Refused, State, Ticket};

const NOW: Millis = 1_795_000_000_000;
const FIRST: Millis = 2_000;
const LONGEST: Millis = 300_000;
const LEASE: Millis = 10_000;

fn closed() -> Breaker {
    Breaker::new(Policy::default())
}

/// Open since `NOW`, without jitter.
fn opened() -> Breaker {
    let mut breaker = closed();
    for _ in 0..5 {
        fail(&mut breaker, NOW);
    }
    assert_eq!(breaker.state(NOW), open(NOW, NOW + FIRST));
    breaker
}

fn open(since: Millis, until: Millis) -> State {
    State::Open { since, until }
}

fn admit(breaker: &mut Breaker, now: Millis) -> Ticket {
    breaker.admit(now).unwrap()
}

fn refusal(breaker: &mut Breaker, now: Millis) -> Millis {
    breaker.admit(now).unwrap_err().until
}

fn succeed(breaker: &mut Breaker, now: Millis) {
    let ticket = admit(breaker, now);
    breaker.succeeded(ticket, now);
}

fn fail(breaker: &mut Breaker, now: Millis) {
    let ticket = admit(breaker, now);
    breaker.failed(ticket, now, 0);
}

fn vanish(breaker: &mut Breaker, now: Millis) {
    let _never_reports = admit(breaker, now);
}

/// Lets one probe after another fail, and says how long each back-off was, from the first on.
fn back_offs(breaker: &mut Breaker, random: u32, count: usize) -> Vec<Millis> {
    let mut now = NOW;
    let mut lengths = Vec::new();
    while lengths.len() < count {
        let ticket = admit(breaker, now);
        breaker.failed(ticket, now, random);
        if let State::Open { until, .. } = breaker.state(now) {
            lengths.push(until - now);
            now = until;
        }
    }
    lengths
}

#[test]
fn so_many_failures_in_a_row_open_it() {
    let mut breaker = closed();
    for _ in 0..4 {
        fail(&mut breaker, NOW);
        assert_eq!(breaker.state(NOW), State::Closed);
    }
    succeed(&mut breaker, NOW);
    // Whatever time they take.
    let times = [1, 2, 3, 4, 5].map(|hour| NOW + hour * 3_600_000);
    for now in times {
        assert_eq!(breaker.state(now), State::Closed);
        fail(&mut breaker, now);
    }
    assert_eq!(breaker.state(times[4]), open(times[4], times[4] + FIRST));
}

#[test]
fn too_large_a_part_of_the_window_opens_it() {
    // Outcomes in the order in which they come: `s`uccess, `f`ailure, and a second that passes.
    for (outcomes, opens) in [
        ("sfsfsfsfsfsfsfsfsfsf", true),
        ("sssfsfsfsfsfsfsfsfsf", false),
        ("sfsfsfsfsfsfsfsfsff", false),
        ("ssfsfsfsfsfsfsfsfsfsf", false),
        // The window holds the second of now and nine before it.
        ("sfsfsfsfsf         sfsfsfsfsf", true),
        ("sfsfsfsfsf          sfsfsfsfsf", false),
        // A success completes the window, but only a failure opens.
        ("fffsfffsfffsfsssssss", false),
        ("fffsfffsfffsfsssssssf", true),
    ] {
        let mut breaker = closed();
        let mut now = NOW;
        for outcome in outcomes.chars() {
            assert_eq!(breaker.state(now), State::Closed, "{outcomes}");
            match outcome {
                's' => succeed(&mut breaker, now),
                'f' => fail(&mut breaker, now),
                _ => now += 1_000,
            }
        }
        assert_eq!(breaker.state(now) != State::Closed, opens, "{outcomes}");
    }
}

#[test]
fn an_open_breaker_refuses_and_says_until_when() {
    let mut breaker = opened();
    for now in [NOW, NOW + 1, NOW + FIRST - 1] {
        assert_eq!(breaker.admit(now).unwrap_err(), Refused { until: NOW + FIRST });
        assert_eq!(breaker.state(now), open(NOW, NOW + FIRST));
    }
    assert_eq!(breaker.state(NOW + FIRST), State::HalfOpen { since: NOW });
    assert!(breaker.admit(NOW + FIRST).is_ok());
}

#[test]
fn nobody_else_passes_while_the_probe_is_in_flight() {
    let mut breaker = opened();
    let now = NOW + FIRST;
    let probe = admit(&mut breaker, now);
    for now in [now, now + 1, now + LEASE - 1] {
        assert_eq!(refusal(&mut breaker, now), NOW + FIRST + LEASE);
        assert_eq!(breaker.state(now), State::HalfOpen { since: NOW });
    }
    breaker.succeeded(probe, now + LEASE - 1);
    assert_eq!(breaker.state(now + LEASE - 1), State::Closed);
    let _both = (admit(&mut breaker, now + LEASE - 1), admit(&mut breaker, now + LEASE - 1));
}

#[test]
fn a_back_off_doubles_up_to_the_longest_and_jitter_only_lengthens_it() {
    for (random, expected) in [
        (0, [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, LONGEST, LONGEST]),
        (
            1 << 31,
            [2_500, 5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, LONGEST, LONGEST],
        ),
        (
            u32::MAX,
            [3_000, 6_000, 12_000, 24_000, 48_000, 96_000, 192_000, 300_000, LONGEST, LONGEST],
        ),
    ] {
        assert_eq!(back_offs(&mut closed(), random, 10), expected, "{random}");
    }
    // Not even without jitter after the most of it is one shorter.
    let mut breaker = closed();
    let lengths = back_offs(&mut breaker, u32::MAX, 3);
    let now = NOW + lengths.iter().sum::<Millis>();
    fail(&mut breaker, now);
    assert!(refusal(&mut breaker, now) - now >= lengths[2]);
}

#[test]
fn a_first_back_off_beyond_the_longest_is_the_longest() {
    let policy =
        Policy { first_back_off_ms: 9_000, longest_back_off_ms: 7_000, ..Policy::default() };
    assert_eq!(back_offs(&mut Breaker::new(policy), 1 << 31, 3), [7_000; 3]);
}

#[test]
fn a_probe_that_succeeds_makes_all_forgotten() {
    let mut breaker = closed();
    let waited: Millis = back_offs(&mut breaker, 0, 4).iter().sum();
    let now = NOW + waited;
    succeed(&mut breaker, now);
    assert_eq!(breaker.state(now), State::Closed);
    for _ in 0..4 {
        fail(&mut breaker, now);
        assert_eq!(breaker.state(now), State::Closed);
    }
    fail(&mut breaker, now);
    assert_eq!(breaker.state(now), open(now, now + FIRST));
}

#[test]
fn the_window_before_an_outage_does_not_count_after_it() {
    let policy = Policy { window_ms: 1_000_000, ..Policy::default() };
    let mut breaker = Breaker::new(policy);
    for _ in 0..10 {
        succeed(&mut breaker, NOW);
        fail(&mut breaker, NOW);
    }
    assert_eq!(breaker.state(NOW), open(NOW, NOW + FIRST));
    succeed(&mut breaker, NOW + FIRST);
    fail(&mut breaker, NOW + FIRST);
    assert_eq!(breaker.state(NOW + FIRST), State::Closed);
}

#[test]
fn a_probe_that_never_reports_is_replaced_after_its_lease() {
    let mut breaker = opened();
    vanish(&mut breaker, NOW + FIRST);
    let second = NOW + FIRST + LEASE;
    assert_eq!(refusal(&mut breaker, second - 1), second);
    vanish(&mut breaker, second);
    assert_eq!(refusal(&mut breaker, second + LEASE - 1), second + LEASE);
    fail(&mut breaker, second + LEASE);
    // A lost probe has not lengthened the back-off.
    assert_eq!(breaker.state(second + LEASE), open(NOW, second + LEASE + 2 * FIRST));
}

#[test]
fn a_lost_probe_counts_only_until_the_next_is_admitted() {
    let late = NOW + FIRST + LEASE;

    let mut breaker = opened();
    let lost = admit(&mut breaker, NOW + FIRST);
    breaker.succeeded(lost, late);
    assert_eq!(breaker.state(late), State::Closed);

    for succeeds in [true, false] {
        let mut breaker = opened();
        let lost = admit(&mut breaker, NOW + FIRST);
        let probe = admit(&mut breaker, late);
        if succeeds {
            breaker.succeeded(lost, late);
        } else {
            breaker.failed(lost, late, 0);
        }
        assert_eq!(refusal(&mut breaker, late), late + LEASE);
        breaker.succeeded(probe, late);
        assert_eq!(breaker.state(late), State::Closed);
    }
}

#[test]
fn a_call_that_vanishes_counts_for_nothing() {
    let mut breaker = closed();
    for _ in 0..1_000 {
        vanish(&mut breaker, NOW);
    }
    for _ in 0..4 {
        fail(&mut breaker, NOW);
    }
    vanish(&mut breaker, NOW);
    assert_eq!(breaker.state(NOW), State::Closed);
    fail(&mut breaker, NOW);
    assert_eq!(breaker.state(NOW), open(NOW, NOW + FIRST));
}

/// A closed breaker that has admitted so many calls, then opens.
fn opened_with_calls_in_flight(calls: usize) -> (Breaker, Vec<Ticket>) {
    let mut breaker = closed();
    let tickets = (0..calls).map(|_| admit(&mut breaker, NOW)).collect();
    for _ in 0..5 {
        fail(&mut breaker, NOW);
    }
    (breaker, tickets)
}

#[test]
fn outcomes_from_before_an_outage_change_nothing_while_it_lasts() {
    for succeeds in [true, false] {
        let (mut breaker, mut tickets) = opened_with_calls_in_flight(20);
        let mut report = |breaker: &mut Breaker, now| {
            for ticket in tickets.drain(..10) {
                if succeeds {
                    breaker.succeeded(ticket, now);
                } else {
                    breaker.failed(ticket, now, u32::MAX);
                }
            }
        };
        report(&mut breaker, NOW + 1);
        assert_eq!(breaker.state(NOW + 1), open(NOW, NOW + FIRST));
        let probe = admit(&mut breaker, NOW + FIRST);
        report(&mut breaker, NOW + FIRST);
        assert_eq!(refusal(&mut breaker, NOW + FIRST), NOW + FIRST + LEASE);
        breaker.failed(probe, NOW + FIRST, 0);
        assert_eq!(breaker.state(NOW + FIRST), open(NOW, NOW + FIRST + 2 * FIRST));
    }
}

#[test]
fn outcomes_from_before_an_outage_change_nothing_after_it() {
    let (mut breaker, mut tickets) = opened_with_calls_in_flight(30);
    let now = NOW + FIRST;
    succeed(&mut breaker, now);
    for ticket in tickets.drain(..15) {
        breaker.failed(ticket, now, 0);
    }
    assert_eq!(breaker.state(now), State::Closed);
    for _ in 0..4 {
        fail(&mut breaker, now);
    }
    // Nor do they interrupt the row.
    for ticket in tickets {
        breaker.succeeded(ticket, now);
    }
    fail(&mut breaker, now);
    assert_eq!(breaker.state(now), open(now, now + FIRST));
}

#[test]
fn it_says_since_when_it_has_been_open() {
    let mut breaker = opened();
    let now = NOW + FIRST;
    let probe = admit(&mut breaker, now);
    assert_eq!(breaker.state(now), State::HalfOpen { since: NOW });
    breaker.failed(probe, now, 0);
    assert_eq!(breaker.state(now), open(NOW, now + 2 * FIRST));
    // Never in the future: after the clock was set back, since then at the latest.
    assert_eq!(breaker.state(NOW - 7), open(NOW - 7, NOW - 7 + 2 * FIRST));
    refusal(&mut breaker, NOW - 7);
    assert_eq!(breaker.state(NOW), open(NOW - 7, NOW - 7 + 2 * FIRST));
}

#[test]
fn a_clock_that_is_set_back_makes_no_back_off_and_no_lease_longer_than_it_is() {
    for set_back in [1, FIRST, LEASE, 3_600_000, NOW, i64::MAX] {
        let mut breaker = opened();
        let earlier = NOW.saturating_sub(set_back);
        assert_eq!(breaker.state(earlier), open(earlier, earlier + FIRST));
        assert_eq!(refusal(&mut breaker, earlier), earlier + FIRST);
        assert_eq!(refusal(&mut breaker, earlier + FIRST - 1), earlier + FIRST);
        vanish(&mut breaker, earlier + FIRST);

        let earlier = earlier.saturating_sub(set_back);
        assert_eq!(refusal(&mut breaker, earlier), earlier + LEASE);
        assert_eq!(refusal(&mut breaker, earlier + LEASE - 1), earlier + LEASE);
        succeed(&mut breaker, earlier + LEASE);
        assert_eq!(breaker.state(earlier + LEASE), State::Closed);
    }
}

#[test]
fn a_clock_that_is_set_back_within_a_back_off_lengthens_it_by_as_much() {
    let mut breaker = opened();
    assert_eq!(refusal(&mut breaker, NOW + 1_500), NOW + FIRST);
    assert_eq!(refusal(&mut breaker, NOW + 500), NOW + FIRST);
    assert!(breaker.admit(NOW + FIRST).is_ok());
}

#[test]
fn outcomes_of_the_future_are_not_in_the_window() {
    let mut breaker = closed();
    for _ in 0..10 {
        fail(&mut breaker, NOW);
        succeed(&mut breaker, NOW);
    }
    fail(&mut breaker, NOW - 3_000);
    assert_eq!(breaker.state(NOW - 3_000), State::Closed);
    // They are again when the clock gets there.
    fail(&mut breaker, NOW);
    assert_eq!(breaker.state(NOW), open(NOW, NOW + FIRST));
}

#[test]
fn it_owns_no_memory_that_could_grow() {
    assert!(!std::mem::needs_drop::<Breaker>());
}
