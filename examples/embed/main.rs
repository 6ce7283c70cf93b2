//! Parlor inside an application of your own: the host has its pages and its routes, and mounts the chat under `/chat`.
//!
//! ```sh
//! cargo run --example embed            # http://127.0.0.1:8080/, or the port in PORT
//! cargo run --example embed -- 3000    # another port; 0 takes a free one
//! ```
//!
//! Messages are kept in `./data`; the environment sets that and everything else, as it does for the server itself
//! (`PARLOR__STORE__PATH=/tmp/chat`). Ctrl-C or SIGTERM ends it.

use std::error::Error;
use std::net::TcpListener;

use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use parlor::config::Config;
use parlor::server::{Parts, Server, stop_signal};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let stop = stop_signal();
    let listener = TcpListener::bind(("127.0.0.1", port()?))?;
    let address = listener.local_addr()?;

    // Once for the process: the store, the actors, the metrics.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let parlor = Server::open(Config::load(None, variables)?, Parts::default())?;

    // Once for each worker: the routes, the host's own and Parlor's.
    let routes = parlor.routes();
    let http = HttpServer::new(move || {
        App::new()
            .route("/", web::get().to(page))
            .route("/hello", web::get().to(hello))
            .service(web::scope("/chat").configure(|cfg| routes.configure(cfg)))
    })
    // These three are what Parlor needs of its host.
    .on_connect(parlor.on_connect())
    .h1_allow_half_closed(false)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?
    .run();
    let handle = http.handle();
    let serving = actix_web::rt::spawn(http);
    println!("listening on http://{address}");

    // First the sessions are told and ended, then the connections, then what stood behind them.
    stop.await;
    parlor.drain().await;
    handle.stop(true).await;
    let served = serving.await?;
    parlor.stop().await?;
    Ok(served?)
}

/// The port: the first argument, else `PORT`, else 8080.
fn port() -> Result<u16, String> {
    let asked = std::env::args().nth(1).or_else(|| std::env::var("PORT").ok());
    asked.map_or(Ok(8080), |text| text.parse().map_err(|_| format!("expected a port, got {text:?}")))
}

/// The host's own page, with a chat window that talks to `/chat/v1/ws`.
async fn page() -> impl Responder {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(include_str!("page.html"))
}

/// Something that has nothing to do with the chat.
async fn hello() -> &'static str {
    "hello from the host\n"
}
