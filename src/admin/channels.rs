//! `GET /v1/admin/channels`, and one of them.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::overview::{MESSAGES, Row, Shelf, Sort, Walk};
use super::{in_time, operator};
use crate::clock;
use crate::http::asker::{Answer, page, respond, written};
use crate::http::body::Query;
use crate::model::ChannelName;
use crate::protocol::Problem;
use crate::session::App;
use crate::store::ReadError;

/// How long names are looked at for one answer.
const LOOK_FOR: Duration = Duration::from_secs(4);

/// `GET /v1/admin/channels?search=&sort=&after=&limit=`
pub(super) async fn list(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(listed(&request, &app).await)
}

async fn listed(request: &HttpRequest, app: &Arc<App>) -> Answer {
    operator(request, app).await?;
    let query = Query::of(request)?;
    let (after, limit) = page(&query, app)?;
    let sort = query.text("sort")?.unwrap_or("name");
    let expected = "sort: expected name, rate, members, online, bytes or head";
    let sort: Sort = sort.parse().map_err(|()| Problem::bad_frame(format!("{expected}, got {sort:?}")))?;
    if after.is_some() && sort != Sort::Name {
        return Err(Problem::bad_frame("after: goes with sort=name alone"));
    }
    let mut walk = Walk::new(sort, limit, app.directory.active().into_iter().collect());
    walk.search = query.text("search")?.map(str::to_owned);
    walk.from = after;
    let until = clock::moment().after(LOOK_FOR);
    while !walk.over && clock::moment() < until {
        walk = read(app, move |shelf| shelf.step(walk)).await?;
    }
    let (count, more) = (walk.count, walk.more());
    let rows: Vec<Row> = read(app, move |shelf| {
        let mut most = MESSAGES;
        let rows = walk.found().into_iter().map(|(name, glance)| shelf.row(name, glance, &mut most));
        // One that was deleted meanwhile is left out.
        rows.filter_map(Result::transpose).collect()
    })
    .await?;
    written(&json!({ "channels": rows, "count": count, "more": more }))
}

/// `GET /v1/admin/channels/{channel}`
pub(super) async fn show(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(shown(&request, &app).await)
}

async fn shown(request: &HttpRequest, app: &Arc<App>) -> Answer {
    operator(request, app).await?;
    let name = channel_of(request)?;
    let glance = app.directory.glance(&name);
    let row = read(app, move |shelf| shelf.row(name, glance, &mut { MESSAGES })).await?;
    written(&row.ok_or_else(Problem::not_found)?)
}

/// The channel that a request's path names, by its full name.
pub(super) fn channel_of(request: &HttpRequest) -> Result<ChannelName, Problem> {
    let name = ChannelName::stored(request.match_info().get("channel").unwrap_or_default());
    name.map_err(|error| Problem::bad_frame(format!("channel: {error}")))
}

/// Reads from the store, in time.
pub(super) async fn read<T: Send + 'static>(
    app: &App,
    read: impl FnOnce(Shelf<'_>) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Problem> {
    let (context, config) = (Arc::clone(&app.context), Arc::clone(&app.context.config));
    let look = app
        .context
        .reads
        .run(move || read(Shelf { log: &*context.log, meta: &*context.meta, retention: &config.retention }));
    in_time(look).await?.map_err(|error| Problem::unavailable(error.to_string()))
}
