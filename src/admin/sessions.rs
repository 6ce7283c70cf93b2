//! `GET /v1/admin/sessions`, and an end to one of them.

use std::cmp::Reverse;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{in_time, operator};
use crate::http::asker::{Answer, page, respond, written};
use crate::http::body::Query;
use crate::model::{ChannelName, Sid};
use crate::protocol::{ErrorCode, Problem};
use crate::session::{App, Row};

/// `GET /v1/admin/sessions?user=&address=&transport=&channel=&sort=&after=&limit=`
pub(super) async fn list(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    respond(listed(&request, &app).await)
}

async fn listed(request: &HttpRequest, app: &Arc<App>) -> Answer {
    operator(request, app).await?;
    let query = Query::of(request)?;
    let (after, limit) = page(&query, app)?;
    let channel = query.text("channel")?.map(ChannelName::stored);
    let channel = channel.transpose().map_err(|why| Problem::bad_frame(format!("channel: {why}")))?;
    let queued = match query.text("sort")? {
        None | Some("sid") => false,
        Some("queued") if after.is_none() => true,
        Some("queued") => return Err(Problem::bad_frame("after: there is but one page by what is queued")),
        Some(other) => return Err(Problem::bad_frame(format!("sort: expected sid or queued, got {other:?}"))),
    };
    let (user, address, transport) = (query.text("user")?, query.text("address")?, query.text("transport")?);
    let is = |wanted: Option<&str>, had: &str| wanted.is_none_or(|wanted| wanted == had);
    let wanted = |row: &Row| is(user, row.user.as_str()) && is(address, &row.address) && is(transport, row.transport);
    let mut rows = in_time(app.survey(channel)).await?;
    rows.retain(wanted);
    let count = rows.len();
    if queued {
        // Of those that are alike, by name as they stand.
        rows.sort_by_key(|row| Reverse(row.queued_bytes));
    }
    rows.retain(|row| after.as_deref().is_none_or(|after| *row.sid.0 > *after));
    let more = rows.len() > limit;
    rows.truncate(limit);
    written(&json!({ "sessions": rows, "count": count, "more": more }))
}

/// `DELETE /v1/admin/sessions/{sid}`
pub(super) async fn kick(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    match kicked(&request, &app).await {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(why) => respond(Err(why)),
    }
}

async fn kicked(request: &HttpRequest, app: &Arc<App>) -> Result<(), Problem> {
    let by = operator(request, app).await?;
    let sid = Sid(request.match_info().get("sid").unwrap_or_default().into());
    if in_time(app.kick(&sid)).await? {
        log::info!(sid:%; "ended by {}", by.user);
        return Ok(());
    }
    Err(Problem::new(ErrorCode::NotFound, "no such session"))
}
