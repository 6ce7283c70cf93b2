//! A chat in a product that knows its users already: a shop, whose customers talk in one channel. The shop signs a token
//! for whoever is signed in with it, its page says hello with that, and nobody signs up again.
//!
//! ```sh
//! cargo run --example product            # http://127.0.0.1:8080/, or the port in PORT
//! cargo run --example product -- 3000    # another port; 0 takes a free one
//! ```
//!
//! The page is `page.html` beside this file; it takes the client library from the mounted server, which needs nothing to
//! be installed. Messages are kept in `./data`. Ctrl-C or SIGTERM ends it.

use std::error::Error;
use std::net::TcpListener;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{App, HttpResponse, HttpServer, Responder, get, web};
use jsonwebtoken::{EncodingKey, Header, encode};
use parlor::config::{Algorithm, Config, JwtKey};
use parlor::server::{Parts, Server, stop_signal};
use serde::Deserialize;
use serde_json::json;

/// Whom the shop knows. A shop in earnest has a session, and behind it a table.
const CUSTOMERS: [&str; 2] = ["dora", "emil"];
/// For how long a token is good; the page fetches another in time.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// What the shop and its chat server know, and nobody else.
#[derive(Clone)]
struct Secret(String);

#[derive(Deserialize)]
struct Customer {
    user: String,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let stop = stop_signal();
    let listener = TcpListener::bind(("127.0.0.1", port()?))?;
    let address = listener.local_addr()?;

    // New with each start: then a token ends with the process, and the page fetches another.
    let secret = Secret(hex::encode(rand::random::<[u8; 32]>()));
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut config = Config::load(None, variables)?;
    config.jwt.algorithm = Some(Algorithm::Hs256);
    config.jwt.key = JwtKey::Text(secret.0.clone());
    // The shop has a page of its own, and customers alone.
    config.web.chat = false;
    config.auth.guests = false;
    let parlor = Server::open(config, Parts::default())?;

    let routes = parlor.routes();
    let http = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(secret.clone()))
            .service(page)
            .service(token)
            .service(web::scope("/chat").configure(|cfg| routes.configure(cfg)))
    })
    .on_connect(parlor.on_connect())
    .h1_allow_half_closed(false)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?
    .run();
    let handle = http.handle();
    let serving = actix_web::rt::spawn(http);
    println!("listening on http://{address}");

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

/// The shop's page.
#[get("/")]
async fn page() -> impl Responder {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(include_str!("page.html"))
}

/// A token for the customer who is signed in with the shop; here whoever says so, which no shop should believe.
#[get("/token")]
async fn token(customer: web::Query<Customer>, secret: web::Data<Secret>) -> HttpResponse {
    if !CUSTOMERS.contains(&customer.user.as_str()) {
        return HttpResponse::Forbidden().body("the shop does not know you\n");
    }
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + GOOD_FOR;
    let claims = json!({ "sub": customer.user, "exp": ends.as_secs(), "channels": ["help"] });
    match encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.0.as_bytes())) {
        Ok(token) => HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).body(token),
        Err(why) => HttpResponse::InternalServerError().body(format!("{why}\n")),
    }
}
