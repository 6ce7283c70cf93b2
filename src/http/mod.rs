//! What requests over HTTP have in common, whatever they are for: who asks, what came along, how it is answered.

pub(crate) mod answer;
pub(crate) mod asker;
pub(crate) mod body;

pub(crate) use answer::only;
