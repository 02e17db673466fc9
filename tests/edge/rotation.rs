//! Every key changed as docs/operations.md says, under traffic that does not stop, with the old deployment
//! beside the new one: nobody with a good token is refused, by the gate or by an origin that trusts
//! assertions alone.

mod assertions;
mod issuers;
mod passwords;
mod traffic;

use super::harness::{guide::CarefulOrigin, *};
use traffic::Traffic;

/// The origin, the deployments before it, and the traffic to them.
struct World {
    /// Deployments of the origin.
    origins: Fleet,
    /// Deployments of the gate.
    gates: Fleet,
    traffic: Traffic,
}

impl World {
    /// The first deployment, with the settings that `adapt` makes of the usual ones, and the traffic of an
    /// issuer that makes tokens like this.
    async fn start(
        adapt: impl FnOnce(Setup) -> Setup,
        mint: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Self {
        let (origins, gates) = (Fleet::start().await, Fleet::start().await);
        let origin = CarefulOrigin::start(gates.addr).await;
        origins.deploy(origin.addr, origin);
        gates.deploy_gate(Gate::start(adapt(Self::before(&origins))).await);
        let traffic = Traffic::start(gates.addr, mint);
        traffic.phase("before anything changes").await;
        Self { origins, gates, traffic }
    }

    /// In front of the origin, with assertions.
    fn setup(&self) -> Setup {
        Self::before(&self.origins)
    }

    fn before(origins: &Fleet) -> Setup {
        Setup::before(origins.addr).assertion(60).access("/public", "public")
    }

    /// A new deployment gets around: it serves beside the old one, and then alone.
    async fn deploy(&self, what: &str, setup: Setup) {
        self.gates.deploy_gate(Gate::start(setup).await);
        self.traffic.phase(&format!("{what}, beside the deployment before")).await;
        self.gates.retire();
        self.traffic.phase(&format!("{what}, alone")).await;
    }

    /// An origin takes the place of the one before, and fetches the keys anew.
    async fn renew_origin(&self, what: &str) {
        let origin = CarefulOrigin::start(self.gates.addr).await;
        self.origins.deploy(origin.addr, origin);
        self.origins.retire();
        self.traffic.phase(what).await;
    }

    /// What one request gets from whoever has its turn.
    async fn ask(&self, target: &str, token: &str) -> Reply {
        client::raw(self.gates.addr, &get(target).bearer(token).bytes()).await
    }
}
