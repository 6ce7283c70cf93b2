//! How a plain request is described: in one line what it is, and one for each thing that is particular about it. What all
//! requests share, such as the answers of a request that is refused, is added here.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ContentBuilder, HttpMethod, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, Type, schema::SchemaType,
};
use utoipa::{Number, PartialSchema, ToSchema};

use super::book::{Book, members, named, without};
use super::refusal;
use crate::model::{ChannelAsked, Sid};

/// The media type of everything but texts.
const JSON: &str = "application/json";

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Anyone, and nobody looks at a token.
    Anyone,
    /// By token; or anyone, where guests are let in.
    Reader,
    /// By token.
    User,
    /// By the session's secret, in the path or instead of a token.
    Session,
}

/// One request that the server answers.
pub(super) struct Request {
    /// `GET` and so on.
    pub method: HttpMethod,
    /// Its address, with `{…}` for what differs.
    pub path: &'static str,
    /// The schemas that it needs.
    pub book: Book,
    operation: OperationBuilder,
    who: Who,
    refusals: Vec<u16>,
}

impl Request {
    /// A request; `id` is what programs call it.
    pub fn new(method: HttpMethod, path: &'static str, id: &str, summary: &str) -> Self {
        let mut request = Self {
            method,
            path,
            book: Book::default(),
            operation: OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)),
            who: Who::Anyone,
            refusals: Vec::new(),
        };
        for name in path.split(['{', '}']).skip(1).step_by(2) {
            let place = placed(name, &mut request.book);
            request = request.parameter(place);
        }
        request
    }

    /// `GET`
    pub fn get(path: &'static str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Get, path, id, summary)
    }

    /// `POST`
    pub fn post(path: &'static str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Post, path, id, summary)
    }

    /// `DELETE`
    pub fn delete(path: &'static str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Delete, path, id, summary)
    }

    /// More words.
    pub fn about(mut self, text: &str) -> Self {
        self.operation = self.operation.description(Some(text));
        self
    }

    /// It takes a token, but for what anyone may read where guests are let in.
    pub fn for_readers(self) -> Self {
        self.refuses(&[401]).whom(Who::Reader)
    }

    /// It takes a token.
    pub fn for_users(self) -> Self {
        self.refuses(&[401]).whom(Who::User)
    }

    /// It takes an operator's token.
    pub fn for_operators(self) -> Self {
        self.for_users()
    }

    /// It may have a token, which is looked at later.
    pub fn maybe_token(self) -> Self {
        self.whom(Who::Reader)
    }

    /// It takes a session's secret.
    pub fn for_session(self) -> Self {
        self.refuses(&[404]).whom(Who::Session)
    }

    fn whom(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    fn parameter(mut self, parameter: impl Into<Parameter>) -> Self {
        self.operation = self.operation.parameter(parameter);
        self.refuses(&[400])
    }

    /// The members of this type may stand in its query, but for those that stand in its path.
    pub fn query<T: ToSchema>(mut self) -> Self {
        self.book.under::<T>();
        let asked = without(members::<T>(), &["channel"]);
        for (name, schema) in asked.properties {
            let required = asked.required.contains(&name);
            let (schema, about) = said(schema);
            let is_list = matches!(&schema, RefOr::T(Schema::Array(_)));
            let mut one = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).schema(Some(schema));
            one = one.description(about).required(if required { Required::True } else { Required::False });
            if is_list {
                one = one.style(Some(ParameterStyle::Form)).explode(Some(false));
            }
            self = self.parameter(one);
        }
        self
    }

    /// It may have this header.
    pub fn header(self, name: &str, about: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
        self.parameter(header.description(Some(about)).schema(Some(schema.into())))
    }

    /// It carries JSON of this type.
    pub fn says<T: ToSchema>(mut self, example: Value) -> Self {
        let body = self.book.of::<T>();
        self.carries(body, true, example)
    }

    /// It carries a command's members, but for these, under a name of their own.
    pub fn says_members<T: ToSchema>(mut self, name: &str, but: &[&str], example: Value) -> Self {
        self.book.under::<T>();
        let body = without(members::<T>(), but);
        let required = !body.required.is_empty();
        let body = self.book.put(name, Schema::Object(body));
        self.carries(body, required, example)
    }

    /// It carries JSON of a schema that the document has.
    pub fn carries(mut self, schema: Ref, required: bool, example: Value) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let required = if required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build();
        self.operation = self.operation.request_body(Some(body));
        self.refuses(&[400, 408, 413, 415])
    }

    /// It is answered with JSON of this type.
    pub fn gives<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.book.of::<T>();
        self.gives_one(status, about, schema)
    }

    /// It is answered with JSON of a schema that the document has.
    pub fn gives_named(self, status: u16, about: &str, name: &str) -> Self {
        self.gives_one(status, about, named(name))
    }

    /// It is answered with JSON of this schema.
    pub fn gives_one(self, status: u16, about: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.answers(status, about, Some((JSON, schema.into())))
    }

    /// It is answered with a text.
    pub fn gives_text(self, status: u16, about: &str, kind: &str) -> Self {
        self.answers(status, about, Some((kind, String::schema())))
    }

    /// It is answered with nothing.
    pub fn gives_nothing(self, status: u16, about: &str) -> Self {
        self.answers(status, about, None)
    }

    fn answers(mut self, status: u16, about: &str, content: Option<(&str, RefOr<Schema>)>) -> Self {
        let mut response = ResponseBuilder::new().description(about);
        if let Some((kind, schema)) = content {
            response = response.content(kind, ContentBuilder::new().schema(Some(schema)).build());
        }
        self.operation = self.operation.response(status.to_string(), response.build());
        self
    }

    /// It may be refused with these statuses, beside those that every request may be.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    /// Whether it is one of those under `/v1`, which have more in common than others.
    fn is_inner(&self) -> bool {
        self.path.starts_with("/v1/")
    }

    /// The whole of it, as one of this group.
    pub fn described(mut self, group: &str) -> (OperationBuilder, Book) {
        if self.is_inner() {
            self = self.refuses(&[403, 429]);
        }
        let token = SecurityRequirement::new::<_, _, String>("token", []);
        let secret = SecurityRequirement::new::<_, _, String>("session", []);
        let securities = match self.who {
            Who::Anyone => vec![],
            Who::User => vec![token],
            Who::Reader => vec![SecurityRequirement::default(), token],
            Who::Session => vec![SecurityRequirement::default(), secret],
        };
        let mut operation = self.operation.tag(group).securities(Some(securities));
        let statuses: BTreeMap<String, Ref> =
            self.refusals.iter().filter_map(|status| Some((status.to_string(), refusal::of(*status)?))).collect();
        for (status, refused) in statuses {
            operation = operation.response(status, refused);
        }
        (operation, self.book)
    }

    /// What works on the store or an actor may fail, or find no room.
    pub fn works(self) -> Self {
        self.refuses(&[500, 503])
    }
}

