//! The labels that instruments carry: enumerations only, each combination with its series from the start.

use std::fmt;
use std::marker::PhantomData;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new message.
    Stored,
    /// Its key named an earlier one.
    Duplicate,
    /// An error.
    Refused,
}

/// What sort of answer a request got: the first digit of its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// 1xx
    Informed,
    /// 2xx
    Done,
    /// 3xx
    Elsewhere,
    /// 4xx
    Refused,
    /// 5xx
    Failed,
}

impl Sort {
    /// Of this status.
    pub fn of(status: u16) -> Self {
        Self::ALL[usize::from(status / 100).clamp(1, 5) - 1]
    }
}

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket.
    WebSocket,
    /// HTTP long-poll.
    LongPoll,
}

/// Seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a client.
    In,
    /// To a client.
    Out,
}

/// In or out, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// In or out.
    pub direction: Direction,
    /// How.
    pub transport: Transport,
}

/// A set of labels with finitely many values.
pub trait Labels: Copy + 'static {
    /// Their names.
    const NAMES: &'static [&'static str];
    /// All values, in the order of [`Labels::index`].
    const ALL: &'static [Self];

    /// The texts of this value, in the order of the names.
    fn texts(self) -> Vec<&'static str>;

    /// Its place among all.
    fn index(self) -> usize;
}

impl Labels for Outcome {
    const NAMES: &'static [&'static str] = &["outcome"];
    const ALL: &'static [Self] = &[Self::Stored, Self::Duplicate, Self::Refused];

    fn texts(self) -> Vec<&'static str> {
        vec![match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
        }]
    }

    fn index(self) -> usize {
        self as usize
    }
}

impl Labels for Sort {
    const NAMES: &'static [&'static str] = &["status"];
    const ALL: &'static [Self] = &[Self::Informed, Self::Done, Self::Elsewhere, Self::Refused, Self::Failed];

    fn texts(self) -> Vec<&'static str> {
        vec![["1xx", "2xx", "3xx", "4xx", "5xx"][self.index()]]
    }

    fn index(self) -> usize {
        self as usize
    }
}

impl Labels for Transport {
    const NAMES: &'static [&'static str] = &["transport"];
    const ALL: &'static [Self] = &[Self::WebSocket, Self::LongPoll];

    fn texts(self) -> Vec<&'static str> {
        vec![match self {
            Self::WebSocket => "websocket",
            Self::LongPoll => "longpoll",
        }]
    }

    fn index(self) -> usize {
        self as usize
    }
}

impl Labels for Way {
    const NAMES: &'static [&'static str] = &["direction", "transport"];
    const ALL: &'static [Self] = &[
        Self { direction: Direction::In, transport: Transport::WebSocket },
        Self { direction: Direction::In, transport: Transport::LongPoll },
        Self { direction: Direction::Out, transport: Transport::WebSocket },
        Self { direction: Direction::Out, transport: Transport::LongPoll },
    ];

    fn texts(self) -> Vec<&'static str> {
        let direction = match self.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        [vec![direction], self.transport.texts()].concat()
    }

    fn index(self) -> usize {
        self.direction as usize * Transport::ALL.len() + self.transport.index()
    }
}

/// One instrument for each value of `L`.
pub struct Family<L, M> {
    each: Vec<M>,
    labels: PhantomData<L>,
}

impl<L: Labels, M> Family<L, M> {
    /// The one for this value.
    pub fn of(&self, labels: L) -> &M {
        &self.each[labels.index()]
    }

    fn resolve<B: MetricVecBuilder<M = M>>(r: &Registry, all: MetricVec<B>) -> Result<Self, prometheus::Error>
    where
        M: prometheus::core::Metric,
        MetricVec<B>: Collector + Clone + 'static,
    {
        r.register(Box::new(all.clone()))?;
        let each = L::ALL.iter().map(|labels| all.get_metric_with_label_values(&labels.texts()));
        Ok(Self { each: each.collect::<Result<_, _>>()?, labels: PhantomData })
    }
}

impl<L: Labels> Family<L, IntCounter> {
    pub(super) fn counters(r: &Registry, name: &str, help: &str) -> Result<Self, prometheus::Error> {
        Self::resolve(r, IntCounterVec::new(Opts::new(name, help), L::NAMES)?)
    }
}

impl<L: Labels> Family<L, IntGauge> {
    pub(super) fn gauges(r: &Registry, name: &str, help: &str) -> Result<Self, prometheus::Error> {
        Self::resolve(r, IntGaugeVec::new(Opts::new(name, help), L::NAMES)?)
    }
}

impl<L, M: fmt::Debug> fmt::Debug for Family<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.each).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered<L: Labels>() {
        for (at, labels) in L::ALL.iter().enumerate() {
            assert_eq!((labels.index(), labels.texts().len()), (at, L::NAMES.len()));
        }
    }

    #[test]
    fn a_status_is_of_its_first_digits_sort() {
        let texts = [101, 204, 304, 404, 503, 7, 999].map(|status| Sort::of(status).texts()[0]);
        assert_eq!(texts, ["1xx", "2xx", "3xx", "4xx", "5xx", "1xx", "5xx"]);
    }

    #[test]
    fn every_value_stands_at_its_index() {
        ordered::<Outcome>();
        ordered::<Sort>();
        ordered::<Transport>();
        ordered::<Way>();
    }
}
