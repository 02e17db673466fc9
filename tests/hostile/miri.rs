//! The corpora alone, as a test of the package of the fuzz targets: `tools/miri.sh` runs it in Miri.
#![allow(
    missing_docs,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod corpora;

use edgeward_fuzz as targets;
