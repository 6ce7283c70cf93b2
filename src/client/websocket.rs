//! A connection by WebSocket (protocol, section 4).

use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::connect_async_tls_with_config;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::line::Down;
use super::link::{Ear, Heard, Order};
use super::place::Place;

/// How long the server may take to answer a goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Opens it, and carries frames until it ends. Returns how, unless that was by a goodbye of ours.
pub(super) async fn run(place: &Place, orders: mpsc::Receiver<Order>, ear: &Ear) -> Option<Down> {
    let connector = Some(place.connector.clone());
    let socket = match connect_async_tls_with_config(place.socket.as_str(), None, true, connector).await {
        Ok((socket, _)) => socket,
        Err(why) => return Some(not_opened(&why)),
    };
    ear.tell(Heard::Opened).await;
    let (mut sink, mut stream) = socket.split();
    tokio::select! {
        down = listen(&mut stream, ear) => Some(down),
        () = speak(&mut sink, orders) => {
            let rest = async { while let Some(Ok(_)) = stream.next().await {} };
            let _ = tokio::time::timeout(GOODBYE, rest).await;
            None
        }
    }
}

async fn listen(stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin), ear: &Ear) -> Down {
    loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => ear.tell(Heard::Frame(text.as_str().to_owned())).await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => ear.tell(Heard::Alive).await,
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| frame.code.into());
                let why = frame.map_or_else(String::new, |frame| frame.reason.as_str().to_owned());
                return Down { code, why, retry_after_ms: None };
            }
            Some(Ok(_)) => return broken("a frame that is neither text nor close"),
            Some(Err(why)) => return broken(&why.to_string()),
            None => return broken("end of stream"),
        }
    }
}

/// Sends what it is told to, and ends after a goodbye.
async fn speak(sink: &mut (impl Sink<Message> + Unpin), mut orders: mpsc::Receiver<Order>) {
    let mut batch = Vec::new();
    while orders.recv_many(&mut batch, 64).await > 0 {
        for order in batch.drain(..) {
            let done = match order {
                Order::Say(frame) => sink.feed(Message::text(frame)).await,
                Order::Bye => {
                    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    let _ = sink.send(Message::Close(Some(frame))).await;
                    return;
                }
            };
            if done.is_err() {
                return unheard().await;
            }
        }
        if sink.flush().await.is_err() {
            return unheard().await;
        }
    }
    unheard().await;
}

/// What cannot be sent shows as the end of what is heard, which may still say why.
async fn unheard() {
    std::future::pending::<()>().await;
}

fn broken(why: &str) -> Down {
    Down { why: why.to_owned(), ..Down::default() }
}

fn not_opened(why: &Error) -> Down {
    let mut down = broken(&why.to_string());
    if let Error::Http(answer) = why {
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        down.retry_after_ms = after.and_then(|text| text.parse::<u64>().ok()).map(|s| s.saturating_mul(1000));
    }
    down
}
