//! What a careful client does when it has nothing else to do.

use parlor::checker::{By, What};
use serde_json::json;

use crate::agent::{At, Careful, Place, Post};

impl Careful {
    /// One thing at random.
    pub fn random(&mut self, at: &mut At<'_>) {
        let channel = (*at.dice.one_of(at.channels)).to_owned();
        let place = self.places.get(&channel).cloned().unwrap_or_default();
        match at.dice.below(100) {
            0..45 => self.post(at, channel, &place),
            45..55 => {
                let mut join = json!({"type": "join", "channel": channel});
                match at.dice.below(5) {
                    0 => join["tail"] = json!(at.dice.below(6)),
                    1 if !place.epoch.is_empty() => {
                        let back = *at.dice.one_of(&[6, 120]);
                        let seq = at.dice.range(place.seq.saturating_sub(back), place.seq);
                        join["since"] = json!({"epoch": place.epoch, "seq": seq});
                    }
                    2 => join["member"] = json!(false),
                    _ => {}
                }
                self.join(at, &channel, join);
            }
            55..62 => {
                let mut history = json!({"type": "history", "channel": channel, "limit": at.dice.range(1, 12)});
                match at.dice.below(4) {
                    0 => history["after"] = json!(at.dice.below(place.seq + 2)),
                    1 => history["before"] = json!(at.dice.range(1, place.seq + 3)),
                    _ => {}
                }
                self.ask(at, history);
            }
            62..68 => {
                let seq = at.dice.below(place.seq + 3);
                self.ask(at, json!({"type": "read", "channel": channel, "seq": seq}));
            }
            68..71 => drop(self.ask(at, json!({"type": "channels"}))),
            71..74 => drop(self.ask(at, json!({"type": "who", "channel": channel}))),
            74..77 => drop(self.ask(at, json!({"type": "typing", "channel": channel}))),
            77..82 if !at.users.is_empty() => {
                let users: Vec<String> = (0..3).map(|_| at.dice.one_of(at.users).clone()).collect();
                self.ask(at, json!({"type": "presence", "users": users}));
            }
            82..86 => {
                let mut leave = json!({"type": "leave", "channel": channel});
                if at.dice.once_in(2) {
                    leave["only"] = json!("session");
                }
                self.ask(at, leave);
                let place = self.places.entry(channel).or_default();
                (place.wanted, place.subscribed, place.joining) = (false, false, None);
            }
            86..88 => drop(self.ask(at, json!({"type": "ping"}))),
            88 => {
                self.ask(at, json!({"type": "logout"}));
                let no = self.line;
                self.down(at.now, at.dice);
                // The server ends the line by itself.
                if let Some(no) = no {
                    at.history.add(at.now, What::Over { session: no, code: None, by: By::Client });
                }
            }
            89..92 => {
                let no = self.line;
                self.down(at.now, at.dice);
                if let Some(no) = no {
                    let told = at.dice.once_in(2);
                    at.leave(no, told);
                }
            }
            92..98 => self.watch(at, channel),
            _ => {}
        }
    }

    fn post(&mut self, at: &mut At<'_>, channel: String, place: &Place) {
        if at.dice.once_in(8) {
            // Without a key nobody asks again.
            let body = json!({"n": at.dice.any() >> 12});
            self.ask(at, json!({"type": "publish", "channel": channel, "body": body}));
            return;
        }
        self.keys += 1;
        let key = format!("k{}-{}", self.number, self.keys);
        let base = (at.bases || (at.durable && at.dice.once_in(3))).then_some(place.seq);
        let mut body = json!({"key": key});
        if at.dice.once_in(15) {
            body["text"] = json!("x".repeat(at.dice.below(3000) as usize));
        }
        let post = Post { channel, key, base, body, sent: None, again: 0 };
        if at.dice.once_in(3) {
            self.old.push(post.clone());
        }
        if at.dice.once_in(6) && at.durable {
            // One of before, and behind it the new one.
            self.posts.extend(self.old.pop());
        }
        if at.dice.once_in(12) {
            // The same twice: at once, which makes one message all the same.
            self.posts.push_back(post.clone());
        }
        self.posts.push_back(post);
        self.push(at);
    }
}
