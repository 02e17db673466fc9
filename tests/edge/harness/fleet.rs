//! Deployments behind one address: while a new one gets around, the old one still answers beside it.

use std::{
    any::Any,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::Gate;

/// An address, and what answers there; it ends with this value.
pub struct Fleet {
    /// Where it listens.
    pub addr: SocketAddr,
    serving: Arc<Mutex<Vec<Deployed>>>,
    server: JoinHandle<()>,
}

/// Something that listens, and lives as long as one of its connections.
#[derive(Clone)]
struct Deployed {
    addr: SocketAddr,
    /// Held, and never looked at.
    _process: Arc<dyn Any + Send + Sync>,
}

impl Fleet {
    /// With nothing behind it yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving: Arc<Mutex<Vec<Deployed>>> = Arc::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&serving)));
        Self { addr, serving, server }
    }

    /// Puts this beside what serves: from now on connections go to one after the other.
    pub fn deploy(&self, addr: SocketAddr, process: impl Any + Send + Sync) {
        self.serving.lock().unwrap().push(Deployed { addr, _process: Arc::new(process) });
    }

    /// The same with a gate.
    pub fn deploy_gate(&self, gate: Gate) {
        self.deploy(gate.addr, gate);
    }

    /// Only the latest gets new connections. The others end with their last one.
    pub fn retire(&self) {
        let mut serving = self.serving.lock().unwrap();
        let latest = serving.pop().expect("something serves");
        *serving = vec![latest];
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, serving: Arc<Mutex<Vec<Deployed>>>) {
    let turn = AtomicUsize::new(0);
    // Dropped with the server, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let deployed = {
            let serving = serving.lock().unwrap();
            let turn = turn.fetch_add(1, Ordering::Relaxed) % serving.len().max(1);
            serving.get(turn).cloned()
        };
        connections.spawn(async move {
            let Some(deployed) = deployed else { return };
            if let Ok(mut server) = TcpStream::connect(deployed.addr).await {
                let _ = client.set_nodelay(true);
                let _ = server.set_nodelay(true);
                // Either side may break off.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
