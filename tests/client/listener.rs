//! Takes a client's events, and holds its messages against the promise: all of a channel, once, in order.

use std::collections::BTreeMap;

use parlor::client::{Event, Events, Message, State};

/// What was heard.
pub struct Listener {
    events: Events,
    /// The next message of each channel.
    next: BTreeMap<String, u64>,
    pub heard: BTreeMap<String, Vec<Message>>,
    pub others: Vec<Event>,
}

impl Listener {
    pub fn new(events: Events) -> Self {
        Self { events, next: BTreeMap::new(), heard: BTreeMap::new(), others: vec![] }
    }

    /// Takes the next event.
    pub async fn step(&mut self) -> Event {
        let event = self.events.next().await.expect("another event");
        match &event {
            Event::Message(message) => {
                let next = self.next.get_mut(&message.channel).expect("a message after joined");
                assert_eq!(message.seq, *next, "{}: the next message", message.channel);
                *next += 1;
                self.heard.entry(message.channel.clone()).or_default().push(message.clone());
            }
            Event::Joined(joined) => {
                let here = joined.cursor.seq + 1;
                let next = self.next.entry(joined.channel.clone()).or_insert(here);
                assert_eq!(*next, here, "{}: where it goes on", joined.channel);
                self.others.push(event.clone());
            }
            Event::Hole { channel, from, to } => {
                let next = self.next.get_mut(channel).expect("a hole after joined");
                assert_eq!(*from, *next, "{channel}: where the hole begins");
                *next = to + 1;
                self.others.push(event.clone());
            }
            Event::Reset { channel, .. } => panic!("{channel} began anew"),
            _ => self.others.push(event.clone()),
        }
        event
    }

    /// Takes events until so many messages of a channel were heard; returns their words.
    pub async fn hear(&mut self, channel: &str, count: usize) -> Vec<String> {
        while self.heard.get(channel).map_or(0, Vec::len) < count {
            self.step().await;
        }
        self.words(channel)
    }

    /// The words heard of a channel.
    pub fn words(&self, channel: &str) -> Vec<String> {
        let messages = self.heard.get(channel).map_or(&[][..], Vec::as_slice);
        messages.iter().map(|message| message.text().unwrap_or_default().to_owned()).collect()
    }

    /// Takes events until one fits.
    pub async fn until(&mut self, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.step().await;
            if fits(&event) {
                return event;
            }
        }
    }

    /// Takes events until the client is in such a state.
    pub async fn until_state(&mut self, fits: impl Fn(&State) -> bool) -> State {
        match self.until(|event| matches!(event, Event::State(state) if fits(state))).await {
            Event::State(state) => state,
            _ => unreachable!("only a state fits"),
        }
    }

    /// Takes what is left, until the client has ended.
    pub async fn rest(mut self) -> Vec<Event> {
        while let Some(event) = self.events.next().await {
            self.others.push(event);
        }
        self.others
    }
}
