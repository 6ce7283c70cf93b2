//! A backend that is told of what happens: it notes every request, and answers as the test says.

use std::sync::Arc;

use parking_lot::Mutex;
use parlor::config::{Secret, Webhook};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::DEADLINE;
use super::verify::is_signed;

/// What requests to it are signed with.
const SECRET: &str = "a secret of the tests";

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// With this status, and nothing else.
    Status(u16),
    /// Never.
    Hang,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Its `webhook-id`.
    pub id: String,
    /// Its body.
    pub event: Value,
    /// What was answered.
    pub reply: Reply,
}

impl Heard {
    /// The channel that it is about.
    pub fn channel(&self) -> &str {
        self.event["channel"].as_str().unwrap_or_default()
    }

    /// The place of a message.
    pub fn seq(&self) -> u64 {
        self.event["seq"].as_u64().unwrap_or_default()
    }
}

type Says = Box<dyn FnMut(&Value) -> Reply + Send>;

struct Shared {
    heard: Mutex<Vec<Heard>>,
    says: Mutex<Says>,
    more: Notify,
}

/// The backend.
pub struct Endpoint {
    /// Where it is.
    pub url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Endpoint {
    /// One that takes everything.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook?of=parlor", listener.local_addr().expect("an address"));
        let says: Says = Box::new(|_| Reply::Status(204));
        let shared = Arc::new(Shared { heard: Mutex::default(), says: Mutex::new(says), more: Notify::new() });
        let all = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&all)));
            }
        });
        Self { url, shared, serving }
    }

    /// A webhook that tells it of messages in everyone's channels.
    pub fn webhook(&self, name: &str) -> Webhook {
        Webhook {
            name: name.into(),
            url: self.url.clone(),
            secret: Secret::Text(SECRET.into()),
            messages: true,
            members: false,
            presence: false,
            channels: vec!["*".into()],
            backlog: 1000,
            timeout: DEADLINE,
            retry_max: DEADLINE,
        }
    }

    /// The same, as it is written in a configuration.
    pub fn written(&self, name: &str) -> String {
        format!("[{{name = \"{name}\", url = \"{}\", secret = \"{SECRET}\"}}]", self.url)
    }

    /// From here on it answers so, by what it is told.
    pub fn says(&self, says: impl FnMut(&Value) -> Reply + Send + 'static) {
        *self.shared.says.lock() = Box::new(says);
    }

    /// Everything that it was told so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().clone()
    }

    /// What of that it took.
    pub fn taken(&self) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.reply == Reply::Status(204)).collect()
    }

    /// Waits until this holds of what it took.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&[Heard]) -> bool) -> Vec<Heard> {
        let all = async {
            loop {
                let more = self.shared.more.notified();
                let taken = self.taken();
                if holds(&taken) {
                    return taken;
                }
                more.await;
            }
        };
        let waited = timeout(DEADLINE, all).await;
        waited.unwrap_or_else(|_| panic!("the endpoint did not hear {what}; it heard {:?}", self.heard()))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let mut bytes = Vec::new();
    while let Some((head, body)) = request(&mut socket, &mut bytes).await {
        let header = |name: &str| {
            let found = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map_or_else(|| panic!("no {name} in {head}"), |(_, value)| value.to_owned())
        };
        assert!(head.starts_with("POST /hook?of=parlor HTTP/1.1\r\n"), "{head}");
        let (id, signature) = (header("webhook-id"), header("webhook-signature"));
        assert!(is_signed(SECRET.as_bytes(), &id, &header("webhook-timestamp"), &signature, &body), "{head}");
        let event: Value = serde_json::from_slice(&body).expect("JSON");
        let reply = shared.says.lock()(&event);
        shared.heard.lock().push(Heard { id, event, reply });
        shared.more.notify_waiters();
        let Reply::Status(status) = reply else { return std::future::pending().await };
        let length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
        let answer = format!("HTTP/1.1 {status} So\r\n{length}\r\n");
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request of a connection: its head, and its body.
async fn request(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8(bytes[..end].to_vec()).expect("UTF-8");
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let length = length.expect("a length");
            if bytes.len() >= end + length {
                let body = bytes[end..end + length].to_vec();
                bytes.drain(..end + length);
                return Some((head, body));
            }
        }
        if socket.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}
