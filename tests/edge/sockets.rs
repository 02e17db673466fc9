//! WebSockets: authenticated like requests, and supervised to the end.

mod autobahn;
mod browser;
mod credentials;
mod endings;
mod frames;
mod many;
mod renewal;
mod resets;
mod revocations;
mod services;
mod ws;

use super::harness::{
    mint::{self, now, token, token_with},
    sockets::{Sockets, close, ending, must_be_open, next, open, received},
    *,
};
// Here it is something to do; there it is something that was done.
use super::revocations::revoked as revoke;

/// A gate in front of these, without revocations.
async fn gate(sockets: &Sockets, change: impl FnOnce(Setup) -> Setup) -> Gate {
    let nobody = Origin::absent().await;
    Gate::start(sockets.setup(change(Setup::new(&nobody)))).await
}
