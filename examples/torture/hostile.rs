//! Clients without manners. Nobody writes down what they hear; the good ones must not notice them.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::plan::Manner;
use crate::support::http::{Http, Request};
use crate::support::link::tcp;

/// How long a visit lasts at most.
const VISIT: Duration = Duration::from_secs(6);

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Comes, misbehaves, and goes.
pub async fn visit(to: SocketAddr, manner: Manner, channels: Vec<String>) {
    // Whatever becomes of it is right.
    let _ = timeout(VISIT, misbehave(to, manner, channels)).await;
}

async fn misbehave(to: SocketAddr, manner: Manner, channels: Vec<String>) -> Result<(), Failed> {
    match manner {
        Manner::BadFrames => {
            let bad = [
                "",
                "{",
                "[]",
                "7",
                "{\"type\":7}",
                "{\"type\":\"join\"}",
                "{\"type\":\"publish\",\"channel\":\"A!\"}",
            ];
            let many = (0..40).map(|n| Message::text(bad[n % bad.len()]));
            talk(greeted(to, false).await?, many).await
        }
        Manner::HugeFrame => {
            let huge = json!({"type": "publish", "channel": "room-0", "body": {"text": "x".repeat(300_000)}});
            talk(greeted(to, false).await?, [Message::text(huge.to_string())]).await
        }
        Manner::Flood => {
            let many = (0..5_000).map(|n| match n % 3 {
                0 => Message::text(json!({"type": "ping", "id": "p"}).to_string()),
                1 => Message::text(json!({"type": "history", "channel": "room-0", "id": "h"}).to_string()),
                _ => Message::text(json!({"type": "who", "channel": "room-0", "id": "w"}).to_string()),
            });
            talk(greeted(to, false).await?, many).await
        }
        Manner::Joins => {
            let many = (0..2_000).map(|n| json!({"type": "join", "channel": format!("rude-{}", n % 300), "id": "j"}));
            talk(greeted(to, false).await?, many.map(|frame| Message::text(frame.to_string()))).await
        }
        Manner::SlowBody => {
            let mut stream = TcpStream::connect(to).await?;
            let head = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..60 {
                stream.write_all(b" ").await?;
                sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        }
        Manner::Garbage => {
            let mut stream = TcpStream::connect(to).await?;
            let bytes: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            stream.write_all(&bytes).await?;
            sleep(Duration::from_millis(300)).await;
            Ok(())
        }
        Manner::Silence => {
            let _silent = upgraded(to, false).await?;
            sleep(Duration::from_secs(3)).await;
            Ok(())
        }
        Manner::Forgotten => {
            let hello = json!({"type": "hello", "version": 1, "guest": "rude"}).to_string();
            let joins = channels.iter().map(|channel| json!({"type": "join", "channel": channel, "member": false}));
            let joins = joins.collect::<Value>().to_string();
            for _ in 0..20 {
                let mut http = Http::open(to, false).await?;
                let welcome = http.exchange(&Request::post("/v1/sessions", hello.clone())).await?.json();
                let session = welcome["session"].as_str().unwrap_or_default();
                http.exchange(&Request::post(format!("/v1/sessions/{session}/commands"), joins.clone())).await?;
            }
            Ok(())
        }
        Manner::Deaf => {
            let mut socket = greeted(to, true).await?;
            for channel in channels {
                let join = json!({"type": "join", "channel": channel, "member": false});
                socket.send(Message::text(join.to_string())).await?;
            }
            sleep(Duration::from_secs(4)).await;
            Ok(())
        }
    }
}

async fn upgraded(to: SocketAddr, narrow: bool) -> Result<WebSocketStream<TcpStream>, Failed> {
    let stream = tcp(to, narrow).await?;
    Ok(client_async(format!("ws://{to}/v1/ws"), stream).await?.0)
}

async fn greeted(to: SocketAddr, narrow: bool) -> Result<WebSocketStream<TcpStream>, Failed> {
    let mut socket = upgraded(to, narrow).await?;
    let hello = json!({"type": "hello", "version": 1, "guest": "rude"});
    socket.send(Message::text(hello.to_string())).await?;
    Ok(socket)
}

/// Says all that, while it throws away what comes, and then waits for a while.
async fn talk(socket: WebSocketStream<TcpStream>, frames: impl IntoIterator<Item = Message>) -> Result<(), Failed> {
    let (mut sink, mut stream) = socket.split();
    let say = async {
        for frame in frames {
            sink.send(frame).await?;
        }
        sleep(Duration::from_millis(500)).await;
        Ok(())
    };
    let hear = async {
        while let Some(Ok(_)) = stream.next().await {}
        Ok(())
    };
    tokio::select! { said = say => said, heard = hear => heard }
}
