//! Parlor inside another application: under a path of its own, beside what the host answers, and beside another Parlor.

use std::net::SocketAddr;

use actix_web::{App, HttpServer, web};
use futures_util::{SinkExt, StreamExt};
use parlor::config::{Config, Engine};
use parlor::server::{Parts, Server};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::program::Program;
use crate::support::{Answer, DEADLINE, Http, Request};

/// What is answered at a path, which may be the host's own: the documents say nothing of it.
async fn get(address: SocketAddr, path: &str) -> Answer {
    let mut http = Http::connect(address).await;
    http.send(&Request::get(path)).await.expect("it is asked");
    http.answer().await
}

/// A WebSocket under any path, and what came and was not asked for yet.
struct Chat(WebSocketStream<MaybeTlsStream<TcpStream>>, Vec<Value>);

impl Chat {
    /// Connects to the Parlor under a path.
    async fn knock(address: SocketAddr, under: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{address}{under}/v1/ws")).await.expect("an upgrade");
        Self(socket, Vec::new())
    }

    /// Connects, comes in as a guest and joins the lobby.
    async fn enter(address: SocketAddr, under: &str, guest: &str) -> Self {
        let mut chat = Self::knock(address, under).await;
        chat.send(json!({"type": "hello", "version": 1, "guest": guest})).await;
        chat.hear("welcome").await;
        chat.send(json!({"type": "join", "id": "j", "channel": "lobby"})).await;
        chat.hear("joined").await;
        chat
    }

    async fn send(&mut self, command: Value) {
        self.0.send(Message::text(command.to_string())).await.expect("it is sent");
    }

    async fn say(&mut self, text: &str) -> Value {
        self.send(json!({"type": "publish", "id": "p", "channel": "lobby", "body": {"text": text}})).await;
        self.hear("published").await
    }

    /// The next frame of a type; others stay queued.
    async fn hear(&mut self, kind: &str) -> Value {
        loop {
            if let Some(at) = self.1.iter().position(|frame| frame["type"] == kind) {
                return self.1.remove(at);
            }
            match timeout(DEADLINE, self.0.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                    assert_ne!(frame["type"], "error", "{frame}");
                    self.1.push(frame);
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                other => panic!("expected {kind:?}, got {other:?}"),
            }
        }
    }

    /// Reads to the end, ends the connection, and returns the code that the server closed with.
    async fn close_code(mut self) -> u16 {
        let mut code = None;
        loop {
            match timeout(DEADLINE, self.0.next()).await.expect("an end in time") {
                Some(Ok(Message::Close(frame))) => code = frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return code.expect("a close frame"),
            }
        }
    }
}

#[tokio::test]
async fn the_example_serves_its_own_pages_and_a_chat_under_its_path() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data").display().to_string();
    let variables = [("PORT", "0"), ("PARLOR__STORE__PATH", &data), ("PARLOR__SERVER__DRAIN_NOTICE_MS", "20")];
    let mut host = Program::start("embed", &[], &variables);
    let address = host.address().await;

    assert!(get(address, "/").await.body.contains("A host with a chat"));
    assert_eq!(get(address, "/hello").await.body, "hello from the host\n");
    for path in ["/chat/healthz", "/chat/readyz", "/chat/metrics"] {
        assert_eq!(get(address, path).await.status, 200, "{path}");
    }
    let lost = get(address, "/chat/v1/nothing").await;
    assert_eq!((lost.status, lost.header("cache-control")), (404, Some("no-store")));
    for path in ["/chat/nothing", "/chat/v1/nothing"] {
        let frame: Value = serde_json::from_str(&get(address, path).await.body).expect("an error frame");
        assert_eq!(frame["code"], "not_found", "{path}");
    }
    // What is not under the path is the host's.
    for path in ["/healthz", "/v1/ws", "/nothing"] {
        let answer = get(address, path).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{path}");
    }

    let mut ann = Chat::enter(address, "/chat", "ann").await;
    let mut bob = Chat::enter(address, "/chat", "bob").await;
    let receipt = ann.say("good morning").await;
    let heard = bob.hear("message").await;
    assert_eq!((&heard["seq"], &heard["body"]["text"]), (&receipt["seq"], &json!("good morning")));

    host.signal(rustix::process::Signal::TERM);
    assert_eq!(bob.hear("notice").await["code"], "draining");
    assert_eq!(tokio::join!(ann.close_code(), bob.close_code()), (1001, 1001));
    assert_eq!(host.end().await.code(), Some(0));

    let mut host = Program::start("embed", &["0"], &variables[1..]);
    let address = host.address().await;
    let mut cem = Chat::enter(address, "/chat", "cem").await;
    cem.send(json!({"type": "history", "id": "h", "channel": "lobby"})).await;
    let kept = cem.hear("history").await;
    assert_eq!(kept["messages"], json!([heard]));
    tokio::join!(host.stop(), cem.close_code());
}

/// A configuration in memory, with short ways.
fn small() -> Config {
    let mut config = Config::default();
    config.store.engine = Engine::Memory;
    config.store.read_threads = 1;
    config.channels.arbiters = 1;
    config.server.drain_notice = std::time::Duration::from_millis(20);
    config
}

#[test]
fn two_servers_in_one_host_hear_nothing_of_each_other_and_stop_one_by_one() {
    actix_web::rt::System::new().block_on(async {
        let (red, blue) = (Server::open(small(), Parts::default()), Server::open(small(), Parts::default()));
        let (red, blue) = (red.expect("a server"), blue.expect("another"));
        let (red_routes, blue_routes) = (red.routes(), blue.routes());
        let http = HttpServer::new(move || {
            App::new()
                .service(web::scope("/red").configure(|cfg| red_routes.configure(cfg)))
                .service(web::scope("/blue").configure(|cfg| blue_routes.configure(cfg)))
        });
        let http = http.workers(2).disable_signals().shutdown_timeout(1).on_connect(red.on_connect());
        let http = http.bind(("127.0.0.1", 0)).expect("a port");
        let address = http.addrs()[0];
        let http = http.run();
        let (handle, serving) = (http.handle(), actix_web::rt::spawn(http));

        let mut ann = Chat::enter(address, "/red", "ann").await;
        let mut bob = Chat::enter(address, "/blue", "bob").await;
        assert_eq!(ann.say("red").await["seq"], 1);
        assert_eq!(bob.say("blue").await["seq"], 1);
        assert_eq!(bob.hear("message").await["body"]["text"], "blue");

        // While the host and the other one go on.
        let (stopped, code) = tokio::join!(red.stop(), ann.close_code());
        stopped.expect("a clean end");
        assert_eq!(code, 1001);
        assert_eq!(get(address, "/red/readyz").await.status, 503);
        assert_eq!(Chat::knock(address, "/red").await.close_code().await, 1001);
        assert_eq!(get(address, "/blue/readyz").await.status, 200);
        assert_eq!(bob.say("still blue").await["seq"], 2);

        tokio::join!(blue.drain(), bob.close_code());
        handle.stop(true).await;
        serving.await.expect("no panic").expect("a clean end");
        blue.stop().await.expect("a clean end");
    });
}

#[test]
fn a_server_without_an_actix_system_is_refused() {
    let refused = Server::open(small(), Parts::default()).map(drop);
    assert!(refused.is_err_and(|why| why.to_string().contains("actix system")));
}
