//! What a channel has yet to say to each hub. Pure.
//!
//! One batch is under way to a hub at a time; what comes meanwhile gathers and becomes the next one.

use std::sync::Arc;

use super::messages::Item;
use crate::model::HubId;
use crate::model::maps::HashMap;
use crate::protocol::Posted;

#[derive(Debug, Default)]
struct Link {
    under_way: bool,
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

    /// What can be sent now; it counts as under way.
    pub fn ready(&mut self) -> Vec<(HubId, Vec<Item>)> {
        let idle = self.0.iter_mut().filter(|(_, link)| !link.under_way && !link.items.is_empty());
        idle.map(|(hub, link)| {
            link.under_way = true;
            link.messages = 0;
            (*hub, std::mem::take(&mut link.items))
        })
        .collect()
    }

    /// A hub has dealt with its batch.
    pub fn acked(&mut self, hub: HubId) {
        if let Some(link) = self.0.get_mut(&hub) {
            link.under_way = false;
            if link.items.is_empty() {
                self.0.remove(&hub);
            }
        }
    }

    /// A hub began anew and knows of nothing.
    pub fn reset(&mut self, hub: HubId) {
        self.0.remove(&hub);
    }

    /// Whether everything was said and dealt with.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        assert_eq!(links.ready().len(), 1);
        say(&mut links, 2);
        say(&mut links, 3);
        assert!(links.ready().is_empty());
        links.acked(HubId(0));
        assert_eq!(links.ready()[0].1.len(), 2);
        assert!(!links.is_empty());
        links.acked(HubId(0));
        assert!(links.is_empty());
    }
}
