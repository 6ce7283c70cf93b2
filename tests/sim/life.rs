//! One life of a server on this thread: its actors are the real ones, its disk, its time and its network are not.

use std::cell::Cell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use actix_web::dev::Service;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service, read_body};
use parlor::config::Config;
use parlor::server::Server;
use parlor::session::{Door, Purpose, Wire, Worker, pose};
use parlor::store::{Rows, Stepped};
use parlor::supervise::Faults;

use crate::between::Between;
use crate::mail::{Mail, WORKERS};

/// What a request was answered: status, seconds to wait, body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub secret: Option<String>,
    pub body: String,
}

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// Whether somebody wants to be polled.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A request that a worker works on. Dropping it is the end of its connection.
pub struct Served {
    seat: usize,
    future: Answering,
    woken: Arc<Flag>,
}

/// A WebSocket's end in the server.
pub struct Socket {
    pub seat: usize,
    pub door: Door,
    pub wire: Rc<Bell>,
}

/// What a session asks of its wire.
#[derive(Default)]
pub struct Bell {
    pub woken: Cell<bool>,
    pub cut: Cell<bool>,
}

impl Wire for Bell {
    fn wake(self: Rc<Self>) {
        self.woken.set(true);
    }

    fn cut(&self) {
        self.cut.set(true);
    }
}

struct Seat {
    workers: Vec<Rc<Worker>>,
    answer: Box<dyn Fn(Request) -> Answering>,
}

/// The server.
pub struct Life {
    pub server: Option<Server>,
    pub store: Option<Stepped>,
    mail: Rc<Mail>,
    seats: Vec<Seat>,
}

impl Life {
    /// Starts one with so many workers; `None` if the store cannot be opened.
    pub async fn start(
        config: &Config,
        rows: Arc<Between>,
        faults: &Faults,
        mail: Rc<Mail>,
        workers: usize,
    ) -> Result<Self, String> {
        let opened = Server::stepped(config.clone(), Arc::clone(&rows) as Arc<dyn Rows>, faults.clone());
        let (server, app, store) = opened.map_err(|error| error.to_string())?;
        rows.reads(Some(app.context.reads.clone()));
        let mut seats = Vec::new();
        for seat in 0..workers {
            mail.on(WORKERS + seat as u64);
            let before = pose(Vec::new());
            let routes = server.routes();
            let service = init_service(actix_web::App::new().configure(|cfg| routes.configure(cfg))).await;
            let service = Rc::new(service);
            let answer = move |request: Request| -> Answering {
                let service = Rc::clone(&service);
                Box::pin(async move {
                    let mut raw = TestRequest::with_uri(&request.path).method(request.method);
                    raw = raw.peer_addr((IpAddr::V4(Ipv4Addr::LOCALHOST), 5000).into());
                    if let Some(secret) = &request.secret {
                        raw = raw.insert_header(("authorization", format!("Bearer {secret}")));
                    }
                    if !request.body.is_empty() {
                        raw = raw.insert_header(("content-type", "application/json")).set_payload(request.body);
                    }
                    match service.call(raw.to_request()).await {
                        Ok(answer) => {
                            let status = answer.status().as_u16();
                            let body = read_body(answer).await;
                            Answer { status, text: String::from_utf8_lossy(&body).into_owned() }
                        }
                        Err(error) => Answer { status: 500, text: error.to_string() },
                    }
                })
            };
            let workers = pose(before);
            seats.push(Seat { workers, answer: Box::new(answer) });
        }
        mail.on(0);
        Ok(Self { server: Some(server), store: Some(store), mail, seats })
    }

    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    /// Runs something on a worker's thread.
    fn on<T>(&self, seat: usize, act: impl FnOnce(&Seat) -> T) -> T {
        let here = &self.seats[seat];
        self.mail.on(WORKERS + seat as u64);
        let before = pose(here.workers.clone());
        let done = act(here);
        pose(before);
        self.mail.on(0);
        done
    }

    /// A WebSocket was opened.
    pub fn connect(&self, seat: usize) -> Socket {
        self.on(seat, |here| {
            let door = here.workers[0].open(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), Purpose::Stream(None));
            let wire = Rc::new(Bell::default());
            door.connect(Rc::clone(&wire) as Rc<dyn Wire>);
            Socket { seat, door, wire }
        })
    }

    /// Does something to a WebSocket's session.
    pub fn with<T>(&self, socket: &Socket, act: impl FnOnce(&Door) -> T) -> T {
        self.on(socket.seat, |_| act(&socket.door))
    }

    /// A WebSocket is gone.
    pub fn gone(&self, socket: Socket) {
        self.on(socket.seat, |_| drop(socket.door));
    }

    /// A request came to a worker.
    pub fn request(&self, seat: usize, request: Request) -> Served {
        let future = (self.seats[seat].answer)(request);
        Served { seat, future, woken: Arc::new(Flag(AtomicBool::new(true))) }
    }

    /// Whether a request may have something to do.
    pub fn is_woken(served: &Served) -> bool {
        served.woken.0.load(Relaxed)
    }

    /// Works on a request.
    pub fn poll(&self, served: &mut Served) -> Option<Answer> {
        if !served.woken.0.swap(false, Relaxed) {
            return None;
        }
        let waker = Waker::from(Arc::clone(&served.woken));
        self.on(served.seat, |_| match served.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        })
    }

    /// A request's connection is gone.
    pub fn abandon(&self, served: Served) {
        self.on(served.seat, |_| drop(served));
    }
}
