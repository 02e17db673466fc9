//! An issuer that publishes its keys and counts who asks for them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A key set, served over HTTP; it ends with the runtime.
pub struct Publisher {
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Publisher {
    pub async fn start(jwks: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                // Of a request without a body, the head is all there is, and it fits.
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/jwk-set+json\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n{jwks}",
                        jwks.len(),
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        });
        Self { address, asked }
    }

    /// How often somebody asked so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}
