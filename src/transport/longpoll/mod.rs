//! HTTP long-poll (protocol, section 5): a session whose commands come with requests and whose events are fetched, over
//! any connection and on any worker.
//!
//! The session lives on the worker that took its hello; its secret says which. A request that lands elsewhere sends a
//! message there and waits. Nothing is lost with a connection: events stay in the session's outbox until the client
//! says that it has them.

mod ended;
mod line;
mod lines;
mod slots;

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};
use bytestring::ByteString;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::edge::address;
use crate::http::answer::{json, only, problem, refusal};
use crate::http::asker::bearer;
use crate::http::body::{self, Query};
use crate::model::Secret;
use crate::protocol::{ErrorCode, Frame, Problem};
use crate::session::{App, Worker};
use crate::supervise::Post;
use ended::End;
use line::array;
use lines::{LineIn, Missed};

pub use lines::LONGPOLL;
pub(crate) use lines::Switchboard;

/// What a session is known by to its requests: the hash of its secret.
type Digest = [u8; 32];

/// How many frames' worth of bytes one request may carry.
const FRAMES: usize = 8;
/// How many commands.
const COMMANDS: usize = 1000;
/// How long a poll is parked if it does not say.
const WAIT: f64 = 25.0;

/// What a poll is answered.
#[derive(Debug)]
enum Polled {
    /// These events, and the number of the last.
    Events(Vec<Frame>, u64),
    /// Nothing new.
    Nothing,
    /// The client cannot have what it says it has; it has this.
    Conflict(u64),
    /// There is no such session; it ended like this, if that is known.
    Gone(Option<End>),
}

/// Adds the four requests, below `/v1`.
pub(super) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/sessions").route(web::post().to(open)).default_service(only("POST")))
        .service(web::resource("/sessions/{session}").route(web::delete().to(logout)).default_service(only("DELETE")))
        .service(
            web::resource("/sessions/{session}/commands").route(web::post().to(commands)).default_service(only("POST")),
        )
        .service(
            web::resource("/sessions/{session}/events")
                .wrap(from_fn(let_go))
                .route(web::get().to(events))
                .default_service(only("GET")),
        );
}

/// Drops those headers of a poll that nobody will ask for, and copies the others: as they came they hold on to the
/// buffer of 8 kB that its connection read them into, and a poll may be parked for long.
async fn let_go(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let kept = |name: HeaderName| {
        let value = HeaderValue::from_bytes(request.headers().get(&name)?.as_bytes()).ok()?;
        Some((name, value))
    };
    let kept: HeaderMap = [AUTHORIZATION, ORIGIN].into_iter().filter_map(kept).collect();
    *request.headers_mut() = kept;
    next.call(request).await
}

/// `POST /v1/sessions`
async fn open(
    request: HttpRequest,
    body: web::Payload,
    app: web::Data<App>,
    switchboard: web::Data<Switchboard>,
) -> HttpResponse {
    let hello = match body::read(&request, body, app.context.config.limits.frame_bytes).await {
        Ok(hello) => hello,
        Err(refused) => return refused,
    };
    if app.is_draining() {
        return problem(&Problem::new(ErrorCode::Unavailable, "the server is stopping").retry_after(1000));
    }
    let worker = Worker::here(&app.into_inner());
    let Some(lines) = switchboard.of(worker.id) else { return broken() };
    let (tell, told) = oneshot::channel();
    lines.send(LineIn::Open { address: address(&request), bearer: bearer(request.headers()), hello, tell });
    match told.await.ok().and_then(|answers| answers.ok()?.into_iter().next()) {
        Some(answer) => match answer.problem {
            None => json(StatusCode::CREATED, answer.frame),
            Some(why) => refusal(&why, answer.frame),
        },
        None => broken(),
    }
}

/// `POST /v1/sessions/{session}/commands`
async fn commands(
    request: HttpRequest,
    body: web::Payload,
    app: web::Data<App>,
    switchboard: web::Data<Switchboard>,
) -> HttpResponse {
    let frame_bytes = app.context.config.limits.frame_bytes;
    let Some((lines, session)) = place(&request, &switchboard) else { return body::unread(gone(None)) };
    let texts = match body::read(&request, body, FRAMES * frame_bytes).await {
        Ok(text) => elements(&text, frame_bytes),
        Err(refused) => return refused,
    };
    let texts = match texts {
        Ok(texts) => texts,
        Err(why) => return problem(&why),
    };
    let (tell, told) = oneshot::channel();
    lines.send(LineIn::Commands(session, texts, tell));
    match told.await {
        Ok(Ok(answers)) => json(StatusCode::OK, array(answers.iter().map(|answer| &answer.frame))),
        Ok(Err(Missed::Gone(end))) => gone(end),
        Ok(Err(Missed::Full)) => {
            let full = Problem::new(ErrorCode::Overloaded, "too many requests of this session wait").retry_after(200);
            problem(&full)
        }
        Err(_) => broken(),
    }
}

