//! Holds what a server answers, and what is said over its sessions, against what it says of itself: the OpenAPI document
//! and the AsyncAPI document. Every client of these tests asks here about everything that comes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use jsonschema::{Draft, Validator};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::http::Answer;

/// A document, and the schemas of it that were asked for.
struct Document {
    whole: Value,
    schemas: Mutex<HashMap<String, Arc<Validator>>>,
}

static REQUESTS: LazyLock<Document> = LazyLock::new(|| Document::new(parlor::api::openapi()));
static FRAMES: LazyLock<Document> = LazyLock::new(|| Document::new(parlor::api::asyncapi()));

impl Document {
    fn new(whole: Value) -> Self {
        Self { whole, schemas: Mutex::default() }
    }

    /// What stands where this says, or at what it refers to.
    fn at<'d>(&'d self, here: &'d Value) -> &'d Value {
        let to = here["$ref"].as_str().and_then(|to| self.whole.pointer(to.trim_start_matches('#')));
        to.unwrap_or(here)
    }

    /// Holds a value against a schema of this document, which is known by `name`.
    fn hold(&self, name: &str, schema: &Value, value: &Value) -> Result<(), String> {
        let mut known = self.schemas.lock();
        let fits = known.entry(name.to_owned()).or_insert_with(|| {
            let schema = json!({ "allOf": [schema], "components": self.whole["components"] });
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            Arc::new(options.build(&schema).unwrap_or_else(|why| panic!("{name} is no schema: {why}")))
        });
        let fits = Arc::clone(fits);
        drop(known);
        let wrong: Vec<String> =
            fits.iter_errors(value).map(|error| format!("{}: {error:.300}", error.instance_path())).collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("not as {name} has it: {}\n  {value:.600}", wrong.join("; ")))
        }
    }
}

/// The described address that a path is of: the one with the fewest members that differ.
fn template(path: &str) -> Option<&'static str> {
    let path = path.split('?').next()?;
    let fits = |template: &&String| {
        let (mut ours, mut theirs) = (path.split('/'), template.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one == other || (other.starts_with('{') && !one.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let all = REQUESTS.whole["paths"].as_object()?.keys();
    all.filter(fits).min_by_key(|template| template.matches('{').count()).map(String::as_str)
}

/// What is told of an answer that is not as described.
pub fn answer(method: &str, path: &str, answer: &Answer) -> Result<(), String> {
    let bad = |why: String| Err(format!("{method} {path}: {} {why}", answer.status));
    // What cannot be read as a request, and what does not come in time, was nobody's yet (docs/protocol/http.md).
    if matches!(answer.status, 400 | 408 | 431) && answer.body.is_empty() && answer.header("content-type").is_none() {
        return Ok(());
    }
    if path.starts_with("/v1/") && answer.header("cache-control") != Some("no-store") {
        return bad("has no Cache-Control: no-store".into());
    }
    let operation = template(path).map(|path| &REQUESTS.whole["paths"][path][method.to_ascii_lowercase()]);
    let Some(operation) = operation.filter(|operation| operation.is_object()) else {
        let unsaid = answer.status >= 400 || method == "OPTIONS" || path.starts_with("/admin");
        return if unsaid { Ok(()) } else { bad("is answered, and described nowhere".into()) };
    };
    // An address of operators alone has nothing of what clients ask, and the other way round.
    if answer.status == 404 && answer.body.contains("there is nothing at this address") {
        return Ok(());
    }
    let Some(response) = operation["responses"].get(answer.status.to_string()).map(|one| REQUESTS.at(one)) else {
        return bad(format!("is not described: {:.300}", answer.body));
    };
    for name in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
        if answer.header(&name.to_ascii_lowercase()).is_none() {
            return bad(format!("lacks {name}"));
        }
    }
    let content = response["content"].as_object().and_then(|content| content.iter().next());
    let kind = answer.header("content-type");
    match content {
        None if answer.body.is_empty() => Ok(()),
        None => bad(format!("has a body: {:.300}", answer.body)),
        Some((expected, _)) if kind != Some(expected) => bad(format!("is {kind:?}, not {expected}")),
        Some((expected, _)) if expected != "application/json" => Ok(()),
        Some((_, content)) => {
            let name = format!("{method} {} {}", template(path).unwrap_or_default(), answer.status);
            let body: Value = serde_json::from_str(&answer.body).map_err(|why| format!("{name}: no JSON: {why}"))?;
            REQUESTS.hold(&name, &content["schema"], &body)
        }
    }
}

/// What is told of a request's body that is not as this schema of the OpenAPI document has it.
pub fn request(path: &str, schema: &Value, body: &Value) -> Result<(), String> {
    REQUESTS.hold(&format!("what {path} takes"), schema, body)
}

/// The frame's name in the documents.
fn name(frame: &Value, side: &str) -> String {
    let kind = frame["type"].as_str().unwrap_or_default();
    if kind == "error" {
        return "Error".to_owned();
    }
    let (first, rest) = kind.split_at(kind.len().min(1));
    first.to_uppercase() + rest + side
}

/// Holds a frame against the message of this name.
pub fn hold(name: &str, frame: &Value) -> Result<(), String> {
    match FRAMES.whole["components"]["messages"].get(name) {
        Some(message) => FRAMES.hold(name, &message["payload"], frame),
        None => Err(format!("{frame:.300} is described nowhere")),
    }
}

/// What is told of a frame from the server that is not as described.
pub fn heard(frame: &Value) -> Result<(), String> {
    let replies = frame.get("id").is_some() || matches!(frame["type"].as_str(), Some("welcome" | "joined"));
    hold(&name(frame, if replies { "Reply" } else { "Event" }), frame)
}

/// The same of a command, and of what it was answered. What is refused may be anything.
pub fn answered(command: &Value, reply: &Value) -> Result<(), String> {
    if reply["type"] == "error" {
        return Ok(());
    }
    hold(&name(command, "Command"), command)?;
    let operation = &FRAMES.whole["operations"][command["type"].as_str().unwrap_or_default()];
    let expected = format!("#/channels/websocket/messages/{}", name(reply, "Reply"));
    let messages = operation["reply"]["messages"].as_array().into_iter().flatten();
    if messages.into_iter().any(|one| one["$ref"] == expected.as_str()) {
        return Ok(());
    }
    Err(format!("{command:.300} is answered {reply:.300}, which is not described"))
}
