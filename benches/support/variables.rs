//! Numbers in the environment that change what is measured.

/// A number above zero; `None` where there is none, or an empty text.
///
/// # Panics
///
/// When there is something else.
pub fn above_zero(name: &str) -> Option<u32> {
    let number = number(name)?;
    assert!(number > 0, "{name} is 0, which would measure nothing");
    Some(number)
}

/// The same, with zero.
///
/// # Panics
///
/// When there is something else.
pub fn number(name: &str) -> Option<u32> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")))
}
