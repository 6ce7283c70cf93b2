//! A product with a chat in it: its own page, its own users, and one channel that they may see.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::program::Program;
use crate::support::{Answer, Http, Request};

async fn ask(address: SocketAddr, request: Request) -> Answer {
    let mut http = Http::connect(address).await;
    http.send(&request).await.expect("it is asked");
    http.answer().await
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, Request::get(path)).await
}

/// What a session is answered to one command.
async fn command(address: SocketAddr, session: &str, command: Value) -> Value {
    let path = format!("/chat/v1/sessions/{session}/commands");
    let answer = ask(address, Request::post(path, command.to_string())).await;
    let mut replies: Vec<Value> = serde_json::from_str(&answer.body).expect("an array");
    replies.remove(0)
}

#[tokio::test]
async fn a_customer_of_the_shop_talks_in_its_channel_and_sees_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data").display().to_string();
    let variables = [("PORT", "0"), ("PARLOR__STORE__PATH", &data), ("PARLOR__SERVER__DRAIN_NOTICE_MS", "20")];
    let mut shop = Program::start("product", &[], &variables);
    let address = shop.address().await;

    let page = get(address, "/").await.body;
    let library = page.split('"').find(|word| word.ends_with("client/index.js")).expect("it takes the client library");
    let moved = get(address, library.trim_start_matches('.')).await;
    assert_eq!(moved.status, 307);
    let to = moved.header("location").expect("a location").replacen("..", "/chat", 1);
    let script = get(address, &to).await;
    assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    assert!(!get(address, "/chat/").await.body.contains("<html"), "the shop has its own page");

    assert_eq!(get(address, "/token?user=mallory").await.status, 403);
    let token = get(address, "/token?user=dora").await.body;
    let hello = json!({ "type": "hello", "version": 1, "token": token });
    let answer = ask(address, Request::post("/chat/v1/sessions", hello.to_string())).await;
    let welcome: Value = serde_json::from_str(&answer.body).expect("a frame");
    assert_eq!((answer.status, &welcome["user"]), (201, &json!("dora")));
    let session = welcome["session"].as_str().expect("a secret");
    assert_eq!(command(address, session, json!({ "type": "join", "channel": "help" })).await["type"], "joined");
    let said = json!({ "type": "publish", "channel": "help", "body": { "text": "is it blue?" } });
    assert_eq!(command(address, session, said).await["seq"], 1);
    assert_eq!(command(address, session, json!({ "type": "join", "channel": "lobby" })).await["code"], "not_found");
    let guest = json!({ "type": "hello", "version": 1, "guest": "eve" });
    assert_eq!(ask(address, Request::post("/chat/v1/sessions", guest.to_string())).await.status, 403);
    shop.stop().await;
}