/// The frames in a request's body: one, or an array of them.
fn elements(text: &ByteString, frame_bytes: usize) -> Result<Vec<ByteString>, Problem> {
    let too_large = |why: String| Problem::new(ErrorCode::TooLarge, why);
    let bad = |error: serde_json::Error| Problem::bad_frame(error.to_string());
    let texts = if text.trim_start().starts_with('[') {
        let all: Vec<&RawValue> = serde_json::from_str(text).map_err(bad)?;
        all.into_iter().map(|element| text.slice_ref(element.get())).collect()
    } else {
        let one: &RawValue = serde_json::from_str(text).map_err(bad)?;
        vec![text.slice_ref(one.get())]
    };
    if texts.len() > COMMANDS {
        return Err(too_large(format!("a request takes {COMMANDS} commands at most, got {}", texts.len())));
    }
    match texts.iter().map(|text| text.len()).find(|&bytes| bytes > frame_bytes) {
        Some(bytes) => Err(too_large(format!("a frame takes {frame_bytes} bytes at most, got {bytes}"))),
        None => Ok(texts),
    }
}

/// `GET /v1/sessions/{session}/events?after=N&wait=S`
async fn events(request: HttpRequest, app: web::Data<App>, switchboard: web::Data<Switchboard>) -> HttpResponse {
    let longest = app.context.config.presence.heartbeat;
    let (after, wait) = match Query::of(&request).and_then(|query| wishes(&query, longest)) {
        Ok(wishes) => wishes,
        Err(why) => return problem(&why),
    };
    let Some((lines, session)) = place(&request, &switchboard) else { return gone(None) };
    let (tell, mut told) = oneshot::channel();
    lines.send(LineIn::Poll { session, after, wait: !wait.is_zero(), tell });
    let parked = (!wait.is_zero()).then(|| Parked::new(&app));
    let polled = if wait.is_zero() {
        told.await
    } else {
        match tokio::time::timeout(wait, &mut told).await {
            Ok(polled) => polled,
            Err(_) => {
                told.close();
                // What came at the last moment is not thrown away.
                Ok(told.try_recv().unwrap_or_else(|_| {
                    lines.send(LineIn::Unpark(session));
                    Polled::Nothing
                }))
            }
        }
    };
    drop(parked);
    match polled {
        Ok(Polled::Events(frames, next)) => page(&array(frames.iter()), next),
        Ok(Polled::Nothing) => page("[]", after),
        Ok(Polled::Conflict(next)) => {
            let why = format!("after: expected {next} or a number that was sent since, got {after}");
            let mut frame = Problem::new(ErrorCode::Conflict, why).frame(None).to_string();
            frame.pop();
            json(StatusCode::CONFLICT, format!("{frame},\"next\":{next}}}"))
        }
        Ok(Polled::Gone(end)) => gone(end),
        Err(_) => broken(),
    }
}

fn page(events: &str, next: u64) -> HttpResponse {
    json(StatusCode::OK, format!("{{\"events\":{events},\"next\":{next}}}"))
}

/// What a poll says: which events the client has, and how long it wants to wait, which is at most `longest`.
fn wishes(query: &Query, longest: Duration) -> Result<(u64, Duration), Problem> {
    let after = query.number("after")?.ok_or_else(|| Problem::bad_frame("after: missing"))?;
    let wait: f64 = query.number("wait")?.unwrap_or(WAIT);
    let wait = Duration::try_from_secs_f64(wait.clamp(-1.0, longest.as_secs_f64()))
        .map_err(|_| Problem::bad_frame(format!("wait: expected seconds, got {wait}")))?;
    Ok((after, wait))
}

/// `DELETE /v1/sessions/{session}`
async fn logout(request: HttpRequest, switchboard: web::Data<Switchboard>) -> HttpResponse {
    let Some((lines, session)) = place(&request, &switchboard) else { return gone(None) };
    let (tell, told) = oneshot::channel();
    lines.send(LineIn::Logout(session, tell));
    match told.await {
        Ok(Ok(())) => HttpResponse::NoContent().finish(),
        Ok(Err(Missed::Gone(end))) => gone(end),
        Ok(Err(Missed::Full)) | Err(_) => broken(),
    }
}

