//! The small records as this folder uses them: asked and awaited, the disk's part away from every arbiter.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{AuthError, Blocking};
use crate::store::{Meta, MetaOp, ReadError, Versioned, WriteError};

/// How many rows are listed at once.
pub(super) const PAGE: usize = 200;

/// The small records, and where to read them.
#[derive(Clone)]
pub(super) struct Shelf {
    meta: Arc<dyn Meta>,
    blocking: Blocking,
}

impl Shelf {
    pub fn new(meta: Arc<dyn Meta>, blocking: Blocking) -> Self {
        Self { meta, blocking }
    }

    /// Runs `read` where it may block.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Meta) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let (tell, told) = oneshot::channel();
        let meta = Arc::clone(&self.meta);
        (self.blocking)(Box::new(move || drop(tell.send(read(&*meta)))));
        match told.await {
            Ok(outcome) => outcome.map_err(|why| AuthError::Unavailable(why.to_string())),
            Err(_) => Err(AuthError::Unavailable("the read pool has stopped".into())),
        }
    }

    /// One record.
    pub async fn get(&self, key: String) -> Result<Option<Versioned>, AuthError> {
        self.read(move |meta| meta.get(&key)).await
    }

    /// A page of the records below `prefix`, of those behind `after`.
    pub async fn list(&self, prefix: String, after: Option<String>) -> Result<Vec<(String, Versioned)>, AuthError> {
        self.read(move |meta| meta.list(&prefix, after.as_deref(), PAGE)).await
    }

    /// All records below `prefix`, page by page.
    pub fn pages(&self, prefix: impl Into<String>) -> Pages<'_> {
        Pages { shelf: self, prefix: prefix.into(), after: None, ended: false }
    }

    /// Carries out all of it or nothing; it is on disk when this returns.
    pub async fn write(&self, ops: Vec<MetaOp>) -> Result<(), WriteError> {
        let (tell, told) = oneshot::channel();
        self.meta.write(ops, Box::new(move |outcome| drop(tell.send(outcome))));
        told.await.unwrap_or(Err(WriteError::Unknown))
    }

    /// The same, where nobody else writes or whoever does is in the right: says whether it was carried out.
    pub async fn try_write(&self, ops: Vec<MetaOp>) -> Result<bool, AuthError> {
        match self.write(ops).await {
            Ok(()) => Ok(true),
            Err(WriteError::Conflict(_)) => Ok(false),
            Err(why) => Err(AuthError::Unavailable(why.to_string())),
        }
    }

    /// Calls `tell` with each change below `prefix`, from the writer's thread.
    pub fn watch(&self, prefix: &str, tell: impl Fn(&str, Option<&Versioned>) + Send + Sync + 'static) {
        self.meta.watch(prefix, Box::new(tell));
    }
}

/// A walk through records, of which some may be removed on the way.
pub(super) struct Pages<'a> {
    shelf: &'a Shelf,
    prefix: String,
    after: Option<String>,
    ended: bool,
}

impl Pages<'_> {
    /// The next ones; none at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<(String, Versioned)>>, AuthError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.shelf.list(self.prefix.clone(), self.after.take()).await?;
        self.after = page.last().map(|(key, _)| key.clone());
        self.ended = page.len() < PAGE;
        Ok(Some(page))
    }
}
