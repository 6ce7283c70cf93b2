//! A TCP proxy with a fixed address, which leads to wherever the server is now, cuts connections and refuses upgrades.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

#[derive(Default)]
struct Way {
    to: Option<SocketAddr>,
    /// Where upgrades go, if elsewhere.
    upgrades: Option<SocketAddr>,
    refuses_upgrades: bool,
    connections: Vec<AbortHandle>,
    refused: usize,
}

/// The proxy. It ends when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    way: Arc<Mutex<Way>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens, and leads nowhere.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(Mutex::new(Way::default()));
        let shared = Arc::clone(&way);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let way = Arc::clone(&shared);
                let connection = tokio::spawn(carry(stream, way)).abort_handle();
                let mut way = shared.lock().expect("not poisoned");
                way.connections.retain(|connection| !connection.is_finished());
                way.connections.push(connection);
            }
        });
        Self { address, way, task }
    }

    /// New connections go there.
    pub fn lead_to(&self, to: SocketAddr) {
        self.way.lock().expect("not poisoned").to = Some(to);
    }

    /// New connections that ask for an upgrade go there.
    pub fn lead_upgrades_to(&self, to: SocketAddr) {
        self.way.lock().expect("not poisoned").upgrades = Some(to);
    }

    /// Whether upgrades are refused, as some proxies do.
    pub fn refuse_upgrades(&self, refuse: bool) {
        self.way.lock().expect("not poisoned").refuses_upgrades = refuse;
    }

    /// How many upgrades were refused.
    pub fn refused(&self) -> usize {
        self.way.lock().expect("not poisoned").refused
    }

    /// Cuts all connections without a word. Returns how many there were.
    pub fn cut(&self) -> usize {
        let connections = std::mem::take(&mut self.way.lock().expect("not poisoned").connections);
        let live = connections.iter().filter(|connection| !connection.is_finished()).count();
        connections.iter().for_each(AbortHandle::abort);
        live
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn carry(mut stream: TcpStream, way: Arc<Mutex<Way>>) {
    let _ = stream.set_nodelay(true);
    let mut head = vec![0; 4096];
    let Ok(read) = stream.read(&mut head).await else { return };
    let upgrade = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase().contains("upgrade: websocket");
    let to = {
        let mut way = way.lock().expect("not poisoned");
        if upgrade && way.refuses_upgrades {
            way.refused += 1;
            None
        } else if upgrade {
            way.upgrades.or(way.to)
        } else {
            way.to
        }
    };
    let Some(to) = to else {
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        return;
    };
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let _ = server.set_nodelay(true);
    if server.write_all(&head[..read]).await.is_ok() {
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    }
}
