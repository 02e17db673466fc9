//! Lines for the operator, one JSON object each.

use serde_json::json;

use super::glue;
use crate::core::problem::Problem;

/// Something works, but not as the operator may think.
pub(super) fn warning(text: &str) {
    glue::console_log(&json!({ "event": "warning", "message": text }).to_string());
}

/// Something has to be mended before anyone can pass.
pub(super) fn problem(problem: &Problem) {
    let mut line = problem.to_json();
    if let Some(line) = line.as_object_mut() {
        line.insert("event".to_owned(), "misconfigured".into());
    }
    glue::console_error(&line.to_string());
}