/// What stands in a path.
fn placed(name: &str, book: &mut Book) -> ParameterBuilder {
    let (about, schema): (_, RefOr<Schema>) = match name {
        "channel" => ("Which channel.", book.of::<ChannelAsked>().into()),
        "sid" => ("A session's public name.", book.of::<Sid>().into()),
        "session" => ("The session's secret; or `self`, with the secret as `Authorization: Bearer`.", text()),
        _ => ("", text()),
    };
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    parameter.description(Some(about)).schema(Some(schema))
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).into()
}

/// A member's schema as it stands in a query, where nothing is null; and what is said about it.
fn said(schema: RefOr<Schema>) -> (RefOr<Schema>, Option<String>) {
    let bare = |kind: &mut SchemaType| {
        if let SchemaType::Array(kinds) = kind {
            kinds.retain(|kind| *kind != Type::Null);
            if let [one] = &kinds[..] {
                *kind = SchemaType::Type(one.clone());
            }
        }
    };
    match schema {
        RefOr::Ref(mut to) => {
            let about = Some(std::mem::take(&mut to.description)).filter(|about| !about.is_empty());
            (RefOr::Ref(to), about)
        }
        RefOr::T(Schema::Object(mut object)) => {
            bare(&mut object.schema_type);
            if object.schema_type == SchemaType::new(Type::Integer) {
                // What is read is a u64, for which there is no format.
                object.format = None;
                object.maximum.get_or_insert(Number::UInt(usize::MAX));
            }
            let about = object.description.take();
            (RefOr::T(Schema::Object(object)), about)
        }
        RefOr::T(Schema::Array(mut array)) => {
            bare(&mut array.schema_type);
            let about = array.description.take();
            (RefOr::T(Schema::Array(array)), about)
        }
        // What is meant, or null.
        RefOr::T(Schema::OneOf(mut either)) if !either.items.is_empty() => said(either.items.swap_remove(0)),
        other @ RefOr::T(_) => (other, None),
    }
}
