//! Reads what comes in with an HTTP request: a JSON body of bounded size within bounded time, and query members.

use std::str::FromStr;
use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytestring::ByteString;

use super::answer;
use crate::protocol::{ErrorCode, Problem};
use crate::session::App;

/// Reads a body of at most `most` bytes, which has to be said to be JSON if anything is said of it. What cannot be read
/// comes back as its answer. Where something is left unread the connection ends with the answer, and the answer says so.
pub async fn read(request: &HttpRequest, body: web::Payload, most: usize) -> Result<ByteString, HttpResponse> {
    read_all(request, body, most).await.map_err(unread)
}

/// The same answer, to a request whose body is left unread.
pub fn unread(mut answer: HttpResponse) -> HttpResponse {
    answer.head_mut().set_connection_type(ConnectionType::Close);
    answer
}

async fn read_all(request: &HttpRequest, body: web::Payload, most: usize) -> Result<ByteString, HttpResponse> {
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    if let Some(kind) = kind.filter(|kind| !is_json(kind)) {
        let why = format!("content-type: expected application/json, got {kind:.64}");
        return Err(answer::problem_as(StatusCode::UNSUPPORTED_MEDIA_TYPE, &Problem::bad_frame(why)));
    }
    let too_large = || {
        let why = format!("the body is larger than {most} bytes");
        answer::problem(&Problem::new(ErrorCode::TooLarge, why))
    };
    let said = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let config = request.app_data::<web::Data<App>>().map(|app| &app.context.config);
    let within = config.map_or(Duration::ZERO, |config| config.limits.body_timeout);
    let bytes = match tokio::time::timeout(within, body.to_bytes_limited(most)).await {
        Ok(Ok(Ok(bytes))) => bytes,
        Ok(Ok(Err(error))) => {
            return Err(answer::problem(&Problem::bad_frame(format!("the body broke off: {error}"))));
        }
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let late = Problem::bad_frame("the body did not come in time");
            return Err(answer::problem_as(StatusCode::REQUEST_TIMEOUT, &late));
        }
    };
    ByteString::try_from(bytes).map_err(|_| answer::problem(&Problem::bad_frame("the body is not UTF-8")))
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The members of a request's query.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads them.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        Self::read(request.query_string())
    }

    /// Reads their text.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let read = web::Query::<Vec<(String, String)>>::from_query(text);
        read.map(|query| Self(query.into_inner())).map_err(|error| Problem::bad_frame(format!("query: {error}")))
    }

    /// A member's text; one that stands twice is wrong.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut all = self.0.iter().filter(|(known, _)| known == name);
        match (all.next(), all.next()) {
            (_, Some(_)) => Err(Problem::bad_frame(format!("{name}: stands twice"))),
            (one, None) => Ok(one.map(|(_, text)| text.as_str())),
        }
    }

    /// A member's number.
    pub fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Problem> {
        let wrong = |text: &str| Problem::bad_frame(format!("{name}: expected a number, got {text:?}"));
        self.text(name)?.map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::cases::{damaged_text, many};

    #[test]
    fn json_is_known_by_its_media_type() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "", "text/json+x"] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn a_member_is_read_once_and_as_what_it_has_to_be() {
        let members = [("a", "1"), ("b", "x"), ("c", "2"), ("c", "2")];
        let query = Query(members.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec());
        assert_eq!(query.number::<u64>("a"), Ok(Some(1)));
        assert_eq!(query.number::<u64>("z"), Ok(None));
        assert!(query.number::<u64>("b").is_err() && query.text("c").is_err());
    }

    proptest! {
        #![proptest_config(many())]

        #[test]
        fn any_query_is_read_or_refused(
            text in prop_oneof![Just("after=3&limit=10&hour=2026-11-22T10&users=a%2Cb&wait=0.5".to_owned()), ".{0,60}"],
            seed: u64,
        ) {
            let text = damaged_text(&text, seed);
            let Ok(query) = Query::read(&text) else { return Ok(()) };
            for name in ["after", "limit", "hour", "users", "wait", ""] {
                let times = query.0.iter().filter(|(known, _)| known == name).count();
                prop_assert_eq!(query.text(name).map(|text| text.is_some()).ok(), (times < 2).then_some(times == 1));
                if let Ok(Some(number)) = query.number::<u64>(name) {
                    let said = query.text(name).unwrap_or_default().unwrap_or_default();
                    let said = said.strip_prefix('+').unwrap_or(said);
                    prop_assert_eq!(format!("{number:0>width$}", width = said.len()), said);
                }
            }
        }

        #[test]
        fn any_media_type_is_json_or_not(text in "[ -~]{0,40}") {
            prop_assert!(!is_json(&text) || text.to_ascii_lowercase().trim_start().starts_with("application/"));
        }
    }
}
