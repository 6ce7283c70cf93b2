//! What a channel has yet to say to each hub. Pure.
//!
//! One batch is under way to a hub at a time; what comes meanwhile gathers and becomes the next one.

use std::sync::Arc;

use super::ack::Ack;
use super::messages::Item;
use crate::model::HubId;
use crate::model::maps::HashMap;
use crate::protocol::Posted;

#[derive(Debug, Default)]
struct Link {
    ack: Ack,
    items: Vec<Item>,
    messages: usize,
}

#[derive(Debug, Default)]
pub(super) struct Links(HashMap<HubId, Link>);

impl Links {
    /// Queues one thing for a hub.
    pub fn say(&mut self, hub: HubId, item: Item) {
        self.0.entry(hub).or_default().items.push(item);
    }

    /// Queues messages for a hub.
    pub fn deliver(&mut self, hub: HubId, messages: Arc<[Arc<Posted>]>) {
        let link = self.0.entry(hub).or_default();
        link.messages += messages.len();
        link.items.push(Item::Messages(messages));
    }

    /// How many messages wait for the slowest hub.
    pub fn lag(&self) -> usize {
        self.0.values().map(|link| link.messages).max().unwrap_or(0)
    }

    /// What can be sent now; it counts as under way. A hub that is not ready for what waits will say when it is.
    pub fn ready(&mut self) -> Vec<(HubId, Vec<Item>, Ack)> {
        let ready = self.0.iter_mut().filter(|(_, link)| !link.items.is_empty() && link.ack.begin());
        ready
            .map(|(hub, link)| {
                link.messages = 0;
                (*hub, std::mem::take(&mut link.items), link.ack.clone())
            })
            .collect()
    }

    /// A hub began anew and knows of nothing.
    pub fn reset(&mut self, hub: HubId) {
        self.0.remove(&hub);
    }

    /// Whether everything was said and dealt with.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|link| link.items.is_empty() && link.ack.is_idle())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Conn;

    #[test]
    fn one_batch_is_under_way_and_the_rest_gathers_in_order() {
        let mut links = Links::default();
        let say = |links: &mut Links, n| {
            links.say(HubId(0), Item::Closed(Conn { boot: 1, count: n }, super::super::Closed::Left));
        };
        say(&mut links, 1);
        let sent = links.ready();
        assert_eq!(sent.len(), 1);
        assert!(!links.is_empty());
        assert!(!sent[0].2.done(), "nobody waits");
        assert!(links.is_empty());
        say(&mut links, 2);
        let sent = links.ready();
        say(&mut links, 3);
        say(&mut links, 4);
        assert!(links.ready().is_empty());
        assert!(sent[0].2.done(), "the channel waits");
        assert_eq!(links.ready()[0].1.len(), 2);
    }
}