/// Where the session of a request is, by its path, or by its header where the path says `self`.
fn place(request: &HttpRequest, switchboard: &Switchboard) -> Option<(Post<LineIn>, Digest)> {
    let session = match request.match_info().get("session")? {
        "self" => Secret::said(&bearer(request.headers())?),
        named => Secret::said(named),
    };
    Some((switchboard.find(&session)?, session.digest()))
}

/// There is no such session, or it has ended.
fn gone(end: Option<End>) -> HttpResponse {
    let said =
        Problem::new(ErrorCode::NotFound, if end.is_some() { "the session has ended" } else { "no such session" });
    let close = end.map(|end| end.code);
    problem(&Problem { close, retry_after_ms: end.and_then(|end| end.retry_after_ms), ..said })
}

/// What was asked broke on its way.
fn broken() -> HttpResponse {
    problem(&Problem::new(ErrorCode::Internal, "the session broke; begin another"))
}

/// Counts a poll while it is parked.
struct Parked(web::Data<App>);

impl Parked {
    fn new(app: &web::Data<App>) -> Self {
        app.context.metrics.polls_parked.inc();
        Self(app.clone())
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.context.metrics.polls_parked.dec();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::cases::{damaged_text, many};

    fn read(text: &str) -> Result<Vec<String>, ErrorCode> {
        let texts = elements(&text.into(), 20).map_err(|problem| problem.code)?;
        Ok(texts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_body_is_one_frame_or_an_array_of_them() {
        assert_eq!(read(" {\"a\": 1} ").unwrap(), ["{\"a\": 1}"]);
        assert_eq!(read("[{\"a\":[1]} , 5,\"x\"]").unwrap(), ["{\"a\":[1]}", "5", "\"x\""]);
        assert_eq!(read("[]").unwrap(), [""; 0]);
        assert_eq!(read("7").unwrap(), ["7"]);
        for bad in ["", "[", "[1,]", "{} {}", "hello", "[{]"] {
            assert_eq!(read(bad), Err(ErrorCode::BadFrame), "{bad}");
        }
    }

    #[test]
    fn frames_above_their_limit_are_refused_with_the_whole_request() {
        assert_eq!(read(&format!("[1,\"{}\"]", "x".repeat(18))).map(|texts| texts.len()), Ok(2));
        assert_eq!(read(&format!("[1,\"{}\"]", "x".repeat(19))), Err(ErrorCode::TooLarge));
        assert_eq!(read(&format!("[{}1]", "1,".repeat(COMMANDS))), Err(ErrorCode::TooLarge));
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn any_body_is_refused_or_its_frames_are_what_it_says(seed: u64, plain in ".{0,30}", deep in 0usize..300) {
            let whole = r#"[{"type":"ping","id":"1"} , 7, "x", {"type":"join","channel":"a"},[]]"#;
            let nested = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
            for text in [damaged_text(whole, seed), damaged_text(&whole[1..25], seed), plain, nested] {
                let json = serde_json::from_str::<Value>(&text);
                match elements(&text.as_str().into(), 40) {
                    Ok(frames) => {
                        prop_assert!(frames.len() <= COMMANDS && frames.iter().all(|frame| frame.len() <= 40));
                        let read: Vec<Value> = frames.iter().filter_map(|frame| serde_json::from_str(frame).ok()).collect();
                        prop_assert!(json.is_err() || json.is_ok_and(|json| json == Value::from(read.clone()) || [json] == *read));
                    }
                    Err(problem) => {
                        let known = matches!(problem.code, ErrorCode::BadFrame | ErrorCode::TooLarge);
                        prop_assert!(known && (json.is_err() || problem.code == ErrorCode::TooLarge), "{}: {:?}", text, problem);
                    }
                }
            }
        }

        #[test]
        fn no_poll_waits_longer_than_it_may(
            after in "[0-9]{1,20}|.{0,4}", wait in "[0-9]{0,4}(\\.[0-9]{0,4})?(e[0-9]{0,3})?|-1|-?inf|NaN|.{0,6}",
        ) {
            let Ok(query) = Query::read(&format!("after={after}&wait={wait}")) else { return Ok(()) };
            if let Ok((_, waits)) = wishes(&query, Duration::from_secs(25)) {
                prop_assert!(waits <= Duration::from_secs(25), "{} {:?}", wait, waits);
            }
        }
    }
}
