//! The origin: nginx on the loopback interface, which answers "ok" to everything.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Where the answer says what has arrived.
pub const ECHO: &str = "/api/orders/echo";

/// How long nginx may take until it listens.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running nginx; it ends with this value.
pub struct Origin {
    pub address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl Origin {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub fn start() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let address = free_address();
        fs::write(directory.path().join("nginx.conf"), config(address)).expect("it is written");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(directory.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts; tools/install.sh bench installs it");
        let origin = Self { address, child, directory };
        origin.wait();
        origin
    }

    fn wait(&self) {
        const PAUSE: Duration = Duration::from_millis(10);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let log = fs::read_to_string(self.directory.path().join("error.log")).unwrap_or_default();
        panic!("nginx does not listen on {}:\n{log}", self.address);
    }

    /// Its process.
    #[allow(dead_code, reason = "not every measurement looks at the process")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// nginx cannot say which port it was given, so it is told one that was free just now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}

/// One process without a master, so that it ends when its parent kills it. Connections stay open,
/// however long they rest between turns, and there may be one for each of thousands of clients.
fn config(address: SocketAddr) -> String {
    format!(
        r#"daemon off;
master_process off;
pid nginx.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen {address} backlog=8192;
    location / {{ return 200 "ok"; }}
    location = {ECHO} {{
      return 200 "degraded=$http_x_auth_degraded subject=$http_x_auth_subject authorization=$http_authorization";
    }}
  }}
}}
"#
    )
}
