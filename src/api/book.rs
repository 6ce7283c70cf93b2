//! The schemas that a document names, each once.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::{Object, Ref, RefOr, Schema};

/// Schemas by their names.
#[derive(Default)]
pub(super) struct Book(pub BTreeMap<String, RefOr<Schema>>);

impl Book {
    /// Takes in a type's schema and those that it stands on. Returns what refers to it.
    pub fn of<T: ToSchema>(&mut self) -> Ref {
        self.under::<T>();
        self.put(&T::name(), T::schema())
    }

    /// Takes in the schemas that a type's stands on.
    pub fn under<T: ToSchema>(&mut self) {
        let mut under = Vec::new();
        T::schemas(&mut under);
        self.0.extend(under);
    }

    /// Takes in a schema by a name of its own. Returns what refers to it.
    pub fn put(&mut self, name: &str, schema: impl Into<RefOr<Schema>>) -> Ref {
        self.0.insert(name.to_owned(), schema.into());
        named(name)
    }

    /// Takes in all of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Refers to a schema that the document has.
pub(super) fn named(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

/// A type's members; none if it is no object.
pub(super) fn members<T: ToSchema>() -> Object {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::new(),
    }
}

/// The same, without these members.
pub(super) fn without(mut object: Object, names: &[&str]) -> Object {
    object.properties.retain(|name, _| !names.contains(&name.as_str()));
    object.required.retain(|name| !names.contains(&name.as_str()));
    object
}
