//! The files of the test page, from where the deployment keeps them.

use wasm_bindgen::JsValue;

use super::boot::Isolate;
use super::{glue, respond};
use crate::gate::Page;

/// The promise of a file.
pub(super) fn answer(isolate: &Isolate, page: &Page, method: &str) -> JsValue {
    glue::asset(&isolate.assets, page.path, method, &respond::lines(&page.headers))
}
