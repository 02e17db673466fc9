//! The head of a request, as text in memory of ours.

use web_sys::Request;

use super::glue;

/// Enough for the head of a usual request, and kept for the next one.
const USUAL_BYTES: usize = 16 * 1024;

/// A head as [`RequestHead::unpack`](crate::core::request::RequestHead::unpack) takes it apart.
pub(super) struct PackedHead {
    buffer: Vec<u8>,
    length: usize,
}

impl PackedHead {
    /// Reads the head of a request. `buffer` is one that an earlier head has left, or a new one.
    pub(super) fn read(request: &Request, mut buffer: Vec<u8>) -> Self {
        buffer.resize(USUAL_BYTES, 0);
        let mut written = glue::pack_head(request, &mut buffer);
        if written < 0 {
            buffer.resize(written.unsigned_abs() as usize, 0);
            written = glue::pack_head(request, &mut buffer);
        }
        Self { buffer, length: usize::try_from(written).unwrap_or_default() }
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        // The encoder writes nothing but UTF-8.
        self.buffer
            .get(..self.length)
            .and_then(|head| str::from_utf8(head).ok())
            .unwrap_or_default()
    }

    /// The buffer, for the next head; not one that a client has made large.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        if self.buffer.len() > USUAL_BYTES { Vec::new() } else { self.buffer }
    }
}
